//! Names inside the cluster that do not resolve although their services are there.

use super::object::{Pod, PodSpec};
use super::report::Report;
use super::snapshot::{Snapshot, selects, service_entity};
use super::words::{any, streams};
use crate::case::Case;
use crate::finding::{Entity, EntityKind, Fault, FindingKind};
use crate::graph::component;
use std::collections::{BTreeMap, BTreeSet};

/// A name that did not resolve, as glibc, musl, Go, Java, Node, curl, gRPC, Netty and busybox word it, in lower case.
pub(super) const UNRESOLVED: [&str; 17] = [
    "no such host",
    "unknownhostexception",
    "name or service not known",
    "temporary failure in name resolution",
    "getaddrinfo enotfound",
    "getaddrinfo eai_again",
    "could not resolve host",
    "name does not resolve",
    "nodename nor servname provided",
    "dns resolution failed",
    "name resolution failed",
    "could not contact dns servers",
    "produced zero addresses",
    "no address associated with hostname",
    "could not translate host name",
    "unknown mysql server host",
    "bad address '",
];

/// Signs that no name server answered, in lower case: the name itself may be right.
const NO_ANSWER: [&str; 6] = [
    "eai_again",
    "temporary failure",
    "i/o timeout",
    "server misbehaving",
    "could not contact dns servers",
    "network is unreachable",
];

pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for workload in snapshot.owned().filter(|workload| workload.meta.live) {
        let Some(why) = own_resolver(&workload.template) else { continue };
        let subject = service_entity(&workload.meta.namespace, &workload.meta.name);
        let say = format!("{} {why}, so the names of services do not resolve in its pods", subject.name);
        let source = format!("kubectl get {} {} -o yaml", workload.kind.to_lowercase(), workload.meta.name);
        report.contradiction(subject, Fault::DnsFailure, 0.9, 9, &say, &source);
    }
    for policy in snapshot.policies.iter().filter(|policy| policy.meta.live && policy.blocks_dns) {
        for workload in snapshot
            .owned()
            .filter(|w| w.meta.namespace == policy.meta.namespace && selects(&policy.selector, &w.pod_labels))
        {
            let subject = service_entity(&workload.meta.namespace, &workload.meta.name);
            let say = format!("network policy {} lets {} out, but not to port 53", policy.meta.name, subject.name);
            report.contradiction(
                subject,
                Fault::DnsFailure,
                0.8,
                8,
                &say,
                &format!("kubectl describe networkpolicy {}", policy.meta.name),
            );
        }
    }
    servers(snapshot, report);
    aliases(snapshot, report);
    names_without_services(snapshot, report);
}

/// A hosts file that gives a service's name another address than the service has.
fn aliases(snapshot: &Snapshot, report: &mut Report) {
    for workload in snapshot.owned().filter(|workload| workload.meta.live) {
        let namespace = workload.meta.namespace.as_str();
        for (name, address) in &workload.template.host_aliases {
            let Some(service) = snapshot.service(namespace, name.split('.').next().unwrap_or("")) else { continue };
            if service.cluster_ip.parse::<core::net::IpAddr>().is_err() || service.cluster_ip == *address {
                continue;
            }
            let subject = service_entity(namespace, &workload.meta.name);
            let say = format!(
                "the hosts file of {} gives {name} as {address}; the service has {}",
                subject.name, service.cluster_ip
            );
            let source = format!("kubectl get {} {} -o yaml", workload.kind.to_lowercase(), workload.meta.name);
            report.contradiction(subject, Fault::DnsFailure, 0.9, 9, &say, &source);
        }
    }
}

/// Services that are declared and not there, and those that stand for a name of the cluster that nothing has.
fn names_without_services(snapshot: &Snapshot, report: &mut Report) {
    for service in &snapshot.services {
        let (namespace, name) = (service.meta.namespace.as_str(), service.meta.name.as_str());
        let subject = || service_entity(namespace, name);
        let source = format!("kubectl get services -n {namespace}");
        let mut stands = service.stands_for.trim_end_matches('.').split('.');
        if !service.meta.live {
            let full = report.findings.iter().any(|f| f.fault == Some(Fault::ServiceQuotaExceeded) && f.strength > 0.5);
            let runs = snapshot.owned().any(|w| w.meta.live && w.meta.namespace == namespace && w.meta.name == name);
            if runs && !full && snapshot.exists("Service", namespace, name) == Some(false) {
                let say = format!("service {name} is declared but not there: its name does not resolve");
                report.contradiction(subject(), Fault::DnsFailure, 0.85, 9, &say, &source);
            }
        } else if let (Some(host), Some(place), Some("svc")) = (stands.next(), stands.next(), stands.next())
            && snapshot.exists("Service", place, host) == Some(false)
        {
            let say = format!("service {name} stands for {}, which is no service", service.stands_for);
            report.contradiction(subject(), Fault::DnsFailure, 0.9, 9, &say, &source);
        }
    }
}

