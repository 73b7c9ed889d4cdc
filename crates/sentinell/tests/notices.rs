//! Whom an escalation reaches: notices from the journal through the outbox to a receiver that fails in every way.

mod receiver;

use crate::database::Place;
use receiver::{Behaviour, Receiver};
use sentinell::mouth::Mouth;
use sentinell::store::{Accept, Destination, Options, Store};
use sentinell_adapters::http::Url;
use sentinell_adapters::notifiers::webhook::{Webhook, WebhookSettings, signature};
use sentinell_core::alert::fingerprint;
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::{Event, Investigation, Resolution};
use sentinell_core::notice::{Notice, NoticeKind, Wanted};
use sentinell_core::policy::Budget;
use sentinell_core::ports::{BoxFuture, Clock, Notifier, NotifyError};
use sentinell_core::signal::{Severity, Signal, SignalState, SignalType};
use sentinell_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const KEYS: [&[u8]; 2] = [b"a new key of twenty-four", b"an old key of twentyfour"];
const NOON: i64 = 1_795_348_800_000;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A store with one destination, and a receiver behind it.
struct Post {
    place: Place,
    store: Store,
    clock: Arc<Hands>,
    receiver: Receiver,
    notifier: Arc<dyn Notifier>,
    incidents: AtomicU32,
}

impl Post {
    async fn open() -> Self {
        let (place, receiver) = (Place::new().await, Receiver::start().await);
        let clock = Arc::new(Hands(AtomicI64::new(NOON)));
        let settings = WebhookSettings {
            name: "pager".into(),
            url: Url::parse(&receiver.url()).unwrap(),
            keys: KEYS.iter().map(|key| key.to_vec()).collect(),
            wanted: all(),
            public_url: Some("https://sentinell.example".into()),
            timeout: Duration::from_millis(700),
        };
        let notifier = Arc::new(Webhook::new(settings, clock.clone()).unwrap());
        let store = open(&place).await;
        Self { place, store, clock, receiver, notifier, incidents: AtomicU32::new(0) }
    }

    fn mouth(&self) -> Arc<Mouth> {
        Arc::new(Mouth::new(self.store.clone(), vec![self.notifier.clone()], self.clock.clone()))
    }

    /// A new incident.
    async fn incident(&self) -> Investigation {
        let n = self.incidents.fetch_add(1, Ordering::SeqCst);
        let at = self.clock.now();
        let signal = Signal {
            id: format!("s{n}").as_str().into(),
            signal_type: SignalType::Alert,
            source: "watcher".into(),
            delivery_id: None,
            state: SignalState::Firing,
            severity: Severity::High,
            title: format!("lamp {n} flickers"),
            text: "since dusk".into(),
            labels: BTreeMap::new(),
            repo_id: None,
            source_ref: None,
            occurred_at: at,
            received_at: at,
            tags: vec![],
            metadata: serde_json::Value::Null,
        };
        let new_incident: IncidentId = format!("inc-{n}").as_str().into();
        let fingerprint = fingerprint([format!("lamp {n}").as_str()]);
        let accept = Accept {
            signal,
            fingerprint,
            raw_sha256: [0; 32],
            budget: Budget::default(),
            new_incident: new_incident.clone(),
        };
        self.store.accept(accept).await.unwrap();
        self.store.load(&new_incident).await.unwrap().unwrap()
    }

    async fn append(&self, case: &Investigation, event: Event) -> Investigation {
        self.store.append(case, vec![event], self.clock.now(), None).await.unwrap()
    }

    /// Tells everything that is due.
    async fn tell(&self) {
        let mouth = self.mouth();
        while mouth.tell_next(&self.notifier).await.unwrap() {}
    }

    /// Lets time pass, telling what falls due, a minute at a time.
    async fn pass(&self, minutes: i64) {
        for _ in 0..minutes {
            self.clock.0.fetch_add(60_000, Ordering::SeqCst);
            self.tell().await;
        }
    }

    /// How many notices wait, were sent, are dead.
    async fn states(&self) -> [usize; 3] {
        let rows = self.store.outbox(None, None, 1000).await.unwrap();
        ["waiting", "sent", "dead"].map(|state| rows.iter().filter(|row| row.state == state).count())
    }
}

async fn open(place: &Place) -> Store {
    let destinations = vec![Destination { name: "pager".into(), wanted: all() }];
    Store::open(place.url(), Options { destinations, ..Options::default() }).await.unwrap()
}

fn all() -> Wanted {
    Wanted { kinds: NoticeKind::ALL.into(), at_least: Severity::Low }
}

