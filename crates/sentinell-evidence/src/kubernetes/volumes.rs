//! Claims that find no volume, and mounts that may not be used.

use super::object::{Claim, Pod, Volume};
use super::report::Report;
use super::scheduling::fulfils;
use super::snapshot::{Snapshot, selects};
use super::words::{any, around, streams};
use crate::case::Case;
use crate::finding::{Entity, Fault};

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for claim in
        snapshot.claims.iter().filter(|claim| claim.meta.live && matches!(claim.phase.as_str(), "Pending" | "Lost"))
    {
        let users = snapshot
            .pods
            .iter()
            .filter(|pod| pod.meta.namespace == claim.meta.namespace && mounts(snapshot, pod, claim));
        for pod in users.filter(|pod| pod.node.is_empty() || !pod.ready) {
            judge(snapshot, claim, snapshot.entity_of(pod), report);
        }
    }
    for pod in snapshot.pods.iter().filter(|pod| !pod.ready) {
        let denied = snapshot.events_of_pod(pod).find(|event| {
            event.reason == "FailedMount" && any(&event.message.to_lowercase(), &["permission denied", "access denied"])
        });
        if let Some(event) = denied {
            let subject = snapshot.entity_of(pod);
            let say = format!("a volume of {} may not be mounted", subject.name);
            report.quoted(
                subject,
                Fault::VolumePermissionDenied,
                (0.95, 9),
                &say,
                &format!("kubectl describe pod {}", pod.meta.name),
                &event.message,
            );
        }
    }
}

fn mounts(snapshot: &Snapshot, pod: &Pod, claim: &Claim) -> bool {
    let template = snapshot.workload_of(pod).map(|workload| workload.template.claims.as_slice()).unwrap_or_default();
    pod.spec.claims.contains(&claim.meta.name) || template.contains(&claim.meta.name)
}

/// Why a claim stays pending: compared with every volume, and with the classes there are.
fn judge(snapshot: &Snapshot, claim: &Claim, subject: Entity, report: &mut Report) {
    let name = claim.meta.name.as_str();
    let source = format!("kubectl describe pvc {name}");
    let events: Vec<&str> = snapshot
        .events_of("PersistentVolumeClaim", &claim.meta.namespace, name)
        .map(|event| event.message.as_str())
        .collect();
    let no_class = events.iter().find(|message| message.contains("storageclass") && message.contains("not found"));
    let class = claim.class.as_deref().unwrap_or("");
    let class_absent = !class.is_empty() && snapshot.exists("StorageClass", "", class) == Some(false);
    let of_class = |volume: &&Volume| volume.class == class;
    if no_class.is_some() || class_absent && !snapshot.volumes.iter().any(|volume| of_class(&volume)) {
        let say = format!("claim {name} of {} asks for storage class {class}, which does not exist", subject.name);
        report.quoted(subject, Fault::ClaimStorageClassMismatch, (0.97, 10), &say, &source, no_class.unwrap_or(&""));
        return;
    }
    if let Some((fault, message)) = events.iter().find_map(|message| Some((refusal(message)?, message))) {
        let say = format!("the provisioner refuses claim {name} of {}", subject.name);
        report.quoted(subject.clone(), fault, (0.95, 9), &say, &source, message);
    }
    against_volumes(snapshot, claim, subject, events.first().unwrap_or(&""), report);
}

/// What a provisioner that makes volumes on demand says it cannot do.
fn refusal(message: &str) -> Option<Fault> {
    let lower = message.to_lowercase();
    if !any(&lower, &["provision", "support"]) {
        None
    } else if any(&lower, &["access mode", "accessmode", "readwritemany", "readwriteonce", "readonlymany"]) {
        Some(Fault::ClaimAccessModeMismatch)
    } else if any(&lower, &["claim selector", "claim.spec.selector", "selector is not supported"]) {
        Some(Fault::ClaimSelectorMismatch)
    } else {
        None
    }
}

