//! Cloud-OpsBench (arXiv 2603.00468): a case is a cache of the answers ten read-only tools gave an agent, plus alerts
//! and, where there was load, metrics. Root causes have a public vocabulary.

use anyhow::{Context, Result};
use sentinell_evidence::case::{Case, Diagnosis, KubernetesRead, LogLine, LogStream, Series};
use sentinell_evidence::finding::{Entity, EntityKind, Fault};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

use crate::index::{Line, Truth};
use crate::suite::{Layout, Mark, Prediction, evidence};

mod telemetry;

/// The suite.
pub(crate) struct CloudOpsBench;

impl Layout for CloudOpsBench {
    fn case(&self, data: &Path, line: &Line) -> Result<Case> {
        let folder = data.join(line.text("dir"));
        let cache = folder.join("tool_cache.json");
        let cache = std::fs::read(&cache).with_context(|| format!("reading {}", cache.display()))?;
        let metrics = std::fs::read_to_string(folder.join("raw_data/metrics.csv")).ok();
        case(&cache, metrics.as_deref(), line.text("namespace"))
    }

    fn predictions(&self, _: &Line, diagnosis: &Diagnosis) -> Vec<Prediction> {
        predictions(diagnosis)
    }

    fn objects(&self, _: &Line, diagnosis: &Diagnosis) -> Vec<Prediction> {
        let blamed = diagnosis.ranking.hypotheses.iter().filter_map(|hypothesis| {
            let evidence = evidence(diagnosis, &hypothesis.supports);
            let (entity, confidence) = (object(&hypothesis.component)?, hypothesis.confidence);
            Some(Prediction { entity, cause: None, metric: None, confidence, evidence })
        });
        blamed.collect()
    }

    fn marks(&self) -> &'static [Mark] {
        &[Mark { what: "object and cause", right: right_in_both }, Mark { what: "object", right: right_object }]
    }

    fn cause(&self, truth: &Truth) -> String {
        truth.text("root_cause").unwrap_or_default().to_owned()
    }

    fn is_cause(&self, entity: &Entity, fault: Fault, truth: &Truth) -> bool {
        cause(entity, fault).zip(truth.text("root_cause")).is_some_and(|(said, truth)| same(said, truth))
    }
}

fn right_object(said: &Prediction, truth: &Truth) -> bool {
    truth.text("object") == Some(&said.entity)
}

fn right_in_both(said: &Prediction, truth: &Truth) -> bool {
    let cause = said.cause.as_deref().zip(truth.text("root_cause"));
    right_object(said, truth) && cause.is_some_and(|(said, truth)| same(said, truth))
}

/// Turns a case's files into what the engine reads.
fn case(cache: &[u8], metrics: Option<&str>, namespace: &str) -> Result<Case> {
    let cache: BTreeMap<String, Value> =
        serde_json::from_slice(cache).context("the tool cache is not a JSON object")?;
    let (mut case, mut probes) = (Case::default(), Vec::new());
    for (key, answer) in &cache {
        let Some((tool, arguments)) = key.split_once(':') else { continue };
        let Ok(arguments) = serde_json::from_str::<Value>(arguments) else { continue };
        match tool {
            "GetResources" => case.kubernetes.extend(get(&arguments, answer)),
            "DescribeResource" => case.kubernetes.extend(describe(&arguments, answer)),
            "GetAppYAML" => case
                .kubernetes
                .push(read(&["apply", "--dry-run=client", "-o", "yaml", "-f", word(&arguments, "app_name")], answer)),
            "CheckNodeServiceStatus" => {
                let node = format!("node/{}", word(&arguments, "node_name"));
                case.kubernetes.push(read(
                    &["debug", &node, "--", "chroot", "/host", "systemctl", "status", word(&arguments, "service_name")],
                    answer,
                ));
            }
            "GetErrorLogs" | "GetRecentLogs" => {
                case.logs.extend(telemetry::logs(service(namespace, word(&arguments, "service_name")), tool, answer))
            }
            "CheckServiceConnectivity" => probes.extend(telemetry::probe(namespace, &arguments, answer)),
            "GetServiceDependencies" => case.calls.extend(telemetry::calls(namespace, answer.as_str().unwrap_or(""))),
            _ => {}
        }
    }
    case.calls.sort();
    case.calls.dedup();
    let nodes = node_names(&cache);
    case.metrics = match metrics {
        Some(table) => telemetry::metrics(namespace, &nodes, table),
        None => telemetry::alerts(namespace, cache.get("GetAlerts:{}").unwrap_or(&Value::Null)),
    };
    case.metrics.extend(probes);
    case.logs.extend(telemetry::requests(cache.get("GetAlerts:{}").unwrap_or(&Value::Null)));
    Ok(case)
}

