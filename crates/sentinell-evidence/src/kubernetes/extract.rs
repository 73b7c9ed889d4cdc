//! API-shaped values into typed objects. Nothing here fails: a field of the wrong shape is a field that is not there.

use super::object::{
    Amounts, Claim, Container, ContainerPort, ContainerStatus, Handler, Labels, Meta, Need, Node, Pod, PodSpec,
    PortRef, Probe, Quota, Requirement, Service, ServicePort, Taint, Terminated, Volume, Workload,
};
use super::quantity::{milli, whole};
use crate::logs::parse_timestamp;
use serde_json::Value;

/// A field's text; empty if there is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// String pairs of an object; numbers and booleans are written out.
pub fn labels(value: &Value) -> Labels {
    let pairs = value.as_object().into_iter().flatten();
    pairs
        .filter(|(key, _)| key.as_str() != "kubectl.kubernetes.io/last-applied-configuration")
        .filter_map(|(key, value)| match value {
            Value::String(text) => Some((key.clone(), text.clone())),
            Value::Number(_) | Value::Bool(_) => Some((key.clone(), value.to_string())),
            _ => None,
        })
        .collect()
}

/// Name, namespace, labels.
pub fn meta(value: &Value, live: bool) -> Meta {
    let meta = &value["metadata"];
    Meta {
        namespace: text(&meta["namespace"]),
        name: text(&meta["name"]),
        labels: labels(&meta["labels"]),
        annotations: labels(&meta["annotations"]),
        live,
    }
}

fn owner(value: &Value) -> Option<(String, String)> {
    let owners = list(&value["metadata"]["ownerReferences"]);
    let owner = owners.iter().find(|owner| owner["controller"] == true).or(owners.first())?;
    Some((text(&owner["kind"]), text(&owner["name"])))
}

/// Quantities come as text, or as a bare number in hand-written YAML.
fn quantity(value: &Value, read: fn(&str) -> Option<u64>) -> Option<u64> {
    match value {
        Value::String(text) => read(text),
        Value::Number(number) => read(&number.to_string()),
        _ => None,
    }
}

fn amounts(value: &Value) -> Amounts {
    Amounts { cpu_milli: quantity(&value["cpu"], milli), memory: quantity(&value["memory"], whole) }
}

fn port_ref(value: &Value) -> Option<PortRef> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|n| u16::try_from(n).ok()).map(PortRef::Number),
        Value::String(text) if !text.is_empty() => {
            Some(text.parse().map_or_else(|_| PortRef::Name(text.clone()), PortRef::Number))
        }
        _ => None,
    }
}

fn port(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|n| u16::try_from(n).ok())
}

