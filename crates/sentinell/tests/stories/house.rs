//! One town, one store, one clock, and as many workers as die: plays a story to its end.

use super::books::{Books, Kept};
use super::fuse::{Fuse, Fused, Jumps, Watch, was_cut};
use super::saboteur::Saboteur;
use crate::database::Place;
use sentinell::reasoner::{Deterministic, Settings, Thinking};
use sentinell::store::{self, Accept, CommandError, Store, StoreError};
use sentinell::worker::{Options, Worker};
use sentinell_core::action::Action;
use sentinell_core::alert::fingerprint;
use sentinell_core::approval::Role;
use sentinell_core::ids::Actor;
use sentinell_core::investigation::{ActionState, Command, Entry, Investigation, Phase};
use sentinell_core::model::Model;
use sentinell_core::policy::{Autonomy, Budget, Policy};
use sentinell_core::ports::{Actuator, BoxFuture, Clock, Reasoner, Tool};
use sentinell_core::prompt::Room;
use sentinell_core::runbook::Runbook;
use sentinell_core::time::Timestamp;
use sentinell_sim::{Approval, Asked, Cue, Seam, Stall, Story, Town, TownModel, Truth, VirtualClock};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};

/// Leases and deadlines run on the virtual clock; this long is a worker's death noticed.
pub const LEASE: Duration = Duration::from_secs(15);
/// A story that goes on longer than this, in town time, goes in circles.
pub const LONGEST: i64 = 4 * 3600;

/// What is left when a story is over.
pub struct Seen {
    pub case: Investigation,
    pub entries: Vec<Entry>,
    pub truth: Option<Truth>,
    pub incidents: usize,
    pub signals_sent: usize,
    pub signals_stored: usize,
    /// How often each proposed deed was done.
    pub deeds_by_hash: Vec<usize>,
    pub refused: usize,
    pub chain_holds: bool,
    /// From the onset to the end by the town's clock, milliseconds.
    pub millis: i64,
    /// Every call of the language model, if there is one.
    pub asked: Vec<Asked>,
}

pub struct House {
    pub town: Town,
    pub store: Store,
    pub clock: Arc<VirtualClock>,
    pub books: Arc<Mutex<Books>>,
    pub cues: VecDeque<Cue>,
    /// Deliveries whose sender was told that they are taken.
    pub acknowledged: BTreeSet<String>,
    url: String,
    /// What our machines' clocks jumped by; the town's own never does.
    pub jumps: Jumps,
    fuse: Fuse,
    approval: Approval,
    saboteur: Option<Saboteur>,
    /// What the workers' clocks are wrong by, milliseconds; they take turns.
    wrong_by: Vec<i64>,
    audits_every_seam: bool,
    sleeper: Option<Arc<Sleeper>>,
    workers: usize,
    mind: Option<(Arc<dyn Model>, Settings)>,
    scripted: Option<TownModel>,
    budget: Budget,
    /// Goes with the house.
    home: Arc<dyn Any + Send + Sync>,
}

/// Holds the first deed between its warrant and its effect until it is woken.
#[derive(Default)]
pub struct Sleeper {
    caught: AtomicBool,
    asleep: Notify,
    wake: Notify,
    awake: Notify,
}

impl Sleeper {
    /// Waits for a task: true if it fell asleep, false if it ended.
    pub async fn catches<T>(&self, task: &tokio::task::JoinHandle<T>) -> bool {
        tokio::select! {
            () = self.asleep.notified() => true,
            () = settled(task) => false,
        }
    }