fn own_resolver(spec: &PodSpec) -> Option<String> {
    match spec.dns_policy.as_str() {
        "None" => Some(format!("uses name servers of its own ({})", spec.nameservers.join(", "))),
        "Default" => Some("resolves names as its node does (dnsPolicy: Default)".to_owned()),
        _ => None,
    }
}

/// The cluster's own name servers.
fn servers(snapshot: &Snapshot, report: &mut Report) {
    let serves = |name: &str| ["coredns", "kube-dns"].iter().any(|prefix| name.starts_with(prefix));
    for workload in
        snapshot.owned().filter(|w| w.meta.live && w.meta.namespace == "kube-system" && serves(&w.meta.name))
    {
        if workload.ready == Some(0) || workload.replicas == Some(0) {
            let say = format!("no copy of {} is ready; nothing resolves in this cluster", workload.meta.name);
            let subject = service_entity(&workload.meta.namespace, &workload.meta.name);
            report.contradiction(subject, Fault::DnsFailure, 0.95, 9, &say, "kubectl get deployments -n kube-system");
        }
    }
    let pods: Vec<&Pod> =
        snapshot.pods.iter().filter(|p| p.meta.namespace == "kube-system" && serves(&p.meta.name)).collect();
    if let Some(pod) = pods.first().filter(|_| pods.iter().all(|pod| !pod.ready)) {
        let named = Entity::new(EntityKind::Pod, pod.meta.name.as_str()).in_namespace("kube-system");
        let subject = if pod.owner.is_some() { snapshot.entity_of(pod) } else { component(&named) };
        let say = format!("no pod of {} is ready; nothing resolves in this cluster", subject.name);
        report.contradiction(subject, Fault::DnsFailure, 0.95, 9, &say, "kubectl get pods -n kube-system");
    }
}

/// Services whose names a caller cannot resolve, where it says so, a line of it, and whether no server answered.
type Complaint = (BTreeSet<String>, String, String, bool);

/// Complaints by caller.
type Callers = BTreeMap<String, Complaint>;

/// Callers that cannot resolve the name of a service that exists. While everything is being created this is normal for
/// a moment, so alone it says little.
pub(super) fn analyze_logs(snapshot: &Snapshot, case: &Case, report: &mut Report) {
    let mut callers = Callers::new();
    for (stream, lines) in streams(case) {
        for (lower, _) in lines.iter().filter(|(lower, _)| any(lower, &UNRESOLVED)) {
            let transient = any(lower, &NO_ANSWER);
            let named =
                snapshot.services.iter().filter(|s| s.meta.live).find(|service| names(lower, &service.meta.name));
            let Some(service) = named else { continue };
            let entry = callers
                .entry(stream.subject.name.clone())
                .or_insert_with(|| (BTreeSet::new(), stream.source.clone(), lower.chars().take(200).collect(), false));
            entry.0.insert(service.meta.name.clone());
            entry.3 |= transient;
        }
    }
    unknown_hosts(snapshot, case, report);
    unresolved_by_all(&callers, snapshot, report);
    for (caller, (services, source, excerpt, transient)) in callers {
        let workload = snapshot.owned().find(|workload| workload.meta.name == caller);
        let unready = workload.is_some_and(|w| w.ready.is_some_and(|ready| ready < w.replicas.unwrap_or(1)));
        let strength = match (unready, transient || services.len() > 2) {
            (true, true) => 0.9,
            (true, false) | (false, true) => 0.7,
            (false, false) => 0.4,
        };
        let namespace = workload.map_or("", |workload| workload.meta.namespace.as_str());
        let listed: Vec<&str> = services.iter().map(String::as_str).take(5).collect();
        let say = format!("{caller} cannot resolve {}, which exist", listed.join(", "));
        let subject = service_entity(namespace, &caller);
        let declared = report.findings.iter_mut().find(|f| {
            f.subject == subject && f.fault == Some(Fault::DnsFailure) && f.kind == FindingKind::Contradiction
        });
        if let Some(finding) = declared {
            finding.strength = 0.98;
            finding.excerpt = Some(super::report::plain(&excerpt));
        } else {
            report.quoted(subject, Fault::DnsFailure, (strength, 7), &say, &source, &excerpt);
        }
    }
}

