//! The postmortem: a pure reading of the journal.

use crate::evidence::Gap;
use crate::ids::IncidentId;
use crate::investigation::{ActionRecord, Entry, Event, Investigation, Node};
use crate::time::Timestamp;
use serde::Serialize;
use std::fmt::Write;

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// Part of the loop.
    pub node: Node,
    /// What happened.
    pub what: String,
}

/// What happened, why, what was done and whether it helped.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Postmortem {
    /// Which incident.
    pub incident: IncidentId,
    /// One line.
    pub title: String,
    /// Where it stands.
    pub phase: String,
    /// How it ended, in one sentence.
    pub outcome: String,
    /// From opening to the newest entry, milliseconds.
    pub duration_millis: i64,
    /// The leading cause, if there is one: a sentence with its confidence.
    pub cause: Option<String>,
    /// What supports it.
    pub supported_by: Vec<String>,
    /// What was ruled out, and why.
    pub ruled_out: Vec<String>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
    /// What was done, and what became of it.
    pub actions: Vec<String>,
    /// What people remarked.
    pub notes: Vec<String>,
    /// What happened when.
    pub timeline: Vec<Moment>,
}

/// Reads a postmortem off a journal.
pub fn postmortem(case: &Investigation, entries: &[Entry]) -> Postmortem {
    let leading = case.hypotheses.first();
    let evidence_line = |id: &crate::ids::EvidenceId| {
        let evidence = case.evidence.iter().find(|evidence| evidence.id == *id)?;
        Some(format!("{id}: {} ({})", evidence.summary, evidence.source))
    };
    let supported_by = leading.map(|h| h.supports.iter().filter_map(evidence_line).collect()).unwrap_or_default();
    let moment = |entry: &Entry| Moment { at: entry.at, node: entry.event.node(), what: describe(&entry.event) };
    let note = |entry: &Entry| match &entry.event {
        Event::NoteAdded { by, text } => Some(format!("{by}: {text}")),
        Event::HintGiven { by, text, .. } => Some(format!("{by} hinted: {text}")),
        _ => None,
    };
    Postmortem {
        incident: case.id.clone(),
        title: case.signal.title.clone(),
        phase: case.phase.word().to_owned(),
        outcome: outcome(case, entries),
        duration_millis: case.updated_at.millis_since(case.opened_at),
        cause: leading.map(|h| format!("{}: {} ({:.0} % sure)", h.component, h.statement, h.confidence * 100.0)),
        supported_by,
        ruled_out: case.ruled_out.iter().map(|out| format!("{}: {}", out.what, out.why)).collect(),
        gaps: case.gaps.clone(),
        actions: case.actions.iter().map(action_line).collect(),
        notes: entries.iter().filter_map(note).collect(),
        timeline: entries.iter().map(moment).collect(),
    }
}

fn outcome(case: &Investigation, entries: &[Entry]) -> String {
    let last = entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Resolved { .. } | Event::Escalated { .. } | Event::Dismissed { .. } | Event::DeadLettered { .. } => {
            Some(describe(&entry.event))
        }
        _ => None,
    });
    last.filter(|_| case.phase.is_at_rest()).unwrap_or_else(|| format!("still {}", case.phase.word()))
}

fn action_line(record: &ActionRecord) -> String {
    let ActionRecord { action, state, decided_by, .. } = record;
    let by = decided_by.as_ref().map(|by| format!(", decided by {by}")).unwrap_or_default();
    format!("{}: `{}` on {} ({}): {}{by}", action.id, action.kind, action.target, action.why, word(state))
}

/// The snake_case word of a plain enum.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// One line about an event, for timelines in any window.
pub fn describe(event: &Event) -> String {
    match event {
        Event::Opened { signal, .. } => format!("opened by {}: {}", signal.source, signal.title),
        Event::AlertJoined { title, why, .. } => format!("alert joined ({why}): {title}"),
        Event::AlertResolved { .. } => "an alert was resolved by its sender".into(),
        Event::Reopened { .. } => "the alert came back".into(),
        Event::TurnTaken { by, .. } => format!("{by} took a turn"),
        Event::QueriesOpened { queries } => {
            let asked: Vec<_> = queries.iter().map(|query| query.tool.as_str()).collect();
            format!("looking with {}", asked.join(", "))
        }
        Event::EvidenceGathered { call, evidence, millis, .. } => {
            format!("read {call} in {millis} ms: {} findings", evidence.len())
        }
        Event::QueryDeferred { why, until, .. } => format!("a read failed and is tried again at {until}: {why}"),
        Event::QueryFailed { gap, .. } => format!("could not read {}: {}", gap.what, gap.why),
        Event::WaitEnded {} => "waited".into(),
        Event::HypothesesFormed { hypotheses, .. } => match hypotheses.first() {
            Some(h) => format!("believes {}: {} ({:.0} %)", h.component, h.fault, h.confidence * 100.0),
            None => "not enough evidence for a cause".into(),
        },
        Event::TurnRefused { why } => format!("answer refused: {why}"),
        Event::ModelFailed { by, why, .. } => format!("{by} gave no answer to use: {why}"),
        Event::EvidenceShown { evidence } => format!("asks to see {} more pieces of evidence", evidence.len()),
        Event::AnswerHeld { .. } => "the answer waits for a second look".into(),
        Event::Doubted { why, .. } => format!("second look: {why}"),
        Event::ReasonerFailed { why, .. } => format!("the reasoner did not answer: {why}"),
        Event::ActionNotPlanned { draft, why } => format!("`{}` on {} cannot be done: {why}", draft.kind, draft.target),
        Event::ActionProposed { action, .. } => format!("proposes `{}` on {}", action.kind, action.target),
        _ => describe_deed(event),
    }
}

