//! Numbers for `/metrics` and `/api/usage`.

use super::db::db;
use super::error::Result;
use super::{Store, from_db};
use sentinell_core::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// A moment of the whole store.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Counters {
    /// Incidents by phase, the finished ones too.
    pub incidents_by_phase: BTreeMap<String, u64>,
    /// Wake-ups that are due and that nobody holds.
    pub queue_depth: u64,
    /// Wake-ups that somebody holds.
    pub leased: u64,
    /// When the oldest of the due ones became due.
    pub oldest_due: Option<Timestamp>,
    /// Signals ever taken in.
    pub signals_total: u64,
    /// Entries ever appended.
    pub entries_total: u64,
    /// Incidents with a deed that was begun and of which nobody knows yet how it ended.
    pub deeds_without_outcome: u64,
    /// Transactions that this process committed.
    pub commits: u64,
    /// Commands in them.
    pub commands: u64,
    /// Transactions that this process had to roll back.
    pub failures: u64,
}

/// What one day's turns cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DaySpent {
    /// The day in UTC (`2026-11-22`).
    pub day: String,
    /// Who took the turns (`deterministic`, a model's name).
    pub reasoner: String,
    /// Turns taken.
    pub turns: u64,
    /// Tokens read, those from and into a provider's cache not counted.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from a provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens that a provider put into its cache.
    pub cache_written_tokens: u64,
    /// Money, millionths of a US dollar.
    pub micro_usd: u64,
}

impl Store {
    /// Counts everything.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn counters(&self, now: Timestamp) -> Result<Counters> {
        let phases = "SELECT phase, COUNT(*) FROM incidents GROUP BY phase";
        let phases: Vec<(String, i64)> = db!(self.db, pool => sqlx::query_as(phases).fetch_all(pool).await?);
        let queue = "SELECT COUNT(*), MIN(due_at) FROM wakeups \
                     WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)";
        let (depth, oldest): (i64, Option<i64>) =
            db!(self.db, pool => sqlx::query_as(queue).bind(now.0).fetch_one(pool).await?);
        let totals = "SELECT (SELECT COALESCE(MAX(n), 0) FROM signals), \
                      (SELECT COALESCE(MAX(position), 0) FROM entries), \
                      (SELECT COUNT(*) FROM incidents WHERE deed_open), \
                      (SELECT COUNT(*) FROM wakeups WHERE lease_until > $1)";
        let (signals, entries, deeds, leased): (i64, i64, i64, i64) =
            db!(self.db, pool => sqlx::query_as(totals).bind(now.0).fetch_one(pool).await?);
        Ok(Counters {
            incidents_by_phase: phases.into_iter().map(|(phase, count)| (phase, from_db(count))).collect(),
            queue_depth: from_db(depth),
            leased: from_db(leased),
            oldest_due: oldest.map(Timestamp),
            signals_total: from_db(signals),
            entries_total: from_db(entries),
            deeds_without_outcome: from_db(deeds),
            commits: self.writer.tally.commits.load(Ordering::Relaxed),
            commands: self.writer.tally.commands.load(Ordering::Relaxed),
            failures: self.writer.tally.failures.load(Ordering::Relaxed),
        })
    }

    /// Milliseconds from opening to the first hypothesis, of the newest `limit` incidents that have one, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn first_hypothesis_millis(&self, limit: u32) -> Result<Vec<u64>> {
        let sql = "SELECT first_hypothesis_at - created_at FROM incidents WHERE first_hypothesis_at IS NOT NULL \
                   ORDER BY created_at DESC, id DESC LIMIT $1";
        let rows: Vec<i64> = db!(self.db, pool => {
            sqlx::query_scalar(sql).bind(i64::from(limit)).fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(from_db).collect())
    }

    /// What turns cost on the newest `days` days that had any, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn spent(&self, days: u32) -> Result<Vec<DaySpent>> {
        let sql = "SELECT day, reasoner, turns, input_tokens, output_tokens, micro_usd, \
                   cache_read_tokens, cache_written_tokens FROM spending \
                   WHERE day IN (SELECT DISTINCT day FROM spending ORDER BY day DESC LIMIT $1) \
                   ORDER BY day DESC, reasoner";
        let rows: Vec<SpentRow> = db!(self.db, pool => {
            sqlx::query_as(sql).bind(i64::from(days)).fetch_all(pool).await?
        });
        let read = |(day, reasoner, turns, input, output, micro_usd, cache_read, cache_written): SpentRow| DaySpent {
            day,
            reasoner,
            turns: from_db(turns),
            input_tokens: from_db(input),
            output_tokens: from_db(output),
            cache_read_tokens: from_db(cache_read),
            cache_written_tokens: from_db(cache_written),
            micro_usd: from_db(micro_usd),
        };
        Ok(rows.into_iter().map(read).collect())
    }
}

type SpentRow = (String, String, i64, i64, i64, i64, i64, i64);
