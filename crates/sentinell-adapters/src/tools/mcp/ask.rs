//! What the operator wants asked at the first look, with placeholders for what the incident is about.

use crate::text::{label, one_line};
use sentinell_core::investigation::Investigation;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Characters of a label's value that are passed on.
const VALUE: usize = 200;
/// Labels under which a service goes.
const SERVICE: [&str; 6] = ["service", "service_name", "app", "deployment", "job", "container"];

/// A question with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct McpAsk {
    /// The tool, one of those that are allowed.
    pub tool: String,
    /// Its arguments; in their texts `{service}` stands for a label of the incident, `{onset}` for when it began.
    pub args: Map<String, Value>,
    /// Labels that the incident must have, with these values; `*` is any.
    pub when: BTreeMap<String, String>,
    /// Why it is asked; may be empty.
    pub why: String,
}

impl McpAsk {
    /// The arguments for a case; none if it is not to be asked about it, or if a label that is needed is not there or is
    /// not a plain word where it is put into a longer text.
    pub(super) fn about(&self, case: &Investigation) -> Option<Map<String, Value>> {
        let fits = |(name, wanted): (&String, &String)| {
            let found = value(case, name);
            found.is_some_and(|found| wanted == "*" || found == *wanted)
        };
        if !self.when.iter().all(fits) {
            return None;
        }
        self.args.iter().map(|(name, value)| Some((name.clone(), filled(value, case)?))).collect()
    }
}

/// Whom a case is about, as evidence names it.
pub(super) fn subject(case: &Investigation) -> Option<String> {
    let service = one_line(label(case, &SERVICE)?, VALUE);
    Some(match label(case, &["namespace"]) {
        Some(namespace) => format!("service/{}/{service}", one_line(namespace, VALUE)),
        None => format!("service/{service}"),
    })
}

fn value(case: &Investigation, name: &str) -> Option<String> {
    match name {
        "onset" => Some(case.signal.occurred_at.to_string()),
        "service" => label(case, &SERVICE).map(str::to_owned),
        name => label(case, &[name]).map(str::to_owned),
    }
}

fn filled(value: &Value, case: &Investigation) -> Option<Value> {
    Some(match value {
        Value::String(text) => Value::String(filled_text(text, case)?),
        Value::Array(items) => items.iter().map(|item| filled(item, case)).collect::<Option<_>>()?,
        Value::Object(map) => {
            let pairs = map.iter().map(|(name, value)| Some((name.clone(), filled(value, case)?)));
            Value::Object(pairs.collect::<Option<_>>()?)
        }
        other => other.clone(),
    })
}

/// A text that is nothing but a placeholder becomes the label, whatever it is: it stays one argument. Within a longer text
/// (a query, a path) only a plain word is put, because a label is written by whoever sends the signal.
fn filled_text(text: &str, case: &Investigation) -> Option<String> {
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|name| is_name(name)) {
        return Some(one_line(&value(case, name)?, VALUE));
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let name = from[1..].split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
        let Some(name) = name else {
            out.push('{');
            rest = &from[1..];
            continue;
        };
        out.push_str(&value(case, name).filter(|value| is_plain(value))?);
        rest = &from[name.len() + 2..];
    }
    out.push_str(rest);
    Some(out)
}

/// What may be a label's name; anything else between braces is text.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
}

fn is_plain(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | '@' | '+');
    !value.is_empty() && value.len() <= VALUE && value.chars().all(plain) && !value.contains("..")
}
