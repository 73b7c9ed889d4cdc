//! One town, one store, one clock, and as many workers as die: plays a story to its end.

use super::fuse::{Fuse, Fused};
use crate::database::Place;
use sentinell::reasoner::Deterministic;
use sentinell::store::{self, Accept, Filter, Store};
use sentinell::worker::{Options, Worker};
use sentinell_core::action::Action;
use sentinell_core::alert::fingerprint;
use sentinell_core::ids::Actor;
use sentinell_core::investigation::{ActionState, Command, Entry, Investigation, Phase};
use sentinell_core::policy::{Autonomy, Budget, Policy};
use sentinell_core::ports::{Actuator, BoxFuture, Clock, Reasoner, Tool};
use sentinell_core::runbook::Runbook;
use sentinell_core::time::Timestamp;
use sentinell_sim::Cue;
use sentinell_sim::Town;
use sentinell_sim::VirtualClock;
use sentinell_sim::{Approval, Story};
use sentinell_sim::{Seam, Stall};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Leases and deadlines run on the virtual clock; this long is a worker's death noticed.
const LEASE: Duration = Duration::from_secs(15);
/// A story that goes on longer than this, in town time, goes in circles.
const LONGEST: i64 = 4 * 3600;

/// What is left when a story is over.
pub struct Seen {
    pub case: Investigation,
    pub entries: Vec<Entry>,
    pub incidents: usize,
    pub signals_sent: usize,
    pub signals_stored: usize,
    /// How often each proposed deed was done.
    pub deeds_by_hash: Vec<usize>,
    pub refused: usize,
    pub chain_holds: bool,
}

pub struct House {
    town: Town,
    store: Store,
    clock: Arc<VirtualClock>,
    fuse: Fuse,
    approval: Approval,
    cues: VecDeque<Cue>,
    sleeper: Option<Arc<Sleeper>>,
    workers: u32,
    _place: Place,
}

/// Holds the first deed between its warrant and its effect until it is woken.
#[derive(Default)]
pub struct Sleeper {
    caught: AtomicBool,
    asleep: Notify,
    wake: Notify,
    awake: Notify,
}

impl Stall for Sleeper {
    fn hold<'a>(&'a self, seam: Seam, _: &'a Action) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if seam == Seam::BeforeDeed && !self.caught.swap(true, Ordering::SeqCst) {
                self.asleep.notify_one();
                self.wake.notified().await;
                self.awake.notify_one();
            }
        })
    }
}

impl House {
    pub async fn new(story: &Story, seed: u64, fuse: Fuse) -> Self {
        let place = Place::new().await;
        let store = Store::open(place.url(), store::Options::default()).await.unwrap();
        let epoch = Timestamp::parse("2026-03-01T09:00:00Z").unwrap();
        let clock = Arc::new(VirtualClock::at(epoch));
        let scene = story.stage(seed, epoch);
        let policy = Policy { autonomy: Autonomy::Approve, ..Policy::default() };
        store.set_policy(policy, &Actor("test".into()), "the story", epoch).await.unwrap();
        let cues = scene.cues().into();
        let town = Town::new(scene, clock.clone());
        Self { town, store, clock, fuse, approval: story.approval, cues, sleeper: None, workers: 0, _place: place }
    }

    /// The first deed is held, and released when everything else is over.
    pub fn with_a_sleeper(mut self) -> Self {
        let sleeper = Arc::new(Sleeper::default());
        self.town = self.town.with_stall(sleeper.clone());
        self.sleeper = Some(sleeper);
        self
    }

    /// A new worker process: fresh memory, the same store, the same world.
    fn worker(&mut self) -> Arc<Worker> {
        self.workers += 1;
        let fuse = &self.fuse;
        let tools: Vec<Arc<dyn Tool>> = self.town.tools().into_iter().map(|tool| fused(fuse, tool)).collect();
        let hands: Arc<dyn Actuator> = Arc::new(self.town.hands());
        let hands: Arc<dyn Actuator> = Arc::new(Fused { fuse: fuse.clone(), inner: hands });
        let books = sentinell_sim::runbooks();
        let books = books.into_iter().map(|(_, text)| Runbook::parse(text).unwrap()).collect();
        let mind: Arc<dyn Reasoner> = Arc::new(Deterministic::new(tools.clone(), books));
        let mind: Arc<dyn Reasoner> = Arc::new(Fused { fuse: fuse.clone(), inner: mind });
        let clock: Arc<dyn Clock> = Arc::new(Fused { fuse: fuse.clone(), inner: self.clock.clone() as Arc<dyn Clock> });
        let holder = format!("worker-{}", self.workers);
        let options = Options { holder, lease: LEASE, concurrency: 1, poll: Duration::from_millis(10) };
        Arc::new(Worker::new(self.store.clone(), tools, vec![hands], mind, clock, options))
    }

