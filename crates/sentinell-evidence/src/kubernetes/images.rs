//! Images that cannot be pulled, and why.

use super::object::{Pod, PodSpec};
use super::report::Report;
use super::snapshot::Snapshot;
use super::words::any;
use crate::finding::Fault;

const WAITING: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "ImageInspectError",
];

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for pod in &snapshot.pods {
        let waiting = |reason: &str| WAITING.iter().any(|word| reason.ends_with(word));
        let waits =
            pod.statuses.iter().any(|status| status.waiting.as_deref().is_some_and(waiting)) || waiting(&pod.phase);
        let words = messages(snapshot, pod);
        if waits || !pod.ready && !words.is_empty() {
            explain(snapshot, pod, &words, report);
        }
    }
}

/// Everything the kubelet said about pulling.
fn messages(snapshot: &Snapshot, pod: &Pod) -> Vec<String> {
    let from_status =
        pod.statuses.iter().map(|status| status.waiting_message.as_str()).filter(|text| text.contains("pull"));
    let events = snapshot
        .events_of_pod(pod)
        .filter(|e| matches!(e.reason.as_str(), "Failed" | "InspectFailed" | "FailedToRetrieveImagePullSecret"));
    let events = events.map(|event| event.message.as_str());
    let pulling = |text: &&str| text.contains("pull") || text.contains("image");
    from_status.chain(events.filter(pulling)).map(str::to_owned).collect()
}

fn explain(snapshot: &Snapshot, pod: &Pod, messages: &[String], report: &mut Report) {
    let subject = snapshot.entity_of(pod);
    let source = format!("kubectl describe pod {}", pod.meta.name);
    let telling = messages.iter().max_by_key(|message| verdict(&message.to_lowercase()).map_or(0, |_| message.len()));
    let message = telling.map_or("", String::as_str);
    let image = pod
        .spec
        .containers
        .iter()
        .map(|c| c.image.as_str())
        .find(|image| !image.is_empty() && message.contains(image))
        .unwrap_or("its image");
    let mut refused = false;
    if let Some(secret) = missing_pull_secret(snapshot, pod, messages) {
        // Registries answer strangers "not found" as well as "denied"; a name that does not resolve is nobody's refusal.
        let asked = verdict(&message.to_lowercase()) != Some(Fault::RegistryUnresolvable);
        let strength = if asked && !does_without(snapshot, pod, &secret) { 0.98 } else { 0.4 };
        refused = strength > 0.9;
        let say =
            format!("{} names image pull secret {secret}, which does not exist; {image} is not pulled", subject.name);
        report.quoted(subject.clone(), Fault::MissingImagePullSecret, (strength, 10), &say, &source, message);
    }
    let Some(fault) = verdict(&message.to_lowercase()) else {
        report.symptom(
            subject,
            None,
            (0.7, 2),
            &format!("image of {} cannot be pulled", pod.meta.name),
            &source,
            message,
        );
        return;
    };
    let say = match fault {
        Fault::RegistryUnresolvable => format!("the registry of {image} does not resolve"),
        Fault::ImagePullDenied => format!("the registry refuses {image} to {}", subject.name),
        _ if message.contains("pull policy of Never") => format!("{image} is not on the node and may not be pulled"),
        _ => format!("{image} does not exist in its registry"),
    };
    let strength = if refused && fault == Fault::ImageNotFound { 0.7 } else { 0.95 };
    report.quoted(subject, fault, (strength, 9), &say, &source, message);
}

/// Other pods name the same secret and run: what is missing everywhere is missed by none.
fn does_without(snapshot: &Snapshot, pod: &Pod, secret: &str) -> bool {
    let names = |spec: &PodSpec| spec.pull_secrets.iter().any(|name| name == secret);
    let others = snapshot.pods.iter().filter(|other| other.ready && other.meta.namespace == pod.meta.namespace);
    let mut others = others.filter(|other| snapshot.workload_name(other) != snapshot.workload_name(pod));
    others.any(|other| {
        names(&other.spec) || snapshot.workload_of(other).is_some_and(|workload| names(&workload.template))
    })
}

/// What a kubelet's or container runtime's message about pulling means, in lower case.
fn verdict(message: &str) -> Option<Fault> {
    if any(
        message,
        &["no such host", "server misbehaving", "temporary failure in name resolution", "name or service not known"],
    ) {
        Some(Fault::RegistryUnresolvable)
    } else if any(message, &["repository does not exist or may require"]) && any(message, &["docker.io/library/"]) {
        // Official images are public: refused means that there is none of that name.
        Some(Fault::ImageNotFound)
    } else if any(
        message,
        &[
            "401 unauthorized",
            "403 forbidden",
            "pull access denied",
            "authorization failed",
            "insufficient_scope",
            "no basic auth credentials",
            "authentication required",
            "unauthorized:",
            "access to the resource is denied",
            "denied: ",
        ],
    ) {
        Some(Fault::ImagePullDenied)
    } else if any(
        message,
        &[
            "not found",
            "manifest unknown",
            "manifest for",
            "invalid reference format",
            "invalidimagename",
            "couldn't parse image",
            "name unknown",
            "is not present with pull policy of never",
        ],
    ) {
        Some(Fault::ImageNotFound)
    } else {
        None
    }
}

