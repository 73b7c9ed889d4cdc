//! Every component under another name: an engine that knows no system by heart answers the same.

use aho_corasick::{AhoCorasick, MatchKind};
use anyhow::{Context, Result};
use sentinell_evidence::case::{Case, Diagnosis};
use sentinell_evidence::graph::component;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

/// The names of a case's components and what they are called instead.
pub(crate) struct Renamed {
    names: Vec<String>,
    instead: Vec<String>,
}

impl Renamed {
    /// Of everything the case names as somebody's telemetry, call or change.
    pub(crate) fn new(case: &Case) -> Self {
        let subjects =
            case.metrics.iter().map(|series| &series.subject).chain(case.logs.iter().map(|log| &log.subject));
        let subjects = subjects.chain(case.calls.iter().flat_map(|(caller, callee)| [caller, callee]));
        let subjects = subjects.chain(case.changes.iter().map(|change| &change.subject)).chain(&case.suspects);
        let subjects = subjects.chain(case.spans.iter().map(|span| &span.subject));
        let names: BTreeSet<String> = subjects.map(|entity| component(entity).name).collect();
        let names: Vec<String> = names.into_iter().filter(|name| name.len() > 1).collect();
        let instead = names.iter().map(|name| other(name)).collect();
        Self { names, instead }
    }

    /// The case under the new names, in every text of it.
    pub(crate) fn apply(&self, mut case: Case) -> Result<Case> {
        // Values have no names in them, and JSON has no word for those that are not a number.
        let points: Vec<_> = case.metrics.iter_mut().map(|series| std::mem::take(&mut series.points)).collect();
        let mut other: Case = exchange(&case, &self.names, &self.instead)?;
        other.metrics.iter_mut().zip(points).for_each(|(series, points)| series.points = points);
        Ok(other)
    }

    /// What was said, under the old names.
    pub(crate) fn undo(&self, diagnosis: Diagnosis) -> Result<Diagnosis> {
        exchange(&diagnosis, &self.instead, &self.names)
    }
}

/// Every letter thirteen further: a word nobody knows, of the same length, so that printed tables keep their columns.
fn other(name: &str) -> String {
    let turn = |c: char, first: u8| char::from(first + (c as u8 - first + 13) % 26);
    let letter = |c: char| match c {
        'a'..='z' => turn(c, b'a'),
        'A'..='Z' => turn(c, b'A'),
        _ => c,
    };
    name.chars().map(letter).collect()
}

fn exchange<T: Serialize + DeserializeOwned>(value: &T, names: &[String], instead: &[String]) -> Result<T> {
    let matcher = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(names)?;
    let mut tree = serde_json::to_value(value)?;
    walk(&mut tree, &|text| renamed(&matcher, instead, text));
    serde_json::from_value(tree).context("a renamed case does not read back")
}

fn walk(value: &mut Value, rename: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = rename(text),
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, rename)),
        Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, rename)),
        _ => {}
    }
}

/// Whole words only: a name within a longer word is another word.
fn renamed(matcher: &AhoCorasick, instead: &[String], text: &str) -> String {
    let bytes = text.as_bytes();
    let inner = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for found in matcher.find_iter(text) {
        if inner(found.start().checked_sub(1)) || inner(Some(found.end())) {
            continue;
        }
        out.push_str(&text[done..found.start()]);
        out.push_str(&instead[found.pattern().as_usize()]);
        done = found.end();
    }
    out.push_str(&text[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_evidence::finding::{Entity, EntityKind};

    #[test]
    fn names_are_exchanged_as_whole_words_and_back() {
        let pod = Entity::new(EntityKind::Pod, "kiosk-7d9f8b6c5d-x2b4z");
        let case = Case { suspects: vec![pod.clone(), Entity::new(EntityKind::Service, "till")], ..Case::default() };
        let renamed = Renamed::new(&case);
        let other = renamed.apply(case.clone()).unwrap();
        assert_eq!(other.suspects[0].name, "xvbfx-7d9f8b6c5d-x2b4z");
        let matcher = AhoCorasick::new(&renamed.names).unwrap();
        assert_eq!(super::renamed(&matcher, &renamed.instead, "still the tiller"), "still the tiller");
        let said = Diagnosis { gaps: vec![], ..Diagnosis::default() };
        assert_eq!(renamed.undo(said.clone()).unwrap(), said);
        assert_eq!(exchange(&other, &renamed.instead, &renamed.names).unwrap(), case);
    }
}
