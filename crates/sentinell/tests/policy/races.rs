//! Nobody goes over a limit, past the kill switch or around an approval by being quick.

use crate::database::Place;
use futures::future::join_all;
use sentinell::store::{Accept, Options, Store, StoreError};
use sentinell_core::action::{Action, BlastRadius, Deed, Expectation, Plan, Verification};
use sentinell_core::alert::fingerprint;
use sentinell_core::approval::Role;
use sentinell_core::evidence::Evidence;
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::{ActionState, Command, Event, Health, Investigation, Phase, Reading};
use sentinell_core::policy::{Autonomy, Budget, KillSwitch, Limits, Policy, Rule, RuleEffect, Ruling};
use sentinell_core::signal::{Severity, Signal, SignalState, SignalType};
use sentinell_core::time::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

const NOW: Timestamp = Timestamp(1_767_787_200_000);

async fn open(place: &Place) -> Store {
    Store::open(place.url(), Options::default()).await.unwrap()
}

fn signal(name: &str) -> Accept {
    let signal = Signal {
        id: format!("s-{name}").as_str().into(),
        signal_type: SignalType::Alert,
        source: "watcher".into(),
        delivery_id: None,
        state: SignalState::Firing,
        severity: Severity::High,
        title: format!("{name} is down"),
        text: "down".into(),
        labels: BTreeMap::from([("service".into(), name.into())]),
        repo_id: None,
        source_ref: None,
        occurred_at: NOW,
        received_at: NOW,
        tags: vec![],
        metadata: json!({}),
    };
    Accept {
        signal,
        fingerprint: fingerprint([name]),
        raw_sha256: [7; 32],
        budget: Budget::default(),
        new_incident: format!("i-{name}").as_str().into(),
    }
}

fn action(incident: &str, service: &str) -> Action {
    let argv = |words: &[&str]| Deed::Argv(words.iter().map(|word| (*word).to_owned()).collect());
    Action {
        id: "a1".into(),
        incident: incident.into(),
        kind: "kubernetes.rollout_undo".into(),
        target: format!("deployment/shop/{service}"),
        params: BTreeMap::new(),
        because: "h1".into(),
        why: "w".into(),
        evidence: vec!["e1".into()],
        plan: Plan {
            deed: argv(&["kubectl", "undo"]),
            undo: Some(argv(&["kubectl", "redo"])),
            undo_if_unhelpful: false,
            environment: "staging".into(),
            verification: Verification {
                queries: vec![],
                expect: Expectation::FindingsGone { subject: "service/shop/cart".into() },
                hold_seconds: 10,
                every_seconds: 2,
                within_seconds: 60,
            },
            blast_radius: BlastRadius { objects: 1, description: "one pod".into() },
            precondition: "revision 5".into(),
        },
        undoes: None,
        expires_at: NOW.plus_seconds(600),
    }
}

/// An incident whose deed is proposed, ruled on like this, and known to be needed still.
async fn proposed(store: &Store, name: &str, service: &str, ruling: Ruling) -> Investigation {
    let id = store.accept(signal(name)).await.unwrap().incident.unwrap().id;
    let case = store.load(&IncidentId(id.to_string())).await.unwrap().unwrap();
    let deed = action(id.as_str(), service);
    let (hash, automatic) = (deed.hash(), matches!(ruling, Ruling::Allow { .. }));
    let evidence = Evidence {
        id: "e1".into(),
        query: "q1".into(),
        subject: "service/shop/cart".into(),
        kind: "contradiction".into(),
        summary: "down".into(),
        strength: 1.0,
        source: "kubectl".into(),
        outsider_can_write: false,
        finding: json!({}),
    };
    let query =
        sentinell_core::evidence::Query { id: "q1".into(), tool: "t".into(), args: BTreeMap::new(), why: "w".into() };
    let mut events = vec![
        Event::QueriesOpened { queries: vec![query] },
        Event::EvidenceGathered {
            query: "q1".into(),
            evidence: vec![evidence],
            gaps: vec![],
            call: String::new(),
            raw: String::new(),
            millis: 1,
        },
        Event::ActionProposed { action: Box::new(deed), hash },
        Event::ActionRuled { action: "a1".into(), ruling },
    ];
    if automatic {
        events.push(checked());
    }
    store.append(&case, events, NOW, None).await.unwrap()
}

