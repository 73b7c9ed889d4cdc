//! What goes into the engine: everything that was read about one incident, in columns and slices, and what comes out.

use crate::finding::{Entity, Finding, Gap, Ranking, Window};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Tracing and debugging.
    Debug,
    /// Normal operation.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
    /// The process cannot go on.
    Fatal,
}

/// One log line as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Unix milliseconds, where the source or the line itself tells.
    pub at_ms: Option<i64>,
    /// Its level, where the source tells (the engine looks into the text too).
    pub level: Option<Level>,
    /// The text, one line or one joined stack trace.
    pub text: String,
    /// The trace it was written in, where the source tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// The lines of one stream, oldest first, and an earlier quiet stretch to compare with, if there is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogStream {
    /// Who wrote it.
    pub subject: Entity,
    /// Where it was read (a path, a query).
    pub source: String,
    /// The lines under suspicion.
    pub lines: Vec<LogLine>,
    /// Lines of a time known to be good. Empty: the engine splits `lines` at the onset, or by itself.
    pub baseline: Vec<LogLine>,
}

/// One time series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Whose it is.
    pub subject: Entity,
    /// The metric's name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Where it was read (a file, a PromQL expression).
    pub source: String,
    /// `(unix_ms, value)`, any order; NaN and duplicates are tolerated.
    pub points: Vec<(i64, f64)>,
}

/// One span of a trace: some work that one component did for a request (OpenTelemetry's span).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The trace it belongs to.
    pub trace: String,
    /// Its own id, unique within the trace.
    pub id: String,
    /// The span that waited for it; none for the trace's root.
    pub parent: Option<String>,
    /// Who did the work.
    pub subject: Entity,
    /// What the work is called.
    pub operation: String,
    /// When it began, Unix microseconds.
    pub start_us: i64,
    /// How long it took, microseconds.
    pub duration_us: i64,
    /// Whether it says itself that it failed.
    pub failed: bool,
}

/// Something somebody changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Unix milliseconds.
    pub at_ms: i64,
    /// What was changed.
    pub subject: Entity,
    /// deploy, config, flag, scale, commit.
    pub kind: String,
    /// One line (a commit's title, a revision's image).
    pub summary: String,
    /// Where to look it up (a commit id, a revision number).
    pub reference: String,
    /// The paths or fields it touched, if known.
    pub touched: Vec<String>,
    /// What runs the changed version, where only a part of the component does (the pods of a canary).
    #[serde(default)]
    pub members: Vec<Entity>,
}

/// Kubernetes as it was read: the API's JSON, or what kubectl printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KubernetesRead {
    /// One object or a `List`, as `kubectl get -o json` prints it (or the same as YAML, parsed).
    Json(serde_json::Value),
    /// The printed answer of a read-only kubectl call.
    Text {
        /// The call without the program: `["get", "pods", "-n", "shop", "-o", "wide"]`.
        argv: Vec<String>,
        /// What it printed.
        output: String,
    },
}

/// Everything read about one incident.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Case {
    /// When it began, Unix milliseconds, if known; otherwise the engine detects it.
    pub onset_ms: Option<i64>,
    /// What the alert named, if anything.
    pub suspects: Vec<Entity>,
    /// Log streams.
    pub logs: Vec<LogStream>,
    /// Time series.
    pub metrics: Vec<Series>,
    /// Spans, any order. Those of traces that began before the onset show how it usually is.
    pub spans: Vec<Span>,
    /// Cluster state.
    pub kubernetes: Vec<KubernetesRead>,
    /// Changes near the onset.
    pub changes: Vec<Change>,
    /// Who calls whom: `(caller, callee)`.
    pub calls: Vec<(Entity, Entity)>,
    /// What was already known to be unreadable.
    pub gaps: Vec<Gap>,
}

/// What the engine makes of a [`Case`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The onset used, given or detected.
    pub onset: Option<Window>,
    /// Everything seen, strongest first.
    pub findings: Vec<Finding>,
    /// Causes, best first.
    pub ranking: Ranking,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}
