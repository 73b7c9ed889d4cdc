//! Described pods and the workloads whose templates look like them.

use super::{Item, conditions, none, pairs, selector};
use serde_json::{Map, Value, json};

pub(super) fn pod(root: &Item) -> Value {
    let mut value =
        json!({ "spec": pod_spec(root), "status": { "phase": root.text("Status"), "podIP": none(root.text("IP")) } });
    let node = none(root.text("Node"));
    value["spec"]["nodeName"] = json!(node.split('/').next().unwrap_or(""));
    let statuses: Vec<Value> =
        root.child("Containers").map(|c| c.children.iter().map(container_status).collect()).unwrap_or_default();
    value["status"]["containerStatuses"] = json!(statuses);
    if let Some(init) = root.child("Init Containers") {
        value["status"]["initContainerStatuses"] =
            json!(init.children.iter().map(container_status).collect::<Vec<_>>());
    }
    value["status"]["conditions"] = conditions(root);
    value
}

fn pod_spec(root: &Item) -> Value {
    let containers =
        |key: &str| root.child(key).map(|c| c.children.iter().map(container).collect::<Vec<_>>()).unwrap_or_default();
    let mut spec = json!({ "containers": containers("Containers"), "nodeSelector": pairs(root, "Node-Selectors") });
    let init = containers("Init Containers");
    if !init.is_empty() {
        spec["initContainers"] = json!(init);
    }
    if !none(root.text("Service Account")).is_empty() {
        spec["serviceAccountName"] = json!(root.text("Service Account"));
    }
    let tolerations: Vec<Value> =
        root.child("Tolerations").map(|t| t.lines().map(toleration).collect()).unwrap_or_default();
    spec["tolerations"] = json!(tolerations);
    let volumes: Vec<Value> =
        root.child("Volumes").map(|v| v.children.iter().filter_map(pod_volume).collect()).unwrap_or_default();
    spec["volumes"] = json!(volumes);
    spec
}

fn pod_volume(item: &Item) -> Option<Value> {
    let kind = item.text("Type").split(' ').next().unwrap_or("");
    let named = |key: &str| item.text(key).to_owned();
    let optional = item.text("Optional") == "true";
    let source = match kind {
        "PersistentVolumeClaim" => json!({ "persistentVolumeClaim": { "claimName": named("ClaimName") } }),
        "Secret" => json!({ "secret": { "secretName": named("SecretName"), "optional": optional } }),
        "ConfigMap" => json!({ "configMap": { "name": named("Name"), "optional": optional } }),
        "HostPath" => json!({ "hostPath": { "path": named("Path") } }),
        _ => return None,
    };
    let mut value = source;
    value["name"] = json!(item.key);
    Some(value)
}

/// `key=value:Effect`, `key:Effect op=Exists for 300s`, `op=Exists`.
fn toleration(line: &str) -> Value {
    let exists = line.contains("op=Exists");
    let head = line.split(" op=").next().unwrap_or("").trim_start_matches("op=Exists").trim();
    let (pair, effect) = head.rsplit_once(':').unwrap_or((head, ""));
    let (key, value) = pair.split_once('=').map_or((pair, None), |(k, v)| (k, Some(v)));
    let mut toleration = json!({ "key": key, "effect": effect, "operator": if exists { "Exists" } else { "Equal" } });
    if let (Some(value), false) = (value, exists) {
        toleration["value"] = json!(value);
    }
    toleration
}

fn container(item: &Item) -> Value {
    let mut value = json!({ "name": item.key });
    if !item.text("Image").is_empty() {
        value["image"] = json!(item.text("Image"));
    }
    let ports = item.child("Port").or_else(|| item.child("Ports"));
    let ports: Vec<Value> =
        ports.map(|p| none(p.value).split(',').filter_map(container_port).collect()).unwrap_or_default();
    if !ports.is_empty() {
        value["ports"] = json!(ports);
    }
    for (key, field) in [("Limits", "limits"), ("Requests", "requests")] {
        if let Some(amounts) = item.child(key) {
            let amounts: Map<String, Value> =
                amounts.children.iter().map(|a| (a.key.to_owned(), json!(a.value))).collect();
            value["resources"][field] = Value::Object(amounts);
        }
    }
    for (key, field) in [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")] {
        if let Some(probe) = probe(item.text(key)) {
            value[field] = probe;
        }
    }
    if let Some(env) = item.child("Environment") {
        value["env"] = json!(env.children.iter().filter_map(env_var).collect::<Vec<_>>());
    }
    if let Some(from) = item.child("Environment Variables from") {
        value["envFrom"] = json!(from.children.iter().filter_map(env_from).collect::<Vec<_>>());
    }
    value
}