fn named(value: &Value) -> Option<String> {
    value.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

fn protocol(value: &Value) -> String {
    named(value).unwrap_or_else(|| "TCP".to_owned())
}

fn probe(value: &Value) -> Option<Probe> {
    let handler = if value["httpGet"].is_object() {
        Handler::Http(port_ref(&value["httpGet"]["port"])?)
    } else if value["grpc"].is_object() {
        Handler::Grpc(port_ref(&value["grpc"]["port"])?)
    } else if value["tcpSocket"].is_object() {
        Handler::Tcp(port_ref(&value["tcpSocket"]["port"])?)
    } else if value["exec"].is_object() {
        Handler::Exec
    } else {
        return None;
    };
    let number = |field: &str, default: u64| value[field].as_u64().unwrap_or(default);
    Some(Probe {
        handler,
        delay_s: number("initialDelaySeconds", 0),
        timeout_s: number("timeoutSeconds", 1),
        period_s: number("periodSeconds", 10),
        failures: number("failureThreshold", 3),
    })
}

fn need(kind: &str, reference: &Value, name: &str) -> Option<Need> {
    let name = named(&reference[name])?;
    Some(Need { kind: kind.to_owned(), name, optional: reference["optional"] == true })
}

fn container(value: &Value) -> Container {
    let mut needs: Vec<Need> = Vec::new();
    for from in list(&value["envFrom"]) {
        needs.extend(need("Secret", &from["secretRef"], "name"));
        needs.extend(need("ConfigMap", &from["configMapRef"], "name"));
    }
    for var in list(&value["env"]) {
        needs.extend(need("Secret", &var["valueFrom"]["secretKeyRef"], "name"));
        needs.extend(need("ConfigMap", &var["valueFrom"]["configMapKeyRef"], "name"));
    }
    let ports = list(&value["ports"]).iter().filter_map(|p| {
        Some(ContainerPort {
            name: named(&p["name"]),
            port: port(&p["containerPort"])?,
            protocol: protocol(&p["protocol"]),
        })
    });
    let env =
        list(&value["env"]).iter().filter_map(|var| Some((named(&var["name"])?, var["value"].as_str()?.to_owned())));
    Container {
        name: text(&value["name"]),
        image: text(&value["image"]),
        ports: ports.collect(),
        requests: amounts(&value["resources"]["requests"]),
        limits: amounts(&value["resources"]["limits"]),
        liveness: probe(&value["livenessProbe"]),
        readiness: probe(&value["readinessProbe"]),
        startup: probe(&value["startupProbe"]),
        env: env.collect(),
        needs,
    }
}

fn taint(value: &Value) -> Taint {
    let value_of = if value["operator"] == "Exists" { None } else { Some(text(&value["value"])) };
    Taint { key: text(&value["key"]), value: value_of, effect: text(&value["effect"]) }
}

fn requirement(value: &Value) -> Requirement {
    Requirement {
        key: text(&value["key"]),
        operator: text(&value["operator"]),
        values: list(&value["values"]).iter().map(text).collect(),
    }
}

/// Names with the address that the pod's hosts file gives them.
fn aliases(value: &Value) -> Labels {
    let all = list(value).iter().flat_map(|alias| {
        let address = text(&alias["ip"]);
        list(&alias["hostnames"]).iter().map(move |name| (text(name), address.clone()))
    });
    all.collect()
}

/// What a pod or a template declares.
pub fn pod_spec(value: &Value) -> PodSpec {
    let affinity = &value["affinity"];
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = list(&affinity["nodeAffinity"][required]["nodeSelectorTerms"]);
    let mut spec = PodSpec {
        containers: list(&value["containers"]).iter().map(container).collect(),
        init_containers: list(&value["initContainers"]).iter().map(container).collect(),
        node_selector: labels(&value["nodeSelector"]),
        node_terms: terms
            .iter()
            .map(|term| list(&term["matchExpressions"]).iter().map(requirement).collect())
            .collect(),
        anti_affinity: !list(&affinity["podAntiAffinity"][required]).is_empty(),
        tolerations: list(&value["tolerations"]).iter().map(taint).collect(),
        service_account: named(&value["serviceAccountName"]).unwrap_or_else(|| text(&value["serviceAccount"])),
        pull_secrets: list(&value["imagePullSecrets"]).iter().filter_map(|secret| named(&secret["name"])).collect(),
        dns_policy: text(&value["dnsPolicy"]),
        nameservers: list(&value["dnsConfig"]["nameservers"]).iter().map(text).collect(),
        host_aliases: aliases(&value["hostAliases"]),
        ..PodSpec::default()
    };
    for volume in list(&value["volumes"]) {
        if let Some(claim) = named(&volume["persistentVolumeClaim"]["claimName"]) {
            spec.claims.push(claim);
        }
        spec.persistent |=
            ["persistentVolumeClaim", "hostPath", "nfs", "csi"].iter().any(|kind| volume[*kind].is_object());
        spec.needs.extend(need("Secret", &volume["secret"], "secretName"));
        spec.needs.extend(need("ConfigMap", &volume["configMap"], "name"));
    }
    spec
}

fn terminated(value: &Value) -> Option<Terminated> {
    let ended = &value["terminated"];
    ended.is_object().then(|| Terminated {
        reason: text(&ended["reason"]),
        exit_code: ended["exitCode"].as_i64(),
        message: text(&ended["message"]),
        at_ms: ended["finishedAt"].as_str().and_then(parse_timestamp),
    })
}

fn status(value: &Value) -> ContainerStatus {
    ContainerStatus {
        name: text(&value["name"]),
        ready: value["ready"] == true,
        restarts: value["restartCount"].as_u64().unwrap_or(0),
        waiting: value["state"]["waiting"].is_object().then(|| text(&value["state"]["waiting"]["reason"])),
        waiting_message: text(&value["state"]["waiting"]["message"]),
        terminated: terminated(&value["state"]),
        last: terminated(&value["lastState"]),
    }
}

fn condition<'a>(value: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&value["status"]["conditions"]).iter().find(|condition| condition["type"] == kind)
}

/// A pod.
pub fn pod(value: &Value, live: bool) -> Pod {
    let status_value = &value["status"];
    let mut statuses: Vec<ContainerStatus> = list(&status_value["initContainerStatuses"]).iter().map(status).collect();
    statuses.extend(list(&status_value["containerStatuses"]).iter().map(status));
    let ready = condition(value, "Ready").map(|ready| ready["status"] == "True");
    let phase = named(&status_value["phase"]).unwrap_or_else(|| text(&status_value["display"]));
    Pod {
        meta: meta(value, live),
        spec: pod_spec(&value["spec"]),
        phase,
        node: text(&value["spec"]["nodeName"]),
        ip: text(&status_value["podIP"]),
        owner: owner(value),
        ready: ready.or(status_value["displayReady"].as_bool()).unwrap_or(false),
        statuses,
    }
}

