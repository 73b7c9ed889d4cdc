//! A tool's answer as telemetry: bounded, without secrets, and a stranger's words throughout.

use super::message::bounded;
use crate::text::{LINE_CHARS, head_and_tail, leading_time};
use crate::tools::gathered::{Gathered, Part, line};
use sentinell_core::evidence::{Gap, Observation, Telemetry};
use sentinell_core::redact::redact;
use sentinell_core::time::Timestamp;
use serde_json::Value;

/// Lines of an answer that are kept: of a longer one the beginning and the end.
const LINES: usize = 2000;
/// Characters of a JSON value that stays one line.
const VALUE: usize = 400;
/// How deep a JSON document is unfolded.
const DEPTH: usize = 4;

/// Who said it, about whom, and how a person could ask again.
pub(super) struct Asked<'a> {
    /// Whom it is about.
    pub subject: String,
    /// Whether its lines are log lines of the subject.
    pub logs: bool,
    /// `mcp.tickets search_tickets`.
    pub source: &'a str,
    /// The same with its arguments.
    pub call: String,
}

/// What a tool's result says.
///
/// # Errors
/// What the tool said against it, or what it wants in return.
pub(super) fn read(result: &Value, asked: Asked<'_>) -> Result<Observation, String> {
    let kind = result.get("resultType").and_then(Value::as_str).unwrap_or("complete");
    if kind != "complete" {
        return Err(format!("the tool wants something in return ({}), and gets nothing", bounded(kind)));
    }
    let mut gaps = vec![];
    let mut lines = vec![];
    let blocks = result["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    for block in blocks {
        match (block["type"].as_str().unwrap_or_default(), text_of(block)) {
            // As a whole first: some secrets are longer than a line.
            (_, Some(text)) => unfold(&redact(text), &mut lines),
            ("resource_link", None) => lines.push(format!("link: {}", bounded(block["uri"].as_str().unwrap_or("?")))),
            (kind, None) => {
                let what = format!("a part of the answer of kind {}", bounded(kind));
                gaps.push(Gap { what, why: "only text is read".to_owned() });
            }
        }
    }
    if lines.is_empty() && !result["structuredContent"].is_null() {
        value_lines("", &result["structuredContent"], 0, &mut lines);
    }
    if result["isError"] == Value::Bool(true) {
        return Err(format!("the tool says that it failed: {}", bounded(&lines.join(" "))));
    }
    lines.retain(|line| !line.trim().is_empty());
    gaps.extend(shorten(&mut lines, &asked));
    if lines.is_empty() && gaps.is_empty() {
        gaps.push(Gap { what: asked.call.clone(), why: "the answer is empty".to_owned() });
    }
    let mut lines: Vec<String> = lines.into_iter().map(|line| redact(&line).into_owned()).collect();
    let mut telemetry = vec![];
    if asked.logs {
        let mut gathered = Gathered::default();
        for text in &lines {
            let at = leading_time(text).or_else(|| json_time(text)).map(|at| at.0);
            gathered.add(&asked.subject, Part::Trouble, line(at, None, text, None));
        }
        let (logs, more) = gathered.finish(&asked.call);
        telemetry.extend(logs);
        gaps.extend(more);
    } else if !lines.is_empty() {
        lines.iter_mut().for_each(|line| *line = head_and_tail(line, LINE_CHARS));
        telemetry.push(Telemetry::Text { subject: asked.subject, source: asked.source.to_owned(), lines });
    }
    Ok(Observation { telemetry, gaps, call: asked.call })
}

/// The text of a block, or of the resource in it.
fn text_of(block: &Value) -> Option<&str> {
    match block["type"].as_str()? {
        "text" => block["text"].as_str(),
        "resource" => block["resource"]["text"].as_str(),
        _ => None,
    }
}

/// The beginning and the end of too many lines, and what stood between them.
fn shorten(lines: &mut Vec<String>, asked: &Asked<'_>) -> Option<Gap> {
    let left_out = lines.len().checked_sub(LINES).filter(|more| *more > 0)?;
    let (head, tail) = (LINES - LINES / 4, LINES / 4);
    let end = lines.split_off(lines.len() - tail);
    lines.truncate(head);
    lines.push(format!("… {left_out} lines left out …"));
    lines.extend(end);
    let why = format!("one look keeps {LINES} lines; the whole: {}", asked.call);
    Some(Gap { what: format!("{left_out} more lines"), why })
}

/// A text as lines: a JSON document a line an item, anything else as it is.
fn unfold(text: &str, into: &mut Vec<String>) {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => value_lines("", &value, 0, into),
        _ => into.extend(text.lines().map(str::to_owned)),
    }
}