    /// Plays to the end: signals arrive, people answer, workers work and die, time passes.
    pub async fn play(mut self) -> Seen {
        let sent: BTreeSet<_> = self.cues.iter().map(|cue| cue.signal.delivery_id.clone()).collect();
        let end = self.clock.now().plus_seconds(LONGEST);
        let mut worker = self.worker();
        let mut sleeping = None;
        while self.clock.now() < end {
            self.deliver_due().await;
            self.answer_due().await;
            let task = tokio::spawn({
                let worker = worker.clone();
                async move { worker.work_once().await }
            });
            let worked = match &self.sleeper {
                Some(sleeper) if sleeping.is_none() => tokio::select! {
                    () = sleeper.asleep.notified() => Err(task),
                    () = settled(&task) => Ok(task.await),
                },
                _ => Ok(task.await),
            };
            match worked {
                Ok(Ok(Ok(true))) => {}
                Ok(Ok(Ok(false))) => {
                    if self.is_over().await {
                        break;
                    }
                    self.pass_time().await;
                }
                Ok(Ok(Err(error))) => panic!("the store failed: {error}"),
                // It died; another process takes over once the lease has lapsed.
                Ok(Err(_)) => worker = self.worker(),
                Err(task) => {
                    sleeping = Some(task);
                    worker = self.worker();
                }
            }
        }
        if let (Some(sleeper), Some(task)) = (&self.sleeper, sleeping) {
            sleeper.wake.notify_one();
            task.await.unwrap().unwrap();
        }
        self.look_back(sent.len()).await
    }

    async fn deliver_due(&mut self) {
        let now = self.clock.now();
        while self.cues.front().is_some_and(|cue| cue.at <= now) {
            let Cue { signal, .. } = self.cues.pop_front().unwrap();
            let label = |key: &str| signal.labels.get(key).cloned().unwrap_or_default();
            let fingerprint = fingerprint([label("alertname").as_str(), label("service").as_str()]);
            let new_incident = format!("i-{}", signal.id).as_str().into();
            let (budget, raw_sha256) = (Budget::default(), [0; 32]);
            self.store.accept(Accept { signal, fingerprint, raw_sha256, budget, new_incident }).await.unwrap();
        }
    }

    /// When people answer the open question, if there is one.
    async fn answer_at(&self) -> Option<(Investigation, Timestamp)> {
        let case = self.case().await?;
        let Phase::AwaitingApproval { action, asked: true } = &case.phase else { return None };
        let asked_at = case.updated_at;
        let expires_at = case.action(action)?.action.expires_at;
        let at = match self.approval {
            Approval::Granted(after) | Approval::Rejected(after) => asked_at.plus_seconds(i64::from(after)),
            Approval::TooLate => expires_at,
            Approval::NotAsked => panic!("nobody should be asked in this story"),
        };
        Some((case, at))
    }

    async fn answer_due(&self) {
        let Some((case, at)) = self.answer_at().await else { return };
        if self.clock.now() < at {
            return;
        }
        let record = case.actions.iter().find(|record| record.state == ActionState::AwaitingApproval).unwrap();
        let (action, hash) = (record.action.id.clone(), record.hash.clone());
        let (by, comment) = (Actor("ann".into()), "seen".to_owned());
        let command = match self.approval {
            Approval::Rejected(_) => Command::Reject { action, by, comment },
            _ => Command::Approve { action, hash, by, comment },
        };
        let answer = self.store.command(&case.id, command, self.clock.now()).await;
        if self.approval == Approval::TooLate {
            assert!(answer.is_err(), "an approval that is too late must be refused");
        } else {
            answer.unwrap();
        }
    }

    /// To the next moment at which something can happen; a second at a time while a dead worker's lease runs.
    async fn pass_time(&self) {
        let now = self.clock.now();
        let due = self.store.next_due().await.unwrap();
        let answer = self.answer_at().await.map(|(_, at)| at);
        let next = [self.cues.front().map(|cue| cue.at), due, answer].into_iter().flatten();
        match next.filter(|at| *at > now).min() {
            Some(at) => self.clock.advance_to(at),
            None => self.clock.advance(1),
        };
    }

    async fn is_over(&self) -> bool {
        let case = self.case().await;
        let rests = case.is_some_and(|case| case.phase.is_at_rest() || matches!(case.phase, Phase::InDoubt { .. }));
        rests && self.cues.is_empty() && self.store.next_due().await.unwrap().is_none()
    }

    async fn case(&self) -> Option<Investigation> {
        let (incidents, _) = self.store.incidents(Filter::default(), None, 10).await.unwrap();
        self.store.load(&incidents.first()?.id).await.unwrap()
    }

    async fn look_back(&self, signals_sent: usize) -> Seen {
        let case = self.case().await.expect("an incident");
        let (incidents, _) = self.store.incidents(Filter::default(), None, 10).await.unwrap();
        let stored = self.store.signals_of(&case.id, 1000).await.unwrap();
        let entries: Vec<Entry> =
            self.store.journal(&case.id, 0, 1000).await.unwrap().into_iter().map(|stored| stored.entry).collect();
        let hashes: BTreeMap<_, _> = case.actions.iter().map(|record| (record.hash.clone(), ())).collect();
        let seen = Seen {
            deeds_by_hash: hashes.keys().map(|hash| self.town.times_done(hash)).collect(),
            refused: self.town.refused().len(),
            chain_holds: self.store.verify_chain(&case.id).await.unwrap().broken_at.is_none(),
            incidents: incidents.len(),
            signals_sent,
            signals_stored: stored.len(),
            entries,
            case,
        };
        assert_eq!(self.town.deeds().len(), seen.deeds_by_hash.iter().sum::<usize>(), "a deed that no journal knows");
        self.store.close().await;
        seen
    }
}

fn fused(fuse: &Fuse, tool: impl Tool + 'static) -> Arc<dyn Tool> {
    Arc::new(Fused { fuse: fuse.clone(), inner: Arc::new(tool) as Arc<dyn Tool> })
}

/// Ready when the task has ended.
async fn settled<T>(task: &tokio::task::JoinHandle<T>) {
    while !task.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
