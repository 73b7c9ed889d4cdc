//! The system stream and the heads that vouch for it and for every journal: see [`sentinell_core::audit`].

use super::db::{Conn, db, on, run};
use super::error::{Result, StoreError};
use super::{Store, from_db, to_db};
use sentinell_core::approval::Principal;
use sentinell_core::audit::{Head, JournalEntry, Line, SystemEvent, Window};
use sentinell_core::ids::{Actor, IncidentId};
use sentinell_core::time::Timestamp;
use serde_json::Value;

/// How many rows one read takes.
const PAGE: u64 = 1_000;

/// Who changes something, and when: what the system stream says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who, as authentication found out.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

/// Whose change this is.
pub trait Whose {
    /// Their change of this moment.
    fn at(&self, at: Timestamp) -> By;
}

impl Whose for Principal {
    fn at(&self, at: Timestamp) -> By {
        By { actor: self.actor.clone(), at }
    }
}

type EventRow = (i64, i64, String, String, String, String);
type HeadRow = (i64, i64, i64, i64, String, String, String);
type EntryRow = (i64, Option<String>, i64, i64, Option<String>, String);

/// Adds to the system stream, in the transaction of what it tells of.
pub(super) async fn note(conn: &mut Conn, by: &By, kind: &str, body: Value) -> Result<()> {
    let sql = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
    let last: Option<(i64, String)> = on!(conn, c => sqlx::query_as(sql).fetch_optional(c).await?);
    let (seq, previous) = last.map_or((0, String::new()), |(seq, hash)| (from_db(seq), hash));
    let (actor, at, kind) = (by.actor.clone(), by.at, kind.to_owned());
    let mut event = SystemEvent { seq: seq + 1, at, actor, kind, body, hash: String::new() };
    event.hash = event.hash_after(&previous)?;
    let SystemEvent { seq, at, actor, kind, body, hash } = event;
    let sql = "INSERT INTO audit (seq, at, actor, kind, body, hash) VALUES ($1, $2, $3, $4, $5, $6)";
    run!(conn, sql, to_db(seq), at.0, actor.0, kind, serde_json::to_string(&body)?, hash);
    Ok(())
}

fn event((seq, at, actor, kind, body, hash): EventRow) -> Result<SystemEvent> {
    let body = serde_json::from_str(&body)?;
    Ok(SystemEvent { seq: from_db(seq), at: Timestamp(at), actor: Actor(actor), kind, body, hash })
}

fn head((number, at, position, system_seq, digest, key, signature): HeadRow) -> Head {
    let (number, position, system_seq) = (from_db(number), from_db(position), from_db(system_seq));
    Head { number, at: Timestamp(at), position, system_seq, digest, key, signature }
}

fn line((position, incident, seq, at, event, hash): EntryRow) -> Line {
    let position = from_db(position);
    let Some((incident, event)) = incident.zip(event) else { return Line::Dropped { position, hash } };
    // What is no JSON any more is not as it was written; the auditor will say so.
    let event = serde_json::from_str(&event).unwrap_or_default();
    let (incident, seq, at) = (IncidentId(incident), from_db(seq), Timestamp(at));
    Line::Entry(JournalEntry { position, incident, seq, at, event, hash })
}

