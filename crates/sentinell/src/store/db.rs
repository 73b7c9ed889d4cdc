//! The databases behind the store, and the seam that every statement goes through.
//!
//! How a statement is written, so that one text serves both databases:
//!
//! - Parameters are `$1..$N`; words are those that SQLite and PostgreSQL both know (`ON CONFLICT … DO UPDATE SET x =
//!   excluded.x`, `RETURNING`, `COALESCE`, `WITH`, row values). Numbers are `BIGINT`, so bind `i64` and read `i64`; a
//!   `SUM` of them is cast (`CAST(SUM(x) AS BIGINT)`). Text that is compared or ordered sorts by bytes in both.
//! - A statement is a plain literal in a file under `store/`: a test reads them off the sources and prepares each one on
//!   both databases. Where the texts have to differ, write `Sql { sqlite: "…", postgres: "…" }` and ask [`Conn::text`].
//! - Reading: `db!(self.db, pool => sqlx::query_as(sql).bind(id).fetch_all(pool).await?)`.
//! - Writing inside a job of the writer: `run!(conn, sql, id, at.0)` answers the rows it met; with an answer to read it
//!   is `on!(conn, c => sqlx::query_as(sql).bind(id).fetch_optional(c).await?)`.
//! - The body is expanded once per database, so it holds one statement and no logic. A `?` in it leaves the body, and
//!   the macro hands the error on: they are used in functions that answer [`Result`]. On a server the body has a time
//!   limit; when that is over, nobody knows whether the statement ran, and the connection is given up.
//! - On a server a failed statement spoils its transaction: a job without a savepoint cannot carry on after one.
//! - A new table comes as the same numbered migration in `migrations/sqlite` and `migrations/postgres`.

mod months;
mod postgres;
mod sqlite;

use super::Options;
use super::error::{Result, StoreError};
use futures::future::BoxFuture;
use postgres::Server;
use sqlite::File;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, SqliteConnection, SqlitePool};
use std::ops::{Deref, DerefMut};
use std::time::Duration;
use tokio::sync::watch;

pub use sqlite::OnConnect;
pub(super) use sqlite::newest_migration;

/// How long one statement on a server may take before it is given up.
const STATEMENT_PATIENCE: Duration = Duration::from_secs(6);

/// The readers' side: one typed pool per database, never a runtime-typed one.
#[derive(Debug, Clone)]
pub enum Db {
    /// One file in WAL mode.
    Sqlite(SqlitePool),
    /// A server that several processes share.
    Postgres(PgPool),
}

/// A connection that may write.
#[derive(Debug)]
pub(super) enum Conn {
    Sqlite(SqliteConnection),
    Postgres(PgConn),
}

/// A connection to a server: the writer's own, or one lent by the readers' pool.
#[derive(Debug)]
pub(super) enum PgConn {
    Own(PgConnection),
    Lent(PoolConnection<Postgres>),
}

impl Deref for PgConn {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Own(conn) => conn,
            Self::Lent(conn) => conn,
        }
    }
}

impl DerefMut for PgConn {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Own(conn) => conn,
            Self::Lent(conn) => conn,
        }
    }
}

/// A statement whose text the two databases do not share.
pub(super) struct Sql {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// Expands the same body for every database's readers.
macro_rules! db {
    ($db:expr, $pool:ident => $body:expr) => {
        match &$db {
            $crate::store::db::Db::Sqlite($pool) => $body,
            $crate::store::db::Db::Postgres($pool) => {
                let body = async { Ok::<_, $crate::store::error::StoreError>($body) };
                $crate::store::db::in_time(Box::pin(body)).await?
            }
        }
    };
}

/// Expands the same body for every database's write connection.
macro_rules! on {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::store::db::Conn::Sqlite($c) => $body,
            $crate::store::db::Conn::Postgres(conn) => {
                let body = async {
                    let $c: &mut sqlx::PgConnection = conn;
                    Ok::<_, $crate::store::error::StoreError>($body)
                };
                $crate::store::db::in_time(Box::pin(body)).await?
            }
        }
    };
}

/// Runs a statement on the write connection with these parameters; how many rows it met.
macro_rules! run {
    ($conn:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::store::db::on!($conn, c => sqlx::query($sql)$(.bind($value))*.execute(c).await?.rows_affected())
    };
}
pub(super) use {db, on, run};

/// Waits for a server, but not for ever.
pub(super) async fn in_time<T>(body: BoxFuture<'_, Result<T>>) -> Result<T> {
    let given_up = |_| StoreError::Unavailable("the database did not answer in time".into());
    tokio::time::timeout(STATEMENT_PATIENCE, body).await.map_err(given_up)?
}

