//! The store's promises, each on a real file or a real server.

use super::db::{on, run};
use super::place::Place;
use super::*;
use sentinell_core::alert::fingerprint;
use sentinell_core::approval::{Principal, Role};
use sentinell_core::ids::Actor;
use sentinell_core::investigation::{Command, Event, Investigation, Phase};
use sentinell_core::policy::{Budget, Policy};
use sentinell_core::signal::{Severity, Signal, SignalState, SignalType};
use sentinell_core::triage::Triage;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A database of its own, gone with the test.
pub(super) struct House {
    place: Place,
    pub(super) store: Store,
}

impl House {
    pub(super) fn url(&self) -> &str {
        self.place.url()
    }

    pub(super) async fn new() -> Self {
        let place = Place::new().await;
        let store = open(&place).await;
        Self { place, store }
    }

    /// Another set of connections to the same database, as another process has them.
    pub(super) async fn neighbour(&self) -> Store {
        open(&self.place).await
    }

    /// Does behind the store's back what no code of it does.
    async fn tamper(&self, sql: &'static str) {
        let target = Target::parse(self.place.url(), &Options::default()).unwrap();
        let mut conn = target.writer().await.unwrap();
        execute(&mut conn, sql).await.unwrap();
    }
}

async fn execute(conn: &mut Conn, sql: &'static str) -> Result<u64> {
    Ok(run!(conn, sql))
}

async fn open(place: &Place) -> Store {
    Store::open(place.url(), Options::default()).await.unwrap()
}

/// Somebody, then.
pub(super) fn by(at: i64) -> By {
    By { actor: "ann".into(), at: Timestamp(at) }
}

pub(super) fn firing(rule: &str, n: usize, at: i64) -> Accept {
    let signal = Signal {
        id: format!("s-{rule}-{n}-{at}").as_str().into(),
        signal_type: SignalType::Alert,
        source: "watcher".into(),
        delivery_id: None,
        state: SignalState::Firing,
        severity: Severity::Medium,
        title: format!("{rule} on lighthouse"),
        text: "the lamp flickers".into(),
        labels: BTreeMap::from([("service".into(), rule.into())]),
        repo_id: None,
        source_ref: None,
        occurred_at: Timestamp(at),
        received_at: Timestamp(at),
        tags: vec!["sea".into()],
        metadata: json!({ "big": 9_007_199_254_740_993_u64 }),
    };
    Accept {
        signal,
        fingerprint: fingerprint([rule]),
        raw_sha256: [7; 32],
        budget: Budget::default(),
        new_incident: format!("i-{rule}-{n}-{at}").as_str().into(),
    }
}

fn resolved(rule: &str, n: usize, at: i64) -> Accept {
    let mut accept = firing(rule, n, at);
    accept.signal.state = SignalState::Resolved;
    accept
}

async fn opened(store: &Store, rule: &str, at: i64) -> Investigation {
    let receipt = store.accept(firing(rule, 0, at)).await.unwrap();
    store.load(&receipt.incident.unwrap().id).await.unwrap().unwrap()
}

