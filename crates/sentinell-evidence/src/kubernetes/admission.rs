//! Pods that the API server refuses to create. What decides there belongs to the namespace: quotas, limit ranges, pod security,
//! webhooks; only an account that is not there is the pod's own.

use super::object::{Event, Workload};
use super::report::Report;
use super::snapshot::{Snapshot, service_entity};
use crate::finding::{Entity, EntityKind, Fault};

/// Refusals that another analyzer names more narrowly.
const NAMED: [&str; 2] = ["exceeded quota", "failed quota"];

/// A refusal that is the pod's own doing.
const OWN: &str = "error looking up service account";

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for event in snapshot.events.iter().filter(|event| event.reason == "FailedCreate") {
        let Some(why) = refusal(&event.message).filter(|why| !why.contains(OWN)) else { continue };
        let Some(workload) = refused(snapshot, event) else { continue };
        let subject = Entity::new(EntityKind::Namespace, event.namespace.as_str());
        let say = format!("namespace {} does not admit the pods of {}", event.namespace, workload.meta.name);
        let source = format!("kubectl describe {} {}", event.kind.to_lowercase(), event.name);
        let own = service_entity(&event.namespace, &workload.meta.name);
        report.explained(own, Fault::Down, &say, &source);
        if NAMED.iter().any(|known| event.message.contains(known)) {
            report.symptom(subject, Some(Fault::AdmissionRefused), (0.9, 6), &say, &source, why);
        } else {
            report.quoted(subject, Fault::AdmissionRefused, (0.95, 9), &say, &source, why);
        }
    }
}

/// What the API server says when an admission plugin or webhook refuses.
fn refusal(message: &str) -> Option<&str> {
    let webhook = message.find("admission webhook").filter(|_| message.contains("denied the request"));
    let at = message.find("is forbidden: ").or(webhook)?;
    message.get(at..)
}

/// The workload that the refusal is about, if it still lacks pods.
fn refused<'s>(snapshot: &'s Snapshot, event: &Event) -> Option<&'s Workload> {
    let owner = if event.kind == "ReplicaSet" {
        snapshot.deployment_of(&event.namespace, &event.name)
    } else {
        event.name.clone()
    };
    let lacks = |workload: &&Workload| {
        workload.meta.namespace == event.namespace
            && (workload.meta.name == owner || workload.meta.name == event.name)
            && workload.ready.unwrap_or(0) < workload.replicas.unwrap_or(1)
    };
    snapshot.owned().find(lacks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::json;
    use serde_json::json as object;

    fn leading(ready: u64, message: &str) -> Option<(Fault, String)> {
        let reads = vec![
            json(
                object!({ "kind": "Deployment", "metadata": { "name": "clerk", "namespace": "bank" }, "spec": { "replicas": 1,
                "template": { "spec": { "containers": [] } } }, "status": { "readyReplicas": ready } }),
            ),
            json(
                object!({ "kind": "Event", "involvedObject": { "kind": "ReplicaSet", "namespace": "bank", "name": "clerk-7d" }, "reason": "FailedCreate", "type": "Warning",
                "message": message }),
            ),
        ];
        let case = crate::case::Case { kubernetes: reads, ..Default::default() };
        let first = crate::diagnose(&case).ranking.hypotheses.into_iter().next();
        first.map(|first| (first.fault, first.component.to_string()))
    }

    #[test]
    fn what_a_namespace_does_not_admit_is_the_namespaces_and_not_the_pods() {
        let bank = |fault| Some((fault, "namespace/bank".to_owned()));
        let security = "Error creating: pods \"clerk-7d-x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false";
        let range = "Error creating: pods \"clerk-7d-x\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi";
        let webhook = "Error creating: admission webhook \"gate.example.org\" denied the request: no team label";
        for refused in [security, range, webhook] {
            assert_eq!(leading(0, refused), bank(Fault::AdmissionRefused), "{refused}");
        }
        assert_eq!(leading(1, security), None, "it got its pods since");
        let quota = "Error creating: pods \"clerk-7d-x\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=8, limited: pods=8";
        assert_eq!(leading(0, quota), bank(Fault::PodQuotaExceeded));
        let account = "Error creating: pods \"clerk-7d-x\" is forbidden: error looking up service account bank/clerks: serviceaccount \"clerks\" not found";
        assert_eq!(leading(0, account), Some((Fault::MissingServiceAccount, "service/bank/clerk".to_owned())));
    }
}
