//! Recorded traces: OTLP in its JSON form, one export a line, as the OpenTelemetry Collector's file exporter writes it.
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use super::{gap, subject};
use crate::text::one_line;
use sentinell_core::evidence::{Gap, Span, Telemetry};
use serde::Deserialize;
use serde_json::Value;

/// Spans of one file that are read.
const MAX_SPANS: usize = 200_000;
/// The status of a span that says that it failed, as a number or by its name.
const FAILED: [&str; 2] = ["2", "STATUS_CODE_ERROR"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export {
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct ResourceSpans {
    resource: Attributed,
    #[serde(alias = "instrumentationLibrarySpans")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributed {
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Attribute {
    key: String,
    #[serde(default)]
    value: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ScopeSpans {
    spans: Vec<OtlpSpan>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OtlpSpan {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    parent_span_id: String,
    #[serde(default)]
    name: String,
    start_time_unix_nano: Value,
    end_time_unix_nano: Value,
    #[serde(default)]
    status: Value,
}

/// The spans of a file. A line that is no export is a gap.
pub(super) fn read(text: &str, path: &str, namespace: Option<&str>) -> (Telemetry, Vec<Gap>) {
    let (mut spans, mut gaps, mut odd) = (vec![], vec![], 0_usize);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<Export>(line) {
            Ok(export) => {
                for resource in export.resource_spans {
                    odd += add(&mut spans, resource, namespace);
                }
            }
            Err(error) => gaps.push(gap(&format!("{path} line {}", number + 1), &error.to_string())),
        }
        if spans.len() >= MAX_SPANS {
            spans.truncate(MAX_SPANS);
            gaps.push(gap(path, &format!("only the first {MAX_SPANS} spans were read")));
            break;
        }
    }
    if odd > 0 {
        gaps.push(gap(path, &format!("{odd} spans tell neither a service nor a time")));
    }
    (Telemetry::Traces { source: path.to_owned(), spans }, gaps)
}

/// Adds the spans of one resource; answers how many could not be used.
fn add(spans: &mut Vec<Span>, resource: ResourceSpans, namespace: Option<&str>) -> usize {
    let attribute = |key: &str| {
        let found = resource.resource.attributes.iter().find(|attribute| attribute.key == key)?;
        found.value.get("stringValue")?.as_str().filter(|text| !text.is_empty()).map(|text| one_line(text, 200))
    };
    let service = attribute("service.name");
    let place = attribute("k8s.namespace.name").or_else(|| attribute("service.namespace"));
    let who = service.map(|service| subject(&service, place.as_deref().or(namespace)));
    let mut odd = 0;
    for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
        match who.as_ref().and_then(|who| of(span, who)) {
            Some(span) => spans.push(span),
            None => odd += 1,
        }
    }
    odd
}

fn of(span: OtlpSpan, who: &str) -> Option<Span> {
    let (start, end) = (micros(&span.start_time_unix_nano)?, micros(&span.end_time_unix_nano)?);
    let status = span.status.get("code").map(|code| code.to_string()).unwrap_or_default();
    Some(Span {
        trace: one_line(&span.trace_id, 64),
        id: one_line(&span.span_id, 64),
        parent: Some(one_line(&span.parent_span_id, 64)).filter(|parent| !parent.is_empty()),
        subject: who.to_owned(),
        operation: one_line(&span.name, 200),
        start_us: start,
        duration_us: end.saturating_sub(start).max(0),
        failed: FAILED.contains(&status.trim_matches('"')),
    })
}

/// Nanoseconds, a number or (as OTLP wants it) a text of one, in microseconds.
fn micros(nanos: &Value) -> Option<i64> {
    let nanos: i64 = match nanos {
        Value::String(text) => text.parse().ok()?,
        number => number.as_i64()?,
    };
    Some(nanos / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_read_and_what_is_no_span_is_a_gap() {
        let good = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"till"}}]},
            "scopeSpans":[{"spans":[{"traceId":"a1","spanId":"b1","parentSpanId":"","name":"pay",
            "startTimeUnixNano":"1700000000000001000","endTimeUnixNano":"1700000000000501000","status":{"code":2}},
            {"traceId":"a1","spanId":"b2","parentSpanId":"b1","name":"charge","startTimeUnixNano":"x","endTimeUnixNano":"1"}]}]},
            {"resource":{},"scopeSpans":[{"spans":[{"traceId":"a1","spanId":"b3","startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}"#
            .replace('\n', "");
        let text = format!("{good}\n\n{{\"no\": 1}}\nnot json\n");
        let (telemetry, gaps) = read(&text, "traces/t.jsonl", Some("town"));
        let Telemetry::Traces { spans, .. } = telemetry else { unreachable!() };
        let expected = Span {
            trace: "a1".into(),
            id: "b1".into(),
            parent: None,
            subject: "service/town/till".into(),
            operation: "pay".into(),
            start_us: 1_700_000_000_000_001,
            duration_us: 500,
            failed: true,
        };
        assert_eq!(spans, [expected]);
        let gaps: Vec<&str> = gaps.iter().map(|gap| gap.what.as_str()).collect();
        assert_eq!(gaps, ["traces/t.jsonl line 3", "traces/t.jsonl line 4", "traces/t.jsonl"]);
    }
}
