//! The tables `kubectl get` prints, into the shape the API has.

use super::describe::seen;
use super::object::Event;
use serde_json::{Map, Value, json};

/// A printed table: columns by their heading.
pub struct Table<'a> {
    heads: Vec<(usize, &'a str)>,
    rows: Vec<&'a str>,
}

impl<'a> Table<'a> {
    /// Reads a table; none if the first line is not a line of headings.
    pub fn read(text: &'a str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let head = lines.next()?;
        if !head.is_ascii() || head.chars().any(|c| c.is_ascii_lowercase()) {
            return None;
        }
        let mut heads = Vec::new();
        let mut at = 0;
        for part in head.split_inclusive("  ") {
            let lead = part.len() - part.trim_start().len();
            let name = part.trim();
            if !name.is_empty() {
                heads.push((at + lead, name));
            }
            at += part.len();
        }
        Some(Self { heads, rows: lines.collect() })
    }

    /// The rows, each as `(heading, cell)` pairs; `<none>` and `<unset>` are empty.
    pub fn rows(&self) -> impl Iterator<Item = Vec<(&'a str, &'a str)>> {
        self.rows.iter().map(|row| {
            let cell = |at: usize| {
                let (start, head) = self.heads[at];
                let end = self.heads.get(at + 1).map_or(row.len(), |next| next.0);
                let text = slice(row, start, end).trim();
                (head, if matches!(text, "<none>" | "<unset>" | "<unknown>") { "" } else { text })
            };
            (0..self.heads.len()).map(cell).collect()
        })
    }
}

/// A slice that gives way to character borders and the end of the line.
fn slice(row: &str, start: usize, end: usize) -> &str {
    let fit = |mut at: usize| {
        at = at.min(row.len());
        while !row.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    &row[fit(start)..fit(end)]
}

/// The objects of a table as API-shaped values.
pub fn parse(kind: &str, namespace: &str, text: &str) -> Option<Vec<Value>> {
    let table = Table::read(text)?;
    Some(table.rows().filter_map(|row| object(kind, namespace, &row)).collect())
}

/// The events of a table of events.
pub fn events(namespace: &str, text: &str) -> Vec<Event> {
    let Some(table) = Table::read(text) else { return Vec::new() };
    let event = |row: Vec<(&str, &str)>| {
        let get = |head: &str| row.iter().find(|(name, _)| *name == head).map_or("", |(_, cell)| cell);
        let (kind, name) = get("OBJECT").split_once('/')?;
        let (age_s, count) = seen(get("LAST SEEN"));
        Some(Event {
            kind: super::read::kind(kind),
            namespace: if get("NAMESPACE").is_empty() { namespace.to_owned() } else { get("NAMESPACE").to_owned() },
            name: name.to_owned(),
            warning: get("TYPE") == "Warning",
            reason: get("REASON").to_owned(),
            message: get("MESSAGE").to_owned(),
            count,
            age_s,
        })
    };
    table.rows().filter_map(event).collect()
}

fn object(kind: &str, namespace: &str, row: &[(&str, &str)]) -> Option<Value> {
    let get = |head: &str| row.iter().find(|(name, _)| *name == head).map_or("", |(_, cell)| cell);
    let mut name = get("NAME");
    // `kubectl get all` writes the kind before the name.
    if let Some((_, after)) = name.split_once('/') {
        name = after;
    }
    if name.is_empty() {
        return None;
    }
    let mut value = match kind {
        "Pod" => pod(get("STATUS"), get("READY"), get("NODE"), get("IP")),
        "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet" => workload(get),
        "Service" => service(get),
        "Node" => node(get("STATUS")),
        "PersistentVolumeClaim" => {
            json!({ "status": { "phase": get("STATUS") }, "spec": { "volumeName": get("VOLUME") } })
        }
        "PersistentVolume" => {
            json!({ "status": { "phase": get("STATUS") }, "spec": { "capacity": { "storage": get("CAPACITY") } } })
        }
        "ResourceQuota" => quota(get("REQUEST"), get("LIMIT")),
        _ => json!({}),
    };
    value["kind"] = json!(kind);
    value["metadata"] = json!({ "name": name });
    let own = if get("NAMESPACE").is_empty() { namespace } else { get("NAMESPACE") };
    if !own.is_empty() {
        value["metadata"]["namespace"] = json!(own);
    }
    if !get("LABELS").is_empty() {
        value["metadata"]["labels"] = labels(get("LABELS"));
    }
    Some(value)
}

fn labels(text: &str) -> Value {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), json!(value))).collect::<Map<_, _>>())
}

/// The STATUS column mixes the phase with the reason a container waits.
fn pod(status: &str, ready: &str, node: &str, ip: &str) -> Value {
    let phase = if matches!(status, "Pending" | "Running" | "Succeeded" | "Failed") { status } else { "" };
    let mut value = json!({ "spec": {}, "status": { "display": status } });
    if !phase.is_empty() {
        value["status"]["phase"] = json!(phase);
    }
    if let Some((now, want)) = ready.split_once('/') {
        value["status"]["displayReady"] = json!(now == want);
    }
    if !node.is_empty() {
        value["spec"]["nodeName"] = json!(node);
    }
    if !ip.is_empty() {
        value["status"]["podIP"] = json!(ip);
    }
    value
}

fn workload<'a>(get: impl Fn(&str) -> &'a str) -> Value {
    let mut value = json!({ "spec": {}, "status": {} });
    let (ready, want) = match get("READY").split_once('/') {
        Some(pair) => pair,
        None => (get("READY"), get("DESIRED")),
    };
    if let Ok(want) = want.parse::<u64>() {
        value["spec"]["replicas"] = json!(want);
    }
    if let Ok(ready) = ready.parse::<u64>() {
        value["status"]["readyReplicas"] = json!(ready);
    }
    if !get("SELECTOR").is_empty() {
        value["spec"]["selector"] = json!({ "matchLabels": labels(get("SELECTOR")) });
    }
    value
}

fn service<'a>(get: impl Fn(&str) -> &'a str) -> Value {
    let mut value = json!({ "spec": { "type": get("TYPE"), "clusterIP": get("CLUSTER-IP") } });
    if !get("SELECTOR").is_empty() {
        value["spec"]["selector"] = labels(get("SELECTOR"));
    }
    value
}

fn node(status: &str) -> Value {
    let words: Vec<&str> = status.split(',').collect();
    let mut value = json!({ "spec": { "unschedulable": words.contains(&"SchedulingDisabled") } });
    let ready = if words.contains(&"Ready") { "True" } else { "False" };
    if words.iter().any(|word| word.ends_with("Ready")) {
        value["status"] = json!({ "conditions": [{ "type": "Ready", "status": ready }] });
    }
    value
}

/// `requests.cpu: 10/10, pods: 3/5`.
fn quota(requests: &str, limits: &str) -> Value {
    let mut used = Map::new();
    let mut hard = Map::new();
    for part in requests.split(',').chain(limits.split(',')) {
        let Some((resource, amounts)) = part.split_once(':') else { continue };
        let Some((now, limit)) = amounts.trim().split_once('/') else { continue };
        used.insert(resource.trim().to_owned(), json!(now));
        hard.insert(resource.trim().to_owned(), json!(limit));
    }
    json!({ "status": { "used": used, "hard": hard } })
}
