//! What was read, one answer at a time, into API-shaped values.

use super::object::Event;
use super::{describe, table};
use crate::case::KubernetesRead;
use crate::finding::Gap;
use serde_json::Value;
use std::collections::BTreeSet;

/// Documents of one YAML text that are looked at; more are ignored.
const MAX_DOCUMENTS: usize = 512;

/// The values found so far.
#[derive(Debug, Default)]
pub struct Documents {
    /// What the cluster has.
    pub live: Vec<Value>,
    /// What manifests declare.
    pub declared: Vec<Value>,
    /// What happened.
    pub events: Vec<Event>,
    /// Kinds of which a whole namespace (or the whole cluster) was listed: `(kind, namespace)`.
    pub listed: BTreeSet<(String, String)>,
    /// `(node, unit, state, quotation)` of system services.
    pub units: Vec<(String, String, String, String)>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

/// The API's word for a resource as people type it: `po`, `pods`, `pods.v1` and `Pod` are all `Pod`.
pub fn kind(typed: &str) -> String {
    let word = typed.split('.').next().unwrap_or("").to_ascii_lowercase();
    let known = match word.as_str() {
        "po" | "pod" | "pods" => "Pod",
        "deploy" | "deployment" | "deployments" => "Deployment",
        "rs" | "replicaset" | "replicasets" => "ReplicaSet",
        "sts" | "statefulset" | "statefulsets" => "StatefulSet",
        "ds" | "daemonset" | "daemonsets" => "DaemonSet",
        "svc" | "service" | "services" => "Service",
        "ep" | "endpoints" => "Endpoints",
        "endpointslice" | "endpointslices" => "EndpointSlice",
        "no" | "node" | "nodes" => "Node",
        "ns" | "namespace" | "namespaces" => "Namespace",
        "quota" | "resourcequota" | "resourcequotas" => "ResourceQuota",
        "pvc" | "persistentvolumeclaim" | "persistentvolumeclaims" => "PersistentVolumeClaim",
        "pv" | "persistentvolume" | "persistentvolumes" => "PersistentVolume",
        "sc" | "storageclass" | "storageclasses" => "StorageClass",
        "secret" | "secrets" => "Secret",
        "cm" | "configmap" | "configmaps" => "ConfigMap",
        "sa" | "serviceaccount" | "serviceaccounts" => "ServiceAccount",
        "ing" | "ingress" | "ingresses" => "Ingress",
        "netpol" | "networkpolicy" | "networkpolicies" => "NetworkPolicy",
        "ev" | "event" | "events" => "Event",
        "virtualservice" | "virtualservices" | "vs" => "VirtualService",
        "httproute" | "httproutes" => "HTTPRoute",
        "grpcroute" | "grpcroutes" => "GRPCRoute",
        _ => return typed.to_owned(),
    };
    known.to_owned()
}

impl Documents {
    /// Reads one answer.
    pub fn add(&mut self, read: &KubernetesRead) {
        match read {
            KubernetesRead::Json(value) => self.add_live(value.clone()),
            KubernetesRead::Text { argv, output } => self.add_text(argv, output),
        }
    }

    fn add_text(&mut self, argv: &[String], output: &str) {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["get", what, ..] => self.add_get(what, &words, output),
            ["describe", what, ..] => {
                let (values, events) = describe::parse(&kind(what.split('/').next().unwrap_or(what)), output);
                self.live.extend(values);
                self.events.extend(events);
            }
            ["apply" | "create", ..] if words.iter().any(|word| word.starts_with("--dry-run")) => {
                let values = self.documents("a manifest", output);
                self.declared.extend(values.into_iter().flat_map(items));
            }
            ["debug", node, rest @ ..] if rest.contains(&"systemctl") => {
                let node = node.strip_prefix("node/").unwrap_or(node);
                self.units.extend(unit(node, output));
            }
            _ => {}
        }
    }

