//! `kubectl describe` text into the shape the API has, as far as the analyzers need it.

use super::object::Event;
use super::quantity::age;
use serde_json::{Map, Value, json};

mod pods;

/// Lines deeper than this are treated as if they were at this depth, so that a hostile text cannot exhaust the stack.
const MAX_DEPTH: usize = 24;

/// One line and the lines indented under it.
#[derive(Debug, Default)]
struct Item<'a> {
    key: &'a str,
    value: &'a str,
    children: Vec<Item<'a>>,
}

impl<'a> Item<'a> {
    fn child(&self, key: &str) -> Option<&Item<'a>> {
        self.children.iter().find(|item| item.key == key)
    }

    fn text(&self, key: &str) -> &'a str {
        self.child(key).map_or("", |item| item.value)
    }

    /// Its value and, one a line, what stands under it: how describe prints labels.
    fn lines(&self) -> impl Iterator<Item = &'a str> {
        let rest = self.children.iter().map(|item| if item.value.is_empty() { item.key } else { item.value });
        std::iter::once(self.value).chain(rest).filter(|line| !line.is_empty() && *line != "<none>")
    }
}

/// The described objects as API-shaped values, and their events.
pub fn parse(kind: &str, text: &str) -> (Vec<Value>, Vec<Event>) {
    let mut values = Vec::new();
    let mut events = Vec::new();
    for block in blocks(text) {
        let lines: Vec<(usize, &str)> =
            block.lines().filter(|l| !l.trim().is_empty()).map(|l| (indent(l), l.trim())).collect();
        let root = Item { key: "", value: "", children: tree(&lines, 0) };
        let name = root.text("Name");
        if name.is_empty() {
            continue;
        }
        let namespace = none(root.text("Namespace"));
        let mut value = body(kind, &root);
        value["kind"] = json!(kind);
        value["metadata"] =
            json!({ "name": name, "labels": pairs(&root, "Labels"), "annotations": pairs(&root, "Annotations") });
        if !namespace.is_empty() {
            value["metadata"]["namespace"] = json!(namespace);
        }
        if let Some((owner, owner_name)) = root.text("Controlled By").split_once('/') {
            value["metadata"]["ownerReferences"] = json!([{ "kind": owner, "name": owner_name, "controller": true }]);
        }
        events.extend(event_rows(block, kind, namespace, name));
        values.push(value);
    }
    (values, events)
}

/// Several objects described at once are separated by empty lines and each begins with `Name:`.
fn blocks(text: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = text.match_indices("\n\nName:").map(|(at, _)| at + 2).collect();
    starts.insert(0, 0);
    starts.push(text.len());
    starts.windows(2).filter_map(|pair| text.get(pair[0]..pair[1])).collect()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn tree<'a>(lines: &[(usize, &'a str)], depth: usize) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let (own, text) = lines[at];
        let end = lines[at + 1..].iter().position(|(other, _)| *other <= own).map_or(lines.len(), |more| at + 1 + more);
        let (key, value) = key_value(text);
        let children = if depth < MAX_DEPTH { tree(&lines[at + 1..end], depth + 1) } else { Vec::new() };
        items.push(Item { key, value, children });
        at = end;
    }
    items
}

fn key_value(text: &str) -> (&str, &str) {
    if let Some(key) = text.strip_suffix(':') {
        return (key, "");
    }
    match text.split_once(": ") {
        Some((key, value)) => (key, value.trim()),
        None => (text, ""),
    }
}

fn none(text: &str) -> &str {
    if matches!(text, "<none>" | "<unset>" | "<nil>" | "<unknown>") { "" } else { text }
}

/// `Labels: a=b` with further pairs under it.
fn pairs(item: &Item, key: &str) -> Value {
    let mut map = Map::new();
    let Some(item) = item.child(key) else { return Value::Object(map) };
    for line in std::iter::once((item.key, item.value)).chain(item.children.iter().map(|c| (c.key, c.value))).skip(1) {
        insert_pair(&mut map, line.0, line.1);
    }
    insert_first(&mut map, item.value);
    Value::Object(map)
}

