//! Containers that end: out of memory, or again and again.

use super::object::{Event, Pod};
use super::report::Report;
use super::snapshot::Snapshot;
use crate::finding::Fault;

/// The longest pause that the kubelet makes between two starts of a container, milliseconds (Kubernetes documentation,
/// "Pod Lifecycle", container restarts).
const LONGEST_BACKOFF: i64 = 300_000;
/// The same in seconds.
const LONGEST_BACKOFF_S: u64 = 300;

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for pod in &snapshot.pods {
        let subject = snapshot.entity_of(pod);
        let source = format!("kubectl describe pod {}", pod.meta.name);
        let oom_event = snapshot.events_of_pod(pod).find(|event| {
            event.message.contains("OOM-killed") || event.message.contains("OOMKilled") || event.reason == "OOMKilling"
        });
        if let Some(event) = oom_event {
            let say = format!("{} is killed for want of memory as soon as it starts{}", subject.name, limit(pod));
            report.quoted(subject.clone(), Fault::OutOfMemory, (0.95, 9), &say, &source, &event.message);
        }
        probed(snapshot, pod, report);
        for status in &pod.statuses {
            let ends = [&status.terminated, &status.last];
            let oom = ends.into_iter().flatten().find(|end| end.reason == "OOMKilled");
            if let Some(end) = oom {
                let strength = if pod.ready { 0.7 } else { 0.95 };
                let say = format!(
                    "container {} of {} exceeded its memory limit{} and was killed",
                    status.name,
                    subject.name,
                    limit(pod)
                );
                report.quoted(subject.clone(), Fault::OutOfMemory, (strength, 9), &say, &source, &end.reason);
            }
            let looping =
                status.waiting.as_deref() == Some("CrashLoopBackOff") || pod.phase.ends_with("CrashLoopBackOff");
            if looping || status.restarts >= 3 && !pod.ready {
                let code = status
                    .last
                    .as_ref()
                    .and_then(|end| end.exit_code)
                    .map(|code| format!(" with exit code {code}"))
                    .unwrap_or_default();
                let say = format!(
                    "container {} of {} ends again and again{code} ({} restarts)",
                    status.name, subject.name, status.restarts
                );
                report.symptom(subject.clone(), Some(Fault::CrashLoop), (0.8, 5), &say, &source, "");
            }
        }
    }
}

/// A container that its liveness probe has just killed, whatever is wrong with either; it looks healthy in between.
fn probed(snapshot: &Snapshot, pod: &Pod, report: &mut Report) {
    let lately = |event: &&Event| event.age_s.is_some_and(|age| age < LONGEST_BACKOFF_S);
    let killed = |event: &&Event| event.reason == "Killing" && event.message.contains("failed liveness probe");
    let Some(event) = snapshot.events_of_pod(pod).filter(lately).find(killed) else { return };
    let subject = snapshot.entity_of(pod);
    let say = format!("a container of {} is killed by its liveness probe", subject.name);
    let source = format!("kubectl describe pod {}", pod.meta.name);
    report.symptom(subject, Some(Fault::CrashLoop), (0.7, 4), &say, &source, &event.message);
}

/// A container that ends again and again is up for a while each time, and looks healthy to whoever reads just then. Having
/// failed since shortly before the onset tells; having failed some day does not.
pub(super) fn analyze_recent(snapshot: &Snapshot, onset_ms: Option<i64>, report: &mut Report) {
    let Some(onset_ms) = onset_ms else { return };
    for pod in snapshot.pods.iter().filter(|pod| pod.ready) {
        for status in pod.statuses.iter().filter(|status| status.restarts >= 2 && status.waiting.is_none()) {
            let Some(end) = &status.last else { continue };
            let failed = end.exit_code.is_some_and(|code| code != 0) && end.reason != "OOMKilled";
            if !failed || end.at_ms.is_none_or(|at| at < onset_ms - LONGEST_BACKOFF) {
                continue;
            }
            let subject = snapshot.entity_of(pod);
            let code = end.exit_code.unwrap_or_default();
            let say = format!(
                "container {} of {} runs now, but ended with exit code {code} shortly before ({} restarts)",
                status.name, subject.name, status.restarts
            );
            let source = format!("kubectl describe pod {}", pod.meta.name);
            report.symptom(subject, Some(Fault::CrashLoop), (0.7, 5), &say, &source, "");
        }
    }
}

