//! The day's money for language models, shared by all processes: what a call may cost is held before it is made.

use super::db::{on, run};
use super::error::Result;
use super::journal::day;
use super::{Store, from_db, to_db};
use sentinell_core::ids::IncidentId;
use sentinell_core::time::Timestamp;

/// How long a call that never says what it cost counts with all that it may have cost, milliseconds: longer than any call
/// takes.
const UNDER_WAY: i64 = 15 * 60_000;
/// How long a call's price is held beside what the journals say, milliseconds: by then it has been booked there.
const BOOKED: i64 = 60_000;

impl Store {
    /// Holds `worst` (millionths of a US dollar) for a call about this incident, if what was spent today (UTC) and what is
    /// held for others leaves anything of `budget`. All processes together exceed it by one call at most.
    ///
    /// # Errors
    /// If the database cannot be written: the call must not be made then.
    pub async fn hold(&self, incident: &IncidentId, now: Timestamp, worst: u64, budget: u64) -> Result<bool> {
        let incident = incident.as_str().to_owned();
        let sql = "SELECT CAST((SELECT COALESCE(SUM(micro_usd), 0) FROM spending WHERE day = $1) \
                   + (SELECT COALESCE(SUM(micro_usd), 0) FROM holds) AS BIGINT)";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    run!(conn, "DELETE FROM holds WHERE until <= $1 OR incident = $2", now.0, &incident);
                    let taken: i64 = on!(conn, c => sqlx::query_scalar(sql).bind(day(now)).fetch_one(c).await?);
                    if from_db(taken) >= budget {
                        return Ok(false);
                    }
                    let sql = "INSERT INTO holds (incident, micro_usd, until) VALUES ($1, $2, $3)";
                    run!(conn, sql, incident, to_db(worst), now.0 + UNDER_WAY);
                    Ok(true)
                })
            })
            .await
    }

    /// Says what the call about this incident cost. It is held until the journal has booked it.
    ///
    /// # Errors
    /// If the database cannot be written: what was held stays held for a while.
    pub async fn settle_hold(&self, incident: &IncidentId, now: Timestamp, cost: u64) -> Result<()> {
        let incident = incident.as_str().to_owned();
        let sql = "UPDATE holds SET micro_usd = $1, until = $2 WHERE incident = $3";
        self.writer
            .write(move |conn| {
                Box::pin(async move {
                    run!(conn, sql, to_db(cost), now.0 + BOOKED, incident);
                    Ok(())
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::House;

    #[tokio::test(flavor = "multi_thread")]
    async fn all_processes_together_exceed_the_days_budget_by_one_call_at_most() {
        let house = House::new().await;
        let other = house.neighbour().await;
        let (now, price, budget) = (Timestamp(1_000_000), 30, 100);
        let id = |n: usize| IncidentId(format!("i{n}"));
        let ask = |n: usize| {
            let store = if n.is_multiple_of(2) { house.store.clone() } else { other.clone() };
            async move { store.hold(&id(n), now, price, budget).await.unwrap() }
        };
        let begun = futures::future::join_all((0..50).map(ask)).await;
        let begun: Vec<usize> = (0..50).filter(|n| begun[*n]).collect();
        assert_eq!(begun.len(), 4, "four calls of 30 exceed 100 by less than one of them");
        for n in &begun[..2] {
            other.settle_hold(&id(*n), now, 1).await.unwrap();
        }
        assert!(house.store.hold(&id(60), now, price, budget).await.unwrap(), "what a call did not cost is free again");
        assert!(!other.hold(&id(61), now, price, 92).await.unwrap());
        assert!(other.hold(&id(60), now, price, 92).await.unwrap(), "nor is it counted twice when it comes again");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_call_that_was_broken_off_counts_for_a_while_and_not_for_ever() {
        let house = House::new().await;
        let asked = |id: &'static str, at: i64| {
            let store = house.store.clone();
            async move { store.hold(&id.into(), Timestamp(at), 100, 100).await.unwrap() }
        };
        assert!(asked("i1", 0).await);
        assert!(!asked("i2", UNDER_WAY - 1).await);
        assert!(asked("i2", UNDER_WAY).await);
    }
}
