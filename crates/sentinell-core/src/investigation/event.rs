//! What happened: past tense, tagged, journaled, never edited. Fields are only ever added, with a default.

use crate::action::{Action, ActionDraft};
use crate::approval::Role;
use crate::evidence::{Evidence, Gap, Query};
use crate::hypothesis::{Hypothesis, RuledOut, Verdict};
use crate::ids::{ActionHash, ActionId, Actor, EvidenceId, Fingerprint, IncidentId, QueryId, SignalId};
use crate::investigation::effect::Decision;
use crate::model::Reply;
use crate::policy::{Budget, Ruling, is_operator, operator};
use crate::ports::Applied;
use crate::signal::{Severity, Signal};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What one turn cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read, those from and into the provider's cache not counted.
    pub input_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens that the provider put into its cache.
    pub cache_written_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Money, millionths of a US dollar.
    pub micro_usd: u64,
}

impl Usage {
    /// Every token, whatever it was charged as.
    pub fn tokens(&self) -> u64 {
        let read = self.input_tokens.saturating_add(self.cache_read_tokens).saturating_add(self.cache_written_tokens);
        read.saturating_add(self.output_tokens)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cache_read_tokens: self.cache_read_tokens.saturating_add(other.cache_read_tokens),
            cache_written_tokens: self.cache_written_tokens.saturating_add(other.cache_written_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            micro_usd: self.micro_usd.saturating_add(other.micro_usd),
        }
    }
}

/// What a check saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Healthy,
    /// Not as it should be.
    Unhealthy,
    /// Could not be read.
    Unknown,
}

/// One look at the world for a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What it means.
    pub health: Health,
    /// What was seen, one line.
    pub note: String,
}

/// How a verification ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Healthy for the agreed time.
    Fixed,
    /// Still not healthy when the time was over.
    Unchanged,
    /// Could not be read when the time was over.
    Unknown,
}

/// How an incident was resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// A deed of ours, verified.
    VerifiedFix,
    /// It went away by itself.
    SelfRecovered,
    /// A person resolved it.
    Person,
    /// There was nothing.
    FalseAlarm,
}

/// One fact of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the line above each event names its fields")]
pub enum Event {
    /// A signal opened the incident; always the first entry.
    Opened { signal: Box<Signal>, fingerprint: Fingerprint, budget: Budget },
    /// Another alert belongs here, or a known one got worse. Mere repetitions are counted on the alert instead.
    AlertJoined { signal: SignalId, fingerprint: Fingerprint, title: String, severity: Severity, why: String },
    /// A sender says that its alert is over.
    AlertResolved { fingerprint: Fingerprint },
    /// The same alert came back soon after it had gone away by itself.
    Reopened { signal: SignalId, fingerprint: Fingerprint },
    /// A reasoner took a turn. `reply` is what a language model said, bounded and redacted, so that the conversation goes
    /// on after a crash and no answer is paid twice.
    TurnTaken {
        by: String,
        usage: Usage,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Option<Box<Reply>>,
    },
    /// A language model was asked and gave nothing to use; what it cost all the same. It is not asked again about this
    /// incident before `until`; none: not at all, until a person says "again".
    ModelFailed { by: String, why: String, usage: Usage, until: Option<Timestamp> },
    /// A reasoner wants to see evidence that it was not shown for want of room.
    EvidenceShown { evidence: Vec<EvidenceId> },
    /// An answer is held back until a second, sceptical look at it.
    AnswerHeld { decision: Decision },
    /// The second look was taken (or could not be: `why`). It only ever lowers confidence.
    Doubted { by: String, usage: Usage, verdicts: Vec<Verdict>, why: String },
    /// Reads were asked for.
    QueriesOpened { queries: Vec<Query> },
    /// A read came back and was condensed; `raw` is the address of what it was made of.
    EvidenceGathered { query: QueryId, evidence: Vec<Evidence>, gaps: Vec<Gap>, call: String, raw: String, millis: u64 },
    /// A read failed for now and is tried again.
    QueryDeferred { query: QueryId, why: String, until: Timestamp },
    /// A read failed for good: a gap.
    QueryFailed { query: QueryId, gap: Gap },
    /// A wait is over.
    WaitEnded {},
    /// What the reasoner believes now; replaces what it believed before.
    HypothesesFormed { hypotheses: Vec<Hypothesis>, ruled_out: Vec<RuledOut>, gaps: Vec<Gap> },
    /// A turn was not accepted (it cited evidence that does not exist, say).
    TurnRefused { why: String },
    /// The reasoner did not answer and is asked again; what it cost all the same, and whom.
    ReasonerFailed {
        why: String,
        until: Timestamp,
        #[serde(default)]
        by: String,
        #[serde(default)]
        usage: Usage,
    },
    /// A deed would help, but its actuator cannot plan it (no such object, not permitted).
    ActionNotPlanned { draft: ActionDraft, why: String },
    /// A deed is proposed, exactly as it would be done.
    ActionProposed { action: Box<Action>, hash: ActionHash },
    /// The policy has ruled on it.
    ActionRuled { action: ActionId, ruling: Ruling },
    /// A person has been asked.
    ApprovalRequested { action: ActionId, expires_at: Timestamp },
    /// A person approved exactly this; where two are needed, the deed waits for the other one.
    ApprovalGranted {
        action: ActionId,
        hash: ActionHash,
        by: Actor,
        comment: String,
        #[serde(default = "operator", skip_serializing_if = "is_operator")]
        role: Role,
    },
    /// A person said no.
    ApprovalRejected { action: ActionId, by: Actor, comment: String },
    /// Nobody answered in time.
    ApprovalExpired { action: ActionId },
    /// The world as it was just before the deed, or while verifying it.
    StateChecked { action: ActionId, reading: Reading, next_at: Timestamp },
    /// The policy, judged again at the last moment, says no, or there is nothing to cure any more.
    DeedBlocked { action: ActionId, why: String },
    /// The intent: from here on the deed may have happened, until `deadline` at the latest.
    ActionStarted { action: ActionId, attempt: u32, deadline: Timestamp },
    /// The deed ended and told how.
    ActionFinished { action: ActionId, ok: bool, output: String },
    /// After a crash or an unclear end somebody looked whether it was done.
    Reconciled { action: ActionId, applied: Applied, note: String },
    /// A verification came to its end.
    Verified { action: ActionId, outcome: Outcome, note: String },
    /// It is over.
    Resolved { resolution: Resolution, by: Actor, why: String },
    /// A person has to take over; everything found so far is here.
    Escalated { why: String },
    /// A person says that this needs no work.
    Dismissed { by: Actor, why: String },
    /// A person wants another try, with a fresh budget.
    Retried { by: Actor, why: String },
    /// Workers crashed on it again and again without progress.
    DeadLettered { why: String },
    /// A person steers.
    HintGiven { by: Actor, text: String, suspect: Option<String>, exclude: Option<String> },
    /// A person remarks.
    NoteAdded { by: Actor, text: String },
    /// This incident went on as part of another one.
    MergedInto { into: IncidentId, by: Actor },
    /// Some alerts went on as an incident of their own.
    SplitOff { fingerprints: Vec<Fingerprint>, into: IncidentId, by: Actor },
}

