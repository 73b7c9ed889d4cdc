//! What came in, as it is listed.

use super::Store;
use super::db::db;
use super::error::Result;
use sentinell_core::ids::IncidentId;
use sentinell_core::signal::Signal;

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
}
