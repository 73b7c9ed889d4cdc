//! Probes that fail although the container is well: the wrong protocol, the wrong port, too little time.

use super::object::{Container, Handler, Pod, PortRef, Probe};
use super::report::Report;
use super::snapshot::Snapshot;
use super::words::any;
use crate::finding::Fault;

/// A container that is given less than this from its start to its restart (in seconds) is given too little.
const SHORT_S: u64 = 15;

/// Words of a client that meets a server of another protocol, in lower case.
const FOREIGN: [&str; 9] = [
    "malformed http",
    "server gave http response to https client",
    "does not look like a tls handshake",
    "http/0.9",
    "error reading server preface",
    "frame too large",
    "unexpected http status code",
    "unimplemented",
    "http2: ",
];

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for pod in snapshot.pods.iter().filter(|pod| !pod.node.is_empty()) {
        // The template has the probes as a person wrote them; a service mesh rewrites those of the pod.
        let containers = match snapshot.workload_of(pod) {
            Some(workload) if !workload.template.containers.is_empty() => &workload.template.containers,
            _ => &pod.spec.containers,
        };
        let words = |probe: &str| {
            let told = snapshot
                .events_of_pod(pod)
                .filter(|event| event.message.starts_with(probe) && event.reason == "Unhealthy");
            told.map(|event| event.message.to_lowercase()).collect::<Vec<_>>()
        };
        let killed = snapshot.events_of_pod(pod).any(|event| event.message.contains("failed liveness probe"));
        for container in containers {
            if let Some(probe) = container.liveness.as_ref().filter(|_| killed || pod.restarts() > 0) {
                let words = words("Liveness probe");
                if killed || !words.is_empty() {
                    check(snapshot, pod, container, ("liveness", probe, &words), report);
                }
            }
            let words = words("Readiness probe");
            let running = pod.statuses.iter().any(|status| status.name == container.name && status.waiting.is_none());
            if let Some(probe) = container.readiness.as_ref().filter(|_| !pod.ready && running && !words.is_empty()) {
                check(snapshot, pod, container, ("readiness", probe, &words), report);
            }
        }
    }
}

fn check(
    snapshot: &Snapshot,
    pod: &Pod,
    container: &Container,
    (kind, probe, words): (&str, &Probe, &[String]),
    report: &mut Report,
) {
    let subject = snapshot.entity_of(pod);
    let source = format!("kubectl describe pod {}", pod.meta.name);
    let liveness = kind == "liveness";
    let excerpt = words.first().map_or("", String::as_str);
    let other = if liveness {
        container.readiness.as_ref().or(container.startup.as_ref())
    } else {
        container.liveness.as_ref().or(container.startup.as_ref())
    };
    let port = shown(&probe.handler);
    let foreign = words.iter().any(|text| any(text, &FOREIGN));
    if foreign || other.is_some_and(|other| speaks_otherwise(&probe.handler, &other.handler)) {
        let fault = if liveness { Fault::LivenessProbeProtocol } else { Fault::ReadinessProbeProtocol };
        let say = format!(
            "the {kind} probe of {} asks by {} on port {port}, which speaks something else",
            subject.name,
            probe.handler.word()
        );
        report.quoted(subject, fault, (0.95, 9), &say, &source, excerpt);
    } else if let Some(why) = wrong_port(container, &probe.handler, other) {
        let fault = if liveness { Fault::LivenessProbePort } else { Fault::ReadinessProbePort };
        let say = format!("the {kind} probe of {} asks port {port}; {why}", subject.name);
        report.quoted(subject, fault, (0.95, 9), &say, &source, excerpt);
    } else if liveness {
        let given = probe.delay_s.saturating_add(probe.period_s.saturating_mul(probe.failures));
        let strength = if given <= SHORT_S { 0.9 } else { 0.4 };
        let say = format!(
            "the liveness probe of {} restarts it {given} s after its start (each try may take {} s)",
            subject.name, probe.timeout_s
        );
        report.quoted(subject, Fault::LivenessProbeTiming, (strength, 8), &say, &source, excerpt);
    } else {
        let say = format!("{} runs but does not pass its readiness probe on port {port}", subject.name);
        report.symptom(subject, Some(Fault::Down), (0.6, 2), &say, &source, excerpt);
    }
}

