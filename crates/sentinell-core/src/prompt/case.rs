//! A case on one page: what called for help, what was found, what the engine makes of it.

use super::page::QUOTE;
use super::{Briefing, Desk, Page, quote};
use crate::evidence::{Evidence, Gap};
use crate::hypothesis::{Hypothesis, RuledOut};
use crate::ids::EvidenceId;
use crate::investigation::{ActionRecord, ActionState, Investigation};
use std::collections::BTreeSet;

/// Most pieces of evidence on a page: the strongest.
const PIECES: usize = 120;
/// Ids of left-out evidence that are named.
const NAMED: usize = 24;

/// The whole case within `limit` bytes.
pub(super) fn page(case: &Investigation, desk: &Desk, briefing: &Briefing, limit: usize) -> String {
    let share = |percent: usize| limit * percent / 100;
    let longest = (limit / 12).clamp(40, QUOTE);
    let mut head = Page::new(share(20));
    let signal = &case.signal;
    head.line("# Incident");
    head.line(&format!("title: {}", quote(&signal.title, longest)));
    head.line(&format!("occurred at: {}", signal.occurred_at));
    head.line(&format!("text: {}", quote(&signal.text, longest)));
    for (key, value) in signal.labels.iter().take(30) {
        head.line(&format!("label {}: {}", quote(key, 60), quote(value, longest.min(120))));
    }
    let mut rest = Page::new(share(50));
    rest.section("Could not be read", case.gaps.iter().map(|gap| gap_line(gap, longest)), share(8));
    let believed = briefing.hypotheses.iter().take(10).map(|h| hypothesis_line(h, longest));
    rest.section("Ranked by the evidence engine", believed, share(15));
    let dropped = briefing.ruled_out.iter().take(20).map(|out| ruled_out_line(out, longest));
    rest.section("Ruled out by it", dropped, share(7));
    rest.section("Runbooks that fit", runbooks(desk, briefing, share(10)), share(12));
    rest.section("Deeds so far", deeds(case), share(8));
    let (head, rest) = (head.finish(), rest.finish());
    let found = evidence(case, &first(case, briefing), longest, limit.saturating_sub(head.len() + rest.len()));
    head + &found + &rest
}

