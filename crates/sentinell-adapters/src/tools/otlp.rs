//! Spans in OTLP's JSON form, as the Collector writes them and as Tempo answers.
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use crate::text::one_line;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sentinell_core::evidence::Span;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write as _;

/// The status of a span that says that it failed, as a number or by its name.
const FAILED: [&str; 2] = ["2", "STATUS_CODE_ERROR"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Export {
    /// Tempo calls them batches.
    #[serde(alias = "batches")]
    pub(super) resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct ResourceSpans {
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

/// Adds the spans of one resource; answers how many could not be used.
pub(super) fn add(spans: &mut Vec<Span>, resource: ResourceSpans, namespace: Option<&str>) -> usize {
    let attribute = |key: &str| {
        let found = resource.resource.attributes.iter().find(|attribute| attribute.key == key)?;
        found.value.get("stringValue")?.as_str().filter(|text| !text.is_empty()).map(|text| one_line(text, 200))
    };
    let service = attribute("service.name");
    let place = attribute("k8s.namespace.name").or_else(|| attribute("service.namespace"));
    let who = service.map(|service| match place.as_deref().or(namespace) {
        _ if service.contains('/') => service.clone(),
        Some(place) => format!("service/{place}/{service}"),
        None => format!("service/{service}"),
    });
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
        trace: id(&span.trace_id, 16),
        id: id(&span.span_id, 8),
        parent: Some(id(&span.parent_span_id, 8)).filter(|parent| !parent.is_empty()),
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

/// An id in hexadecimal; Tempo writes its bytes in base64, as protobuf's JSON has bytes.
fn id(text: &str, bytes: usize) -> String {
    let padded = text.len() == bytes.div_ceil(3) * 4;
    match STANDARD.decode(text).ok().filter(|decoded| padded && decoded.len() == bytes) {
        Some(decoded) => decoded.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a text cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
        None => one_line(text, 64),
    }
}
