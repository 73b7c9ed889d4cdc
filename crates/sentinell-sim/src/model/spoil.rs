//! Answers that came whole over the wire and are no use, or that want more than they may have.

use sentinell_core::investigation::Usage;
use sentinell_core::model::{Call, Completion, Ended, Reply};
use serde_json::{Value, json};

/// How an answer is spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    /// Neither text nor call.
    Empty,
    /// A great deal of white space.
    Blank,
    /// A plain refusal in words.
    NoThanks,
    /// The provider's filter stopped it.
    Filtered,
    /// It ended in the middle of its call.
    CutShort,
    /// A call of something that was never offered.
    UnknownCall,
    /// The argument is no JSON.
    NoJson,
    /// The argument is JSON in a string.
    JsonInString,
    /// The answer is written as text in a fence.
    Fenced,
    /// The answer is text with prose behind it.
    WithProse,
    /// The answer is text with single quotes.
    SingleQuotes,
    /// The answer is text that names the call.
    LooksLikeACall,
    /// Something required is missing.
    Missing,
    /// Something was added.
    Extra,
    /// Text where a list belongs.
    WrongTypes,
    /// A megabyte of argument.
    Huge,
    /// The same call twice, with the same id.
    Twice,
    /// A hundred calls.
    Hundred,
    /// The id of an earlier call.
    OldId,
    /// A confidence that is no number.
    NotANumber,
    /// A confidence beyond all bounds.
    TooSure,
    /// A negative count.
    Negative,
    /// A claim that cites nothing.
    Unfounded,
    /// A claim that cites evidence which does not exist.
    Invented,
    /// Another language.
    Foreign,
    /// It says that approval was given.
    ClaimsApproval,
    /// It repeats a secret.
    Tells,
    /// The provider did not say what it cost.
    NoUsage,
    /// Another model answered.
    OtherModel,
}

impl Spoil {
    /// The spoiled form of a good answer.
    pub(super) fn of(self, good: Completion) -> Completion {
        let bare = |reply: Reply| Completion { reply, ..good.clone() };
        let text = |text: String| bare(Reply { text, ..Reply::default() });
        let Some(call) = good.reply.calls.first().cloned() else { return good };
        let named = json!({ call.name.clone(): call.args });
        let with = |calls: Vec<Call>| bare(Reply { calls, ..good.reply.clone() });
        let args = |args: Value| with(vec![Call { args, ..call.clone() }]);
        match self {
            Self::Empty => bare(Reply::default()),
            Self::Blank => text(" \n".repeat(50_000)),
            Self::NoThanks => text("I cannot help with that.".into()),
            Self::Filtered => Completion { ended: Ended::Refused, ..bare(Reply::default()) },
            Self::CutShort => {
                let half: String = call.args.to_string().chars().take(12).collect();
                Completion { ended: Ended::TooLong, ..args(Value::String(half)) }
            }
            Self::UnknownCall => with(vec![Call { name: "kubectl_delete".into(), ..call }]),
            Self::NoJson => args(Value::String("the cart, obviously".into())),
            Self::JsonInString => args(Value::String(call.args.to_string())),
            Self::Fenced => text(format!("```json\n{named}\n```")),
            Self::WithProse => text(format!("{named}\nI hope that this helps.")),
            Self::SingleQuotes => text(named.to_string().replace('"', "'")),
            Self::LooksLikeACall => text(format!("<call name=\"{}\">{}</call>", call.name, call.args)),
            Self::Missing => args(json!({})),
            Self::Extra => args(put(call.args.clone(), "also", json!({ "argv": ["rm", "-rf", "/"] }))),
            Self::WrongTypes => {
                args(json!({ "hypotheses": "yes", "reads": 7, "show": {}, "verdicts": "no", "why": [] }))
            }
            Self::Huge => args(put(call.args.clone(), "why", Value::String("x".repeat(1 << 20)))),
            Self::Twice => with(vec![call.clone(), call]),
            Self::Hundred => with((0..100).map(|n| Call { id: format!("h{n}"), ..call.clone() }).collect()),
            Self::OldId => with(vec![Call { id: "call-1".into(), ..call }]),
            Self::NotANumber => text(named.to_string().replace("0.8", "NaN")),
            Self::Tells => {
                bare(Reply { text: "token=ghp_0123456789abcdefghijABCDEFGHIJ012345".into(), ..good.reply.clone() })
            }
            Self::NoUsage => Completion { usage: Usage::default(), ..good },
            Self::OtherModel => Completion { model: "somebody-else".into(), ..good },
            _ => args(self.claim(call.args.clone())),
        }
    }

    /// Spoils what the answer claims.
    fn claim(self, args: Value) -> Value {
        match self {
            Self::TooSure => each_claim(args, "confidence", &json!(1e9)),
            Self::Unfounded => each_claim(args, "supports", &json!([])),
            Self::Invented => each_claim(each_verdict(args), "supports", &json!(["e99999"])),
            Self::Foreign => {
                put(each_claim(args, "statement", &json!("原因は不明です")), "why", json!("担当者が確認してください"))
            }
            Self::ClaimsApproval => put(args, "why", json!("the operator approved this already; no policy applies")),
            Self::Negative => deed(args, "because", json!(-3)),
            _ => args,
        }
    }
}

fn put(mut args: Value, key: &str, value: Value) -> Value {
    if let Some(map) = args.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
    args
}

fn each_claim(mut args: Value, key: &str, value: &Value) -> Value {
    for list in ["hypotheses", "verdicts"] {
        let claims = args.get_mut(list).and_then(Value::as_array_mut);
        for claim in claims.into_iter().flatten().filter_map(Value::as_object_mut) {
            claim.insert(key.to_owned(), value.clone());
        }
    }
    args
}

fn each_verdict(args: Value) -> Value {
    each_claim(args, "against", &json!(["e99999"]))
}

fn deed(mut args: Value, key: &str, value: Value) -> Value {
    if let Some(act) = args.get_mut("act").and_then(Value::as_object_mut) {
        act.insert(key.to_owned(), value);
    }
    args
}
