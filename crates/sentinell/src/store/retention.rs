//! What is forgotten, and when: signals, observations and whole journals of incidents that are over, in small batches
//! beside the busy path. What belongs to an incident that is not over is never touched, nor is the newest signal or
//! entry, from which the next ones are counted.
//!
//! A journal goes as a whole or not at all, so the hash chains of what is kept stay whole. Positions have no gap above
//! the horizon, the newest position that was ever dropped.

mod months;

use super::context;
use super::db::{Conn, db, on, run};
use super::error::Result;
use super::{Store, from_db};
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long the turn of a process that tidies up lasts at least, milliseconds.
const TURN: i64 = 60_000;

/// Rows of a kind that one batch drops at most.
const BATCH: u32 = 200;
/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// How long things are kept, days; 0 is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Signals.
    pub signals_days: u32,
    /// Raw data behind the evidence of incidents that are over.
    pub observations_days: u32,
    /// Incidents that are over, with their journals.
    pub incidents_days: u32,
    /// How often a worker looks, minutes.
    pub every_minutes: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { signals_days: 90, observations_days: 30, incidents_days: 365, every_minutes: 60 }
    }
}

impl Retention {
    /// What may go at this moment.
    pub fn at(&self, now: Timestamp) -> Expiry {
        let before = |days: u32| (days > 0).then(|| now.plus_millis(-i64::from(days) * DAY));
        Expiry {
            signals: before(self.signals_days),
            observations: before(self.observations_days),
            incidents: before(self.incidents_days),
            // Their keys are free again after a day in any case.
            answers: before(1),
        }
    }
}

/// What may go: everything of a kind that was last touched before this moment; none keeps it for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Signals taken in before.
    pub signals: Option<Timestamp>,
    /// Raw data of incidents that were over before.
    pub observations: Option<Timestamp>,
    /// Incidents that were over before, with everything that is theirs.
    pub incidents: Option<Timestamp>,
    /// Answers to requests with an idempotency key from before.
    pub answers: Option<Timestamp>,
}

/// How many rows of a kind: that were dropped, or that could be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Signals.
    pub signals: u64,
    /// Raw data behind evidence.
    pub observations: u64,
    /// Incidents.
    pub incidents: u64,
    /// Entries of their journals.
    pub entries: u64,
    /// Answers to requests.
    pub answers: u64,
}

impl Dropped {
    /// All together.
    pub fn rows(&self) -> u64 {
        self.by_kind().values().sum()
    }

    /// By what they are called in metrics.
    pub fn by_kind(&self) -> BTreeMap<&'static str, u64> {
        [
            ("signals", self.signals),
            ("observations", self.observations),
            ("incidents", self.incidents),
            ("entries", self.entries),
            ("answers", self.answers),
        ]
        .into()
    }

    /// Adds what another batch dropped.
    pub fn add(&mut self, other: Self) {
        self.signals += other.signals;
        self.observations += other.observations;
        self.incidents += other.incidents;
        self.entries += other.entries;
        self.answers += other.answers;
    }
}

const OLD_SIGNALS: &str = "SELECT COUNT(*) FROM signals s LEFT JOIN incidents i ON i.id = s.incident \
     WHERE s.received_at < $1 AND s.n < (SELECT MAX(n) FROM signals) AND (i.id IS NULL OR i.status = 'resolved')";
const OLD_OBSERVATIONS: &str = "SELECT COUNT(*) FROM observations o JOIN incidents i ON i.id = o.incident \
     WHERE i.status = 'resolved' AND i.updated_at < $1";
const OLD_INCIDENTS: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(seq), 0) AS BIGINT) FROM incidents \
     WHERE status = 'resolved' AND updated_at < $1 \
     AND id <> (SELECT incident FROM entries ORDER BY position DESC LIMIT 1)";
const OLD_ANSWERS: &str = "SELECT COUNT(*) FROM idempotency WHERE begun_at < $1";

