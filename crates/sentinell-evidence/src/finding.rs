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
    /// Requests take longer somewhere, or take another turn, than they used to.
    TraceChange,
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
    /// It no longer carries through the requests that reach it: steps that always followed are left out.
    WorkCutShort,
    /// Requests fail in it, and not because of what it calls.
    RequestsFail,
    /// Its own work takes longer, whoever asks for it.
    SlowWork,
    /// A release, configuration or flag change broke it.
    BadChange,
    /// The process or its port does not answer.
    Down,
    /// An image that its registry does not have, or a reference that is none.
    ImageNotFound,
    /// The registry refuses: credentials are missing or wrong.
    ImagePullDenied,
    /// The registry's name does not resolve.
    RegistryUnresolvable,
    /// The container ends again and again; its own words have to tell why.
    CrashLoop,
    /// Killed because it used more memory than its limit.
    OutOfMemory,
    /// The liveness probe speaks a protocol that the container does not.
    LivenessProbeProtocol,
    /// The liveness probe asks a port that the container does not listen on.
    LivenessProbePort,
    /// The liveness probe leaves less time than the container needs.
    LivenessProbeTiming,
    /// The readiness probe speaks a protocol that the container does not.
    ReadinessProbeProtocol,
    /// The readiness probe asks a port that the container does not listen on.
    ReadinessProbePort,
    /// No node fulfils the pod's node affinity.
    NodeAffinityMismatch,
    /// No node has the labels the pod asks for.
    NodeSelectorMismatch,
    /// The nodes that would do are cordoned.
    NodesCordoned,
    /// The nodes that would do have a taint the pod does not tolerate.
    TaintNotTolerated,
    /// The pod refuses to share a node with a pod that is already everywhere.
    PodAntiAffinityConflict,
    /// It asks for more cpu than any node can give.
    InsufficientCpu,
    /// It asks for more memory than any node can give.
    InsufficientMemory,
    /// The namespace may not use more cpu.
    CpuQuotaExceeded,
    /// The namespace may not use more memory.
    MemoryQuotaExceeded,
    /// The namespace may not have more pods.
    PodQuotaExceeded,
    /// The namespace may not have more services.
    ServiceQuotaExceeded,
    /// The namespace may not use more storage.
    StorageQuotaExceeded,
    /// A claim's selector fits no volume.
    ClaimSelectorMismatch,
    /// A claim's storage class does not exist or differs from the volume's.
    ClaimStorageClassMismatch,
    /// A claim asks for an access mode that no volume has.
    ClaimAccessModeMismatch,
    /// A claim asks for more than any volume has.
    ClaimCapacityMismatch,
    /// The volume a claim could use belongs to another claim.
    VolumeAlreadyBound,
    /// The process may not read or write what is mounted.
    VolumePermissionDenied,
    /// A secret that the pod needs is not there.
    MissingSecret,
    /// A config map that the pod needs is not there.
    MissingConfigMap,
    /// The service account the pod runs as is not there.
    MissingServiceAccount,
    /// The registry credentials that the pod names are not there.
    MissingImagePullSecret,
    /// A service selects no pods.
    ServiceSelectorMismatch,
    /// A service sends to a port that its pods do not have.
    ServicePortMismatch,
    /// A service speaks another protocol than its pods.
    ServiceProtocolMismatch,
    /// A client's configuration names a host or port that no service has.
    ServiceAddressMismatch,
    /// A gateway sends requests elsewhere than it should.
    RouteMismatch,
    /// Two processes of one pod want the same port.
    SidecarPortConflict,
    /// Scaled down to nothing.
    ZeroReplicas,
    /// Names of the cluster do not resolve.
    DnsFailure,
    /// The database refuses the client's credentials.
    DatabaseCredentials,
    /// The client looks for its database on a port where there is none.
    DatabasePort,
    /// The database takes no more connections.
    DatabaseConnectionsExhausted,
    /// The database does not take writes.
    DatabaseReadOnly,
    /// The container runtime of a node does not run.
    ContainerRuntimeDown,
    /// The kubelet of a node does not run.
    KubeletDown,
    /// The proxy that makes services reachable does not run on a node.
    KubeProxyDown,
    /// Nothing puts pods on nodes.
    SchedulerDown,
    /// It wants more cpu than it gets.
    CpuOverload,
    /// It takes the processor from everybody else on its machine.
    NoisyNeighbour,
    /// Its disk or volume takes nothing more.
    DiskFull,
    /// The certificate that it shows has run out.
    CertificateExpired,
    /// Its packets arrive late.
    NetworkDelay,
    /// Its packets do not all arrive.
    NetworkLoss,
    /// Its sessions wait for locks that others hold.
    LockContention,
    /// What it has copied is far behind what it copies.
    ReplicationLag,
    /// Its rules (pod security, limit ranges, webhooks) do not admit what is asked.
    AdmissionRefused,
}

impl Fault {
    /// The snake_case word used in journals and reports.
    pub fn word(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}