fn limit(pod: &super::object::Pod) -> String {
    let limit = pod.spec.containers.iter().filter_map(|container| container.limits.memory).min();
    limit.map(|bytes| format!(" (limit {} MiB)", bytes >> 20)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::{json, top};

    #[test]
    fn a_container_killed_for_memory_names_its_workload() {
        let pod = serde_json::json!({ "kind": "Pod",
            "metadata": { "name": "oven-5c-x1", "namespace": "bakery", "ownerReferences": [{ "kind": "ReplicaSet", "name": "oven-5c", "controller": true }] },
            "spec": { "nodeName": "n1", "containers": [{ "name": "main", "resources": { "limits": { "memory": "64Mi" } } }] },
            "status": { "phase": "Running", "containerStatuses": [{ "name": "main", "restartCount": 4, "ready": false,
                "state": { "waiting": { "reason": "CrashLoopBackOff" } }, "lastState": { "terminated": { "reason": "OOMKilled", "exitCode": 137 } } }] } });
        let finding = top(&Snapshot::new(&[json(pod)]));
        assert_eq!(
            (finding.fault, finding.subject.to_string().as_str()),
            (Some(Fault::OutOfMemory), "service/bakery/oven")
        );
        assert!(finding.summary.contains("64 MiB"), "{}", finding.summary);
    }

    #[test]
    fn a_container_that_only_ends_again_and_again_is_named_without_a_claim_about_why() {
        let pod = serde_json::json!({ "kind": "Pod",
            "metadata": { "name": "oven-5c-x1", "namespace": "bakery", "ownerReferences": [{ "kind": "ReplicaSet", "name": "oven-5c", "controller": true }] },
            "spec": { "nodeName": "n1", "containers": [{ "name": "main" }] },
            "status": { "phase": "Running", "containerStatuses": [{ "name": "main", "restartCount": 4, "ready": false,
                "state": { "waiting": { "reason": "CrashLoopBackOff" } }, "lastState": { "terminated": { "reason": "Error", "exitCode": 3 } } }] } });
        let case = crate::case::Case { kubernetes: vec![json(pod)], ..Default::default() };
        let ranking = crate::diagnose(&case).ranking;
        let first = ranking.hypotheses.first().expect("a hypothesis");
        assert_eq!((first.component.to_string().as_str(), first.fault), ("service/bakery/oven", Fault::CrashLoop));
        assert!((0.4..0.8).contains(&first.confidence), "sure that it crashes, not why: {}", first.confidence);
        assert!(first.statement.contains("exit code 3"), "{}", first.statement);
    }

    #[test]
    fn a_container_between_two_crashes_is_not_healthy() {
        let pod = |finished: &str| {
            serde_json::json!({ "kind": "Pod",
            "metadata": { "name": "oven-5c-x1", "namespace": "bakery", "ownerReferences": [{ "kind": "ReplicaSet", "name": "oven-5c", "controller": true }] },
            "spec": { "nodeName": "n1", "containers": [{ "name": "main" }] },
            "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }],
                "containerStatuses": [{ "name": "main", "restartCount": 3, "ready": true, "state": { "running": {} },
                "lastState": { "terminated": { "reason": "Error", "exitCode": 3, "finishedAt": finished } } }] } })
        };
        let leading = |finished: &str| {
            let onset = crate::logs::parse_timestamp("2026-03-01T10:00:00Z");
            let case =
                crate::case::Case { kubernetes: vec![json(pod(finished))], onset_ms: onset, ..Default::default() };
            crate::diagnose(&case).ranking.hypotheses.first().map(|leading| leading.fault)
        };
        assert_eq!(leading("2026-03-01T09:58:00Z"), Some(Fault::CrashLoop));
        assert_eq!(leading("2026-02-27T10:00:00Z"), None, "it failed some other day");
    }
}
