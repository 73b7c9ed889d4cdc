//! Things that route requests to services, and where they point elsewhere.

use super::address::nearest;
use super::extract::{labels, meta, text};
use super::object::{NetworkPolicy, Route, Router};
use super::report::Report;
use super::snapshot::Snapshot;
use crate::finding::Fault;
use serde_json::Value;

/// Documents inside a config map longer than this are not looked at, in bytes.
const MAX_CONFIG: usize = 256 * 1024;

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn port(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|n| u16::try_from(n).ok())
}

/// The routes of an object, if it is one that routes.
pub fn router(value: &Value, live: bool) -> Option<Router> {
    let kind = value["kind"].as_str()?;
    let routes = match kind {
        "Ingress" => ingress(&value["spec"]),
        "HTTPRoute" | "GRPCRoute" => gateway_api(&value["spec"]),
        "VirtualService" => virtual_service(&value["spec"]),
        "ConfigMap" => config_map(&value["data"]),
        _ => return None,
    };
    (!routes.is_empty()).then(|| Router { kind: kind.to_owned(), meta: meta(value, live), routes })
}

fn ingress(spec: &Value) -> Vec<Route> {
    let paths = list(&spec["rules"]).iter().flat_map(|rule| list(&rule["http"]["paths"]));
    let default = spec["defaultBackend"].is_object().then_some(&spec["defaultBackend"]);
    let backend = |path: &Value, backend: &Value| Route {
        path: text(&path["path"]),
        host: text(&backend["service"]["name"]),
        port: port(&backend["service"]["port"]["number"]),
        ..Route::default()
    };
    paths
        .map(|path| backend(path, &path["backend"]))
        .chain(default.map(|b| backend(&Value::Null, b)))
        .filter(|r| !r.host.is_empty())
        .collect()
}

fn gateway_api(spec: &Value) -> Vec<Route> {
    let rules = list(&spec["rules"]).iter();
    rules
        .flat_map(|rule| {
            let path = text(&rule["matches"][0]["path"]["value"]);
            list(&rule["backendRefs"]).iter().map(move |backend| Route {
                path: path.clone(),
                host: text(&backend["name"]),
                port: port(&backend["port"]),
                ..Route::default()
            })
        })
        .collect()
}

fn virtual_service(spec: &Value) -> Vec<Route> {
    let rules = ["http", "tcp", "tls"].into_iter().flat_map(|kind| list(&spec[kind]));
    rules
        .flat_map(|rule| {
            let path = &rule["match"][0]["uri"];
            let path = text(&path["prefix"]) + &text(&path["exact"]);
            list(&rule["route"]).iter().map(move |route| Route {
                id: text(&rule["name"]),
                path: path.clone(),
                host: text(&route["destination"]["host"]),
                port: port(&route["destination"]["port"]["number"]),
                variable: None,
            })
        })
        .collect()
}

/// A gateway's own configuration: a YAML document with a list `routes` somewhere, whose items have an address.
fn config_map(data: &Value) -> Vec<Route> {
    let documents = data.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str());
    let mut routes = Vec::new();
    for document in documents.filter(|d| d.len() <= MAX_CONFIG && d.contains("routes:") && d.contains("uri:")) {
        if let Ok(value) = serde_saphyr::from_str::<Value>(document) {
            collect(&value, 0, &mut routes);
        }
    }
    routes
}

fn collect(value: &Value, depth: usize, routes: &mut Vec<Route>) {
    let Some(map) = value.as_object().filter(|_| depth < 16) else { return };
    for (key, value) in map {
        match value {
            Value::Array(items) if key == "routes" => routes.extend(items.iter().filter_map(configured)),
            _ => collect(value, depth + 1, routes),
        }
    }
}

/// `{id, uri: lb://${ORDER_HOST:order}, predicates: [Path=/orders/**]}`.
fn configured(item: &Value) -> Option<Route> {
    let uri = item["uri"].as_str()?;
    let authority = uri.split("://").nth(1)?;
    let (host, port) = host_of(authority);
    let variable = authority.strip_prefix("${").and_then(|inner| inner.split([':', '}']).next()).map(str::to_owned);
    let paths = list(&item["predicates"]).iter().filter_map(Value::as_str);
    let path = paths.filter_map(|predicate| predicate.strip_prefix("Path=")).next().unwrap_or("");
    Some(Route { id: text(&item["id"]), path: path.to_owned(), host, port, variable })
}

