//! Both ways: from a file to the kind of database that this run is about, and back.

use super::*;
use crate::store::db::run;
use crate::store::place::Place;
use crate::store::tests::{firing, note};
use crate::store::{By, NewToken, Raw};
use sentinell_core::approval::Role;
use sentinell_core::policy::Policy;
use sentinell_core::time::Timestamp;
use serde_json::json;
use std::sync::Arc;

async fn furnish(url: &str) {
    let store = Store::open(url, Options::default()).await.unwrap();
    for n in 0..150 {
        let mut accept = firing(&format!("rule-{}", n % 40), n, 1000 + n as i64);
        accept.signal.delivery_id = Some(format!("d-{n}"));
        store.accept(accept).await.unwrap();
    }
    let (cases, _) = store.incidents(Filter::default(), None, 3).await.unwrap();
    for case in cases {
        let case = store.load(&case.id).await.unwrap().unwrap();
        let read = [("q1", json!("x".repeat(3 << 20))), ("q2", json!([null, true]))];
        let raws = read.map(|(query, data)| Arc::new(Raw::of(&case.id, &query.into(), &data).unwrap())).into();
        let events = vec![note("one"), note("größer")];
        store.append_read(&case, events, raws, Timestamp(9000), None).await.unwrap();
    }
    store.claim("sleeper", Timestamp(20_000), 5000).await.unwrap().unwrap();
    store.set_policy(Policy::default(), &"ann".into(), "why not", Timestamp(1)).await.unwrap();
    let token = NewToken { id: "t1".into(), name: "ann".into(), role: Role::Operator, hash: "aa".into() };
    store.create_token(token, By { actor: "ann".into(), at: Timestamp(1) }).await.unwrap();
    store.close().await;
}

async fn run_on(url: &str, sql: &'static str) -> Result<u64> {
    let mut conn = Target::parse(url, &Options::default()).unwrap().writer().await.unwrap();
    Ok(run!(&mut conn, sql))
}

/// A row in a table whose numbers the database gives out.
const COUNTED: &str = "INSERT INTO outbox (notice, destination, incident, kind, state, made_at, due_at, body) \
     SELECT 'n-' || COUNT(*), 'd', 'i', 'k', 'sent', 1, 1, '{}' FROM outbox";

/// What readers see.
async fn look(url: &str) -> String {
    let store = Store::open(url, Options::default()).await.unwrap();
    let entries = store.entries_after(0, None, 1000).await.unwrap();
    let incidents = store.incidents(Filter::default(), None, 1000).await.unwrap();
    let signals = store.signals(None, 1000).await.unwrap();
    let first = &incidents.0[0].id;
    let mut repeated = firing("rule-3", 3, 5000);
    repeated.signal.delivery_id = Some("d-3".into());
    let again = store.accept(repeated).await.unwrap();
    assert!(again.duplicate, "deliveries are remembered where they went");
    let rest = (
        store.policies(9).await.unwrap(),
        store.tokens().await.unwrap(),
        store.observations_of(first, 9).await.unwrap(),
        store.next_due().await.unwrap(),
        store.alerts_of(first).await.unwrap(),
    );
    store.close().await;
    format!("{entries:?}{incidents:?}{signals:?}{again:?}{rest:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_whole_there_and_back_and_never_into_a_full_house() {
    let (old, new, back) = (Place::file(), Place::new().await, Place::file());
    furnish(old.url()).await;
    run_on(old.url(), COUNTED).await.unwrap();
    let moved = copy(old.url(), new.url(), &|_, done, all| assert!(done <= all)).await.unwrap();
    assert_eq!((moved.rows["signals"], moved.journals, moved.entries), (150, 40, 46));
    assert_eq!(look(new.url()).await, look(old.url()).await);

    run_on(new.url(), COUNTED).await.unwrap();
    run_on(new.url(), "DELETE FROM outbox WHERE n = 2").await.unwrap();

    let full = copy(old.url(), new.url(), &|_, _, _| {}).await;
    assert!(matches!(&full, Err(StoreError::Conflict(why)) if why.contains("not empty")), "{full:?}");
    assert_eq!(copy(new.url(), back.url(), &|_, _, _| {}).await.unwrap(), moved);
    assert_eq!(look(back.url()).await, look(old.url()).await);
    let nowhere = copy("sqlite:///nonexistent/house.db", back.url(), &|_, _, _| {}).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound(_))), "{nowhere:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_does_not_hold_is_told() {
    let (old, new) = (Place::file(), Place::new().await);
    furnish(old.url()).await;
    run_on(old.url(), "UPDATE entries SET event = REPLACE(event, 'größer', 'kleiner')").await.unwrap();
    let broken = copy(old.url(), new.url(), &|_, _, _| {}).await;
    assert!(matches!(&broken, Err(StoreError::Defect(why)) if why.contains("journal of")), "{broken:?}");
}
