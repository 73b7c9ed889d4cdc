//! What people and machines outside are told about an incident: read off the journal as it grows, redacted and bounded.
//!
//! A notice is made by the transaction that writes the event it tells of, so its id is the event's place: however often
//! it is sent, a receiver recognises it.

mod pace;
#[cfg(test)]
mod tests;

pub use pace::{Delivery, after_failure, pause_millis};

use crate::action::Action;
use crate::hypothesis::Hypothesis;
use crate::ids::{ActionHash, ActionId, Actor, IncidentId};
use crate::investigation::{ActionRecord, Event, Investigation, Phase, Resolution};
use crate::redact::redact;
use crate::signal::Severity;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Characters of a title.
const TITLE: usize = 200;
/// Characters of a sentence.
const SENTENCE: usize = 400;
/// Characters of one argument of a deed, and how many arguments are shown; the whole stands behind the link.
const ARGUMENT: usize = 200;
const ARGUMENTS: usize = 24;

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// An incident opened.
    Opened,
    /// It got graver.
    Worsened,
    /// The first cause has a name.
    Hypothesis,
    /// A person is asked to approve a deed.
    ApprovalWanted,
    /// Nobody can tell whether a deed was done; a person must look.
    InDoubt,
    /// A person has to take over.
    Escalated,
    /// Workers crashed on it again and again; a person has to take over.
    DeadLettered,
    /// It is over, and how.
    Resolved,
    /// Somebody tries whether notices arrive.
    Test,
}

impl NoticeKind {
    /// Every kind that an incident can make.
    pub const ALL: [Self; 8] = [
        Self::Opened,
        Self::Worsened,
        Self::Hypothesis,
        Self::ApprovalWanted,
        Self::InDoubt,
        Self::Escalated,
        Self::DeadLettered,
        Self::Resolved,
    ];

    /// The word for it in configuration, lists and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Worsened => "worsened",
            Self::Hypothesis => "hypothesis",
            Self::ApprovalWanted => "approval_wanted",
            Self::InDoubt => "in_doubt",
            Self::Escalated => "escalated",
            Self::DeadLettered => "dead_lettered",
            Self::Resolved => "resolved",
            Self::Test => "test",
        }
    }

    /// Whether nothing goes on until a person does something: such a notice is sent whatever the severity.
    pub fn needs_a_person(self) -> bool {
        matches!(self, Self::ApprovalWanted | Self::InDoubt | Self::Escalated | Self::DeadLettered | Self::Test)
    }
}

/// Which notices a destination wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// These kinds.
    pub kinds: BTreeSet<NoticeKind>,
    /// News (opened, worsened, hypothesis, resolved) only from this severity on. What needs a person always comes.
    pub at_least: Severity,
}

impl Wanted {
    /// Whether this one is wanted.
    pub fn wants(&self, notice: &Notice) -> bool {
        let grave = notice.kind.needs_a_person() || notice.incident.severity >= self.at_least;
        self.kinds.contains(&notice.kind) && grave
    }
}

/// The incident, as far as a notice needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Which.
    pub id: IncidentId,
    /// One line.
    pub title: String,
    /// The gravest among its alerts.
    pub severity: Severity,
    /// queued, processing or resolved.
    pub status: String,
    /// Where its investigation stands.
    pub phase: String,
    /// How it was resolved.
    pub resolution: Option<Resolution>,
    /// The registered repository it belongs to.
    pub repo_id: Option<String>,
    /// When it opened.
    pub opened_at: Timestamp,
}

/// The leading cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The component at fault.
    pub component: String,
    /// What is wrong with it.
    pub fault: String,
    /// Calibrated probability, 0 to 1.
    pub confidence: f64,
    /// One sentence.
    pub statement: String,
}

/// The deed that a notice is about. What it shows may be cut; an approval covers the hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeedShown {
    /// Which action.
    pub id: ActionId,
    /// What an approval must name.
    pub hash: ActionHash,
    /// What to do.
    pub kind: String,
    /// What to do it to.
    pub target: String,
    /// Where.
    pub environment: String,
    /// What would run.
    pub deed: Value,
    /// What would take it back.
    pub undo: Option<Value>,
    /// How far it reaches.
    pub blast_radius: String,
    /// Why it should help.
    pub why: String,
    /// After this moment an approval is void.
    pub expires_at: Timestamp,
}

/// One thing that somebody outside should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The same however often it is sent: letters, digits, `_` and `-`.
    pub id: String,
    /// What it is about.
    pub kind: NoticeKind,
    /// When that happened.
    pub at: Timestamp,
    /// To which incident.
    pub incident: Subject,
    /// The place in its journal.
    pub seq: u64,
    /// One sentence for a person.
    pub summary: String,
    /// Who did it, where somebody did.
    pub by: Option<Actor>,
    /// The leading cause, where there is one.
    pub cause: Option<Cause>,
    /// The deed it is about.
    pub action: Option<DeedShown>,
}