fn container_port(text: &str) -> Option<Value> {
    let (port, protocol) = text.trim().split_once('/')?;
    let (port, name) = port.split_once(" (").map_or((port, None), |(p, n)| (p, Some(n.trim_end_matches(')'))));
    let mut value = json!({ "containerPort": port.trim().parse::<u16>().ok()?, "protocol": protocol.split(' ').next().unwrap_or("TCP") });
    if let Some(name) = name {
        value["name"] = json!(name);
    }
    Some(value)
}

/// `grpc <pod>:8080  delay=5s timeout=1s period=10s #success=1 #failure=3`.
fn probe(text: &str) -> Option<Value> {
    let how = text.split(" delay=").next()?.trim();
    let (kind, target) = how.split_once(' ').unwrap_or((how, ""));
    let target = target.trim();
    let mut value = match kind {
        "http-get" => json!({ "httpGet": { "port": port(target.split("://").nth(1).unwrap_or(target)) } }),
        "grpc" => json!({ "grpc": { "port": port(target) } }),
        "tcp-socket" => json!({ "tcpSocket": { "port": port(target) } }),
        "exec" => json!({ "exec": { "command": [] } }),
        _ => return None,
    };
    for (word, field) in [
        ("delay=", "initialDelaySeconds"),
        ("timeout=", "timeoutSeconds"),
        ("period=", "periodSeconds"),
        ("#failure=", "failureThreshold"),
    ] {
        let number = text.split(word).nth(1).map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(""));
        if let Some(number) = number.and_then(|n| n.parse::<u64>().ok()) {
            value[field] = json!(number);
        }
    }
    Some(value)
}

/// The port in `:8080/path`, `<pod>:8080`, `host:name/`.
fn port(target: &str) -> Value {
    let after = target.split('/').next().unwrap_or("").rsplit(':').next().unwrap_or("");
    after.parse::<u16>().map_or_else(|_| json!(after), |number| json!(number))
}

fn env_var(item: &Item) -> Option<Value> {
    if item.key.is_empty() || item.key.contains(' ') {
        return None;
    }
    let quoted =
        |text: &str, after: &str| text.split(after).nth(1).and_then(|rest| rest.split('\'').nth(1)).map(str::to_owned);
    if item.value.starts_with("<set to the key") {
        let optional = item.value.ends_with("Optional: true");
        for (word, field) in [("in secret", "secretKeyRef"), ("of config map", "configMapKeyRef")] {
            if let Some(name) = quoted(item.value, word) {
                return Some(
                    json!({ "name": item.key, "valueFrom": { field: { "name": name, "optional": optional } } }),
                );
            }
        }
        return None;
    }
    (!item.value.starts_with('(')).then(|| json!({ "name": item.key, "value": item.value }))
}

/// `name  Secret     Optional: false`.
fn env_from(item: &Item) -> Option<Value> {
    let mut words = item.key.split_whitespace();
    let name = words.next()?;
    let field = match words.next()? {
        "Secret" => "secretRef",
        "ConfigMap" => "configMapRef",
        _ => return None,
    };
    Some(json!({ field: { "name": name, "optional": item.value == "true" } }))
}

fn container_status(item: &Item) -> Value {
    let mut value = json!({
        "name": item.key,
        "ready": item.text("Ready") == "True",
        "restartCount": item.text("Restart Count").parse::<u64>().unwrap_or(0),
    });
    for (key, field) in [("State", "state"), ("Last State", "lastState")] {
        let Some(state) = item.child(key) else { continue };
        let mut detail = json!({ "reason": state.text("Reason"), "message": state.text("Message") });
        if let Ok(code) = state.text("Exit Code").parse::<i64>() {
            detail["exitCode"] = json!(code);
        }
        value[field] = match state.value {
            "Waiting" => json!({ "waiting": detail }),
            "Terminated" => json!({ "terminated": detail }),
            "Running" => json!({ "running": {} }),
            _ => json!({}),
        };
    }
    value
}

pub(super) fn workload(root: &Item) -> Value {
    let empty = Item::default();
    let template = root.child("Pod Template").unwrap_or(&empty);
    let mut value = json!({
        "spec": {
            "selector": { "matchLabels": selector(root.text("Selector")) },
            "template": { "metadata": { "labels": pairs(template, "Labels") }, "spec": pod_spec(template) },
        },
        "status": {},
    });
    let annotations = pairs(template, "Annotations");
    if annotations.as_object().is_some_and(|map| !map.is_empty()) {
        value["spec"]["template"]["metadata"]["annotations"] = annotations;
    }
    for part in root.text("Replicas").split(['|', '/']) {
        let mut words = part.split_whitespace();
        let (Some(Ok(count)), Some(word)) = (words.next().map(str::parse::<u64>), words.next()) else { continue };
        match word {
            "desired" => value["spec"]["replicas"] = json!(count),
            "available" => value["status"]["readyReplicas"] = json!(count),
            _ => {}
        }
    }
    value
}
