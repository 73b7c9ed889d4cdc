//! The index of a suite: one case a line, and what it is graded by apart from it.

use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// One case as the predicting code sees it.
#[derive(Debug, Default)]
pub(crate) struct Line(Map<String, Value>);

impl Line {
    /// A field's text; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        text(&self.0, name).unwrap_or("")
    }

    /// A field's whole number, if it is one.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    /// A field's list of texts; empty if there is none.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        self.0.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

/// What a case is graded by: its `truth_` fields.
#[derive(Debug, Default)]
pub(crate) struct Truth(Map<String, Value>);

impl Truth {
    /// A field's text, by its name without `truth_`.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        text(&self.0, &format!("truth_{name}"))
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

/// The cases of an index, each with its truth, if the index has any.
pub(crate) fn read(index: &str) -> impl Iterator<Item = Result<(Line, Option<Truth>)>> {
    index.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let fields = serde_json::from_str(line).context("a line of the index is not a JSON object")?;
        Ok(apart(fields))
    })
}

fn apart(fields: Map<String, Value>) -> (Line, Option<Truth>) {
    let (truth, line): (Map<_, _>, Map<_, _>) = fields.into_iter().partition(|(key, _)| key.starts_with("truth_"));
    (Line(line), (!truth.is_empty()).then_some(Truth(truth)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_case_is_graded_by_is_taken_away() {
        let index = r#"{"id":"x","truth_object":"app/a","truth_root_cause":"oom_killed","truth_other":{"deep":1}}

            {"id":"y"}"#;
        let mut cases = read(index).map(Result::unwrap);
        let (line, truth) = cases.next().unwrap();
        assert_eq!(line.0.keys().collect::<Vec<_>>(), ["id"]);
        let truth = truth.unwrap();
        assert_eq!((truth.text("object"), truth.text("root_cause")), (Some("app/a"), Some("oom_killed")));
        assert!(cases.next().unwrap().1.is_none());
    }
}
