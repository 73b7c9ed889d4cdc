//! Addresses in a client's environment against the services there are.

use super::dns::names;
use super::naming::Names;
use super::object::Workload;
use super::report::Report;
use super::snapshot::{Snapshot, service_entity};
use super::words::{any, streams};
use crate::case::Case;
use crate::finding::Fault;

pub(super) fn analyze(snapshot: &Snapshot, case: Option<&Case>, report: &mut Report) {
    for workload in snapshot.owned().filter(|workload| workload.meta.live) {
        for (key, value) in workload.template.containers.iter().flat_map(|container| &container.env) {
            if let Some((host, port)) = address(value) {
                check(snapshot, case, workload, (key, &host, port), report);
            }
            named_otherwise(snapshot, workload, (key, value), report);
        }
    }
}

/// Variables that hold an address, by their last word.
const ADDRESSES: [&str; 8] = ["_HOST", "_HOSTNAME", "_ADDR", "_ADDRESS", "_URL", "_URI", "_ENDPOINT", "_SERVICE"];

/// A variable that names one service and holds the address of another: `MILL_HOST=till`.
fn named_otherwise(snapshot: &Snapshot, workload: &Workload, (key, value): (&str, &str), report: &mut Report) {
    let upper = key.to_ascii_uppercase();
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let host = rest.split([':', '/', '.', '?', ',']).next().unwrap_or("");
    let namespace = workload.meta.namespace.as_str();
    if !ADDRESSES.iter().any(|end| upper.ends_with(end)) || snapshot.service(namespace, host).is_none() {
        return;
    }
    let names = Names::of(snapshot, namespace);
    let Some(meant) = names.meant_by(key).filter(|meant| *meant != host && !names.same(meant, host)) else { return };
    let routes = ["gateway", "ingress", "proxy", "edge"].iter().any(|word| workload.meta.name.contains(word));
    let fault = if routes { Fault::RouteMismatch } else { Fault::ServiceAddressMismatch };
    let say = format!("{} has {key}={value}, which leads to {host} and not to {meant}", workload.meta.name);
    let source = format!("kubectl get {} {} -o yaml", workload.kind.to_lowercase(), workload.meta.name);
    report.contradiction(service_entity(namespace, &workload.meta.name), fault, 0.9, 9, &say, &source);
}

/// Host and port of `host:port`, `scheme://host:port/path`, where the host could be a service of the cluster.
fn address(value: &str) -> Option<(String, u16)> {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let rest = rest.rsplit('@').next().unwrap_or(rest);
    let authority = rest.split(['/', '?', ',']).next()?;
    let (host, port) = authority.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let label = |text: &str| {
        !text.is_empty()
            && text.len() < 64
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let parts: Vec<&str> = host.split('.').collect();
    let inside = parts.len() == 1 || parts.get(2) == Some(&"svc");
    let named = label(parts[0])
        && parts[0].starts_with(|c: char| c.is_ascii_lowercase())
        && !matches!(parts[0], "localhost" | "host");
    (inside && named).then(|| (parts[0].to_owned(), port))
}

fn check(
    snapshot: &Snapshot,
    case: Option<&Case>,
    workload: &Workload,
    (key, host, port): (&str, &str, u16),
    report: &mut Report,
) {
    let namespace = workload.meta.namespace.as_str();
    let here = || snapshot.services.iter().filter(|service| service.meta.namespace == namespace);
    let subject = service_entity(namespace, &workload.meta.name);
    let source = format!("kubectl get {} {} -o yaml", workload.kind.to_lowercase(), workload.meta.name);
    let name = workload.meta.name.as_str();
    if let Some(service) = snapshot.service(namespace, host) {
        if service.ports.is_empty() || service.ports.iter().any(|p| p.port == port) {
            return;
        }
        let have: Vec<String> = service.ports.iter().map(|p| p.port.to_string()).collect();
        let say = format!("{name} has {key}={host}:{port}, but service {host} has port {}", have.join(", "));
        report.contradiction(subject, Fault::ServiceAddressMismatch, 0.97, 10, &say, &source);
        return;
    }
    // A service that a manifest declares and the cluster lacks is its own fault, not its client's.
    if snapshot.exists("Service", namespace, host) != Some(false) || here().any(|service| service.meta.name == host) {
        return;
    }
    let said = case.is_some_and(|case| complains(case, name, host));
    let meant = nearest(host, here().map(|service| service.meta.name.as_str()));
    let (strength, specificity) = match (said, meant.is_some()) {
        (true, _) => (0.97, 10),
        (false, true) => (0.9, 10),
        // Optional parts are often configured and not installed.
        (false, false) => (0.3, 6),
    };
    let tail = meant.map(|meant| format!("; there is {meant}")).unwrap_or_default();
    let say = format!("{name} has {key}={host}:{port}, but there is no service {host}{tail}");
    report.contradiction(subject, Fault::ServiceAddressMismatch, strength, specificity, &say, &source);
}

/// The client's own log names the host where it could not be reached.
fn complains(case: &Case, workload: &str, host: &str) -> bool {
    streams(case).filter(|(stream, _)| stream.subject.name == workload).any(|(_, lines)| {
        lines.iter().any(|(lower, _)| {
            any(
                lower,
                &[
                    "no such host",
                    "not known",
                    "resol",
                    "enotfound",
                    "unknownhost",
                    "refused",
                    "unreachable",
                    "unavailable",
                    "timeout",
                ],
            ) && names(lower, host)
        })
    })
}

/// The name that was most likely meant: one that contains or is contained, or differs in at most two letters.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for other in names.filter(|other| *other != name) {
        let contained = other.len() >= 4 && name.len() >= 4 && (name.starts_with(other) || other.starts_with(name));
        let distance = if contained { 1 } else { distance(name, other) };
        let allowed = 2.min(name.len() / 4);
        if distance <= allowed && best.is_none_or(|(known, _)| distance < known) {
            best = Some((distance, other));
        }
    }
    best.map(|(_, other)| other)
}

