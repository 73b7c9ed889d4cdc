//! What containers that are not well have said, now and before their last restart.

use crate::kubectl::{Kubectl, argv, complaint, is_label, is_name};
use crate::text::log_lines;
use sentinell_core::evidence::{Gap, LogLine, Telemetry};
use sentinell_core::time::Timestamp;
use serde_json::Value;

/// Containers whose logs are read at one look.
const MAX_CONTAINERS: usize = 8;
/// Lines of one container that are read.
const TAIL: &str = "--tail=500";
/// Bytes of one container that are read.
const BYTES: &str = "--limit-bytes=524288";

/// One container worth listening to.
#[derive(Debug, PartialEq, Eq)]
struct Patient {
    namespace: String,
    pod: String,
    container: String,
    subject: String,
    previous: bool,
}

/// Reads the logs of unhealthy containers, side by side.
pub(super) async fn of_unhealthy(kubectl: &Kubectl, pods: &[&Value]) -> (Vec<Telemetry>, Vec<Gap>) {
    let (patients, left_out) = patients(pods);
    let answers = futures::future::join_all(patients.iter().map(|patient| read(kubectl, patient))).await;
    let (mut logs, mut gaps) = (vec![], vec![]);
    for answer in answers {
        match answer {
            Ok(Some(log)) => logs.push(log),
            Ok(None) => {}
            Err(gap) => gaps.push(gap),
        }
    }
    if left_out > 0 {
        let why = format!("only {MAX_CONTAINERS} unhealthy containers are read at once");
        gaps.push(Gap { what: format!("logs of {left_out} more unhealthy containers"), why });
    }
    (logs, gaps)
}

/// The unhealthy containers that have said something, one per owner and container name first, and how many were left out.
fn patients(pods: &[&Value]) -> (Vec<Patient>, usize) {
    let mut found: Vec<Patient> = pods.iter().flat_map(|pod| of_pod(pod)).collect();
    // One voice of each choir before the second of any.
    let mut heard = std::collections::BTreeMap::new();
    let mut rank: Vec<(usize, Patient)> = vec![];
    for patient in found.drain(..) {
        let count = heard.entry((patient.subject.clone(), patient.container.clone(), patient.previous)).or_insert(0);
        *count += 1;
        rank.push((*count, patient));
    }
    rank.sort_by_key(|(nth, _)| *nth);
    let left_out = rank.len().saturating_sub(MAX_CONTAINERS);
    (rank.into_iter().take(MAX_CONTAINERS).map(|(_, patient)| patient).collect(), left_out)
}

fn of_pod(pod: &Value) -> Vec<Patient> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
    // The last words of a pod that is being deleted are no sign of how things stand.
    if !is_label(&namespace) || !is_name(&name) || !pod["metadata"]["deletionTimestamp"].is_null() {
        return vec![];
    }
    let subject = subject(pod, &namespace, &name);
    let mut patients = vec![];
    let statuses = ["initContainerStatuses", "containerStatuses"].map(|field| pod["status"][field].as_array());
    for status in statuses.into_iter().flatten().flatten() {
        let container = text(&status["name"]);
        let done = status["state"]["terminated"]["exitCode"] == 0;
        let ready = status["ready"] == true;
        let restarts = status["restartCount"].as_u64().unwrap_or(0);
        if !is_label(&container) || done || (ready && restarts == 0) {
            continue;
        }
        let patient = |previous| Patient {
            namespace: namespace.clone(),
            pod: name.clone(),
            container: container.clone(),
            subject: subject.clone(),
            previous,
        };
        let speaks = status["state"]["waiting"].is_null();
        patients.extend((restarts > 0).then(|| patient(true)));
        patients.extend(speaks.then(|| patient(false)));
    }
    patients
}

/// The workload that a team owns, as far as the pod itself tells: a ReplicaSet's name without its hash is its Deployment's.
fn subject(pod: &Value, namespace: &str, name: &str) -> String {
    let owner = &pod["metadata"]["ownerReferences"][0];
    let hash = pod["metadata"]["labels"]["pod-template-hash"].as_str().unwrap_or_default();
    let owned = match (owner["kind"].as_str(), owner["name"].as_str()) {
        (Some("ReplicaSet"), Some(set)) => set.strip_suffix(hash).and_then(|set| set.strip_suffix('-')).or(Some(set)),
        (Some("StatefulSet" | "DaemonSet"), Some(set)) => Some(set),
        _ => None,
    };
    owned.map_or_else(|| format!("pod/{namespace}/{name}"), |service| format!("service/{namespace}/{service}"))
}

async fn read(kubectl: &Kubectl, patient: &Patient) -> Result<Option<Telemetry>, Gap> {
    let Patient { namespace, pod, container, .. } = patient;
    let mut args = argv(&["logs", pod, "-c", container, "-n", namespace, TAIL, BYTES, "--timestamps"]);
    args.extend(patient.previous.then(|| "--previous".to_owned()));
    let source = format!("kubectl {}", args.join(" "));
    let gap = |why: String| Gap { what: source.clone(), why };
    let ended = kubectl.read(&args).await.map_err(|error| gap(error.to_string()))?;
    if ended.code != Some(0) {
        return Err(gap(complaint(&ended.stderr).to_string()));
    }
    let lines: Vec<LogLine> = log_lines(&ended.stdout, 500).into_iter().map(split_time).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    Ok(Some(Telemetry::Logs { subject: patient.subject.clone(), source, lines, baseline: vec![] }))
}

/// The kubelet's own time stands before the container's text.
fn split_time(line: LogLine) -> LogLine {
    match line.text.split_once(' ') {
        Some((time, text)) => match Timestamp::parse(time) {
            Ok(at) => LogLine { at: Some(at), text: text.to_owned(), ..line },
            Err(_) => line,
        },
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, ready: bool, restarts: u32, state: Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "shop", "labels": {"pod-template-hash": "7d9f"},
                "ownerReferences": [{"kind": "ReplicaSet", "name": "cart-7d9f"}]},
            "status": {"containerStatuses": [{"name": "main", "ready": ready, "restartCount": restarts, "state": state}]}})
    }

    #[test]
    fn only_the_unwell_are_listened_to_and_none_of_many_copies_drowns_the_others() {
        let well = pod("cart-7d9f-a", true, 0, json!({"running": {}}));
        let crashed = pod("cart-7d9f-b", false, 3, json!({"waiting": {"reason": "CrashLoopBackOff"}}));
        let found = patients(&[&well, &crashed]).0;
        assert_eq!(found.len(), 1);
        assert!(found[0].previous && found[0].pod == "cart-7d9f-b" && found[0].subject == "service/shop/cart");
        let copies: Vec<Value> =
            (0..20).map(|n| pod(&format!("cart-7d9f-{n}"), false, 0, json!({"running": {}}))).collect();
        let mut other = pod("web-1", false, 0, json!({"running": {}}));
        other["metadata"]["ownerReferences"] = json!([]);
        let all: Vec<&Value> = copies.iter().chain([&other]).collect();
        let (found, left_out) = patients(&all);
        assert!(found.iter().any(|patient| patient.subject == "pod/shop/web-1"));
        assert_eq!((found.len(), left_out), (MAX_CONTAINERS, 13));
    }
}
