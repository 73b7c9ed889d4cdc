//! More numbers for `/metrics`: how incidents ended, what models cost, and how much room there is.

use super::db::{Db, db};
use super::error::Result;
use super::{Store, from_db};
use chrono::DateTime;
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;

/// Sums over the whole store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// Resolved incidents by resolution.
    pub incidents_by_resolution: BTreeMap<String, u64>,
    /// Milliseconds from opening to the last word, of the newest resolved incidents; sorted.
    pub resolution_millis: Vec<u64>,
    /// What turns cost ever, by reasoner.
    pub spent: Vec<Spent>,
    /// What they cost since midnight UTC, millionths of a US dollar.
    pub micro_usd_today: u64,
    /// The disk that the database is on; none if it is on another machine.
    pub disk: Option<Disk>,
}

/// What one reasoner's turns cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    /// `deterministic`, or a model's name.
    pub reasoner: String,
    /// Turns taken.
    pub turns: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Money, millionths of a US dollar.
    pub micro_usd: u64,
}

/// A disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that we may still use.
    pub free: u64,
    /// Bytes in all.
    pub size: u64,
}

impl Store {
    /// Sums everything up; times are taken from the newest `limit` resolved incidents.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn totals(&self, now: Timestamp, limit: u32) -> Result<Totals> {
        let sql = "SELECT resolution, COUNT(*) FROM incidents WHERE resolution IS NOT NULL GROUP BY resolution";
        let resolutions: Vec<(String, i64)> = db!(self.db, pool => sqlx::query_as(sql).fetch_all(pool).await?);
        let sql = "SELECT updated_at - created_at FROM incidents WHERE status = 'resolved' AND resolution IS NOT NULL \
                   ORDER BY created_at DESC, id DESC LIMIT $1";
        let mut millis: Vec<i64> = db!(self.db, pool => {
            sqlx::query_scalar(sql).bind(i64::from(limit)).fetch_all(pool).await?
        });
        millis.sort_unstable();
        let day = DateTime::from_timestamp_millis(now.0).unwrap_or_default().format("%Y-%m-%d").to_string();
        let sql = "SELECT CAST(COALESCE(SUM(micro_usd), 0) AS BIGINT) FROM spending WHERE day = $1";
        let today: i64 = db!(self.db, pool => sqlx::query_scalar(sql).bind(&day).fetch_one(pool).await?);
        Ok(Totals {
            incidents_by_resolution: resolutions.into_iter().map(|(word, count)| (word, from_db(count))).collect(),
            resolution_millis: millis.into_iter().map(from_db).collect(),
            spent: self.spent_ever().await?,
            micro_usd_today: from_db(today),
            disk: self.disk(),
        })
    }

    async fn spent_ever(&self) -> Result<Vec<Spent>> {
        let sql = "SELECT reasoner, CAST(SUM(turns) AS BIGINT), CAST(SUM(input_tokens) AS BIGINT), \
                   CAST(SUM(output_tokens) AS BIGINT), CAST(SUM(micro_usd) AS BIGINT) FROM spending \
                   GROUP BY reasoner ORDER BY reasoner";
        let rows: Vec<(String, i64, i64, i64, i64)> = db!(self.db, pool => sqlx::query_as(sql).fetch_all(pool).await?);
        let read = |(reasoner, turns, input, output, micro_usd): (String, i64, i64, i64, i64)| Spent {
            reasoner,
            turns: from_db(turns),
            input_tokens: from_db(input),
            output_tokens: from_db(output),
            micro_usd: from_db(micro_usd),
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// The disk that the database is on; none if it is on another machine or cannot be asked.
    pub fn disk(&self) -> Option<Disk> {
        let told = match &self.db {
            Db::Sqlite(pool) => rustix::fs::statvfs(pool.connect_options().get_filename()).ok()?,
            Db::Postgres(_) => return None,
        };
        Some(Disk { free: told.f_bavail * told.f_frsize, size: told.f_blocks * told.f_frsize })
    }
}