/// Levenshtein distance, given up (as a large number) for names of very different length.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = if x == y { diagonal } else { 1 + diagonal.min(row[j]).min(row[j + 1]) };
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::json;
    use serde_json::json as object;

    fn fault(value: &str) -> Option<Fault> {
        let reads = [
            json(
                object!({ "kind": "ServiceList", "items": [{ "metadata": { "name": "stall", "namespace": "fair" }, "spec": { "ports": [{ "port": 80 }] } }] }),
            ),
            json(
                object!({ "kind": "Deployment", "metadata": { "name": "kiosk", "namespace": "fair" }, "spec": { "template": { "spec": { "containers": [
                { "name": "main", "env": [{ "name": "STALL", "value": value }] }] } } } }),
            ),
        ];
        crate::kubernetes::analyze(&Snapshot::new(&reads)).0.first().filter(|f| f.strength > 0.5).and_then(|f| f.fault)
    }

    #[test]
    fn a_variable_that_names_a_service_leads_to_it() {
        let fault = |owner: &str, key: &str, value: &str| {
            let service = |name: &str| object!({ "metadata": { "name": name, "namespace": "fair" }, "spec": { "ports": [{ "port": 80 }] } });
            let names =
                ["f-till-service", "f-till-old-service", "f-mill-service", "f-gateway-service", "f-barn-service"];
            let reads = [
                json(object!({ "kind": "ServiceList", "items": names.map(service) })),
                json(
                    object!({ "kind": "Deployment", "metadata": { "name": owner, "namespace": "fair" }, "spec": { "template": { "spec": { "containers": [
                    { "name": "main", "env": [{ "name": key, "value": value }] }] } } } }),
                ),
            ];
            crate::kubernetes::analyze(&Snapshot::new(&reads)).0.first().and_then(|f| f.fault)
        };
        assert_eq!(fault("f-mill-service", "TILL_SERVICE_HOST", "f-mill-service"), Some(Fault::ServiceAddressMismatch));
        assert_eq!(fault("f-gateway-service", "TILL_SERVICE_HOST", "f-mill-service"), Some(Fault::RouteMismatch));
        assert_eq!(fault("f-mill-service", "TILL_ADDR", "f-till-old-service:80"), Some(Fault::ServiceAddressMismatch));
        assert_eq!(fault("f-mill-service", "TILL_SERVICE_HOST", "f-till-service"), None);
        assert_eq!(fault("f-mill-service", "PAYMENT_HOST", "f-till-service"), None, "no service of that name");
        assert_eq!(fault("f-mill-service", "TILL_OWNER", "f-mill-service"), None, "no address");
    }

    #[test]
    fn an_address_is_compared_with_the_services() {
        assert_eq!(fault("stall:80"), None);
        assert_eq!(fault("http://stall.fair.svc.cluster.local:80/x"), None);
        assert_eq!(fault("stall:81"), Some(Fault::ServiceAddressMismatch));
        assert_eq!(fault("stalls:80"), Some(Fault::ServiceAddressMismatch));
        assert_eq!(fault("elsewhere:80"), None, "an optional part that was never installed");
        assert_eq!(fault("db.example.com:5432"), None);
    }
}