fn shown(handler: &Handler) -> String {
    match handler.port() {
        Some(PortRef::Number(number)) => number.to_string(),
        Some(PortRef::Name(name)) => name.clone(),
        None => "(none)".to_owned(),
    }
}

/// One asks by HTTP, the other by gRPC, on the same port.
fn speaks_otherwise(one: &Handler, other: &Handler) -> bool {
    one.port() == other.port()
        && matches!((one, other), (Handler::Http(_), Handler::Grpc(_)) | (Handler::Grpc(_), Handler::Http(_)))
}

fn wrong_port(container: &Container, handler: &Handler, other: Option<&Probe>) -> Option<String> {
    let declared: Vec<String> = container.ports.iter().map(|port| port.port.to_string()).collect();
    let declared = declared.join(", ");
    match handler.port()? {
        PortRef::Number(port) if !container.ports.is_empty() && !container.ports.iter().any(|p| p.port == *port) => {
            Some(format!("the container listens on {declared}"))
        }
        PortRef::Name(name) if !container.ports.iter().any(|p| p.name.as_ref() == Some(name)) => {
            Some("no port of the container has that name".to_owned())
        }
        port => {
            let other = other
                .and_then(|other| other.handler.port())
                .filter(|other| container.ports.is_empty() && *other != port)?;
            Some(format!("its other probe asks {other:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::{describe, top};

    fn fault(liveness: &str, readiness: &str, ready: &str, event: &str) -> Option<Fault> {
        let text = format!(
            "Name: lamp-6f-q\nNamespace: park\nControlled By: ReplicaSet/lamp-6f\nStatus: Running\nNode: n1/10.0.0.1\nContainers:\n  main:\n    Port: 9000/TCP\n    State: Running\n    Ready: {ready}\n    Restart Count: 3\n    Liveness: {liveness}\n    Readiness: {readiness}\nConditions:\n  Type   Status\n  Ready  {ready}\nEvents:\n  Type     Reason     Age  From     Message\n  ----     ------     ---  ----     -------\n  {event}\n"
        );
        top(&Snapshot::new(&[describe("pod", &text)])).fault
    }

    #[test]
    fn wrong_protocol_port_and_timing_are_told_apart() {
        let killing = "Normal   Killing    3s   kubelet  Container main failed liveness probe, will be restarted";
        let good = "grpc <pod>:9000  delay=5s timeout=1s period=10s #success=1 #failure=3";
        let http = "http-get http://:9000/ delay=5s timeout=1s period=10s #success=1 #failure=3";
        let port = "grpc <pod>:9001  delay=5s timeout=1s period=10s #success=1 #failure=3";
        let hasty = "grpc <pod>:9000  delay=1s timeout=1s period=1s #success=1 #failure=1";
        assert_eq!(fault(http, good, "True", killing), Some(Fault::LivenessProbeProtocol));
        assert_eq!(fault(port, good, "True", killing), Some(Fault::LivenessProbePort));
        assert_eq!(fault(hasty, good, "True", killing), Some(Fault::LivenessProbeTiming));
        let unready = "Warning  Unhealthy  3s (x9 over 80s)   kubelet  Readiness probe failed: timeout: failed to connect service \"10.1.1.1:9001\"";
        assert_eq!(fault(good, port, "False", unready), Some(Fault::ReadinessProbePort));
        let malformed = "Warning  Unhealthy  3s (x9 over 80s)   kubelet  Readiness probe failed: Get \"http://10.1.1.1:9000/\": malformed HTTP response";
        assert_eq!(fault(good, http, "False", malformed), Some(Fault::ReadinessProbeProtocol));
    }
}
