//! What came in, as it is listed.

use super::Store;
use super::db::db;
use super::error::Result;
use sentinell_core::ids::IncidentId;
use sentinell_core::signal::Signal;
use sentinell_core::time::Timestamp;

/// A signal and where triage put it.
#[derive(Debug, Clone, PartialEq)]
pub struct TakenSignal {
    /// Its place among all, in the order they came in.
    pub n: i64,
    /// The signal.
    pub signal: Signal,
    /// The incident it opened or belongs to.
    pub incident: Option<IncidentId>,
    /// What triage said.
    pub decision: String,
}

impl Store {
    /// At most `limit` signals before the one with this place, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn signals(&self, before: Option<i64>, limit: u32) -> Result<Vec<TakenSignal>> {
        let sql = "SELECT n, body, incident, decision FROM signals WHERE n < $1 ORDER BY n DESC LIMIT $2";
        let before = before.unwrap_or(i64::MAX);
        let rows: Vec<(i64, String, Option<String>, String)> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(before).bind(i64::from(limit)).fetch_all(pool).await?
        });
        let read = |(n, body, incident, decision): (i64, String, Option<String>, String)| {
            let signal = serde_json::from_str(&body)?;
            Ok(TakenSignal { n, signal, incident: incident.map(IncidentId), decision })
        };
        rows.into_iter().map(read).collect()
    }

    /// At most `limit` signals after the one with this place, in the order they came in; one that cannot be read any more
    /// is left out, and the place of the last one says how far this is.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn signals_after(&self, after: i64, limit: u32) -> Result<(Vec<TakenSignal>, Option<i64>)> {
        let sql = "SELECT n, body, incident, decision FROM signals WHERE n > $1 ORDER BY n LIMIT $2";
        let rows: Vec<(i64, String, Option<String>, String)> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(after).bind(i64::from(limit)).fetch_all(pool).await?
        });
        let last = rows.last().map(|row| row.0);
        let read = |(n, body, incident, decision): (i64, String, Option<String>, String)| {
            let signal = serde_json::from_str(&body).ok()?;
            Some(TakenSignal { n, signal, incident: incident.map(IncidentId), decision })
        };
        Ok((rows.into_iter().filter_map(read).collect(), last))
    }

    /// The newest `limit` signals of GitHub that arrived within this time, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn signals_of_github(&self, since: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<Signal>> {
        let sql = "SELECT body FROM signals WHERE source = 'github' AND received_at BETWEEN $1 AND $2 \
                   ORDER BY received_at DESC LIMIT $3";
        let bodies: Vec<String> = db!(self.db, pool => {
            sqlx::query_scalar(sql).bind(since.0).bind(until.0).bind(i64::from(limit)).fetch_all(pool).await?
        });
        bodies.iter().map(|body| Ok(serde_json::from_str(body)?)).collect()
    }
}
