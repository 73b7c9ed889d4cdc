//! SQLite: one file in WAL mode that several processes may open.

use super::super::error::{Result, StoreError};
use super::wrong;
use futures::future::BoxFuture;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection, SqlitePool};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The number of the newest change of tables that this program knows.
pub(in crate::store) fn newest_migration() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// How long SQLite itself waits for another process before it says busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Pages that the write-ahead log collects before they are put into the file (16 MiB): a row that changes eight times on
/// its way is then written to the file once.
const CHECKPOINT: &str = "4000";
/// What a connection keeps of the file in memory at most, as SQLite counts it (KiB, negative).
const CACHE: &str = "-16000";
/// Rows on their way from a connection's thread to ours: a page of a list, or all of a group, at once.
const ROWS: usize = 1024;
/// How often a start is tried again when two processes migrate at once, and the pause between.
const MIGRATION_TRIES: u32 = 40;
const MIGRATION_PAUSE: Duration = Duration::from_millis(100);

type Hook = dyn Fn(&mut SqliteConnection) -> BoxFuture<'_, Result<(), sqlx::Error>> + Send + Sync;

/// What is done with every newly opened connection to SQLite.
#[derive(Clone)]
pub struct OnConnect(
    /// Called before the connection is used; an error refuses it.
    pub Arc<Hook>,
);

impl std::fmt::Debug for OnConnect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnConnect")
    }
}

/// One database file and how to open it.
#[derive(Debug, Clone)]
pub(in crate::store) struct File {
    options: SqliteConnectOptions,
    on_connect: Option<OnConnect>,
}

impl File {
    /// Reads `sqlite://path`.
    pub(super) fn parse(url: &str, on_connect: Option<OnConnect>) -> Result<Self> {
        if url.contains(":memory:") {
            return Err(wrong("expected sqlite://path-to-a-file; nothing is kept in memory"));
        }
        let options = SqliteConnectOptions::from_str(url).map_err(wrong)?;
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("wal_autocheckpoint", CHECKPOINT)
            .pragma("cache_size", CACHE)
            .row_buffer_size(ROWS)
            .statement_cache_capacity(256);
        Ok(Self { options, on_connect })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &std::path::Path {
        self.options.get_filename()
    }

    /// Makes the file (readable by its owner only) and brings its tables up to date.
    pub(super) async fn prepare(&self) -> Result<()> {
        private(self.options.get_filename());
        let mut tries = 0;
        loop {
            match self.migrate().await {
                Ok(()) => return Ok(()),
                // Two processes that start at once race for the same migration: the loser finds it done.
                Err(_) if tries < MIGRATION_TRIES => {
                    tries += 1;
                    tokio::time::sleep(MIGRATION_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn migrate(&self) -> Result<()> {
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(self.options.clone()).await?;
        let done = MIGRATIONS.run(&pool).await;
        pool.close().await;
        done.map_err(|error| StoreError::Unavailable(format!("migrating the database: {error}")))
    }

    /// A connection that may write.
    pub(super) async fn connect(&self) -> Result<SqliteConnection> {
        let mut conn = SqliteConnection::connect_with(&self.options).await?;
        if let Some(OnConnect(hook)) = &self.on_connect {
            hook(&mut conn).await?;
        }
        Ok(conn)
    }

    /// A pool that only reads.
    pub(super) async fn readers(&self, size: u32) -> Result<SqlitePool> {
        let options = self.options.clone().pragma("query_only", "ON");
        let mut pool = SqlitePoolOptions::new().max_connections(size).acquire_timeout(Duration::from_secs(5));
        if let Some(OnConnect(hook)) = self.on_connect.clone() {
            pool = pool.after_connect(move |conn, _| hook(conn));
        }
        Ok(pool.connect_with(options).await?)
    }
}

#[cfg(unix)]
fn private(file: &std::path::Path) {
    use std::os::unix::fs::OpenOptionsExt;
    // Best effort: opening the database reports what is wrong with the path.
    let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
}

#[cfg(not(unix))]
fn private(_file: &std::path::Path) {}