/// What must be remembered of an investigation to see, after an event, whether that was news.
#[derive(Debug, Clone)]
pub struct Before {
    phase: NewsOf,
    severity: Severity,
    has_cause: bool,
}

/// Phases, as far as entering them is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewsOf {
    Nothing,
    Kind(NoticeKind),
}

impl NewsOf {
    fn phase(phase: &Phase) -> Self {
        match phase {
            Phase::AwaitingApproval { asked: true, .. } => Self::Kind(NoticeKind::ApprovalWanted),
            Phase::InDoubt { .. } => Self::Kind(NoticeKind::InDoubt),
            Phase::Escalated { .. } => Self::Kind(NoticeKind::Escalated),
            Phase::DeadLetter { .. } => Self::Kind(NoticeKind::DeadLettered),
            Phase::Resolved { .. } | Phase::Dismissed => Self::Kind(NoticeKind::Resolved),
            _ => Self::Nothing,
        }
    }
}

impl Before {
    /// Of this state.
    pub fn of(case: &Investigation) -> Self {
        let has_cause = case.first_hypothesis_at.is_some();
        Self { phase: NewsOf::phase(&case.phase), severity: case.severity(), has_cause }
    }

    /// What `event`, which led from that state to `after`, makes known; none if nobody outside has to know.
    pub fn notice(&self, after: &Investigation, event: &Event) -> Option<Notice> {
        let entered = NewsOf::phase(&after.phase);
        let kind = match entered {
            NewsOf::Kind(kind) if entered != self.phase => kind,
            _ if !self.has_cause && after.first_hypothesis_at.is_some() => NoticeKind::Hypothesis,
            _ if after.severity() > self.severity && after.phase.status() != "resolved" => NoticeKind::Worsened,
            _ => return None,
        };
        Some(Notice::new(kind, after, Some(event)))
    }
}

impl Notice {
    /// That an incident opened; `case` is its state after the first entry.
    pub fn opened(case: &Investigation) -> Self {
        Self::new(NoticeKind::Opened, case, None)
    }

    /// A notice about nothing, for trying a destination.
    pub fn test(id: String, at: Timestamp) -> Self {
        let incident = Subject {
            id: "test".into(),
            title: "a test of notices".into(),
            severity: Severity::Low,
            status: "resolved".into(),
            phase: "resolved".into(),
            resolution: None,
            repo_id: None,
            opened_at: at,
        };
        let summary = "Somebody tries whether notices arrive. There is nothing to do.".to_owned();
        Self { id, kind: NoticeKind::Test, at, incident, seq: 0, summary, by: None, cause: None, action: None }
    }

    fn new(kind: NoticeKind, case: &Investigation, event: Option<&Event>) -> Self {
        let record = record_of(case, kind);
        let incident = Subject {
            id: case.id.clone(),
            title: clean(&case.signal.title, TITLE),
            severity: case.severity(),
            status: case.phase.status().to_owned(),
            phase: case.phase.word().to_owned(),
            resolution: case.resolution(),
            repo_id: case.signal.repo_id.as_deref().map(|id| clean(id, TITLE)),
            opened_at: case.opened_at,
        };
        let by = event.and_then(actor).map(|actor| Actor(clean(actor.as_str(), TITLE)));
        let summary = clean(&summary(kind, case, event, record), SENTENCE);
        Self {
            id: id(&case.id, case.seq),
            kind,
            at: case.updated_at,
            incident,
            seq: case.seq,
            summary,
            by,
            cause: case.hypotheses.first().map(cause),
            action: record.map(|record| deed(&record.action, &record.hash)),
        }
    }

    /// The event type of the payload (`incident.escalated`).
    pub fn event_type(&self) -> String {
        match self.kind {
            NoticeKind::Test => "sentinell.test".to_owned(),
            kind => format!("incident.{}", kind.word()),
        }
    }

    /// The documented body of outgoing webhooks; links stand under `public_url`, where it is known.
    pub fn payload(&self, public_url: Option<&str>) -> Value {
        let links = public_url.filter(|_| self.kind != NoticeKind::Test).map(|base| {
            let (base, id) = (base.trim_end_matches('/'), &self.incident.id);
            json!({"incident": format!("{base}/#{id}"), "api": format!("{base}/api/incidents/{id}")})
        });
        json!({
            "type": self.event_type(),
            "timestamp": self.at,
            "data": {
                "id": self.id, "incident": self.incident, "seq": self.seq, "summary": self.summary, "by": self.by,
                "cause": self.cause, "action": self.action, "links": links,
            },
        })
    }
}

/// Fit for a header and for the signature's dots: whatever else stands in an incident's id is written as its number.
fn id(incident: &IncidentId, seq: u64) -> String {
    let mut id = String::from("ntc_");
    for letter in incident.as_str().chars() {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => id.push(letter),
            other => id.push_str(&format!("_{:x}_", u32::from(other))),
        }
    }
    format!("{id}_{seq}")
}