/// The part of the loop that an event belongs to, as `/stream` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// Opened, joined, queries and evidence.
    Observe,
    /// Model turns, hypotheses, proposals, hints.
    Reason,
    /// Rulings, approvals, deeds, reconciliation.
    Act,
    /// Verification, resolution, escalation.
    Evaluate,
}

impl Event {
    /// The part of the loop it belongs to.
    pub fn node(&self) -> Node {
        match self {
            Self::Opened { .. } | Self::AlertJoined { .. } | Self::AlertResolved { .. } | Self::Reopened { .. } => {
                Node::Observe
            }
            Self::QueriesOpened { .. } | Self::EvidenceGathered { .. } | Self::QueryDeferred { .. } => Node::Observe,
            Self::QueryFailed { .. } | Self::WaitEnded {} | Self::MergedInto { .. } | Self::SplitOff { .. } => {
                Node::Observe
            }
            Self::TurnTaken { .. } | Self::HypothesesFormed { .. } | Self::TurnRefused { .. } => Node::Reason,
            Self::ReasonerFailed { .. } | Self::ActionNotPlanned { .. } | Self::ActionProposed { .. } => Node::Reason,
            Self::HintGiven { .. } | Self::NoteAdded { .. } | Self::ModelFailed { .. } => Node::Reason,
            Self::EvidenceShown { .. } | Self::AnswerHeld { .. } | Self::Doubted { .. } => Node::Reason,
            Self::ActionRuled { .. } | Self::ApprovalRequested { .. } | Self::ApprovalGranted { .. } => Node::Act,
            Self::ApprovalRejected { .. } | Self::ApprovalExpired { .. } | Self::DeedBlocked { .. } => Node::Act,
            Self::ActionStarted { .. } | Self::ActionFinished { .. } | Self::Reconciled { .. } => Node::Act,
            Self::StateChecked { .. } | Self::Verified { .. } | Self::Resolved { .. } => Node::Evaluate,
            Self::Escalated { .. } | Self::Dismissed { .. } | Self::Retried { .. } | Self::DeadLettered { .. } => {
                Node::Evaluate
            }
        }
    }

    /// Who was paid what by it, if anybody was asked: a turn, a second look, or a call that brought nothing.
    pub fn paid(&self) -> Option<(&str, Usage)> {
        match self {
            Self::TurnTaken { by, usage, .. }
            | Self::Doubted { by, usage, .. }
            | Self::ModelFailed { by, usage, .. }
            | Self::ReasonerFailed { by, usage, .. } => (!by.is_empty()).then_some((by, *usage)),
            _ => None,
        }
    }

    /// The tag it is stored and streamed under (`evidence_gathered`).
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.get("type").and_then(|tag| tag.as_str()).unwrap_or_default().to_owned()
    }
}

/// An event in its place: what is stored, hashed into the chain, and streamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose journal.
    pub incident: IncidentId,
    /// Place in that journal, from 1 without gaps.
    pub seq: u64,
    /// When it was appended.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}
