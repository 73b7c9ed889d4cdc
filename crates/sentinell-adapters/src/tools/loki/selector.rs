//! The selectors by which a service's streams may be found, the surest first.

use crate::text::{arg, one_line, quoted_label, regex_escaped};
use crate::tools::whose::{HOST, NAMESPACE, POD, SERVICE};
use sentinell_core::evidence::Gap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Selectors that are tried at most.
const MAX_SELECTORS: usize = 16;
/// Labels that a gap names.
const NAMED: usize = 30;

/// One label that must have a value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Matcher {
    label: String,
    value: String,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// It is this.
    Is,
    /// It is a path that ends in this (`namespace/app`).
    EndsIn,
    /// It begins with this and a dash (pods).
    BeginsWith,
}

/// A selector and what it asks of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    /// As LogQL spells it.
    pub(super) text: String,
    matchers: Vec<Matcher>,
}

impl Matcher {
    fn text(&self) -> String {
        let Self { label, value, how } = self;
        match how {
            How::Is => format!("{label}=\"{}\"", quoted_label(value)),
            How::EndsIn => format!("{label}=~\".+/{}\"", quoted_label(&regex_escaped(value))),
            How::BeginsWith => format!("{label}=~\"{}-.+\"", quoted_label(&regex_escaped(value))),
        }
    }

    fn fits(&self, stream: &Value) -> bool {
        let Some(value) = stream[&self.label].as_str() else { return false };
        match self.how {
            How::Is => value == self.value,
            How::EndsIn => value.rsplit_once('/').is_some_and(|(_, end)| end == self.value),
            How::BeginsWith => value.strip_prefix(&self.value).is_some_and(|rest| rest.starts_with('-')),
        }
    }
}

impl Selector {
    fn of(matchers: Vec<Matcher>) -> Self {
        let parts: Vec<String> = matchers.iter().map(Matcher::text).collect();
        Self { text: format!("{{{}}}", parts.join(",")), matchers }
    }

    /// Whether a stream with these labels is one of its.
    pub(super) fn fits(&self, stream: &Value) -> bool {
        self.matchers.iter().all(|matcher| matcher.fits(stream))
    }
}

/// What may lead to what was asked for, by the labels that are there at all.
pub(super) fn possible(args: &BTreeMap<String, String>, names: &BTreeSet<String>) -> Vec<Selector> {
    let there = |known: &[&str]| -> Vec<String> {
        known.iter().filter(|name| names.contains(**name)).map(|name| (*name).to_owned()).collect()
    };
    let matcher = |label: String, value: &str, how| Matcher { label, value: value.chars().take(200).collect(), how };
    let mut found: Vec<Matcher> = vec![];
    if let Some(service) = arg(args, "service") {
        found.extend(there(&SERVICE).into_iter().map(|name| matcher(name, service, How::Is)));
        found.extend(there(&["job"]).into_iter().map(|name| matcher(name, service, How::EndsIn)));
        found.extend(there(&["unit"]).into_iter().map(|name| matcher(name, &format!("{service}.service"), How::Is)));
        found.extend(there(&POD).into_iter().map(|name| matcher(name, service, How::BeginsWith)));
    }
    let others = [("pod", &POD[..]), ("container", &SERVICE[6..9]), ("job", &["job"]), ("instance", &HOST[..])];
    for (name, known) in others {
        if let Some(value) = arg(args, name) {
            found.extend(there(known).into_iter().map(|label| matcher(label, value, How::Is)));
        }
    }
    let place = arg(args, "namespace");
    let place = place.and_then(|value| Some(matcher(there(&NAMESPACE).into_iter().next()?, value, How::Is)));
    if found.is_empty()
        && !["service", "pod", "container", "job", "instance"].iter().any(|name| arg(args, name).is_some())
    {
        return place.map(|place| Selector::of(vec![place])).into_iter().collect();
    }
    let selector = |matcher: Matcher| Selector::of([vec![matcher], place.clone().into_iter().collect()].concat());
    found.into_iter().take(MAX_SELECTORS).map(selector).collect()
}

/// That nothing was found, with what there is.
pub(super) fn nothing(args: &BTreeMap<String, String>, names: &BTreeSet<String>, why: &str) -> Gap {
    let asked: Vec<String> = args
        .iter()
        .filter(|(name, _)| super::LABELS.contains(&name.as_str()))
        .map(|(name, value)| format!("{name} {}", one_line(value, 80)))
        .collect();
    let named: Vec<String> = names.iter().take(NAMED).map(|name| one_line(name, 60)).collect();
    let why = if named.is_empty() {
        "Loki has no streams in that time".to_owned()
    } else {
        format!("{why}; labels there: {}", named.join(", "))
    };
    Gap { what: format!("logs of {} in Loki", asked.join(", ")), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(args: &[(&str, &str)], names: &[&str]) -> Vec<String> {
        let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        possible(&args, &names).into_iter().map(|one| one.text).collect()
    }

    #[test]
    fn only_labels_that_are_there_are_tried() {
        assert_eq!(
            texts(&[("service", "till"), ("namespace", "fair")], &["job", "namespace", "pod", "filename"]),
            [
                r#"{job="till",namespace="fair"}"#,
                r#"{job=~".+/till",namespace="fair"}"#,
                r#"{pod=~"till-.+",namespace="fair"}"#
            ]
        );
        assert_eq!(texts(&[("namespace", "fair")], &["namespace"]), [r#"{namespace="fair"}"#]);
        assert_eq!(texts(&[("service", "till"), ("namespace", "fair")], &["namespace"]), [""; 0]);
    }

    #[test]
    fn a_value_stays_inside_its_quotes() {
        let hostile = "a\"} |= \"\" or {x=~\".*\\";
        for text in texts(&[("service", hostile)], &["app", "job", "pod"]) {
            let inside = text.split_once('"').unwrap().1.strip_suffix("\"}").unwrap();
            assert!(!inside.replace("\\\\", "").replace("\\\"", "").contains('"'), "{text}");
        }
    }

    #[test]
    fn a_stream_is_recognised_by_the_selector_that_found_it() {
        let args = BTreeMap::from([("service".to_owned(), "till".to_owned())]);
        let names = BTreeSet::from(["job".to_owned()]);
        let [is, ends] = possible(&args, &names).try_into().unwrap();
        assert!(is.fits(&json!({"job": "till"})) && !is.fits(&json!({"job": "fair/till"})) && !is.fits(&json!(7)));
        assert!(ends.fits(&json!({"job": "fair/till"})) && !ends.fits(&json!({"job": "fair/untill"})));
    }
}
