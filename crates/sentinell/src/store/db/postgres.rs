//! PostgreSQL: a server that any number of processes share.

use super::super::error::{Result, StoreError};
use super::{in_time, months, wrong};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::watch;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Begins a transaction that appends. One process at a time holds the lock, until its commit: positions have no gap and
/// follow the commits, and two groups never wait for each other's rows.
pub(super) const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(7305796351)";
/// That lock's number.
pub(super) const APPENDING: i64 = 7_305_796_351;
/// Tells the other processes how far the journals go, once this transaction is committed.
pub(super) const TELL: &str = "SELECT pg_notify('sentinell_news', $1)";
/// Lifts the limits for work that takes its time.
pub(super) const PATIENTLY: &str =
    "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0";
/// Sets every identity column to go on after its greatest value.
pub(super) const COUNT_ON: &str = "DO $$ DECLARE it record; BEGIN FOR it IN \
     SELECT t.relname, a.attname FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid \
     WHERE a.attidentity <> '' AND t.relnamespace = current_schema()::regnamespace LOOP \
     EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, %L), COALESCE(MAX(%I), 0) + 1, false) FROM %I', \
     it.relname, it.attname, it.attname, it.relname); END LOOP; END $$";
/// Where they listen.
const NEWS: &str = "sentinell_news";

/// How long making a connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
/// How long a start waits for its tables, another process's migration included.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(120);
/// After so long without news the listener asks whether its connection still lives.
const SILENCE: Duration = Duration::from_secs(20);
/// Limits that the server itself keeps, so that what a vanished client leaves behind ends by itself.
const LIMITS: [(&str, &str); 7] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "4s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10s"),
];

/// One database of a server and how to reach it.
#[derive(Clone)]
pub(in crate::store) struct Server {
    options: PgConnectOptions,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        f.debug_struct("Server").field("host", &host).field("port", &port).finish_non_exhaustive()
    }
}

impl Server {
    /// Reads `postgres://user:password@host:port/database`.
    pub(super) fn parse(url: &str) -> Result<Self> {
        // The reason is left out: it may quote the password.
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| wrong("not a valid postgres://user:password@host:port/database"))?;
        Ok(Self { options: options.application_name("sentinell").options(LIMITS).statement_cache_capacity(256) })
    }

    /// Brings the tables up to date. Processes that start at once wait for each other.
    pub(super) async fn prepare(&self) -> Result<()> {
        let late = |_| StoreError::Unavailable("another process migrates the database; try again later".into());
        tokio::time::timeout(MIGRATION_PATIENCE, self.migrate()).await.map_err(late)?
    }

    async fn migrate(&self) -> Result<()> {
        let mut conn = self.connect().await?;
        let encoding: String = sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut conn).await?;
        if encoding != "UTF8" {
            return Err(StoreError::Unavailable(format!("the database's encoding is {encoding}; make one with UTF8")));
        }
        sqlx::raw_sql(PATIENTLY).execute(&mut conn).await?;
        let done = MIGRATIONS.run_direct(None, &mut conn, false).await;
        done.map_err(|error| StoreError::Unavailable(format!("migrating the database: {error}")))?;
        months::make_ahead(&mut conn, chrono::Utc::now().date_naive()).await?;
        Ok(conn.close().await?)
    }

    /// A connection that may write.
    pub(super) async fn connect(&self) -> Result<PgConnection> {
        let connecting = tokio::time::timeout(CONNECT_PATIENCE, PgConnection::connect_with(&self.options));
        let late = |_| StoreError::Unavailable("the database server did not answer in time".into());
        Ok(connecting.await.map_err(late)??)
    }

    /// A pool for reads and for short statements of their own.
    pub(super) async fn pool(&self, size: u32) -> Result<PgPool> {
        let pool = PgPoolOptions::new().max_connections(size).acquire_timeout(CONNECT_PATIENCE);
        Ok(pool.connect_with(self.options.clone()).await?)
    }

    /// Hears what other processes commit, and makes the tables of the coming months, until nobody holds the store any
    /// more. News are a hint: whatever gets lost here is found by polling.
    pub(super) async fn listen(self, newest: watch::Sender<u64>) {
        let hearing = async {
            loop {
                if let Err(error) = self.hear(&newest).await {
                    tracing::debug!(%error, "no news from the database; trying again");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let making = async {
            loop {
                tokio::time::sleep(months::EVERY).await;
                if let Err(error) = self.make_months().await {
                    tracing::warn!(%error, "the tables of the coming months could not be made; trying again");
                }
            }
        };
        tokio::select! {
            () = newest.closed() => {}
            () = hearing => {}
            () = making => {}
        }
    }

    async fn make_months(&self) -> Result<()> {
        let mut conn = self.connect().await?;
        months::make_ahead(&mut conn, chrono::Utc::now().date_naive()).await?;
        Ok(conn.close().await?)
    }

    async fn hear(&self, newest: &watch::Sender<u64>) -> Result<()> {
        let one = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_PATIENCE);
        let pool = one.max_lifetime(None).idle_timeout(None).connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // After a lost connection we begin anew.
        listener.eager_reconnect(false);
        listener.listen(NEWS).await?;
        loop {
            match tokio::time::timeout(SILENCE, listener.try_recv()).await {
                Ok(heard) => {
                    let Some(news) = heard? else { return Ok(()) };
                    let position = news.payload().parse::<u64>().unwrap_or(0);
                    newest.send_if_modified(|known| {
                        let grew = position > *known;
                        *known = position.max(*known);
                        grew
                    });
                }
                Err(_) => in_time(Box::pin(async { Ok(sqlx::query("SELECT 1").execute(&mut listener).await?) }))
                    .await
                    .map(drop)?,
            }
        }
    }
}