fn insert_first(map: &mut Map<String, Value>, text: &str) {
    match text.split_once(": ") {
        Some((key, value)) if !key.contains('=') => insert_pair(map, key, value),
        _ => text.split(',').for_each(|pair| insert_pair(map, pair, "")),
    }
}

/// Labels print as `key=value`, annotations as `key: value`.
fn insert_pair(map: &mut Map<String, Value>, key: &str, value: &str) {
    if !value.is_empty() && !key.contains('=') {
        map.insert(key.to_owned(), json!(value));
    } else if let Some((key, value)) = key.split_once('=') {
        map.insert(key.trim().to_owned(), json!(value));
    }
}

fn selector(text: &str) -> Value {
    let mut map = Map::new();
    none(text).split(',').for_each(|pair| insert_pair(&mut map, pair, ""));
    Value::Object(map)
}

fn body(kind: &str, root: &Item) -> Value {
    match kind {
        "Pod" => pods::pod(root),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => pods::workload(root),
        "Service" => service(root),
        "Endpoints" => endpoints(root),
        "Node" => node(root),
        "PersistentVolumeClaim" => claim(root),
        "PersistentVolume" => volume(root),
        "ResourceQuota" => quota(root),
        "ServiceAccount" => {
            let names: Vec<Value> = root
                .child("Image pull secrets")
                .into_iter()
                .flat_map(|i| i.lines().map(|n| json!({"name": n})).collect::<Vec<_>>())
                .collect();
            json!({ "imagePullSecrets": names })
        }
        _ => json!({}),
    }
}

/// The `Conditions:` table; the reason of a node's condition has no blanks and stands after two dates.
fn conditions(root: &Item) -> Value {
    let rows = root.child("Conditions").map(|c| c.children.as_slice()).unwrap_or_default();
    let rows = rows.iter().filter_map(|row| {
        let line = if row.value.is_empty() { row.key.to_owned() } else { format!("{}: {}", row.key, row.value) };
        let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let (kind, status) = match cells.as_slice() {
            [kind, status, ..] => (*kind, *status),
            [one] => one.split_once(' ')?,
            [] => return None,
        };
        let reason =
            cells.iter().skip(2).find(|c| !c.contains(' ') && c.chars().next().is_some_and(char::is_uppercase));
        let message = if cells.len() > 4 { cells[cells.len() - 1] } else { "" };
        Some(json!({ "type": kind, "status": status.trim(), "reason": reason.unwrap_or(&""), "message": message }))
    });
    Value::Array(rows.collect())
}

fn service(root: &Item) -> Value {
    let mut ports: Vec<Value> = Vec::new();
    for item in &root.children {
        match item.key {
            "Port" => {
                let mut words = item.value.split_whitespace().rev();
                let Some((number, protocol)) = words.next().and_then(|w| w.split_once('/')) else { continue };
                let Ok(number) = number.parse::<u16>() else { continue };
                let mut port = json!({ "port": number, "protocol": protocol });
                if let Some(name) = words.next().filter(|name| *name != "<unset>") {
                    port["name"] = json!(name);
                }
                ports.push(port);
            }
            "TargetPort" => {
                let target = item.value.split('/').next().unwrap_or("");
                if let Some(last) = ports.last_mut() {
                    last["targetPort"] = target.parse::<u16>().map_or_else(|_| json!(target), |n| json!(n));
                }
            }
            _ => {}
        }
    }
    json!({ "spec": { "selector": selector(root.text("Selector")), "ports": ports, "type": root.text("Type"), "clusterIP": none(root.text("IP")) } })
}

