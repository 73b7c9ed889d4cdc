//! pgvector, where the server has it: a table of vectors with an index by nearness, so that meaning finds records however old
//! they are and whatever their words. It is made at the start and not by a migration, since it depends on the extension and
//! on how long the vectors are; without it everything else works on.

use super::super::db::{Conn, Db, Target, on, run};
use super::super::error::Result;
use super::super::{Options, Store, to_db};
use super::follow::Due;
use super::recall::Recall;
use super::{advance, job, keep};
use sqlx::AssertSqlSafe;
use std::fmt::Write;

/// Records that nearness brings.
const NEAR: i64 = 200;
/// The longest vectors that can be indexed; longer ones are compared one by one.
const INDEXED: usize = 4_000;
/// The longest vectors that can be kept.
const KEPT: usize = 16_000;

/// Whether nearness is looked up by the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nearness {
    /// By pgvector of this version.
    Indexed(String),
    /// This database has nothing of the kind.
    NoServer,
    /// A server without it, and why.
    Missing(String),
}

impl Store {
    /// Makes ready to look nearness up in the database, for vectors of this length.
    pub async fn prepare_nearness(&self, dimensions: usize) -> Nearness {
        if matches!(self.db, Db::Sqlite(_)) {
            return Nearness::NoServer;
        }
        if dimensions == 0 || dimensions > KEPT {
            return Nearness::Missing(format!("vectors of {dimensions} numbers do not fit"));
        }
        let work = job(move |conn| Box::pin(async move { prepare(conn, dimensions).await }));
        match self.writer.write(work).await {
            Ok(version) => {
                self.near.store(dimensions, std::sync::atomic::Ordering::Relaxed);
                Nearness::Indexed(version)
            }
            Err(error) => Nearness::Missing(error.to_string()),
        }
    }

    fn looks_near(&self) -> Option<usize> {
        Some(self.near.load(std::sync::atomic::Ordering::Relaxed)).filter(|dimensions| *dimensions > 0)
    }

    /// Puts vectors where nearness is looked up and moves the follower's name on, together.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn keep_near(&self, source: &str, from: u64, to: u64, model: &str, due: Vec<Due>) -> Result<bool> {
        let (source, model) = (source.to_owned(), model.to_owned());
        let dimensions = self.looks_near().unwrap_or(0);
        let work = job(move |conn| {
            Box::pin(async move {
                if !advance(conn, &source, from, to).await? {
                    return Ok(false);
                }
                for due in due.iter().filter(|due| due.vector.len() == dimensions) {
                    put(conn, due, &model).await?;
                }
                Ok(true)
            })
        });
        self.writer.write(work).await
    }

    /// The places of the records nearest in meaning within the narrowed part; none where nearness cannot be looked up.
    pub(super) async fn near(&self, recall: &Recall, from: i64, to: i64) -> Result<Vec<i64>> {
        let (Db::Postgres(pool), Some(dimensions), Some((model, vector))) =
            (&self.db, self.looks_near(), &recall.vector)
        else {
            return Ok(vec![]);
        };
        if vector.len() != dimensions {
            return Ok(vec![]);
        }
        let kinds: Vec<String> = recall.kinds.iter().map(super::super::word).collect();
        let vector = written(&keep::small(vector).into_iter().map(u8::cast_signed).collect::<Vec<_>>());
        let body = async {
            let mut tx = pool.begin().await?;
            // What does not fit the narrowing is passed over, but not for ever (`hnsw.max_scan_tuples`).
            sqlx::query("SELECT set_config('hnsw.iterative_scan', 'strict_order', true)").execute(&mut *tx).await?;
            let sql = format!(
                "SELECT n FROM context_near WHERE model = $1 AND n >= $2 AND n < $3 AND ($4::TEXT IS NULL OR service = $4) \
                 AND ($5::TEXT IS NULL OR repo_id = $5) AND (cardinality($6::TEXT[]) = 0 OR kind = ANY($6)) \
                 ORDER BY vector <=> $7::halfvec({dimensions}) LIMIT {NEAR}"
            );
            let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(model).bind(from).bind(to);
            let query = query.bind(&recall.service).bind(&recall.repo_id).bind(&kinds).bind(&vector);
            let places: Vec<i64> = query.fetch_all(&mut *tx).await?;
            tx.commit().await?;
            Ok(places)
        };
        super::super::db::in_time(Box::pin(body)).await
    }
}

