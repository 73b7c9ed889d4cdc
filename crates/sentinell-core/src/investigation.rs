//! The machine: one investigation as a fold of its journal.
//!
//! Three plain functions are the whole agent: [`Investigation::next`] says what to do, [`Investigation::interpret`] says
//! what an answer means, and [`Investigation::fold`] is the only way the state changes. People's words are checked by
//! [`Investigation::decide`]; permission for a deed is given by [`Investigation::authorize`].

mod authorize;
mod effect;
mod event;
mod fold;
mod interpret;
mod next;
mod people;
mod remember;
mod talk;
#[cfg(test)]
pub(crate) mod tests;
mod turn;

pub use authorize::Intent;
pub use effect::{Command, Decision, Doubt, Effect, Input, Lost, Step, Turn};
pub use event::{Entry, Event, Health, Node, Outcome, Reading, Resolution, Usage};
pub use fold::Illegal;
pub use people::Refusal;
pub use talk::{Exchange, Mark, Rest};

use crate::action::{Action, ActionDraft};
use crate::approval::{Given, Role};
use crate::evidence::{Evidence, Gap, Query};
use crate::hypothesis::{Hypothesis, RuledOut};
use crate::ids::{ActionHash, ActionId, Actor, EvidenceId, Fingerprint, IncidentId, QueryId};
use crate::policy::{Budget, Ruling};
use crate::signal::{Severity, Signal};
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// Where an investigation stands. Each phase holds only what it needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Opened, nobody looked yet.
    Queued,
    /// Reads are open.
    Observing {
        /// The reads without an answer.
        open: BTreeMap<QueryId, OpenQuery>,
    },
    /// The reasoner has the word.
    Reasoning {
        /// How often it failed to answer in a row.
        failures: u32,
        /// Not before this moment.
        until: Option<Timestamp>,
    },
    /// A person has the word.
    AwaitingApproval {
        /// About which action.
        action: ActionId,
        /// Whether people have been told.
        asked: bool,
    },
    /// Permission is there; the world is looked at once more before the deed.
    Authorized {
        /// For which action.
        action: ActionId,
        /// Whether the state before the deed has been read.
        checked: bool,
    },
    /// The intent is written: it may have happened.
    Acting {
        /// Which action.
        action: ActionId,
        /// By then it has ended or been stopped.
        deadline: Timestamp,
        /// That moment has passed, or its end is known to be unclear: look.
        overdue: bool,
    },
    /// Nobody can tell whether it happened; a person must.
    InDoubt {
        /// Which action.
        action: ActionId,
    },
    /// The deed is done; does the world get better?
    Verifying {
        /// Which action.
        action: ActionId,
        /// Not before this moment; none: now.
        wait: Option<Timestamp>,
        /// Healthy without a break since.
        healthy_since: Option<Timestamp>,
        /// When to stop hoping.
        give_up_at: Timestamp,
    },
    /// It is over.
    Resolved {
        /// How.
        resolution: Resolution,
    },
    /// A person has taken over.
    Escalated {
        /// Why.
        why: String,
    },
    /// A person says that it needs no work.
    Dismissed,
    /// Workers crashed on it again and again.
    DeadLetter {
        /// What is known.
        why: String,
    },
}

impl Phase {
    /// The contract's word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Observing { .. } => "observing",
            Self::Reasoning { .. } => "reasoning",
            Self::AwaitingApproval { .. } => "awaiting_approval",
            Self::Authorized { .. } | Self::Acting { .. } => "acting",
            Self::InDoubt { .. } => "in_doubt",
            Self::Verifying { .. } => "verifying",
            Self::Resolved { .. } => "resolved",
            Self::Escalated { .. } => "escalated",
            Self::Dismissed => "dismissed",
            Self::DeadLetter { .. } => "dead_letter",
        }
    }

    /// The first version's word for it: queued, processing or resolved.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Resolved { .. } | Self::Dismissed => "resolved",
            _ => "processing",
        }
    }

    /// Whether nothing more happens unless somebody says something.
    pub fn is_at_rest(&self) -> bool {
        matches!(self, Self::Resolved { .. } | Self::Escalated { .. } | Self::Dismissed | Self::DeadLetter { .. })
    }
}

