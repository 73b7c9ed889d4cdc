//! Plays a plan: chaos until it is used up, then quiet until everything is at rest.

use super::laws::{self, Tally};
use super::plan::{Act, Habit, Plan};
use crate::stories::fuse::{Fuse, was_cut};
use crate::stories::house::{House, LONGEST, Sleeper};
use crate::stories::saboteur::{Commits, Saboteur};
use sentinell::store::{CommandError, StoreError};
use sentinell::worker::Worker;
use sentinell_core::approval;
use sentinell_core::ids::{ActionId, Actor, IncidentId};
use sentinell_core::investigation::{ActionState, Command, Phase};
use sentinell_core::ports::Clock;
use sentinell_core::time::Timestamp;
use sentinell_sim::{Cue, NAMESPACE, Role, Scene};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Steps of one night; more is a circle.
const MOST_STEPS: u32 = 30_000;

pub struct Night {
    plan: Plan,
    house: House,
    fuse: Fuse,
    saboteur: Saboteur,
    crew: VecDeque<Arc<Worker>>,
    onset: Timestamp,
    acts: VecDeque<(i64, Act)>,
    /// When people answer what they were asked.
    answers: BTreeMap<(IncidentId, ActionId, u32), Timestamp>,
    sleeper: Option<Arc<Sleeper>>,
    asleep: Option<(JoinHandle<Result<bool, StoreError>>, Timestamp)>,
    people: u32,
    /// How soon the next worker dies, and how many more.
    again: (u32, u32),
}

impl Night {
    /// Plays it; panics where a law does not hold.
    pub async fn play(plan: Plan) -> Tally {
        let (fuse, saboteur) = (Fuse::never(), Saboteur::idle());
        let mut house = House::over(&plan.story, plan.seed, fuse.clone(), Some(saboteur.clone())).await;
        house = house.in_brief().with_clocks(plan.clocks.clone());
        let mut sleeper = None;
        if plan.stall.is_some() {
            (house, sleeper) = house.with_the_sleeper();
        }
        let onset = house.town.scene().onset;
        let more = plan.coincidences.iter().enumerate().map(|(nth, at)| coincidence(house.town.scene(), nth, *at));
        house.cues.extend(more.collect::<Vec<_>>());
        house.cues.make_contiguous().sort_by_key(|cue| cue.at);
        let acts = plan.acts.clone().into();
        let crew = (0..plan.clocks.len()).map(|_| house.worker()).collect();
        let (answers, asleep) = (BTreeMap::new(), None);
        let mut night =
            Self { plan, house, fuse, saboteur, crew, onset, acts, answers, sleeper, asleep, people: 0, again: (0, 0) };
        night.until_quiet().await;
        night.look_back().await
    }

    async fn until_quiet(&mut self) {
        let end = self.house.clock.now().plus_seconds(LONGEST);
        for _ in 0..MOST_STEPS {
            if self.house.clock.now() > end {
                // Nothing more happens to them; they only have to come to rest.
                self.acts.clear();
            }
            self.house.deliver_due().await;
            self.act_due().await;
            self.answer_due().await;
            self.house.audit().await;
            self.wake_the_sleeper(false).await;
            if !self.work().await {
                if self.is_over().await {
                    return;
                }
                self.pass_time().await;
            }
        }
        let books = self.house.books.lock().await;
        let stuck: Vec<_> = books.cases.values().map(|kept| (kept.case.phase.clone(), kept.case.updated_at)).collect();
        panic!("law `everything comes to rest`: {stuck:?}, due {:?}, now {}", books.next_due, self.house.clock.now());
    }

