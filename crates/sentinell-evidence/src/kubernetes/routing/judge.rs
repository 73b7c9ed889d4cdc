//! Routes that lead to a service that is not there, or to another one than their name or path says.

use crate::finding::{Entity, Fault};
use crate::kubernetes::address::nearest;
use crate::kubernetes::naming::Names;
use crate::kubernetes::object::{Route, Router, Workload};
use crate::kubernetes::report::Report;
use crate::kubernetes::snapshot::{Snapshot, service_entity};

pub(in crate::kubernetes) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for router in snapshot.routers.iter().filter(|router| router.meta.live || router.kind != "ConfigMap") {
        let names = Names::of(snapshot, &router.meta.namespace);
        if names.all().next().is_none() {
            continue;
        }
        let subject = gateway(snapshot, router);
        for route in &router.routes {
            if let Some((strength, specificity, say)) = check(snapshot, router, route, (&names, &subject)) {
                let source = format!("kubectl get {} {} -o yaml", router.kind.to_ascii_lowercase(), router.meta.name);
                report.contradiction(subject.clone(), Fault::RouteMismatch, strength, specificity, &say, &source);
            }
        }
    }
}

/// What is wrong with a route: how surely, how narrowly, and in words.
fn check(
    snapshot: &Snapshot,
    router: &Router,
    route: &Route,
    (names, subject): (&Names, &Entity),
) -> Option<(f64, u8, String)> {
    let namespace = router.meta.namespace.as_str();
    let host = host(snapshot, namespace, route, subject);
    if host.is_empty() {
        return None;
    }
    let label = if route.id.is_empty() { &route.path } else { &route.id };
    let start = format!("route {label} of {} sends to {host}", router.meta.name);
    let by_name = || names.meant_by(&route.id).or_else(|| names.meant_by(route.variable.as_deref()?));
    let Some(service) = snapshot.service(namespace, &host) else {
        if snapshot.exists("Service", namespace, &host) != Some(false) {
            return None;
        }
        // Many gateways carry routes to services that were never installed: a near miss is telling, or a name that says
        // which service was meant.
        return match nearest(&host, names.all()).or_else(by_name) {
            Some(meant) => Some((0.9, 9, format!("{start}, which is no service; {meant} is"))),
            None if router.kind != "ConfigMap" => Some((0.8, 8, format!("{start}, which is no service"))),
            None => None,
        };
    };
    if let Some(port) = route.port.filter(|port| !service.ports.iter().any(|p| p.port == *port))
        && !service.ports.is_empty()
    {
        return Some((0.9, 9, format!("{start}:{port}, a port the service does not have")));
    }
    let told = || names.is_told_in(&host, &format!("{} {}", route.id, route.path));
    if let Some(meant) = by_name().filter(|meant| *meant != host && !names.same(meant, &host) && !told()) {
        return Some((0.85, 9, format!("{start}, but by its name it belongs to {meant}")));
    }
    let meant = names.meant_by_path(&route.path)?;
    let named = names.is_told_in(&host, &route.path) || names.is_told_in(meant, &route.id);
    (meant != host && !names.same(meant, &host) && !named)
        .then(|| (0.8, 9, format!("{start}, but its path {} belongs to {meant}", route.path)))
}

/// The service a route sends to: what the gateway's environment says, else what is written; empty for a host outside.
fn host(snapshot: &Snapshot, namespace: &str, route: &Route, gateway: &Entity) -> String {
    let set = route.variable.as_ref().and_then(|name| {
        let owner = snapshot.owned().find(|w| w.meta.namespace == namespace && w.meta.name == gateway.name)?;
        owner.template.containers.iter().find_map(|container| container.env.get(name))
    });
    let host = set.unwrap_or(&route.host);
    let host = host.split(':').next().unwrap_or("");
    let mut labels = host.split('.');
    let first = labels.next().unwrap_or("");
    let inside = match (labels.next(), labels.next()) {
        (None, _) => true,
        (Some(place), None) => place == namespace,
        (Some(place), Some(svc)) => place == namespace && svc == "svc",
    };
    if inside { first.to_owned() } else { String::new() }
}

/// The workload a router configures, else the router itself.
pub(super) fn gateway(snapshot: &Snapshot, router: &Router) -> Entity {
    let namespace = router.meta.namespace.as_str();
    let here = || snapshot.owned().filter(|w| w.meta.namespace == namespace);
    let reads =
        |w: &&Workload| w.template.all_needs().any(|need| need.kind == "ConfigMap" && need.name == router.meta.name);
    let reader = here().find(reads).map(|workload| workload.meta.name.as_str());
    let named = here().map(|w| w.meta.name.as_str()).filter(|name| router.meta.name.starts_with(name));
    let named = named.max_by_key(|name| name.len());
    service_entity(namespace, reader.or(named).unwrap_or(&router.meta.name))
}