fn endpoints(root: &Item) -> Value {
    let Some(subsets) = root.child("Subsets") else { return json!({}) };
    let addresses = |key: &str| {
        none(subsets.text(key)).split(',').filter(|a| !a.is_empty()).map(|ip| json!({ "ip": ip })).collect::<Vec<_>>()
    };
    json!({ "subsets": [{ "addresses": addresses("Addresses"), "notReadyAddresses": addresses("NotReadyAddresses") }] })
}

fn node(root: &Item) -> Value {
    let taints: Vec<Value> = root.child("Taints").map(|t| t.lines().map(taint).collect()).unwrap_or_default();
    let amounts: Map<String, Value> = root
        .child("Allocatable")
        .map(|a| a.children.iter().map(|i| (i.key.to_owned(), json!(i.value))).collect())
        .unwrap_or_default();
    json!({
        "spec": { "taints": taints, "unschedulable": root.text("Unschedulable") == "true" },
        "status": { "allocatable": amounts, "conditions": conditions(root) },
    })
}

/// `key=value:Effect` or `key:Effect`.
fn taint(line: &str) -> Value {
    let (pair, effect) = line.rsplit_once(':').unwrap_or((line, ""));
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    json!({ "key": key, "value": value, "effect": effect })
}

fn claim(root: &Item) -> Value {
    let mut value = json!({
        "spec": { "volumeName": none(root.text("Volume")), "accessModes": modes(root.text("Access Modes")) },
        "status": { "phase": root.text("Status") },
    });
    if root.child("StorageClass").is_some() {
        value["spec"]["storageClassName"] = json!(none(root.text("StorageClass")));
    }
    value
}

fn modes(text: &str) -> Vec<&str> {
    none(text).split(',').map(str::trim).filter(|mode| !mode.is_empty()).collect()
}

fn volume(root: &Item) -> Value {
    let (namespace, name) = none(root.text("Claim")).split_once('/').unwrap_or(("", ""));
    json!({
        "spec": {
            "storageClassName": none(root.text("StorageClass")),
            "accessModes": modes(root.text("Access Modes")),
            "capacity": { "storage": root.text("Capacity") },
            "claimRef": { "namespace": namespace, "name": name },
        },
        "status": { "phase": root.text("Status") },
    })
}

/// `Resource  Used  Hard` rows.
fn quota(root: &Item) -> Value {
    let mut used = Map::new();
    let mut hard = Map::new();
    for item in &root.children {
        let cells: Vec<&str> = item.key.split_whitespace().collect();
        if let [resource, now, limit] = cells.as_slice()
            && limit.starts_with(|c: char| c.is_ascii_digit())
        {
            used.insert((*resource).to_owned(), json!(now));
            hard.insert((*resource).to_owned(), json!(limit));
        }
    }
    json!({ "status": { "used": used, "hard": hard } })
}

/// The rows under `Events:`: Type, Reason, Age, From, Message.
fn event_rows(block: &str, kind: &str, namespace: &str, name: &str) -> Vec<Event> {
    let Some(at) = block.rfind("\nEvents:") else { return Vec::new() };
    let rows = block[at + 1..].lines().skip(1);
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.trim().splitn(2, "  ").map(str::trim).collect();
        let [type_, rest] = cells.as_slice() else { return None };
        let (reason, rest) = rest.split_once("  ")?;
        let (age_text, rest) = rest.trim_start().split_once("  ")?;
        let (_from, message) = rest.trim_start().split_once("  ").unwrap_or(("", rest));
        let mut event = Event {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            warning: *type_ == "Warning",
            reason: reason.to_owned(),
            message: message.trim().to_owned(),
            ..Event::default()
        };
        (event.age_s, event.count) = seen(age_text);
        matches!(*type_, "Warning" | "Normal").then_some(event)
    })
    .collect()
}

/// `10s (x8 over 80s)`: seconds since the last time, and how often.
pub fn seen(text: &str) -> (Option<u64>, u64) {
    let last = age(text.split_whitespace().next().unwrap_or(""));
    let count = text.split("(x").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|n| n.parse().ok());
    (last, count.unwrap_or(1))
}
