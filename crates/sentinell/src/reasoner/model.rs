//! A language model in front of the deterministic reasoner.
//!
//! The first look of a case stays deterministic, so that the model's first turn sees condensed evidence. Whenever the model
//! may not be asked, does not answer or talks nonsense, the deterministic reasoner ends the case and the gaps say why.

use super::Deterministic;
use super::gate::{Gate, Shut};
use super::voice::Voice;
use crate::digest;
use crate::store::Store;
use sentinell_core::evidence::Gap;
use sentinell_core::investigation::{Decision, Doubt, Investigation, Lost, Turn, Usage};
use sentinell_core::model::{Completion, Model, ModelError, ModelRequest, ModelTrouble};
use sentinell_core::ports::{BoxFuture, Clock, ReasonError, Reasoner};
use sentinell_core::prompt::{self, Briefing, Desk, Room};
use sentinell_core::redact::redact;
use sentinell_core::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Answers that could not be used, in a row, after which the model is not asked again about a case.
const REFUSALS: u32 = 2;
/// The pause after a failure whose provider did not ask for one, milliseconds, doubled each time.
const PAUSE: u64 = 2_000;
/// How long nobody asks a model that refused the key, milliseconds.
const DENIED: i64 = 15 * 60_000;
const DAY: i64 = 24 * 3_600_000;
/// Longest reason that is journaled, characters.
const WHY: usize = 300;

/// How a model is used.
#[derive(Clone)]
pub struct Settings {
    /// How much fits, and how much of it is for the answer.
    pub room: Room,
    /// From which confidence on a conclusion gets a second, sceptical look; a proposal always does. None: nothing does.
    pub sceptic: Option<f64>,
    /// The longest that a case waits for the model; beyond it the deterministic reasoner concludes at once.
    pub patience: Duration,
    /// What a day (UTC) may cost, millionths of a US dollar.
    pub daily_micro_usd: u64,
    /// What tokens cost, millionths of a US dollar.
    pub price: Arc<dyn Fn(&Usage) -> u64 + Send + Sync>,
}

/// The model, and who speaks when it does not.
pub struct Thinking {
    model: Arc<dyn Model>,
    deterministic: Deterministic,
    desk: Desk,
    store: Store,
    clock: Arc<dyn Clock>,
    settings: Settings,
    gate: Gate,
}

impl Thinking {
    /// `actions` are the kinds of deeds that may be proposed, as `(name, description)`.
    pub fn new(
        model: Arc<dyn Model>,
        deterministic: Deterministic,
        mut actions: Vec<(String, String)>,
        store: Store,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        let tool = |tool: &Arc<dyn sentinell_core::ports::Tool>| (tool.name().to_owned(), tool.describe().to_owned());
        let mut tools: Vec<_> = deterministic.tools().iter().map(tool).collect();
        tools.sort();
        actions.sort();
        let desk = Desk { tools, actions, runbooks: deterministic.runbooks().to_vec() };
        Self { model, deterministic, desk, store, clock, settings, gate: Gate::default() }
    }

    async fn turn(&self, case: &Investigation, conclude: bool) -> Result<Turn, ReasonError> {
        if let Some(first) = self.deterministic.first_look(case).filter(|_| !conclude) {
            return Ok(first);
        }
        match self.shut(case, Usage::default()) {
            None => self.ask(case, conclude).await,
            Some(Shut::Closed(why)) => Ok(self.without(case, conclude, &why, vec![])),
            Some(Shut::Quiet(until, why)) => {
                let pause = until.millis_since(self.clock.now()).unsigned_abs();
                if case.is_last_try() || self.is_too_long(case, pause) {
                    return Ok(self.without(case, conclude, &why, vec![]));
                }
                Err(ReasonError::Retry { by: String::new(), usage: Usage::default(), why, after_millis: pause })
            }
        }
    }

    /// Why the model is not to be asked about this case now, the day's money aside; `lost` is spent and not journaled.
    fn shut(&self, case: &Investigation, lost: Usage) -> Option<Shut> {
        let now = self.clock.now();
        let closed = |why: &str| Some(Shut::Closed(why.to_owned()));
        if self.deterministic.tools().is_empty() && case.evidence.is_empty() {
            return closed("there is no evidence to think about, and nothing to look with");
        }
        if case.refusals >= REFUSALS {
            let last = case.talk.iter().rev().find_map(|turn| turn.refused.as_deref());
            return closed(&format!("its answers could not be used: {}", last.unwrap_or("they were refused")));
        }
        if let Some(rest) = case.model_rest.as_ref().filter(|rest| rest.until.is_none_or(|until| now < until)) {
            return closed(&rest.why);
        }
        if case.is_spent(lost, now) {
            return closed("the incident's budget for language models is used up");
        }
        self.gate.is_open(now).err()
    }