/// A value on one line if it is short, else a line a part of it.
fn value_lines(name: &str, value: &Value, depth: usize, into: &mut Vec<String>) {
    let named = |text: String| if name.is_empty() { text } else { format!("{name}: {text}") };
    let inside = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    match value {
        Value::String(text) => into.extend(text.lines().map(|line| named(line.to_owned()))),
        Value::Array(items) if depth < DEPTH => {
            items.iter().for_each(|item| value_lines(name, item, depth + 1, into));
        }
        Value::Object(fields) if depth < DEPTH => {
            let whole = value.to_string();
            if whole.len() <= VALUE {
                into.push(named(whole));
                return;
            }
            fields.iter().for_each(|(key, value)| value_lines(&inside(key), value, depth + 1, into));
        }
        other => into.push(named(other.to_string())),
    }
}

/// The time that a line of JSON tells.
fn json_time(text: &str) -> Option<Timestamp> {
    let value: Value = text.starts_with('{').then(|| serde_json::from_str(text).ok())??;
    let names = ["timestamp", "@timestamp", "time", "ts"];
    names.iter().find_map(|name| Timestamp::parse(value[*name].as_str()?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(logs: bool) -> Asked<'static> {
        Asked { subject: "service/fair/till".into(), logs, source: "mcp.x t", call: "mcp.x t {}".into() }
    }

    fn text(text: &str) -> Value {
        json!({ "content": [{ "type": "text", "text": text }] })
    }

    fn lines(result: &Value) -> Vec<String> {
        let mut seen = read(result, asked(false)).unwrap();
        match seen.telemetry.pop() {
            Some(Telemetry::Text { lines, .. }) => lines,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_becomes_lines_without_secrets() {
        assert_eq!(lines(&text("a\n\nb password=hunter2hunter2\n")), ["a", "b password=[redacted]"]);
        let items =
            json!({ "items": [{ "id": 1, "note": "x".repeat(300) }, { "id": 2, "note": "y".repeat(300) }], "n": 2 });
        let seen = lines(&text(&items.to_string()));
        assert!(
            seen[0].starts_with("items: {\"id\":1") && seen[1].starts_with("items: {\"id\":2") && seen[2] == "n: 2"
        );
        assert_eq!(lines(&json!({ "content": [], "structuredContent": { "a": 1 } })), ["{\"a\":1}"]);
        let link = json!({ "content": [{ "type": "resource_link", "uri": "file:///x" }] });
        assert_eq!(lines(&link), ["link: file:///x"]);
    }

    #[test]
    fn log_lines_belong_to_whom_was_asked_about_and_keep_their_times() {
        let both = "2026-11-22T12:00:00Z ERROR no\n{\"time\":\"2026-11-22T12:00:01Z\",\"level\":\"error\"}";
        let seen = read(&text(both), asked(true)).unwrap();
        let [Telemetry::Logs { subject, lines, .. }] = &seen.telemetry[..] else { panic!("{seen:?}") };
        assert_eq!((subject.as_str(), lines.len()), ("service/fair/till", 2));
        assert!(lines.iter().all(|line| line.at.is_some()), "{lines:?}");
    }

    #[test]
    fn a_long_answer_keeps_its_ends_and_says_what_is_missing() {
        let long: String = (0..5000).map(|n| format!("line {n}\n")).collect();
        let seen = lines(&text(&long));
        assert_eq!((seen.len(), seen[0].as_str(), seen[LINES].as_str()), (LINES + 1, "line 0", "line 4999"));
        let gaps = read(&text(&long), asked(false)).unwrap().gaps;
        assert!(gaps[0].what == "3000 more lines" && gaps[0].why.contains("mcp.x t {}"), "{gaps:?}");
        assert!(lines(&text(&"x".repeat(1 << 20)))[0].len() < LINE_CHARS + 100);
    }

    #[test]
    fn whatever_is_no_answer_is_said_to_be_none() {
        let failed = json!({ "isError": true, "content": [{ "type": "text", "text": "no such table" }] });
        assert!(read(&failed, asked(false)).unwrap_err().contains("no such table"));
        let wants = json!({ "resultType": "input_required", "inputRequests": {} });
        assert!(read(&wants, asked(false)).unwrap_err().contains("input_required"));
        for odd in [json!(null), json!(7), json!([1]), json!({ "content": 7 }), json!({ "content": [null, 1, {}] })] {
            let seen = read(&odd, asked(false)).unwrap();
            assert!(seen.telemetry.is_empty() && !seen.gaps.is_empty(), "{odd}: {seen:?}");
        }
        let image = json!({ "content": [{ "type": "image", "data": "aGk=", "mimeType": "image/png" }] });
        assert!(read(&image, asked(false)).unwrap().gaps[0].what.contains("image"));
    }
}
