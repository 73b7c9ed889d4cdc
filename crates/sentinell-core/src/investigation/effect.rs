//! What comes next, and what comes back.

use crate::action::{Action, ActionDraft};
use crate::approval::Role;
use crate::evidence::{Evidence, Gap, Query};
use crate::hypothesis::{Hypothesis, RuledOut, Verdict};
use crate::ids::{ActionHash, ActionId, Actor, EvidenceId, Fingerprint, IncidentId, QueryId};
use crate::investigation::event::{Reading, Usage};
use crate::model::Reply;
use crate::policy::operator;
use crate::ports::{Applied, Question};
use crate::signal::Signal;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What to do now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Something for the outside world.
    Do(Effect),
    /// Nothing before `until` (none: before somebody says something).
    Wait {
        /// When to look again.
        until: Option<Timestamp>,
        /// What is waited for.
        why: String,
    },
    /// Nothing more.
    Done,
}

/// Work for the outside world. Derived from the state, never stored.
///
/// `Act` carries no warrant: the loop has to ask [`Investigation::authorize`](super::Investigation::authorize) at the
/// moment of the deed, so that neither a replay nor a stale decision can hold one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Ask these questions side by side; each answer is an input of its own.
    Observe(Vec<Query>),
    /// Take one turn of the reasoner; with `conclude` it must not ask for more.
    Reason {
        /// The last turn of the budget is spent on a conclusion.
        conclude: bool,
    },
    /// Take a second, sceptical look at the answer that is held back.
    Doubt,
    /// Tell people that an approval is wanted.
    Ask(Box<Action>),
    /// Do it.
    Act(Box<Action>),
    /// Look whether it was done.
    Reconcile(Box<Action>),
    /// Look at the world as the action's verification says: before the deed and after it.
    Verify(Box<Action>),
}

/// What a reasoner wants next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// More reads.
    LookAt(Vec<Question>),
    /// A deed. The loop has it planned by its actuator: [`Input::Turned`] carries the result.
    Act(ActionDraft),
    /// Nothing more to do for a machine: why.
    Conclude(String),
    /// It spoke, and what it said cannot be read: why, in words that are sent back to it.
    Unclear(String),
}

/// A call of a language model that brought nothing to use, and what it cost all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Which model.
    pub by: String,
    /// Why there was no answer, one bounded line.
    pub why: String,
    /// What it cost.
    pub usage: Usage,
    /// It may be asked about this incident again after this many milliseconds; none: not at all.
    pub after_millis: Option<u64>,
}

/// A second, sceptical look at an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Doubt {
    /// Who looked; empty if nobody did.
    pub by: String,
    /// What it cost.
    pub usage: Usage,
    /// What it makes of the hypotheses; those it does not name stay as they are.
    pub verdicts: Vec<Verdict>,
    /// Its reason in one bounded line, or why there was no second look.
    pub why: String,
    /// Calls that brought nothing.
    pub lost: Vec<Lost>,
}

/// One turn of a reasoner.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Who took it (`deterministic`, a model's name).
    pub by: String,
    /// What it cost.
    pub usage: Usage,
    /// What it believes; empty means "not enough evidence".
    pub hypotheses: Vec<Hypothesis>,
    /// What it ruled out.
    pub ruled_out: Vec<RuledOut>,
    /// What it could not see.
    pub gaps: Vec<Gap>,
    /// What it wants next.
    pub decision: Decision,
    /// What a language model said, bounded and redacted.
    pub reply: Option<Box<Reply>>,
    /// Evidence that it wants to see and was not shown for want of room.
    pub show: Vec<EvidenceId>,
    /// Whether a second, sceptical look is to be taken before anything follows from it.
    pub doubt: bool,
    /// Calls before this turn that brought nothing.
    pub lost: Vec<Lost>,
}

impl Turn {
    /// A turn that cost nothing and was taken by no language model.
    pub fn free(by: &str, decision: Decision, hypotheses: Vec<Hypothesis>, ruled_out: Vec<RuledOut>) -> Self {
        Self {
            by: by.to_owned(),
            usage: Usage::default(),
            hypotheses,
            ruled_out,
            gaps: vec![],
            decision,
            reply: None,
            show: vec![],
            doubt: false,
            lost: vec![],
        }
    }
}

