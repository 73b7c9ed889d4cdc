//! Nodes and the programs that make them nodes.

use super::object::{Node, Pod};
use super::report::Report;
use super::snapshot::Snapshot;
use super::words::any;
use crate::finding::{Entity, EntityKind, Fault};

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for node in snapshot.nodes.values() {
        units(node, report);
        condition(snapshot, node, report);
    }
    system_pods(snapshot, report);
    without_proxy(snapshot, report);
    nothing_is_scheduled(snapshot, report);
}

fn entity(name: &str) -> Entity {
    Entity::new(EntityKind::Node, name)
}

/// The fault of a system service that does not run.
fn fault(unit: &str) -> Option<Fault> {
    match unit {
        "kubelet" => Some(Fault::KubeletDown),
        "containerd" | "docker" | "dockerd" | "crio" | "cri-o" | "cri-docker" | "cri-dockerd" => {
            Some(Fault::ContainerRuntimeDown)
        }
        "kube-proxy" => Some(Fault::KubeProxyDown),
        "kube-scheduler" => Some(Fault::SchedulerDown),
        "k3s" | "k3s-agent" | "rke2-agent" | "rke2-server" => Some(Fault::KubeletDown),
        _ => None,
    }
}

fn units(node: &Node, report: &mut Report) {
    for (unit, (state, quotation)) in &node.units {
        // systemd's word for a program that it starts again and again.
        let flaps = state == "activating" && quotation.contains("auto-restart");
        let stopped = flaps || matches!(state.as_str(), "inactive" | "failed" | "deactivating");
        if !stopped {
            continue;
        }
        let say = format!("{unit} of node {} does not run", node.meta.name);
        let source = format!("systemctl status {unit} on {}", node.meta.name);
        if let Some(fault) = fault(unit) {
            report.quoted(entity(&node.meta.name), fault, (1.0, 10), &say, &source, quotation);
        }
        // Started at boot and not running, whatever it is for: the node is not what it is declared to be.
        if flaps || state == "failed" || quotation.ends_with("; enabled") {
            report.symptom(entity(&node.meta.name), Some(Fault::Down), (0.9, 5), &say, &source, quotation);
        }
    }
}

fn condition(snapshot: &Snapshot, node: &Node, report: &mut Report) {
    let name = node.meta.name.as_str();
    let source = format!("kubectl describe node {name}");
    if node.ready == Some(false) {
        let runtime_words = [
            "container runtime is down",
            "containerd.sock",
            "docker.sock",
            "crio.sock",
            "pleg is not healthy",
            "runtime network not ready",
        ];
        let events = snapshot
            .events_of("Node", "", name)
            .filter(|event| event.warning && event.age_s.is_none_or(|age| age < 300));
        let runtime_event =
            events.map(|event| event.message.as_str()).find(|message| any(&message.to_lowercase(), &runtime_words));
        let runtime = any(&node.ready_reason.to_lowercase(), &runtime_words) || runtime_event.is_some();
        let unknown = any(&node.ready_reason.to_lowercase(), &["nodestatusunknown", "stopped posting node status"]);
        if runtime && !unknown {
            let say = format!("node {name} is not ready: its container runtime does not answer");
            report.quoted(
                entity(name),
                Fault::ContainerRuntimeDown,
                (0.95, 9),
                &say,
                &source,
                runtime_event.unwrap_or(&node.ready_reason),
            );
        } else if unknown {
            let say = format!("node {name} is not ready: its kubelet stopped reporting");
            report.quoted(entity(name), Fault::KubeletDown, (0.85, 8), &say, &source, &node.ready_reason);
        }
        let say = format!("node {name} is not ready");
        report.symptom(entity(name), Some(Fault::Down), (0.9, 5), &say, &source, &node.ready_reason);
    }
    for pressure in &node.pressure {
        report.symptom(entity(name), None, (0.7, 3), &format!("node {name} reports {pressure}"), &source, "");
    }
}

