//! Services that lead nowhere: no pods, no port, another protocol, nothing scaled up.

use super::object::{Handler, Labels, PortRef, Service, ServicePort, Workload};
use super::report::Report;
use super::snapshot::{Snapshot, selects, service_entity};
use crate::finding::Fault;

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for service in snapshot
        .services
        .iter()
        .filter(|service| service.meta.live && service.kind != "ExternalName" && !service.selector.is_empty())
    {
        let namespace = service.meta.namespace.as_str();
        let behind: Vec<&Workload> = snapshot
            .owned()
            .filter(|w| {
                w.meta.live
                    && w.meta.namespace == namespace
                    && !w.pod_labels.is_empty()
                    && selects(&service.selector, &w.pod_labels)
            })
            .collect();
        let pods = snapshot
            .pods
            .iter()
            .any(|pod| pod.meta.namespace == namespace && selects(&service.selector, &pod.meta.labels));
        if behind.is_empty() && !pods {
            selects_nothing(snapshot, service, report);
        }
        for workload in behind {
            service.ports.iter().for_each(|port| check_port(service, port, workload, report));
        }
    }
    scaled_to_nothing(snapshot, report);
}

fn shown(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

fn selects_nothing(snapshot: &Snapshot, service: &Service, report: &mut Report) {
    let namespace = service.meta.namespace.as_str();
    if !snapshot.pods.iter().any(|pod| pod.meta.namespace == namespace && !pod.meta.labels.is_empty()) {
        return;
    }
    // A workload of the same name, or one that shares a label, is the one that was meant.
    let shares = |w: &Workload| {
        service
            .selector
            .iter()
            .any(|(key, value)| w.pod_labels.get(key) == Some(value) || w.pod_labels.values().any(|v| v == value))
    };
    let meant = snapshot
        .owned()
        .filter(|w| w.meta.namespace == namespace)
        .find(|w| w.meta.name == service.meta.name || shares(w));
    let (strength, specificity, tail) = match meant {
        Some(workload) => {
            (0.97, 10, format!("; the pods of {} have {}", workload.meta.name, shown(&workload.pod_labels)))
        }
        // Nothing here was meant by it: left over, and nobody's outage.
        None => (0.3, 4, String::new()),
    };
    let say = format!("service {} selects {}, which no pod has{tail}", service.meta.name, shown(&service.selector));
    let source = format!("kubectl describe service {}", service.meta.name);
    if meant.is_some() {
        let nothing = format!("nothing stands behind service {}, whoever asks it", service.meta.name);
        let source = format!("kubectl get endpoints {}", service.meta.name);
        let subject = service_entity(namespace, &service.meta.name);
        report.symptom(subject, Some(Fault::Down), (0.9, 4), &nothing, &source, "");
    }
    report.contradiction(
        service_entity(namespace, &service.meta.name),
        Fault::ServiceSelectorMismatch,
        strength,
        specificity,
        &say,
        &source,
    );
}

fn check_port(service: &Service, port: &ServicePort, workload: &Workload, report: &mut Report) {
    let containers = &workload.template.containers;
    let declared: Vec<_> = containers.iter().flat_map(|container| &container.ports).collect();
    let subject = service_entity(&service.meta.namespace, &service.meta.name);
    let source = format!("kubectl describe service {}", service.meta.name);
    let name = &service.meta.name;
    let target = match &port.target {
        PortRef::Number(number) => number.to_string(),
        PortRef::Name(name) => name.clone(),
    };
    let fits = |p: &&&super::object::ContainerPort| match &port.target {
        PortRef::Number(number) => p.port == *number,
        PortRef::Name(name) => p.name.as_ref() == Some(name),
    };
    let found: Vec<_> = declared.iter().filter(fits).collect();
    let by_name = matches!(port.target, PortRef::Name(_));
    if found.is_empty() && (by_name || !declared.is_empty()) && !containers.is_empty() {
        let have: Vec<String> = declared
            .iter()
            .map(|p| p.name.as_ref().map_or_else(|| p.port.to_string(), |n| format!("{n} ({})", p.port)))
            .collect();
        let say = format!(
            "service {name} sends port {} to {target}; the pods of {} have {}",
            port.port,
            workload.meta.name,
            have.join(", ")
        );
        report.contradiction(subject, Fault::ServicePortMismatch, 0.97, 10, &say, &source);
    } else if !found.is_empty() && found.iter().all(|p| p.protocol != port.protocol) {
        let say = format!(
            "service {name} speaks {} on port {}, the pods of {} speak {}",
            port.protocol, port.port, workload.meta.name, found[0].protocol
        );
        report.contradiction(subject, Fault::ServiceProtocolMismatch, 0.97, 10, &say, &source);
    } else if let Some((says, is)) = application_protocol(port, workload) {
        let say = format!(
            "service {name} declares {says} on port {}, but the probes of {} speak {is} there",
            port.port, workload.meta.name
        );
        report.contradiction(subject, Fault::ServiceProtocolMismatch, 0.75, 8, &say, &source);
    }
}

/// What a mesh or gateway takes the port for (its `appProtocol`, or its name's first part) against what its probes speak.
fn application_protocol(port: &ServicePort, workload: &Workload) -> Option<(String, &'static str)> {
    let says = port
        .app_protocol
        .clone()
        .or_else(|| port.name.as_ref().map(|name| name.split('-').next().unwrap_or("").to_owned()))?;
    let says = says.rsplit('/').next().unwrap_or("").to_ascii_lowercase();
    let probes = workload.template.containers.iter().flat_map(|c| [&c.readiness, &c.liveness]).flatten();
    let mut speaks = probes.filter(|probe| probe.handler.port() == Some(&port.target)).map(|probe| &probe.handler);
    // A plain TCP service carries gRPC and HTTP alike; only a claim of the other one breaks.
    match (says.as_str(), speaks.next()?) {
        ("http" | "http1" | "https" | "mysql" | "redis" | "mongo" | "udp", Handler::Grpc(_)) => Some((says, "gRPC")),
        ("grpc" | "h2c" | "mysql" | "redis" | "mongo" | "udp", Handler::Http(_)) => Some((says, "HTTP")),
        _ => None,
    }
}

fn scaled_to_nothing(snapshot: &Snapshot, report: &mut Report) {
    for workload in snapshot.owned().filter(|w| w.meta.live && w.replicas == Some(0) && w.kind != "DaemonSet") {
        let namespace = workload.meta.namespace.as_str();
        let served = snapshot.services.iter().any(|service| {
            service.meta.live
                && service.meta.namespace == namespace
                && !service.selector.is_empty()
                && selects(&service.selector, &workload.pod_labels)
        });
        let strength = if served { 0.95 } else { 0.5 };
        let say = format!(
            "{} {} is scaled to zero replicas{}",
            workload.kind,
            workload.meta.name,
            if served { " while a service leads to it" } else { "" }
        );
        let source = format!("kubectl get {} {}", workload.kind.to_lowercase(), workload.meta.name);
        report.contradiction(
            service_entity(namespace, &workload.meta.name),
            Fault::ZeroReplicas,
            strength,
            9,
            &say,
            &source,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::{json, top};
    use serde_json::{Value, json as object};

    fn fault(spec: Value, replicas: u64) -> Option<Fault> {
        let mut reads = vec![
            json(
                object!({ "kind": "Deployment", "metadata": { "name": "harp", "namespace": "band" }, "spec": { "replicas": replicas,
                "selector": { "matchLabels": { "app": "harp" } }, "template": { "metadata": { "labels": { "app": "harp" } }, "spec": { "containers": [
                    { "name": "main", "ports": [{ "containerPort": 7000, "name": "tune" }], "readinessProbe": { "grpc": { "port": 7000 } } }] } } }, "status": { "readyReplicas": replicas } }),
            ),
            json(object!({ "kind": "Service", "metadata": { "name": "harp", "namespace": "band" }, "spec": spec })),
        ];
        if replicas > 0 {
            reads.push(json(object!({ "kind": "Pod", "metadata": { "name": "harp-1", "namespace": "band", "labels": { "app": "harp" } },
                "spec": { "nodeName": "n1" }, "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } })));
        }
        let (findings, _) = crate::kubernetes::analyze(&Snapshot::new(&reads));
        (!findings.is_empty()).then(|| top(&Snapshot::new(&reads)).fault).flatten()
    }

    #[test]
    fn a_service_is_compared_with_the_pods_behind_it() {
        let good = object!({ "selector": { "app": "harp" }, "ports": [{ "port": 80, "targetPort": "tune" }] });
        assert_eq!(fault(good.clone(), 1), None);
        assert_eq!(fault(good, 0), Some(Fault::ZeroReplicas));
        assert_eq!(
            fault(object!({ "selector": { "name": "harp" }, "ports": [{ "port": 80, "targetPort": 7000 }] }), 1),
            Some(Fault::ServiceSelectorMismatch)
        );
        assert_eq!(
            fault(object!({ "selector": { "app": "harp" }, "ports": [{ "port": 80, "targetPort": 7001 }] }), 1),
            Some(Fault::ServicePortMismatch)
        );
        assert_eq!(
            fault(object!({ "selector": { "app": "harp" }, "ports": [{ "port": 80, "targetPort": "tunes" }] }), 1),
            Some(Fault::ServicePortMismatch)
        );
        assert_eq!(
            fault(
                object!({ "selector": { "app": "harp" }, "ports": [{ "port": 80, "targetPort": 7000, "protocol": "UDP" }] }),
                1
            ),
            Some(Fault::ServiceProtocolMismatch)
        );
        assert_eq!(
            fault(
                object!({ "selector": { "app": "harp" }, "ports": [{ "name": "http-web", "port": 80, "targetPort": 7000 }] }),
                1
            ),
            Some(Fault::ServiceProtocolMismatch)
        );
    }
}