    fn add_get(&mut self, what: &str, words: &[&str], output: &str) {
        let namespace = option(words, &["-n", "--namespace"]).unwrap_or("");
        let (what, inline_name) = what.split_once('/').map_or((what, None), |(kind, name)| (kind, Some(name)));
        let kind = kind(what);
        let name = inline_name.or_else(|| words.get(2).copied().filter(|word| !word.starts_with('-')));
        let filtered = words.iter().any(|word| matches!(*word, "-l" | "--selector" | "--field-selector"));
        let start = output.trim_start();
        if start.starts_with("Error") || start.starts_with("error:") || start.starts_with("No resources found") {
            if start.contains("orbidden") {
                self.gaps.push(Gap { what: format!("kubectl get {what}"), why: first_line(start) });
                return;
            }
        } else if start.starts_with('{') || start.starts_with("apiVersion:") {
            let values = self.documents(&format!("kubectl get {what}"), output);
            values.into_iter().for_each(|value| self.add_live(value));
        } else if kind == "Event" {
            self.events.extend(table::events(namespace, output));
        } else {
            self.live.extend(table::parse(&kind, namespace, output).unwrap_or_default());
        }
        if name.is_none() && !filtered {
            self.listed.insert((kind, namespace.to_owned()));
        }
    }

    fn add_live(&mut self, value: Value) {
        if let Some(list) = value["kind"].as_str().and_then(|kind| kind.strip_suffix("List"))
            && !list.is_empty()
        {
            self.listed.insert((list.to_owned(), String::new()));
        }
        for item in items(value) {
            if item["kind"] == "Event" {
                self.events.extend(event(&item));
            } else {
                self.live.push(item);
            }
        }
    }

    /// The documents of a YAML (or JSON) text; those that do not parse become a gap.
    fn documents(&mut self, what: &str, text: &str) -> Vec<Value> {
        if text.trim_start().starts_with('{') {
            return match serde_json::from_str(text) {
                Ok(value) => vec![value],
                Err(error) => {
                    self.gaps.push(Gap { what: what.to_owned(), why: format!("not JSON: {error}") });
                    Vec::new()
                }
            };
        }
        let mut values = Vec::new();
        for document in split_documents(text).into_iter().take(MAX_DOCUMENTS) {
            match serde_saphyr::from_str::<Value>(document) {
                Ok(Value::Null) => {}
                Ok(value) => values.push(value),
                Err(error) => {
                    self.gaps.push(Gap { what: what.to_owned(), why: first_line(&format!("not YAML: {error}")) })
                }
            }
        }
        values
    }
}

/// YAML documents between lines of `---`, so that a broken one does not spoil its neighbours.
fn split_documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            documents.push(&text[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    documents.push(&text[start..]);
    documents.retain(|document| document.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#')));
    documents
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("").chars().take(200).collect()
}

fn option<'a>(words: &[&'a str], names: &[&str]) -> Option<&'a str> {
    let at = words.iter().position(|word| names.contains(word))?;
    words.get(at + 1).copied()
}

/// The items of a list, each with the list's kind if it has none, or the object itself.
fn items(mut value: Value) -> Vec<Value> {
    let kind = value["kind"].as_str().unwrap_or("").strip_suffix("List").unwrap_or("").to_owned();
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items
            .into_iter()
            .filter(Value::is_object)
            .map(|mut item| {
                if item["kind"].is_null() && !kind.is_empty() {
                    item["kind"] = Value::String(kind.clone());
                }
                item
            })
            .collect(),
        _ if value.is_object() => vec![value],
        _ => Vec::new(),
    }
}

fn event(value: &Value) -> Option<Event> {
    let about = if value["involvedObject"].is_object() { &value["involvedObject"] } else { &value["regarding"] };
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    Some(Event {
        kind: text(&about["kind"]),
        namespace: text(&about["namespace"]),
        name: about["name"].as_str()?.to_owned(),
        warning: value["type"] == "Warning",
        reason: text(&value["reason"]),
        message: text(if value["message"].is_null() { &value["note"] } else { &value["message"] }),
        count: value["count"].as_u64().or_else(|| value["series"]["count"].as_u64()).unwrap_or(1),
        age_s: None,
    })
}

/// The unit's name and state in what `systemctl status` printed.
fn unit(node: &str, output: &str) -> Option<(String, String, String, String)> {
    let active = output.lines().map(str::trim).find_map(|line| line.strip_prefix("Active: "))?;
    let name = output.split_whitespace().find_map(|word| word.strip_suffix(".service"))?;
    let state = active.split_whitespace().next().unwrap_or("");
    let loaded = output.lines().map(str::trim).find(|line| line.starts_with("Loaded: ")).unwrap_or("");
    // Started at boot, as the manual page of systemctl spells it.
    let enabled = if loaded.contains("; enabled") { "; enabled" } else { "" };
    Some((node.to_owned(), name.to_owned(), state.to_owned(), format!("Active: {}{enabled}", first_line(active))))
}
