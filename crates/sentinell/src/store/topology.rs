//! Which services call which: what the operator says, and what investigations saw and is kept for a while.

use super::bulk::slices;
use super::db::{Conn, on, run};
use super::error::Result;
use super::{Accept, Store};
use sentinell_core::signal::SignalState;
use sentinell_core::time::Timestamp;
use sentinell_core::topology::{Call, ServiceName, Spot, Topology};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Learnt calls that are kept, the newest of them.
pub const MOST_CALLS: i64 = 4096;
/// How often a process reads again what others learnt, milliseconds.
const REREAD: i64 = 60_000;
const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;

/// What may gather alerts of services that call each other.
#[derive(Debug, Clone)]
pub struct Dependencies {
    /// Who calls whom, as the operator says.
    pub told: Vec<(ServiceName, ServiceName)>,
    /// How long after the last alert of a service one of its callers or callees belongs to it, seconds; 0: never.
    pub within_seconds: u32,
    /// How long calls that investigations saw are believed, days; 0: they are not learnt.
    pub learnt_days: u32,
}

impl Default for Dependencies {
    fn default() -> Self {
        Self { told: vec![], within_seconds: 180, learnt_days: 14 }
    }
}

impl Dependencies {
    /// How long alerts of callers and callees gather, milliseconds.
    pub(super) fn within(&self) -> i64 {
        i64::from(self.within_seconds) * 1000
    }

    fn since(&self, at: Timestamp) -> i64 {
        at.0 - i64::from(self.learnt_days) * DAY
    }
}

/// What this process knows of calls: what was read last, and when.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) dependencies: Dependencies,
    known: Mutex<Option<(i64, Arc<Topology>)>>,
    /// When this process wrote down what it learnt, so that the same again within the hour costs nothing.
    written: Mutex<BTreeMap<(ServiceName, ServiceName), i64>>,
}

impl Beside {
    pub(super) fn new(dependencies: Dependencies) -> Self {
        Self { dependencies, ..Self::default() }
    }

    /// Everything that is known for this group of signals; none: there is nothing to ask.
    pub(super) async fn read(
        &self,
        conn: &mut Conn,
        accepts: impl Iterator<Item = &Accept>,
    ) -> Result<Option<Arc<Topology>>> {
        let Dependencies { told, within_seconds, learnt_days } = &self.dependencies;
        let firing = accepts.map(|accept| &accept.signal).filter(|signal| signal.state == SignalState::Firing);
        let newest = firing.filter(|signal| Spot::of(signal).is_some()).map(|signal| signal.received_at).max();
        let Some(now) = newest.filter(|_| *within_seconds > 0) else { return Ok(None) };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, topology)) = known.filter(|(read_at, _)| (now.0 - read_at).abs() < REREAD) {
            return Ok(Some(topology));
        }
        let said = |(caller, callee): &(ServiceName, ServiceName)| Call {
            caller: caller.clone(),
            callee: callee.clone(),
            seen_at: None,
        };
        let mut calls: Vec<Call> = told.iter().map(said).collect();
        if *learnt_days > 0 {
            calls.extend(learnt(conn, self.dependencies.since(now)).await?);
        }
        let topology = Arc::new(Topology::new(calls));
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now.0, topology.clone()));
        Ok(Some(topology))
    }

    /// Those that this process has not written down within the last hour.
    fn news(&self, calls: Vec<(ServiceName, ServiceName)>, at: i64) -> Vec<(ServiceName, ServiceName)> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let old = |call: &_| written.get(call).is_none_or(|then| (at - then).abs() >= HOUR);
        calls.into_iter().filter(old).collect()
    }

    fn wrote(&self, calls: Vec<(ServiceName, ServiceName)>, at: i64) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if i64::try_from(written.len()).unwrap_or(i64::MAX) > MOST_CALLS {
            written.clear();
        }
        written.extend(calls.into_iter().map(|call| (call, at)));
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

async fn learnt(conn: &mut Conn, since: i64) -> Result<Vec<Call>> {
    let sql = "SELECT caller, callee, seen_at FROM calls WHERE seen_at >= $1 ORDER BY seen_at DESC, caller, callee";
    let rows: Vec<(String, String, i64)> = on!(conn, c => sqlx::query_as(sql).bind(since).fetch_all(c).await?);
    let call = |(caller, callee, seen_at): (String, String, i64)| {
        let (caller, callee) = (ServiceName::parse(&caller).ok()?, ServiceName::parse(&callee).ok()?);
        Some(Call { caller, callee, seen_at: Some(Timestamp(seen_at)) })
    };
    Ok(rows.into_iter().filter_map(call).collect())
}

impl Store {
    /// Learns that these callers were seen to call these callees. What was not seen for long is forgotten.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn learn_calls(&self, calls: Vec<(ServiceName, ServiceName)>, at: Timestamp) -> Result<()> {
        if self.beside.dependencies.learnt_days == 0 {
            return Ok(());
        }
        let calls = self.beside.news(calls, at.0);
        if calls.is_empty() {
            return Ok(());
        }
        let (since, learnt) = (self.beside.dependencies.since(at), calls.clone());
        self.writer.write(move |conn| Box::pin(async move { learn(conn, &learnt, at.0, since).await })).await?;
        self.beside.wrote(calls, at.0);
        Ok(())
    }
}

async fn learn(conn: &mut Conn, calls: &[(ServiceName, ServiceName)], at: i64, since: i64) -> Result<()> {
    let mut calls: Vec<(String, String)> =
        calls.iter().map(|(caller, callee)| (caller.to_string(), callee.to_string())).collect();
    calls.sort();
    calls.dedup();
    let sql = "INSERT INTO calls (caller, callee, seen_at) VALUES ($1, $2, $3) ON CONFLICT (caller, callee) DO UPDATE \
               SET seen_at = excluded.seen_at WHERE calls.seen_at < excluded.seen_at";
    for slice in slices(&calls) {
        let text = conn.repeated(sql, slice.len());
        on!(conn, c => {
            let mut query = sqlx::query(text);
            for (caller, callee) in slice {
                query = query.bind(caller.as_str()).bind(callee.as_str()).bind(at);
            }
            query.execute(c).await?.rows_affected()
        });
    }
    run!(conn, "DELETE FROM calls WHERE seen_at < $1", since);
    let sql = "DELETE FROM calls WHERE (caller, callee) IN (SELECT caller, callee FROM calls \
               ORDER BY seen_at DESC, caller, callee LIMIT 1000000 OFFSET $1)";
    run!(conn, sql, MOST_CALLS);
    Ok(())
}