/// The volumes there are: one that belongs to somebody else, or the one that misses by the fewest conditions.
fn against_volumes(snapshot: &Snapshot, claim: &Claim, subject: Entity, said: &str, report: &mut Report) {
    let name = claim.meta.name.as_str();
    let source = format!("kubectl describe pvc {name}");
    let wanted = format!("{}/{name}", claim.meta.namespace);
    // A volume that already belongs to somebody else is of no use whatever its size.
    let (free, taken): (Vec<&Volume>, Vec<&Volume>) = snapshot
        .volumes
        .iter()
        .filter(|v| v.meta.live)
        .partition(|volume| volume.claim.is_empty() || volume.claim == wanted);
    let asked = |volume: &&&Volume| claim.volume == volume.meta.name;
    if let Some(volume) = taken
        .iter()
        .find(asked)
        .or_else(|| taken.iter().find(|volume| free.is_empty() && fits(claim, volume).is_none()))
    {
        let say = format!(
            "volume {} that claim {name} of {} could use belongs to {}",
            volume.meta.name, subject.name, volume.claim
        );
        report.contradiction(subject, Fault::VolumeAlreadyBound, 0.95, 10, &say, &source);
        return;
    }
    // The volume that misses by the fewest conditions is the one that was meant.
    let misfits = free
        .iter()
        .filter_map(|volume| fits(claim, volume).map(|misses| (misses.len(), volume.meta.name.as_str(), misses)));
    if let Some((_, volume, misses)) = misfits.min_by_key(|(count, _, _)| *count) {
        for (rank, (fault, why)) in misses.iter().enumerate() {
            let strength = if rank == 0 { 0.95 } else { 0.8 };
            report.contradiction(
                subject.clone(),
                *fault,
                strength,
                10,
                &format!("claim {name} of {} does not fit volume {volume}: {why}", subject.name),
                &source,
            );
        }
    } else if free.is_empty() && !taken.is_empty() {
        let say =
            format!("claim {name} of {} finds no volume; all {} belong to other claims", subject.name, taken.len());
        report.contradiction(subject, Fault::VolumeAlreadyBound, 0.9, 9, &say, &source);
    } else {
        report.symptom(subject, None, (0.6, 2), &format!("claim {name} is not bound"), &source, said);
    }
}

/// What keeps a claim from a volume, most telling first; none if nothing does.
fn fits(claim: &Claim, volume: &Volume) -> Option<Vec<(Fault, String)>> {
    let mut misses = Vec::new();
    let class = claim.class.as_deref().unwrap_or("");
    if claim.class.is_some() && class != volume.class {
        misses.push((Fault::ClaimStorageClassMismatch, format!("class {class:?} against {:?}", volume.class)));
    }
    if let (Some(want), Some(have)) = (claim.size, volume.size)
        && want > have
    {
        misses.push((Fault::ClaimCapacityMismatch, format!("{} MiB asked, {} MiB there", want >> 20, have >> 20)));
    }
    if let Some(mode) = claim.modes.iter().find(|mode| !volume.modes.contains(mode) && !volume.modes.is_empty()) {
        misses
            .push((Fault::ClaimAccessModeMismatch, format!("access mode {mode} against {}", volume.modes.join(", "))));
    }
    let unfit = claim.terms.iter().find(|term| !fulfils(&volume.meta.labels, term));
    if unfit.is_some() || !selects(&claim.selector, &volume.meta.labels) {
        let wants = unfit
            .map_or_else(|| format!("{:?}", claim.selector), |t| format!("{} {} {:?}", t.key, t.operator, t.values));
        misses
            .push((Fault::ClaimSelectorMismatch, format!("selector {wants} against labels {:?}", volume.meta.labels)));
    }
    (!misses.is_empty()).then_some(misses)
}

