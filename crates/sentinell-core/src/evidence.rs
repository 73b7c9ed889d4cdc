//! What the eyes saw: raw observations on their way to the engine, and the evidence that the journal keeps.

use crate::ids::{EvidenceId, QueryId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One question to one tool. Arguments are data; the tool validates them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Unique within the incident.
    pub id: QueryId,
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub args: BTreeMap<String, String>,
    /// Why it is asked, for the timeline.
    pub why: String,
}

/// One log line as a tool read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, if the source tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Its level in the source's words, if it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The text.
    pub text: String,
    /// The trace it was written in, if the source tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// One span of a trace: work that one component did for a request, as OpenTelemetry has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The trace it belongs to.
    pub trace: String,
    /// Its own id, unique within the trace.
    pub id: String,
    /// The span that waited for it; none for the first of its trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Who did the work.
    pub subject: String,
    /// What the work is called.
    pub operation: String,
    /// When it began, Unix microseconds.
    pub start_us: i64,
    /// How long it took, microseconds.
    pub duration_us: i64,
    /// Whether it says itself that it failed.
    pub failed: bool,
}

/// One thing somebody changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// deploy, config, flag, scale, commit.
    pub kind: String,
    /// What was changed (a service, a repository).
    pub subject: String,
    /// One line.
    pub summary: String,
    /// A commit id, a revision number, a URL.
    pub reference: String,
    /// Paths or fields it touched.
    #[serde(default)]
    pub touched: Vec<String>,
    /// Who did it, as the source tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// Telemetry as a tool read it; bounded by the tool, redacted by the hall, condensed by the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Telemetry {
    /// Lines of one stream, oldest first.
    Logs {
        /// Who wrote them (a service or pod name, a file name).
        subject: String,
        /// Where they were read.
        source: String,
        /// The lines.
        lines: Vec<LogLine>,
        /// Lines of a quiet time to compare with; may be empty.
        baseline: Vec<LogLine>,
    },
    /// One time series.
    Metric {
        /// Whose it is.
        subject: String,
        /// The metric's name.
        name: String,
        /// Its labels.
        labels: BTreeMap<String, String>,
        /// Where it was read.
        source: String,
        /// `[unix_ms, value]`, oldest first.
        points: Vec<(i64, f64)>,
    },
    /// One object or list of the Kubernetes API.
    KubernetesJson {
        /// As `kubectl get -o json` prints it.
        object: Value,
    },
    /// What a read-only kubectl call printed.
    KubernetesText {
        /// The call without the program.
        argv: Vec<String>,
        /// Its output.
        output: String,
    },
    /// Spans, any order.
    Traces {
        /// Where they were read.
        source: String,
        /// The spans.
        spans: Vec<Span>,
    },
    /// Something changed.
    Change {
        /// What.
        change: Change,
    },
    /// Who calls whom.
    Call {
        /// The caller.
        caller: String,
        /// The callee.
        callee: String,
    },
    /// Something remembered that is like this case.
    Precedent {
        /// What.
        precedent: Precedent,
    },
    /// What a stranger's program said, in its own words: told to whoever reasons, and judged by nobody.
    Text {
        /// Whom it was asked about.
        subject: String,
        /// Who said it.
        source: String,
        /// The lines, in their order.
        lines: Vec<String>,
    },
}

/// A past incident with its outcome, or a runbook: context for whoever reasons, never a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Precedent {
    /// incident or runbook.
    pub kind: String,
    /// The incident's id or the runbook's name.
    pub reference: String,
    /// One line.
    pub title: String,
    /// Whom it was about.
    pub subject: String,
    /// When; none for a runbook.
    pub at: Option<Timestamp>,
    /// How it ended, or what the runbook does; one line.
    pub outcome: String,
    /// Why it is told: the same fingerprint, words in common, a like meaning.
    pub why: String,
}

/// Something that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// What was looked for.
    pub what: String,
    /// Why it was not seen.
    pub why: String,
}

/// A tool's whole answer to one query.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// What was read.
    pub telemetry: Vec<Telemetry>,
    /// What could not be.
    pub gaps: Vec<Gap>,
    /// The call as a person could repeat it (`kubectl get pods -n shop`, a PromQL expression).
    pub call: String,
}

/// A piece of evidence in the journal: one finding of the engine and the address of what it was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Unique within the incident; what claims cite.
    pub id: EvidenceId,
    /// The query that brought it.
    pub query: QueryId,
    /// Whom it is about (`service/shop/cart`).
    pub subject: String,
    /// The finding's shape in the engine's words (`contradiction`, `log_novelty`, …).
    pub kind: String,
    /// One line for a person and, escaped and bounded, for a model.
    pub summary: String,
    /// How far from normal, 0 to 1.
    pub strength: f64,
    /// Where it was read, as a person could look it up.
    pub source: String,
    /// Whether an outside attacker could have written what it rests on (log text, messages: yes; API objects: no).
    pub outsider_can_write: bool,
    /// The engine's whole finding, for ranking and for charts.
    pub finding: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of an observation is read again years later.
    #[test]
    fn every_kind_of_telemetry_is_read_back_as_it_was_kept() {
        let change = Change {
            at: Timestamp(1),
            kind: "deploy".into(),
            subject: "service/till".into(),
            summary: "v2".into(),
            reference: "5".into(),
            touched: vec![],
            author: None,
        };
        let span = Span {
            trace: "t".into(),
            id: "s".into(),
            parent: None,
            subject: "till".into(),
            operation: "pay".into(),
            start_us: 1,
            duration_us: 2,
            failed: false,
        };
        let line = LogLine { at: None, level: None, text: "no".into(), trace: Some("t".into()) };
        let logs = Telemetry::Logs { subject: "till".into(), source: "a".into(), lines: vec![line], baseline: vec![] };
        let metric = Telemetry::Metric {
            subject: "till".into(),
            name: "cpu".into(),
            labels: BTreeMap::new(),
            source: "a".into(),
            points: vec![(1, 0.5)],
        };
        let telemetry = vec![
            logs,
            metric,
            Telemetry::KubernetesJson { object: serde_json::json!({ "kind": "Pod" }) },
            Telemetry::KubernetesText { argv: vec!["get".into()], output: "none".into() },
            Telemetry::Traces { source: "a".into(), spans: vec![span] },
            Telemetry::Change { change },
            Telemetry::Call { caller: "web".into(), callee: "till".into() },
            Telemetry::Precedent {
                precedent: Precedent {
                    kind: "incident".into(),
                    reference: "i1".into(),
                    title: "till is down".into(),
                    subject: "till".into(),
                    at: Some(Timestamp(1)),
                    outcome: "resolved".into(),
                    why: "the same alert".into(),
                },
            },
            Telemetry::Text { subject: "till".into(), source: "a".into(), lines: vec!["on call: Ann".into()] },
        ];
        let seen = Observation { telemetry, gaps: vec![], call: "x".into() };
        let kept = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Observation>(&kept).unwrap(), seen);
    }
}
