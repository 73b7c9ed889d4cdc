//! What the engine says: findings about entities, gaps it could not see through, and hypotheses ranked from both.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What sort of thing an [`Entity`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// A service, deployment or application: what a team owns and rolls back as one.
    Service,
    /// One running copy of a service.
    Pod,
    /// A machine of a cluster.
    Node,
    /// A namespace or tenant with limits of its own.
    Namespace,
    /// A machine outside a cluster.
    Host,
    /// One log stream or file, where nothing tells which service wrote it.
    LogStream,
}

/// A named thing that can be at fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// What sort of thing.
    pub kind: EntityKind,
    /// Its namespace, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name as the source gives it.
    pub name: String,
}

impl Entity {
    /// An entity without a namespace.
    pub fn new(kind: EntityKind, name: impl Into<String>) -> Self {
        Self { kind, namespace: None, name: name.into() }
    }

    /// The same entity in a namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }
}

/// `service/shop/cart`, or `service/cart` without a namespace.
impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            EntityKind::Service => "service",
            EntityKind::Pod => "pod",
            EntityKind::Node => "node",
            EntityKind::Namespace => "namespace",
            EntityKind::Host => "host",
            EntityKind::LogStream => "log",
        };
        match &self.namespace {
            Some(namespace) => write!(f, "{kind}/{namespace}/{}", self.name),
            None => write!(f, "{kind}/{}", self.name),
        }
    }
}

/// A span of time in Unix milliseconds, `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First millisecond.
    pub start_ms: i64,
    /// Last millisecond.
    pub end_ms: i64,
}

/// The shape of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A kind of log line never seen in the baseline.
    LogNovelty,
    /// A known kind of log line that comes much more or less often.
    LogRateChange,
    /// A kind of log line that stopped.
    LogVanished,
    /// A metric that left its baseline.
    MetricShift,
    /// What is declared and what is there do not agree.
    Contradiction,
    /// Something is visibly broken, which tells where it hurts rather than why.
    Symptom,
    /// Somebody changed something near the onset.
    Change,
    /// Looked at and found healthy: evidence against.
    Healthy,
}

/// One thing seen in the telemetry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Whom it is about.
    pub subject: Entity,
    /// Its shape.
    pub kind: FindingKind,
    /// The fault it argues for (or, for [`FindingKind::Healthy`], against); none for a mere symptom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// When it was seen, where the source tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// How far from normal, 0 (noise) to 1 (cannot be chance).
    pub strength: f64,
    /// How narrowly it names a cause: 0 a bare symptom, 10 "this field of this object is wrong".
    pub specificity: u8,
    /// One line for a person, bounded and without attacker-chosen formatting.
    pub summary: String,
    /// Where it was read: a file, a kubectl call, a PromQL expression.
    pub source: String,
    /// A short literal quotation from the source, if one helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// Numbers behind it for a small chart: `(unix_ms, value)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<(i64, f64)>,
}

/// Something that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// What was looked for.
    pub what: String,
    /// Why it was not seen.
    pub why: String,
}

/// A cause and how sure we are of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis {
    /// The component at fault.
    pub component: Entity,
    /// What is wrong with it.
    pub fault: Fault,
    /// Calibrated probability, 0 to 1.
    pub confidence: f64,
    /// One sentence for a person.
    pub statement: String,
    /// Indices of findings that support it.
    pub supports: Vec<usize>,
    /// Indices of findings that speak against it.
    pub contradicts: Vec<usize>,
}

/// A cause that was considered and dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuledOut {
    /// The component that was suspected.
    pub component: Entity,
    /// The fault that was suspected, if a particular one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Why it is out.
    pub why: String,
    /// Indices of the findings that say so.
    pub because: Vec<usize>,
}

/// The answer: hypotheses best first. Empty means "not enough evidence", which is an answer too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Best first.
    pub hypotheses: Vec<Hypothesis>,
    /// Considered and dropped.
    pub ruled_out: Vec<RuledOut>,
}

/// What can be wrong with a component. The engine's own vocabulary, in the field's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The component writes a kind of error it never wrote before; what lies behind it is not visible.
    NewError,
    /// A known event comes far more or less often.
    RateChange,
    /// An expected event stopped.
    WentSilent,
    /// A resource or service metric left its baseline.
    MetricAnomaly,
    /// A release, configuration or flag change broke it.
    BadChange,
    /// The process or its port does not answer.
    Down,
}

impl Fault {
    /// The snake_case word used in journals and reports.
    pub fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}
