//! Recorded traces: OTLP in its JSON form, one export a line, as the OpenTelemetry Collector's file exporter writes it.
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use super::gap;
use crate::tools::otlp::{self, Export};
use sentinell_core::evidence::{Gap, Telemetry};

/// Spans of one file that are read.
const MAX_SPANS: usize = 200_000;
/// The spans of a file. A line that is no export is a gap.
pub(super) fn read(text: &str, path: &str, namespace: Option<&str>) -> (Telemetry, Vec<Gap>) {
    let (mut spans, mut gaps, mut odd) = (vec![], vec![], 0_usize);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<Export>(line) {
            Ok(export) => {
                for resource in export.resource_spans {
                    odd += otlp::add(&mut spans, resource, namespace);
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

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_core::evidence::Span;

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