fn service(namespace: &str, name: &str) -> Entity {
    Entity::new(EntityKind::Service, name).in_namespace(namespace)
}

fn word<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments[name].as_str().unwrap_or("")
}

fn read(argv: &[&str], answer: &Value) -> KubernetesRead {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    KubernetesRead::Text { argv, output: answer.as_str().unwrap_or("").to_owned() }
}

/// Kinds that are read as YAML: what a description leaves out of them matters.
const YAML: [&str; 8] = [
    "configmaps",
    "networkpolicies",
    "ingresses",
    "virtualservices",
    "httproutes",
    "deployments",
    "statefulsets",
    "services",
];

/// Lists of a whole namespace, and the YAML of what routes or isolates; the rest is described better.
fn get(arguments: &Value, answer: &Value) -> Option<KubernetesRead> {
    let (kind, name, namespace) =
        (word(arguments, "resource_type"), word(arguments, "name"), word(arguments, "namespace"));
    let has = |flag: &str| !arguments[flag].is_null();
    if has("label_selector") || has("show_labels") {
        return None;
    }
    let mut argv = vec!["get", kind];
    if has("output_yaml") {
        if !YAML.contains(&kind) {
            return None;
        }
        argv.extend([name, "-n", namespace, "-o", "yaml"]);
    } else if name.is_empty() {
        argv.extend(["-n", namespace]);
        if has("output_wide") {
            argv.extend(["-o", "wide"]);
        }
    } else {
        return None;
    }
    Some(read(&argv, answer))
}

fn describe(arguments: &Value, answer: &Value) -> Option<KubernetesRead> {
    let kind = word(arguments, "resource_type");
    let useful = [
        "pod",
        "deployment",
        "statefulset",
        "daemonset",
        "replicaset",
        "service",
        "node",
        "persistentvolume",
        "persistentvolumeclaim",
        "resourcequota",
    ];
    if !useful.contains(&kind.trim_end_matches('s')) {
        return None;
    }
    Some(read(&["describe", kind, word(arguments, "name"), "-n", word(arguments, "namespace")], answer))
}

fn node_names(cache: &BTreeMap<String, Value>) -> Vec<String> {
    let nodes = cache.get("GetClusterConfiguration:{}").and_then(|value| value["nodes"].as_array());
    let told = nodes.into_iter().flatten().filter_map(|node| node["name"].as_str());
    // Half of the recordings have no answer to that question; the list of nodes says the same.
    let listed = cache.iter().filter(|(key, _)| key.starts_with(NODES)).filter_map(|(_, answer)| answer.as_str());
    let listed = listed.flat_map(|table| table.lines().skip(1).filter_map(|row| row.split_whitespace().next()));
    told.chain(listed).map(str::to_owned).collect()
}

/// How a list of all nodes is asked for.
const NODES: &str = "GetResources:{\"resource_type\":\"nodes\",\"name\":\"\",";

/// The ranked causes in the benchmark's words; what it has no word for is left out.
fn predictions(diagnosis: &Diagnosis) -> Vec<Prediction> {
    let mut predictions: Vec<Prediction> = Vec::new();
    for hypothesis in &diagnosis.ranking.hypotheses {
        let Some((entity, cause)) = object(&hypothesis.component).zip(cause(&hypothesis.component, hypothesis.fault))
        else {
            continue;
        };
        if predictions.iter().any(|known| known.entity == entity && known.cause.as_deref() == Some(cause)) {
            continue;
        }
        let evidence = evidence(diagnosis, &hypothesis.supports);
        let (cause, confidence) = (Some(cause.to_owned()), hypothesis.confidence);
        predictions.push(Prediction { entity, cause, metric: None, confidence, evidence });
    }
    predictions
}

fn object(entity: &Entity) -> Option<String> {
    match entity.kind {
        EntityKind::Service | EntityKind::Pod => Some(format!("app/{}", entity.name)),
        EntityKind::Node => Some(format!("node/{}", entity.name)),
        EntityKind::Namespace => Some(format!("namespace/{}", entity.name)),
        EntityKind::Host | EntityKind::LogStream => None,
    }
}

