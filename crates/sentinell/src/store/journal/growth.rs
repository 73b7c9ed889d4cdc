//! Journals that grow in one group: one look at where they end and one statement a table, whatever their number.

use super::super::db::{Conn, Sql, on};
use super::super::deeds::{Basis, Deed};
use super::super::error::{Result, StoreError};
use super::super::incidents::{self, Changing};
use super::super::observations::{self, Raw};
use super::super::{from_db, queue};
use super::{Draft, Head, lines, unknown, write_lines};
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::Investigation;
use sentinell_core::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A journal that is to grow.
pub(in crate::store) struct Growth {
    /// How many entries it had when this was decided.
    pub(super) expected: u64,
    /// Of the claim that decided it, where it may only grow under that claim.
    pub(super) token: Option<String>,
    /// What it was judged by, where it may only grow as long as that holds.
    pub(super) basis: Option<Basis>,
    /// The state afterwards.
    pub(super) after: Investigation,
    /// What lists show of it.
    pub(super) row: Changing,
    /// What is appended.
    pub(super) drafts: Vec<Draft>,
    /// The data that it is drawn from.
    pub(super) raws: Vec<Arc<Raw>>,
}

impl Growth {
    /// Why the journal may not grow, if it may not.
    fn refusal(&self, head: Option<&Head>) -> Option<StoreError> {
        let Some(head) = head else { return Some(unknown(&self.after.id)) };
        if self.token.is_some() && head.token != self.token {
            return Some(StoreError::LeaseLost);
        }
        head.is_at(self.expected, &self.after.id).err()
    }

    /// Whether a deed begins with it.
    fn begins(&self) -> bool {
        self.drafts.iter().any(|draft| draft.deed.as_ref().is_some_and(Deed::is_begun))
    }

    /// When it was decided.
    fn at(&self) -> Timestamp {
        self.drafts.last().map_or(self.after.updated_at, |draft| draft.at)
    }
}

const HEADS: Sql = Sql {
    sqlite: "SELECT i.id, i.seq, i.head, w.token FROM incidents i \
             LEFT JOIN wakeups w ON w.incident = i.id WHERE i.id IN (SELECT value FROM json_each($1))",
    postgres: "SELECT i.id, i.seq, i.head, w.token FROM incidents i LEFT JOIN wakeups w \
               ON w.incident = i.id WHERE i.id IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))",
};

/// Where these journals end; those that there are not are left out.
pub(super) async fn heads(conn: &mut Conn, of: impl Iterator<Item = &IncidentId>) -> Result<HashMap<IncidentId, Head>> {
    // No database keeps a text with a NUL, nor looks for one.
    let ids: Vec<&str> = of.map(IncidentId::as_str).filter(|id| !id.contains('\0')).collect();
    let (sql, list) = (conn.text(&HEADS), serde_json::to_string(&ids)?);
    let rows: Vec<(String, i64, String, Option<String>)> =
        on!(conn, c => sqlx::query_as(sql).bind(list).fetch_all(c).await?);
    let head = |(id, seq, hash, token)| (IncidentId(id), Head { seq: from_db(seq), hash, token });
    Ok(rows.into_iter().map(head).collect())
}

/// Lets the journals of a group grow, each as if the others were not there. A refusal of one does not concern the others.
///
/// # Errors
/// What spoils the whole group.
pub(in crate::store) async fn grow_all(conn: &mut Conn, all: Vec<Growth>) -> Result<Vec<Result<Investigation>>> {
    let mut heads = heads(conn, all.iter().map(|growth| &growth.after.id)).await?;
    let (mut refusals, mut entries, mut raws) = (Vec::with_capacity(all.len()), vec![], vec![]);
    let mut newest = BTreeMap::<&IncidentId, &Growth>::new();
    let mut standing = Basis::default();
    if all.iter().any(|growth| growth.basis.is_some()) {
        standing = Basis::read(conn).await?;
    }
    for growth in &all {
        let id = &growth.after.id;
        let judged = growth.basis.and_then(|basis| basis.refusal(standing));
        let refusal = growth.refusal(heads.get(id)).or(judged);
        if let (None, Some(head)) = (&refusal, heads.get_mut(id)) {
            let (own, hash) = lines(id, &head.hash, &growth.drafts);
            entries.extend(own);
            raws.extend(growth.raws.iter().map(AsRef::as_ref));
            (head.seq, head.hash) = (growth.after.seq, hash);
            newest.insert(id, growth);
            if growth.begins() {
                standing.moved();
            }
        }
        refusals.push(refusal);
    }
    if !newest.is_empty() {
        observations::keep(conn, &raws).await?;
        write_lines(conn, &entries).await?;
        let (mut rows, mut due) = (vec![], vec![]);
        for (id, growth) in &newest {
            let Some(head) = heads.get(*id) else { continue };
            rows.push((&growth.after, &growth.row, head.hash.as_str()));
            due.push((*id, growth.after.wake_at(growth.at())));
        }
        incidents::update(conn, &rows).await?;
        // The earliest of their times: a claim that has lapsed then has lapsed for all.
        let now = newest.values().map(|growth| growth.at()).min().unwrap_or(Timestamp(0));
        queue::set(conn, &due, now).await?;
    }
    let grown = all.into_iter().zip(refusals);
    Ok(grown.map(|(growth, refusal)| refusal.map_or(Ok(growth.after), Err)).collect())
}

