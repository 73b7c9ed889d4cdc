//! The hash chain of a journal: `hash = sha256(previous hash ‖ canonical JSON of {incident, seq, at, event})`, with
//! hashes in lower-case hex and nothing before the first.

use super::db::{Db, db};
use super::error::Result;
use super::{Store, from_db, to_db};
use sentinell_core::canonical;
use sentinell_core::ids::IncidentId;
use sentinell_core::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// How many entries one read of a verification takes.
const PAGE: u64 = 500;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Entries that are as they were written, from the first.
    pub entries: u64,
    /// The first entry that is not: edited, missing or out of place.
    pub broken_at: Option<u64>,
    /// Hash of the last good entry.
    pub head: String,
}

type Row = (i64, i64, String, String);

impl ChainReport {
    /// Goes one entry further; whether it is as it was written.
    fn follow(&mut self, incident: &IncidentId, (seq, at, event, hash): Row) -> Result<bool> {
        let seq = from_db(seq);
        let event: Value = serde_json::from_str(&event).unwrap_or_default();
        let expected = link(&self.head, &canonical(incident, seq, Timestamp(at), &event)?);
        let sound = seq == self.entries + 1 && expected == hash;
        if sound {
            (self.entries, self.head) = (seq, hash);
        }
        Ok(sound)
    }
}

/// The part of a hash that does not depend on what came before.
pub(super) fn canonical(incident: &IncidentId, seq: u64, at: Timestamp, event: &impl Serialize) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Hashed<'a, E> {
        incident: &'a IncidentId,
        seq: u64,
        at: Timestamp,
        event: &'a E,
    }
    Ok(canonical::to_vec(&Hashed { incident, seq, at, event })?)
}

/// The hash of the next entry.
pub(super) fn link(previous: &str, canonical: &[u8]) -> String {
    hex(&Sha256::new().chain_update(previous).chain_update(canonical).finalize())
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}

impl Store {
    /// Recomputes the chain of one journal from what is stored, as far as the incident's row says that it reaches.
    ///
    /// # Errors
    /// Only if the database cannot be read; a broken chain is an answer.
    pub async fn verify_chain(&self, incident: &IncidentId) -> Result<ChainReport> {
        verify(&self.db, incident).await
    }
}

/// The same, by whoever reads the database.
pub(super) async fn verify(db: &Db, incident: &IncidentId) -> Result<ChainReport> {
    // The end is read first: entries that are appended meanwhile lie behind it and do no harm.
    let sql = "SELECT seq, head FROM incidents WHERE id = $1";
    let end: Option<(i64, String)> =
        db!(*db, pool => sqlx::query_as(sql).bind(incident.as_str()).fetch_optional(pool).await?);
    let (length, head) = end.map_or((0, String::new()), |(seq, head)| (from_db(seq), head));
    let sql = "SELECT seq, at, event, hash FROM entries WHERE incident = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    let mut report = ChainReport { entries: 0, broken_at: None, head: String::new() };
    while report.entries < length && report.broken_at.is_none() {
        let (id, after) = (incident.as_str(), to_db(report.entries));
        let page = to_db(PAGE.min(length - report.entries));
        let rows: Vec<Row> = db!(*db, pool => {
            sqlx::query_as(sql).bind(id).bind(after).bind(page).fetch_all(pool).await?
        });
        // No rows: entries are missing at the end.
        let mut sound = !rows.is_empty();
        for row in rows {
            sound = sound && report.follow(incident, row)?;
        }
        if !sound {
            report.broken_at = Some(report.entries + 1);
        }
    }
    if report.broken_at.is_none() && report.head != head {
        report.broken_at = Some(report.entries);
    }
    Ok(report)
}
