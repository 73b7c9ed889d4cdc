//! Whose telemetry it is, as far as labels or fields tell.

use crate::text::one_line;

/// Names under which a service goes, the surest first.
pub(super) const SERVICE: [&str; 12] = [
    "service_name",
    "service",
    "app",
    "app_kubernetes_io_name",
    "k8s_deployment_name",
    "deployment",
    "k8s_container_name",
    "container",
    "container_name",
    "component",
    "job",
    "unit",
];
/// Names under which a namespace goes.
pub(super) const NAMESPACE: [&str; 4] =
    ["namespace", "k8s_namespace_name", "kubernetes_namespace_name", "service_namespace"];
/// Names under which a pod goes.
pub(super) const POD: [&str; 4] = ["pod", "k8s_pod_name", "pod_name", "kubernetes_pod_name"];
/// Names under which a host goes.
pub(super) const HOST: [&str; 4] = ["host", "hostname", "instance", "node_name"];

/// `service/shop/cart`, `pod/shop/cart-1`, `host/h1`; `get` answers with a label's value. `None`: nobody can tell.
pub(super) fn subject<'v>(get: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
    let first = |names: &[&str]| {
        let values = names.iter().filter_map(|name| get(name)).map(str::trim);
        // Loki and some SDKs write a name where they have none.
        values.into_iter().find(|value| !value.is_empty() && !value.starts_with("unknown_service"))
    };
    let found = [("service", &SERVICE[..]), ("pod", &POD[..]), ("host", &HOST[..])];
    let (kind, name) = found.into_iter().find_map(|(kind, names)| Some((kind, first(names)?)))?;
    // Log shippers name a job `namespace/app`.
    let (before, name) = name.rsplit_once('/').map_or((None, name), |(before, name)| (Some(before), name));
    let name = one_line(name.strip_suffix(".service").unwrap_or(name), 200);
    let namespace = first(&NAMESPACE).or(before).filter(|place| kind != "host" && !place.contains('/'));
    Some(match namespace {
        Some(namespace) => format!("{kind}/{}/{name}", one_line(namespace, 200)),
        None => format!("{kind}/{name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_whose_lines_they_are() {
        let of = |labels: &[(&str, &'static str)]| {
            subject(|wanted| labels.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value))
        };
        assert_eq!(
            of(&[("app", "till"), ("namespace", "fair"), ("pod", "till-1")]).as_deref(),
            Some("service/fair/till")
        );
        assert_eq!(of(&[("job", "fair/till")]).as_deref(), Some("service/fair/till"));
        assert_eq!(of(&[("service_name", "unknown_service"), ("pod", "p-1")]).as_deref(), Some("pod/p-1"));
        assert_eq!(of(&[("unit", "till.service"), ("host", "h1")]).as_deref(), Some("service/till"));
        assert_eq!(of(&[("host", "h1"), ("namespace", "x")]).as_deref(), Some("host/h1"));
        assert_eq!(of(&[("colour", "red")]), None);
    }
}