/// The host of `host:80/path` or of a placeholder's default, `${NAME:host}:80`.
fn host_of(authority: &str) -> (String, Option<u16>) {
    let (host, rest) = match authority.strip_prefix("${").and_then(|inner| inner.split_once('}')) {
        Some((inner, rest)) => (inner.split_once(':').map_or("", |(_, default)| default), rest),
        None => authority.split_at(authority.find([':', '/']).unwrap_or(authority.len())),
    };
    let port = rest.strip_prefix(':').and_then(|rest| rest.split('/').next()).and_then(|port| port.parse().ok());
    (host.to_owned(), port)
}

/// A network policy.
pub fn policy(value: &Value, live: bool) -> NetworkPolicy {
    let spec = &value["spec"];
    let types: Vec<&str> = list(&spec["policyTypes"]).iter().filter_map(Value::as_str).collect();
    let egress = types.contains(&"Egress") || spec["egress"].is_array();
    let opens_dns = |rule: &Value| {
        let ports = list(&rule["ports"]);
        ports.is_empty() && list(&rule["to"]).is_empty()
            || ports.iter().any(|port| port["port"] == 53 || port["port"] == "dns")
    };
    let opens_all = |rule: &Value| list(&rule["ports"]).is_empty();
    let rules = list(&spec["egress"]);
    NetworkPolicy {
        meta: meta(value, live),
        selector: labels(&spec["podSelector"]["matchLabels"]),
        denies_ingress: (types.is_empty() || types.contains(&"Ingress")) && list(&spec["ingress"]).is_empty(),
        denies_egress: egress && rules.is_empty(),
        blocks_dns: egress && !rules.iter().any(|rule| opens_dns(rule) || opens_all(rule)),
    }
}

/// Routes that lead to a service that is not there, or to another one than their name says.
pub(super) fn analyze(snapshot: &Snapshot, report: &mut Report) {
    for router in snapshot.routers.iter().filter(|router| router.meta.live || router.kind != "ConfigMap") {
        let namespace = router.meta.namespace.as_str();
        if !snapshot.services.iter().any(|service| service.meta.namespace == namespace) {
            continue;
        }
        for route in &router.routes {
            check_route(snapshot, router, route, report);
        }
    }
}

fn check_route(snapshot: &Snapshot, router: &Router, route: &Route, report: &mut Report) {
    let namespace = router.meta.namespace.as_str();
    let subject = gateway(snapshot, router);
    let set = route.variable.as_ref().and_then(|name| {
        let owner = snapshot.owned().find(|w| w.meta.namespace == namespace && w.meta.name == subject.name)?;
        owner.template.containers.iter().find_map(|container| container.env.get(name))
    });
    let host = set.unwrap_or(&route.host).split(['.', ':']).next().unwrap_or("");
    let source = format!("kubectl get {} {} -o yaml", router.kind.to_ascii_lowercase(), router.meta.name);
    let label = if route.id.is_empty() { &route.path } else { &route.id };
    let names: Vec<&str> =
        snapshot.services.iter().filter(|s| s.meta.namespace == namespace).map(|s| s.meta.name.as_str()).collect();
    let Some(service) = snapshot.service(namespace, host) else {
        // Many gateways carry routes to services that were never installed: only a near miss is telling.
        if let Some(meant) =
            nearest(host, names.iter().copied()).filter(|_| snapshot.exists("Service", namespace, host) == Some(false))
        {
            let say = format!("route {label} of {} sends to {host}, which is no service; {meant} is", router.meta.name);
            report.contradiction(subject, Fault::RouteMismatch, 0.9, 9, &say, &source);
        } else if router.kind != "ConfigMap" && snapshot.exists("Service", namespace, host) == Some(false) {
            let say = format!("route {label} of {} sends to {host}, which is no service", router.meta.name);
            report.contradiction(subject, Fault::RouteMismatch, 0.8, 8, &say, &source);
        }
        return;
    };
    if let Some(port) =
        route.port.filter(|port| !service.ports.iter().any(|p| p.port == *port) && !service.ports.is_empty())
    {
        let say =
            format!("route {label} of {} sends to {host}:{port}, a port the service does not have", router.meta.name);
        report.contradiction(subject, Fault::RouteMismatch, 0.9, 9, &say, &source);
    } else if let Some(meant) = belongs_elsewhere(route, host, &names) {
        let say = format!(
            "route {label} of {} sends to {host}, but by its name and path it belongs to {meant}",
            router.meta.name
        );
        report.contradiction(subject, Fault::RouteMismatch, 0.85, 9, &say, &source);
    }
}

