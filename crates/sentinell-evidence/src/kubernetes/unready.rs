//! Workloads that are not up, whatever the reason: what is left to say when nothing names it.

use super::report::Report;
use super::snapshot::{Snapshot, service_entity};
use crate::finding::{Entity, EntityKind, Fault};
use crate::graph::component;
use std::collections::BTreeMap;

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    let mut unready: BTreeMap<Entity, (usize, usize, String)> = BTreeMap::new();
    // Of a pod without a phase nobody read how it is.
    for pod in snapshot.pods.iter().filter(|pod| !matches!(pod.phase.as_str(), "" | "Succeeded" | "Completed")) {
        let known = pod.owner.is_some() || snapshot.workload_of(pod).is_some();
        let named = || Entity { kind: EntityKind::Pod, ..service_entity(&pod.meta.namespace, pod.meta.name.as_str()) };
        let subject = if known { snapshot.entity_of(pod) } else { component(&named()) };
        let entry = unready.entry(subject).or_default();
        entry.0 += 1;
        if !pod.ready {
            entry.1 += 1;
            entry.2.clone_from(&pod.phase);
        }
    }
    for (subject, (all, down, phase)) in unready.into_iter().filter(|(_, (_, down, _))| *down > 0) {
        let say = format!("{down} of {all} pods of {} are not ready ({phase})", subject.name);
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