/// A read without an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenQuery {
    /// What was asked.
    pub query: Query,
    /// How often it failed.
    pub failures: u32,
    /// Not before this moment.
    pub until: Option<Timestamp>,
}

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// Proposed, not ruled on.
    Proposed,
    /// The policy says no.
    Denied,
    /// A person is asked.
    AwaitingApproval,
    /// May be done.
    Authorized,
    /// A person said no.
    Rejected,
    /// Nobody answered.
    Expired,
    /// The incident ended or went to a person before it was done.
    Withdrawn,
    /// Stopped at the last moment.
    Blocked,
    /// Under way, or nobody knows.
    Started,
    /// Nobody can tell whether it happened.
    InDoubt,
    /// Done; being verified, or an undo.
    Done,
    /// It ran and failed, or never started.
    Failed,
    /// Done, and it helped.
    Fixed,
    /// Done, and it did not help (or nobody could tell).
    Unhelpful,
}

/// One action and its history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionRecord {
    /// As it was shown.
    pub action: Action,
    /// Its hash.
    pub hash: ActionHash,
    /// What the policy said.
    pub ruling: Option<Ruling>,
    /// Where it stands.
    pub state: ActionState,
    /// Who approved or rejected it; names of several are parted by `, `.
    pub decided_by: Option<String>,
    /// Who approved it so far, each person once.
    pub approvals: Vec<Given>,
    /// How often an intent was written.
    pub attempts: u32,
    /// What it said.
    pub output: String,
    /// The world before it, and the last look after it.
    pub readings: Vec<(Timestamp, Reading)>,
}

/// One alert of the incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertState {
    /// One line.
    pub title: String,
    /// Whether its sender still says that it is happening.
    pub firing: bool,
    /// How bad.
    pub severity: Severity,
}

/// What was spent since the incident opened or was last retried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// Turns of the reasoner.
    pub turns: u32,
    /// Tokens, in and out.
    pub tokens: u64,
    /// Money, millionths of a US dollar.
    pub micro_usd: u64,
    /// Intents written.
    pub deeds: u32,
}

/// A person's steer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hint {
    /// Who.
    pub by: String,
    /// In their words.
    pub text: String,
    /// A component to suspect.
    pub suspect: Option<String>,
    /// A component to leave out.
    pub exclude: Option<String>,
}

/// One investigation, as its journal tells it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Investigation {
    /// Which incident.
    pub id: IncidentId,
    /// How many entries have been folded.
    pub seq: u64,
    /// The signal that opened it.
    pub signal: Signal,
    /// That signal's alert.
    pub fingerprint: Fingerprint,
    /// What one may spend.
    pub budget: Budget,
    /// What was spent.
    pub spent: Spent,
    /// Where it stands.
    pub phase: Phase,
    /// Its alerts.
    pub alerts: BTreeMap<Fingerprint, AlertState>,
    /// Everything asked so far.
    pub queries: BTreeMap<QueryId, Query>,
    /// Everything found so far, in order.
    pub evidence: Vec<Evidence>,
    /// How much of it is from before the last (re)start, and so may be out of date.
    pub stale: usize,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// What the reasoner believes, best first.
    pub hypotheses: Vec<Hypothesis>,
    /// What it ruled out.
    pub ruled_out: Vec<RuledOut>,
    /// Every action proposed, in order.
    pub actions: Vec<ActionRecord>,
    /// Deeds that would help but could not be planned.
    pub not_planned: Vec<(ActionDraft, String)>,
    /// What people said.
    pub hints: Vec<Hint>,
    /// Turns refused in a row.
    pub refusals: u32,
    /// An answer that waits for a second look.
    pub held: Option<Decision>,
    /// Evidence that the reasoner asked to see.
    pub shown: Vec<EvidenceId>,
    /// What a language model said since the last (re)start.
    #[serde(skip)]
    pub talk: Vec<Exchange>,
    /// Why and until when no language model is asked about it.
    pub model_rest: Option<Rest>,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When the budget's minutes began.
    pub started_at: Timestamp,
    /// When the last entry was appended.
    pub updated_at: Timestamp,
    /// When the first hypothesis stood.
    pub first_hypothesis_at: Option<Timestamp>,
}