/// The workload a router configures, else the router itself.
fn gateway(snapshot: &Snapshot, router: &Router) -> crate::finding::Entity {
    let namespace = router.meta.namespace.as_str();
    let reads = |w: &&super::object::Workload| {
        w.meta.namespace == namespace
            && w.template.all_needs().any(|need| need.kind == "ConfigMap" && need.name == router.meta.name)
    };
    let reader = snapshot.owned().find(reads).map(|workload| workload.meta.name.as_str());
    let named = snapshot
        .owned()
        .map(|w| w.meta.name.as_str())
        .filter(|name| router.meta.name.starts_with(name))
        .max_by_key(|n| n.len());
    super::snapshot::service_entity(namespace, reader.or(named).unwrap_or(&router.meta.name))
}

/// The service whose name says what the route's id says, if the one it leads to has nothing of it.
fn belongs_elsewhere<'a>(route: &Route, host: &str, names: &[&'a str]) -> Option<&'a str> {
    let id = words(&route.id);
    let path = words(&route.path);
    let common =
        |word: &str| names.iter().filter(|name| words(name).iter().any(|w| w == word)).count() * 4 > names.len();
    let telling = |word: &&String| word.len() >= 3 && !common(word);
    let squeezed: String = path.concat();
    let touches = |name: &str| {
        words(name)
            .iter()
            .any(|word| word.len() >= 3 && !common(word) && (id.contains(word) || squeezed.contains(word.as_str())))
    };
    if touches(host) || id.iter().filter(telling).count() == 0 {
        return None;
    }
    // All telling words of the id, and nothing else telling: `order` is not `order-history`.
    let exactly = |name: &&&str| {
        let own = words(name);
        id.iter().filter(telling).all(|word| own.contains(word))
            && own.iter().filter(telling).all(|word| id.contains(word))
    };
    names.iter().find(exactly).copied()
}

fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::testing::json;
    use serde_json::json as object;

    fn fault(id: &str, uri: &str) -> Option<(Option<Fault>, String)> {
        let service = |name: &str| object!({ "metadata": { "name": name, "namespace": "zoo" }, "spec": { "ports": [{ "port": 80 }] } });
        let config = format!(
            "gateway:\n  routes:\n    - id: {id}\n      uri: {uri}\n      predicates:\n        - Path=/api/v1/{id}/**\n"
        );
        let items = ["z-lion-app", "z-tiger-app", "z-bear-app", "z-door-app", "z-seal-app"].map(service);
        let reads = [
            json(object!({ "kind": "ServiceList", "items": items })),
            json(
                object!({ "kind": "ConfigMap", "metadata": { "name": "door-config", "namespace": "zoo" }, "data": { "application.yml": config } }),
            ),
            json(
                object!({ "kind": "Deployment", "metadata": { "name": "z-door-app", "namespace": "zoo" }, "spec": { "template": { "spec": {
                "volumes": [{ "name": "config", "configMap": { "name": "door-config" } }], "containers": [] } } } }),
            ),
        ];
        crate::kubernetes::analyze(&Snapshot::new(&reads))
            .0
            .first()
            .map(|finding| (finding.fault, finding.subject.name.clone()))
    }

    #[test]
    fn a_route_is_compared_with_its_name_and_the_services() {
        let misroute = Some((Some(Fault::RouteMismatch), "z-door-app".to_owned()));
        assert_eq!(fault("lion", "lb://${LION_HOST:z-lion-app}"), None);
        assert_eq!(fault("lion", "lb://${LION_HOST:z-tiger-app}"), misroute);
        assert_eq!(fault("lion", "http://z-lions-app:80"), misroute);
        assert_eq!(fault("lion", "http://z-lion-app:81"), misroute);
        assert_eq!(fault("lion-news", "lb://z-lion-app"), None);
        assert_eq!(fault("whale", "lb://z-whale-app"), None, "a route to what was never installed");
    }
}
