//! Namespaces that may not have more.

use super::object::Event;
use super::report::Report;
use super::snapshot::Snapshot;
use crate::finding::{Entity, EntityKind, Fault};

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    refused(snapshot, report);
    declared_but_absent(snapshot, report);
    exhausted(snapshot, report);
}

/// `exceeded quota: NAME, requested: requests.cpu=1, used: requests.cpu=10, limited: requests.cpu=10`.
fn refused(snapshot: &Snapshot, report: &mut Report) {
    for event in &snapshot.events {
        unspecified(event, report);
        let Some(said) = event.message.split("exceeded quota: ").nth(1) else { continue };
        let requested = said.split("requested: ").nth(1).and_then(|rest| rest.split(", used: ").next()).unwrap_or("");
        for resource in requested.split(',').filter_map(|part| part.split('=').next()) {
            let Some(fault) = fault(resource.trim()) else { continue };
            let quota = said.split(',').next().unwrap_or("");
            let say = format!(
                "namespace {} has used up its quota {quota} ({}); {} is not created",
                event.namespace,
                resource.trim(),
                event.name
            );
            let source = format!("kubectl describe {} {}", event.kind.to_lowercase(), event.name);
            report.quoted(namespace(&event.namespace), fault, (1.0, 10), &say, &source, &event.message);
        }
    }
}

/// `failed quota: NAME: must specify limits.memory for: main`: the quota counts what the pod does not state.
fn unspecified(event: &Event, report: &mut Report) {
    let Some((quota, said)) =
        event.message.split("failed quota: ").nth(1).and_then(|rest| rest.split_once(": must specify "))
    else {
        return;
    };
    for fault in said.split([',', ' ', ';']).filter_map(fault) {
        let say = format!(
            "quota {quota} of namespace {} counts what the pods of {} do not state",
            event.namespace, event.name
        );
        let source = format!("kubectl describe {} {}", event.kind.to_lowercase(), event.name);
        report.quoted(namespace(&event.namespace), fault, (0.9, 9), &say, &source, &event.message);
    }
}

/// What a manifest declares, the cluster lacks, and a quota has no room for.
fn declared_but_absent(snapshot: &Snapshot, report: &mut Report) {
    for quota in &snapshot.quotas {
        let place = quota.meta.namespace.as_str();
        let source = format!("kubectl describe quota {} -n {place}", quota.meta.name);
        for (resource, (used, hard)) in &quota.limits {
            let absent: Vec<&str> = match fault(resource) {
                Some(Fault::ServiceQuotaExceeded) if used >= hard => {
                    let declared = snapshot.services.iter().filter(|s| s.meta.namespace == place && !s.meta.live);
                    declared.map(|service| service.meta.name.as_str()).collect()
                }
                Some(Fault::StorageQuotaExceeded) => {
                    let size = |claim: &&super::object::Claim| {
                        if resource.ends_with("storage") { claim.size.unwrap_or(0) } else { 1 }
                    };
                    let declared = snapshot.claims.iter().filter(|c| c.meta.namespace == place && !c.meta.live);
                    declared
                        .filter(|claim| used.saturating_add(size(claim)) > *hard)
                        .map(|claim| claim.meta.name.as_str())
                        .collect()
                }
                _ => Vec::new(),
            };
            let (Some(first), Some(fault)) = (absent.first(), fault(resource)) else { continue };
            let say = format!(
                "{first} is declared but does not exist; quota {} leaves no room for it ({resource} {used} of {hard})",
                quota.meta.name
            );
            report.contradiction(namespace(place), fault, 0.97, 10, &say, &source);
        }
    }
}

/// A quota that is full, which may or may not have stopped something.
fn exhausted(snapshot: &Snapshot, report: &mut Report) {
    for quota in &snapshot.quotas {
        for (resource, (used, hard)) in quota.limits.iter().filter(|(_, (used, hard))| used >= hard && *hard > 0) {
            let Some(fault) = fault(resource) else { continue };
            let place = quota.meta.namespace.as_str();
            let say = format!("quota {} of namespace {place} is full: {resource} {used} of {hard}", quota.meta.name);
            let source = format!("kubectl describe quota {} -n {place}", quota.meta.name);
            report.contradiction(namespace(place), fault, 0.6, 7, &say, &source);
        }
    }
}

fn namespace(name: &str) -> Entity {
    Entity::new(EntityKind::Namespace, name)
}

/// The fault of a resource as quotas name it.
fn fault(resource: &str) -> Option<Fault> {
    match resource {
        "cpu" | "requests.cpu" | "limits.cpu" => Some(Fault::CpuQuotaExceeded),
        "memory" | "requests.memory" | "limits.memory" => Some(Fault::MemoryQuotaExceeded),
        "pods" | "count/pods" => Some(Fault::PodQuotaExceeded),
        _ if resource.starts_with("services") || resource.starts_with("count/services") => {
            Some(Fault::ServiceQuotaExceeded)
        }
        _ if resource.contains("storage") || resource.contains("persistentvolumeclaims") => {
            Some(Fault::StorageQuotaExceeded)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::{get, json, manifest, top};
    use serde_json::json as object;

    #[test]
    fn a_refused_pod_blames_the_namespace() {
        let event = object!({ "kind": "Event", "involvedObject": { "kind": "ReplicaSet", "namespace": "shop", "name": "till-1" }, "reason": "FailedCreate", "type": "Warning",
            "message": "Error creating: pods \"till-1-x\" is forbidden: exceeded quota: small, requested: limits.memory=1Gi, used: limits.memory=8Gi, limited: limits.memory=8Gi" });
        let finding = top(&Snapshot::new(&[json(event)]));
        assert_eq!(
            (finding.fault, finding.subject.to_string().as_str()),
            (Some(Fault::MemoryQuotaExceeded), "namespace/shop")
        );
    }

    #[test]
    fn a_declared_service_that_is_absent_under_a_full_quota_blames_the_quota() {
        let declared = "apiVersion: v1\nkind: Service\nmetadata:\n  name: till\n  namespace: shop\nspec:\n  selector: {app: till}\n  ports: [{port: 80}]\n";
        let reads = [
            manifest(declared),
            get(
                "services",
                "NAME    TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE\nother   ClusterIP   10.0.0.9     <none>        80/TCP    3m\n",
            ),
            get("resourcequota", "NAME    AGE   REQUEST         LIMIT\nsmall   3m    services: 1/1   \n"),
        ];
        let finding = top(&Snapshot::new(&reads));
        assert_eq!(
            (finding.fault, finding.subject.to_string().as_str()),
            (Some(Fault::ServiceQuotaExceeded), "namespace/shop")
        );
        assert!(finding.specificity >= 10, "{finding:?}");
    }
}
