//! The loop: claims an incident whose time has come, does what the machine says comes next, writes down what came back.
//!
//! Everything clever lives on either side of it. A crash anywhere leaves the journal; the next worker folds it and goes
//! on. A deed's intent is in the journal before its warrant exists, and its outcome is recorded whatever happens to the
//! lease meanwhile.

mod hands;
mod house;
mod patience;
mod reads;
mod run;

use crate::metrics::Metrics;
use crate::store::{House, Lease, Raw, Retention, Store, StoreError};
use crate::telemetry::{Seldom, spans};
use hands::Hands;
use patience::Patience;
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::{Effect, Event, Input, Investigation, Step, Usage};
use sentinell_core::policy::Gate;
use sentinell_core::ports::{Actuator, Clock, ReasonError, Reasoner, Tool};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{Instrument, Span};

/// Crashes on one incident, without journal progress, after which it is left to a person.
const CRASHES: u32 = 3;
/// Steps that one claim may take; a bound against a machine that goes in circles.
const STEPS: u32 = 1_000;

static RENEWAL: Seldom = Seldom::new();

/// How a worker works.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name in its leases; unique among all workers.
    pub holder: String,
    /// How long a lease lasts without being renewed: the time to recovery after a crash.
    pub lease: Duration,
    /// Incidents side by side.
    pub concurrency: usize,
    /// How often to look for work that another process brought.
    pub poll: Duration,
}

/// Everything the loop may touch, handed in from outside.
pub struct Worker {
    store: Store,
    tools: BTreeMap<String, Arc<dyn Tool>>,
    hands: Hands,
    reasoner: Arc<dyn Reasoner>,
    clock: Arc<dyn Clock>,
    options: Options,
    metrics: Arc<Metrics>,
    retention: Option<Retention>,
}

/// Why a claim was let go before its time.
#[derive(Debug, thiserror::Error)]
enum LetGo {
    /// Somebody else has the incident now.
    #[error("the lease is held by somebody else")]
    LeaseLost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine and the loop do not agree; a person has to look.
    #[error("no progress: {0}")]
    Stuck(String),
}