/// A process with a volume that ends because it may not read or write.
pub(super) fn analyze_logs(snapshot: &Snapshot, case: &Case, report: &mut Report) {
    for (stream, lines) in streams(case) {
        let Some(pod) =
            snapshot.pods.iter().find(|pod| !pod.ready && snapshot.entity_of(pod).name == stream.subject.name)
        else {
            continue;
        };
        let persistent =
            pod.spec.persistent || snapshot.workload_of(pod).is_some_and(|workload| workload.template.persistent);
        if !persistent {
            continue;
        }
        let needles = ["permission denied", "eacces", "read-only file system", "operation not permitted"];
        if let Some((lower, _)) = lines.iter().rev().find(|(lower, _)| any(lower, &needles)) {
            let needle = needles.iter().find(|needle| lower.contains(**needle)).unwrap_or(&"");
            let subject = snapshot.entity_of(pod);
            let say = format!("{} ends because it may not use what it mounts", subject.name);
            report.quoted(
                subject,
                Fault::VolumePermissionDenied,
                (0.95, 9),
                &say,
                &stream.source,
                &around(lower, needle),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::{json, top};
    use serde_json::{Value, json as object};

    fn fault(claim: Value, volume: Value) -> Option<Fault> {
        let reads = [
            json(
                object!({ "kind": "Pod", "metadata": { "name": "vault-0", "namespace": "bank", "ownerReferences": [{ "kind": "StatefulSet", "name": "vault" }] },
                "spec": { "containers": [], "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }] }, "status": { "phase": "Pending" } }),
            ),
            json(
                object!({ "kind": "PersistentVolumeClaim", "metadata": { "name": "data", "namespace": "bank" }, "spec": claim, "status": { "phase": "Pending" } }),
            ),
            json(
                object!({ "kind": "PersistentVolume", "metadata": { "name": "disk", "labels": { "tier": "slow" } }, "spec": volume, "status": { "phase": "Available" } }),
            ),
            json(object!({ "kind": "StorageClassList", "items": [{ "metadata": { "name": "plain" } }] })),
        ];
        top(&Snapshot::new(&reads)).fault
    }

    #[test]
    fn a_provisioner_says_what_it_cannot_do() {
        let one = "failed to provision volume with StorageClass \"local\": Only support ReadWriteOnce access mode";
        assert_eq!(refusal(one), Some(Fault::ClaimAccessModeMismatch));
        let other = "failed to provision volume with StorageClass \"fast\": claim.Spec.Selector is not supported";
        assert_eq!(refusal(other), Some(Fault::ClaimSelectorMismatch));
        assert_eq!(refusal("waiting for first consumer to be created before binding"), None);
    }

    #[test]
    fn a_pending_claim_is_compared_with_the_volumes_there_are() {
        let claim = |extra: Value| {
            let mut claim = object!({ "storageClassName": "", "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
            extra.as_object().into_iter().flatten().for_each(|(key, value)| claim[key] = value.clone());
            claim
        };
        let volume =
            || object!({ "storageClassName": "", "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Gi" } });
        assert_eq!(
            fault(claim(object!({ "resources": { "requests": { "storage": "3Gi" } } })), volume()),
            Some(Fault::ClaimCapacityMismatch)
        );
        assert_eq!(
            fault(claim(object!({ "accessModes": ["ReadWriteMany"] })), volume()),
            Some(Fault::ClaimAccessModeMismatch)
        );
        assert_eq!(
            fault(claim(object!({ "selector": { "matchLabels": { "tier": "fast" } } })), volume()),
            Some(Fault::ClaimSelectorMismatch)
        );
        assert_eq!(
            fault(claim(object!({ "storageClassName": "fats" })), volume()),
            Some(Fault::ClaimStorageClassMismatch)
        );
        let mut bound = volume();
        bound["claimRef"] = object!({ "namespace": "other", "name": "theirs" });
        assert_eq!(fault(claim(object!({})), bound), Some(Fault::VolumeAlreadyBound));
    }
}