/// What came back, from the world, from a sender or from a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A read was answered and condensed.
    Observed {
        /// Which one.
        query: QueryId,
        /// The evidence; its ids are assigned by the machine.
        evidence: Vec<Evidence>,
        /// What could not be seen.
        gaps: Vec<Gap>,
        /// The call as a person could repeat it.
        call: String,
        /// Address of the raw data.
        raw: String,
        /// How long it took.
        millis: u64,
    },
    /// A read brought nothing; `again` if it may be tried again.
    NotObserved {
        /// Which one.
        query: QueryId,
        /// Why.
        why: String,
        /// Whether trying again could help.
        again: bool,
    },
    /// The reasoner took a turn; if it wants a deed, this is what the actuator made of the draft.
    Turned {
        /// The turn.
        turn: Box<Turn>,
        /// The plan, or why there is none.
        planned: Option<Result<crate::action::Plan, String>>,
    },
    /// The second look was taken; if the answer was a deed, this is what the actuator makes of its draft now.
    Doubted {
        /// The look.
        doubt: Box<Doubt>,
        /// The plan, or why there is none.
        planned: Option<Result<crate::action::Plan, String>>,
    },
    /// The reasoner did not answer.
    NotTurned {
        /// Who was asked; empty if that cost nothing.
        by: String,
        /// What it cost all the same.
        usage: Usage,
        /// Why.
        why: String,
        /// It may be asked again after this many milliseconds; none: it is hopeless.
        after_millis: Option<u64>,
    },
    /// People have been told that an approval is wanted.
    Asked(ActionId),
    /// The deed never started.
    NotApplied {
        /// Which one.
        action: ActionId,
        /// Why.
        why: String,
    },
    /// The deed ended and told how.
    Applied {
        /// Which one.
        action: ActionId,
        /// Whether it succeeded.
        ok: bool,
        /// What it said, bounded.
        output: String,
    },
    /// The deed's end is unclear.
    AppliedUnclear {
        /// Which one.
        action: ActionId,
        /// Why.
        why: String,
    },
    /// Somebody looked whether it was done.
    Reconciled {
        /// Which one.
        action: ActionId,
        /// What was seen.
        applied: Applied,
        /// What was seen, in words.
        note: String,
    },
    /// The verification looked.
    Checked {
        /// For which action.
        action: ActionId,
        /// What it saw.
        reading: Reading,
    },
    /// The time of a [`Step::Wait`] has come.
    TimedOut,
    /// A signal of a new fingerprint, or a worse one, belongs here.
    AlertJoined {
        /// The signal.
        signal: Box<Signal>,
        /// Its fingerprint.
        fingerprint: Fingerprint,
        /// Why it belongs here.
        why: String,
    },
    /// A sender says that its alert is over.
    AlertResolved {
        /// Which one.
        fingerprint: Fingerprint,
    },
    /// The same alert came back soon after the incident had gone away by itself.
    AlertReturned {
        /// The signal.
        signal: Box<Signal>,
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
    /// Workers crashed on this incident again and again.
    GivenUp {
        /// What is known about it.
        why: String,
    },
    /// A person said something.
    Person(Command),
}

/// What a person may say. The actor is the authenticated principal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Do exactly this.
    Approve {
        /// Which action.
        action: ActionId,
        /// What was shown.
        hash: ActionHash,
        /// Who.
        by: Actor,
        /// With which role.
        #[serde(default = "operator")]
        role: Role,
        /// In their words.
        comment: String,
    },
    /// Do not do this.
    Reject {
        /// Which action.
        action: ActionId,
        /// Who.
        by: Actor,
        /// In their words.
        comment: String,
    },
    /// Consider this.
    Hint {
        /// Who.
        by: Actor,
        /// In their words.
        text: String,
        /// A component to suspect.
        suspect: Option<String>,
        /// A component to leave out.
        exclude: Option<String>,
    },
    /// Stop; a person takes over.
    Cancel {
        /// Who.
        by: Actor,
        /// Why.
        why: String,
    },
    /// Try again, with a fresh budget; for a deed in doubt: look again.
    Retry {
        /// Who.
        by: Actor,
        /// Why.
        why: String,
    },
    /// It is over.
    Resolve {
        /// Who.
        by: Actor,
        /// Why.
        why: String,
    },
    /// It was nothing.
    Dismiss {
        /// Who.
        by: Actor,
        /// Why.
        why: String,
    },
    /// A remark.
    Note {
        /// Who.
        by: Actor,
        /// In their words.
        text: String,
    },
    /// It is part of another one.
    Merge {
        /// The other one.
        into: IncidentId,
        /// Who.
        by: Actor,
    },
    /// These alerts are another one.
    Split {
        /// Which alerts.
        fingerprints: Vec<Fingerprint>,
        /// The other one.
        into: IncidentId,
        /// Who.
        by: Actor,
    },
}
