//! The memory's promises, on a real file or a real server.

use super::super::tests::{House, firing};
use super::super::{Expiry, Options};
use super::*;
use sentinell_core::ids::IncidentId;
use serde_json::json;

const DAY: i64 = 86_400_000;

fn record(id: &str, kind: Kind, day: i64, service: &str, title: &str) -> Record {
    Record {
        id: id.into(),
        kind,
        at: Timestamp(day * DAY),
        taken_at: Timestamp(day * DAY),
        repo_id: None,
        service: Some(service.into()),
        incident: None,
        title: title.into(),
        text: String::new(),
        reference: None,
        facts: json!({}),
    }
}

fn marked(record: Record, vector: &[f32]) -> Marked {
    Marked { record, model: "test:2".into(), vector: vector.to_vec() }
}

async fn ids(house: &House, recall: Recall) -> Vec<String> {
    let found = house.store.recall(&Recall { limit: 10, ..recall }).await.unwrap();
    found.into_iter().map(|found| found.record.id).collect()
}

fn words(words: &str) -> Recall {
    Recall { words: words.into(), ..Recall::default() }
}

async fn town() -> House {
    let house = House::new().await;
    let records = vec![
        marked(record("a", Kind::Incident, 10, "till", "connection pool exhausted"), &[1.0, 0.0]),
        marked(record("b", Kind::Incident, 20, "mill", "connections to the pool are refused"), &[0.9, 0.1]),
        marked(record("c", Kind::Signal, 30, "till", "the lamp flickers"), &[0.0, 1.0]),
        marked(record("d", Kind::Runbook, 40, "till", "what to do about lamps"), &[]),
    ];
    assert!(house.store.remember(records, None).await.unwrap());
    house
}

#[tokio::test]
async fn a_search_is_narrowed_first_and_ranked_by_words_and_meaning() {
    let house = town().await;
    assert_eq!(ids(&house, words("pool exhausted")).await, ["a", "b"]);
    assert_eq!(ids(&house, Recall { service: Some("mill".into()), ..words("pool exhausted") }).await, ["b"]);
    assert_eq!(ids(&house, Recall { kinds: vec![Kind::Runbook, Kind::Signal], ..words("lamp") }).await, ["d", "c"]);
    let from = Recall { since: Some(Timestamp(15 * DAY)), until: Some(Timestamp(30 * DAY)), ..words("pool lamp") };
    assert_eq!(ids(&house, from).await, ["b"]);
    // No word in common: found by meaning, and only by vectors of the same model.
    let near = |model: &str| Recall { vector: Some((model.into(), vec![0.1, 1.0])), ..words("darkness") };
    assert_eq!(ids(&house, near("test:2")).await, ["c"]);
    assert_eq!(ids(&house, near("other:2")).await, Vec::<String>::new());
    // Nothing asked: the newest.
    assert_eq!(ids(&house, words("")).await, ["d", "c", "b", "a"]);
    let why = house.store.recall(&Recall { limit: 1, ..words("POOLS, exhausted?") }).await.unwrap();
    assert_eq!(why[0].words, ["pools", "exhausted"]);
}

#[tokio::test]
async fn hostile_questions_find_nothing_and_break_nothing() {
    let house = town().await;
    let long = "pool OR ".repeat(20_000);
    for hostile in [
        "\"",
        "' OR 1=1 --",
        "NEAR(a b)",
        "title:*",
        "\0",
        "-",
        "^",
        "a* AND (",
        "🦀 \u{202e}",
        "{x}",
        "\\",
        "%",
        "& | ! <->",
        &long,
    ] {
        for service in [None, Some("x\0\"')".to_owned())] {
            let recall = Recall { service, limit: 5, ..words(hostile) };
            house.store.recall(&recall).await.unwrap();
        }
    }
    let mut odd = record("odd\0", Kind::Signal, 1, "\0", "a\0b\u{0}");
    odd.facts = json!({ "x": "\0".repeat(10_000) });
    odd.id = "odd".into();
    odd.text = "y\0".repeat(100_000);
    house.store.remember(vec![marked(odd, &[f32::NAN, 1.0])], None).await.unwrap();
    let far = Record { at: Timestamp(i64::MAX), ..record("far", Kind::Signal, 1, "s", "far") };
    let old = Record { at: Timestamp(i64::MIN), ..record("old", Kind::Signal, 1, "s", "far") };
    house.store.remember(vec![marked(far, &[]), marked(old, &[])], None).await.unwrap();
    assert_eq!(ids(&house, words("far")).await, ["far", "old"]);
}

#[tokio::test]
async fn the_same_again_takes_the_place_of_what_was_there() {
    let house = town().await;
    let again = record("a", Kind::Incident, 10, "till", "resolved by a person");
    let twin = record("e", Kind::Incident, 10, "till", "resolved by nobody");
    house.store.remember(vec![marked(again, &[1.0, 0.0]), marked(twin, &[])], None).await.unwrap();
    assert_eq!(ids(&house, words("pool exhausted")).await, ["b"]);
    assert_eq!(ids(&house, words("resolved person")).await, ["a", "e"]);
}

#[tokio::test]
async fn of_two_who_read_the_same_only_one_is_kept() {
    let house = town().await;
    let read = |from, to| Some(Read { source: "signals", from, to });
    let other = Store::open(house.url(), Options::default()).await.unwrap();
    assert!(house.store.remember(vec![], read(0, 5)).await.unwrap());
    let late = marked(record("late", Kind::Signal, 1, "till", "late"), &[]);
    assert!(!other.remember(vec![late], read(0, 4)).await.unwrap());
    assert!(other.remember(vec![], read(5, 9)).await.unwrap());
    assert_eq!(house.store.remembered("signals").await.unwrap(), 9);
    assert!(ids(&house, words("late")).await.is_empty());
}

#[tokio::test]
async fn what_is_forgotten_is_not_remembered() {
    let house = town().await;
    let open = house.store.accept(firing("lamp", 1, 1)).await.unwrap().incident.unwrap().id;
    let of = |id: &str, incident: &IncidentId| Record {
        incident: Some(incident.clone()),
        ..record(id, Kind::Signal, 1, "till", "storm")
    };
    let records = vec![marked(of("kept", &open), &[]), marked(record("loose", Kind::Slack, 1, "till", "storm"), &[])];
    house.store.remember(records, None).await.unwrap();
    let before = Expiry { signals: Some(Timestamp(5 * DAY)), ..Expiry::default() };
    house.store.drop_all(&before).await.unwrap();
    assert_eq!(ids(&house, words("storm")).await, ["kept"], "its incident is not over");
    house.store.forget_others(Kind::Runbook, &[]).await.unwrap();
    assert_eq!(ids(&house, Recall { kinds: vec![Kind::Runbook], ..words("") }).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_rare_record_is_found_among_many_that_share_its_common_words() {
    let house = House::new().await;
    let many = |from: i64| {
        (from..from + 500).map(|n| {
            record(&format!("n{n}"), Kind::Signal, 1 + n % 90, "till", &format!("request failed with code {n}"))
        })
    };
    for from in [0, 500, 1000, 1500] {
        let batch = many(from).map(|record| marked(record, &[0.5, 0.5])).collect();
        house.store.remember(batch, None).await.unwrap();
    }
    let rare = record("rare", Kind::Signal, 2, "till", "request failed: lighthouse keeper asleep");
    house.store.remember(vec![marked(rare, &[0.5, 0.5])], None).await.unwrap();
    assert_eq!(ids(&house, words("request failed lighthouse")).await[0], "rare");
    assert_eq!(ids(&house, words("code 1234 request failed")).await[0], "n1234");
}