impl Conn {
    /// The text of a statement for this database.
    pub(super) fn text(&self, sql: &Sql) -> &'static str {
        match self {
            Self::Sqlite(_) => sql.sqlite,
            Self::Postgres(_) => sql.postgres,
        }
    }

    /// Whether a failed statement spoils the transaction it was part of.
    pub(super) fn spoils(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Lifts the server's limits for work that takes its time.
    pub(super) async fn patiently(&mut self) -> Result<()> {
        if let Self::Postgres(conn) = self {
            sqlx::raw_sql(postgres::PATIENTLY).execute(&mut **conn).await?;
        }
        Ok(())
    }

    /// Lets counted columns go on after the greatest number that is there.
    pub(super) async fn count_on(&mut self) -> Result<()> {
        if let Self::Postgres(conn) = self {
            sqlx::raw_sql(postgres::COUNT_ON).execute(&mut **conn).await?;
        }
        Ok(())
    }

    /// Begins a transaction that sees one moment of the database and changes nothing.
    pub(super) async fn begin_reading(&mut self) -> Result<()> {
        let snapshot = Sql { sqlite: "BEGIN", postgres: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" };
        let text = self.text(&snapshot);
        run!(self, text);
        Ok(())
    }

    /// Begins a transaction and takes the right to append, of which there is one over all processes.
    /// [`StoreError::Busy`] if another process has it.
    pub(super) async fn begin(&mut self) -> Result<()> {
        match self.try_begin().await {
            // Waiting for the lock failed inside the new transaction; the next try needs a fresh one.
            Err(error) if self.spoils() => {
                run!(self, "ROLLBACK");
                Err(error)
            }
            done => done,
        }
    }

    async fn try_begin(&mut self) -> Result<()> {
        let text = self.text(&Sql { sqlite: "BEGIN IMMEDIATE", postgres: postgres::BEGIN });
        on!(self, c => sqlx::raw_sql(text).execute(c).await?.rows_affected());
        Ok(())
    }

    /// Commits; what the journals grew to is announced to other processes where that is possible. An error leaves open
    /// whether it did.
    pub(super) async fn commit(&mut self, grown_to: Option<i64>) -> Result<()> {
        if let (Self::Postgres(_), Some(position)) = (&*self, grown_to) {
            run!(self, postgres::TELL, position.to_string());
        }
        run!(self, "COMMIT");
        Ok(())
    }

    /// Ends the connection; what is not committed is gone.
    pub(super) async fn close(self) {
        let closed = async {
            match self {
                Self::Sqlite(conn) => sqlx::Connection::close(conn).await,
                Self::Postgres(PgConn::Own(conn)) => sqlx::Connection::close(conn).await,
                Self::Postgres(PgConn::Lent(_)) => Ok(()),
            }
        };
        // It is going away: nothing is left to be told.
        let _ = tokio::time::timeout(STATEMENT_PATIENCE, closed).await;
    }
}

impl Db {
    /// A connection for short writes beside the writer's, where there may be one.
    pub(super) async fn lend(&self) -> Result<Option<Conn>> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(pool) => Ok(Some(Conn::Postgres(PgConn::Lent(pool.acquire().await?)))),
        }
    }

    /// Closes the pool.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            // A server that is frozen does not hold us up.
            Self::Postgres(pool) => drop(tokio::time::timeout(STATEMENT_PATIENCE, pool.close()).await),
        }
    }
}

/// Where the database is and how to speak to it.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Sqlite(Box<File>),
    Postgres(Box<Server>),
}

impl Target {
    /// Reads `sqlite://path` or `postgres://user@host/database`.
    pub(super) fn parse(url: &str, options: &Options) -> Result<Self> {
        match url.split_once(':').map_or(url, |(scheme, _)| scheme) {
            "sqlite" => Ok(Self::Sqlite(Box::new(File::parse(url, options.on_connect.clone())?))),
            "postgres" | "postgresql" => Ok(Self::Postgres(Box::new(Server::parse(url)?))),
            // Not the URL: it may hold a password.
            _ => Err(wrong("expected sqlite://path-to-a-file or postgres://user@host/database")),
        }
    }

    /// Whether there is something to open; a server is asked when it is opened.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Self::Sqlite(file) => file.path().exists(),
            Self::Postgres(_) => true,
        }
    }

    /// Makes the database if it can and brings its tables up to date.
    pub(super) async fn prepare(&self) -> Result<()> {
        match self {
            Self::Sqlite(file) => file.prepare().await,
            Self::Postgres(server) => server.prepare().await,
        }
    }

    /// The one connection that writes.
    pub(super) async fn writer(&self) -> Result<Conn> {
        match self {
            Self::Sqlite(file) => Ok(Conn::Sqlite(file.connect().await?)),
            Self::Postgres(server) => Ok(Conn::Postgres(PgConn::Own(server.connect().await?))),
        }
    }

    /// Hears what other processes commit, where they can say so; `newest` learns the position. Ends when nobody listens
    /// any more.
    pub(super) fn listen(&self, newest: watch::Sender<u64>) {
        if let Self::Postgres(server) = self {
            tokio::spawn(Server::clone(server).listen(newest));
        }
    }

    /// The pool that reads.
    pub(super) async fn readers(&self, size: u32) -> Result<Db> {
        match self {
            Self::Sqlite(file) => Ok(Db::Sqlite(file.readers(size).await?)),
            Self::Postgres(server) => Ok(Db::Postgres(server.pool(size).await?)),
        }
    }
}

fn wrong(why: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("DATABASE_URL: {why}"))
}
