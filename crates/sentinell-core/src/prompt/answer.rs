//! What a model may call, and how its answer is read.

use crate::action::ActionDraft;
use crate::hypothesis::{Hypothesis, RuledOut};
use crate::ids::{EvidenceId, HypothesisId};
use crate::investigation::{Decision, Turn};
use crate::model::{Call, Completion, Ended, Offer, Reply};
use crate::ports::Question;
use crate::redact::redact;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Longest text of a reply that the journal keeps, characters.
const TEXT: usize = 16_000;
/// Longest argument of a call, bytes of JSON.
const ARGUMENT: usize = 32 * 1024;
/// Most calls of one reply.
const CALLS: usize = 16;
/// Longest provider's own form, bytes of JSON.
const VERBATIM: usize = 128 * 1024;
/// Longest sentence of an answer, characters.
const SENTENCE: usize = 1_000;
/// Most hypotheses of one answer.
const HYPOTHESES: usize = 12;

/// The three offers. The same every time, so that a provider can keep them warm.
pub(super) fn offers() -> Vec<Offer> {
    let text = json!({ "type": "string" });
    let ids = json!({ "type": "array", "items": text });
    let map = json!({ "type": "object", "additionalProperties": text });
    let object = |properties: Value, required: &[&str]| json!({ "type": "object", "properties": properties, "required": required });
    let list = |item: Value| json!({ "type": "array", "items": item });
    let hypotheses = list(object(
        json!({ "component": text, "fault": text, "confidence": { "type": "number" }, "statement": text,
            "supports": ids, "contradicts": ids }),
        &["component", "fault", "confidence", "statement", "supports"],
    ));
    let ruled_out = list(object(json!({ "what": text, "why": text, "because": ids }), &["what", "why"]));
    let reads = list(object(json!({ "tool": text, "args": map, "why": text }), &["tool"]));
    let act = object(
        json!({ "kind": text, "target": text, "params": map, "because": { "type": "integer" }, "why": text }),
        &["kind", "target", "because", "why"],
    );
    let offer =
        |name: &str, description: &str, schema| Offer { name: name.into(), description: description.into(), schema };
    vec![
        offer(
            "look_at",
            "Ask for more reads, or show evidence that was left out.",
            object(json!({ "reads": reads, "show": ids }), &[]),
        ),
        offer(
            "propose",
            "Propose one deed that would cure a hypothesis.",
            object(json!({ "hypotheses": hypotheses, "ruled_out": ruled_out, "act": act }), &["hypotheses", "act"]),
        ),
        offer(
            "conclude",
            "Hand over to a person with what is known.",
            object(json!({ "hypotheses": hypotheses, "ruled_out": ruled_out, "why": text }), &["hypotheses", "why"]),
        ),
    ]
}

/// A reply as the journal keeps it and as it goes back: bounded, without secrets. The provider's own form goes only if
/// nothing had to be taken out of it.
pub fn keep(reply: &Reply) -> Reply {
    let text: String = redact(&reply.text).chars().take(TEXT).collect();
    let calls: Vec<Call> = reply.calls.iter().take(CALLS).map(keep_call).collect();
    let verbatim = &reply.verbatim;
    let spelled = verbatim.to_string();
    let whole = text == reply.text && calls == reply.calls && spelled.len() <= VERBATIM && is_clean(verbatim);
    Reply { text, calls, wire: reply.wire.clone(), verbatim: if whole { verbatim.clone() } else { Value::Null } }
}

fn keep_call(call: &Call) -> Call {
    let short = |text: &str, longest| redact(text).chars().take(longest).collect::<String>();
    let spelled = call.args.to_string();
    let args = if spelled.len() > ARGUMENT {
        Value::String(format!("[left out: {} KiB]", spelled.len() / 1024))
    } else {
        clean(&call.args)
    };
    Call { id: short(&call.id, 128), name: short(&call.name, 64), args }
}

/// The same value with secrets masked in every string.
fn clean(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(redact(text).into_owned()),
        Value::Array(items) => items.iter().map(clean).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), clean(value))).collect(),
        other => other.clone(),
    }
}

