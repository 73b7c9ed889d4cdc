//! Pods that no node takes.

use super::object::{Labels, Node, Pod, PodSpec, Requirement};
use super::report::Report;
use super::snapshot::{Snapshot, selects};
use crate::finding::{Entity, Fault};

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for pod in snapshot.pods.iter().filter(|pod| pod.unscheduled()) {
        let events = snapshot.events_of_pod(pod).filter(|event| event.reason == "FailedScheduling");
        let Some(event) = events.min_by_key(|event| event.age_s.unwrap_or(u64::MAX)) else { continue };
        let said = event.message.split("preemption:").next().unwrap_or("");
        let judge = Judge {
            snapshot,
            pod,
            said,
            subject: snapshot.entity_of(pod),
            source: format!("kubectl describe pod {}", pod.meta.name),
        };
        judge.judge(report);
    }
}

/// One unscheduled pod and what the scheduler said about it.
struct Judge<'a> {
    snapshot: &'a Snapshot,
    pod: &'a Pod,
    said: &'a str,
    subject: Entity,
    source: String,
}

impl Judge<'_> {
    fn spec(&self) -> PodSpec {
        // A described pod lacks its affinity; its template may have it.
        let template = self.snapshot.workload_of(self.pod).map(|workload| &workload.template);
        let mut spec = self.pod.spec.clone();
        if let Some(template) = template {
            if spec.node_terms.is_empty() {
                spec.node_terms.clone_from(&template.node_terms);
            }
            if spec.node_selector.is_empty() {
                spec.node_selector.clone_from(&template.node_selector);
            }
            spec.anti_affinity |= template.anti_affinity;
        }
        spec
    }

    fn judge(&self, report: &mut Report) {
        let spec = self.spec();
        // A node that is gone explains why the rest does not fit; its own finding says so.
        let node_gone = ["node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"]
            .iter()
            .any(|taint| self.said.contains(taint));
        let strength = if node_gone { 0.5 } else { 0.95 };
        let mut add = |fault: Fault, strength: f64, say: &str| {
            report.quoted(self.subject.clone(), fault, (strength, 9), say, &self.source, self.said);
        };
        let name = &self.subject.name;
        let says = |words: &[&str]| words.iter().any(|word| self.said.contains(word));
        if says(&["anti-affinity"]) {
            add(
                Fault::PodAntiAffinityConflict,
                strength,
                &format!("{name} may share no node with pods that every free node already has"),
            );
        }
        let requests = spec.requests();
        if says(&["Insufficient cpu"]) {
            let largest = self.workers().filter_map(|node| node.allocatable.cpu_milli).max();
            let say = format!(
                "{name} asks for {} of cpu; the largest node has {}",
                amount(requests.cpu_milli, "m"),
                amount(largest, "m")
            );
            add(Fault::InsufficientCpu, strength, &say);
        }
        if says(&["Insufficient memory"]) {
            let largest = self.workers().filter_map(|node| node.allocatable.memory).max();
            let mib = |bytes: Option<u64>| amount(bytes.map(|bytes| bytes >> 20), " MiB");
            add(
                Fault::InsufficientMemory,
                strength,
                &format!("{name} asks for {} of memory; the largest node has {}", mib(requests.memory), mib(largest)),
            );
        }
        if let Some(taint) = self.foreign_taint() {
            let strength = if self.fits_nowhere(&spec) { 0.6 } else { strength };
            add(
                Fault::TaintNotTolerated,
                strength,
                &format!("{name} does not tolerate the taint {taint} of the nodes that would take it"),
            );
        }
        if says(&["node affinity", "node selector", "node(s) didn't match Pod's node"]) {
            let (fault, say) = self.placement(&spec);
            add(fault, strength, &say);
        } else if says(&["were unschedulable", "node(s) were unschedulable", "node.kubernetes.io/unschedulable"])
            && self.only_cordoned()
        {
            add(Fault::NodesCordoned, strength, &format!("every node that could take {name} is cordoned"));
        }
    }

    /// Nodes meant for pods like this one.
    fn workers(&self) -> impl Iterator<Item = &Node> {
        let all_control = self.snapshot.nodes.values().all(Node::control_plane);
        self.snapshot.nodes.values().filter(move |node| all_control || !node.control_plane())
    }

    fn only_cordoned(&self) -> bool {
        let reasons = self.said.split("available:").nth(1).unwrap_or("");
        let mut reasons = reasons.split(", ").filter(|reason| reason.chars().any(|c| c.is_ascii_digit()));
        reasons.all(|reason| reason.contains("unschedulable"))
    }

    /// A taint that somebody put on a node on purpose, not one that Kubernetes puts there itself.
    fn foreign_taint(&self) -> Option<String> {
        let own = ["node.kubernetes.io/", "node-role.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];
        let taints = self.said.split("taint {").skip(1).filter_map(|rest| rest.split('}').next());
        let mut foreign = taints.filter(|taint| !own.iter().any(|prefix| taint.starts_with(prefix)));
        foreign.next().map(|taint| taint.trim_end_matches([':', ' ']).to_owned())
    }

    /// Whether its placement rules fit no node at all: then no toleration would help.
    fn fits_nowhere(&self, spec: &PodSpec) -> bool {
        let asks = !spec.node_selector.is_empty() || !spec.node_terms.is_empty();
        let known = self.workers().any(|node| !node.meta.labels.is_empty());
        asks && known && !self.workers().any(|node| fits(node, spec))
    }

    /// Selector, affinity, or nodes that would fit and are closed.
    fn placement(&self, spec: &PodSpec) -> (Fault, String) {
        let name = &self.subject.name;
        let fits_selector = |node: &&Node| selects(&spec.node_selector, &node.meta.labels);
        let known = self.workers().any(|node| !node.meta.labels.is_empty());
        let fitting: Vec<&Node> = self.workers().filter(|node| fits(node, spec)).collect();
        let asks = !spec.node_selector.is_empty() || !spec.node_terms.is_empty();
        if let Some(taint) = self.foreign_taint().filter(|_| asks && !fitting.is_empty()) {
            return (
                Fault::TaintNotTolerated,
                format!("{name} may only run on nodes with the taint {taint}, which it does not tolerate"),
            );
        }
        if known && asks && !fitting.is_empty() && fitting.iter().all(|node| node.unschedulable) {
            let names: Vec<&str> = fitting.iter().map(|node| node.meta.name.as_str()).collect();
            return (Fault::NodesCordoned, format!("{name} may only run on {}, which is cordoned", names.join(", ")));
        }
        let satisfied = spec.node_selector.is_empty() || known && self.workers().any(|node| fits_selector(&node));
        if !satisfied || spec.node_terms.is_empty() && !spec.node_selector.is_empty() {
            let wanted: Vec<String> = spec.node_selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
            return (
                Fault::NodeSelectorMismatch,
                format!("no node has the labels {name} selects: {}", wanted.join(", ")),
            );
        }
        (Fault::NodeAffinityMismatch, format!("no node fulfils the required node affinity of {name}"))
    }
}

