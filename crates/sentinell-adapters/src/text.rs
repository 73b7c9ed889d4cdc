//! Text from outside, bounded.

use sentinell_core::evidence::LogLine;
use sentinell_core::investigation::Investigation;
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;

/// Characters of one log line that are kept.
pub const LINE_CHARS: usize = 4000;

/// The first `max` characters; an ellipsis says that there was more.
pub fn clip(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A text of at most `max` characters: of a longer one the beginning and the end, with how much was left out between.
pub fn head_and_tail(text: &str, max: usize) -> String {
    let count = text.chars().count();
    if count <= max {
        return text.to_owned();
    }
    let (head, tail) = (max - max / 4, max / 4);
    let at = |nth: usize| text.char_indices().nth(nth).map_or(text.len(), |(at, _)| at);
    format!("{} … {} characters left out … {}", &text[..at(head)], count - max, &text[at(count - tail)..])
}

/// A string literal's inside in PromQL and LogQL, of at most 200 characters.
pub fn quoted_label(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars().take(200) {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

/// A literal text as a regular expression.
pub fn regex_escaped(value: &str) -> String {
    value
        .chars()
        .flat_map(|c| (!c.is_alphanumeric() && c != '-' && c != '_').then_some('\\').into_iter().chain([c]))
        .collect()
}

/// One line of at most `max` characters without control characters: fit for an error message or a gap.
pub fn one_line(text: &str, max: usize) -> String {
    let flat: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clip(&flat, max)
}

/// The newest `max` lines of a text, oldest first, each bounded, with the time at their beginning if there is one.
pub fn log_lines(text: &str, max: usize) -> Vec<LogLine> {
    let mut lines: Vec<LogLine> =
        text.lines().rev().filter(|line| !line.trim().is_empty()).take(max).map(line).collect();
    lines.reverse();
    lines
}

fn line(text: &str) -> LogLine {
    LogLine { at: leading_time(text), level: None, text: clip(text.trim_end(), LINE_CHARS), trace: trace_of(text) }
}

/// The trace that a line names as the field `trace_id` (however it is spelled), in JSON, as `key=value` or as words.
/// <https://opentelemetry.io/docs/specs/otel/compatibility/logging_trace_context/>
pub fn trace_of(line: &str) -> Option<String> {
    let hex = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let bytes = line.as_bytes();
    let starts = line.match_indices(['t', 'T']).map(|(at, _)| at);
    let id = starts
        .filter(|at| bytes[*at..].len() > 8 && bytes[*at..*at + 5].eq_ignore_ascii_case(b"trace"))
        .find_map(|at| {
            let rest = line[at + 5..].trim_start_matches(['_', '-', '.']);
            let rest = rest.get(..2).filter(|word| word.eq_ignore_ascii_case("id")).map(|_| &rest[2..])?;
            let rest = rest.trim_start_matches(['"', ':', '=', ' ', '\'', '\\']);
            rest.get(..hex(rest)).filter(|id| (16..=32).contains(&id.len()))
        })?;
    Some(id.to_ascii_lowercase())
}

/// RFC 3339, or `2026-11-22 14:00:00,123` (taken as UTC), at the beginning of a line, with or without a bracket.
pub fn leading_time(line: &str) -> Option<Timestamp> {
    let line = line.trim_start().trim_start_matches('[');
    let head = line.get(..19)?;
    let bytes = head.as_bytes();
    if bytes[4] != b'-' || bytes[7] != b'-' || !matches!(bytes[10], b'T' | b' ') || bytes[13] != b':' {
        return None;
    }
    let rest = &line[19..];
    let fraction = match rest.strip_prefix(['.', ',']) {
        Some(digits) => digits.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(""),
        None => "",
    };
    let zone =
        rest[if fraction.is_empty() { 0 } else { fraction.len() + 1 }..].split([' ', ']', '\t']).next().unwrap_or("");
    let (day, time) = (&head[..10], &head[11..]);
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    let with_zone = Timestamp::parse(&format!("{day}T{time}.{fraction}{zone}"));
    with_zone.or_else(|_| Timestamp::parse(&format!("{day}T{time}.{fraction}Z"))).ok()
}

/// The first of these labels that the case's signal carries.
pub fn label<'c>(case: &'c Investigation, names: &[&str]) -> Option<&'c str> {
    let labels = &case.signal.labels;
    names.iter().find_map(|name| labels.get(*name)).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// Whether the case's title or text has this name as a word of its own.
pub fn mentions(case: &Investigation, name: &str) -> bool {
    let apart = |c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_');
    let texts = [&case.signal.title, &case.signal.text];
    texts.into_iter().any(|text| text.split(apart).any(|word| word.eq_ignore_ascii_case(name)))
}

/// An argument, trimmed; empty counts as absent.
pub fn arg<'q>(args: &'q BTreeMap<String, String>, name: &str) -> Option<&'q str> {
    args.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// Refuses arguments that a tool does not know.
pub fn known_args(args: &BTreeMap<String, String>, known: &[&str]) -> Result<(), String> {
    match args.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("unknown argument `{}`; known: {}", one_line(name, 60), known.join(", "))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_at_the_beginning_of_a_line_is_read_and_anything_else_is_not() {
        let noon = Timestamp::parse("2026-11-22T12:00:00.250Z").ok();
        assert_eq!(leading_time("2026-11-22T13:00:00.250+01:00 x"), noon);
        assert_eq!(leading_time("2026-11-22 12:00:00,250 [main] x"), noon);
        assert_eq!(leading_time("[2026-11-22T12:00:00.250000001Z] x"), noon);
        assert_eq!(leading_time("2026-11-22 12:00:00.250"), noon);
        for odd in ["", "2026", "a line that has no time in it", "2026-99-99 99:99:99 x", "äöüäöüäöüäöüäöüäöü"]
        {
            assert_eq!(leading_time(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_line_names_its_trace_however_it_is_spelled() {
        let id = "4BF92F3577B34DA6A3CE929D0E0E4736";
        for line in [
            format!(r#"{{"level":"error","traceId":"{id}","msg":"no"}}"#),
            format!(r#"{{"trace_id": "{id}"}}"#),
            format!("at=till TRACE-ID={id} span_id=00f067aa0ba902b7 no"),
            format!("tracing of trace {{dd.trace_id: {id}}}"),
        ] {
            assert_eq!(trace_of(&line), Some(id.to_lowercase()), "{line}");
        }
        for odd in ["", "trace", "trace_id=", "trace_id=12", "traceid: ähm", "trace_id=zz92F3577B34DA6A3CE929D0E0E4736"]
        {
            assert_eq!(trace_of(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_newest_lines_are_kept_oldest_first() {
        let lines = log_lines("a\n\nb\nc\n", 2);
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(log_lines(&"x".repeat(10_000), 5)[0].text.chars().count(), LINE_CHARS + 1);
    }
}