/// A Deployment, StatefulSet, DaemonSet or ReplicaSet.
pub fn workload(value: &Value, live: bool) -> Workload {
    let spec = &value["spec"];
    Workload {
        kind: text(&value["kind"]),
        meta: meta(value, live),
        replicas: spec["replicas"].as_u64(),
        ready: value["status"]["readyReplicas"].as_u64(),
        selector: labels(&spec["selector"]["matchLabels"]),
        pod_labels: labels(&spec["template"]["metadata"]["labels"]),
        pod_annotations: labels(&spec["template"]["metadata"]["annotations"]),
        template: pod_spec(&spec["template"]["spec"]),
        owner: owner(value),
    }
}

/// A service.
pub fn service(value: &Value, live: bool) -> Service {
    let spec = &value["spec"];
    let ports = list(&spec["ports"]).iter().filter_map(|p| {
        let number = port(&p["port"])?;
        Some(ServicePort {
            name: named(&p["name"]),
            port: number,
            target: port_ref(&p["targetPort"]).unwrap_or(PortRef::Number(number)),
            protocol: protocol(&p["protocol"]),
            app_protocol: named(&p["appProtocol"]),
        })
    });
    Service {
        meta: meta(value, live),
        kind: text(&spec["type"]),
        selector: labels(&spec["selector"]),
        ports: ports.collect(),
        cluster_ip: text(&spec["clusterIP"]),
        stands_for: text(&spec["externalName"]),
    }
}

/// A node.
pub fn node(value: &Value, live: bool) -> Node {
    let ready = condition(value, "Ready");
    let bad = list(&value["status"]["conditions"]).iter().filter(|c| c["type"] != "Ready" && c["status"] == "True");
    Node {
        meta: meta(value, live),
        ready: ready.map(|condition| condition["status"] == "True"),
        ready_reason: ready.map(|c| format!("{} {}", text(&c["reason"]), text(&c["message"]))).unwrap_or_default(),
        unschedulable: value["spec"]["unschedulable"] == true,
        taints: list(&value["spec"]["taints"]).iter().map(taint).collect(),
        allocatable: amounts(&value["status"]["allocatable"]),
        pressure: bad.map(|condition| text(&condition["type"])).collect(),
        units: std::collections::BTreeMap::new(),
    }
}

/// A resource quota.
pub fn quota(value: &Value, live: bool) -> Quota {
    let hard = if value["status"]["hard"].is_object() { &value["status"]["hard"] } else { &value["spec"]["hard"] };
    let limits = hard.as_object().into_iter().flatten().filter_map(|(resource, limit)| {
        let read = if resource.ends_with("cpu") { milli } else { whole };
        let used = quantity(&value["status"]["used"][resource.as_str()], read).unwrap_or(0);
        Some((resource.clone(), (used, quantity(limit, read)?)))
    });
    Quota { meta: meta(value, live), limits: limits.collect() }
}

/// `ReadWriteOnce` and `RWO` are the same.
fn modes(value: &Value) -> Vec<String> {
    let short = |mode: &Value| match mode.as_str().unwrap_or("") {
        "ReadWriteOnce" => "RWO".to_owned(),
        "ReadOnlyMany" => "ROX".to_owned(),
        "ReadWriteMany" => "RWX".to_owned(),
        "ReadWriteOncePod" => "RWOP".to_owned(),
        other => other.to_owned(),
    };
    list(value).iter().map(short).collect()
}

/// A persistent volume claim.
pub fn claim(value: &Value, live: bool) -> Claim {
    let spec = &value["spec"];
    Claim {
        meta: meta(value, live),
        phase: text(&value["status"]["phase"]),
        class: spec["storageClassName"].as_str().map(str::to_owned),
        size: quantity(&spec["resources"]["requests"]["storage"], whole),
        modes: modes(&spec["accessModes"]),
        selector: labels(&spec["selector"]["matchLabels"]),
        terms: list(&spec["selector"]["matchExpressions"]).iter().map(requirement).collect(),
        volume: text(&spec["volumeName"]),
    }
}

/// A persistent volume.
pub fn volume(value: &Value, live: bool) -> Volume {
    let spec = &value["spec"];
    let claim = &spec["claimRef"];
    let name = text(&claim["name"]);
    Volume {
        meta: meta(value, live),
        phase: text(&value["status"]["phase"]),
        class: text(&spec["storageClassName"]),
        size: quantity(&spec["capacity"]["storage"], whole),
        modes: modes(&spec["accessModes"]),
        claim: if name.is_empty() { name } else { format!("{}/{name}", text(&claim["namespace"])) },
    }
}
