//! What Loki answers, in the core's words.

use crate::text::{clip, one_line};
use crate::tools::gathered::{Gathered, Part, line};
use crate::tools::whose::subject;
use sentinell_core::evidence::{Gap, Telemetry};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Series of one answer that are passed on.
const MAX_SERIES: usize = 200;
/// Labels of one series that are kept.
const MAX_LABELS: usize = 20;
/// Streams of an answer that nobody owns are told apart by this label, if they have it.
const FILE: &str = "filename";

/// The texts of a list; anything else in it is left out.
pub(super) fn strings(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(|text| clip(text, 200))
}

/// Whether an expression computed numbers instead of choosing lines.
pub(super) fn is_matrix(answer: &Value) -> bool {
    matches!(answer["data"]["resultType"].as_str(), Some("matrix" | "vector"))
}

/// Adds the lines of an answer; how many there were.
///
/// # Errors
/// If the answer is of another shape altogether.
pub(super) fn lines(answer: &Value, part: Part, gathered: &mut Gathered) -> Result<usize, String> {
    let streams = answer["data"]["result"].as_array().ok_or("the answer is none of Loki's")?;
    let mut count = 0;
    for stream in streams {
        let empty = Map::new();
        let labels = stream["stream"].as_object().unwrap_or(&empty);
        let get = |name: &str| labels.get(name).and_then(Value::as_str);
        let level = ["level", "detected_level", "severity_text", "severity"].into_iter().find_map(get);
        let trace = ["trace_id", "traceID", "traceId", "traceid"].into_iter().find_map(get);
        let owner = subject(get).unwrap_or_else(|| format!("log/{}", one_line(get(FILE).unwrap_or("loki"), 200)));
        for entry in stream["values"].as_array().into_iter().flatten() {
            let Some(text) = entry[1].as_str() else { continue };
            count += 1;
            gathered.add(&owner, part, line(millis(&entry[0]), level, text, trace));
        }
    }
    Ok(count)
}

/// Nanoseconds as a text; servers that only speak like Loki send numbers.
fn millis(nanos: &Value) -> Option<i64> {
    let nanos: i64 = match nanos {
        Value::String(text) => text.parse().ok()?,
        number => number.as_i64()?,
    };
    Some(nanos / 1_000_000)
}

/// The series of an answer.
pub(super) fn series(answer: &Value, expression: &str) -> (Vec<Telemetry>, Vec<Gap>) {
    let result: Vec<&Value> = answer["data"]["result"].as_array().into_iter().flatten().collect();
    let left_out = result.len().saturating_sub(MAX_SERIES);
    let found = result.into_iter().take(MAX_SERIES).filter_map(|one| one_series(one, expression)).collect();
    let why = format!("an answer holds at most {MAX_SERIES} series; ask more narrowly");
    let gap = Gap { what: format!("{left_out} more series"), why };
    (found, (left_out > 0).then_some(gap).into_iter().collect())
}

fn one_series(series: &Value, expression: &str) -> Option<Telemetry> {
    let labels = series["metric"].as_object()?;
    let who = subject(|name| labels.get(name).and_then(Value::as_str)).unwrap_or_else(|| "log/loki".to_owned());
    let text = |value: &Value| clip(value.as_str().unwrap_or_default(), 200);
    let labels: BTreeMap<String, String> =
        labels.iter().take(MAX_LABELS).map(|(name, value)| (clip(name, 200), text(value))).collect();
    let point = |pair: &Value| {
        let value: f64 = pair[1].as_str()?.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and times are small")]
        let at = (pair[0].as_f64()? * 1000.0).round() as i64;
        value.is_finite().then_some((at, value))
    };
    let points: Vec<(i64, f64)> = series["values"].as_array()?.iter().filter_map(point).collect();
    let (name, source) = (clip(expression, 200), clip(expression, 400));
    (!points.is_empty()).then_some(Telemetry::Metric { subject: who, name, labels, source, points })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn logs(answer: &Value) -> Vec<Telemetry> {
        let mut gathered = Gathered::default();
        lines(answer, Part::Trouble, &mut gathered).unwrap();
        gathered.finish("s").0
    }

    #[test]
    fn a_line_keeps_its_time_level_and_trace_however_the_time_is_spelled() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let of = |at: Value| {
            json!({"data": {"resultType": "streams", "result": [
            {"stream": {"app": "till", "detected_level": "error", "trace_id": id}, "values": [[at, "no change left"]]}]}})
        };
        for at in [json!("1700000000123456789"), json!(1_700_000_000_123_456_789_i64)] {
            let found = logs(&of(at));
            let [Telemetry::Logs { subject, lines, .. }] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!(subject, "service/till");
            assert_eq!(lines[0].at.map(|at| at.0), Some(1_700_000_000_123));
            assert_eq!((lines[0].level.as_deref(), lines[0].trace.as_deref()), (Some("error"), Some(id)));
        }
    }

    #[test]
    fn an_answer_of_another_shape_is_no_lines() {
        for odd in [
            json!({"data": {"result": [1, {"stream": 7, "values": {}}, {"values": [[], [1], [{}, {}], "x"]}]}}),
            json!({"data": {"result": []}}),
        ] {
            assert_eq!(logs(&odd), vec![]);
        }
        assert!(lines(&json!("hello"), Part::Calm, &mut Gathered::default()).is_err());
        assert_eq!(series(&json!({"data": {"result": [{"metric": [], "values": 1}, 2]}}), "x").0, vec![]);
    }
}
