//! The queue: one wake-up row per incident that has something to do, claimed under a lease.

use super::db::{Conn, db};
use super::error::{Result, StoreError};
use super::{Store, from_db, to_db};
use sentinell_core::ids::IncidentId;
use sentinell_core::time::Timestamp;
use serde::Serialize;

/// How long a silent worker is remembered, milliseconds: a day.
const FORGOTTEN: i64 = 24 * 60 * 60 * 1000;

/// The right to work on one incident for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which incident.
    pub incident: IncidentId,
    /// Who holds it.
    pub holder: String,
    /// How often holders vanished in a row without the journal growing; at 3 the worker gives the incident up.
    pub attempts: u32,
    /// Until when, unless renewed.
    pub until: Timestamp,
    /// Of this claim and no other, so that a sleeper who wakes up late cannot pass for its successor.
    pub(super) token: String,
}

/// A worker process and when it last said that it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerSeen {
    /// Its name.
    pub holder: String,
    /// When.
    pub seen_at: Timestamp,
}

const CANDIDATE: &str = "SELECT w.incident, w.holder, w.attempts, w.seq_at_claim, i.seq FROM wakeups w \
     JOIN incidents i ON i.id = w.incident \
     WHERE w.due_at <= $1 AND (w.lease_until IS NULL OR w.lease_until <= $1) ORDER BY w.due_at, w.incident LIMIT 1";

type Candidate = (String, Option<String>, i64, i64, i64);

impl Store {
    /// Takes the incident that is due longest and that nobody holds (or whose holder let the lease lapse), for
    /// `lease_ms` milliseconds. None if nothing is due.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub async fn claim(&self, holder: &str, now: Timestamp, lease_ms: u64) -> Result<Option<Lease>> {
        // Looking first keeps an idle worker from writing; the writer looks again.
        let found: Option<Candidate> = db!(self.db, pool => {
            sqlx::query_as(CANDIDATE).bind(now.0).fetch_optional(pool).await?
        });
        if found.is_none() {
            return Ok(None);
        }
        let holder = holder.to_owned();
        self.writer.write(move |conn| Box::pin(take(conn, holder, now, lease_ms))).await
    }

    /// Keeps a held incident for `lease_ms` more from now; answers the renewed lease.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if somebody else holds it, or nobody has to any more.
    pub async fn renew(&self, lease: &Lease, now: Timestamp, lease_ms: u64) -> Result<Lease> {
        let until = later(now, lease_ms);
        let renewed = Lease { until, ..lease.clone() };
        let sql = "UPDATE wakeups SET lease_until = $1 WHERE incident = $2 AND token = $3";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    let query = sqlx::query(sql).bind(until.0).bind(renewed.incident.as_str()).bind(&renewed.token);
                    match query.execute(conn).await?.rows_affected() {
                        0 => Err(StoreError::LeaseLost),
                        _ => Ok(renewed),
                    }
                })
            })
            .await
    }

    /// Gives a held incident back; it stays due as its journal says. Giving back what was lost does nothing.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn release(&self, lease: &Lease, _now: Timestamp) -> Result<()> {
        let lease = lease.clone();
        self.writer.write(move |conn| Box::pin(let_go(conn, lease))).await
    }

    /// When the next incident can be claimed; none if nothing is due ever. May lie in the past.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn next_due(&self) -> Result<Option<Timestamp>> {
        let sql = "SELECT MIN(CASE WHEN lease_until IS NULL OR lease_until < due_at THEN due_at ELSE lease_until END) \
                   FROM wakeups WHERE due_at IS NOT NULL";
        let due: Option<i64> = db!(self.db, pool => sqlx::query_scalar(sql).fetch_one(pool).await?);
        Ok(due.map(Timestamp))
    }

    /// A worker says that it is there. Those that were not heard of for a day are forgotten.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn heartbeat(&self, holder: &str, now: Timestamp) -> Result<()> {
        let holder = holder.to_owned();
        let sql = "INSERT INTO workers (holder, seen_at) VALUES ($1, $2) \
                   ON CONFLICT (holder) DO UPDATE SET seen_at = excluded.seen_at";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    sqlx::query(sql).bind(holder).bind(now.0).execute(&mut *conn).await?;
                    sqlx::query("DELETE FROM workers WHERE seen_at < $1").bind(now.0 - FORGOTTEN).execute(conn).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Workers that said so since `since`, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn workers(&self, since: Timestamp) -> Result<Vec<WorkerSeen>> {
        let sql = "SELECT holder, seen_at FROM workers WHERE seen_at >= $1 AND holder <> 'readiness' \
                   ORDER BY seen_at DESC, holder LIMIT 1000";
        let rows: Vec<(String, i64)> = db!(self.db, pool => sqlx::query_as(sql).bind(since.0).fetch_all(pool).await?);
        Ok(rows.into_iter().map(|(holder, at)| WorkerSeen { holder, seen_at: Timestamp(at) }).collect())
    }
}

