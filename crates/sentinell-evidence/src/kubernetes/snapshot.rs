//! A cluster as it was read: typed objects and what connects them.

use super::object::{Claim, Event, Labels, NetworkPolicy, Node, Pod, Quota, Router, Service, Volume, Workload};
use super::read::Documents;
use super::{extract, merge, routing};
use crate::case::KubernetesRead;
use crate::finding::{Entity, EntityKind, Gap};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// `(kind, namespace, name)`; the namespace is empty for cluster-wide objects.
type Key = (String, String, String);

/// Everything known about a cluster. Built once, read by all analyzers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Pods.
    pub pods: Vec<Pod>,
    /// Deployments, StatefulSets, DaemonSets and ReplicaSets, also those only declared.
    pub workloads: Vec<Workload>,
    /// Services, also those only declared.
    pub services: Vec<Service>,
    /// Nodes, by name.
    pub nodes: BTreeMap<String, Node>,
    /// Resource quotas.
    pub quotas: Vec<Quota>,
    /// Claims, also those only declared.
    pub claims: Vec<Claim>,
    /// Volumes, also those only declared.
    pub volumes: Vec<Volume>,
    /// Gateways and other things that route.
    pub routers: Vec<Router>,
    /// Network policies.
    pub policies: Vec<NetworkPolicy>,
    /// Events about objects that are still there.
    pub events: Vec<Event>,
    /// Hosts that a secret points its readers to, by `(namespace, secret)`; nothing else of a secret is kept.
    pub secret_hosts: BTreeMap<(String, String), BTreeSet<String>>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    live: BTreeSet<Key>,
    /// Pods that are being deleted: they are no sign of how things stand, and may take their time to go.
    leaving: BTreeSet<Key>,
    listed: BTreeSet<(String, String)>,
}

fn cluster_wide(kind: &str) -> bool {
    matches!(kind, "Node" | "Namespace" | "PersistentVolume" | "StorageClass" | "ClusterRole" | "IngressClass")
}

/// Name and namespace of a value; none without a kind and a name.
fn key(value: &Value) -> Option<Key> {
    let kind = value["kind"].as_str()?;
    let name = value["metadata"]["name"].as_str()?;
    let namespace = if cluster_wide(kind) { "" } else { value["metadata"]["namespace"].as_str().unwrap_or("").trim() };
    Some((kind.to_owned(), namespace.to_owned(), name.to_owned()))
}

impl Snapshot {
    /// Builds a snapshot. Reads may come in any order and any number; what cannot be understood is left out.
    pub fn new(reads: &[KubernetesRead]) -> Self {
        let mut documents = Documents::default();
        reads.iter().for_each(|read| documents.add(read));
        let mut merged: BTreeMap<Key, Value> = BTreeMap::new();
        let mut snapshot = Self { gaps: documents.gaps, ..Self::default() };
        for (values, live) in [(documents.declared, false), (documents.live, true)] {
            for value in values {
                let Some(key) = key(&value) else { continue };
                if live {
                    snapshot.live.insert(key.clone());
                }
                match merged.get_mut(&key) {
                    Some(known) => merge::merge(known, value),
                    None => {
                        merged.insert(key, value);
                    }
                }
            }
        }
        snapshot.listed = documents
            .listed
            .into_iter()
            .map(|(kind, namespace)| if cluster_wide(&kind) { (kind, String::new()) } else { (kind, namespace) })
            .collect();
        for (key, value) in &merged {
            snapshot.take(key, value);
        }
        for (node, unit, state, quotation) in documents.units {
            let entry = snapshot.nodes.entry(node.clone()).or_default();
            entry.meta.name = node;
            entry.units.insert(unit, (state, quotation));
        }
        snapshot.forget_secret_words();
        snapshot.events = documents.events;
        snapshot.forget_old_events();
        snapshot
    }

    fn take(&mut self, key: &Key, value: &Value) {
        let live = self.live.contains(key);
        match key.0.as_str() {
            "Pod" if !value["metadata"]["deletionTimestamp"].is_null() => {
                self.leaving.insert(key.clone());
            }
            "Pod" => self.pods.push(extract::pod(value, live)),
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => {
                self.workloads.push(extract::workload(value, live))
            }
            "Service" => self.services.push(extract::service(value, live)),
            "Node" => {
                self.nodes.insert(key.2.clone(), extract::node(value, live));
            }
            "ResourceQuota" => self.quotas.push(extract::quota(value, live)),
            "PersistentVolumeClaim" => self.claims.push(extract::claim(value, live)),
            "PersistentVolume" => self.volumes.push(extract::volume(value, live)),
            "NetworkPolicy" => self.policies.push(routing::policy(value, live)),
            "Secret" => {
                self.secret_hosts.insert((key.1.clone(), key.2.clone()), hosts(&value["stringData"]));
            }
            _ => self.routers.extend(routing::router(value, live)),
        }
    }

    /// Of a secret only the names of services remain that it points to.
    fn forget_secret_words(&mut self) {
        let names: BTreeSet<&str> = self.services.iter().map(|service| service.meta.name.as_str()).collect();
        for hosts in self.secret_hosts.values_mut() {
            hosts.retain(|host| names.contains(host.as_str()));
        }
    }