impl Store {
    /// What people did to the system, newest first, those before `before` (all: none).
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn system_events(&self, before: Option<u64>, limit: u32) -> Result<Vec<SystemEvent>> {
        let sql = "SELECT seq, at, actor, kind, body, hash FROM audit WHERE seq < $1 ORDER BY seq DESC LIMIT $2";
        let before = before.map_or(i64::MAX, to_db);
        let rows: Vec<EventRow> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(before).bind(i64::from(limit)).fetch_all(pool).await?
        });
        rows.into_iter().map(event).collect()
    }

    /// The newest head; none before the first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn last_head(&self) -> Result<Option<Head>> {
        let sql = "SELECT number, at, position, system_seq, digest, key, signature FROM audit_heads \
                   ORDER BY number DESC LIMIT 1";
        let row: Option<HeadRow> = db!(self.db, pool => sqlx::query_as(sql).fetch_optional(pool).await?);
        Ok(row.map(head))
    }

    /// Makes a head over everything that came since the last one; none if nothing did, or another process made it first.
    /// `sign` answers with the signature of the digest, `key` is its public half, both in lower-case hex.
    ///
    /// # Errors
    /// If the database fails, or lacks positions: nothing is signed then.
    pub async fn make_head(
        &self,
        now: Timestamp,
        key: &str,
        sign: &(dyn Fn(&[u8]) -> String + Send + Sync),
    ) -> Result<Option<Head>> {
        let last = self.last_head().await?;
        let (number, from, seen, previous) =
            last.map_or((0, 0, 0, String::new()), |head| (head.number, head.position, head.system_seq, head.digest));
        let sql = "SELECT COALESCE(MAX(seq), 0) FROM audit";
        let newest: i64 = db!(self.db, pool => sqlx::query_scalar(sql).fetch_one(pool).await?);
        let (position, system_seq, number) = (self.last_position().await?, from_db(newest), number + 1);
        if (position, system_seq) == (from, seen) {
            return Ok(None);
        }
        let window = self.window(from, position, seen, system_seq).await?;
        let digest = window.digest(&previous, number, now, position, system_seq);
        let made = Head {
            number,
            at: now,
            position,
            system_seq,
            digest: super::chain::hex(&digest),
            key: key.to_owned(),
            signature: sign(&digest),
        };
        let sql = "INSERT INTO audit_heads (number, at, position, system_seq, digest, key, signature) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (number) DO NOTHING";
        let kept = made.clone();
        let rows = self.writer.write(move |conn| {
            Box::pin(async move {
                let Head { number, at, position, system_seq, digest, key, signature } = kept;
                let (number, position, system_seq) = (to_db(number), to_db(position), to_db(system_seq));
                Ok(run!(conn, sql, number, at.0, position, system_seq, digest, key, signature))
            })
        });
        Ok((rows.await? > 0).then_some(made))
    }

    /// The hashes of what lies between two heads.
    async fn window(&self, from: u64, position: u64, seen: u64, system_seq: u64) -> Result<Window> {
        let (mut window, mut at) = (Window::default(), from);
        let sql = "SELECT position, hash FROM entries WHERE position > $1 AND position <= $2 UNION ALL \
                   SELECT position, hash FROM dropped WHERE position > $1 AND position <= $2 ORDER BY 1 LIMIT $3";
        while at < position {
            let rows: Vec<(i64, String)> = db!(self.db, pool => {
                sqlx::query_as(sql).bind(to_db(at)).bind(to_db(position)).bind(to_db(PAGE)).fetch_all(pool).await?
            });
            if rows.is_empty() {
                return Err(StoreError::Defect(format!("the journals lack position {}", at + 1)));
            }
            for (position, hash) in rows {
                if from_db(position) != at + 1 {
                    return Err(StoreError::Defect(format!("the journals lack position {}", at + 1)));
                }
                window.entry(&hash);
                at += 1;
            }
        }
        let sql = "SELECT hash FROM audit WHERE seq > $1 AND seq <= $2 ORDER BY seq";
        let hashes: Vec<String> = db!(self.db, pool => {
            sqlx::query_scalar(sql).bind(to_db(seen)).bind(to_db(system_seq)).fetch_all(pool).await?
        });
        hashes.iter().for_each(|hash| window.system(hash));
        Ok(window)
    }

    /// The head after the one with this number (0: the first); none if there is none yet.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn head_after(&self, number: u64) -> Result<Option<Head>> {
        let sql = "SELECT number, at, position, system_seq, digest, key, signature FROM audit_heads \
                   WHERE number > $1 ORDER BY number LIMIT 1";
        let row: Option<HeadRow> =
            db!(self.db, pool => sqlx::query_as(sql).bind(to_db(number)).fetch_optional(pool).await?);
        Ok(row.map(head))
    }

    /// System events after `seen` up to `until`, oldest first, a page at most.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn system_lines(&self, seen: u64, until: u64) -> Result<Vec<Line>> {
        let sql =
            "SELECT seq, at, actor, kind, body, hash FROM audit WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3";
        let rows: Vec<EventRow> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(to_db(seen)).bind(to_db(until)).bind(to_db(PAGE)).fetch_all(pool).await?
        });
        rows.into_iter().map(|row| event(row).map(Line::System)).collect()
    }

    /// Journal entries after position `from` up to `until`, and what retention left of them, a page at most.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn entry_lines(&self, from: u64, until: u64) -> Result<Vec<Line>> {
        let sql = "SELECT position, incident, seq, at, event, hash FROM entries WHERE position > $1 AND position <= $2 \
                   UNION ALL SELECT position, NULL, 0, 0, NULL, hash FROM dropped WHERE position > $1 AND position <= $2 \
                   ORDER BY 1 LIMIT $3";
        let rows: Vec<EntryRow> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(to_db(from)).bind(to_db(until)).bind(to_db(PAGE)).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(line).collect())
    }
}
