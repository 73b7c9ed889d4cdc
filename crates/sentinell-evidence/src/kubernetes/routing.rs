//! Things that route requests to services, and where they point elsewhere.

use super::extract::{labels, meta, text};
use super::object::{NetworkPolicy, Route, Router};
use serde_json::Value;

mod judge;
mod nginx;
mod requests;

pub(super) use judge::analyze;
pub(super) use requests::analyze as analyze_requests;

/// Documents inside a config map longer than this are not looked at, in bytes.
const MAX_CONFIG: usize = 256 * 1024;

/// Routes of one object that are looked at.
const MAX_ROUTES: usize = 500;

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

/// A gateway's own configuration: nginx', or a YAML document with a list `routes` somewhere, whose items have an address.
fn config_map(data: &Value) -> Vec<Route> {
    let documents = data.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str());
    let mut routes = Vec::new();
    for document in documents.filter(|d| d.len() <= MAX_CONFIG) {
        if document.contains("proxy_pass") {
            routes.extend(nginx::routes(document));
        } else if document.contains("routes:") && document.contains("uri:") {
            // Not YAML: some other program's configuration, about which nothing is said.
            let parsed = serde_saphyr::from_str::<Value>(document).unwrap_or_default();
            collect(&parsed, 0, &mut routes);
        }
    }
    routes.truncate(MAX_ROUTES);
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

#[cfg(test)]
mod tests {
    use crate::finding::Fault;
    use crate::kubernetes::snapshot::Snapshot;
    use crate::kubernetes::testing::json;
    use serde_json::json as object;

    fn fault(id: &str, uri: &str) -> Option<(Option<Fault>, String)> {
        on_path(id, uri, &format!("/api/v1/{id}/**"))
    }

    fn on_path(id: &str, uri: &str, path: &str) -> Option<(Option<Fault>, String)> {
        let service = |name: &str| object!({ "metadata": { "name": name, "namespace": "zoo" }, "spec": { "ports": [{ "port": 80 }] } });
        let config = format!(
            "gateway:\n  routes:\n    - id: {id}\n      uri: {uri}\n      predicates:\n        - Path={path}\n"
        );
        let items =
            ["z-lion-app", "z-tiger-app", "z-bear-app", "z-bear-cub-app", "z-door-app", "z-seal-app"].map(service);
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
        assert_eq!(fault("lion", "lb://nowhere"), misroute, "its name says where it should lead");
        assert_eq!(fault("bear", "lb://z-bear-cub-app"), misroute, "the cub is not the bear");
        assert_eq!(fault("bear", "lb://${BEAR_HOST:z-bear-cub-app}"), misroute);
        assert_eq!(on_path("bear", "lb://z-bear-cub-app", "/api/bear/cub/**"), None, "its path says so");
        assert_eq!(on_path("lion", "lb://z-lion-app", "/api/v1/tiger/**"), misroute, "another's path");
        assert_eq!(on_path("lion", "lb://z-lion-app", "/api/v1/cats/**"), None, "a path of its own choice");
        assert_eq!(fault("lion", "lb://z-lion-v2"), misroute, "near, and not there");
        assert_eq!(fault("lion", "https://lion.example.org"), None, "outside");
        assert_eq!(fault("lion-news", "lb://z-lion-app"), None);
        assert_eq!(fault("whale", "lb://z-whale-app"), None, "a route to what was never installed");
    }
}