fn later(now: Timestamp, millis: u64) -> Timestamp {
    now.plus_millis(to_db(millis))
}

async fn take(conn: &mut Conn, holder: String, now: Timestamp, lease_ms: u64) -> Result<Option<Lease>> {
    let found: Option<Candidate> = sqlx::query_as(CANDIDATE).bind(now.0).fetch_optional(&mut *conn).await?;
    let Some((incident, vanished, attempts, seq_at_claim, seq)) = found else { return Ok(None) };
    let attempts = match vanished {
        _ if seq > seq_at_claim => 0,
        Some(_) => attempts + 1,
        None => attempts,
    };
    let (until, token) = (later(now, lease_ms), uuid::Uuid::now_v7().to_string());
    let sql = "UPDATE wakeups SET holder = $1, token = $2, lease_until = $3, attempts = $4, seq_at_claim = $5 \
               WHERE incident = $6";
    sqlx::query(sql)
        .bind(&holder)
        .bind(&token)
        .bind(until.0)
        .bind(attempts)
        .bind(seq)
        .bind(&incident)
        .execute(conn)
        .await?;
    let attempts = u32::try_from(from_db(attempts)).unwrap_or(u32::MAX);
    Ok(Some(Lease { incident: IncidentId(incident), holder, attempts, until, token }))
}

async fn let_go(conn: &mut Conn, lease: Lease) -> Result<()> {
    let sql = "UPDATE wakeups SET holder = NULL, token = NULL, lease_until = NULL WHERE incident = $1 AND token = $2";
    sqlx::query(sql).bind(lease.incident.as_str()).bind(&lease.token).execute(&mut *conn).await?;
    let sql = "DELETE FROM wakeups WHERE incident = $1 AND due_at IS NULL AND holder IS NULL";
    sqlx::query(sql).bind(lease.incident.as_str()).execute(conn).await?;
    Ok(())
}

/// Sets when the incident has to be looked at (none: not before somebody says something). Whoever holds it keeps it.
pub(super) async fn set(conn: &mut Conn, incident: &IncidentId, due: Option<Timestamp>, now: Timestamp) -> Result<()> {
    if let Some(due) = due {
        let sql = "INSERT INTO wakeups (incident, due_at) VALUES ($1, $2) \
                   ON CONFLICT (incident) DO UPDATE SET due_at = excluded.due_at";
        sqlx::query(sql).bind(incident.as_str()).bind(due.0).execute(conn).await?;
        return Ok(());
    }
    let sql = "UPDATE wakeups SET due_at = NULL WHERE incident = $1";
    sqlx::query(sql).bind(incident.as_str()).execute(&mut *conn).await?;
    let sql = "DELETE FROM wakeups WHERE incident = $1 AND (holder IS NULL OR lease_until <= $2)";
    sqlx::query(sql).bind(incident.as_str()).bind(now.0).execute(conn).await?;
    Ok(())
}