impl Store {
    /// Whether the server has pgvector, installed into this database or ready to be; nothing is changed.
    ///
    /// # Errors
    /// If the database cannot be opened.
    pub async fn look_for_nearness(url: &str) -> Result<Nearness> {
        let target = Target::parse(url, &Options::default())?;
        let mut conn = target.writer().await?;
        let sql = "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'";
        let found: Result<Option<String>> = postgres(&mut conn, sql).await;
        let server = matches!(conn, Conn::Postgres(_));
        conn.close().await;
        Ok(match (server, found?) {
            (false, _) => Nearness::NoServer,
            (true, Some(version)) => Nearness::Indexed(version),
            (true, None) => Nearness::Missing("the server has no extension called vector".to_owned()),
        })
    }
}

async fn prepare(conn: &mut Conn, dimensions: usize) -> Result<String> {
    let there = "SELECT 1 FROM pg_extension WHERE extname = 'vector'";
    let there: Option<i32> = postgres(conn, there).await?;
    if there.is_none() {
        // As the database's owner may, since the extension is trusted.
        run_text(conn, "CREATE EXTENSION vector".to_owned()).await?;
    }
    let length = "SELECT a.atttypmod FROM pg_attribute a WHERE a.attrelid = to_regclass('context_near') AND a.attname = 'vector'";
    let length: Option<i32> = postgres(conn, length).await?;
    if length.is_some_and(|length| usize::try_from(length).ok() != Some(dimensions)) {
        // Vectors of another length are of another model; the follower begins anew.
        run_text(conn, "DROP TABLE context_near".to_owned()).await?;
    }
    run_text(
        conn,
        format!(
            "CREATE TABLE IF NOT EXISTS context_near (n BIGINT NOT NULL PRIMARY KEY REFERENCES context_records (n) ON DELETE CASCADE, \
             kind TEXT NOT NULL, service TEXT, repo_id TEXT, model TEXT NOT NULL, vector halfvec({dimensions}) NOT NULL)"
        ),
    )
    .await?;
    if dimensions <= INDEXED {
        let index =
            "CREATE INDEX IF NOT EXISTS context_nearness ON context_near USING hnsw (vector halfvec_cosine_ops)";
        run_text(conn, index.to_owned()).await?;
    }
    let version = "SELECT extversion FROM pg_extension WHERE extname = 'vector'";
    Ok(postgres(conn, version).await?.unwrap_or_default())
}

async fn put(conn: &mut Conn, due: &Due, model: &str) -> Result<()> {
    let dimensions = due.vector.len();
    let sql = format!(
        "INSERT INTO context_near (n, kind, service, repo_id, model, vector) SELECT $1, $2, $3, $4, $5, \
         CAST($6 AS halfvec({dimensions})) WHERE EXISTS (SELECT 1 FROM context_records WHERE n = $1 AND changed = $7) \
         ON CONFLICT (n) DO UPDATE SET kind = excluded.kind, service = excluded.service, repo_id = excluded.repo_id, \
         model = excluded.model, vector = excluded.vector"
    );
    let (kind, vector) = (super::super::word(&due.record.kind), written(&due.vector));
    let (service, repo) = (due.record.service.clone(), due.record.repo_id.clone());
    run!(conn, AssertSqlSafe(sql), due.place, kind, service, repo, model, vector, to_db(due.changed));
    Ok(())
}

/// As pgvector reads it.
fn written(vector: &[i8]) -> String {
    let mut text = String::from("[");
    for (at, x) in vector.iter().enumerate() {
        let _ = write!(text, "{}{x}", if at > 0 { "," } else { "" });
    }
    text + "]"
}

async fn run_text(conn: &mut Conn, text: String) -> Result<()> {
    on!(conn, c => sqlx::raw_sql(AssertSqlSafe(text)).execute(c).await?.rows_affected());
    Ok(())
}

/// One value that only a server is asked for.
async fn postgres<T>(conn: &mut Conn, sql: &'static str) -> Result<Option<T>>
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let Conn::Postgres(conn) = conn else { return Ok(None) };
    let conn: &mut sqlx::PgConnection = conn;
    let body = async { Ok(sqlx::query_scalar(sql).fetch_optional(conn).await?) };
    super::super::db::in_time(Box::pin(body)).await
}