    /// One claim of the next worker. Whether there was something to do.
    async fn work(&mut self) -> bool {
        let worker = self.crew.pop_front().expect("a worker");
        let task = tokio::spawn({
            let worker = worker.clone();
            async move { worker.work_once().await }
        });
        let caught = match &self.sleeper {
            Some(sleeper) if self.asleep.is_none() => sleeper.catches(&task).await,
            _ => false,
        };
        if caught {
            let stall = self.plan.stall.unwrap_or_default();
            self.asleep = Some((task, self.house.clock.now().plus_millis(stall)));
            let successor = self.house.worker();
            self.crew.push_back(successor);
            return true;
        }
        let (successor, worked) = match task.await {
            Ok(Ok(worked)) => (worker, worked),
            Ok(Err(StoreError::Busy | StoreError::Unavailable(_))) => {
                self.house.clock.advance(1);
                (worker, true)
            }
            Ok(Err(error)) => panic!("law `only the disk excuses the store`: {error}"),
            Err(error) => {
                assert!(was_cut(error), "a worker ended");
                if self.again.1 > 0 {
                    self.again.1 -= 1;
                    self.fuse.rearm(self.again.0);
                }
                (self.house.worker(), true)
            }
        };
        self.crew.push_back(successor);
        worked
    }

    async fn wake_the_sleeper(&mut self, now: bool) {
        let due = self.asleep.as_ref().is_some_and(|(_, until)| now || *until <= self.house.clock.now());
        if !due {
            return;
        }
        let (Some(sleeper), Some((task, _))) = (&self.sleeper, self.asleep.take()) else { return };
        sleeper.wake();
        match task.await {
            Ok(_) => {}
            Err(error) => assert!(was_cut(error), "the sleeper ended"),
        }
    }

    async fn act_due(&mut self) {
        while let Some((at, act)) = self.acts.front().copied() {
            if self.onset.plus_millis(at) > self.house.clock.now() {
                return;
            }
            self.acts.pop_front();
            match act {
                Act::Crash { seams, again } => {
                    self.again = (seams, again);
                    self.fuse.rearm(seams);
                }
                Act::Disk { first, calls, commits } => self.saboteur.strike(first, calls, commits),
                Act::Jump(millis) => self.house.jumps.jump(millis),
                Act::Restart => {
                    self.house.restart().await;
                    self.crew = (0..self.plan.clocks.len()).map(|_| self.house.worker()).collect();
                }
                said => self.say(said).await,
            }
        }
    }

    /// A person's word to one of the incidents; whatever is answered is fine, as long as the laws hold.
    async fn say(&mut self, act: Act) {
        self.people += 1;
        let books = self.house.books.lock().await;
        let ids: Vec<IncidentId> = books.cases.keys().cloned().collect();
        let nth = usize::try_from(self.plan.seed.wrapping_add(u64::from(self.people))).unwrap_or(0);
        let Some(kept) = ids.get(nth % ids.len().max(1)).and_then(|id| books.cases.get(id)) else { return };
        let (case, other) = (kept.case.clone(), ids[(nth + 1) % ids.len()].clone());
        drop(books);
        let (by, why) = (Actor("ben".into()), "so I think".to_owned());
        let newest = case.actions.last();
        let command = match act {
            Act::Approve { right } => {
                let Some(record) = newest else { return };
                let hash = if right { record.hash.clone() } else { sentinell_core::ids::ActionHash("0".repeat(64)) };
                Command::Approve {
                    action: record.action.id.clone(),
                    hash,
                    by,
                    role: approval::Role::Operator,
                    comment: why,
                }
            }
            Act::Reject => {
                let Some(record) = newest else { return };
                Command::Reject { action: record.action.id.clone(), by, comment: why }
            }
            Act::Hint => Command::Hint { by, text: why, suspect: None, exclude: None },
            Act::Cancel => Command::Cancel { by, why },
            Act::Retry => Command::Retry { by, why },
            Act::Resolve => Command::Resolve { by, why },
            Act::Dismiss => Command::Dismiss { by, why },
            Act::Merge => Command::Merge { into: other, by },
            Act::Split => {
                Command::Split { fingerprints: case.alerts.keys().take(1).cloned().collect(), into: other, by }
            }
            _ => Command::Note { by, text: why },
        };
        match self.house.store.command(&case.id, command, self.house.now()).await {
            Ok(_) | Err(CommandError::Refused(_)) => {}
            Err(CommandError::Store(StoreError::Busy | StoreError::Unavailable(_))) => {}
            Err(error) => panic!("law `only the disk excuses the store`: {error}"),
        }
    }