/// Control-plane programs that run as pods.
fn system_pods(snapshot: &Snapshot, report: &mut Report) {
    let broken = |pod: &&Pod| {
        pod.meta.namespace == "kube-system" && !pod.ready && !pod.node.is_empty() && pod.phase != "Succeeded"
    };
    for pod in snapshot.pods.iter().filter(broken) {
        let fault = match pod.meta.name.as_str() {
            name if name.starts_with("kube-scheduler") => Fault::SchedulerDown,
            name if name.starts_with("kube-proxy") => Fault::KubeProxyDown,
            _ => continue,
        };
        let say = format!("{} on node {} is not ready", pod.meta.name, pod.node);
        report.contradiction(
            entity(&pod.node),
            fault,
            0.9,
            9,
            &say,
            &format!("kubectl get pod {} -n kube-system", pod.meta.name),
        );
    }
}

/// A node without the proxy that runs as a pod on all others.
fn without_proxy(snapshot: &Snapshot, report: &mut Report) {
    let proxy = |pod: &&Pod| pod.meta.namespace == "kube-system" && pod.meta.name.starts_with("kube-proxy-");
    let served: Vec<&str> = snapshot.pods.iter().filter(proxy).map(|pod| pod.node.as_str()).collect();
    let lacks = |node: &&Node| node.ready == Some(true) && !served.contains(&node.meta.name.as_str());
    let lacking: Vec<&Node> = snapshot.nodes.values().filter(lacks).collect();
    if let [node] = lacking.as_slice()
        && served.len() >= 2
        && !served.contains(&"")
    {
        let say = format!("{} has no kube-proxy pod; the other {} nodes have one", node.meta.name, served.len());
        report.contradiction(
            entity(&node.meta.name),
            Fault::KubeProxyDown,
            0.85,
            8,
            &say,
            "kubectl get pods -n kube-system",
        );
    }
}

/// Pods that wait for a node and of which nobody says why: the scheduler has not even looked.
fn nothing_is_scheduled(snapshot: &Snapshot, report: &mut Report) {
    let waiting: Vec<&Pod> = snapshot.pods.iter().filter(|pod| pod.unscheduled()).collect();
    let looked_at = |pod: &&Pod| snapshot.events_of_pod(pod).any(|event| event.reason.contains("Schedul"));
    let told = !snapshot.events.is_empty();
    let head = snapshot.nodes.values().find(|node| node.control_plane());
    if let Some(node) = head.filter(|_| told && !waiting.is_empty() && !waiting.iter().any(looked_at)) {
        let say = format!("{} pods wait for a node and the scheduler has not looked at them", waiting.len());
        report.contradiction(entity(&node.meta.name), Fault::SchedulerDown, 0.8, 8, &say, "kubectl describe pods");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::KubernetesRead;
    use crate::kubernetes::testing::{json, top};

    #[test]
    fn a_stopped_unit_and_a_silent_kubelet_name_the_node() {
        let status =
            "● kubelet.service - kubelet\n     Loaded: loaded\n     Active: inactive (dead) since Mon; 2min ago\n";
        let argv = ["debug", "node/n7", "--", "systemctl", "status", "kubelet"].map(str::to_owned).to_vec();
        let finding = top(&Snapshot::new(&[KubernetesRead::Text { argv, output: status.to_owned() }]));
        assert_eq!((finding.fault, finding.subject.to_string().as_str()), (Some(Fault::KubeletDown), "node/n7"));
        let node = |reason: &str, message: &str| {
            let node = serde_json::json!({ "kind": "Node", "metadata": { "name": "n7" }, "status": { "conditions": [{ "type": "Ready", "status": "Unknown", "reason": reason, "message": message }] } });
            top(&Snapshot::new(&[json(node)])).fault
        };
        assert_eq!(node("NodeStatusUnknown", "Kubelet stopped posting node status."), Some(Fault::KubeletDown));
        assert_eq!(node("KubeletNotReady", "container runtime is down"), Some(Fault::ContainerRuntimeDown));
    }
}