    /// Events outlive what they are about by an hour; those about pods that are gone, or going, only mislead.
    fn forget_old_events(&mut self) {
        let (live, leaving) = (&self.live, &self.leaving);
        let known: BTreeSet<&str> = live.iter().map(|(kind, _, _)| kind.as_str()).collect();
        self.events.retain(|event| {
            let namespace = if cluster_wide(&event.kind) { String::new() } else { event.namespace.clone() };
            let key = (event.kind.clone(), namespace, event.name.clone());
            let there = live.contains(&key) && !leaving.contains(&key);
            !known.contains(event.kind.as_str()) || event.namespace.is_empty() || there
        });
        // A describe and a list of events tell the same event twice.
        let mut seen = BTreeSet::new();
        self.events.retain(|event| {
            seen.insert((event.kind.clone(), event.name.clone(), event.reason.clone(), event.message.clone()))
        });
    }

    /// Whether the cluster has the object: yes, no, or not known because nobody listed its kind.
    pub fn exists(&self, kind: &str, namespace: &str, name: &str) -> Option<bool> {
        let place = if cluster_wide(kind) { "" } else { namespace };
        if self.live.contains(&(kind.to_owned(), place.to_owned(), name.to_owned())) {
            return Some(true);
        }
        let listed = |place: &str| self.listed.contains(&(kind.to_owned(), place.to_owned()));
        (listed(place) || listed("")).then_some(false)
    }

    /// Whether anything of that kind was read from the cluster.
    pub fn knows(&self, kind: &str) -> bool {
        self.live.iter().any(|(known, _, _)| known == kind)
    }

    /// Events about one object.
    pub fn events_of<'a>(
        &'a self,
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| {
            event.kind == kind && event.name == name && (event.namespace == namespace || event.namespace.is_empty())
        })
    }

    /// Events about a pod.
    pub fn events_of_pod<'a>(&'a self, pod: &'a Pod) -> impl Iterator<Item = &'a Event> {
        self.events_of("Pod", &pod.meta.namespace, &pod.meta.name)
    }

    /// A live service.
    pub fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.meta.live && s.meta.name == name && s.meta.namespace == namespace)
    }

    /// The name of the workload that a pod belongs to.
    pub fn workload_name(&self, pod: &Pod) -> String {
        match &pod.owner {
            Some((kind, name)) if kind == "ReplicaSet" => self.deployment_of(&pod.meta.namespace, name),
            Some((_, name)) => name.clone(),
            None => self.workload_of(pod).map_or_else(|| pod.meta.name.clone(), |workload| workload.meta.name.clone()),
        }
    }

    /// The name of the deployment behind a replica set, which is the replica set's without the hash.
    pub fn deployment_of(&self, namespace: &str, replica_set: &str) -> String {
        let known = self
            .workloads
            .iter()
            .find(|w| w.kind == "ReplicaSet" && w.meta.name == replica_set && w.meta.namespace == namespace);
        if let Some((_, name)) = known.and_then(|workload| workload.owner.as_ref()) {
            return name.clone();
        }
        replica_set.rsplit_once('-').map_or(replica_set, |(name, _)| name).to_owned()
    }

    /// The workload a pod belongs to, if it was read.
    pub fn workload_of(&self, pod: &Pod) -> Option<&Workload> {
        let named = pod.owner.is_some().then(|| self.workload_name(pod));
        self.workloads.iter().filter(|w| w.kind != "ReplicaSet" && w.meta.namespace == pod.meta.namespace).find(
            |workload| match &named {
                Some(name) => workload.meta.name == *name,
                None => !workload.selector.is_empty() && selects(&workload.selector, &pod.meta.labels),
            },
        )
    }

    /// Workloads that a team owns: everything but the replica sets that a deployment made.
    pub fn owned(&self) -> impl Iterator<Item = &Workload> {
        self.workloads
            .iter()
            .filter(|workload| workload.kind != "ReplicaSet" || workload.owner.is_none() && !self.knows("Deployment"))
    }

    /// The pods of a workload.
    pub fn pods_of<'a>(&'a self, workload: &'a Workload) -> impl Iterator<Item = &'a Pod> {
        self.pods.iter().filter(move |pod| {
            pod.meta.namespace == workload.meta.namespace
                && self.workload_of(pod).is_some_and(|w| std::ptr::eq(w, workload))
        })
    }

    /// The pod's workload as an entity: what a team owns.
    pub fn entity_of(&self, pod: &Pod) -> Entity {
        service_entity(&pod.meta.namespace, self.workload_name(pod))
    }
}

/// A service entity in its namespace.
pub fn service_entity(namespace: &str, name: impl Into<String>) -> Entity {
    let entity = Entity::new(EntityKind::Service, name);
    if namespace.is_empty() { entity } else { entity.in_namespace(namespace) }
}

/// True if all pairs of a selector are among the labels. An empty selector selects everything.
pub fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Values of a secret that could be the host of something, by the name of their key.
fn hosts(data: &Value) -> BTreeSet<String> {
    let pairs = data.as_object().into_iter().flatten();
    let host = |(key, value): (&String, &Value)| {
        let key = key.to_ascii_uppercase();
        let named = ["HOST", "ADDR", "ADDRESS", "SERVER", "ENDPOINT"].iter().any(|end| key.ends_with(end));
        named.then(|| value.as_str().unwrap_or("").split([':', '.']).next().unwrap_or("").to_owned())
    };
    pairs.filter_map(host).collect()
}
