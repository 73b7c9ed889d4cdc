//! Requests that no route takes, seen in what clients and gateways wrote.

use super::judge::gateway;
use crate::case::Case;
use crate::finding::Fault;
use crate::kubernetes::naming::Names;
use crate::kubernetes::object::Router;
use crate::kubernetes::report::Report;
use crate::kubernetes::snapshot::Snapshot;
use crate::kubernetes::words::{any, around, streams};
use std::collections::BTreeSet;

/// Different paths that are compared with the routes.
const MAX_PATHS: usize = 200;

/// A path that is answered "not found" although a service of that name is there and a gateway has a route to it.
pub(in crate::kubernetes) fn analyze(snapshot: &Snapshot, case: &Case, report: &mut Report) {
    let routers: Vec<&Router> = snapshot.routers.iter().filter(|router| router.meta.live).collect();
    if routers.is_empty() {
        return;
    }
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (stream, lines) in streams(case) {
        for (lower, line) in lines.iter().filter(|(lower, _)| not_found(lower)) {
            for path in paths(line) {
                if seen.len() >= MAX_PATHS || !seen.insert(path.to_owned()) {
                    continue;
                }
                for router in &routers {
                    unrouted(snapshot, router, path, (&stream.source, &around(lower, "404")), report);
                }
            }
        }
    }
}

fn not_found(lower: &str) -> bool {
    any(lower, &[" 404", "=404", ":404", "'404", "\"404"]) && lower.contains('/')
}

/// Paths of requests in a line, without what is asked for.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '(' | ')' | '[' | ']' | '?' | ';');
    line.split(ends).filter(|word| word.len() > 1 && word.len() < 300).filter_map(|word| match word.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|at| &rest[at..]),
        None => word.starts_with('/').then_some(word),
    })
}

fn unrouted(snapshot: &Snapshot, router: &Router, path: &str, (source, quote): (&str, &str), report: &mut Report) {
    let names = Names::of(snapshot, &router.meta.namespace);
    let Some(meant) = names.meant_by_path(path) else { return };
    if router.routes.iter().any(|route| takes(&route.path, path)) {
        return;
    }
    let leads = |host: &str| host.split('.').next() == Some(meant);
    let Some(route) = router.routes.iter().find(|route| leads(&route.host)) else { return };
    let say = format!(
        "requests to {path} are answered 404: no route of {} takes them, the one to {meant} takes {}",
        router.meta.name, route.path
    );
    report.quoted(gateway(snapshot, router), Fault::RouteMismatch, (0.9, 9), &say, source, quote);
}

/// Whether a route's pattern (a prefix, or with `*`, `**` and `{name}`) takes a path. A route without one takes all, and
/// one with a regular expression is not judged.
fn takes(pattern: &str, path: &str) -> bool {
    if pattern.is_empty() || pattern.contains(['~', '^', '(', '\\', '$']) {
        return true;
    }
    let mut segments = path.split('/').filter(|part| !part.is_empty());
    for wanted in pattern.split('/').filter(|part| !part.is_empty()) {
        match (wanted, segments.next()) {
            ("**", _) => return true,
            (wanted, Some(have)) => {
                let any = wanted == "*" || wanted.starts_with('{') || have.starts_with('{');
                if !any && wanted != have {
                    return false;
                }
            }
            (_, None) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{LogLine, LogStream};
    use crate::finding::{Entity, EntityKind};
    use crate::kubernetes::testing::json;
    use serde_json::json as object;

    fn found(route: &str, line: &str) -> Option<(Option<Fault>, String)> {
        let service = |name: &str| object!({ "metadata": { "name": name, "namespace": "fair" }, "spec": { "ports": [{ "port": 80 }] } });
        let items = ["till", "mill"].map(service);
        let spec = object!({ "rules": [{ "http": { "paths": [
            { "path": route, "backend": { "service": { "name": "till", "port": { "number": 80 } } } },
            { "path": "/mill", "backend": { "service": { "name": "mill", "port": { "number": 80 } } } }] } }] });
        let lines = vec![LogLine { at_ms: None, level: None, text: line.to_owned(), trace: None }];
        let subject = Entity::new(EntityKind::Host, "visitor");
        let case = Case {
            kubernetes: vec![
                json(object!({ "kind": "ServiceList", "items": items })),
                json(object!({ "kind": "Ingress", "metadata": { "name": "gate", "namespace": "fair" }, "spec": spec })),
            ],
            logs: vec![LogStream { subject, source: "log".into(), lines, baseline: vec![] }],
            ..Case::default()
        };
        let (findings, _) = crate::kubernetes::analyze_case(&case);
        findings.first().map(|finding| (finding.fault, finding.subject.name.clone()))
    }

    #[test]
    fn a_request_that_no_route_takes_blames_the_gateway() {
        let line = "10.0.0.9 - \"GET /till/open?all=1 HTTP/1.1\" 404 19";
        assert_eq!(found("/tull", line), Some((Some(Fault::RouteMismatch), "gate".to_owned())));
        assert_eq!(found("/till", line), None, "the till itself has no such page");
        assert_eq!(found("/tull", "GET /bank/open 404"), None, "nobody promised a bank");
        assert_eq!(found("/tull", "GET /till/open 200"), None);
    }
}
