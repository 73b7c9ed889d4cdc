//! The queue: one wake-up row per incident that has something to do, claimed under a lease.

use super::bulk::slices;
use super::db::{Conn, Sql, db, on, run};
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

const DUE: &str = "SELECT 1 FROM wakeups WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) LIMIT 1";

/// Takes the longest due wake-ups. Several processes take at once on a server: each passes over what another is taking.
const TAKE: Sql = Sql {
    sqlite: "WITH due AS (SELECT w.incident AS id, i.seq AS seq FROM wakeups w JOIN incidents i ON i.id = w.incident \
             WHERE w.due_at <= $1 AND (w.lease_until IS NULL OR w.lease_until <= $1) \
             ORDER BY w.due_at, w.incident LIMIT $5) \
             UPDATE wakeups SET holder = $2, token = $3, lease_until = $4, seq_at_claim = due.seq, \
             attempts = CASE WHEN due.seq > wakeups.seq_at_claim THEN 0 \
             WHEN wakeups.holder IS NULL THEN wakeups.attempts ELSE wakeups.attempts + 1 END \
             FROM due WHERE wakeups.incident = due.id RETURNING wakeups.incident, wakeups.attempts",
    postgres: "WITH due AS (SELECT w.incident AS id, i.seq AS seq FROM wakeups w JOIN incidents i ON i.id = w.incident \
               WHERE w.due_at <= $1 AND (w.lease_until IS NULL OR w.lease_until <= $1) \
               ORDER BY w.due_at, w.incident LIMIT $5 FOR UPDATE OF w SKIP LOCKED) \
               UPDATE wakeups SET holder = $2, token = $3, lease_until = $4, seq_at_claim = due.seq, \
               attempts = CASE WHEN due.seq > wakeups.seq_at_claim THEN 0 \
               WHEN wakeups.holder IS NULL THEN wakeups.attempts ELSE wakeups.attempts + 1 END \
               FROM due WHERE wakeups.incident = due.id RETURNING wakeups.incident, wakeups.attempts",
};