fn checked() -> Event {
    let reading = Reading { health: Health::Unhealthy, note: "down".into() };
    Event::StateChecked { action: "a1".into(), reading, next_at: NOW }
}

fn allowed() -> Ruling {
    Ruling::Allow { why: "rule `all` allows it".into() }
}

fn automatic(limits: Limits) -> Policy {
    let rules = vec![Rule::new("all", RuleEffect::Allow)];
    Policy { autonomy: Autonomy::Automatic, rules, limits, ..Policy::default() }
}

/// What the worker's loop does at the moment of a deed. Whether the intent was written.
async fn begin(store: &Store, case: &Investigation, now: Timestamp) -> bool {
    loop {
        let house = store.house(now).await.unwrap();
        let Ok(intent) = case.authorize(house.gate(), now) else { return false };
        // Others have the time to come in between.
        tokio::task::yield_now().await;
        match store.append_intent(case, intent.event(), now, None, house.basis()).await {
            Ok(_) => return true,
            Err(StoreError::Moved) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_workers_of_three_processes_never_go_over_a_limit_and_a_restart_forgets_nothing() {
    let place = Place::new().await;
    let stores = [open(&place).await, open(&place).await, open(&place).await];
    let limits = Limits { deeds_per_hour: Some(7), deeds_per_hour_per_service: Some(2), ..Limits::default() };
    stores[0].set_policy(automatic(limits), &"ann".into(), "limits", NOW).await.unwrap();
    let mut cases = vec![];
    for n in 0..30 {
        // Half of them on one service.
        let service = if n % 2 == 0 { "cart".to_owned() } else { format!("s{n}") };
        cases.push((n % 2 == 0, proposed(&stores[0], &format!("lamp-{n}"), &service, allowed()).await));
    }
    let racing = cases.iter().enumerate().map(|(n, (cart, case))| {
        let (store, case, cart) = (stores[n % 3].clone(), case.clone(), *cart);
        tokio::spawn(async move { (cart, begin(&store, &case, NOW).await) })
    });
    let begun: Vec<(bool, bool)> = join_all(racing).await.into_iter().map(|done| done.unwrap()).collect();
    let count = |of: &dyn Fn(bool) -> bool| begun.iter().filter(|(cart, begun)| *begun && of(*cart)).count();
    assert_eq!(count(&|_| true), 7, "as many as may, and none over");
    assert!(count(&|cart| cart) <= 2);
    for store in &stores {
        store.close().await;
    }
    let reborn = open(&place).await;
    let late = proposed(&reborn, "late", "other", allowed()).await;
    assert!(!begin(&reborn, &late, NOW.plus_seconds(3599)).await, "what was done before the restart counts");
    assert!(begin(&reborn, &late, NOW.plus_seconds(3600)).await, "an hour later it does not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn objects_of_deeds_under_way_are_counted_together_until_each_has_ended() {
    let place = Place::new().await;
    let store = open(&place).await;
    let limits = Limits { objects_under_way: Some(3), ..Limits::default() };
    store.set_policy(automatic(limits), &"ann".into(), "limits", NOW).await.unwrap();
    let mut cases = vec![];
    for n in 0..12 {
        cases.push(proposed(&store, &format!("lamp-{n}"), &format!("s{n}"), allowed()).await);
    }
    let racing = cases.iter().map(|case| begin(&store, case, NOW));
    let begun = join_all(racing).await;
    assert_eq!(begun.iter().filter(|begun| **begun).count(), 3);
    let one = begun.iter().position(|begun| *begun).unwrap();
    let case = store.load(&cases[one].id).await.unwrap().unwrap();
    let ended = Event::ActionFinished { action: "a1".into(), ok: true, output: "done".into() };
    store.append(&case, vec![ended], NOW.plus_seconds(1), None).await.unwrap();
    let waiting = cases.iter().zip(&begun).find(|(_, begun)| !**begun).map(|(case, _)| case).unwrap();
    assert!(begin(&store, waiting, NOW.plus_seconds(2)).await, "one has ended: there is room for another");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_deed_begins_after_the_kill_switch_was_pressed_by_another_process() {
    let place = Place::new().await;
    let (store, other) = (open(&place).await, open(&place).await);
    let policy = automatic(Limits::default());
    store.set_policy(policy.clone(), &"ann".into(), "go", NOW).await.unwrap();
    let mut cases = vec![];
    for n in 0..40 {
        cases.push(proposed(&store, &format!("lamp-{n}"), &format!("s{n}"), allowed()).await);
    }
    // One has been judged already when the switch is pressed.
    let (sleeper, house) = (cases.pop().unwrap(), store.house(NOW).await.unwrap());
    let intent = sleeper.authorize(house.gate(), NOW).unwrap();
    let begun = AtomicUsize::new(0);
    let working = cases.iter().map(|case| async {
        if begin(&store, case, NOW).await {
            begun.fetch_add(1, Ordering::Relaxed);
        }
    });
    let pressing = async {
        while begun.load(Ordering::Relaxed) < 3 {
            tokio::task::yield_now().await;
        }
        let switch = KillSwitch { by: "bob".into(), why: "stop".into(), at: NOW };
        let policy = Policy { kill_switch: Some(switch), ..policy.clone() };
        other.set_policy(policy, &"bob".into(), "stop", NOW).await.unwrap();
        other.last_position().await.unwrap()
    };
    let (_, pressed_at) = futures::join!(join_all(working), pressing);
    let after = store.entries_after(pressed_at, None, 1000).await.unwrap();
    let late: Vec<_> =
        after.iter().filter(|stored| matches!(stored.entry.event, Event::ActionStarted { .. })).collect();
    assert!(late.is_empty(), "{late:?}");
    let appended = store.append_intent(&sleeper, intent.event(), NOW, None, house.basis()).await;
    assert!(matches!(appended, Err(StoreError::Moved)), "{appended:?}");
    assert!(!begin(&store, &sleeper, NOW).await);
    let reborn = open(&place).await;
    assert!(!begin(&reborn, &sleeper, NOW).await, "it outlives a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_approvals_that_race_each_person_counts_once_and_a_no_never_loses() {
    let place = Place::new().await;
    let stores = [open(&place).await, open(&place).await];
    stores[0]
        .set_policy(Policy { autonomy: Autonomy::Approve, ..Policy::default() }, &"ann".into(), "w", NOW)
        .await
        .unwrap();
    for round in 0..8 {
        let two = Ruling::Ask { why: "dangerous".into(), approvals: 2, role: Role::Operator };
        let case = proposed(&stores[0], &format!("lamp-{round}"), "cart", two).await;
        let hash = case.action(&"a1".into()).unwrap().hash.clone();
        let approve = |by: &str| Command::Approve {
            action: "a1".into(),
            hash: hash.clone(),
            by: by.into(),
            role: Role::Operator,
            comment: String::new(),
        };
        let same = (0..10).map(|n| stores[n % 2].command(&case.id, approve("ann"), NOW));
        let taken = join_all(same).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(taken, 1, "one person counts once");
        let now = stores[0].load(&case.id).await.unwrap().unwrap();
        assert!(matches!(now.phase, Phase::AwaitingApproval { .. }), "{:?}", now.phase);
        let reject = Command::Reject { action: "a1".into(), by: "cid".into(), comment: "no".into() };
        let (yes, no) =
            futures::join!(stores[0].command(&case.id, approve("bob"), NOW), stores[1].command(&case.id, reject, NOW));
        assert!(yes.is_ok() != no.is_ok(), "only one of them comes first: {yes:?} {no:?}");
        let after = stores[0].load(&case.id).await.unwrap().unwrap();
        let wanted = if yes.is_ok() { ActionState::Authorized } else { ActionState::Rejected };
        assert_eq!(after.action(&"a1".into()).unwrap().state, wanted);
    }
}