/// Whether no string of it holds a secret. A signature is nobody's secret, and must not be touched.
fn is_clean(value: &Value) -> bool {
    match value {
        Value::String(text) => redact(text) == text.as_str(),
        Value::Array(items) => items.iter().all(is_clean),
        Value::Object(map) => map.iter().all(|(key, value)| key == "signature" || key == "data" || is_clean(value)),
        _ => true,
    }
}

#[derive(Deserialize)]
struct LookAt {
    #[serde(default)]
    reads: Vec<Question>,
    #[serde(default)]
    show: Vec<String>,
}

#[derive(Deserialize)]
struct Propose {
    hypotheses: Vec<Claim>,
    #[serde(default)]
    ruled_out: Vec<Dropped>,
    act: Wish,
}

#[derive(Deserialize)]
struct Conclude {
    hypotheses: Vec<Claim>,
    #[serde(default)]
    ruled_out: Vec<Dropped>,
    why: String,
}

#[derive(Deserialize)]
struct Claim {
    component: String,
    fault: String,
    confidence: f64,
    statement: String,
    supports: Vec<String>,
    #[serde(default)]
    contradicts: Vec<String>,
}

#[derive(Deserialize)]
struct Dropped {
    what: String,
    why: String,
    #[serde(default)]
    because: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    kind: String,
    target: String,
    #[serde(default)]
    params: BTreeMap<String, String>,
    because: usize,
    why: String,
}

/// Reads a model's answer as a turn. What cannot be read is a turn, too: paid for, and [`Decision::Unclear`] in words
/// that can be sent back.
pub fn read(completion: &Completion, conclude: bool) -> Turn {
    let reply = keep(&completion.reply);
    let answer = answer(&reply, completion.ended, conclude).unwrap_or_else(|why| Answer {
        decision: Decision::Unclear(bounded(&why)),
        ..Answer::of(Decision::Conclude(String::new()))
    });
    let Answer { hypotheses, ruled_out, decision, show } = answer;
    Turn {
        by: bounded(&completion.model),
        usage: completion.usage,
        hypotheses,
        ruled_out,
        gaps: vec![],
        decision,
        reply: Some(Box::new(reply)),
        show,
        doubt: false,
        lost: vec![],
    }
}

struct Answer {
    hypotheses: Vec<Hypothesis>,
    ruled_out: Vec<RuledOut>,
    decision: Decision,
    show: Vec<EvidenceId>,
}

impl Answer {
    fn of(decision: Decision) -> Self {
        Self { hypotheses: vec![], ruled_out: vec![], decision, show: vec![] }
    }
}

fn answer(reply: &Reply, ended: Ended, conclude: bool) -> Result<Answer, String> {
    match ended {
        Ended::TooLong => return Err("the answer was cut off at its longest; say it shorter".into()),
        Ended::Refused => return Err("the model refused to answer".into()),
        Ended::Finished => {}
    }
    let calls = if reply.calls.is_empty() { vec![from_text(&reply.text)?] } else { reply.calls.clone() };
    if let Some(strange) = calls.iter().find(|call| !["look_at", "propose", "conclude"].contains(&call.name.as_str())) {
        return Err(format!("there is nothing to call named `{}`; call look_at, propose or conclude", strange.name));
    }
    let (looks, finals): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.name == "look_at");
    match finals.as_slice() {
        // Who asks for more and answers in one breath is given more first.
        _ if !looks.is_empty() && !conclude => look_at(&looks),
        [call] if call.name == "propose" => propose(argument(call)?),
        [call] => concluded(argument(call)?),
        [] => Err("this was the last turn: look_at is not accepted any more; propose or conclude".into()),
        many => Err(format!("one answer is wanted, not {}", many.len())),
    }
}

/// An answer that was written instead of called: `{"conclude": {…}}` or `{"name": "conclude", "arguments": {…}}`.
fn from_text(text: &str) -> Result<Call, String> {
    let nothing = || "no call and no JSON object: call look_at, propose or conclude".to_owned();
    let start = text.find('{').ok_or_else(nothing)?;
    let mut values = serde_json::Deserializer::from_str(text.get(start..).unwrap_or_default()).into_iter::<Value>();
    let value = values.next().ok_or_else(nothing)?;
    let value = value.map_err(|error| format!("the answer is not the JSON object asked for: {error}"))?;
    let Value::Object(map) = value else { return Err(nothing()) };
    let call = |name: &str, args: &Value| Call { id: String::new(), name: name.to_owned(), args: args.clone() };
    if let Some(name) = map.get("name").and_then(Value::as_str) {
        let args = ["arguments", "args", "parameters", "input"].into_iter().find_map(|key| map.get(key));
        return Ok(call(name, args.unwrap_or(&Value::Null)));
    }
    match map.iter().next() {
        Some((name, args)) if map.len() == 1 => Ok(call(name, args)),
        _ => Err(nothing()),
    }
}