impl ActionRecord {
    /// How many people have to approve, and the role that each of them needs.
    pub fn needed(&self) -> (u32, Role) {
        match &self.ruling {
            Some(Ruling::Ask { approvals, role, .. }) => (*approvals, *role),
            _ => (1, Role::Operator),
        }
    }

    /// Whether the people who approved are enough for this.
    fn is_approved(&self, needed: u32, role: Role) -> bool {
        let fit = self.approvals.iter().filter(|given| given.role >= role).count();
        u32::try_from(fit).unwrap_or(u32::MAX) >= needed.max(1)
    }

    /// Whether this person has approved it already.
    fn has_approved(&self, by: &Actor) -> bool {
        self.approvals.iter().any(|given| given.by == *by)
    }
}

impl Investigation {
    /// Folds a whole journal.
    ///
    /// # Errors
    /// [`Illegal`] if it does not begin with `opened` or an entry does not fit.
    pub fn replay<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Result<Self, Illegal> {
        let mut entries = entries.into_iter();
        let first = entries.next().ok_or_else(|| Illegal::new("nothing", "an empty journal"))?;
        let mut case = Self::open(first.incident.clone(), first.at, &first.event)?;
        entries.try_for_each(|entry| case.fold(entry.at, &entry.event))?;
        Ok(case)
    }

    /// The evidence gathered since the last (re)start.
    pub fn fresh_evidence(&self) -> &[Evidence] {
        self.evidence.get(self.stale..).unwrap_or_default()
    }

    /// The record of one action.
    pub fn action(&self, id: &ActionId) -> Option<&ActionRecord> {
        self.actions.iter().find(|record| record.action.id == *id)
    }

    /// Whether evidence with this id exists.
    pub fn knows(&self, id: &EvidenceId) -> bool {
        self.evidence.iter().any(|evidence| evidence.id == *id)
    }

    /// The gravest severity among its alerts.
    pub fn severity(&self) -> Severity {
        self.alerts.values().map(|alert| alert.severity).max().unwrap_or(self.signal.severity)
    }

    /// How it was resolved, if it was.
    pub fn resolution(&self) -> Option<Resolution> {
        match &self.phase {
            Phase::Resolved { resolution } => Some(*resolution),
            Phase::Dismissed => Some(Resolution::FalseAlarm),
            _ => None,
        }
    }

    /// Whether nothing more may be spent on a language model at `now`; `lost` is what was spent since the newest entry.
    pub fn is_spent(&self, lost: Usage, now: Timestamp) -> bool {
        let (budget, spent) = (&self.budget, &self.spent);
        spent.turns >= budget.turns
            || spent.tokens.saturating_add(lost.tokens()) >= budget.tokens
            || spent.micro_usd.saturating_add(lost.micro_usd) >= budget.micro_usd
            || now >= self.thinking_ends_at()
    }

    /// When the budget's minutes are over.
    pub fn thinking_ends_at(&self) -> Timestamp {
        self.started_at.plus_seconds(i64::from(self.budget.minutes) * 60)
    }

    /// Whether the next turn of the reasoner must be its last: the one place where the budget is checked. Time is that of
    /// the newest entry, so that a replay decides the same.
    pub fn must_conclude(&self) -> bool {
        let (budget, spent) = (&self.budget, &self.spent);
        let minutes = self.updated_at.millis_since(self.started_at) / 60_000;
        spent.turns + 1 >= budget.turns
            || spent.tokens >= budget.tokens
            || spent.micro_usd >= budget.micro_usd
            || minutes >= i64::from(budget.minutes)
    }
}