/// One name that several callers cannot resolve, who complain of no other: the name is at fault, not its callers.
fn unresolved_by_all(callers: &Callers, snapshot: &Snapshot, report: &mut Report) {
    let mut victims: BTreeMap<&str, Vec<(&str, &Complaint)>> = BTreeMap::new();
    for (caller, complaint) in callers {
        if let Some(only) = complaint.0.first().filter(|_| complaint.0.len() == 1) {
            victims.entry(only).or_default().push((caller, complaint));
        }
    }
    let all: BTreeSet<&str> = callers.values().flat_map(|complaint| complaint.0.iter().map(String::as_str)).collect();
    let Some((name, who)) = victims.into_iter().find(|(_, who)| who.len() >= 2 && all.len() == 1) else { return };
    let Some(service) = snapshot.services.iter().find(|s| s.meta.live && s.meta.name == name) else { return };
    let say = format!("{} callers cannot resolve {name} and complain of no other name", who.len());
    let (_, (_, source, excerpt, _)) = who[0];
    let subject = service_entity(&service.meta.namespace, name);
    report.quoted(subject, Fault::DnsFailure, (0.8, 8), &say, source, excerpt);
}

/// A workload that does not come up because a name inside the cluster does not resolve.
fn unknown_hosts(snapshot: &Snapshot, case: &Case, report: &mut Report) {
    for (stream, lines) in streams(case) {
        let Some(pod) =
            snapshot.pods.iter().find(|pod| !pod.ready && snapshot.entity_of(pod).name == stream.subject.name)
        else {
            continue;
        };
        let host =
            |lower: &String| unresolved(lower).filter(|host| inside(host)).map(|host| (host.to_owned(), lower.clone()));
        let Some((host, lower)) = lines.iter().rev().find_map(|(lower, _)| host(lower)) else { continue };
        let subject = snapshot.entity_of(pod);
        let known = snapshot.service(&pod.meta.namespace, host.split('.').next().unwrap_or("")).is_some();
        let tail = if known { "which is a service" } else { "which is no service" };
        let say = format!("{} does not come up: it cannot resolve {host}, {tail}", subject.name);
        let excerpt: String = lower.chars().take(200).collect();
        report.quoted(subject, Fault::DnsFailure, (0.85, 8), &say, &stream.source, &excerpt);
    }
}

/// The name that did not resolve, as resolvers of several languages say it.
fn unresolved(lower: &str) -> Option<&str> {
    let after = [
        "unknownhostexception: ",
        "lookup ",
        "enotfound ",
        "eai_again ",
        "could not resolve host: ",
        "resolution failed for target dns:",
        "resolution failed for ",
        "could not translate host name \"",
        "unknown mysql server host '",
        "bad address '",
    ];
    let rest = after.iter().find_map(|phrase| lower.split_once(phrase).map(|(_, rest)| rest))?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.')).unwrap_or(rest.len());
    (any(lower, &UNRESOLVED) && end > 0).then(|| rest[..end].trim_end_matches('.'))
}

/// A name of one label, or below `svc`.
fn inside(host: &str) -> bool {
    !host.is_empty() && (!host.contains('.') || host.ends_with(".svc") || host.contains(".svc."))
}

/// The name stands alone in the text, not as a part of a longer one.
pub fn names(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(part);
        let after = text[at + name.len()..].chars().next().is_some_and(part);
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::{json, top};

    #[test]
    fn the_unresolved_name_is_read_from_what_resolvers_say() {
        assert_eq!(
            unresolved("java.net.unknownhostexception: ledger-main: name or service not known"),
            Some("ledger-main")
        );
        assert_eq!(unresolved("dial tcp: lookup stall.fair.svc on 10.0.0.10:53: no such host"), Some("stall.fair.svc"));
        assert_eq!(unresolved("ping: bad address 'kiosk'"), Some("kiosk"));
        assert_eq!(
            unresolved("dns resolution failed for kiosk:7000: c-ares status is not ares_success"),
            Some("kiosk")
        );
        assert_eq!(unresolved("lookup of a price failed"), None);
        assert!(inside("ledger-main") && inside("stall.fair.svc.cluster.local") && !inside("api.example.com"));
    }

    #[test]
    fn name_servers_of_its_own_explain_a_workload() {
        let deployment = serde_json::json!({ "kind": "Deployment", "metadata": { "name": "kiosk", "namespace": "fair" },
            "spec": { "template": { "spec": { "dnsPolicy": "None", "dnsConfig": { "nameservers": ["192.0.2.1"] }, "containers": [] } } } });
        let finding = top(&Snapshot::new(&[json(deployment)]));
        assert_eq!((finding.fault, finding.subject.name.as_str()), (Some(Fault::DnsFailure), "kiosk"));
        assert!(
            names("lookup stall on 10.0.0.1", "stall")
                && !names("lookup stalls-2 on", "stall")
                && !names("lookup my-stall on", "stall")
        );
    }
}
