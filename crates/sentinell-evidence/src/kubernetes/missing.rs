//! Things a pod needs before it starts and that are not there.

use super::object::{Event, Pod};
use super::report::Report;
use super::snapshot::{Snapshot, service_entity};
use super::words::quoted_after;
use crate::finding::Fault;

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for pod in snapshot.pods.iter().filter(|pod| !pod.ready) {
        needs(snapshot, pod, report);
    }
    accounts(snapshot, report);
}

fn needs(snapshot: &Snapshot, pod: &Pod, report: &mut Report) {
    let subject = snapshot.entity_of(pod);
    let source = format!("kubectl describe pod {}", pod.meta.name);
    let events = snapshot
        .events_of_pod(pod)
        .filter(|event| matches!(event.reason.as_str(), "Failed" | "FailedMount"))
        .map(|e| e.message.as_str());
    let waiting = pod.statuses.iter().map(|status| status.waiting_message.as_str());
    for message in events.chain(waiting) {
        for (kind, phrase, fault) in
            [("secret", "secret ", Fault::MissingSecret), ("config map", "configmap ", Fault::MissingConfigMap)]
        {
            if let Some(name) = quoted_after(message, phrase).filter(|_| message.contains("not found")) {
                let say = format!("{} needs {kind} {name}, which does not exist", subject.name);
                report.quoted(subject.clone(), fault, (0.98, 10), &say, &source, message);
            } else if message.contains("couldn't find key") && message.to_lowercase().contains(&format!("in {phrase}"))
            {
                report.quoted(
                    subject.clone(),
                    fault,
                    (0.95, 9),
                    &format!("a {kind} of {} lacks a key it needs", subject.name),
                    &source,
                    message,
                );
            }
        }
    }
    let template = snapshot.workload_of(pod).map(|workload| &workload.template);
    let declared = pod.spec.all_needs().chain(template.into_iter().flat_map(|t| t.all_needs()));
    for need in declared.filter(|need| !need.optional) {
        if snapshot.exists(&need.kind, &pod.meta.namespace, &need.name) == Some(false) {
            let fault = if need.kind == "Secret" { Fault::MissingSecret } else { Fault::MissingConfigMap };
            let say = format!("{} needs {} {}, which does not exist", subject.name, need.kind, need.name);
            report.contradiction(subject.clone(), fault, 0.95, 10, &say, &source);
        }
    }
}

/// Workloads whose pods are refused because their account is not there. The refusal alone may be the past: accounts
/// are often created a moment after their workloads.
fn accounts(snapshot: &Snapshot, report: &mut Report) {
    for workload in snapshot.owned().filter(|workload| workload.ready.unwrap_or(0) < workload.replicas.unwrap_or(1)) {
        let namespace = workload.meta.namespace.as_str();
        let account = workload.template.service_account.as_str();
        if snapshot.pods_of(workload).next().is_some() {
            continue;
        }
        let refused = snapshot.events.iter().find(|event| refers(snapshot, event, namespace, &workload.meta.name));
        let exists = snapshot.exists("ServiceAccount", namespace, account);
        let absent = !account.is_empty() && exists == Some(false);
        let named = refused.and_then(|event| quoted_after(&event.message, "serviceaccount ")).unwrap_or(account);
        if absent || refused.is_some() && exists != Some(true) {
            let say = format!(
                "{} runs as service account {named}, which does not exist; no pod is created",
                workload.meta.name
            );
            let excerpt = refused.map_or("", |event| event.message.as_str());
            let source = format!("kubectl describe {} {}", workload.kind.to_lowercase(), workload.meta.name);
            report.quoted(
                service_entity(namespace, &workload.meta.name),
                Fault::MissingServiceAccount,
                (0.97, 10),
                &say,
                &source,
                excerpt,
            );
        }
    }
}

fn refers(snapshot: &Snapshot, event: &Event, namespace: &str, workload: &str) -> bool {
    let about = event.name == workload
        || event.kind == "ReplicaSet" && snapshot.deployment_of(namespace, &event.name) == workload;
    about && event.message.contains("error looking up service account")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::{get, json, top};
    use serde_json::json as object;

    #[test]
    fn a_declared_secret_that_no_list_has_is_missing() {
        let pod = object!({ "kind": "Pod", "metadata": { "name": "clerk-1-a", "namespace": "bank", "ownerReferences": [{ "kind": "ReplicaSet", "name": "clerk-1" }] },
            "spec": { "nodeName": "n1", "containers": [{ "name": "main", "envFrom": [{ "secretRef": { "name": "ledger" } }] }] }, "status": { "phase": "Pending" } });
        let reads = [json(pod.clone()), get("secrets", "NAME     TYPE     DATA   AGE\nledgers  Opaque   1      3d\n")];
        let spaced = [json(pod), get("secrets", "NAME      TYPE     DATA   AGE\nledger    Opaque   1      3d\n")];
        // The call's namespace is `shop` in both lists, so only a list of the pod's own namespace can say "missing".
        assert!(
            crate::kubernetes::analyze(&Snapshot::new(&reads)).0.iter().all(|f| f.fault != Some(Fault::MissingSecret))
        );
        let own = |reads: [crate::case::KubernetesRead; 2]| {
            reads.map(|read| crate::kubernetes::testing::in_namespace(read, "bank"))
        };
        assert_eq!(top(&Snapshot::new(&own(reads))).fault, Some(Fault::MissingSecret));
        assert!(
            crate::kubernetes::analyze(&Snapshot::new(&own(spaced)))
                .0
                .iter()
                .all(|f| f.fault != Some(Fault::MissingSecret))
        );
    }

    #[test]
    fn a_refused_replica_set_names_the_missing_account() {
        let reads = [
            json(
                object!({ "kind": "Deployment", "metadata": { "name": "clerk", "namespace": "bank" }, "spec": { "replicas": 1,
                "template": { "spec": { "serviceAccountName": "clerks", "containers": [] } } }, "status": {} }),
            ),
            json(
                object!({ "kind": "Event", "involvedObject": { "kind": "ReplicaSet", "namespace": "bank", "name": "clerk-7d" }, "reason": "FailedCreate", "type": "Warning",
                "message": "Error creating: pods \"clerk-7d-\" is forbidden: error looking up service account bank/clerks: serviceaccount \"clerks\" not found" }),
            ),
        ];
        let finding = top(&Snapshot::new(&reads));
        assert_eq!((finding.fault, finding.subject.name.as_str()), (Some(Fault::MissingServiceAccount), "clerk"));
    }
}
