//! Who called whom in what an eye read.

use super::translate::entity;
use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::topology::ServiceName;
use sentinell_evidence::finding::{Entity, EntityKind};
use sentinell_evidence::graph::component;
use std::collections::{BTreeMap, BTreeSet};

/// Calls that one answer teaches, at most.
const MOST: usize = 200;

/// The services that call each other in an answer: `(caller, callee)`, as its source says, or as its spans follow each other.
pub fn calls(observation: &Observation) -> Vec<(ServiceName, ServiceName)> {
    let mut pairs: BTreeSet<(&str, &str)> = BTreeSet::new();
    for telemetry in &observation.telemetry {
        match telemetry {
            Telemetry::Call { caller, callee } => {
                pairs.insert((caller, callee));
            }
            Telemetry::Traces { spans, .. } => {
                let whose: BTreeMap<_, _> =
                    spans.iter().map(|span| ((&span.trace, &span.id), span.subject.as_str())).collect();
                let caller =
                    |span: &sentinell_core::evidence::Span| whose.get(&(&span.trace, span.parent.as_ref()?)).copied();
                pairs.extend(spans.iter().filter_map(|span| Some((caller(span)?, span.subject.as_str()))));
            }
            _ => {}
        }
    }
    let named = pairs.into_iter().filter_map(|(caller, callee)| Some((service(caller)?, service(callee)?)));
    named.filter(|(caller, callee)| caller != callee).take(MOST).collect()
}

/// The service that is meant; none: it is a machine or a file.
fn service(text: &str) -> Option<ServiceName> {
    let Entity { kind, namespace, name } = component(&entity(text));
    let text = namespace.map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}"));
    ServiceName::parse(&text).ok().filter(|_| kind == EntityKind::Service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_core::evidence::Span;

    fn span(trace: &str, id: &str, parent: Option<&str>, subject: &str) -> Span {
        Span {
            trace: trace.into(),
            id: id.into(),
            parent: parent.map(str::to_owned),
            subject: subject.into(),
            operation: "pay".into(),
            start_us: 0,
            duration_us: 1,
            failed: false,
        }
    }

    #[test]
    fn calls_are_read_off_sources_and_spans_and_are_between_services() {
        let spans = vec![
            span("t", "1", None, "service/shop/web"),
            span("t", "2", Some("1"), "service/shop/web"),
            span("t", "3", Some("2"), "service/shop/cart"),
            span("u", "4", Some("3"), "service/shop/bank"),
            span("t", "5", Some("3"), "host/db-1"),
        ];
        let call = |caller: &str, callee: &str| Telemetry::Call { caller: caller.into(), callee: callee.into() };
        let telemetry = vec![
            Telemetry::Traces { source: "jaeger".into(), spans },
            call("pod/shop/cart-7d9f8b6c5d-x2b4z", "payments"),
            call("cart", "cart"),
            call("cart", "a\nb"),
        ];
        let seen = Observation { telemetry, ..Observation::default() };
        let seen: Vec<String> = calls(&seen).iter().map(|(caller, callee)| format!("{caller} {callee}")).collect();
        assert_eq!(seen, ["shop/cart payments", "shop/web shop/cart"]);
    }
}