impl Store {
    /// Takes the incident that is due longest and that nobody holds (or whose holder let the lease lapse), for
    /// `lease_ms` milliseconds. None if nothing is due.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub async fn claim(&self, holder: &str, now: Timestamp, lease_ms: u64) -> Result<Option<Lease>> {
        Ok(self.claim_some(holder, now, lease_ms, 1).await?.pop())
    }

    /// The same with up to `most` of them in one go. Empty if nothing is due.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub async fn claim_some(&self, holder: &str, now: Timestamp, lease_ms: u64, most: usize) -> Result<Vec<Lease>> {
        if most == 0 {
            return Ok(vec![]);
        }
        // Looking first keeps an idle worker from writing; the writer looks again.
        let found: Option<i32> = db!(self.db, pool => {
            sqlx::query_scalar(DUE).bind(now.0).fetch_optional(pool).await?
        });
        if found.is_none() {
            return Ok(vec![]);
        }
        let holder = holder.to_owned();
        self.aside(move |conn| Box::pin(take(conn, holder, now, lease_ms, to_db(most as u64)))).await
    }

    /// Keeps a held incident for `lease_ms` more from now; answers the renewed lease.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if somebody else holds it, or nobody has to any more.
    pub async fn renew(&self, lease: &Lease, now: Timestamp, lease_ms: u64) -> Result<Lease> {
        let until = later(now, lease_ms);
        let renewed = Lease { until, ..lease.clone() };
        let sql = "UPDATE wakeups SET lease_until = $1 WHERE incident = $2 AND token = $3";
        self.aside(move |conn| {
            Box::pin(async move {
                match run!(conn, sql, until.0, renewed.incident.as_str(), &renewed.token) {
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
        self.writer.let_go(lease.clone()).await
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
        self.aside(move |conn| Box::pin(beat(conn, holder, now))).await
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

/// Notes that somebody is there.
pub(super) async fn beat(conn: &mut Conn, holder: String, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO workers (holder, seen_at) VALUES ($1, $2) \
               ON CONFLICT (holder) DO UPDATE SET seen_at = excluded.seen_at";
    run!(conn, sql, holder, now.0);
    run!(conn, "DELETE FROM workers WHERE seen_at < $1", now.0 - FORGOTTEN);
    Ok(())
}

async fn take(conn: &mut Conn, holder: String, now: Timestamp, lease_ms: u64, most: i64) -> Result<Vec<Lease>> {
    let (until, token) = (later(now, lease_ms), uuid::Uuid::now_v7().to_string());
    let sql = conn.text(&TAKE);
    let taken: Vec<(String, i64)> = on!(conn, c => {
        sqlx::query_as(sql).bind(now.0).bind(&holder).bind(&token).bind(until.0).bind(most).fetch_all(c).await?
    });
    let lease = |(incident, attempts)| {
        let attempts = u32::try_from(from_db(attempts)).unwrap_or(u32::MAX);
        Lease { incident: IncidentId(incident), holder: holder.clone(), attempts, until, token: token.clone() }
    };
    Ok(taken.into_iter().map(lease).collect())
}

const FORGET: Sql = Sql {
    sqlite: "DELETE FROM wakeups WHERE due_at IS NULL AND holder IS NULL \
             AND incident IN (SELECT value FROM json_each($1))",
    postgres: "DELETE FROM wakeups WHERE due_at IS NULL AND holder IS NULL \
               AND incident IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
};

/// Gives the incidents of a group back, all together.
pub(super) async fn let_go(conn: &mut Conn, leases: Vec<Lease>) -> Result<Vec<Result<()>>> {
    let sql = "WITH gone (incident, token) AS (VALUES ($1, $2)) UPDATE wakeups SET holder = NULL, token = NULL, \
               lease_until = NULL FROM gone WHERE wakeups.incident = gone.incident AND wakeups.token = gone.token";
    for slice in slices(&leases) {
        let text = conn.repeated(sql, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for lease in slice {
                query = query.bind(lease.incident.as_str()).bind(lease.token.as_str());
            }
            query.execute(c).await?.rows_affected()
        });
    }
    let (sql, list) = (conn.text(&FORGET), listed(leases.iter().map(|lease| &lease.incident))?);
    run!(conn, sql, list);
    Ok(leases.iter().map(|_| Ok(())).collect())
}

/// Ids as a JSON list, for statements about many.
fn listed<'a>(ids: impl Iterator<Item = &'a IncidentId>) -> Result<String> {
    Ok(serde_json::to_string(&ids.map(IncidentId::as_str).collect::<Vec<_>>())?)
}

/// Sets when new incidents have to be looked at.
pub(super) async fn wake(conn: &mut Conn, due: &[(&IncidentId, Timestamp)]) -> Result<()> {
    let sql = "INSERT INTO wakeups (incident, due_at) VALUES ($1, $2) \
               ON CONFLICT (incident) DO UPDATE SET due_at = excluded.due_at";
    for slice in slices(due) {
        let text = conn.repeated(sql, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for (incident, due) in slice {
                query = query.bind(incident.as_str()).bind(due.0);
            }
            query.execute(c).await?.rows_affected()
        });
    }
    Ok(())
}

const REST: Sql = Sql {
    sqlite: "UPDATE wakeups SET due_at = NULL WHERE incident IN (SELECT value FROM json_each($1))",
    postgres: "UPDATE wakeups SET due_at = NULL WHERE incident IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
};

const UNHELD: Sql = Sql {
    sqlite: "DELETE FROM wakeups WHERE (holder IS NULL OR lease_until <= $2) \
             AND incident IN (SELECT value FROM json_each($1))",
    postgres: "DELETE FROM wakeups WHERE (holder IS NULL OR lease_until <= $2) \
               AND incident IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
};

/// Sets when incidents have to be looked at (none: not before somebody says something). Whoever holds one keeps it.
pub(super) async fn set(conn: &mut Conn, due: &[(&IncidentId, Option<Timestamp>)], now: Timestamp) -> Result<()> {
    let waking: Vec<_> = due.iter().filter_map(|(incident, due)| Some((*incident, (*due)?))).collect();
    wake(conn, &waking).await?;
    let resting: Vec<_> = due.iter().filter(|(_, due)| due.is_none()).map(|(incident, _)| *incident).collect();
    if !resting.is_empty() {
        let list = listed(resting.into_iter())?;
        let (rest, unheld) = (conn.text(&REST), conn.text(&UNHELD));
        run!(conn, rest, &list);
        run!(conn, unheld, &list, now.0);
    }
    Ok(())
}
