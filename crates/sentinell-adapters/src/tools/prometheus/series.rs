//! An answer of the query API as series.

use crate::text::clip;
use sentinell_core::evidence::Telemetry;
use serde_json::Value;
use std::collections::BTreeMap;

/// Labels of one series that are kept.
const MAX_LABELS: usize = 40;
/// Characters of a label's value that are kept.
const LABEL_CHARS: usize = 200;

/// The series of a range answer. `source` is the expression asked; `name`, if given, names what was computed, otherwise
/// each series names its metric, and counters become rates.
pub(super) fn telemetry(answer: &Value, source: &str, name: Option<&str>) -> Vec<Telemetry> {
    let result = answer["data"]["result"].as_array().into_iter().flatten();
    result.filter_map(|series| one(series, source, name)).collect()
}

fn one(series: &Value, source: &str, name: Option<&str>) -> Option<Telemetry> {
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    for (label, value) in series["metric"].as_object()?.iter().take(MAX_LABELS) {
        labels.insert(clip(label, LABEL_CHARS), clip(value.as_str().unwrap_or_default(), LABEL_CHARS));
    }
    let metric = labels.remove("__name__");
    let points: Vec<(i64, f64)> = series["values"].as_array()?.iter().filter_map(point).collect();
    // Distribution buckets say little one by one and are many.
    if metric.as_deref().is_some_and(|metric| metric.ends_with("_bucket")) && name.is_none() {
        return None;
    }
    let (name, points) = match (name, metric) {
        (Some(name), _) => (clip(name, LABEL_CHARS), points),
        (None, Some(metric)) if is_counter(&metric) => (format!("rate({metric})"), rate(&points)),
        (None, Some(metric)) => (metric, points),
        (None, None) => (clip(source, LABEL_CHARS), points),
    };
    if points.is_empty() {
        return None;
    }
    Some(Telemetry::Metric { subject: subject(&labels), name, labels, source: clip(source, 400), points })
}

/// `[1700000000.123, "0.5"]`; values that are no number are left out.
fn point(pair: &Value) -> Option<(i64, f64)> {
    let seconds = pair[0].as_f64()?;
    let value: f64 = pair[1].as_str()?.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and times are small")]
    let millis = (seconds * 1000.0).round() as i64;
    value.is_finite().then_some((millis, value))
}

fn is_counter(metric: &str) -> bool {
    ["_total", "_count", "_sum"].iter().any(|end| metric.ends_with(end))
}

/// Per second, from one point to the next; a value that falls is a counter that began anew.
fn rate(points: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let step = |pair: &[(i64, f64)]| {
        let ((from, before), (to, after)) = (pair[0], pair[1]);
        let more = if after >= before { after - before } else { after };
        #[expect(clippy::cast_precision_loss, reason = "a span of time in milliseconds is small")]
        let seconds = (to - from) as f64 / 1000.0;
        (seconds > 0.0).then(|| (to, more / seconds))
    };
    points.windows(2).filter_map(step).collect()
}

/// Whose series it is, as far as its labels tell.
fn subject(labels: &BTreeMap<String, String>) -> String {
    let first = |names: &[&str]| names.iter().find_map(|name| labels.get(*name)).filter(|value| !value.is_empty());
    let namespace = first(&["namespace", "exported_namespace"]);
    let service = first(&["service", "service_name", "app", "deployment", "app_kubernetes_io_name"]);
    let (kind, name) = match (service, first(&["pod"]), first(&["job"]), first(&["instance"])) {
        (Some(service), ..) => ("service", service),
        (_, Some(pod), ..) => ("pod", pod),
        (_, _, Some(job), _) => ("service", job),
        (_, _, _, Some(instance)) => ("host", instance),
        _ => return "host/unknown".to_owned(),
    };
    match namespace {
        Some(namespace) => format!("{kind}/{namespace}/{name}"),
        None => format!("{kind}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counters_become_rates_and_survive_a_restart() {
        let answer = json!({"data": {"result": [{"metric": {"__name__": "requests_total", "job": "web"},
            "values": [[1.0, "10"], [2.0, "30"], [3.0, "5"], [4.0, "NaN"]]}]}});
        let found = telemetry(&answer, "{job=\"web\"}", None);
        let [Telemetry::Metric { subject, name, points, .. }] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((subject.as_str(), name.as_str()), ("service/web", "rate(requests_total)"));
        assert_eq!(points, &[(2000, 20.0), (3000, 5.0)]);
    }

    #[test]
    fn an_answer_of_another_shape_is_no_series() {
        for odd in [json!(null), json!({"data": {"result": [{"metric": 1, "values": 2}, 7, {"values": [[]]}]}})] {
            assert_eq!(telemetry(&odd, "x", None), vec![]);
        }
    }
}
