//! Where in Slack an incident is talked about.

use super::Store;
use super::db::{db, run};
use super::error::Result;
use sentinell_core::ids::IncidentId;

/// The thread of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The channel's id.
    pub channel: String,
    /// Slack's name of its first message.
    pub ts: String,
    /// Whether our bot wrote that one.
    pub ours: bool,
    /// The message whose buttons may still be pressed.
    pub asked: Option<String>,
}

impl Store {
    /// Where an incident is talked about.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn slack_thread(&self, incident: &IncidentId) -> Result<Option<Thread>> {
        let sql = "SELECT channel, ts, ours, asked FROM slack_threads WHERE incident = $1";
        let row: Option<(String, String, bool, Option<String>)> =
            db!(self.db, pool => sqlx::query_as(sql).bind(incident.as_str()).fetch_optional(pool).await?);
        Ok(row.map(|(channel, ts, ours, asked)| Thread { channel, ts, ours, asked }))
    }

    /// The newest incident that is talked about there.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn incident_in_slack(&self, channel: &str, ts: &str) -> Result<Option<IncidentId>> {
        let sql = "SELECT incident FROM slack_threads WHERE channel = $1 AND ts = $2 ORDER BY incident DESC LIMIT 1";
        let id: Option<String> =
            db!(self.db, pool => sqlx::query_scalar(sql).bind(channel).bind(ts).fetch_optional(pool).await?);
        Ok(id.map(IncidentId))
    }

    /// Writes down where an incident is talked about.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn put_slack_thread(&self, incident: &IncidentId, thread: &Thread) -> Result<()> {
        let (incident, Thread { channel, ts, ours, asked }) = (incident.as_str().to_owned(), thread.clone());
        let sql = "INSERT INTO slack_threads (incident, channel, ts, ours, asked) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (incident) DO UPDATE SET channel = excluded.channel, ts = excluded.ts, \
                   ours = excluded.ours, asked = excluded.asked";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    run!(conn, sql, incident, channel, ts, ours, asked);
                    Ok(())
                })
            })
            .await
    }
}
