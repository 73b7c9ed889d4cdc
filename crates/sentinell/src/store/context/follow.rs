//! Who follows the memory: what gives records their meaning, and what keeps vectors elsewhere too. A follower reads on by the
//! number of a record's last change and remembers how far it came under a name that says what it is about (the model, the
//! index); under another name it begins anew, and the old name is forgotten.

use super::super::db::{Sql, db, on, run};
use super::super::error::Result;
use super::super::{Store, from_db, read_word, to_db};
use super::keep::small;
use super::{Kind, Record, advance, job};
use sentinell_core::time::Timestamp;

/// A record that a follower has yet to deal with.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The number of its last change.
    pub changed: u64,
    /// The record.
    pub record: Record,
    /// Its place, which is its key in other tables.
    pub place: i64,
    /// Its vector, one signed byte a dimension; empty if it has none.
    pub vector: Vec<i8>,
}

const DUE: &str = "SELECT r.changed, r.n, m.vector, r.id, r.kind, r.at, r.taken_at, r.repo_id, r.service, r.incident, \
                   r.title, r.text, r.reference, r.facts FROM context_records r JOIN context_marks m ON m.n = r.n \
                   WHERE r.changed > $1 AND m.model <> $2 ORDER BY r.changed LIMIT $3";
const MARKED: &str = "SELECT r.changed, r.n, m.vector, r.id, r.kind, r.at, r.taken_at, r.repo_id, r.service, r.incident, \
                      r.title, r.text, r.reference, r.facts FROM context_records r JOIN context_marks m ON m.n = r.n \
                      WHERE r.changed > $1 AND r.changed <= $2 AND m.model = $3 ORDER BY r.changed LIMIT $4";

#[derive(sqlx::FromRow)]
struct DueRow {
    changed: i64,
    vector: Vec<u8>,
    #[sqlx(flatten)]
    row: super::recall::Row,
}

impl DueRow {
    fn due(self) -> Result<Due> {
        let vector = self.vector.into_iter().map(u8::cast_signed).collect();
        let place = self.row.n;
        Ok(Due { changed: from_db(self.changed), record: super::recall::record(self.row)?, place, vector })
    }
}