/// From now on this connection finds no room for another page.
async fn fill_up(conn: &mut Conn) -> Result<()> {
    let pages: i64 = on!(conn, c => sqlx::query_scalar("PRAGMA page_count").fetch_one(c).await?);
    run!(conn, sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")));
    Ok(())
}

pub(super) fn note(text: &str) -> Event {
    Event::NoteAdded { by: Actor("ann".into()), text: text.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_delivery_is_answered_as_the_first_time_and_changes_nothing() {
    let house = House::new().await;
    let delivery = |at| {
        let mut accept = firing("lamp", 1, at);
        accept.signal.delivery_id = Some("d-1".into());
        accept
    };
    let first = house.store.accept(delivery(1000)).await.unwrap();
    let case = house.store.load(&first.incident.clone().unwrap().id).await.unwrap().unwrap();
    house.store.append(&case, vec![note("meanwhile")], Timestamp(1500), None).await.unwrap();

    let again = house.neighbour().await.accept(delivery(2000)).await.unwrap();
    assert_eq!(again, Receipt { duplicate: true, ..first.clone() });
    assert_eq!(house.store.counters(Timestamp(3000)).await.unwrap().signals_total, 1);
    assert_eq!(house.store.alerts_of(&case.id).await.unwrap()[0].count, 1);

    let mut elsewhere = delivery(2000);
    elsewhere.signal.source = "another watcher".into();
    assert!(!house.store.accept(elsewhere).await.unwrap().duplicate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_one_incident_with_one_entry_and_shares_few_commits() {
    let house = House::new().await;
    let accepts = (0..400).map(|n| {
        let store = house.store.clone();
        async move { store.accept(firing("lamp", n, 1000 + n as i64)).await.unwrap() }
    });
    let receipts = futures::future::join_all(accepts).await;
    let incidents: BTreeSet<_> = receipts.iter().map(|receipt| receipt.incident.clone().unwrap().id).collect();
    assert_eq!(incidents.len(), 1);
    assert_eq!(receipts.iter().filter(|receipt| receipt.triage == Triage::Open).count(), 1);
    let counters = house.store.counters(Timestamp(9000)).await.unwrap();
    assert_eq!((counters.signals_total, counters.entries_total, counters.queue_depth), (400, 1, 1));
    assert!(counters.commits < 40, "{} commits for {} commands", counters.commits, counters.commands);
    assert_eq!(counters.commands, 400);
    let alert = &house.store.alerts_of(incidents.first().unwrap()).await.unwrap()[0];
    assert_eq!((alert.count, alert.firing), (400, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_gets_worse_goes_away_and_comes_back_in_its_own_incident() {
    let house = House::new().await;
    let id = opened(&house.store, "lamp", 1000).await.id;
    let mut worse = firing("lamp", 1, 2000);
    worse.signal.severity = Severity::Critical;
    let receipt = house.store.accept(worse).await.unwrap();
    assert!(matches!(receipt.triage, Triage::Join { .. }), "{:?}", receipt.triage);
    assert_eq!(receipt.incident.unwrap().severity, Severity::Critical);

    let receipt = house.store.accept(resolved("lamp", 2, 3000)).await.unwrap();
    assert_eq!(receipt.incident.unwrap().phase, "resolved");
    assert_eq!(house.store.next_due().await.unwrap(), None, "nothing is left to do");

    let receipt = house.store.accept(firing("lamp", 3, 4000)).await.unwrap();
    assert_eq!(receipt.triage, Triage::Reopen { incident: id.clone() });
    assert_eq!(receipt.incident.unwrap().phase, "queued");
    assert_eq!(house.store.next_due().await.unwrap(), Some(Timestamp(4000)));

    house
        .store
        .command(&id, Command::Dismiss { by: "ann".into(), why: "a drill".into() }, Timestamp(5000))
        .await
        .unwrap();
    let receipt = house.store.accept(firing("lamp", 4, 6000)).await.unwrap();
    assert_eq!(receipt.triage, Triage::Open, "what a person closed is another matter");
    assert_eq!(house.store.accept(resolved("fog", 0, 1)).await.unwrap().incident, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_appends_second_lets_go() {
    let house = House::new().await;
    let case = opened(&house.store, "lamp", 1000).await;
    let after = house.store.append(&case, vec![note("one"), note("two")], Timestamp(2000), None).await.unwrap();
    assert_eq!(after.seq, 3);
    let late = house.neighbour().await.append(&case, vec![note("three")], Timestamp(2000), None).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    let unfit = Event::ActionFinished { action: "a1".into(), ok: true, output: String::new() };
    let illegal = house.store.append(&after, vec![note("four"), unfit], Timestamp(2000), None).await;
    assert!(matches!(illegal, Err(StoreError::Illegal(_))), "{illegal:?}");
    assert_eq!(house.store.load(&case.id).await.unwrap(), Some(after));
    let remark = Command::Note { by: "ann".into(), text: "x".into() };
    let unknown = house.store.command(&"i-none".into(), remark, Timestamp(1)).await;
    assert!(matches!(unknown, Err(CommandError::NotFound)));
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_have_no_gap_and_follow_the_commits_of_all_processes() {
    let house = House::new().await;
    let stores = [house.store.clone(), house.neighbour().await, house.neighbour().await];
    let mut case = opened(&house.store, "watched", 1).await;
    let watcher = house.store.clone();
    let watch = tokio::spawn(async move {
        // A reader who resumes by position must see every position once, in order, while others write.
        let mut seen = 0;
        while seen < 181 {
            for stored in watcher.entries_after(seen, None, 50).await.unwrap() {
                assert_eq!(stored.position, seen + 1);
                seen = stored.position;
            }
            tokio::task::yield_now().await;
        }
    });
    let writers = stores.into_iter().enumerate().map(|(w, store)| {
        tokio::spawn(async move {
            let mut case = opened(&store, &format!("rule-{w}"), 1).await;
            for n in 0..59 {
                // A refused append in the same group must not leave a hole.
                let stale = Investigation { seq: case.seq + 7, ..case.clone() };
                let (good, bad) = tokio::join!(
                    store.append(&case, vec![note(&format!("{n}"))], Timestamp(n), None),
                    store.append(&stale, vec![note("never")], Timestamp(n), None)
                );
                assert!(matches!(bad, Err(StoreError::Conflict(_))));
                case = good.unwrap();
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    tokio::time::timeout(std::time::Duration::from_secs(20), watch).await.unwrap().unwrap();
    case = house.store.append(&case, vec![note("last")], Timestamp(99), None).await.unwrap();
    assert_eq!(*house.store.subscribe().borrow(), 182);
    let of_one = house.store.entries_after(1, Some(&case.id), 10).await.unwrap();
    assert_eq!(of_one.iter().map(|stored| (stored.position, stored.entry.seq)).collect::<Vec<_>>(), [(182, 2)]);
    assert_eq!(house.store.journal(&case.id, 1, 10).await.unwrap(), of_one);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_lease_is_taken_over_and_only_crashes_without_progress_count() {
    let house = House::new().await;
    let mut case = opened(&house.store, "lamp", 1000).await;
    let neighbour = house.neighbour().await;
    assert_eq!(house.store.claim("one", Timestamp(999), 100).await.unwrap(), None, "not due yet");
    let (a, b) =
        tokio::join!(house.store.claim("one", Timestamp(1000), 100), neighbour.claim("two", Timestamp(1000), 100));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a.is_some() != b.is_some(), "exactly one of two gets it: {a:?} {b:?}");
    let sleeper = a.or(b).unwrap();
    assert_eq!((sleeper.attempts, sleeper.until), (0, Timestamp(1100)));
    assert_eq!(house.store.next_due().await.unwrap(), Some(Timestamp(1100)));

    let heir = neighbour.claim("heir", Timestamp(1100), 100).await.unwrap().unwrap();
    assert_eq!(heir.attempts, 1, "the sleeper vanished without a word");
    let late = house.store.append(&case, vec![note("late")], Timestamp(1101), Some(&sleeper)).await;
    assert!(matches!(late, Err(StoreError::LeaseLost)), "{late:?}");
    assert!(matches!(house.store.renew(&sleeper, Timestamp(1101), 100).await, Err(StoreError::LeaseLost)));
    house.store.release(&sleeper, Timestamp(1101)).await.unwrap();

    let heir = neighbour.renew(&heir, Timestamp(1150), 100).await.unwrap();
    assert_eq!(
        house.store.claim("thief", Timestamp(1249), 100).await.unwrap(),
        None,
        "renewed, and not freed by the sleeper"
    );
    case = neighbour.append(&case, vec![note("progress")], Timestamp(1200), Some(&heir)).await.unwrap();
    assert_eq!(house.store.claim("thief", Timestamp(1249), 100).await.unwrap(), None, "appending keeps the lease");
    let attempts = async |at| house.store.claim("next", Timestamp(at), 100).await.unwrap().unwrap().attempts;
    assert_eq!([attempts(1250).await, attempts(1350).await, attempts(1450).await], [0, 1, 2]);

    for (holder, at) in [("old", 1000), ("one", 86_402_000), ("two", 86_403_000)] {
        house.store.heartbeat(holder, Timestamp(at)).await.unwrap();
    }
    let there = house.store.workers(Timestamp(0)).await.unwrap();
    assert_eq!(there.iter().map(|worker| worker.holder.as_str()).collect::<Vec<_>>(), ["two", "one"]);

    let last = house.store.claim("last", Timestamp(1550), 100).await.unwrap().unwrap();
    let dead = Event::DeadLettered { why: "three crashes".into() };
    let case = house.store.append(&case, vec![dead], Timestamp(1551), Some(&last)).await.unwrap();
    assert!(matches!(case.phase, Phase::DeadLetter { .. }));
    house.store.release(&last, Timestamp(1552)).await.unwrap();
    assert_eq!(house.store.next_due().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_claimers_in_three_processes_no_two_get_the_same_incident() {
    let house = House::new().await;
    for n in 0..60 {
        opened(&house.store, &format!("rule-{n}"), 1000).await;
    }
    let stores = [house.store.clone(), house.neighbour().await, house.neighbour().await];
    let claimers = stores.iter().cycle().take(12).cloned().enumerate().map(|(n, store)| {
        tokio::spawn(async move {
            let (mut mine, mut idle) = (vec![], 0);
            // On a server a claimer that finds only rows that others are just taking comes back empty-handed.
            while idle < 20 {
                match store.claim(&format!("worker-{n}"), Timestamp(1000), 5000).await.unwrap() {
                    Some(lease) => mine.push(lease.incident),
                    None => idle += 1,
                }
            }
            mine
        })
    });
    let claimed: Vec<_> = futures::future::try_join_all(claimers).await.unwrap().into_iter().flatten().collect();
    assert_eq!((claimed.len(), claimed.iter().collect::<BTreeSet<_>>().len()), (60, 60));
}

#[tokio::test(flavor = "multi_thread")]
async fn news_of_another_process_come_by_themselves_from_a_server() {
    let house = House::new().await;
    if matches!(house.store.db, Db::Sqlite(_)) {
        return; // A file announces nothing; readers poll.
    }
    let neighbour = house.neighbour().await;
    let mut news = neighbour.subscribe();
    // Listening begins beside opening, so the first news may be missed; after that none is.
    for n in 0.. {
        opened(&house.store, &format!("rule-{n}"), 1000).await;
        if tokio::time::timeout(std::time::Duration::from_millis(500), news.changed()).await.is_ok() {
            break;
        }
        assert!(n < 20, "nothing was heard");
    }
    let told = house.store.last_position().await.unwrap() + 1;
    opened(&house.store, "last", 1000).await;
    let heard = news.wait_for(|newest| *newest == told);
    tokio::time::timeout(std::time::Duration::from_secs(2), heard).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_a_worker_holds_an_incident_is_due_when_it_lets_go() {
    let house = House::new().await;
    let case = opened(&house.store, "lamp", 1000).await;
    let lease = house.store.claim("one", Timestamp(1000), 5000).await.unwrap().unwrap();
    let stop = vec![Event::Escalated { why: "no idea".into() }];
    let after = house.store.append(&case, stop, Timestamp(1001), Some(&lease)).await.unwrap();
    // Nothing is due, but the lease is still held: a retry must not be handed to somebody else yet.
    house
        .store
        .command(&after.id, Command::Retry { by: "ann".into(), why: "look again".into() }, Timestamp(1002))
        .await
        .unwrap();
    assert_eq!(house.store.claim("two", Timestamp(1003), 100).await.unwrap(), None);
    house.store.release(&lease, Timestamp(1004)).await.unwrap();
    assert!(house.store.claim("two", Timestamp(1005), 100).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_holds_and_breaks_where_a_row_was_edited_or_cut_off() {
    let house = House::new().await;
    let case = opened(&house.store, "lamp", 1000).await;
    let case = house.store.append(&case, vec![note("one"), note("two")], Timestamp(2000), None).await.unwrap();
    let sound = house.store.verify_chain(&case.id).await.unwrap();
    assert_eq!((sound.entries, sound.broken_at), (3, None));
    house.tamper("UPDATE entries SET event = REPLACE(event, 'one', 'won') WHERE seq = 2").await;
    assert_eq!(house.store.verify_chain(&case.id).await.unwrap().broken_at, Some(2));
    house.tamper("UPDATE entries SET event = REPLACE(event, 'won', 'one') WHERE seq = 2").await;
    assert_eq!(house.store.verify_chain(&case.id).await.unwrap(), sound);
    house.tamper("UPDATE incidents SET head = 'of another ending'").await;
    assert_eq!(house.store.verify_chain(&case.id).await.unwrap().broken_at, Some(3));
    house.tamper("DELETE FROM entries WHERE seq = 3").await;
    assert_eq!(house.store.verify_chain(&case.id).await.unwrap().broken_at, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_finds_everything_as_it_was() {
    let house = House::new().await;
    let case = opened(&house.store, "lamp", 1000).await;
    let case = house.store.append(&case, vec![note("one")], Timestamp(2000), None).await.unwrap();
    let view = house.store.incident(&case.id).await.unwrap().unwrap();
    house.store.close().await;
    assert!(house.store.append(&case, vec![note("two")], Timestamp(2000), None).await.is_err(), "closed is closed");
    let reopened = house.neighbour().await;
    assert_eq!(reopened.load(&case.id).await.unwrap(), Some(case.clone()));
    assert_eq!(reopened.incident(&case.id).await.unwrap(), Some(view.clone()));
    assert_eq!(
        view.metadata,
        json!({ "big": 9_007_199_254_740_993_u64 }),
        "data of the sender is given back as it came"
    );
    assert_eq!(*reopened.subscribe().borrow(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_paged_and_refuse_foreign_cursors() {
    let house = House::new().await;
    for n in 0..7 {
        opened(&house.store, &format!("rule-{n}"), 1000 + n / 2).await;
    }
    let mut seen = vec![];
    let mut cursor = None;
    loop {
        let (page, next) = house.store.incidents(Filter::default(), cursor.as_deref(), 3).await.unwrap();
        seen.extend(page.into_iter().map(|incident| (incident.created_at, incident.id)));
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.reverse();
    assert_eq!((seen.len(), &seen), (7, &sorted));
    let count = async |filter| house.store.incidents(filter, None, 500).await.unwrap().0.len();
    let q = |words: &str| Filter { q: Some(words.into()), ..Filter::default() };
    assert_eq!(count(q("RULE-3 on light")).await, 1);
    assert_eq!(count(q("rule_3")).await, 0, "an underscore is an underscore");
    assert_eq!(count(Filter { since: Some(Timestamp(1003)), ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { until: Some(Timestamp(1001)), ..Filter::default() }).await, 2);
    assert_eq!(
        count(Filter { status: Some("queued".into()), phase: Some("queued".into()), ..Filter::default() }).await,
        7
    );
    assert_eq!(count(Filter { severity: Some(Severity::High), ..Filter::default() }).await, 0);
    for garbage in ["", "zz", "00", "313a", "é", "313a783a79"] {
        let answer = house.store.incidents(Filter::default(), Some(garbage), 3).await;
        assert!(matches!(answer, Err(StoreError::BadCursor)), "{garbage}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_loses_nothing_and_heals() {
    let place = Place::file();
    let house = House { store: open(&place).await, place };
    let case = opened(&house.store, "lamp", 1000).await;
    house.store.writer.write(|conn| Box::pin(fill_up(conn))).await.unwrap();
    let mut acknowledged = 0;
    let mut refused = 0;
    for n in 0..200 {
        match house.store.accept(firing(&format!("rule-{n}"), n, 2000)).await {
            Ok(_) => acknowledged += 1,
            Err(StoreError::Unavailable(why)) => {
                assert!(why.contains("full"), "{why}");
                refused += 1;
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(refused, 1, "the disk never got full");
    let counters = house.store.counters(Timestamp(3000)).await.unwrap();
    assert_eq!((counters.signals_total, counters.entries_total), (acknowledged + 1, acknowledged + 1));
    // The writer opens a new connection, which finds the disk as it is then.
    house.store.accept(firing("after", 0, 4000)).await.unwrap();
    house.store.append(&case, vec![note("healed")], Timestamp(4000), None).await.unwrap();
    assert_eq!(house.store.last_position().await.unwrap(), acknowledged + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_panics_harms_nobody_else() {
    let house = House::new().await;
    let case = opened(&house.store, "lamp", 1000).await;
    let bad = house.store.writer.write::<(), _>(|_| Box::pin(async { panic!("on purpose") }));
    assert!(matches!(bad.await, Err(StoreError::Unavailable(_))));
    house.store.append(&case, vec![note("fine")], Timestamp(2000), None).await.unwrap();
}

async fn write_then_fail(conn: &mut Conn) -> Result<()> {
    run!(conn, "INSERT INTO workers (holder, seen_at) VALUES ('ghost', 1)");
    Err(StoreError::Conflict("on purpose".into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_halfway_leaves_nothing_and_its_group_goes_on() {
    let House { store, place: _place } = House::new().await;
    let (bad, good) =
        tokio::join!(store.writer.write(|conn| Box::pin(write_then_fail(conn))), store.heartbeat("one", Timestamp(2)),);
    assert!(matches!(bad, Err(StoreError::Conflict(_))) && good.is_ok());
    let there = store.workers(Timestamp(0)).await.unwrap();
    assert_eq!(there.iter().map(|worker| worker.holder.as_str()).collect::<Vec<_>>(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_busy_and_keeps_what_it_took() {
    let place = Place::new().await;
    let options = Options { queue: 4, group: 2, ..Options::default() };
    let store = Store::open(place.url(), options).await.unwrap();
    let accepts = (0..64).map(|n| store.accept(firing(&format!("rule-{n}"), n, 1000)));
    let answers = futures::future::join_all(accepts).await;
    let kept = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
    assert!(answers.iter().any(|answer| matches!(answer, Err(StoreError::Busy))));
    assert!(kept >= 4);
    store.close().await;
    assert_eq!(open(&place).await.counters(Timestamp(1)).await.unwrap().signals_total, kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_find_one_finished_house() {
    let place = Place::new().await;
    let starts = (0..6).map(|n| {
        let url = place.url().to_owned();
        tokio::spawn(async move {
            let store = Store::open(&url, Options::default()).await.unwrap();
            store.accept(firing(&format!("rule-{n}"), n, 1000)).await.unwrap();
        })
    });
    for start in futures::future::join_all(starts).await {
        start.unwrap();
    }
    assert_eq!(open(&place).await.last_position().await.unwrap(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_open_doors_only_while_they_hold() {
    let House { store, place: _place } = House::new().await;
    let new = NewToken { id: "t1".into(), name: "ann".into(), role: Role::Operator, hash: "aa".into() };
    let token = store.create_token(new.clone(), by(1000)).await.unwrap();
    assert!(matches!(store.create_token(new, by(1)).await, Err(StoreError::Conflict(_))));
    store.token_used(&token, Timestamp(2000)).await.unwrap();
    let token = store.token_by_hash("aa").await.unwrap().unwrap();
    assert_eq!((token.role, token.last_used_at), (Role::Operator, Some(Timestamp(2000))));
    assert_eq!(store.token_by_hash("ab").await.unwrap(), None);

    let principal = Principal { actor: "ann".into(), role: Role::Operator };
    let session = Session {
        hash: "s1".into(),
        principal: principal.clone(),
        token_id: Some("t1".into()),
        csrf: "c".into(),
        expires_at: Timestamp(9000),
    };
    store.create_session(session.clone(), Timestamp(1000)).await.unwrap();
    assert_eq!(store.session("s1", Timestamp(8999)).await.unwrap(), Some(session));
    assert_eq!(store.session("s1", Timestamp(9000)).await.unwrap(), None, "expired");
    store.revoke_token("t1", by(3000)).await.unwrap();
    assert_eq!(store.session("s1", Timestamp(3001)).await.unwrap(), None, "its token was taken back");
    assert_eq!(store.tokens().await.unwrap()[0].revoked_at, Some(Timestamp(3000)));

    for (hash, expires, taken_at, works) in [("k1", 5000, 4999, true), ("k2", 5000, 5000, false)] {
        let holder = Holder { principal: principal.clone(), proof: Proof::Token("h1".into()) };
        store.create_ticket(hash, &holder, Timestamp(1000), Timestamp(expires)).await.unwrap();
        let taken = store.take_ticket(hash, Timestamp(taken_at)).await.unwrap();
        assert_eq!(taken, works.then_some(holder));
        assert_eq!(store.take_ticket(hash, Timestamp(1000)).await.unwrap(), None, "a ticket works once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_is_answered_once() {
    let House { store, place: _place } = House::new().await;
    let reserve = async |hash: &str, at| store.reserve_request("ann", "key", hash, Timestamp(at)).await.unwrap();
    assert_eq!(reserve("r1", 1000).await, Reserved::Yours);
    assert_eq!(reserve("r1", 1001).await, Reserved::Running);
    assert_eq!(reserve("r2", 1002).await, Reserved::OtherRequest);
    assert_eq!(reserve("r1", 61_001).await, Reserved::Yours, "its process died");
    let answer = StoredAnswer { status: 201, body: "{}".into() };
    store.finish_request("ann", "key", answer.clone()).await.unwrap();
    assert_eq!(reserve("r1", 200_000).await, Reserved::Answered(answer));
    assert_eq!(reserve("r2", 100_000_000).await, Reserved::Yours, "answers are kept for a day");
    assert_eq!(store.reserve_request("bob", "key", "r1", Timestamp(1)).await.unwrap(), Reserved::Yours);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_registered_is_given_back_as_it_came() {
    let House { store, place: _place } = House::new().await;
    let repo = Repo {
        id: "r1".into(),
        name: "lamps".into(),
        repo_url: "https://example.org/lamps.git".into(),
        default_branch: "main".into(),
        github_app_installation_id: Some(json!(42)),
        description: None,
        metadata: json!({ "team": ["sea", 1.5] }),
        created_at: Timestamp(1000),
        updated_at: Timestamp(1000),
    };
    store.put_repo(&repo, by(1)).await.unwrap();
    assert_eq!(store.repos().await.unwrap(), std::slice::from_ref(&repo));
    let channel = |id: &str, repo_id: Option<&str>, at| SlackChannel {
        id: id.into(),
        team_id: "T".into(),
        channel_id: "C".into(),
        channel_name: None,
        repo_id: repo_id.map(str::to_owned),
        description: None,
        created_at: Timestamp(at),
        updated_at: Timestamp(at),
    };
    store.put_slack_channel(&channel("c1", None, 1), by(1)).await.unwrap();
    let again = store.put_slack_channel(&channel("c2", Some("r1"), 2), by(2)).await.unwrap();
    assert_eq!((again.id.as_str(), again.created_at, again.updated_at), ("c1", Timestamp(1), Timestamp(2)));
    assert_eq!(store.slack_channels().await.unwrap(), [again]);
    let stray = store.put_slack_channel(&channel("c3", Some("nowhere"), 3), by(3)).await;
    assert!(matches!(stray, Err(StoreError::NotFound(_))), "{stray:?}");
    assert!(matches!(store.delete_repo("r1", by(4)).await, Err(StoreError::Conflict(_))), "a channel still names it");

    let policy = Policy { approval_seconds: 60, ..Policy::default() };
    assert_eq!(store.policy().await.unwrap(), (0, Policy::default()));
    assert_eq!(store.set_policy(policy.clone(), &"ann".into(), "shorter", Timestamp(1)).await.unwrap(), 1);
    assert_eq!(store.set_policy(Policy::default(), &"ann".into(), "no", Timestamp(2)).await.unwrap(), 2);
    assert_eq!(store.policy().await.unwrap().0, 2);
    assert_eq!(store.policies(10).await.unwrap()[1].policy, policy);

    let case = opened(&store, "lamp", 1000).await;
    let read = async |case: &Investigation, query: &str, data: Value| {
        let raw = Arc::new(Raw::of(&case.id, &query.into(), &data).unwrap());
        let after = store.append_read(case, vec![note("read")], vec![raw.clone()], case.updated_at, None).await;
        (after.unwrap(), raw.address.clone())
    };
    let (case, address) = read(&case, "q1", json!([1, 2])).await;
    let (case, again) = read(&case, "q1", json!([1, 2])).await;
    assert_eq!(again, address);
    assert_eq!(store.observation(&address).await.unwrap(), Some(json!([1, 2])));
    let stale = Investigation { seq: 1, ..case.clone() };
    let raw = Arc::new(Raw::of(&case.id, &"q9".into(), &json!([9])).unwrap());
    let refused = store.append_read(&stale, vec![note("late")], vec![raw.clone()], case.updated_at, None).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(store.observation(&raw.address).await.unwrap(), None, "data without its entry");
    let (case, _) = read(&case, "q2", json!("x".repeat(5 * 1024 * 1024))).await;
    let kept = store.observations_of(&case.id, 10).await.unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[1].body["too_large"], json!(5 * 1024 * 1024 + 2));
}