fn amount(value: Option<u64>, unit: &str) -> String {
    value.map_or_else(|| "an unknown amount".to_owned(), |value| format!("{value}{unit}"))
}

/// The node has what selector and required affinity ask for.
fn fits(node: &Node, spec: &PodSpec) -> bool {
    let terms =
        || spec.node_terms.iter().any(|term| term.iter().all(|requirement| fulfils(&node.meta.labels, requirement)));
    selects(&spec.node_selector, &node.meta.labels) && (spec.node_terms.is_empty() || terms())
}

/// Whether labels meet one condition of a label selector or an affinity term.
pub(super) fn fulfils(labels: &Labels, requirement: &Requirement) -> bool {
    let label = labels.get(&requirement.key);
    let number = |text: &String| text.parse::<i64>().ok();
    let bound = requirement.values.first().and_then(number);
    match requirement.operator.as_str() {
        "In" => label.is_some_and(|label| requirement.values.contains(label)),
        "NotIn" => label.is_none_or(|label| !requirement.values.contains(label)),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        "Gt" => label.and_then(number).zip(bound).is_some_and(|(label, bound)| label > bound),
        "Lt" => label.and_then(number).zip(bound).is_some_and(|(label, bound)| label < bound),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::{json, top};
    use serde_json::{Value, json as object};

    fn node(name: &str, label: (&str, &str), cordoned: bool) -> Value {
        object!({ "kind": "Node", "metadata": { "name": name, "labels": { label.0: label.1, "kubernetes.io/os": "linux" } },
            "spec": { "unschedulable": cordoned }, "status": { "allocatable": { "cpu": "4", "memory": "8Gi" }, "conditions": [{ "type": "Ready", "status": "True" }] } })
    }

    fn fault(spec: Value, said: &str, nodes: &[Value]) -> Option<Fault> {
        let mut spec = spec;
        spec["containers"] =
            object!([{ "name": "main", "resources": { "requests": { "cpu": "64", "memory": "1Ti" } } }]);
        let mut reads = vec![
            json(
                object!({ "kind": "Pod", "metadata": { "name": "kite-1-a", "namespace": "sky", "ownerReferences": [{ "kind": "ReplicaSet", "name": "kite-1" }] }, "spec": spec, "status": { "phase": "Pending" } }),
            ),
            json(
                object!({ "kind": "Event", "involvedObject": { "kind": "Pod", "namespace": "sky", "name": "kite-1-a" }, "type": "Warning", "reason": "FailedScheduling", "message": said }),
            ),
        ];
        reads.extend(nodes.iter().cloned().map(json));
        top(&Snapshot::new(&reads)).fault
    }

    #[test]
    fn the_scheduler_and_the_declared_placement_together_name_the_cause() {
        let head = node("head", ("node-role.kubernetes.io/control-plane", ""), true);
        let open = [head.clone(), node("n1", ("zone", "a"), false), node("n2", ("zone", "b"), false)];
        let closed = [head, node("n1", ("zone", "a"), true), node("n2", ("zone", "b"), false)];
        let mismatch = "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available.";
        assert_eq!(
            fault(object!({ "nodeSelector": { "zone": "c" } }), mismatch, &open),
            Some(Fault::NodeSelectorMismatch)
        );
        let affinity = |value: &str| {
            object!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
            { "matchExpressions": [{ "key": "zone", "operator": "In", "values": [value] }] }] } } } })
        };
        assert_eq!(fault(affinity("c"), mismatch, &open), Some(Fault::NodeAffinityMismatch));
        assert_eq!(fault(affinity("a"), mismatch, &closed), Some(Fault::NodesCordoned));
        assert_eq!(
            fault(object!({}), "0/3 nodes are available: 3 node(s) were unschedulable.", &closed),
            Some(Fault::NodesCordoned)
        );
        assert_eq!(
            fault(object!({}), "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.", &open),
            Some(Fault::InsufficientCpu)
        );
        assert_eq!(
            fault(object!({}), "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient memory.", &open),
            Some(Fault::InsufficientMemory)
        );
        let tainted =
            "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had untolerated taint {team: ml}.";
        assert_eq!(fault(object!({}), tainted, &open), Some(Fault::TaintNotTolerated));
        let own_first = "0/3 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unschedulable: }, 2 node(s) had untolerated taint {node-pool: night}.";
        assert_eq!(fault(object!({}), own_first, &open), Some(Fault::TaintNotTolerated));
        let older = "0/3 nodes are available: 1 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't tolerate, 2 node(s) had taint {team: ml}, that the pod didn't tolerate.";
        assert_eq!(fault(object!({}), older, &open), Some(Fault::TaintNotTolerated));
        let both = "0/3 nodes are available: 1 node(s) had untolerated taint {team: ml}, 1 node(s) were unschedulable, 1 node(s) didn't match Pod's node affinity/selector.";
        let zone = |zone: &str| object!({ "nodeSelector": { "zone": zone } });
        assert_eq!(fault(zone("a"), both, &open), Some(Fault::TaintNotTolerated), "the node it wants has the taint");
        assert_eq!(fault(zone("c"), both, &open), Some(Fault::NodeSelectorMismatch), "no toleration would help");
        let anti = "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.";
        assert_eq!(fault(object!({}), anti, &open), Some(Fault::PodAntiAffinityConflict));
    }
}
