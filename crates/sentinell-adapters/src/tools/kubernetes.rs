//! A cluster through a read-only identity: the objects of one namespace, the names (never the contents) of its secrets and
//! configmaps, and the logs of containers that are not well.

mod logs;

use crate::kubectl::{Kubectl, argv, complaint, is_label, said};
use crate::text::{arg, known_args, label, mentions, one_line};
use sentinell_core::evidence::{Gap, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Question, Tool, ToolError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Resources read whole, with the kind of their items.
const KINDS: [(&str, &str); 13] = [
    ("pods", "Pod"),
    ("deployments.apps", "Deployment"),
    ("replicasets.apps", "ReplicaSet"),
    ("statefulsets.apps", "StatefulSet"),
    ("daemonsets.apps", "DaemonSet"),
    ("services", "Service"),
    ("endpoints", "Endpoints"),
    ("persistentvolumeclaims", "PersistentVolumeClaim"),
    ("resourcequotas", "ResourceQuota"),
    ("networkpolicies.networking.k8s.io", "NetworkPolicy"),
    ("events", "Event"),
    ("nodes", "Node"),
    ("persistentvolumes", "PersistentVolume"),
];
/// Resources of which only the names are wanted. They are asked for as the server's own table, so that the contents of a
/// secret never leave the API server.
const NAMES_ONLY: [&str; 3] = ["secrets", "configmaps", "serviceaccounts"];
/// Objects of one kind that are passed on.
const MAX_OBJECTS: usize = 2000;
/// Namespaces that a first look asks about.
const MAX_NAMESPACES: usize = 4;

/// The tool `kubernetes`.
#[derive(Debug)]
pub struct Kubernetes {
    kubectl: Kubectl,
    namespaces: Vec<String>,
}

impl Kubernetes {
    /// An eye with a reading identity. When no label names a namespace, those of `namespaces` that the signal's text
    /// mentions are looked at first, or all of them.
    pub fn new(kubectl: Kubectl, namespaces: Vec<String>) -> Self {
        Self { kubectl, namespaces }
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        known_args(&query.args, &["namespace", "logs"]).map_err(ToolError::BadQuery)?;
        let namespace = arg(&query.args, "namespace").unwrap_or_default();
        if !is_label(namespace) {
            let text = format!("`{}` is not a namespace; give args namespace=<name>", one_line(namespace, 80));
            return Err(ToolError::BadQuery(text));
        }
        let with_logs = match arg(&query.args, "logs") {
            None | Some("unhealthy") => true,
            Some("none") => false,
            Some(other) => {
                let text = format!("logs={} is neither `unhealthy` nor `none`", one_line(other, 40));
                return Err(ToolError::BadQuery(text));
            }
        };
        let names = NAMES_ONLY.map(|resource| self.names(resource, namespace));
        let (objects, names) = futures::join!(self.objects(namespace), futures::future::join_all(names));
        let mut seen = objects?;
        for answer in names {
            match answer {
                Ok(telemetry) => seen.telemetry.push(telemetry),
                Err(gap) => seen.gaps.push(gap),
            }
        }
        if with_logs {
            let pods = pods(&seen.telemetry);
            let (logs, gaps) = logs::of_unhealthy(&self.kubectl, &pods).await;
            seen.telemetry.extend(logs);
            seen.gaps.extend(gaps);
        }
        Ok(seen)
    }

    /// Everything that is read whole, in one call: kubectl prints what it may read and complains about the rest.
    async fn objects(&self, namespace: &str) -> Result<Observation, ToolError> {
        let resources = KINDS.map(|(resource, _)| resource).join(",");
        let args = argv(&["get", &resources, "-n", namespace, "-o", "json"]);
        let ended = self.kubectl.read(&args).await?;
        let refused = refused(&ended.stderr);
        let list: Value = match serde_json::from_str(&ended.stdout) {
            Ok(list) => list,
            Err(_) if ended.truncated => {
                return Err(ToolError::BadQuery(format!("namespace {namespace} is too large to be read at once")));
            }
            Err(_) => return Err(complaint(&ended.stderr)),
        };
        // Anything but a refusal spoils the answer: an incomplete list must not look like a complete one.
        if let Some(trouble) = trouble(&ended.stderr).filter(|_| ended.code != Some(0)) {
            return Err(complaint(trouble));
        }
        if ended.code != Some(0) && (refused.is_empty() || refused.len() == KINDS.len()) {
            return Err(complaint(&ended.stderr));
        }
        let mut seen = Observation { call: format!("kubectl {}", args.join(" ")), ..Observation::default() };
        let mut by_kind = by_kind(list);
        for (resource, kind) in KINDS {
            if let Some(why) = refused.get(resource.split('.').next().unwrap_or(resource)) {
                seen.gaps.push(Gap { what: format!("kubectl get {resource} -n {namespace}"), why: why.clone() });
                continue;
            }
            let mut items = by_kind.remove(kind).unwrap_or_default();
            if items.len() > MAX_OBJECTS {
                let why = format!("{} objects; only {MAX_OBJECTS} were passed on", items.len());
                seen.gaps.push(Gap { what: format!("{kind} objects in {namespace}"), why });
                // Of events the newest tell most; of anything else one is as good as another.
                items.sort_by_cached_key(happened);
                items.drain(..items.len() - MAX_OBJECTS);
            }
            let version = items.first().map_or(json!("v1"), |item| item["apiVersion"].clone());
            let object = json!({"apiVersion": version, "kind": format!("{kind}List"), "items": items});
            seen.telemetry.push(Telemetry::KubernetesJson { object });
        }
        Ok(seen)
    }

    async fn names(&self, resource: &str, namespace: &str) -> Result<Telemetry, Gap> {
        let args = argv(&["get", resource, "-n", namespace]);
        let gap = |why: String| Gap { what: format!("kubectl get {resource} -n {namespace}"), why };
        let ended = self.kubectl.read(&args).await.map_err(|error| gap(error.to_string()))?;
        if ended.code != Some(0) {
            return Err(gap(complaint(&ended.stderr).to_string()));
        }
        let nothing = ended.stdout.trim().is_empty();
        let output = if nothing { format!("No resources found in {namespace} namespace.") } else { ended.stdout };
        Ok(Telemetry::KubernetesText { argv: args, output })
    }
}

impl Tool for Kubernetes {
    fn name(&self) -> &str {
        "kubernetes"
    }

    fn describe(&self) -> &str {
        "reads the objects, events and unhealthy containers' logs of a namespace; args: namespace, logs (unhealthy, none)"
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let names = ["namespace", "kubernetes_namespace", "k8s_namespace_name", "exported_namespace", "kube_namespace"];
        let named = label(case, &names).filter(|name| is_label(name)).map(str::to_owned);
        let known = || self.namespaces.iter().filter(|name| is_label(name));
        let mentioned: Vec<String> = known().filter(|name| mentions(case, name)).cloned().collect();
        let asked = match named {
            Some(name) => vec![name],
            None if !mentioned.is_empty() => mentioned,
            None => known().cloned().collect(),
        };
        let question = |namespace: String| Question {
            tool: self.name().to_owned(),
            why: format!("is anything wrong in namespace {namespace}?"),
            args: BTreeMap::from([("namespace".to_owned(), namespace)]),
        };
        asked.into_iter().take(MAX_NAMESPACES).map(question).collect()
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(self.allowed())
    }
}

impl Kubernetes {
    /// Whether this identity may read what is looked at, in every namespace that is named.
    async fn allowed(&self) -> Result<Option<String>, ToolError> {
        let default = vec!["default".to_owned()];
        let namespaces = if self.namespaces.is_empty() { &default } else { &self.namespaces };
        for namespace in namespaces {
            for resource in ["pods", "events", "deployments.apps", "pods/log"] {
                let verb = if resource == "pods/log" { "get" } else { "list" };
                if !self.kubectl.may(verb, resource, namespace).await? {
                    let why = format!("this identity may not {verb} {resource} in namespace {namespace}");
                    return Err(ToolError::Denied(format!(
                        "{why}; bind it to the role for reading in deploy/kubernetes"
                    )));
                }
            }
        }
        Ok(Some(format!("pods, events, deployments and logs may be read in {}", namespaces.join(", "))))
    }
}

/// The resources that may not be listed, each with the server's sentence.
fn refused(stderr: &str) -> BTreeMap<String, String> {
    let resource = |line: &str| line.split("(Forbidden): ").nth(1)?.split([' ', '.']).next().map(str::to_owned);
    let lines = stderr.lines().filter_map(|line| Some((resource(line)?, one_line(line, 300))));
    lines.collect()
}

/// The first complaint that is not a refusal.
fn trouble(stderr: &str) -> Option<&str> {
    said(stderr).into_iter().find(|line| !line.contains("(Forbidden): "))
}

fn by_kind(mut list: Value) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let Value::Array(items) = list["items"].take() else { return found };
    for mut item in items {
        if let Some(metadata) = item.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let kind = item["kind"].as_str().unwrap_or_default().to_owned();
        found.entry(kind).or_default().push(item);
    }
    found
}

/// When an event was last seen; RFC 3339 in UTC sorts as text. Nothing for other objects.
fn happened(item: &Value) -> String {
    let times = ["lastTimestamp", "eventTime", "firstTimestamp"].map(|field| item[field].as_str());
    times.into_iter().flatten().next().unwrap_or_default().to_owned()
}

fn pods(telemetry: &[Telemetry]) -> Vec<&Value> {
    let lists = telemetry.iter().filter_map(|telemetry| match telemetry {
        Telemetry::KubernetesJson { object } if object["kind"] == "PodList" => object["items"].as_array(),
        _ => None,
    });
    lists.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_forbidden_kind_is_a_gap_of_its_own() {
        let stderr = "WARNING: skew\nError from server (Forbidden): pods is forbidden: User \"r\" cannot list\n\
                      Error from server (Forbidden): deployments.apps is forbidden: User \"r\" cannot list";
        let refused = refused(stderr);
        assert_eq!(refused.keys().collect::<Vec<_>>(), ["deployments", "pods"]);
        assert!(refused["pods"].contains("cannot list"));
        assert_eq!(trouble(stderr), None);
        assert_eq!(trouble(&format!("{stderr}\nerror: the server is away")), Some("error: the server is away"));
    }
}
