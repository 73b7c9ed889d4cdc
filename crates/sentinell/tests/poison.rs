//! A poison incident: whatever handles it dies, each time. It ends in the dead letter after three deaths without progress,
//! is shown there, and the others hardly notice. Real loop, real store, real clock.
//!
//! `cargo nextest run -p sentinell --test main --run-ignored only poison --no-capture` measures what it costs the others.

use crate::database::Place;
use sentinell::clock::SystemClock;
use sentinell::store::{self, Accept, Filter, Store};
use sentinell::worker::{Options, Worker};
use sentinell_core::evidence::{Observation, Query};
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::{Decision, Doubt, Event, Investigation, Turn};
use sentinell_core::policy::Budget;
use sentinell_core::ports::{BoxFuture, Clock, Question, ReasonError, Reasoner, Tool, ToolError};
use sentinell_core::signal::{Severity, Signal, SignalState, SignalType};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const POISON: &str = "poison";
const LEASE: Duration = Duration::from_secs(1);

/// Looks once, then hands over; dies of poison.
struct Mind;

impl Reasoner for Mind {
    fn reason<'a>(&'a self, case: &'a Investigation, _: bool) -> BoxFuture<'a, Result<Turn, ReasonError>> {
        Box::pin(async move {
            assert!(case.signal.title != POISON, "died of poison");
            let question = Question { tool: "eye".into(), args: Default::default(), why: "to see".into() };
            let decision = match case.spent.turns {
                0 => Decision::LookAt(vec![question]),
                _ => Decision::Conclude("nothing to see".into()),
            };
            Ok(Turn::free("test", decision, vec![], vec![]))
        })
    }
    fn doubt<'a>(&'a self, _: &'a Investigation) -> BoxFuture<'a, Doubt> {
        Box::pin(async { Doubt::default() })
    }
}

struct Eye;

impl Tool for Eye {
    fn name(&self) -> &str {
        "eye"
    }
    fn describe(&self) -> &str {
        "sees nothing, at once"
    }
    fn first_look(&self, _: &Investigation) -> Vec<Question> {
        vec![]
    }
    fn observe<'a>(&'a self, _: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(async { Ok(Observation::default()) })
    }
}

/// What one run showed.
struct Run {
    /// From opening to the last entry of all but the poisoned, sorted, milliseconds.
    millis: Vec<i64>,
    /// How the poisoned ended, and what its journal says about it.
    poisoned: Vec<(String, String)>,
}

impl Run {
    fn p99(&self) -> i64 {
        self.millis[self.millis.len() * 99 / 100]
    }
}

fn signal(title: &str, nth: usize) -> Accept {
    let now = SystemClock.now();
    let signal = Signal {
        id: format!("s{nth}").as_str().into(),
        signal_type: SignalType::Manual,
        source: "test".into(),
        delivery_id: None,
        state: SignalState::Firing,
        severity: Severity::High,
        title: title.to_owned(),
        text: String::new(),
        labels: Default::default(),
        repo_id: None,
        source_ref: None,
        occurred_at: now,
        received_at: now,
        tags: vec![],
        metadata: serde_json::json!({}),
    };
    let fingerprint = sentinell_core::alert::fingerprint([title, &nth.to_string()]);
    let new_incident = format!("i{nth:05}").as_str().into();
    Accept { signal, fingerprint, raw_sha256: [0; 32], budget: Budget::default(), new_incident }
}

/// So many incidents through the whole loop, one of them poisoned if asked for.
async fn run(incidents: usize, poisoned: bool) -> Run {
    let place = Place::new().await;
    let store = Store::open(place.url(), store::Options::default()).await.unwrap();
    let options = Options { holder: "w".into(), lease: LEASE, concurrency: 4, poll: Duration::from_millis(50) };
    let (mind, clock): (Arc<dyn Reasoner>, Arc<dyn Clock>) = (Arc::new(Mind), Arc::new(SystemClock));
    let worker = Worker::new(store.clone(), vec![Arc::new(Eye)], vec![], mind, clock, options);
    let stop = CancellationToken::new();
    let working = tokio::spawn(Arc::new(worker).run(stop.clone()));
    let at = incidents / 10;
    for nth in 0..incidents {
        let title = if poisoned && nth == at { POISON } else { "harmless" };
        store.accept(signal(title, nth)).await.unwrap();
    }
    let ids: Vec<IncidentId> = (0..incidents).map(|nth| format!("i{nth:05}").as_str().into()).collect();
    let patience = Instant::now() + Duration::from_secs(120);
    while store.next_due().await.unwrap().is_some() {
        assert!(Instant::now() < patience, "some are never finished");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut seen = Run { millis: vec![], poisoned: vec![] };
    for id in ids {
        let case = store.load(&id).await.unwrap().unwrap();
        let entries = store.journal(&id, 0, 100).await.unwrap();
        if case.signal.title == POISON {
            let why = entries.iter().find_map(|stored| match &stored.entry.event {
                Event::DeadLettered { why } => Some(why.clone()),
                _ => None,
            });
            seen.poisoned.push((case.phase.word().to_owned(), why.unwrap_or_default()));
        } else {
            assert!(case.phase.word() == "escalated" && case.seq >= 6, "{id} is {}", case.phase.word());
            seen.millis.push(case.updated_at.millis_since(case.opened_at));
        }
    }
    let shown = Filter { phase: Some("dead_letter".into()), ..Filter::default() };
    assert_eq!(store.incidents(shown, None, 10).await.unwrap().0.len(), usize::from(poisoned), "it is shown");
    stop.cancel();
    working.await.unwrap();
    store.close().await;
    seen.millis.sort_unstable();
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_incident_ends_in_the_dead_letter_and_the_others_go_on() {
    let seen = run(60, true).await;
    assert_eq!(seen.millis.len(), 59);
    let (phase, why) = &seen.poisoned[0];
    assert_eq!((phase.as_str(), why.contains("3 times")), ("dead_letter", true), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: wants a quiet machine"]
async fn what_one_poison_incident_among_a_thousand_costs_the_others() {
    // The first run warms up; then by turns, so that whatever else the machine does meets both.
    run(100, false).await;
    let (mut without, mut with) = (vec![], vec![]);
    for _ in 0..3 {
        without.push(run(1000, false).await.p99());
        with.push(run(1000, true).await.p99());
    }
    without.sort_unstable();
    with.sort_unstable();
    let ratio = with[1] as f64 / without[1].max(1) as f64;
    println!(
        "p99 of 1,000 incidents, median of three: {} ms without poison, {} ms with, ratio {ratio:.2}",
        without[1], with[1]
    );
}