/// The benchmark accepts two aliases.
fn same(one: &str, other: &str) -> bool {
    let plain = |cause: &str| match cause {
        "db_readonly_mode" => "db_read_only".to_owned(),
        "gateway_misrouted" => "gateway_misroute".to_owned(),
        cause => cause.to_owned(),
    };
    plain(one) == plain(other)
}

/// The benchmark's word for a fault.
fn cause(entity: &Entity, fault: Fault) -> Option<&'static str> {
    let node = entity.kind == EntityKind::Node;
    Some(match fault {
        Fault::MissingServiceAccount => "missing_service_account",
        Fault::CpuQuotaExceeded => "namespace_cpu_quota_exceeded",
        Fault::MemoryQuotaExceeded => "namespace_memory_quota_exceeded",
        Fault::PodQuotaExceeded => "namespace_pod_quota_exceeded",
        Fault::ServiceQuotaExceeded => "namespace_service_quota_exceeded",
        Fault::StorageQuotaExceeded => "namespace_storage_quota_exceeded",
        Fault::NodeAffinityMismatch => "node_affinity_mismatch",
        Fault::NodesCordoned => "node_cordon_mismatch",
        Fault::NodeSelectorMismatch => "node_selector_mismatch",
        Fault::PodAntiAffinityConflict => "pod_anti_affinity_conflict",
        Fault::TaintNotTolerated => "taint_toleration_mismatch",
        Fault::InsufficientCpu => "cpu_capacity_mismatch",
        Fault::InsufficientMemory => "memory_capacity_mismatch",
        Fault::ClaimSelectorMismatch => "pvc_selector_mismatch",
        Fault::ClaimStorageClassMismatch => "pvc_storage_class_mismatch",
        Fault::ClaimAccessModeMismatch => "pvc_access_mode_mismatch",
        Fault::ClaimCapacityMismatch => "pvc_capacity_mismatch",
        Fault::VolumeAlreadyBound => "pv_binding_occupied",
        Fault::VolumePermissionDenied => "volume_mount_permission_denied",
        Fault::MissingSecret => "missing_secret_binding",
        Fault::ImageNotFound => "incorrect_image_reference",
        Fault::RegistryUnresolvable => "image_registry_dns_failure",
        Fault::MissingImagePullSecret | Fault::ImagePullDenied => "missing_image_pull_secret",
        Fault::OutOfMemory => "oom_killed",
        Fault::LivenessProbeProtocol => "liveness_probe_incorrect_protocol",
        Fault::LivenessProbePort => "liveness_probe_incorrect_port",
        Fault::LivenessProbeTiming => "liveness_probe_incorrect_timing",
        Fault::ReadinessProbeProtocol => "readiness_probe_incorrect_protocol",
        Fault::ReadinessProbePort => "readiness_probe_incorrect_port",
        Fault::SidecarPortConflict => "service_sidecar_port_conflict",
        Fault::DatabaseCredentials => "mysql_invalid_credentials",
        Fault::DatabasePort => "mysql_invalid_port",
        Fault::DatabaseConnectionsExhausted => "db_connection_exhaustion",
        Fault::DatabaseReadOnly => "db_read_only",
        Fault::ZeroReplicas => "deployment_zero_replicas",
        Fault::ServiceSelectorMismatch => "service_selector_mismatch",
        Fault::ServicePortMismatch => "service_port_mapping_mismatch",
        Fault::ServiceProtocolMismatch => "service_protocol_mismatch",
        Fault::ServiceAddressMismatch => "service_env_var_address_mismatch",
        Fault::RouteMismatch => "gateway_misroute",
        Fault::DnsFailure => "service_dns_resolution_failure",
        Fault::CpuOverload => "pod_cpu_overload",
        Fault::NetworkDelay if node => "node_network_delay",
        Fault::NetworkDelay => "pod_network_delay",
        Fault::NetworkLoss if node => "node_network_packet_loss",
        Fault::ContainerRuntimeDown => "containerd_unavailable",
        Fault::KubeletDown => "kubelet_unavailable",
        Fault::KubeProxyDown => "kube_proxy_unavailable",
        Fault::SchedulerDown => "kube_scheduler_unavailable",
        _ => return None,
    })
}