/// A pull secret the pod names and that is not there.
fn missing_pull_secret(snapshot: &Snapshot, pod: &Pod, messages: &[String]) -> Option<String> {
    let said = messages.iter().find_map(|message| {
        let names = message.split("image pull secrets (").nth(1)?.split(')').next()?;
        names.split(',').map(str::trim).find(|name| !name.is_empty()).map(str::to_owned)
    });
    let template =
        snapshot.workload_of(pod).map(|workload| workload.template.pull_secrets.as_slice()).unwrap_or_default();
    let mut declared = pod.spec.pull_secrets.iter().chain(template);
    said.or_else(|| declared.find(|name| snapshot.exists("Secret", &pod.meta.namespace, name) == Some(false)).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::snapshot::Snapshot;
    use crate::kubernetes::testing::{describe, get, json as read_json, top};
    use serde_json::json;

    const POD: &str = "Name: till-7d9f-abcde\nNamespace: shop\nControlled By: ReplicaSet/till-7d9f\nStatus: Pending\nNode: n1/10.0.0.1\nContainers:\n  main:\n    Image: reg.example/till:9\n    State: Waiting\n      Reason: ImagePullBackOff\n    Ready: False\nEvents:\n  Type     Reason  Age  From     Message\n  ----     ------  ---  ----     -------\n  Warning  Failed  9s   kubelet  ";

    fn fault(message: &str) -> Fault {
        let reads = [
            describe("pod", &format!("{POD}{message}\n")),
            get("secrets", "NAME    TYPE     DATA   AGE\nother   Opaque   1      3d\n"),
        ];
        let finding = top(&Snapshot::new(&reads));
        assert_eq!(finding.subject.to_string(), "service/shop/till");
        finding.fault.unwrap()
    }

    #[test]
    fn the_registrys_answer_tells_the_causes_apart() {
        let pull = "Failed to pull image \"reg.example/till:9\": ";
        assert_eq!(
            fault(&format!("{pull}rpc error: code = NotFound desc = reg.example/till:9: not found")),
            Fault::ImageNotFound
        );
        assert_eq!(
            fault(&format!("{pull}dial tcp: lookup reg.example on 10.0.0.2:53: no such host")),
            Fault::RegistryUnresolvable
        );
        assert_eq!(
            fault(&format!("{pull}failed to authorize: unexpected status: 401 Unauthorized")),
            Fault::ImagePullDenied
        );
        assert_eq!(
            fault(
                "Unable to retrieve some image pull secrets (reg-login); attempting to pull the image may not succeed."
            ),
            Fault::MissingImagePullSecret
        );
    }

    #[test]
    fn a_login_that_is_missing_explains_a_not_found_unless_others_do_without_it() {
        let found = |other: &str| {
            let pod = format!("{POD}Failed to pull image \"reg.example/till:9\": reg.example/till:9: not found\n");
            let deployment = |name: &str| {
                json!({ "kind": "Deployment", "metadata": { "name": name, "namespace": "shop" }, "spec": { "template": { "spec": {
                    "imagePullSecrets": [{ "name": "reg-login" }], "containers": [{ "name": "main", "image": "reg.example/x:1" }] } } } })
            };
            let beside = json!({ "kind": "Pod", "metadata": { "name": "mill-7d9f-abcde", "namespace": "shop",
                "ownerReferences": [{ "kind": "ReplicaSet", "name": "mill-7d9f" }] },
                "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": other }] } });
            let reads = [
                describe("pod", &pod),
                get("secrets", "NAME    TYPE     DATA   AGE\nother   Opaque   1      3d\n"),
                read_json(deployment("till")),
                read_json(deployment("mill")),
                read_json(beside),
            ];
            top(&Snapshot::new(&reads)).fault
        };
        assert_eq!(found("False"), Some(Fault::MissingImagePullSecret));
        assert_eq!(found("True"), Some(Fault::ImageNotFound), "the mill runs without it");
    }

    #[test]
    fn an_image_that_is_not_on_the_node_and_may_not_be_pulled_is_missing() {
        let message = "Container image \"local/till:2\" is not present with pull policy of Never";
        assert_eq!(verdict(&message.to_lowercase()), Some(Fault::ImageNotFound));
    }

    #[test]
    fn a_pod_that_is_being_deleted_is_no_complaint() {
        let read = |deleted: bool| {
            let waiting = json!({ "waiting": { "reason": "ErrImageNeverPull",
                "message": "Container image \"till:9\" is not present with pull policy of Never" } });
            let mut pod = json!({ "kind": "Pod", "metadata": { "name": "till-7d9f-abcde", "namespace": "shop" },
                "status": { "phase": "Pending", "containerStatuses": [{ "name": "main", "state": waiting }] } });
            if deleted {
                pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            }
            let event = json!({ "kind": "Event", "metadata": { "namespace": "shop" }, "type": "Warning", "reason": "Failed",
                "message": "Failed to pull image \"till:9\": not found",
                "involvedObject": { "kind": "Pod", "namespace": "shop", "name": "till-7d9f-abcde" } });
            let list = |kind: &str, item| read_json(json!({ "kind": kind, "items": [item] }));
            crate::kubernetes::analyze(&Snapshot::new(&[list("PodList", pod), list("EventList", event)])).0
        };
        assert_eq!(read(false)[0].fault, Some(Fault::ImageNotFound));
        assert_eq!(read(true), []);
    }
}
