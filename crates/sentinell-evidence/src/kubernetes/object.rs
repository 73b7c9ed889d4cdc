//! Kubernetes objects, reduced to the fields the analyzers compare.

use std::collections::BTreeMap;

mod cluster;

pub use cluster::{Claim, Event, NetworkPolicy, Node, Quota, Route, Router, Service, ServicePort, Volume};

/// String pairs: labels, annotations, selectors.
pub type Labels = BTreeMap<String, String>;

/// What every object has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Its namespace; empty for cluster-wide objects.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// True if the cluster has it, false if only a manifest declares it.
    pub live: bool,
}

/// Amounts of cpu and memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Thousandths of a core.
    pub cpu_milli: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// A port as a number or by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortRef {
    /// A number.
    Number(u16),
    /// The name of a container port.
    Name(String),
}

/// A port a container says it listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPort {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its number.
    pub port: u16,
    /// TCP, UDP or SCTP.
    pub protocol: String,
}

/// How a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// An HTTP GET.
    Http(PortRef),
    /// The gRPC health protocol.
    Grpc(PortRef),
    /// Opening a TCP connection.
    Tcp(PortRef),
    /// Running a command.
    Exec,
}

impl Handler {
    /// The port asked, if any.
    pub fn port(&self) -> Option<&PortRef> {
        match self {
            Self::Http(port) | Self::Grpc(port) | Self::Tcp(port) => Some(port),
            Self::Exec => None,
        }
    }

    /// The protocol's word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Http(_) => "HTTP",
            Self::Grpc(_) => "gRPC",
            Self::Tcp(_) => "TCP",
            Self::Exec => "exec",
        }
    }
}

/// A liveness, readiness or startup probe; times in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// How it asks.
    pub handler: Handler,
    /// Before the first try.
    pub delay_s: u64,
    /// For one try.
    pub timeout_s: u64,
    /// Between tries.
    pub period_s: u64,
    /// Failures in a row until it counts.
    pub failures: u64,
}

/// Another object that a pod needs in order to start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// `Secret` or `ConfigMap`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// True if the pod starts without it too.
    pub optional: bool,
}

/// A container as declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image reference.
    pub image: String,
    /// The ports it declares.
    pub ports: Vec<ContainerPort>,
    /// What it asks for.
    pub requests: Amounts,
    /// What it may use at most.
    pub limits: Amounts,
    /// Restarted when this fails.
    pub liveness: Option<Probe>,
    /// Taken out of its services when this fails.
    pub readiness: Option<Probe>,
    /// Restarted when this does not succeed once.
    pub startup: Option<Probe>,
    /// Literal environment variables.
    pub env: BTreeMap<String, String>,
    /// Secrets and config maps named by its environment.
    pub needs: Vec<Need>,
}

/// One condition of a required node affinity term.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirement {
    /// The node label.
    pub key: String,
    /// In, NotIn, Exists, DoesNotExist, Gt, Lt.
    pub operator: String,
    /// The values compared with.
    pub values: Vec<String>,
}

/// A taint of a node, or what a pod tolerates of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taint {
    /// The key; empty in a toleration means every key.
    pub key: String,
    /// The value; none in a toleration means every value.
    pub value: Option<String>,
    /// NoSchedule, PreferNoSchedule, NoExecute; empty in a toleration means every effect.
    pub effect: String,
}