impl Store {
    /// What could go now; changes nothing.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn expired(&self, expiry: &Expiry) -> Result<Dropped> {
        let mut found = Dropped::default();
        if let Some(before) = expiry.signals {
            found.signals = self.count(OLD_SIGNALS, before).await?;
        }
        if let Some(before) = expiry.observations {
            found.observations = self.count(OLD_OBSERVATIONS, before).await?;
        }
        if let Some(before) = expiry.incidents {
            let row: (i64, i64) =
                db!(self.db, pool => sqlx::query_as(OLD_INCIDENTS).bind(before.0).fetch_one(pool).await?);
            (found.incidents, found.entries) = (from_db(row.0), from_db(row.1));
        }
        if let Some(before) = expiry.answers {
            found.answers = self.count(OLD_ANSWERS, before).await?;
        }
        Ok(found)
    }

    async fn count(&self, sql: &'static str, before: Timestamp) -> Result<u64> {
        let count: i64 = db!(self.db, pool => sqlx::query_scalar(sql).bind(before.0).fetch_one(pool).await?);
        Ok(from_db(count))
    }

    /// Takes the turn to tidy up, which comes once in so many milliseconds for all processes together.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn take_turn_to_tidy(&self, now: Timestamp, every_ms: i64) -> Result<bool> {
        let sql = "INSERT INTO retention (one, horizon, swept_at) VALUES (1, 0, $1) ON CONFLICT (one) DO UPDATE \
                   SET swept_at = excluded.swept_at WHERE retention.swept_at <= $2";
        let due = now.0 - every_ms.max(TURN);
        self.writer.write(move |conn| Box::pin(async move { Ok(run!(conn, sql, now.0, due) > 0) })).await
    }

    /// Everything up to this position may be incomplete: a stream cannot resume below it. 0 if nothing was dropped.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn horizon(&self) -> Result<u64> {
        let sql = "SELECT horizon FROM retention";
        let horizon: Option<i64> = db!(self.db, pool => sqlx::query_scalar(sql).fetch_optional(pool).await?);
        Ok(from_db(horizon.unwrap_or(0)))
    }

    /// Drops everything that may go, batch by batch.
    ///
    /// # Errors
    /// As [`Store::drop_some`].
    pub async fn drop_all(&self, expiry: &Expiry) -> Result<Dropped> {
        let mut all = Dropped::default();
        loop {
            let dropped = self.drop_some(expiry).await?;
            if dropped.rows() == 0 {
                return Ok(all);
            }
            all.add(dropped);
        }
    }

    /// Drops one small batch of every kind, and answers how many; none: nothing is left to drop. What may go
    /// is looked up by the readers and looked at once more by the writer, whose transactions stay short.
    ///
    /// # Errors
    /// If the database fails; what was dropped before stays dropped.
    pub async fn drop_some(&self, expiry: &Expiry) -> Result<Dropped> {
        let (mut all, limit) = (Dropped::default(), i64::from(BATCH));
        if let Some(before) = expiry.answers {
            all.add(self.writer.write(move |conn| Box::pin(answers(conn, before, limit))).await?);
        }
        if let Some(before) = expiry.observations {
            for id in self.with_old_observations(before, limit).await? {
                all.add(self.writer.write(move |conn| Box::pin(observations(conn, id, before))).await?);
                if all.observations >= limit.unsigned_abs() {
                    break;
                }
            }
        }
        if let Some(before) = expiry.signals {
            match self.writer.write(move |conn| Box::pin(months::drop_expired(conn, before))).await {
                Ok(dropped) => all.add(dropped),
                // The same signals go row by row.
                Err(error) => tracing::debug!(%error, "an expired month of signals could not be dropped whole"),
            }
        }
        if let Some((before, (from, to))) = expiry.signals.zip(self.old_signals(expiry.signals, limit).await?) {
            all.add(self.writer.write(move |conn| Box::pin(signals(conn, from, to, before))).await?);
        }
        if let Some(before) = expiry.signals {
            self.writer.write(move |conn| Box::pin(context::forget_signals(conn, before, 2 * limit))).await?;
        }
        if let Some(before) = expiry.incidents {
            for id in self.old_incidents(before, limit).await? {
                all.add(self.writer.write(move |conn| Box::pin(whole(conn, id, before))).await?);
                if all.entries >= limit.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(all)
    }

    async fn with_old_observations(&self, before: Timestamp, limit: i64) -> Result<Vec<String>> {
        let sql = "SELECT id FROM incidents WHERE status = 'resolved' AND created_at < $1 AND updated_at < $1 \
                   AND EXISTS (SELECT 1 FROM observations o WHERE o.incident = incidents.id) \
                   ORDER BY created_at, id LIMIT $2";
        Ok(db!(self.db, pool => sqlx::query_scalar(sql).bind(before.0).bind(limit).fetch_all(pool).await?))
    }

    async fn old_incidents(&self, before: Timestamp, limit: i64) -> Result<Vec<String>> {
        let sql = "SELECT id FROM incidents WHERE status = 'resolved' AND created_at < $1 AND updated_at < $1 \
                   ORDER BY created_at, id LIMIT $2";
        Ok(db!(self.db, pool => sqlx::query_scalar(sql).bind(before.0).bind(limit).fetch_all(pool).await?))
    }

    /// The first and the last of the oldest signals that may go.
    async fn old_signals(&self, before: Option<Timestamp>, limit: i64) -> Result<Option<(i64, i64)>> {
        let Some(before) = before else { return Ok(None) };
        let end = self.first_signal_at(before).await?;
        let sql = "SELECT s.n FROM signals s LEFT JOIN incidents i ON i.id = s.incident \
                   WHERE s.n < $1 AND (i.id IS NULL OR i.status = 'resolved') ORDER BY s.n LIMIT $2";
        let found: Vec<i64> =
            db!(self.db, pool => sqlx::query_scalar(sql).bind(end).bind(limit).fetch_all(pool).await?);
        Ok(found.first().copied().zip(found.last().copied()))
    }

    /// The place of the first signal that was not taken in before this moment, or of the newest. Signals are numbered as
    /// they come in, so that a search by halves finds it without an index on time.
    async fn first_signal_at(&self, before: Timestamp) -> Result<i64> {
        let sql = "SELECT COALESCE(MIN(n), 0), COALESCE(MAX(n), 0) FROM signals";
        let (mut low, mut high): (i64, i64) = db!(self.db, pool => sqlx::query_as(sql).fetch_one(pool).await?);
        let sql = "SELECT received_at FROM signals WHERE n >= $1 ORDER BY n LIMIT 1";
        while low < high {
            let middle = low + (high - low) / 2;
            let at: Option<i64> =
                db!(self.db, pool => sqlx::query_scalar(sql).bind(middle).fetch_optional(pool).await?);
            match at.is_some_and(|at| at < before.0) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }
}

async fn answers(conn: &mut Conn, before: Timestamp, limit: i64) -> Result<Dropped> {
    // What alerts had in common means nothing an hour later.
    let sql = "DELETE FROM kin WHERE key IN (SELECT key FROM kin WHERE last_at < $1 ORDER BY last_at LIMIT $2)";
    run!(conn, sql, before.0, limit);
    let sql = "DELETE FROM idempotency WHERE (principal, key) IN \
               (SELECT principal, key FROM idempotency WHERE begun_at < $1 ORDER BY begun_at LIMIT $2)";
    Ok(Dropped { answers: run!(conn, sql, before.0, limit), ..Dropped::default() })
}

async fn observations(conn: &mut Conn, id: String, before: Timestamp) -> Result<Dropped> {
    let sql = "DELETE FROM observations WHERE incident = $1 AND EXISTS \
               (SELECT 1 FROM incidents WHERE id = $1 AND status = 'resolved' AND updated_at < $2)";
    Ok(Dropped { observations: run!(conn, sql, &id, before.0), ..Dropped::default() })
}

async fn signals(conn: &mut Conn, from: i64, to: i64, before: Timestamp) -> Result<Dropped> {
    let sql = "DELETE FROM deliveries WHERE (source, delivery_id) IN (SELECT source, delivery_id FROM signals \
               WHERE n >= $1 AND n <= $2 AND received_at < $3 AND delivery_id IS NOT NULL \
               AND n < (SELECT MAX(n) FROM signals) \
               AND (incident IS NULL OR incident IN (SELECT id FROM incidents WHERE status = 'resolved')))";
    run!(conn, sql, from, to, before.0);
    let sql = "DELETE FROM signals WHERE n >= $1 AND n <= $2 AND received_at < $3 \
               AND n < (SELECT MAX(n) FROM signals) \
               AND (incident IS NULL OR incident IN (SELECT id FROM incidents WHERE status = 'resolved'))";
    Ok(Dropped { signals: run!(conn, sql, from, to, before.0), ..Dropped::default() })
}

/// One incident with everything that is its own, if it is still over and does not hold the newest entry.
async fn whole(conn: &mut Conn, id: String, before: Timestamp) -> Result<Dropped> {
    let sql = "SELECT COUNT(*) FROM incidents WHERE id = $1 AND status = 'resolved' AND updated_at < $2 \
               AND id <> (SELECT incident FROM entries ORDER BY position DESC LIMIT 1)";
    let may_go: i64 = on!(conn, c => sqlx::query_scalar(sql).bind(&id).bind(before.0).fetch_one(c).await?);
    if may_go == 0 {
        return Ok(Dropped::default());
    }
    let sql = "INSERT INTO retention (one, horizon, swept_at) \
               SELECT 1, COALESCE(MAX(position), 0), 0 FROM entries WHERE incident = $1 ON CONFLICT (one) DO UPDATE \
               SET horizon = excluded.horizon WHERE retention.horizon < excluded.horizon";
    run!(conn, sql, &id);
    context::forget_incident(conn, &id).await?;
    run!(conn, "DELETE FROM alerts WHERE incident = $1", &id);
    run!(conn, "DELETE FROM wakeups WHERE incident = $1", &id);
    run!(conn, "DELETE FROM slack_threads WHERE incident = $1", &id);
    let observations = run!(conn, "DELETE FROM observations WHERE incident = $1", &id);
    let sql = "DELETE FROM deliveries WHERE (source, delivery_id) IN (SELECT source, delivery_id FROM signals \
               WHERE incident = $1 AND delivery_id IS NOT NULL AND n < (SELECT MAX(n) FROM signals))";
    run!(conn, sql, &id);
    let sql = "DELETE FROM signals WHERE incident = $1 AND n < (SELECT MAX(n) FROM signals)";
    let signals = run!(conn, sql, &id);
    run!(conn, "UPDATE signals SET incident = NULL WHERE incident = $1", &id);
    run!(conn, "INSERT INTO dropped (position, hash) SELECT position, hash FROM entries WHERE incident = $1", &id);
    let entries = run!(conn, "DELETE FROM entries WHERE incident = $1", &id);
    let incidents = run!(conn, "DELETE FROM incidents WHERE id = $1", &id);
    Ok(Dropped { signals, observations, incidents, entries, answers: 0 })
}
