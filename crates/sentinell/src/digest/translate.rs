//! Core's telemetry in the engine's columns.

use sentinell_core::evidence::{Change, LogLine, Observation, Span, Telemetry};
use sentinell_core::time::Timestamp;
use sentinell_evidence::case::{self, Case, KubernetesRead, Level, LogStream, Series};
use sentinell_evidence::finding::{self, Entity, EntityKind};

/// Everything observed as one case for the engine.
pub(super) fn case(observations: &[Observation], onset: Option<Timestamp>, suspects: &[String]) -> Case {
    let mut case = Case {
        onset_ms: onset.map(|at| at.0),
        suspects: suspects.iter().map(|text| entity(text)).collect(),
        ..Case::default()
    };
    for observation in observations {
        case.gaps
            .extend(observation.gaps.iter().map(|gap| finding::Gap { what: gap.what.clone(), why: gap.why.clone() }));
        observation.telemetry.iter().for_each(|telemetry| add(&mut case, telemetry));
    }
    case
}

fn add(case: &mut Case, telemetry: &Telemetry) {
    match telemetry {
        Telemetry::Logs { subject, source, lines, baseline } => case.logs.push(LogStream {
            subject: stream(subject),
            source: source.clone(),
            lines: lines.iter().map(line).collect(),
            baseline: baseline.iter().map(line).collect(),
        }),
        Telemetry::Metric { subject, name, labels, source, points } => case.metrics.push(Series {
            subject: entity(subject),
            name: name.clone(),
            labels: labels.clone(),
            source: source.clone(),
            points: points.clone(),
        }),
        Telemetry::KubernetesJson { object } => case.kubernetes.push(KubernetesRead::Json(object.clone())),
        Telemetry::KubernetesText { argv, output } => {
            case.kubernetes.push(KubernetesRead::Text { argv: argv.clone(), output: output.clone() });
        }
        Telemetry::Traces { spans, .. } => case.spans.extend(spans.iter().map(span)),
        Telemetry::Change { change } => case.changes.push(changed(change)),
        Telemetry::Call { caller, callee } => case.calls.push((entity(caller), entity(callee))),
        // What happened once before says nothing of what happens now, and a stranger's words are no measurement.
        Telemetry::Precedent { .. } | Telemetry::Text { .. } => {}
    }
}

fn line(line: &LogLine) -> case::LogLine {
    let level = line.level.as_deref().and_then(|level| match level.to_ascii_lowercase().as_str() {
        "trace" | "debug" => Some(Level::Debug),
        "info" | "notice" => Some(Level::Info),
        "warn" | "warning" => Some(Level::Warn),
        "error" | "err" => Some(Level::Error),
        "fatal" | "critical" | "panic" | "emergency" | "alert" => Some(Level::Fatal),
        _ => None,
    });
    case::LogLine { at_ms: line.at.map(|at| at.0), level, text: line.text.clone(), trace: line.trace.clone() }
}

fn span(span: &Span) -> case::Span {
    case::Span {
        trace: span.trace.clone(),
        id: span.id.clone(),
        parent: span.parent.clone(),
        subject: entity(&span.subject),
        operation: span.operation.clone(),
        start_us: span.start_us,
        duration_us: span.duration_us,
        failed: span.failed,
    }
}

fn changed(change: &Change) -> case::Change {
    case::Change {
        at_ms: change.at.0,
        subject: entity(&change.subject),
        kind: change.kind.clone(),
        summary: change.summary.clone(),
        reference: change.reference.clone(),
        touched: change.touched.clone(),
        members: Vec::new(),
    }
}

/// A log stream's subject: a component if it is written like one, otherwise a file or stream of its own.
fn stream(text: &str) -> Entity {
    if text.split('/').next().is_some_and(|kind| kind_of(kind).is_some()) {
        return entity(text);
    }
    Entity::new(EntityKind::LogStream, text)
}

fn kind_of(word: &str) -> Option<EntityKind> {
    Some(match word {
        "service" | "deployment" => EntityKind::Service,
        "pod" => EntityKind::Pod,
        "node" => EntityKind::Node,
        "namespace" => EntityKind::Namespace,
        "host" => EntityKind::Host,
        "log" => EntityKind::LogStream,
        _ => return None,
    })
}

/// `service/shop/cart`, `node/n1`; a bare name is a service.
pub(crate) fn entity(text: &str) -> Entity {
    let Some((kind, rest)) = text.split_once('/').and_then(|(kind, rest)| Some((kind_of(kind)?, rest))) else {
        return Entity::new(EntityKind::Service, text);
    };
    match rest.split_once('/') {
        Some((namespace, name)) if kind != EntityKind::LogStream => Entity::new(kind, name).in_namespace(namespace),
        _ => Entity::new(kind, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_the_same_in_both_languages() {
        for text in ["service/shop/cart", "service/cart", "node/n1", "pod/shop/cart-1", "namespace/shop"] {
            assert_eq!(entity(text).to_string(), text);
        }
        assert_eq!(entity("cart").to_string(), "service/cart");
        assert_eq!(stream("/var/log/app.log").to_string(), "log//var/log/app.log");
        assert_eq!(stream("service/shop/cart").to_string(), "service/shop/cart");
    }
}