fn describe_deed(event: &Event) -> String {
    match event {
        Event::ActionRuled { ruling, .. } => {
            let ruling = serde_json::to_value(ruling).unwrap_or_default();
            let part = |key| ruling.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
            format!("policy: {}: {}", part("verdict"), part("why"))
        }
        Event::ApprovalRequested { expires_at, .. } => format!("waiting for approval until {expires_at}"),
        Event::ApprovalGranted { action, by, .. } => format!("{by} approved {action}"),
        Event::ApprovalRejected { action, by, comment } => format!("{by} rejected {action}: {comment}"),
        Event::ApprovalExpired { action } => format!("nobody answered about {action} in time"),
        Event::StateChecked { reading, .. } => format!("looked: {} ({})", word(&reading.health), reading.note),
        Event::DeedBlocked { action, why } => format!("{action} was stopped: {why}"),
        Event::ActionStarted { action, attempt, .. } => format!("{action} started, attempt {attempt}"),
        Event::ActionFinished { action, ok: true, .. } => format!("{action} done"),
        Event::ActionFinished { action, output, .. } => format!("{action} failed: {output}"),
        Event::Reconciled { action, applied, note } => {
            format!("looked whether {action} happened: {} ({note})", word(applied))
        }
        Event::Verified { action, outcome, note } => format!("{action} verified: {} ({note})", word(outcome)),
        Event::Resolved { resolution, why, .. } => format!("resolved ({}): {why}", word(resolution)),
        Event::Escalated { why } => format!("escalated: {why}"),
        Event::Dismissed { by, why } => format!("dismissed by {by}: {why}"),
        Event::Retried { by, why } => format!("retried by {by}: {why}"),
        Event::DeadLettered { why } => format!("dead letter: {why}"),
        Event::HintGiven { by, text, .. } => format!("{by} hinted: {text}"),
        Event::NoteAdded { by, text } => format!("{by}: {text}"),
        Event::MergedInto { into, by } => format!("merged into {into} by {by}"),
        Event::SplitOff { into, by, .. } => format!("alerts split off into {into} by {by}"),
        other => other.name(),
    }
}

/// The postmortem as Markdown. Outside text is escaped, so that it can neither format nor link.
pub fn to_markdown(postmortem: &Postmortem) -> String {
    let mut out = String::new();
    let p = postmortem;
    let seconds = p.duration_millis / 1000;
    push(&mut out, format_args!("# {}\n", escape(&p.title)));
    push(&mut out, format_args!("Incident {} · {} · {} s\n", p.incident, p.phase, seconds));
    push(&mut out, format_args!("**Outcome.** {}\n", escape(&p.outcome)));
    let cause = p.cause.as_deref().map_or_else(|| "Not enough evidence for a cause.".to_owned(), escape);
    push(&mut out, format_args!("**Cause.** {cause}\n"));
    list(&mut out, "Evidence", p.supported_by.iter().map(String::as_str));
    list(&mut out, "Ruled out", p.ruled_out.iter().map(String::as_str));
    let gaps: Vec<_> = p.gaps.iter().map(|gap| format!("{}: {}", gap.what, gap.why)).collect();
    list(&mut out, "Could not be read", gaps.iter().map(String::as_str));
    list(&mut out, "Actions", p.actions.iter().map(String::as_str));
    list(&mut out, "Notes", p.notes.iter().map(String::as_str));
    let moments: Vec<_> = p.timeline.iter().map(|m| format!("{} {}: {}", m.at, word(&m.node), m.what)).collect();
    list(&mut out, "Timeline", moments.iter().map(String::as_str));
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{text}");
}

fn list<'a>(out: &mut String, title: &str, items: impl Iterator<Item = &'a str>) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        push(out, format_args!("## {title}\n"));
        items.for_each(|item| push(out, format_args!("- {}", escape(item))));
        out.push('\n');
    }
}

/// One line in which nothing is Markdown or HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().take(1000) {
        match c {
            '\\' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '~' => escaped.extend(['\\', c]),
            '`' => escaped.push('\''),
            // Marks of writing direction make a line read otherwise than it is written.
            c if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
