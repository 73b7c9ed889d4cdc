//! The databases behind the store: connections, pragmas, migrations. The SQL of the other files is written with
//! `$1..$N` and words that both SQLite and PostgreSQL know; what differs between them is here.

use super::error::{Result, StoreError};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection, SqlitePool};
use std::str::FromStr;
use std::time::Duration;

/// The connection that writes.
pub(super) type Conn = SqliteConnection;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long SQLite itself waits for another process before it says busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a start is tried again when two processes migrate at once, and the pause between.
const MIGRATION_TRIES: u32 = 40;
const MIGRATION_PAUSE: Duration = Duration::from_millis(100);

/// The readers' side: one typed pool per database, never a runtime-typed one.
#[derive(Debug, Clone)]
pub enum Db {
    /// One file in WAL mode.
    Sqlite(SqlitePool),
}

/// Expands the same body for every database: `db!(self.db, pool => sqlx::query(…).fetch_all(pool).await)`.
macro_rules! db {
    ($db:expr, $pool:ident => $body:expr) => {
        match &$db {
            $crate::store::db::Db::Sqlite($pool) => $body,
        }
    };
}
pub(super) use db;

/// Where the database is and how to speak to it.
#[derive(Debug, Clone)]
pub(super) struct Target(SqliteConnectOptions);

impl Target {
    /// Reads `sqlite://path`.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let wrong = |why: String| StoreError::Unavailable(format!("DATABASE_URL: {why}"));
        if !url.starts_with("sqlite:") || url.contains(":memory:") {
            return Err(wrong(format!("expected sqlite://path-to-a-file, found `{}`", scheme(url))));
        }
        let options = SqliteConnectOptions::from_str(url).map_err(|error| wrong(error.to_string()))?;
        Ok(Self(
            options
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .statement_cache_capacity(256),
        ))
    }

    /// Makes the file (readable by its owner only) and brings its tables up to date.
    pub(super) async fn prepare(&self) -> Result<()> {
        private(self.0.get_filename());
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
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(self.0.clone()).await?;
        let done = MIGRATIONS.run(&pool).await;
        pool.close().await;
        done.map_err(|error| StoreError::Unavailable(format!("migrating the database: {error}")))
    }

    /// The one connection that writes.
    pub(super) async fn writer(&self) -> Result<Conn> {
        Ok(SqliteConnection::connect_with(&self.0).await?)
    }

    /// The pool that reads.
    pub(super) async fn readers(&self, size: u32) -> Result<Db> {
        let options = self.0.clone().pragma("query_only", "ON");
        let pool = SqlitePoolOptions::new().max_connections(size).acquire_timeout(Duration::from_secs(5));
        Ok(Db::Sqlite(pool.connect_with(options).await?))
    }
}

/// What may be shown of a URL that is not ours: it may hold a password.
fn scheme(url: &str) -> &str {
    url.split("//").next().unwrap_or_default()
}

#[cfg(unix)]
fn private(file: &std::path::Path) {
    use std::os::unix::fs::OpenOptionsExt;
    // Best effort: opening the database reports what is wrong with the path.
    let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
}

#[cfg(not(unix))]
fn private(_file: &std::path::Path) {}
