//! The memory: what is kept elsewhere, as records that can be searched by words, meaning, time, repository, service and
//! kind. It is a reading: everything in it can be made again, so it is neither copied nor part of a journal's truth.
//!
//! A record's place is its time, so that a stretch of time is a stretch of places. Words are hashed by us, alike on both
//! databases: what a person types reaches no query language.

mod follow;
mod keep;
mod near;
mod rank;
mod recall;
#[cfg(test)]
mod tests;
mod words;

pub use follow::Due;
pub use near::Nearness;
pub use recall::{Found, Recall};

use super::db::{Conn, db, on, run};
use super::error::Result;
use super::{Store, to_db};
use futures::future::BoxFuture;
use sentinell_core::ids::IncidentId;
use sentinell_core::time::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something that came in.
    Signal,
    /// A message.
    Slack,
    /// A change of code.
    Commit,
    /// A shape of log lines.
    Template,
    /// An incident: what was known and how it ended.
    Incident,
    /// Its story.
    Postmortem,
    /// What to do.
    Runbook,
}

/// One thing to remember. Texts are redacted already: they come out of the journal and the signals.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Follows from what it was made of: the same again takes its place.
    pub id: String,
    /// What it is about.
    pub kind: Kind,
    /// When it was.
    pub at: Timestamp,
    /// When what it was made of came in.
    pub taken_at: Timestamp,
    /// The registered repository.
    pub repo_id: Option<String>,
    /// The service.
    pub service: Option<String>,
    /// The incident that it goes with when that goes.
    pub incident: Option<IncidentId>,
    /// One line.
    pub title: String,
    /// The text.
    pub text: String,
    /// Where it can be looked up.
    pub reference: Option<String>,
    /// What is known besides.
    pub facts: Value,
}

/// A record with its vector; an empty one if there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Marked {
    /// The record.
    pub record: Record,
    /// The model of the vector.
    pub model: String,
    /// The vector.
    pub vector: Vec<f32>,
}

impl Record {
    /// The id of what is made of these parts.
    pub fn id_of(kind: Kind, parts: &[&str]) -> String {
        let mut digest = Sha256::new().chain_update(super::word(&kind));
        for part in parts {
            digest.update([0]);
            digest.update(part);
        }
        let mut hex = super::chain::hex(&digest.finalize());
        hex.truncate(32);
        hex
    }

    /// What is searched in and what its vector is made of.
    pub fn whole(&self) -> String {
        format!("{}\n{}", self.title, self.text)
    }
}

/// A reader of signals or journals that remembers how far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What is read.
    pub source: &'static str,
    /// From here.
    pub from: u64,
    /// To here.
    pub to: u64,
}

impl Store {
    /// How far a source has been read; 0 at first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn remembered(&self, source: &str) -> Result<u64> {
        let sql = "SELECT position FROM context_cursors WHERE source = $1";
        let position: Option<i64> =
            db!(self.db, pool => sqlx::query_scalar(sql).bind(source).fetch_optional(pool).await?);
        Ok(super::from_db(position.unwrap_or(0)))
    }

    /// Keeps records and how far their source has been read, in one transaction. Records that are there already are
    /// written anew. Whether it was kept: not if another process has read on meanwhile.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn remember(&self, records: Vec<Marked>, read: Option<Read>) -> Result<bool> {
        let drafts = keep::drafts(records)?;
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    if let Some(read) = read
                        && !advance(conn, read.source, read.from, read.to).await?
                    {
                        return Ok(false);
                    }
                    keep::keep(conn, drafts).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Forgets the records of a kind whose ids are not among these.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_others(&self, kind: Kind, ids: &[String]) -> Result<()> {
        let sql = "SELECT n, id FROM context_records WHERE kind = $1 ORDER BY n LIMIT 10000";
        let word = super::word(&kind);
        let rows: Vec<(i64, String)> = db!(self.db, pool => sqlx::query_as(sql).bind(&word).fetch_all(pool).await?);
        let gone: Vec<i64> = rows.into_iter().filter(|(_, id)| !ids.contains(id)).map(|(n, _)| n).collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.writer.write(move |conn| Box::pin(async move { keep::forget(conn, &gone).await })).await
    }
}

/// Work for the writer, whose type is told here.
fn job<T, F>(work: F) -> F
where
    F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T>> + Send + 'static,
{
    work
}

async fn advance(conn: &mut Conn, source: &str, from: u64, to: u64) -> Result<bool> {
    if from == 0 {
        let sql = "INSERT INTO context_cursors (source, position) VALUES ($1, 0) ON CONFLICT (source) DO NOTHING";
        run!(conn, sql, source);
    }
    let sql = "UPDATE context_cursors SET position = $3 WHERE source = $1 AND position = $2";
    Ok(run!(conn, sql, source, to_db(from), to_db(to)) > 0)
}

/// Forgets what was made of an incident that goes.
pub(super) async fn forget_incident(conn: &mut Conn, id: &str) -> Result<()> {
    let sql = "SELECT n FROM context_records WHERE incident = $1";
    let gone: Vec<i64> = on!(conn, c => sqlx::query_scalar(sql).bind(id).fetch_all(c).await?);
    keep::forget(conn, &gone).await
}

/// Forgets a batch of what was made of signals taken in before, unless their incident is not over.
pub(super) async fn forget_signals(conn: &mut Conn, before: Timestamp, limit: i64) -> Result<()> {
    let sql = "SELECT n FROM context_records WHERE kind IN ('signal', 'slack', 'commit') AND taken_at < $1 \
               AND (incident IS NULL OR incident IN (SELECT id FROM incidents WHERE status = 'resolved')) \
               ORDER BY taken_at LIMIT $2";
    let gone: Vec<i64> = on!(conn, c => sqlx::query_scalar(sql).bind(before.0).bind(limit).fetch_all(c).await?);
    keep::forget(conn, &gone).await
}
