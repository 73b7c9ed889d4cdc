//! The conversation so far: what the model was told, what it said, what came of it.

use super::case::{self, deed_line, evidence_line, gap_line, hypothesis_line};
use super::page::QUOTE;
use super::{Briefing, Desk, Page, quote};
use crate::investigation::{Exchange, Investigation, Mark};
use crate::model::{Message, Reply};
use std::collections::BTreeSet;

/// The longest first page, bytes: more evidence than this costs more than it tells.
const FIRST_PAGE: usize = 60 * 1024;

/// The messages of one request, within `limit` bytes. A conversation that does not fit, or that no provider would take
/// back, is condensed into one page.
pub(super) fn messages(
    case: &Investigation,
    desk: &Desk,
    rank: &dyn Fn(&Investigation) -> Briefing,
    limit: usize,
    conclude: bool,
) -> Vec<Message> {
    let first = (limit * 3 / 5).min(FIRST_PAGE);
    if !case.talk.is_empty() && calls_are_distinct(&case.talk) {
        let said = conversation(case, desk, rank, first, conclude);
        if said.iter().map(cost).sum::<usize>() <= limit {
            return said;
        }
    }
    let tail = tail(case, conclude, limit / 4);
    let refused = case.talk.last().and_then(|last| last.refused.as_deref());
    let refused = refused.map(|why| format!("Your last answer was not accepted: {}\n", quote(why, QUOTE)));
    let (tail, whole) = (refused.unwrap_or_default() + &tail, limit.min(FIRST_PAGE));
    // A case that nobody has spoken about yet looks as it will at the head of the conversation.
    let whole = if case.talk.is_empty() { first } else { whole };
    let text = case::page(case, desk, &rank(case), whole.min(limit.saturating_sub(tail.len() + 40))) + &tail;
    vec![Message::Told { answers: vec![], text }]
}

/// What a message is taken for, bytes.
pub(super) fn cost(message: &Message) -> usize {
    match message {
        Message::Told { answers, text } => {
            text.len() + answers.iter().map(|(id, text)| id.len() + text.len() + 40).sum::<usize>() + 16
        }
        Message::Said(reply) => said(reply) + 16,
    }
}

fn said(reply: &Reply) -> usize {
    let calls = reply.calls.iter().map(|call| call.id.len() + call.name.len() + call.args.to_string().len() + 40);
    let plain = reply.text.len() + calls.sum::<usize>();
    // Which of both forms goes back is the adapter's to decide.
    plain.max(if reply.verbatim.is_null() { 0 } else { reply.verbatim.to_string().len() })
}

/// Providers refuse calls without an id, and ids that come twice.
fn calls_are_distinct(talk: &[Exchange]) -> bool {
    let mut seen = BTreeSet::new();
    talk.iter().flat_map(|turn| &turn.reply.calls).all(|call| !call.id.is_empty() && seen.insert(&call.id))
        && talk.iter().all(|turn| !turn.reply.calls.is_empty() || !turn.reply.text.trim().is_empty())
}

fn conversation(
    case: &Investigation,
    desk: &Desk,
    rank: &dyn Fn(&Investigation) -> Briefing,
    first: usize,
    conclude: bool,
) -> Vec<Message> {
    let mut messages = vec![];
    let mut answers = vec![];
    for (place, turn) in case.talk.iter().enumerate() {
        let then = case.as_of(&turn.mark);
        let text = match place.checked_sub(1).and_then(|before| case.talk.get(before)) {
            None => case::page(&then, desk, &rank(&then), first),
            Some(before) => since(&then, before, &rank(&then), first / 4),
        };
        messages.push(Message::Told { answers: std::mem::take(&mut answers), text });
        messages.push(Message::Said(turn.reply.clone()));
        answers = answers_to(turn);
    }
    if let Some(last) = case.talk.last() {
        let text = since(case, last, &rank(case), first / 4) + &tail(case, conclude, first / 4);
        messages.push(Message::Told { answers, text });
    }
    messages
}

fn answers_to(turn: &Exchange) -> Vec<(String, String)> {
    let text = turn.refused.as_ref().map_or_else(
        || "Taken; what came of it stands below.".to_owned(),
        |why| format!("Not accepted: {}", quote(why, QUOTE)),
    );
    turn.reply.calls.iter().map(|call| (call.id.clone(), text.clone())).collect()
}

/// What happened since a turn.
fn since(case: &Investigation, turn: &Exchange, briefing: &Briefing, limit: usize) -> String {
    let mark: &Mark = &turn.mark;
    let longest = (limit / 8).clamp(40, QUOTE);
    let mut page = Page::new(limit);
    if let Some(why) = &turn.refused {
        page.line(&format!("Your answer was not accepted: {}", quote(why, longest)));
    }
    let found = case.evidence.get(mark.evidence..).unwrap_or_default();
    let mut found: Vec<_> = found.iter().collect();
    found.sort_by(|a, b| b.strength.total_cmp(&a.strength));
    page.section("New evidence", found.into_iter().map(|piece| evidence_line(piece, longest)), limit / 2);
    let asked = case.evidence.iter().filter(|piece| case.shown.contains(&piece.id));
    page.section("Evidence you asked for", asked.map(|piece| evidence_line(piece, longest)), limit / 3);
    let gaps = case.gaps.get(mark.gaps..).unwrap_or_default();
    page.section("Could not be read", gaps.iter().map(|gap| gap_line(gap, longest)), limit / 5);
    let known = |id, state| mark.actions.iter().any(|(action, then)| action == id && *then == state);
    let moved = case.actions.iter().filter(|record| !known(&record.action.id, record.state));
    let unplanned = case.not_planned.iter().skip(mark.not_planned).map(|(draft, why)| {
        format!("{} on {} could not be planned: {}", quote(&draft.kind, 80), quote(&draft.target, 120), quote(why, 160))
    });
    let deeds = moved.map(|record| deed_line(record, record.state)).chain(unplanned);
    page.section("Deeds", deeds.collect::<Vec<_>>(), limit / 4);
    let ranked = briefing.hypotheses.iter().take(5).map(|h| hypothesis_line(h, longest.min(160)));
    page.section("The engine ranks now", ranked, limit / 4);
    let text = page.finish();
    if text.is_empty() { "Nothing new came of it.\n".to_owned() } else { text }
}

/// What stands at the end of the newest message only.
fn tail(case: &Investigation, conclude: bool, limit: usize) -> String {
    let mut page = Page::new(limit);
    let spoken = case.hints.iter().rev().take(10).map(|hint| {
        let named = |what: &str, name: &Option<String>| {
            name.as_ref().map(|name| format!(" {what} {}", quote(name, 100))).unwrap_or_default()
        };
        format!("{}{}{}", quote(&hint.text, QUOTE), named("suspects", &hint.suspect), named("excludes", &hint.exclude))
    });
    page.section("Responders say", spoken.collect::<Vec<_>>(), limit * 3 / 4);
    if conclude {
        page.line("\nThis is the last turn: look_at is not accepted any more; propose or conclude.");
    }
    page.finish()
}
