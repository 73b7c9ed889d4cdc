//! Two processes of one pod that want the same port.

use super::object::Workload;
use super::report::Report;
use super::snapshot::{Snapshot, service_entity};
use super::words::{any, around, streams};
use crate::case::Case;
use crate::finding::Fault;
use std::collections::BTreeMap;

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for workload in snapshot.owned().filter(|workload| workload.meta.live) {
        let source = format!("kubectl get {} {} -o yaml", workload.kind.to_lowercase(), workload.meta.name);
        let subject = service_entity(&workload.meta.namespace, &workload.meta.name);
        if let Some((port, one, other)) = shared_port(workload) {
            let say = format!("containers {one} and {other} of {} both listen on port {port}", workload.meta.name);
            report.contradiction(subject.clone(), Fault::SidecarPortConflict, 0.9, 10, &say, &source);
        }
        if let Some((key, port)) = annotated_port(workload) {
            let say = format!(
                "annotation {key} gives the sidecar of {} port {port}, which the container itself listens on",
                workload.meta.name
            );
            report.contradiction(subject, Fault::SidecarPortConflict, 0.97, 10, &say, &source);
        }
    }
}

fn shared_port(workload: &Workload) -> Option<(u16, &str, &str)> {
    let mut taken: BTreeMap<(u16, &str), &str> = BTreeMap::new();
    for container in &workload.template.containers {
        for port in &container.ports {
            match taken.insert((port.port, port.protocol.as_str()), &container.name) {
                Some(other) if other != container.name => return Some((port.port, other, &container.name)),
                _ => {}
            }
        }
    }
    None
}

/// An annotation for a sidecar (of a mesh or agent) that hands it a port the container declares, as in `"statusPort": 8080`.
fn annotated_port(workload: &Workload) -> Option<(&str, u16)> {
    let ports = || workload.template.containers.iter().flat_map(|container| &container.ports).map(|port| port.port);
    workload.pod_annotations.iter().find_map(|(key, value)| {
        let lower_key = key.to_ascii_lowercase();
        let for_sidecar = any(&lower_key, &["proxy", "sidecar", "istio", "linkerd", "dapr", "envoy", "inject"])
            && !lower_key.starts_with("traffic.");
        let named = given_ports(value).chain(lower_key.ends_with("port").then(|| value.trim().parse().ok()).flatten());
        let clash = named.filter(|_| for_sidecar).find(|port| ports().any(|own| own == *port));
        // Telling a sidecar where the application listens is no conflict.
        let about_app = any(&lower_key, &["app-port", "appport"]);
        clash.filter(|_| !about_app).map(|port| (key.as_str(), port))
    })
}

/// Numbers given to keys that end in `port`, in JSON or YAML.
fn given_ports(text: &str) -> impl Iterator<Item = u16> {
    let lower = text.to_ascii_lowercase();
    let numbers: Vec<u16> = lower
        .split("port")
        .skip(1)
        .filter_map(|rest| {
            let rest = rest
                .trim_start_matches(['"', '\''])
                .trim_start()
                .strip_prefix(':')?
                .trim_start()
                .trim_start_matches(['"', '\'']);
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        })
        .collect();
    numbers.into_iter()
}

/// A process that ends because its port is taken. Inside a pod only another container of it can have taken it.
pub(super) fn analyze_logs(snapshot: &Snapshot, case: &Case, report: &mut Report) {
    let needles = ["address already in use", "already in use", "eaddrinuse", "only one usage of each socket address"];
    for (stream, lines) in streams(case) {
        let Some(pod) =
            snapshot.pods.iter().find(|pod| !pod.ready && snapshot.entity_of(pod).name == stream.subject.name)
        else {
            continue;
        };
        let taken =
            |lower: &String| any(lower, &needles) && any(lower, &["port", "bind", "address", "listen", "eaddrinuse"]);
        if let Some((lower, _)) = lines.iter().rev().find(|(lower, _)| taken(lower)) {
            let needle = needles.iter().find(|needle| lower.contains(**needle)).unwrap_or(&"");
            let strength = if pod.statuses.len() > 1 { 0.95 } else { 0.7 };
            let subject = snapshot.entity_of(pod);
            let say = format!("{} does not start because another process of its pod has its port", subject.name);
            report.quoted(
                subject,
                Fault::SidecarPortConflict,
                (strength, 9),
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

    #[test]
    fn an_annotation_that_takes_the_containers_port_is_a_conflict() {
        let deployment = |annotation: &str| {
            json(
                serde_json::json!({ "kind": "Deployment", "metadata": { "name": "drum", "namespace": "band" }, "spec": { "template": {
                "metadata": { "annotations": { "proxy.istio.io/config": annotation } },
                "spec": { "containers": [{ "name": "main", "ports": [{ "containerPort": 8080 }] }] } } }, "status": {} }),
            )
        };
        let snapshot = Snapshot::new(&[deployment("{ \"statusPort\": 8080 }")]);
        assert_eq!(top(&snapshot).fault, Some(Fault::SidecarPortConflict));
        let (findings, _) = crate::kubernetes::analyze(&Snapshot::new(&[deployment("{ \"statusPort\": 8081 }")]));
        assert!(findings.is_empty(), "{findings:?}");
    }
}
