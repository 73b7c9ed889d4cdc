//! A database of its own for a test: a file, or, where `SENTINELL_TEST_POSTGRES` names a server, one on that server.
//! Every test that keeps something asks here, so that all of them run on both.

#![allow(clippy::unwrap_used, reason = "what does not work in a test should stop it")]

use super::{Options, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::sync::Mutex;

/// The variable that names a server (`postgres://user:password@host:port/postgres`).
const SERVER: &str = "SENTINELL_TEST_POSTGRES";
/// The database that others are copies of: its tables are there already.
const TEMPLATE: &str = "sentinell_template";

/// Databases of this process that no test uses any more: emptying one is quicker than making one.
static FREE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// An empty database with its tables, gone (or given back) with this.
pub struct Place {
    url: String,
    _folder: Option<tempfile::TempDir>,
    name: Option<String>,
}

impl Place {
    /// A place of the kind that this run is about.
    pub async fn new() -> Self {
        match std::env::var(SERVER) {
            Ok(server) => Self::on(&server).await,
            Err(_) => Self::file(),
        }
    }

    /// A file, whatever this run is about.
    pub fn file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("house.db").display());
        Self { url, _folder: Some(folder), name: None }
    }

    /// What a store is opened with.
    pub fn url(&self) -> &str {
        &self.url
    }

    async fn on(server: &str) -> Self {
        let free = FREE.lock().unwrap().pop();
        let (base, _) = server.rsplit_once('/').unwrap();
        let name = match free {
            Some(name) => {
                empty(&format!("{base}/{name}")).await;
                name
            }
            None => make(server, base).await,
        };
        Self { url: format!("{base}/{name}"), _folder: None, name: Some(name) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Some(name), Ok(mut free)) = (self.name.take(), FREE.lock()) {
            free.push(name);
        }
    }
}

async fn make(server: &str, base: &str) -> String {
    let mut admin = PgConnection::connect(server).await.unwrap();
    // Tests are processes that start at once: the first makes the template, under a name that nobody copies yet.
    sqlx::query("SELECT pg_advisory_lock(4711)").execute(&mut admin).await.unwrap();
    let there = "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)";
    let there: bool = sqlx::query_scalar(there).bind(TEMPLATE).fetch_one(&mut admin).await.unwrap();
    if !there {
        sqlx::raw_sql("DROP DATABASE IF EXISTS sentinell_unfinished").execute(&mut admin).await.unwrap();
        sqlx::raw_sql("CREATE DATABASE sentinell_unfinished").execute(&mut admin).await.unwrap();
        migrate(&format!("{base}/sentinell_unfinished")).await;
        let rename = format!("ALTER DATABASE sentinell_unfinished RENAME TO {TEMPLATE}");
        while sqlx::raw_sql(AssertSqlSafe(rename.clone())).execute(&mut admin).await.is_err() {
            // A connection that is being closed still counts for a moment.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    sqlx::query("SELECT pg_advisory_unlock(4711)").execute(&mut admin).await.unwrap();
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let copy = format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}");
    sqlx::raw_sql(AssertSqlSafe(copy)).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    name
}

async fn migrate(url: &str) {
    Store::open(url, Options::default()).await.unwrap().close().await;
}

/// Takes everything out of a database that a test has left.
async fn empty(url: &str) {
    let mut conn = PgConnection::connect(url).await.unwrap();
    let full = "SELECT string_agg(format('DELETE FROM %I', relname), ';') FROM pg_stat_user_tables \
                WHERE relname <> '_sqlx_migrations'";
    let clean: String = sqlx::query_scalar(full).fetch_one(&mut conn).await.unwrap();
    let clean = format!("BEGIN; SET LOCAL session_replication_role = replica; {clean}; COMMIT");
    sqlx::raw_sql(AssertSqlSafe(clean)).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}