impl Store {
    /// Takes the name `source` up, and how far it came. Names of the same group (its first word) are forgotten.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn follow_context(&self, source: &str) -> Result<u64> {
        let known: i64 = {
            let (source, group) = (source.to_owned(), format!("{} %", source.split(' ').next().unwrap_or_default()));
            let work = job(move |conn| {
                Box::pin(async move {
                    run!(conn, "DELETE FROM context_cursors WHERE source LIKE $1 AND source <> $2", &group, &source);
                    let sql =
                        "INSERT INTO context_cursors (source, position) VALUES ($1, 0) ON CONFLICT (source) DO NOTHING";
                    run!(conn, sql, &source);
                    let sql = "SELECT position FROM context_cursors WHERE source = $1";
                    Ok(on!(conn, c => sqlx::query_scalar(sql).bind(&source).fetch_one(c).await?))
                })
            });
            self.writer.write(work).await?
        };
        Ok(from_db(known))
    }

    /// Whether this process is the one of its group until `until`; `mine` is what it was told to be the last time.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn lead_context(&self, group: &str, mine: Timestamp, now: Timestamp, until: Timestamp) -> Result<bool> {
        let source = format!("leading-{group}");
        let work = job(move |conn| {
            Box::pin(async move {
                let sql =
                    "INSERT INTO context_cursors (source, position) VALUES ($1, 0) ON CONFLICT (source) DO NOTHING";
                run!(conn, sql, &source);
                let sql =
                    "UPDATE context_cursors SET position = $2 WHERE source = $1 AND (position < $3 OR position = $4)";
                Ok(run!(conn, sql, &source, until.0, now.0, mine.0) > 0)
            })
        });
        self.writer.write(work).await
    }

    /// The next records without a vector of this model, and how far there is nothing else to do.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn without_meaning(&self, after: u64, model: &str, limit: u32) -> Result<(Vec<Due>, u64)> {
        let newest = self.remembered("changed").await?;
        let rows: Vec<DueRow> = db!(self.db, pool => {
            let query = sqlx::query_as(DUE).bind(to_db(after)).bind(model).bind(i64::from(limit));
            query.fetch_all(pool).await?
        });
        until(rows, limit, newest.max(after))
    }

    /// The next records that have a vector of this model, up to a change, and how far there is nothing else to do.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn with_meaning(&self, after: u64, to: u64, model: &str, limit: u32) -> Result<(Vec<Due>, u64)> {
        let rows: Vec<DueRow> = db!(self.db, pool => {
            let query = sqlx::query_as(MARKED).bind(to_db(after)).bind(to_db(to)).bind(model).bind(i64::from(limit));
            query.fetch_all(pool).await?
        });
        until(rows, limit, to.max(after))
    }

    /// Gives records vectors of this model and moves the name on, together; not at all if somebody else moved it
    /// meanwhile. Records that changed meanwhile are left for later.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn give_meaning(
        &self,
        source: &str,
        from: u64,
        to: u64,
        model: &str,
        given: Vec<(Due, Vec<f32>)>,
    ) -> Result<bool> {
        let (source, model) = (source.to_owned(), model.to_owned());
        let rows: Vec<(i64, i64, Vec<u8>)> =
            given.into_iter().map(|(due, vector)| (due.place, to_db(due.changed), small(&vector))).collect();
        let work = job(move |conn| {
            Box::pin(async move {
                if !advance(conn, &source, from, to).await? {
                    return Ok(false);
                }
                let sql = "UPDATE context_marks SET model = $1, vector = $2 WHERE n = $3 \
                           AND EXISTS (SELECT 1 FROM context_records r WHERE r.n = $3 AND r.changed = $4)";
                for (n, changed, vector) in rows {
                    run!(conn, sql, &model, vector, n, changed);
                }
                Ok(true)
            })
        });
        self.writer.write(work).await
    }

    /// Moves a follower's name on; not if somebody else did meanwhile.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn followed(&self, source: &str, from: u64, to: u64) -> Result<bool> {
        let source = source.to_owned();
        self.writer.write(move |conn| Box::pin(async move { advance(conn, &source, from, to).await })).await
    }

    /// Records that were forgotten here and may still be kept elsewhere.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn forgotten(&self, limit: u32) -> Result<Vec<(String, Kind)>> {
        // What is remembered again was written over elsewhere.
        let sql = "SELECT id, kind FROM context_gone ORDER BY id LIMIT $1";
        let rows: Vec<(String, String)> =
            db!(self.db, pool => sqlx::query_as(sql).bind(i64::from(limit)).fetch_all(pool).await?);
        rows.into_iter().map(|(id, kind)| Ok((id, read_word(&kind)?))).collect()
    }

    /// Which of these ids are remembered now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn still_remembered(&self, ids: &[&str]) -> Result<Vec<String>> {
        let (sql, list) = (self.text(&THERE), serde_json::to_string(ids)?);
        Ok(db!(self.db, pool => sqlx::query_scalar(sql).bind(&list).fetch_all(pool).await?))
    }

    /// Forgets that these were forgotten.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn settle_forgotten(&self, ids: Vec<String>) -> Result<()> {
        let list = serde_json::to_string(&ids)?;
        let work = job(move |conn| {
            Box::pin(async move {
                let sql = conn.text(&SETTLE);
                run!(conn, sql, &list);
                Ok(())
            })
        });
        self.writer.write(work).await
    }
}

const THERE: Sql = Sql {
    sqlite: "SELECT id FROM context_records WHERE id IN (SELECT value FROM json_each($1))",
    postgres: "SELECT id FROM context_records WHERE id IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
};
const SETTLE: Sql = Sql {
    sqlite: "DELETE FROM context_gone WHERE id IN (SELECT value FROM json_each($1))",
    postgres: "DELETE FROM context_gone WHERE id IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
};

/// The records, and how far a follower is once it has dealt with them.
fn until(rows: Vec<DueRow>, limit: u32, newest: u64) -> Result<(Vec<Due>, u64)> {
    let full = rows.len() >= limit as usize;
    let due: Vec<Due> = rows.into_iter().map(DueRow::due).collect::<Result<_>>()?;
    let to = if full { due.last().map_or(newest, |last| last.changed) } else { newest };
    Ok((due, to))
}