    pub fn wake(&self) {
        self.wake.notify_one();
    }
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
        Self::over(story, seed, fuse, None).await
    }

    /// The same over a disk that fails.
    pub async fn over(story: &Story, seed: u64, fuse: Fuse, saboteur: Option<Saboteur>) -> Self {
        let (url, home): (String, Arc<dyn Any + Send + Sync>) = match &saboteur {
            None => {
                let place = Place::new().await;
                (place.url().to_owned(), Arc::new(place))
            }
            // Hooks are SQLite's; and where nothing is asked of the disk, memory will do.
            Some(_) => {
                let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
                (format!("sqlite://{}", folder.path().join("town.db").display()), Arc::new(folder))
            }
        };
        let on_connect = saboteur.as_ref().map(Saboteur::hook);
        let options = store::Options { on_connect, ..store::Options::default() };
        let store = Store::open(&url, options).await.unwrap();
        let epoch = Timestamp::parse("2026-03-01T09:00:00Z").unwrap();
        let clock = Arc::new(VirtualClock::at(epoch));
        let scene = story.stage(seed, epoch);
        let policy = Policy { autonomy: Autonomy::Approve, ..Policy::default() };
        store.set_policy(policy, &Actor("test".into()), "the story", epoch).await.unwrap();
        let books = Arc::new(Mutex::new(Books::open(&url).await));
        if let Some(saboteur) = &saboteur {
            saboteur.arm();
        }
        Self {
            cues: scene.cues().into(),
            town: Town::new(scene, clock.clone()),
            store,
            url,
            acknowledged: BTreeSet::new(),
            clock,
            books,
            jumps: Jumps::default(),
            fuse,
            approval: story.approval,
            saboteur,
            wrong_by: vec![0],
            audits_every_seam: false,
            sleeper: None,
            workers: 0,
            mind: None,
            scripted: None,
            budget: Budget::default(),
            home,
        }
    }

    /// A language model thinks, within this budget.
    pub fn with_model(mut self, model: impl FnOnce(Arc<dyn Clock>) -> TownModel, budget: Budget) -> Self {
        let model = model(self.clock.clone());
        self.scripted = Some(model.clone());
        self.with_any_model(Arc::new(model), budget)
    }

    /// The same with a model that is not of the town.
    pub fn with_any_model(mut self, model: Arc<dyn Model>, budget: Budget) -> Self {
        let settings = Settings {
            room: Room::new(model.window(), 1_024),
            sceptic: Some(0.5),
            patience: Duration::from_secs(600),
            daily_micro_usd: 1_000_000,
            price: Arc::new(|usage| usage.tokens()),
        };
        (self.mind, self.budget) = (Some((model, settings)), budget);
        self
    }

    /// The house rules are these.
    pub async fn under(self, policy: Policy) -> Self {
        self.store.set_policy(policy, &Actor("test".into()), "the story", self.clock.now()).await.unwrap();
        self
    }

    /// The first deed is held, and released when everything else is over.
    pub fn with_a_sleeper(mut self) -> Self {
        let sleeper = Arc::new(Sleeper::default());
        self.town = self.town.with_stall(sleeper.clone());
        self.sleeper = Some(sleeper);
        self
    }

    /// The same, woken by the caller.
    pub fn with_the_sleeper(mut self) -> (Self, Option<Arc<Sleeper>>) {
        self = self.with_a_sleeper();
        let sleeper = self.sleeper.take();
        (self, sleeper)
    }

    /// The server ends without a word and another one opens the same database.
    pub async fn restart(&mut self) {
        let on_connect = self.saboteur.as_ref().map(Saboteur::hook);
        let options = store::Options { on_connect, ..store::Options::default() };
        match Store::open(&self.url, options).await {
            Ok(store) => self.store = store,
            Err(error) => self.excuse(&error),
        }
    }

    /// The books are audited whenever a worker looks at its clock: after every transaction.
    pub fn with_an_auditor(mut self) -> Self {
        self.audits_every_seam = true;
        self
    }

    /// The clock jumps at one seam.
    pub fn with_a_jump(mut self, seam: u32, millis: i64) -> Self {
        self.fuse = Fuse::jumping(seam, millis, self.jumps.clone());
        self
    }

    /// As many workers as this, with clocks that are wrong by so much, take turns.
    pub fn with_clocks(mut self, wrong_by: Vec<i64>) -> Self {
        self.wrong_by = wrong_by;
        self
    }

    /// Less to look at, for nights by the thousand.
    pub fn in_brief(mut self) -> Self {
        self.town = self.town.in_brief();
        self
    }

    /// A new worker process: fresh memory, the same store, the same world.
    pub fn worker(&mut self) -> Arc<Worker> {
        let wrong_by = self.wrong_by[self.workers % self.wrong_by.len()];
        self.workers += 1;
        let fuse = &self.fuse;
        let tools: Vec<Arc<dyn Tool>> = self.town.tools().into_iter().map(|tool| fused(fuse, tool)).collect();
        let (clock, jumps) = (self.clock.clone(), self.jumps.clone());
        let auditor = self.audits_every_seam.then(|| self.books.clone());
        let clock: Arc<dyn Clock> = Arc::new(Watch { fuse: fuse.clone(), clock, wrong_by, jumps, auditor });
        let hands: Arc<dyn Actuator> = Arc::new(self.town.hands().with_clock(clock.clone()));
        let hands: Arc<dyn Actuator> = Arc::new(Fused { fuse: fuse.clone(), inner: hands });
        let books = sentinell_sim::runbooks();
        let books = books.into_iter().map(|(_, text)| Runbook::parse(text).unwrap()).collect();
        let deterministic = Deterministic::new(tools.clone(), books);
        let mind: Arc<dyn Reasoner> = match &self.mind {
            None => Arc::new(deterministic),
            Some((model, settings)) => {
                let (model, settings) = (model.clone(), settings.clone());
                let (store, clock) = (self.store.clone(), self.clock.clone());
                Arc::new(Thinking::new(model, deterministic, hands.kinds(), store, clock, settings))
            }
        };
        let mind: Arc<dyn Reasoner> = Arc::new(Fused { fuse: fuse.clone(), inner: mind });
        let holder = format!("worker-{}", self.workers);
        let options = Options { holder, lease: LEASE, concurrency: 1, poll: Duration::from_millis(10) };
        Arc::new(Worker::new(self.store.clone(), tools, vec![hands], mind, clock, options))
    }

    /// Its database, which is there as long as what comes with it is held.
    pub fn database(&self) -> (String, Arc<dyn Any + Send + Sync>) {
        (self.url.clone(), self.home.clone())
    }

    /// Plays to the end: signals arrive, people answer, workers work and die, time passes.
    pub async fn play(mut self) -> Seen {
        let sent: BTreeSet<_> = self.cues.iter().map(|cue| cue.signal.delivery_id.clone()).collect();
        let mut steps = 0;
        let mut crew: VecDeque<_> = (0..self.wrong_by.len()).map(|_| self.worker()).collect();
        let mut sleeping = None;
        while !self.is_too_long(&mut steps) {
            self.deliver_due().await;
            self.answer_due().await;
            self.audit().await;
            let worker = crew.pop_front().unwrap();
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
            let successor = match worked {
                Ok(Ok(Ok(true))) => worker,
                Ok(Ok(Ok(false))) => {
                    if self.is_over().await {
                        break;
                    }
                    self.pass_time().await;
                    worker
                }
                Ok(Ok(Err(error))) => {
                    self.excuse(&error);
                    worker
                }
                // It died; another process takes over once the lease has lapsed.
                Ok(Err(error)) => {
                    assert!(was_cut(error), "a worker ended");
                    self.worker()
                }
                Err(task) => {
                    sleeping = Some(task);
                    self.worker()
                }
            };
            crew.push_back(successor);
        }
        if let (Some(sleeper), Some(task)) = (&self.sleeper, sleeping) {
            sleeper.wake.notify_one();
            task.await.unwrap().unwrap();
        }
        self.look_back(sent.len()).await
    }

    /// By steps, since the clock is not to be trusted.
    fn is_too_long(&self, steps: &mut u32) -> bool {
        *steps += 1;
        *steps > 20_000
    }

    /// Nothing that is on disk contradicts anything else that is there.
    pub async fn audit(&self) {
        self.books.lock().await.check().await.unwrap_or_else(|why| panic!("a half state: {why}"));
    }

    /// Sends what is due; a sender whose signal was not acknowledged sends it again.
    pub async fn deliver_due(&mut self) {
        let now = self.clock.now();
        while self.cues.front().is_some_and(|cue| cue.at <= now) {
            let mut signal = self.cues[0].signal.clone();
            signal.received_at = signal.received_at.plus_millis(self.jumps.millis());
            let label = |key: &str| signal.labels.get(key).cloned().unwrap_or_default();
            let fingerprint = fingerprint([label("alertname").as_str(), label("service").as_str()]);
            let new_incident = format!("i-{}", signal.id).as_str().into();
            let (budget, raw_sha256) = (self.budget, [0; 32]);
            match self.store.accept(Accept { signal, fingerprint, raw_sha256, budget, new_incident }).await {
                Ok(_) => {
                    let delivery = self.cues.pop_front().and_then(|cue| cue.signal.delivery_id);
                    self.acknowledged.extend(delivery);
                }
                Err(error) => return self.excuse(&error),
            }
        }
    }

    /// Only a disk that fails excuses a store that fails.
    fn excuse(&self, error: &StoreError) {
        let passing = matches!(error, StoreError::Busy | StoreError::Unavailable(_));
        assert!(self.saboteur.is_some() && passing, "the store failed: {error}");
        self.clock.advance(1);
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
        if self.now() < at {
            return;
        }
        let record = case.actions.iter().find(|record| record.state == ActionState::AwaitingApproval).unwrap();
        let (action, hash) = (record.action.id.clone(), record.hash.clone());
        let (by, comment) = (Actor("ann".into()), "seen".to_owned());
        let command = match self.approval {
            Approval::Rejected(_) => Command::Reject { action, by, comment },
            _ => Command::Approve { action, hash, by, role: Role::Operator, comment },
        };
        match self.store.command(&case.id, command, self.now()).await {
            Err(CommandError::Store(error)) => self.excuse(&error),
            Ok(_) => assert!(self.approval != Approval::TooLate, "an approval that is too late must be refused"),
            // Somebody who is answered too late does not come back earlier.
            Err(CommandError::Refused(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// What the server's clock shows.
    pub fn now(&self) -> Timestamp {
        self.clock.now().plus_millis(self.jumps.millis())
    }

    /// When the first of the workers' clocks will show that something is due, by the town's clock.
    pub async fn due(&self) -> Option<Timestamp> {
        let ahead = self.wrong_by.iter().max().copied().unwrap_or(0) + self.jumps.millis();
        self.books.lock().await.next_due.map(|due| due.plus_millis(-ahead))
    }

    /// To the next moment at which something can happen; a second at a time while a dead worker's lease runs.
    pub async fn pass_time(&self) {
        let now = self.clock.now();
        self.audit().await;
        let due = self.due().await;
        let answer = self.answer_at().await.map(|(_, at)| at.plus_millis(-self.jumps.millis()));
        let next = [self.cues.front().map(|cue| cue.at), due, answer].into_iter().flatten();
        match next.min() {
            Some(at) if at > now => self.clock.advance_to(at),
            // Something is due and could not be done: it is tried again.
            _ => self.clock.advance(1),
        };
    }

    async fn is_over(&self) -> bool {
        self.audit().await;
        let books = self.books.lock().await;
        let rests = |kept: &Kept| kept.case.phase.is_at_rest() || matches!(kept.case.phase, Phase::InDoubt { .. });
        !books.cases.is_empty() && books.cases.values().all(rests) && self.cues.is_empty() && books.next_due.is_none()
    }

    /// The incident that opened first, as the books have it.
    pub async fn case(&self) -> Option<Investigation> {
        self.audit().await;
        self.books.lock().await.first().map(|kept| kept.case.clone())
    }

    async fn look_back(&self, signals_sent: usize) -> Seen {
        self.audit().await;
        let books = self.books.lock().await;
        let kept = books.first().expect("an incident");
        let (case, entries) = (kept.case.clone(), kept.entries.clone());
        let hashes: BTreeMap<_, _> = case.actions.iter().map(|record| (record.hash.clone(), ())).collect();
        let seen = Seen {
            deeds_by_hash: hashes.keys().map(|hash| self.town.times_done(hash)).collect(),
            truth: self.town.scene().truth(),
            refused: self.town.refused().len(),
            chain_holds: self.chain_holds(&case).await,
            incidents: books.cases.len(),
            signals_sent,
            signals_stored: books.signals.len(),
            millis: self.clock.now().millis_since(self.town.scene().onset),
            entries,
            asked: self.scripted.as_ref().map(TownModel::asked).unwrap_or_default(),
            case,
        };
        assert_eq!(self.town.deeds().len(), seen.deeds_by_hash.iter().sum::<usize>(), "a deed that no journal knows");
        drop(books);
        self.store.close().await;
        seen
    }

    /// Asked again while the disk is away.
    async fn chain_holds(&self, case: &Investigation) -> bool {
        loop {
            match self.store.verify_chain(&case.id).await {
                Ok(report) => return report.broken_at.is_none(),
                Err(error) => self.excuse(&error),
            }
        }
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