/// The evidence worth most, strongest first, with a pointer to what was left out.
fn evidence(case: &Investigation, first: &BTreeSet<&EvidenceId>, longest: usize, limit: usize) -> String {
    let mut pieces: Vec<&Evidence> = case.fresh_evidence().iter().collect();
    let key = |evidence: &&Evidence| (first.contains(&evidence.id), evidence.strength);
    pieces.sort_by(|a, b| key(b).0.cmp(&key(a).0).then(b.strength.total_cmp(&a.strength)));
    if pieces.is_empty() {
        return String::new();
    }
    let mut page = Page::new(limit.saturating_sub(NAMED * 6 + 160));
    page.line("\n# Evidence");
    let mut left_out = vec![];
    for (count, piece) in pieces.into_iter().enumerate() {
        let shown = count < PIECES && page.line(&format!("- {}", evidence_line(piece, longest)));
        if !shown {
            left_out.push(piece.id.as_str());
        }
    }
    let mut text = page.finish();
    if !left_out.is_empty() {
        let (count, named) = (left_out.len(), left_out.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "));
        let more = if count > NAMED { ", …" } else { "" };
        let note = format!(
            "- ({count} weaker pieces were left out for want of room: {named}{more}; look_at with `show` shows them)\n"
        );
        if text.len() + note.len() <= limit {
            text.push_str(&note);
        }
    }
    text
}

/// What was asked for and what the engine's ranking rests on comes first.
fn first<'a>(case: &'a Investigation, briefing: &'a Briefing) -> BTreeSet<&'a EvidenceId> {
    let cited = briefing.hypotheses.iter().take(5).flat_map(|h| h.supports.iter().chain(&h.contradicts).take(6));
    case.shown.iter().chain(cited).collect()
}

pub(super) fn evidence_line(evidence: &Evidence, longest: usize) -> String {
    let (id, kind, strength) = (&evidence.id, &evidence.kind, evidence.strength);
    let mark = if evidence.outsider_can_write { "~" } else { "" };
    format!(
        "{id}{mark} [{kind} {strength:.2}] {}: {}",
        quote(&evidence.subject, 100),
        quote(&evidence.summary, longest)
    )
}

pub(super) fn gap_line(gap: &Gap, longest: usize) -> String {
    format!("{}: {}", quote(&gap.what, 100), quote(&gap.why, longest))
}

pub(super) fn hypothesis_line(h: &Hypothesis, longest: usize) -> String {
    let ids = |ids: &[EvidenceId]| ids.iter().take(6).map(EvidenceId::as_str).collect::<Vec<_>>().join(" ");
    let against = if h.contradicts.is_empty() { String::new() } else { format!(", against {}", ids(&h.contradicts)) };
    let (fault, sure) = (quote(&h.fault, 80), h.confidence);
    let (component, says) = (quote(&h.component, 100), quote(&h.statement, longest));
    format!("{component} {fault} {sure:.2}: {says} [for {}{against}]", ids(&h.supports))
}

fn ruled_out_line(out: &RuledOut, longest: usize) -> String {
    format!("{}: {}", quote(&out.what, 100), quote(&out.why, longest.min(160)))
}

fn runbooks(desk: &Desk, briefing: &Briefing, longest: usize) -> Vec<String> {
    let fits = |book: &&crate::runbook::Runbook| briefing.hypotheses.iter().any(|h| book.applies_to(h));
    let line = |book: &crate::runbook::Runbook| {
        let cure = briefing.hypotheses.iter().filter(|h| book.applies_to(h)).find_map(|h| book.draft(h));
        let cure = cure.map_or_else(
            || "advice for a person".to_owned(),
            |draft| format!("propose {} on {}", draft.kind, quote(&draft.target, 120)),
        );
        let text: String = book.text.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{}: {cure}. {}", quote(&book.name, 120), quote(&text, (longest / 3).clamp(40, 600)))
    };
    desk.runbooks.iter().filter(fits).take(6).map(line).collect()
}

pub(super) fn deeds(case: &Investigation) -> Vec<String> {
    let done = case.actions.iter().map(|record| deed_line(record, record.state));
    let unplanned = case.not_planned.iter().map(|(draft, why)| {
        format!("{} on {} could not be planned: {}", quote(&draft.kind, 80), quote(&draft.target, 120), quote(why, 160))
    });
    done.chain(unplanned).collect()
}

pub(super) fn deed_line(record: &ActionRecord, state: ActionState) -> String {
    let action = &record.action;
    let seen = record.readings.last().map(|(_, reading)| format!("; last look: {}", quote(&reading.note, 120)));
    let output =
        if record.output.is_empty() { String::new() } else { format!("; it said {}", quote(&record.output, 120)) };
    let state = word(state);
    format!(
        "{} {} on {}: {state}{output}{}",
        action.id,
        action.kind,
        quote(&action.target, 120),
        seen.unwrap_or_default()
    )
}

fn word(state: ActionState) -> &'static str {
    match state {
        ActionState::Proposed => "proposed",
        ActionState::Denied => "denied by the policy",
        ActionState::AwaitingApproval => "waiting for a person",
        ActionState::Authorized => "permitted",
        ActionState::Rejected => "a person said no",
        ActionState::Expired => "nobody answered in time",
        ActionState::Withdrawn => "withdrawn",
        ActionState::Blocked => "stopped at the last moment",
        ActionState::Started => "begun",
        ActionState::InDoubt => "nobody can tell whether it happened",
        ActionState::Done => "done",
        ActionState::Failed => "failed",
        ActionState::Fixed => "done, and it helped",
        ActionState::Unhelpful => "done, and it did not help",
    }
}