/// What a pod, or a template of pods, declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodSpec {
    /// Its containers.
    pub containers: Vec<Container>,
    /// Containers that run before.
    pub init_containers: Vec<Container>,
    /// Labels a node must have.
    pub node_selector: Labels,
    /// Required node affinity: a node must fulfil all requirements of one of the terms.
    pub node_terms: Vec<Vec<Requirement>>,
    /// True if it refuses to share a node or zone with some pods.
    pub anti_affinity: bool,
    /// Taints it tolerates.
    pub tolerations: Vec<Taint>,
    /// The service account it runs as; empty means `default`.
    pub service_account: String,
    /// Secrets with registry credentials.
    pub pull_secrets: Vec<String>,
    /// Claims it mounts.
    pub claims: Vec<String>,
    /// True if it mounts a claim, a host path or another persistent volume.
    pub persistent: bool,
    /// Secrets and config maps it mounts.
    pub needs: Vec<Need>,
    /// How it resolves names; empty means `ClusterFirst`.
    pub dns_policy: String,
    /// Name servers of its own.
    pub nameservers: Vec<String>,
    /// Names that its hosts file gives an address: they are never asked of a name server.
    pub host_aliases: Labels,
}

impl PodSpec {
    /// Everything that has to exist before its containers start.
    pub fn all_needs(&self) -> impl Iterator<Item = &Need> {
        let containers = self.containers.iter().chain(&self.init_containers);
        self.needs.iter().chain(containers.flat_map(|container| &container.needs))
    }

    /// What its containers ask for together.
    pub fn requests(&self) -> Amounts {
        let sum = |pick: fn(&Container) -> Option<u64>| {
            self.containers
                .iter()
                .filter_map(pick)
                .fold(None, |sum: Option<u64>, more| Some(sum.unwrap_or(0).saturating_add(more)))
        };
        Amounts {
            cpu_milli: sum(|c| c.requests.cpu_milli.or(c.limits.cpu_milli)),
            memory: sum(|c| c.requests.memory.or(c.limits.memory)),
        }
    }
}

/// How a container ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terminated {
    /// OOMKilled, Error, Completed, ContainerCannotRun, …
    pub reason: String,
    /// The process' exit code.
    pub exit_code: Option<i64>,
    /// The last words, if kept.
    pub message: String,
    /// When, unix milliseconds.
    pub at_ms: Option<i64>,
}

/// A container as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerStatus {
    /// The container's name.
    pub name: String,
    /// Passes its readiness probe.
    pub ready: bool,
    /// Times it was started again.
    pub restarts: u64,
    /// Why it waits (CrashLoopBackOff, ImagePullBackOff, …), if it does.
    pub waiting: Option<String>,
    /// What is said about the waiting.
    pub waiting_message: String,
    /// How it ended, if it is not running now.
    pub terminated: Option<Terminated>,
    /// How it ended the time before.
    pub last: Option<Terminated>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Name and labels.
    pub meta: Meta,
    /// What it declares.
    pub spec: PodSpec,
    /// Pending, Running, Succeeded, Failed, or what kubectl prints instead (`ImagePullBackOff`).
    pub phase: String,
    /// The node it is on; empty before scheduling.
    pub node: String,
    /// Its address; empty before it has one.
    pub ip: String,
    /// What created it: kind and name.
    pub owner: Option<(String, String)>,
    /// All containers pass their readiness probes.
    pub ready: bool,
    /// Its containers.
    pub statuses: Vec<ContainerStatus>,
}

impl Pod {
    /// Not on any node yet.
    pub fn unscheduled(&self) -> bool {
        self.node.is_empty() && self.phase == "Pending"
    }

    /// Restarts of all containers together.
    pub fn restarts(&self) -> u64 {
        self.statuses.iter().map(|status| status.restarts).fold(0, u64::saturating_add)
    }
}

/// A Deployment, StatefulSet, DaemonSet or ReplicaSet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workload {
    /// Deployment, StatefulSet, …
    pub kind: String,
    /// Name and labels.
    pub meta: Meta,
    /// Copies wanted.
    pub replicas: Option<u64>,
    /// Copies ready.
    pub ready: Option<u64>,
    /// The labels of its pods it looks for.
    pub selector: Labels,
    /// The labels its pods get.
    pub pod_labels: Labels,
    /// The annotations its pods get.
    pub pod_annotations: Labels,
    /// What its pods declare.
    pub template: PodSpec,
    /// What created it: kind and name.
    pub owner: Option<(String, String)>,
}