#[cfg(test)]
mod tests {
    use crate::store::StoreError;
    use crate::store::tests::{House, firing, note};
    use futures::future::join_all;
    use sentinell_core::ids::Actor;
    use sentinell_core::investigation::Event;
    use sentinell_core::time::Timestamp;

    const ALL: usize = 70;

    /// Seventy journals are told something: every seventh under a claim that has lapsed and been taken over, every ninth
    /// on a state that is no longer true. What each was answered, and what is stored.
    async fn told(house: &House, together: bool) -> Vec<String> {
        let mut cases = vec![];
        for n in 0..ALL {
            let receipt = house.store.accept(firing(&format!("lamp-{n}"), n, 1000)).await.unwrap();
            cases.push(house.store.load(&receipt.incident.unwrap().id).await.unwrap().unwrap());
        }
        let first = house.store.claim_some("first", Timestamp(1000), 10, ALL).await.unwrap();
        let heirs = house.store.claim_some("heir", Timestamp(2000), 1000, ALL).await.unwrap();
        let append = |n: usize| {
            let (store, case) = (&house.store, &cases[n]);
            let leases = if n.is_multiple_of(7) { &first } else { &heirs };
            let lease = leases.iter().find(|lease| lease.incident == case.id);
            let mut seen = case.clone();
            seen.seq += u64::from(n % 9 == 1);
            let event = if n.is_multiple_of(2) { note("the lamp is out") } else { dismissed() };
            async move { store.append(&seen, vec![event, note("said")], Timestamp(2100), lease).await }
        };
        let mut answers = vec![];
        if together {
            answers.extend(join_all((0..ALL).map(append)).await);
        } else {
            for n in 0..ALL {
                answers.push(append(n).await);
            }
        }
        let mut told: Vec<String> = answers.iter().map(|answer| format!("{answer:?}")).collect();
        let refused = |n: usize| matches!(answers[n], Err(StoreError::LeaseLost | StoreError::Conflict(_)));
        assert!((0..ALL).all(|n| refused(n) == (n.is_multiple_of(7) || n % 9 == 1)), "{answers:?}");
        for entry in house.store.entries_after(0, None, 1000).await.unwrap() {
            told.push(format!("{} {} {}", entry.position, entry.entry.event.name(), entry.hash));
        }
        join_all(heirs.iter().map(|lease| house.store.release(lease, Timestamp(2200)))).await;
        for case in &cases {
            assert_eq!(house.store.verify_chain(&case.id).await.unwrap().broken_at, None);
            told.push(format!("{:?}", house.store.incident(&case.id).await.unwrap()));
        }
        let due = house.store.claim_some("next", Timestamp(2300), 1000, 2 * ALL).await.unwrap();
        // No order is promised among what is due at the same time.
        let mut due: Vec<String> = due.iter().map(|lease| format!("{} {}", lease.incident, lease.attempts)).collect();
        due.sort_unstable();
        told.extend(due);
        told
    }

    fn dismissed() -> Event {
        Event::Dismissed { by: Actor("ann".into()), why: "a drill".into() }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_group_of_journals_ends_as_if_each_had_grown_alone() {
        let (alone, together) = (House::new().await, House::new().await);
        let (one_by_one, at_once) = (told(&alone, false).await, told(&together, true).await);
        assert_eq!(one_by_one, at_once);
        assert!(at_once.iter().filter(|line| line.ends_with(" 0")).count() > ALL / 3, "those that rest are not due");
    }
}
