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
        let (objects, names) = futures::join!(self.objects(namespace), self.names(namespace));
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

    /// The names alone, in one call: each start of kubectl costs more than what it asks.
    async fn names(&self, namespace: &str) -> [Result<Telemetry, Gap>; 3] {
        let args = argv(&["get", &NAMES_ONLY.join(","), "-n", namespace, "--show-kind"]);
        let ended = self.kubectl.read(&args).await;
        NAMES_ONLY.map(|resource| {
            let gap = |why: String| Gap { what: format!("kubectl get {resource} -n {namespace}"), why };
            let ended = ended.as_ref().map_err(|error| gap(error.to_string()))?;
            if let Some(why) = refused(&ended.stderr).remove(resource) {
                return Err(gap(why));
            }
            if let Some(trouble) = trouble(&ended.stderr).filter(|_| ended.code != Some(0)) {
                return Err(gap(complaint(trouble).to_string()));
            }
            let output = table(&ended.stdout, resource);
            let output = output.unwrap_or_else(|| format!("No resources found in {namespace} namespace."));
            Ok(Telemetry::KubernetesText { argv: argv(&["get", resource, "-n", namespace]), output })
        })
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

/// The table of one resource out of several (`--show-kind` writes `secret/name`), as it looks alone; none if it has no rows.
fn table(stdout: &str, resource: &str) -> Option<String> {
    let kind = format!("{}/", resource.trim_end_matches('s'));
    let mut tables = stdout.split("\n\n").filter_map(|table| table.trim_start_matches('\n').split_once('\n'));
    let (header, rows) = tables.find(|(_, rows)| rows.starts_with(&kind))?;
    let header = header.replacen(&format!("NAME{}", " ".repeat(kind.len())), "NAME", 1);
    let rows = rows.lines().filter_map(|row| row.strip_prefix(&kind));
    Some([header.as_str()].into_iter().chain(rows).map(|line| format!("{line}\n")).collect())
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
    fn each_table_of_several_looks_as_if_it_were_alone() {
        let both = "NAME               TYPE     DATA   AGE\nsecret/db-login    Opaque   2      5d\nsecret/tls         tls      2      5d\n\n\
                    NAME                         DATA   AGE\nconfigmap/kube-root-ca.crt   1      5d\n";
        let secrets =
            "NAME        TYPE     DATA   AGE\ndb-login    Opaque   2      5d\ntls         tls      2      5d\n";
        assert_eq!(table(both, "secrets").as_deref(), Some(secrets));
        let configmaps = "NAME               DATA   AGE\nkube-root-ca.crt   1      5d\n";
        assert_eq!(table(both, "configmaps").as_deref(), Some(configmaps));
        assert_eq!(table(both, "serviceaccounts"), None);
        assert_eq!(table("", "secrets"), None);
    }

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
