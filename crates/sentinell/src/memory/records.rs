//! What is remembered of a signal, an entry, a journal and a runbook. Fields come from what the system knows; what a caller
//! sent along (`metadata`) is never among them.

use crate::intake::github::changes_within;
use crate::runbooks::Document;
use crate::store::{Kind, Record, TakenSignal};
use sentinell_core::evidence::{Change, Evidence};
use sentinell_core::ids::{Fingerprint, IncidentId};
use sentinell_core::investigation::{ActionState, Entry, Event, Investigation};
use sentinell_core::postmortem::postmortem;
use sentinell_core::signal::{Signal, SignalType};
use sentinell_core::time::Timestamp;
use serde_json::{Value, json};

/// Labels that name a service, the best first.
const SERVICE: [&str; 7] = ["service", "service_name", "deployment", "app", "container", "job", "pod"];
/// Pieces of evidence that tell what an incident looked like.
const SEEN: usize = 12;
/// Repeats are counted elsewhere, and what its sender takes back is no news.
const OLD_NEWS: [&str; 2] = ["repeat", "resolve"];

/// The service that a signal is about.
pub(crate) fn service_of(signal: &Signal) -> Option<String> {
    SERVICE.iter().find_map(|name| signal.labels.get(*name)).filter(|name| !name.is_empty()).cloned()
}

/// The name at the end of `service/shop/cart`.
fn name_of(subject: &str) -> Option<String> {
    let name = subject.rsplit('/').next().unwrap_or(subject);
    (!name.is_empty() && !subject.starts_with("log/")).then(|| name.to_owned())
}

/// A sender's clock may be ahead of ours; nothing is remembered from the future.
fn when(signal: &Signal) -> Timestamp {
    signal.occurred_at.min(signal.received_at)
}

/// What is remembered of a signal.
pub(super) fn of_signal(taken: &TakenSignal) -> Vec<Record> {
    let signal = &taken.signal;
    if OLD_NEWS.contains(&taken.decision.as_str()) {
        return vec![];
    }
    if signal.signal_type == SignalType::Github {
        let changes = changes_within(&signal.metadata, Timestamp(0), signal.received_at.plus_seconds(86_400));
        if !changes.is_empty() {
            return changes.iter().map(|change| of_change(taken, change)).collect();
        }
    }
    let kind = if signal.signal_type == SignalType::Slack { Kind::Slack } else { Kind::Signal };
    let id = match &taken.incident {
        // The same text again within an incident is the same record.
        Some(incident) => Record::id_of(kind, &[incident.as_str(), &signal.source, &signal.title, &signal.text]),
        None => Record::id_of(kind, &[signal.id.0.as_str()]),
    };
    vec![Record { id, ..blank(kind, taken) }]
}

fn blank(kind: Kind, taken: &TakenSignal) -> Record {
    let signal = &taken.signal;
    Record {
        id: String::new(),
        kind,
        at: when(signal),
        taken_at: signal.received_at,
        repo_id: signal.repo_id.clone(),
        service: service_of(signal),
        incident: taken.incident.clone(),
        title: signal.title.clone(),
        text: signal.text.clone(),
        reference: signal.source_ref.clone(),
        facts: json!({ "source": signal.source, "severity": signal.severity, "signal": signal.id }),
    }
}

fn of_change(taken: &TakenSignal, change: &Change) -> Record {
    let signal = &taken.signal;
    Record {
        id: Record::id_of(Kind::Commit, &[&change.subject, &change.kind, &change.reference]),
        at: change.at.min(signal.received_at),
        service: name_of(&change.subject),
        title: change.summary.clone(),
        text: format!("{} {}\n{}", change.kind, change.subject, change.touched.join("\n")),
        reference: Some(change.reference.clone()),
        facts: json!({ "kind": change.kind, "subject": change.subject, "author": change.author }),
        ..blank(Kind::Commit, taken)
    }
}

/// What is remembered of an entry: an incident that opens, shapes of log lines.
pub(super) fn of_entry(entry: &Entry) -> Vec<Record> {
    match &entry.event {
        Event::Opened { signal, fingerprint, .. } => vec![opened(entry, signal, fingerprint)],
        Event::EvidenceGathered { evidence, .. } => evidence
            .iter()
            .filter(|evidence| evidence.kind.starts_with("log_"))
            .map(|one| template(entry, one))
            .collect(),
        _ => vec![],
    }
}

