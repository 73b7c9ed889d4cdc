use crate::api::{House, OPERATOR, request};
use axum::body::Body;
use sentinell::store::{Dropped, Raw, Retention, Store};
use sentinell_core::ids::{IncidentId, QueryId};
use sentinell_core::investigation::Event;
use sentinell_core::ports::Clock;
use serde_json::json;

const DAY: i64 = 24 * 3600;

async fn trouble(house: &House, what: &str) -> String {
    let body = json!({"message": what, "level": "error"});
    let id = house.post("/api/signals/logs", &body).await.ok(202)["id"].as_str().unwrap().to_owned();
    let incident = IncidentId(id.clone());
    let case = house.state.store.load(&incident).await.unwrap().unwrap();
    let raw = Raw::of(&incident, &QueryId("q1".into()), &json!([what])).unwrap();
    let read = Event::NoteAdded { by: "ann".into(), text: "read".into() };
    house.state.store.append_read(&case, vec![read], vec![raw.into()], case.updated_at, None).await.unwrap();
    id
}

async fn resolve(house: &House, id: &str) {
    house.post_as(OPERATOR, &format!("/api/incidents/{id}/resolve"), &json!({"reason": "seen"})).await.ok(200);
}

async fn observations(store: &Store, id: &str) -> usize {
    store.observations_of(&IncidentId(id.into()), 10).await.unwrap().len()
}

/// Positions that are kept, and whether every journal's chain holds.
async fn positions(store: &Store) -> Vec<u64> {
    let entries = store.entries_after(0, None, 1000).await.unwrap();
    for stored in &entries {
        let report = store.verify_chain(&stored.entry.incident).await.unwrap();
        assert_eq!(report.broken_at, None, "the chain of {}", stored.entry.incident);
    }
    entries.iter().map(|stored| stored.position).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_goes_at_its_time_and_what_is_open_stays_however_old_it_is() {
    let house = House::open().await;
    let store = &house.state.store;
    let old = trouble(&house, "the well is dry").await;
    let open = trouble(&house, "the mill stands still").await;
    resolve(&house, &old).await;
    house.clock.advance(100 * DAY);
    let young = trouble(&house, "the bridge is icy").await;
    resolve(&house, &young).await;
    let retention = Retention::default();

    // A hundred days later: signals and raw data of what is over, and no journal yet.
    let expiry = retention.at(house.clock.now());
    let expected = Dropped { signals: 1, observations: 1, ..Dropped::default() };
    assert_eq!(store.expired(&expiry).await.unwrap(), expected, "a dry run tells the same and drops nothing");
    assert_eq!(observations(store, &old).await, 1);
    assert_eq!(store.drop_all(&expiry).await.unwrap(), expected);
    assert_eq!((observations(store, &old).await, observations(store, &open).await), (0, 1));
    assert_eq!((positions(store).await, store.horizon().await.unwrap()), ((1..=8).collect::<Vec<_>>(), 0));

    // A year later: the old journal as a whole; the young one holds the newest entry.
    house.clock.advance(366 * DAY);
    let expiry = retention.at(house.clock.now());
    let dropped = store.drop_all(&expiry).await.unwrap();
    assert_eq!((dropped.incidents, dropped.entries), (1, 3), "{dropped:?}");
    assert_eq!(store.drop_all(&expiry).await.unwrap().rows(), 0);
    assert_eq!(house.get(&format!("/api/incidents/{old}")).await.status, 404);
    assert_eq!(
        (observations(store, &open).await, store.signals_of(&IncidentId(open.clone()), 9).await.unwrap().len()),
        (1, 1)
    );

    // Positions go on without a gap above the horizon, and a stream from below it is told so.
    let horizon = store.horizon().await.unwrap();
    assert_eq!(horizon, 5);
    trouble(&house, "the ferry is late").await;
    assert_eq!(positions(store).await, [3, 4, 6, 7, 8, 9, 10]);
    let told = house.get("/api/stream?after=1").await.problem(410);
    assert!(told.contains("after=5"), "{told}");
    let resumed = request("GET", "/api/stream?after=5", None).body(Body::empty()).unwrap();
    let resumed = tower::ServiceExt::oneshot(house.router.clone(), resumed).await.unwrap();
    assert_eq!(resumed.status(), 200);

    // The same trouble again is a new incident, not one that nobody can find.
    let again = trouble(&house, "the well is dry").await;
    assert_ne!(again, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_dropped_where_the_house_keeps_everything() {
    let house = House::open().await;
    let id = trouble(&house, "the well is dry").await;
    resolve(&house, &id).await;
    trouble(&house, "the mill stands still").await;
    house.clock.advance(10_000 * DAY);
    let ever = Retention { signals_days: 0, observations_days: 0, incidents_days: 0, ..Retention::default() };
    assert_eq!(house.state.store.drop_all(&ever.at(house.clock.now())).await.unwrap().rows(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_processes_one_has_the_turn() {
    let house = House::open().await;
    let (store, hour) = (&house.state.store, 3_600_000);
    assert!(store.take_turn_to_tidy(house.clock.now(), hour).await.unwrap());
    assert!(!store.take_turn_to_tidy(house.clock.now(), hour).await.unwrap());
    house.clock.advance(3600);
    assert!(store.take_turn_to_tidy(house.clock.now(), hour).await.unwrap());
}