/// The action that a notice of this kind is about.
fn record_of(case: &Investigation, kind: NoticeKind) -> Option<&ActionRecord> {
    match (&case.phase, kind) {
        (Phase::AwaitingApproval { action, .. } | Phase::InDoubt { action }, _) => case.action(action),
        (_, NoticeKind::Resolved | NoticeKind::Escalated) => case.actions.iter().rfind(|record| record.attempts > 0),
        _ => None,
    }
}

fn actor(event: &Event) -> Option<&Actor> {
    match event {
        Event::Resolved { by, .. } | Event::Dismissed { by, .. } | Event::MergedInto { by, .. } => Some(by),
        _ => None,
    }
}

fn summary(kind: NoticeKind, case: &Investigation, event: Option<&Event>, record: Option<&ActionRecord>) -> String {
    let (title, severity) = (&case.signal.title, word(&case.severity()));
    let deed = record.map_or_else(String::new, |record| {
        let action = &record.action;
        format!("{} on {} ({})", action.kind, action.target, action.plan.environment)
    });
    match (kind, &case.phase, event) {
        (NoticeKind::Opened | NoticeKind::Test, ..) => format!("Opened, {severity}: {title}"),
        (NoticeKind::Worsened, ..) => format!("Now {severity}: {title}"),
        (NoticeKind::Hypothesis, ..) => match case.hypotheses.first() {
            Some(first) => {
                format!("{}: {} ({:.0} % sure)", first.component, first.statement, first.confidence * 100.0)
            }
            None => format!("A cause has been named: {title}"),
        },
        (NoticeKind::ApprovalWanted, ..) => {
            let (why, until) = record.map_or(("", String::new()), |record| {
                (record.action.why.as_str(), record.action.expires_at.to_string())
            });
            format!("Approval wanted until {until}: {deed}. {why}")
        }
        (NoticeKind::InDoubt, ..) => format!("Nobody can tell whether this was done, a person must look: {deed}"),
        (NoticeKind::Escalated, Phase::Escalated { why }, _) => format!("A person has to take over: {why}"),
        (NoticeKind::DeadLettered, Phase::DeadLetter { why }, _) => format!("Given up, a person has to look: {why}"),
        (NoticeKind::Escalated | NoticeKind::DeadLettered, ..) => format!("A person has to take over: {title}"),
        (NoticeKind::Resolved, _, Some(Event::Resolved { resolution, why, .. })) => {
            format!("Resolved, {}: {why}", word(resolution).replace('_', " "))
        }
        (NoticeKind::Resolved, _, Some(Event::Dismissed { why, .. })) => format!("Dismissed: {why}"),
        (NoticeKind::Resolved, _, Some(Event::MergedInto { into, .. })) => format!("Goes on as part of {into}"),
        (NoticeKind::Resolved, ..) => format!("Over: {title}"),
    }
}

fn cause(hypothesis: &Hypothesis) -> Cause {
    Cause {
        component: clean(&hypothesis.component, TITLE),
        fault: clean(&hypothesis.fault, TITLE),
        confidence: hypothesis.confidence,
        statement: clean(&hypothesis.statement, SENTENCE),
    }
}

fn deed(action: &Action, hash: &ActionHash) -> DeedShown {
    let shown = |deed| serde_json::to_value(deed).map(clean_value).unwrap_or_default();
    DeedShown {
        id: action.id.clone(),
        hash: hash.clone(),
        kind: clean(&action.kind, TITLE),
        target: clean(&action.target, TITLE),
        environment: clean(&action.plan.environment, TITLE),
        deed: shown(&action.plan.deed),
        undo: action.plan.undo.as_ref().map(shown),
        blast_radius: clean(&action.plan.blast_radius.description, SENTENCE),
        why: clean(&action.why, SENTENCE),
        expires_at: action.expires_at,
    }
}

/// Every text of a small document, cleaned; long lists are cut.
fn clean_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(&text, ARGUMENT)),
        Value::Array(mut items) => {
            let more = items.len().saturating_sub(ARGUMENTS);
            items.truncate(ARGUMENTS);
            let mut items: Vec<Value> = items.into_iter().map(clean_value).collect();
            if more > 0 {
                items.push(Value::String(format!("… and {more} more")));
            }
            Value::Array(items)
        }
        Value::Object(fields) => {
            Value::Object(fields.into_iter().take(ARGUMENTS).map(|(name, value)| (name, clean_value(value))).collect())
        }
        other => other,
    }
}

/// One line without secrets and control characters, of at most `longest` characters.
fn clean(text: &str, longest: usize) -> String {
    // Cut generously before the redactor, so that hostile length costs nothing, and exactly after it.
    let head: String = text.chars().take(longest * 4).collect();
    let mut line = String::new();
    for (place, letter) in redact(&head).chars().enumerate() {
        if place == longest {
            line.push('…');
            break;
        }
        line.push(if letter.is_control() { ' ' } else { letter });
    }
    line
}

fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