    async fn ask(&self, case: &Investigation, conclude: bool) -> Result<Turn, ReasonError> {
        let (mut lost, mut room) = (Usage::default(), self.settings.room);
        loop {
            let Some(request) = prompt::request(case, &self.desk, &ranked, room, conclude) else {
                return Ok(self.without(
                    case,
                    conclude,
                    "its window is too small for this case",
                    self.lost(lost, None),
                ));
            };
            match self.call(case, &request).await {
                Ok(completion) => {
                    let read = prompt::read(&completion, conclude);
                    let usage = read.usage.plus(lost);
                    let turn = Turn { by: self.model.name().to_owned(), usage, ..read };
                    let doubt = self.is_to_be_doubted(&turn) && !case.is_spent(usage, self.clock.now());
                    return Ok(Turn { doubt, ..turn });
                }
                // Half of it may fit. More than once is not worth the money.
                Err(Silence::Error(error))
                    if error.kind == ModelTrouble::TooLarge
                        && room == self.settings.room
                        && !case.is_spent(lost.plus(error.usage), self.clock.now()) =>
                {
                    (lost, room) = (lost.plus(error.usage), room.halved());
                }
                Err(Silence::Error(error)) => return self.failed(case, conclude, &error, lost),
                Err(Silence::NotAsked(why)) => {
                    return Ok(self.without(case, conclude, &why, self.lost(lost, None)));
                }
            }
        }
    }

    /// One call, if the day's money allows it.
    async fn call(&self, case: &Investigation, request: &ModelRequest) -> Result<Completion, Silence> {
        let now = self.clock.now();
        let output = u64::from(request.max_output_tokens);
        let input = prompt::tokens(request).saturating_sub(output);
        let worst = Usage { cache_written_tokens: input, output_tokens: output, ..Usage::default() };
        let worst = (self.settings.price)(&worst);
        let held = self.store.hold(&case.id, now, worst, self.settings.daily_micro_usd).await;
        if !held.map_err(|error| Silence::NotAsked(format!("today's budget cannot be read: {error}")))? {
            return Err(Silence::NotAsked("today's budget for language models is used up".into()));
        }
        let voice = Voice::new(&self.store, self.clock.as_ref(), &case.id, self.model.name());
        let answer = self.model.complete(request, &|piece| voice.hear(piece, false)).await;
        voice.hear("", true);
        let answer = answer.map(|completion| self.priced(completion, input)).map_err(|error| self.noted(error));
        let usage = answer.as_ref().map_or_else(|error| error.usage, |completion| completion.usage);
        if let Err(error) = self.store.settle_hold(&case.id, self.clock.now(), usage.micro_usd).await {
            // The most that it may have cost stays held for a while: too little is spent then, never too much.
            tracing::debug!(%error, "what a call cost was not noted");
        }
        answer.map_err(Silence::Error)
    }

    /// A provider that does not say what it counted is taken to have counted everything, so that budgets hold.
    fn priced(&self, mut completion: Completion, input: u64) -> Completion {
        if completion.usage.tokens() == 0 {
            let written = serde_json::to_string(&completion.reply).map_or(0, |text| text.len() as u64);
            let usage = Usage { input_tokens: input, output_tokens: written.div_ceil(3), ..Usage::default() };
            completion.usage = Usage { micro_usd: (self.settings.price)(&usage), ..usage };
        }
        completion
    }

    /// What a failure means for every other case.
    fn noted(&self, error: ModelError) -> ModelError {
        let (now, why) = (self.clock.now(), self.why(&error));
        match error.kind {
            ModelTrouble::Busy { after_millis: Some(after) } => self.gate.quiet(later(now, after), why),
            // The provider's limits are set by people; a day of its own is a new day.
            ModelTrouble::SpendLimit => self.gate.close(Timestamp(now.0 - now.0.rem_euclid(DAY) + DAY), why),
            ModelTrouble::Denied => self.gate.close(now.plus_millis(DENIED), why),
            ModelTrouble::Busy { after_millis: None } | ModelTrouble::TooLarge | ModelTrouble::Unusable => {}
        }
        error
    }

