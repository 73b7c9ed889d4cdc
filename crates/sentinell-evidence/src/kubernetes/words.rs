//! Looking for words in what programs wrote.

use crate::case::{Case, LogStream};

/// Lines of one stream that are looked at; the newest count.
const MAX_LINES: usize = 4000;

/// Bytes of one line that are looked at.
const MAX_LINE: usize = 16 * 1024;

/// True if the text contains one of the needles; both in lower case.
pub fn any(text: &str, needles: &[&str]) -> bool {
    needles.iter().any(|needle| memchr::memmem::find(text.as_bytes(), needle.as_bytes()).is_some())
}

/// Each stream with its newest lines in lower case beside the line as written.
pub fn streams(case: &Case) -> impl Iterator<Item = (&LogStream, Vec<(String, &str)>)> {
    case.logs.iter().map(|stream| {
        let skip = stream.lines.len().saturating_sub(MAX_LINES);
        let lines = stream.lines.iter().skip(skip).map(|line| cut(&line.text));
        (stream, lines.map(|text| (text.to_lowercase(), text)).collect())
    })
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_LINE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The part of a line around a needle, for quoting; `lower` is the line in lower case.
pub fn around(lower: &str, needle: &str) -> String {
    let at = lower.find(needle).unwrap_or(0);
    let back = lower[..at].char_indices().rev().nth(40).map_or(0, |(index, _)| index);
    lower[back..].lines().next().unwrap_or("").chars().take(200).collect()
}

/// Words between quotation marks after some phrase: `secret "x" not found` with `secret ` gives `x`.
pub fn quoted_after<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    let rest = text.split(phrase).nth(1)?;
    let rest = rest.trim_start().strip_prefix('"')?;
    rest.split('"').next()
}
