//! What pods run on and what leads to them: services, nodes, quotas, storage, routes, policies, events.

use super::{Amounts, Labels, Meta, PortRef, Requirement, Taint};
use std::collections::BTreeMap;

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The port clients use.
    pub port: u16,
    /// The port of the pods behind.
    pub target: PortRef,
    /// TCP, UDP or SCTP.
    pub protocol: String,
    /// The application protocol it declares, if it does.
    pub app_protocol: Option<String>,
}

/// A service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// Name and labels.
    pub meta: Meta,
    /// ClusterIP, NodePort, LoadBalancer, ExternalName.
    pub kind: String,
    /// The labels of the pods behind it.
    pub selector: Labels,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Its address.
    pub cluster_ip: String,
    /// The name that an ExternalName service stands for; empty for others.
    pub stands_for: String,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Name and labels.
    pub meta: Meta,
    /// The Ready condition; none if it was not read or is unknown.
    pub ready: Option<bool>,
    /// What the Ready condition says.
    pub ready_reason: String,
    /// Cordoned.
    pub unschedulable: bool,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// What pods may use.
    pub allocatable: Amounts,
    /// Conditions other than Ready that say something is wrong.
    pub pressure: Vec<String>,
    /// Its system services (`kubelet`, `containerd`, …) as systemd sees them: (state, quotation).
    pub units: BTreeMap<String, (String, String)>,
}

impl Node {
    /// Whether a unit that is started at boot does not run.
    pub fn lacks_a_unit(&self) -> bool {
        self.units.values().any(|(state, quotation)| match state.as_str() {
            "failed" => true,
            "activating" => quotation.contains("auto-restart"),
            "inactive" | "deactivating" => quotation.ends_with("; enabled"),
            _ => false,
        })
    }

    /// A node that runs the control plane, which usually takes no other pods.
    pub fn control_plane(&self) -> bool {
        self.meta.labels.iter().any(|(key, value)| {
            matches!(key.as_str(), "node-role.kubernetes.io/control-plane" | "node-role.kubernetes.io/master")
                || (key == "kubernetes.io/role" && matches!(value.as_str(), "master" | "control-plane"))
        })
    }
}

/// A resource quota: resource name to (used, hard), in thousandths for cpu, bytes for memory and storage, else counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quota {
    /// Name and labels.
    pub meta: Meta,
    /// The limits.
    pub limits: BTreeMap<String, (u64, u64)>,
}

/// A persistent volume claim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Name and labels.
    pub meta: Meta,
    /// Pending, Bound, Lost.
    pub phase: String,
    /// The class asked for; none means the default class, empty means none at all.
    pub class: Option<String>,
    /// Bytes asked for.
    pub size: Option<u64>,
    /// Access modes asked for, as short words (RWO, ROX, RWX, RWOP).
    pub modes: Vec<String>,
    /// Labels a volume must have.
    pub selector: Labels,
    /// Further conditions on a volume's labels.
    pub terms: Vec<Requirement>,
    /// The volume asked for or bound; empty if none.
    pub volume: String,
}

/// A persistent volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volume {
    /// Name and labels.
    pub meta: Meta,
    /// Available, Bound, Released, Failed.
    pub phase: String,
    /// Its class.
    pub class: String,
    /// Its bytes.
    pub size: Option<u64>,
    /// Its access modes, as short words.
    pub modes: Vec<String>,
    /// The claim it belongs to (`namespace/name`); empty if none.
    pub claim: String,
}

/// One route of a gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// What the route calls itself, if anything.
    pub id: String,
    /// The path it serves, if it tells.
    pub path: String,
    /// The host it sends to.
    pub host: String,
    /// The environment variable that overrides the host, if one does.
    pub variable: Option<String>,
    /// The port it sends to, if it tells.
    pub port: Option<u16>,
}

/// A thing that routes: an Ingress, an HTTPRoute, a VirtualService, a config map with a gateway's routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Router {
    /// Its kind.
    pub kind: String,
    /// Name and labels.
    pub meta: Meta,
    /// Its routes.
    pub routes: Vec<Route>,
}

/// A network policy that isolates pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Name and labels.
    pub meta: Meta,
    /// The pods it selects.
    pub selector: Labels,
    /// It lets nothing in.
    pub denies_ingress: bool,
    /// It lets nothing out.
    pub denies_egress: bool,
    /// It restricts what goes out and does not let port 53 through.
    pub blocks_dns: bool,
}

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The kind of object it is about (`Pod`).
    pub kind: String,
    /// The object's namespace; empty if not told.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// `Warning` rather than `Normal`.
    pub warning: bool,
    /// CamelCase reason.
    pub reason: String,
    /// What happened.
    pub message: String,
    /// How often.
    pub count: u64,
    /// Seconds since it was last seen, if told as an age.
    pub age_s: Option<u64>,
}