fn argument<T: DeserializeOwned>(call: &Call) -> Result<T, String> {
    let wrong = |error: serde_json::Error| format!("the argument of {} is not as asked for: {error}", call.name);
    match &call.args {
        // Some servers hand the argument over as text.
        Value::String(text) => serde_json::from_str(text).map_err(wrong),
        args => T::deserialize(args).map_err(wrong),
    }
}

fn look_at(calls: &[&Call]) -> Result<Answer, String> {
    let (mut questions, mut show) = (vec![], vec![]);
    for call in calls {
        let LookAt { reads, show: wanted } = argument(call)?;
        questions.extend(reads.into_iter().map(|question| Question { why: bounded(&question.why), ..question }));
        show.extend(ids(wanted));
    }
    if questions.is_empty() && show.is_empty() {
        return Err("look_at names no reads and no evidence to show".into());
    }
    Ok(Answer { show, ..Answer::of(Decision::LookAt(questions)) })
}

fn propose(asked: Propose) -> Result<Answer, String> {
    let Propose { hypotheses, ruled_out, act } = asked;
    let Wish { kind, target, params, because, why } = act;
    let count = hypotheses.len();
    if because == 0 || because > count.min(HYPOTHESES) {
        return Err(format!("`because` is {because}, but there are {count} hypotheses"));
    }
    let (kind, target, why) = (bounded(&kind), bounded(&target), bounded(&why));
    let draft = ActionDraft { kind, target, params, because: place(because), why };
    claims(hypotheses, ruled_out, Decision::Act(draft))
}

fn concluded(asked: Conclude) -> Result<Answer, String> {
    let why = bounded(&asked.why);
    claims(asked.hypotheses, asked.ruled_out, Decision::Conclude(why))
}

fn claims(claims: Vec<Claim>, dropped: Vec<Dropped>, decision: Decision) -> Result<Answer, String> {
    if let Some(claim) = claims.iter().find(|claim| !(0.0..=1.0).contains(&claim.confidence)) {
        return Err(format!("confidence {} is not between 0 and 1", claim.confidence));
    }
    let hypothesis = |(index, claim): (usize, Claim)| Hypothesis {
        id: place(index + 1),
        component: bounded(&claim.component),
        fault: bounded(&claim.fault),
        confidence: claim.confidence,
        statement: bounded(&claim.statement),
        supports: ids(claim.supports),
        contradicts: ids(claim.contradicts),
    };
    let ruled_out =
        |out: Dropped| RuledOut { what: bounded(&out.what), why: bounded(&out.why), because: ids(out.because) };
    Ok(Answer {
        hypotheses: claims.into_iter().take(HYPOTHESES).enumerate().map(hypothesis).collect(),
        ruled_out: dropped.into_iter().take(40).map(ruled_out).collect(),
        decision,
        show: vec![],
    })
}

/// Evidence ids as models spell them (`[E1]`).
pub(super) fn ids(spelled: Vec<String>) -> Vec<EvidenceId> {
    let mut ids: Vec<EvidenceId> = vec![];
    for text in spelled.into_iter().take(100) {
        let id: String = text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().chars().take(40).collect();
        if !ids.iter().any(|known| known.as_str() == id) {
            ids.push(EvidenceId(id));
        }
    }
    ids
}

pub(super) fn place(number: usize) -> HypothesisId {
    HypothesisId(format!("h{number}"))
}

/// A model's words on one bounded line.
pub(super) fn bounded(text: &str) -> String {
    let line: String = redact(text).chars().map(|c| if c.is_control() { ' ' } else { c }).take(SENTENCE).collect();
    line.trim().to_owned()
}