    /// People answer what they are asked, by habit.
    async fn answer_due(&mut self) {
        let books = self.house.books.lock().await;
        let mut asked = vec![];
        for kept in books.cases.values() {
            let case = &kept.case;
            let Phase::AwaitingApproval { action, asked: true } = &case.phase else { continue };
            let Some(record) = case.action(action).filter(|record| record.state == ActionState::AwaitingApproval)
            else {
                continue;
            };
            asked.push((case.id.clone(), action.clone(), record.hash.clone(), case.spent.turns));
        }
        drop(books);
        let now = self.house.now();
        for (id, action, hash, round) in asked {
            let (by, comment) = (Actor("ann".into()), "seen".to_owned());
            let (after, command) = match self.plan.habit {
                Habit::Silent => continue,
                Habit::Approves(after) => {
                    let role = approval::Role::Operator;
                    (after, Command::Approve { action: action.clone(), hash, by, role, comment })
                }
                Habit::Rejects(after) => (after, Command::Reject { action: action.clone(), by, comment }),
            };
            let key = (id.clone(), action, round);
            let at = *self.answers.entry(key.clone()).or_insert_with(|| now.plus_seconds(after));
            if at <= now {
                match self.house.store.command(&id, command, now).await {
                    Ok(_) | Err(CommandError::Refused(_)) => {}
                    Err(CommandError::Store(StoreError::Busy | StoreError::Unavailable(_))) => {
                        self.answers.insert(key, now.plus_seconds(2));
                    }
                    Err(error) => panic!("law `only the disk excuses the store`: {error}"),
                }
            }
        }
    }

    async fn pass_time(&mut self) {
        let now = self.house.clock.now();
        let due = self.house.due().await;
        let act = self.acts.front().map(|(at, _)| self.onset.plus_millis(*at));
        let sleeper = self.asleep.as_ref().map(|(_, until)| *until);
        let jumped = self.house.jumps.millis();
        let answers = self.answers.values().map(|at| at.plus_millis(-jumped)).filter(|at| *at > now).min();
        let next = [self.house.cues.front().map(|cue| cue.at), due, act, sleeper, answers].into_iter().flatten();
        match next.filter(|at| *at > now).min() {
            Some(at) => self.house.clock.advance_to(at),
            None => self.house.clock.advance(1),
        };
    }

    async fn is_over(&mut self) -> bool {
        self.house.audit().await;
        if !self.acts.is_empty() || !self.house.cues.is_empty() || self.asleep.is_some() {
            return false;
        }
        let books = self.house.books.lock().await;
        books.next_due.is_none()
    }

    async fn look_back(mut self) -> Tally {
        self.wake_the_sleeper(true).await;
        self.saboteur.strike(0, 0, Commits::Refused);
        self.house.audit().await;
        let tally = laws::hold(&self.house, &self.plan, &self.saboteur).await;
        if self.plan.loud {
            let books = self.house.books.lock().await;
            for kept in books.cases.values() {
                eprintln!("{} ends {}", kept.case.id, kept.case.phase.word());
                for entry in &kept.entries {
                    eprintln!("  {:>3} {} {}", entry.seq, entry.at, laws::short(&entry.event));
                }
            }
        }
        self.house.store.close().await;
        tally
    }
}

/// Another service cries, too.
fn coincidence(scene: &Scene, nth: usize, (after, who): (u32, usize)) -> Cue {
    let at = scene.onset.plus_seconds(i64::from(after));
    let mut signal = scene.cues()[0].signal.clone();
    let named = signal.labels.get("service").cloned().unwrap_or_default();
    let others: Vec<Role> = Role::ALL.into_iter().filter(|role| scene.cast.name(*role) != named).collect();
    let name = scene.cast.name(others[who % others.len()]);
    signal.labels.insert("service".into(), name.to_owned());
    signal.title = format!("something is wrong with {name}");
    signal.text = format!("something is wrong with {name} in namespace {NAMESPACE}");
    signal.id = sentinell_core::ids::SignalId(format!("{}-c{nth}", signal.id));
    signal.delivery_id = signal.delivery_id.map(|id| format!("{id}-c{nth}"));
    (signal.occurred_at, signal.received_at) = (at, at);
    Cue { at, signal }
}
