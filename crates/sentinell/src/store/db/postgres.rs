//! PostgreSQL: a server that any number of processes share.

use super::super::error::{Result, StoreError};
use super::wrong;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use std::str::FromStr;
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Begins a transaction that appends. One process at a time holds the lock, until its commit: positions have no gap and
/// follow the commits, and two groups never wait for each other's rows.
pub(super) const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(7305796351)";

/// How long making a connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
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
        let mut conn = self.connect().await?;
        MIGRATIONS
            .run_direct(None, &mut conn, false)
            .await
            .map_err(|error| StoreError::Unavailable(format!("migrating the database: {error}")))?;
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
}