    fn failed(
        &self,
        case: &Investigation,
        conclude: bool,
        error: &ModelError,
        lost: Usage,
    ) -> Result<Turn, ReasonError> {
        let (why, usage) = (self.why(error), error.usage.plus(lost));
        let ModelTrouble::Busy { after_millis } = error.kind else {
            return Ok(self.without(case, conclude, &why, self.lost_for(usage, None, &why)));
        };
        let pause = after_millis.unwrap_or_else(|| pause(case));
        if case.is_last_try() || self.is_too_long(case, pause) || case.is_spent(usage, self.clock.now()) {
            return Ok(self.without(case, conclude, &why, self.lost_for(usage, Some(pause), &why)));
        }
        Err(ReasonError::Retry { by: self.model.name().to_owned(), usage, why, after_millis: pause })
    }

    /// Whether a case may not wait so long for a model.
    fn is_too_long(&self, case: &Investigation, pause: u64) -> bool {
        u128::from(pause) > self.settings.patience.as_millis()
            || later(self.clock.now(), pause) >= case.thinking_ends_at()
    }

    /// The deterministic turn, which says why no model took it.
    fn without(&self, case: &Investigation, conclude: bool, why: &str, lost: Vec<Lost>) -> Turn {
        let mut turn = self.deterministic.turn(case, conclude);
        turn.gaps.push(Gap { what: format!("the judgement of {}", self.model.name()), why: why.to_owned() });
        Turn { lost, ..turn }
    }

    fn lost(&self, usage: Usage, after_millis: Option<u64>) -> Vec<Lost> {
        if usage == Usage::default() { vec![] } else { self.lost_for(usage, after_millis, "the request was too large") }
    }

    fn lost_for(&self, usage: Usage, after_millis: Option<u64>, why: &str) -> Vec<Lost> {
        vec![Lost { by: self.model.name().to_owned(), why: why.to_owned(), usage, after_millis }]
    }

    fn why(&self, error: &ModelError) -> String {
        redact(&error.to_string()).chars().map(|c| if c.is_control() { ' ' } else { c }).take(WHY).collect()
    }

    fn is_to_be_doubted(&self, turn: &Turn) -> bool {
        let Some(from) = self.settings.sceptic else { return false };
        match turn.decision {
            Decision::Act(_) => true,
            Decision::Conclude(_) => turn.hypotheses.iter().any(|hypothesis| hypothesis.confidence >= from),
            Decision::LookAt(_) | Decision::Unclear(_) => false,
        }
    }

    async fn second_look(&self, case: &Investigation) -> Doubt {
        let none = |why: &str| Doubt { why: format!("there was no second look: {why}"), ..Doubt::default() };
        match self.shut(case, Usage::default()) {
            Some(Shut::Closed(why) | Shut::Quiet(_, why)) => return none(&why),
            None => {}
        }
        let Some(request) = prompt::doubt(case, &self.desk, self.settings.room) else {
            return none("the model's window is too small");
        };
        match self.call(case, &request).await {
            Ok(completion) => Doubt { by: self.model.name().to_owned(), ..prompt::read_doubt(&completion) },
            Err(Silence::NotAsked(why)) => none(&why),
            Err(Silence::Error(error)) => {
                let why = self.why(&error);
                let after = match error.kind {
                    ModelTrouble::Busy { after_millis } => Some(after_millis.unwrap_or(PAUSE)),
                    // A short question says nothing about long ones.
                    ModelTrouble::TooLarge | ModelTrouble::Unusable => Some(0),
                    ModelTrouble::SpendLimit | ModelTrouble::Denied => None,
                };
                Doubt { lost: self.lost_for(error.usage, after, &why), ..none(&why) }
            }
        }
    }
}

/// Why there is no completion.
enum Silence {
    /// The model was asked.
    Error(ModelError),
    /// It was not.
    NotAsked(String),
}

fn ranked(case: &Investigation) -> Briefing {
    let (hypotheses, ruled_out) = digest::rank(case);
    Briefing { hypotheses, ruled_out }
}

fn later(now: Timestamp, millis: u64) -> Timestamp {
    now.plus_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Longer after each failure, and not the same for every case, so that they do not come back all at once.
fn pause(case: &Investigation) -> u64 {
    let spread =
        case.id.as_str().bytes().fold(case.seq, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    (PAUSE << case.failures().min(4)) + spread % PAUSE
}

impl Reasoner for Thinking {
    fn reason<'a>(&'a self, case: &'a Investigation, conclude: bool) -> BoxFuture<'a, Result<Turn, ReasonError>> {
        Box::pin(self.turn(case, conclude))
    }

    fn doubt<'a>(&'a self, case: &'a Investigation) -> BoxFuture<'a, Doubt> {
        Box::pin(self.second_look(case))
    }
}