impl Worker {
    /// A worker over these eyes, hands and mind.
    pub fn new(
        store: Store,
        tools: Vec<Arc<dyn Tool>>,
        hands: Vec<Arc<dyn Actuator>>,
        reasoner: Arc<dyn Reasoner>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Self {
        let tools = tools.into_iter().map(|tool| (tool.name().to_owned(), tool)).collect();
        Self {
            store,
            tools,
            hands: Hands::new(hands),
            reasoner,
            clock,
            options,
            metrics: Arc::default(),
            retention: None,
        }
    }

    /// Counts what it does here.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Drops what has expired, beside its work.
    #[must_use]
    pub fn with_retention(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Claims one due incident and drives it until it is done or must wait. Answers whether there was one.
    ///
    /// # Errors
    /// What the store says; the incident is then taken up again when its lease has lapsed.
    pub async fn work_once(&self) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let Some(lease) = self.store.claim(&self.options.holder, now, self.lease_millis()).await? else {
            return Ok(false);
        };
        self.work(lease).await?;
        Ok(true)
    }

    /// Drives a claimed incident until it is done or must wait.
    async fn work(&self, lease: Lease) -> Result<(), StoreError> {
        self.metrics.claimed();
        let claim = spans::claim(&lease.incident, lease.attempts, &lease.holder);
        match self.with_renewal(&lease).instrument(claim).await {
            Ok(()) => self.store.release(&lease, self.clock.now()).await?,
            Err(LetGo::LeaseLost) => {
                self.metrics.lease_lost();
                tracing::info!(incident = %lease.incident, "let go: another worker has it");
            }
            Err(LetGo::Store(error)) => return Err(error),
            // The lease is left to lapse, so that this counts as a crash without progress.
            Err(LetGo::Stuck(why)) => tracing::error!(incident = %lease.incident, why, "an incident makes no progress"),
        }
        Ok(())
    }

    fn lease_millis(&self) -> u64 {
        u64::try_from(self.options.lease.as_millis()).unwrap_or(u64::MAX)
    }

    /// Drives an incident and renews its lease meanwhile.
    async fn with_renewal(&self, lease: &Lease) -> Result<(), LetGo> {
        let renewal = async {
            loop {
                tokio::time::sleep(self.options.lease / 3).await;
                match self.store.renew(lease, self.clock.now(), self.lease_millis()).await {
                    Ok(_) => {}
                    Err(StoreError::LeaseLost) => std::future::pending().await,
                    Err(error) => {
                        if let Some(held_back) = RENEWAL.line() {
                            tracing::warn!(%error, held_back, incident = %lease.incident, "the lease could not be renewed");
                        }
                    }
                }
            }
        };
        tokio::select! {
            done = self.advance(lease) => done,
            () = renewal => Ok(()),
        }
    }

    /// The loop.
    async fn advance(&self, lease: &Lease) -> Result<(), LetGo> {
        let mut case = self.load(&lease.incident).await?;
        spans::about(&Span::current(), &case);
        if lease.attempts >= CRASHES && !case.phase.is_at_rest() {
            let why = format!("workers stopped {} times on it without progress", lease.attempts);
            return self.record(&mut case, lease, Input::GivenUp { why }).await;
        }
        for _ in 0..STEPS {
            let before = case.seq;
            match case.next() {
                Step::Do(effect) => self.timed(&mut case, lease, effect).await?,
                Step::Wait { until: Some(until), .. } if until <= self.clock.now() => {
                    self.record(&mut case, lease, Input::TimedOut).await?;
                }
                Step::Wait { .. } | Step::Done => {
                    if case.phase.is_at_rest() {
                        spans::rested(&case);
                    }
                    return Ok(());
                }
            }
            if case.seq == before {
                return Err(LetGo::Stuck(format!("nothing follows from {:?}", case.next())));
            }
        }
        Err(LetGo::Stuck(format!("{STEPS} steps without an end")))
    }

    /// Takes one step, on a span of its own.
    async fn timed(&self, case: &mut Investigation, lease: &Lease, effect: Effect) -> Result<(), LetGo> {
        let (span, word, began) = (spans::step(&effect), step_word(&effect), Instant::now());
        let done = self.perform(case, lease, effect).instrument(span).await;
        self.metrics.step(word, began.elapsed());
        done
    }

    async fn perform(&self, case: &mut Investigation, lease: &Lease, effect: Effect) -> Result<(), LetGo> {
        match effect {
            Effect::Observe(queries) => self.observe(case, lease, queries).await,
            Effect::Reason { conclude } => {
                let input = self.reason(case, conclude).await;
                spans::turned(&Span::current(), &input);
                self.metrics.turned(&input);
                self.record(case, lease, input).await
            }
            Effect::Doubt => {
                let input = self.doubt(case).await;
                spans::turned(&Span::current(), &input);
                self.metrics.turned(&input);
                self.record(case, lease, input).await
            }
            // People learn of it from the journal's stream.
            Effect::Ask(action) => self.record(case, lease, Input::Asked(action.id)).await,
            Effect::Act(action) => self.act(case, lease, &action).await,
            Effect::Reconcile(action) => {
                let input = self.hands.reconcile(&action).await;
                self.record(case, lease, input).await
            }
            Effect::Verify(action) => {
                let input = self.verify(case, &action).await;
                self.record(case, lease, input).await
            }
        }
    }

    async fn reason(&self, case: &Investigation, conclude: bool) -> Input {
        match self.reasoner.reason(case, conclude).await {
            Ok(turn) => {
                let planned = if turn.doubt { None } else { self.hands.plan(&turn.decision).await };
                Input::Turned { turn: Box::new(turn), planned }
            }
            Err(ReasonError::Retry { by, usage, why, after_millis }) => {
                Input::NotTurned { by, usage, why, after_millis: Some(after_millis) }
            }
            Err(ReasonError::Hopeless(why)) => {
                Input::NotTurned { by: String::new(), usage: Usage::default(), why, after_millis: None }
            }
        }
    }

    /// A second look, and the plan of the deed that waited for it, as the world is now.
    async fn doubt(&self, case: &Investigation) -> Input {
        let doubt = Box::new(self.reasoner.doubt(case).await);
        let planned = match &case.held {
            Some(held) => self.hands.plan(held).await,
            None => None,
        };
        Input::Doubted { doubt, planned }
    }

    /// Does it, at most once: judged again, intent, deed, outcome.
    async fn act(
        &self,
        case: &mut Investigation,
        lease: &Lease,
        action: &sentinell_core::action::Action,
    ) -> Result<(), LetGo> {
        let mut patience = Patience::default();
        let judged = loop {
            let now = self.clock.now();
            let house = self.store.house(now).await?;
            let judged = case.authorize(house.gate(), now);
            let appended = match &judged {
                Ok(intent) => self.store.append_intent(case, intent.event(), now, Some(lease), house.basis()).await,
                Err(blocked) => self.store.append(case, vec![(**blocked).clone()], now, Some(lease)).await,
            };
            match appended {
                Ok(after) => {
                    *case = after;
                    break judged;
                }
                // A rule changed or a deed was begun in between: what was counted may not be so any more.
                Err(StoreError::Moved) => {}
                // Somebody spoke in between: read the journal again before anything is done.
                Err(StoreError::Conflict(_)) => {
                    *case = self.load(&case.id).await?;
                    return Ok(());
                }
                // Should it have been written all the same, the next try meets a conflict and nothing is done.
                Err(error) => patience.bear(error).await?,
            }
        };
        let Ok(intent) = judged else { return Ok(()) };
        let input = self.hands.apply(action, intent.into_warrant()).await;
        self.record_outcome(case, lease, input).await
    }

    /// Writes down what an input means. When somebody else wrote first, reads again and asks again what it means.
    async fn record(&self, case: &mut Investigation, lease: &Lease, input: Input) -> Result<(), LetGo> {
        self.record_all(case, lease, vec![input], vec![]).await
    }

    /// The same with several at once, in this order, and with the raw data of those that were read.
    async fn record_all(
        &self,
        case: &mut Investigation,
        lease: &Lease,
        inputs: Vec<Input>,
        raws: Vec<Arc<Raw>>,
    ) -> Result<(), LetGo> {
        let mut patience = Patience::default();
        loop {
            let now = self.clock.now();
            let house = match inputs.iter().any(is_judged) {
                true => self.store.house(now).await?,
                false => House::default(),
            };
            let events = meaning(case, &inputs, house.gate(), now)?;
            if events.is_empty() {
                *case = self.load(&case.id).await?;
                return Ok(());
            }
            match self.store.append_read(case, events, raws.clone(), now, Some(lease)).await {
                Ok(after) => {
                    *case = after;
                    return Ok(());
                }
                Err(StoreError::Conflict(_)) => *case = self.load(&case.id).await?,
                Err(StoreError::LeaseLost) => return Err(LetGo::LeaseLost),
                Err(error) => patience.bear(error).await?,
            }
        }
    }

    /// An outcome is written down even if the lease is gone and even if the store needs time: it says what was done.
    async fn record_outcome(&self, case: &mut Investigation, lease: &Lease, input: Input) -> Result<(), LetGo> {
        let mut patience = Patience::default();
        loop {
            let now = self.clock.now();
            let house = self.store.house(now).await?;
            let events = case.interpret(input.clone(), house.gate(), now);
            match self.store.append(case, events, now, None).await {
                Ok(after) => {
                    *case = after;
                    // Whoever holds the lease now goes on; asking once more tells whether that is still us.
                    let renewed = self.store.renew(lease, self.clock.now(), self.lease_millis()).await;
                    return renewed.map(|_| ()).map_err(|_| LetGo::LeaseLost);
                }
                Err(StoreError::Conflict(_)) => *case = self.load(&case.id).await?,
                Err(error) => patience.bear(error).await?,
            }
        }
    }

    async fn load(&self, incident: &IncidentId) -> Result<Investigation, LetGo> {
        let case = self.store.load(incident).await?;
        case.ok_or_else(|| LetGo::Stuck(format!("a wake-up for incident {incident}, which has no journal")))
    }
}

/// What inputs mean, each on top of those before it.
fn meaning(case: &Investigation, inputs: &[Input], gate: Gate<'_>, now: Timestamp) -> Result<Vec<Event>, StoreError> {
    let Some((last, before)) = inputs.split_last() else { return Ok(vec![]) };
    if before.is_empty() {
        return Ok(case.interpret(last.clone(), gate, now));
    }
    let (mut then, mut events) = (case.clone(), vec![]);
    for input in before {
        let own = then.interpret(input.clone(), gate, now);
        own.iter().try_for_each(|event| then.fold(now, event))?;
        events.extend(own);
    }
    events.extend(then.interpret(last.clone(), gate, now));
    Ok(events)
}

/// A step's name in metrics.
fn step_word(effect: &Effect) -> &'static str {
    match effect {
        Effect::Observe(_) => "observe",
        Effect::Reason { .. } => "reason",
        Effect::Doubt => "doubt",
        Effect::Ask(_) => "ask",
        Effect::Act(_) => "act",
        Effect::Reconcile(_) => "reconcile",
        Effect::Verify(_) => "verify",
    }
}

/// Whether the policy may have a say in what an input means. For reads, and for turns that propose nothing, it is not read;
/// the default, which allows nothing, stands in for it.
fn is_judged(input: &Input) -> bool {
    !matches!(input, Input::Observed { .. } | Input::NotObserved { .. } | Input::Turned { planned: None, .. })
}