/// Whether an incident came to rest with this.
pub(super) fn is_an_end(event: &Event) -> bool {
    matches!(
        event,
        Event::Resolved { .. } | Event::Escalated { .. } | Event::Dismissed { .. } | Event::DeadLettered { .. }
    ) || matches!(event, Event::Verified { .. } | Event::NoteAdded { .. })
}

fn incident(id: &IncidentId, signal: &Signal, at: Timestamp, facts: Value) -> Record {
    Record {
        id: Record::id_of(Kind::Incident, &[id.as_str()]),
        kind: Kind::Incident,
        at,
        taken_at: at,
        repo_id: signal.repo_id.clone(),
        service: service_of(signal),
        incident: Some(id.clone()),
        title: signal.title.clone(),
        text: signal.text.clone(),
        reference: Some(id.0.clone()),
        facts,
    }
}

fn opened(entry: &Entry, signal: &Signal, fingerprint: &Fingerprint) -> Record {
    incident(&entry.incident, signal, entry.at, json!({ "fingerprint": fingerprint, "phase": "queued" }))
}

fn template(entry: &Entry, evidence: &Evidence) -> Record {
    Record {
        id: Record::id_of(Kind::Template, &[entry.incident.as_str(), &evidence.subject, &evidence.summary]),
        kind: Kind::Template,
        at: entry.at,
        taken_at: entry.at,
        repo_id: None,
        service: name_of(&evidence.subject),
        incident: Some(entry.incident.clone()),
        title: evidence.summary.clone(),
        text: String::new(),
        reference: Some(entry.incident.0.clone()),
        facts: json!({ "subject": evidence.subject, "finding": evidence.kind, "source": evidence.source }),
    }
}

/// An incident as its journal tells it, and its story once it is at rest; nothing of a journal that cannot be folded.
pub(super) fn of_journal(entries: &[Entry]) -> Vec<Record> {
    let Ok(case) = Investigation::replay(entries) else { return vec![] };
    let Some(Event::Opened { fingerprint, .. }) = entries.first().map(|entry| &entry.event) else { return vec![] };
    if !case.phase.is_at_rest() {
        return vec![];
    }
    let story = postmortem(&case, entries);
    let leading = case.hypotheses.first();
    let helped = case.actions.iter().find(|record| record.state == ActionState::Fixed);
    let done = helped.or(case.actions.last()).map(|record| {
        json!({ "kind": record.action.kind, "target": record.action.target, "why": record.action.why, "state": record.state })
    });
    let facts = json!({
        "fingerprint": fingerprint,
        "phase": case.phase.word(),
        "resolution": case.resolution(),
        "outcome": story.outcome,
        "cause": leading.map(|h| json!({ "component": h.component, "fault": h.fault, "confidence": h.confidence })),
        "action": done,
        "runbook": helped.and_then(|record| runbook_of(&record.action.why)),
    });
    let seen = case.evidence.iter().filter(|evidence| evidence.strength > 0.0).take(SEEN);
    let seen: Vec<&str> = seen.map(|evidence| evidence.summary.as_str()).collect();
    let cause = story.cause.clone().unwrap_or_default();
    let told = Record {
        text: format!("{}\n{cause}\n{}", case.signal.text, seen.join("\n")),
        ..incident(&case.id, &case.signal, case.opened_at, facts.clone())
    };
    let parts = [vec![story.outcome, cause], story.supported_by, story.actions, story.notes, story.ruled_out].concat();
    let whole = Record {
        id: Record::id_of(Kind::Postmortem, &[case.id.as_str()]),
        kind: Kind::Postmortem,
        text: parts.join("\n"),
        facts: json!({ "phase": case.phase.word(), "outcome": facts["outcome"] }),
        ..told.clone()
    };
    vec![told, whole]
}

/// The runbook that an action names as its reason.
fn runbook_of(why: &str) -> Option<&str> {
    why.strip_prefix("runbook \"")?.strip_suffix('"')
}

/// What is remembered of a runbook.
pub(super) fn of_runbook(book: &Document, now: Timestamp) -> Record {
    let Document { name, runbook } = book;
    Record {
        id: Record::id_of(Kind::Runbook, &[name]),
        kind: Kind::Runbook,
        at: now,
        taken_at: now,
        repo_id: None,
        service: None,
        incident: None,
        title: runbook.name.clone(),
        text: format!("{}\n{}", runbook.when.fault.join(" ").replace('_', " "), runbook.text),
        reference: Some(name.clone()),
        facts: json!({
            "fault": runbook.when.fault, "component": runbook.when.component,
            "action": runbook.action.as_ref().map(|action| action.kind.as_str()),
        }),
    }
}
