//! Workloads that are not up, whatever the reason: what is left to say when nothing names it.

use super::object::{Pod, Workload};
use super::report::Report;
use super::snapshot::{Snapshot, selects, service_entity};
use crate::finding::{Entity, EntityKind, Fault};
use crate::graph::component;
use std::collections::BTreeMap;

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    pods(snapshot, report);
    for workload in snapshot.owned().filter(|workload| is_absent(snapshot, workload)) {
        let (namespace, name) = (workload.meta.namespace.as_str(), workload.meta.name.as_str());
        let say = format!("nothing of {name} runs: it has no pod");
        let source = format!("kubectl get {} {name}", workload.kind.to_lowercase());
        report.symptom(service_entity(namespace, name), Some(Fault::Down), (0.9, 3), &say, &source, "");
    }
}

/// A workload that should have pods and has none: it wants some, or a service leads to it.
fn is_absent(snapshot: &Snapshot, workload: &Workload) -> bool {
    let namespace = workload.meta.namespace.as_str();
    let seen = snapshot.pods.iter().any(|pod| pod.meta.namespace == namespace);
    let served = || {
        let leads = |labels| !workload.pod_labels.is_empty() && selects(labels, &workload.pod_labels);
        let mut services = snapshot.services.iter().filter(|service| service.meta.live);
        services.any(|s| s.meta.namespace == namespace && !s.selector.is_empty() && leads(&s.selector))
    };
    let wanted = match workload.replicas {
        Some(0) => served(),
        Some(_) => true,
        None => false,
    };
    seen && wanted
        && workload.meta.live
        && workload.kind != "DaemonSet"
        && workload.ready.unwrap_or(0) == 0
        && snapshot.pods_of(workload).next().is_none()
}

/// What else keeps a pod from running: the node it is on, or that the scheduler has not even looked at it.
fn keeper(snapshot: &Snapshot, pod: &Pod) -> Option<String> {
    let node = snapshot.nodes.get(&pod.node).filter(|node| node.ready == Some(false) || node.lacks_a_unit());
    if let Some(node) = node {
        return Some(format!("node {}, which is not well", node.meta.name));
    }
    let looked_at = || snapshot.events_of_pod(pod).next().is_some();
    let unseen = pod.unscheduled() && !snapshot.events.is_empty() && !looked_at();
    unseen.then(|| "the scheduler, which has not looked at it".to_owned())
}

/// Of one workload: its pods, those that are not ready, the phase of one of these, and what keeps all of these from running.
#[derive(Default)]
struct Pods {
    all: usize,
    down: usize,
    phase: String,
    own: bool,
    keeper: Option<String>,
}

fn pods(snapshot: &Snapshot, report: &mut Report) {
    let mut unready: BTreeMap<Entity, Pods> = BTreeMap::new();
    // Of a pod without a phase nobody read how it is.
    for pod in snapshot.pods.iter().filter(|pod| !matches!(pod.phase.as_str(), "" | "Succeeded" | "Completed")) {
        let known = pod.owner.is_some() || snapshot.workload_of(pod).is_some();
        let named = || Entity { kind: EntityKind::Pod, ..service_entity(&pod.meta.namespace, pod.meta.name.as_str()) };
        let subject = if known { snapshot.entity_of(pod) } else { component(&named()) };
        let entry = unready.entry(subject).or_default();
        entry.all += 1;
        if !pod.ready {
            entry.down += 1;
            entry.phase.clone_from(&pod.phase);
            match keeper(snapshot, pod) {
                Some(keeper) => entry.keeper = Some(keeper),
                None => entry.own = true,
            }
        }
    }
    for (subject, Pods { all, down, phase, own, keeper }) in unready.into_iter().filter(|(_, pods)| pods.down > 0) {
        let say = format!("{down} of {all} pods of {} are not ready ({phase})", subject.name);
        if let Some(keeper) = keeper.filter(|_| !own) {
            let why = format!("what keeps {} from running is {keeper}", subject.name);
            report.explained(subject.clone(), Fault::Down, &why, "kubectl get pods");
        }
        // All of them down is an outage, some of them may be on their way.
        let strength = if down == all { 0.9 } else { 0.5 };
        report.symptom(subject, Some(Fault::Down), (strength, 3), &say, "kubectl get pods", "");
    }
}

#[cfg(test)]
mod tests {
    use crate::case::Case;
    use crate::finding::Fault;
    use crate::kubernetes::testing::get;

    #[test]
    fn what_is_down_for_no_known_reason_is_named_and_nothing_else() {
        let pods = "NAME                     READY   STATUS      RESTARTS   AGE\n\
            gate-66fdf8c7b8-qrlc9    1/1     Running     0          9d\n\
            sweep-28391840-x2b4z     0/1     Completed   0          9m\n\
            mill-7db5d868d8-nr4q5    0/1     Pending     0          9m\n";
        let case = Case { kubernetes: vec![get("pods", pods)], ..Case::default() };
        let ranking = crate::diagnose(&case).ranking;
        let said: Vec<_> = ranking.hypotheses.iter().map(|h| (h.fault, h.component.to_string())).collect();
        assert_eq!(said, [(Fault::Down, "service/shop/mill".to_owned())]);
    }
}