fn escalated() -> Event {
    Event::Escalated { why: "no idea, password=Tr0ub4dor3".into() }
}

fn resolved() -> Event {
    Event::Resolved { resolution: Resolution::Person, by: "ann".into(), why: "a new bulb".into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_escalation_arrives_signed_with_every_key_in_order_and_once() {
    let post = Post::open().await;
    let case = post.incident().await;
    let case = post.append(&case, escalated()).await;
    post.append(&case, resolved()).await;
    post.tell().await;
    post.tell().await;
    let seen = post.receiver.seen();
    let kinds: Vec<_> = seen.iter().map(|message| message.json()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["incident.opened", "incident.escalated", "incident.resolved"]);
    for message in &seen {
        let (id, seconds) = (message.header("webhook-id"), message.header("webhook-timestamp"));
        assert_eq!(seconds, (NOON / 1000).to_string());
        let signed = KEYS.map(|key| signature(key, id, seconds, &message.body)).join(" ");
        assert_eq!(message.header("webhook-signature"), signed);
        assert_eq!(message.header("content-type"), "application/json");
        assert!(!String::from_utf8_lossy(&message.body).contains("Tr0ub4dor3"), "a secret left the house");
    }
    assert_eq!(seen[1].json()["data"]["links"]["incident"], "https://sentinell.example/#inc-0");
    assert_eq!(post.states().await, [0, 3, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rolled_back_is_told_to_nobody() {
    let post = Post::open().await;
    let stale = post.incident().await;
    let note = Event::NoteAdded { by: "ann".into(), text: "first".into() };
    post.append(&stale, note).await;
    assert!(post.store.append(&stale, vec![escalated()], post.clock.now(), None).await.is_err());
    assert_eq!(post.states().await, [1, 0, 0], "only the opening");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_receiver_does_the_notice_comes_again_under_the_same_id() {
    use Behaviour::{Flood, Garbage, Hang, HangUp, Status};
    let failures =
        [Status(500), Status(503), Status(408), Status(425), Status(404), Status(302), Hang, HangUp, Garbage];
    for failure in failures {
        let post = Post::open().await;
        post.incident().await;
        post.receiver.then(failure);
        post.tell().await;
        assert_eq!(post.states().await, [1, 0, 0], "{failure:?}");
        post.tell().await;
        assert_eq!(post.receiver.seen().len(), 1, "{failure:?}: not before its pause is over");
        post.pass(1).await;
        let seen = post.receiver.seen();
        assert_eq!(post.states().await, [0, 1, 0], "{failure:?}");
        assert_eq!(seen.len(), 2, "{failure:?}: a redirect is not followed");
        assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
        assert_ne!(seen[0].header("webhook-timestamp"), seen[1].header("webhook-timestamp"), "signed anew");
        let said = &post.store.outbox(None, None, 1).await.unwrap()[0];
        assert_eq!(said.attempts, 2);
    }
    let post = Post::open().await;
    post.incident().await;
    post.receiver.then(Flood);
    post.tell().await;
    assert_eq!(post.states().await, [0, 1, 0], "a 2xx is a 2xx, however much follows it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_asks_for_a_pause_gets_it_for_every_notice() {
    let post = Post::open().await;
    post.incident().await;
    post.incident().await;
    post.receiver.then(Behaviour::RetryAfter(600));
    post.tell().await;
    post.pass(9).await;
    assert_eq!(post.receiver.seen().len(), 1, "nothing is sent before the pause is over");
    post.pass(2).await;
    assert_eq!(post.states().await, [0, 2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_ends_in_the_dead_letters_and_a_person_may_try_again() {
    let post = Post::open().await;
    let case = post.incident().await;
    post.append(&case, escalated()).await;
    post.receiver.always(Behaviour::Status(422));
    post.pass(60).await;
    assert_eq!(post.states().await, [0, 0, 2]);
    assert_eq!(post.receiver.seen().len(), 10, "five tries each");
    let dead = post.store.outbox(Some("dead"), None, 10).await.unwrap();
    assert!(dead.iter().all(|row| row.said.as_deref().is_some_and(|said| said.contains("422"))), "{dead:?}");
    post.receiver.always(Behaviour::Status(200));
    let first = dead.last().unwrap();
    let again = post.store.retry_letter(first.n, post.clock.now()).await.unwrap();
    assert_eq!((again.state.as_str(), again.attempts), ("waiting", 0));
    post.tell().await;
    assert_eq!(post.states().await, [0, 1, 1]);
    assert!(post.store.retry_letter(first.n, post.clock.now()).await.is_err(), "it is not dead any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_left_alone_until_a_person_says_otherwise() {
    let post = Post::open().await;
    post.incident().await;
    post.incident().await;
    post.receiver.then(Behaviour::Status(410));
    post.tell().await;
    post.pass(60).await;
    assert_eq!((post.receiver.seen().len(), post.states().await), (1, [1, 0, 1]));
    let counts = post.store.outbox_counts().await.unwrap();
    assert!(counts[0].closed_at.is_some(), "{counts:?}");
    let dead = post.store.outbox(Some("dead"), None, 10).await.unwrap();
    post.store.retry_letter(dead[0].n, post.clock.now()).await.unwrap();
    post.tell().await;
    assert_eq!(post.states().await, [0, 2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_nobody_is_given_up_after_three_days_and_shown() {
    let post = Post::open().await;
    post.incident().await;
    let three_days = post.clock.now().plus_seconds(73 * 60 * 60);
    let given_up = post.store.sweep_outbox(three_days.plus_seconds(-72 * 60 * 60), three_days).await.unwrap();
    assert_eq!((given_up, post.states().await), (1, [0, 0, 1]));
}

/// Dies before or after the message is out, at the n-th chance.
struct Mortal {
    inner: Arc<dyn Notifier>,
    chances: AtomicU32,
    dies_at: u32,
}

impl Mortal {
    fn spark(&self) {
        if self.chances.fetch_add(1, Ordering::SeqCst) + 1 == self.dies_at {
            panic!("cut here");
        }
    }
}

impl Notifier for Mortal {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn wanted(&self) -> &Wanted {
        self.inner.wanted()
    }
    fn notify<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(async move {
            self.spark();
            let told = self.inner.notify(notice).await;
            self.spark();
            told
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_while_telling_loses_nothing_and_doubles_are_recognised() {
    crate::stories::quiet_cuts();
    for dies_at in 1..=6 {
        let post = Post::open().await;
        let case = post.incident().await;
        let case = post.append(&case, escalated()).await;
        post.append(&case, resolved()).await;
        let mortal = Mortal { inner: post.notifier.clone(), chances: AtomicU32::new(0), dies_at };
        let mortal: Arc<dyn Notifier> = Arc::new(mortal);
        let mouth = post.mouth();
        let died = tokio::spawn(async move { while mouth.tell_next(&mortal).await.unwrap() {} }).await;
        assert!(died.is_err(), "it was to die at {dies_at}");
        post.tell().await;
        let held = post.states().await[0];
        assert!(held > 0, "what the dead one held is not told by another before its lease is over");
        post.pass(3).await;
        assert_eq!(post.states().await, [0, 3, 0]);
        let ids: Vec<_> = post.receiver.seen().iter().map(|seen| seen.header("webhook-id").to_owned()).collect();
        let mut order = ids.clone();
        order.dedup();
        assert_eq!(order, ["ntc_inc-0_1", "ntc_inc-0_2", "ntc_inc-0_3"], "in order, doubles side by side");
        assert_eq!(ids.len(), if dies_at % 2 == 0 { 4 } else { 3 }, "a double only where it had been sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_telling_and_tell_nothing_twice() {
    let post = Post::open().await;
    for _ in 0..30 {
        let case = post.incident().await;
        let case = post.append(&case, escalated()).await;
        post.append(&case, resolved()).await;
    }
    let neighbour = open(&post.place).await;
    let stop = CancellationToken::new();
    let mouths = [post.store.clone(), neighbour].map(|store| {
        let mouth = Mouth::new(store, vec![post.notifier.clone()], post.clock.clone());
        tokio::spawn(Arc::new(mouth).run(stop.clone()))
    });
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while post.states().await != [0, 90, 0] {
        assert!(std::time::Instant::now() < until, "{:?}", post.states().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    for mouth in mouths {
        mouth.await.unwrap();
    }
    let seen = post.receiver.seen();
    let ids: BTreeSet<_> = seen.iter().map(|message| message.header("webhook-id").to_owned()).collect();
    assert_eq!((seen.len(), ids.len()), (90, 90));
    for incident in 0..30 {
        let of = |id: &&str| id.starts_with(&format!("ntc_inc-{incident}_"));
        let order: Vec<_> = seen.iter().map(|message| message.header("webhook-id")).filter(of).collect();
        assert!(order.is_sorted() && order.len() == 3, "{order:?}");
    }
}
