//! How loud a line is, judged by its text where the source does not tell.

use crate::case::Level;

/// How far into a line a level is looked for; further in, the word is prose.
const HEAD: usize = 160;

/// The level a line's text names: a bare upper-case word, a bracketed one, `level=…`, `"level":"…"`, a klog letter.
pub fn level_of(text: &str) -> Option<Level> {
    let bytes = text.as_bytes();
    if let Some(level) = klog(bytes) {
        return Some(level);
    }
    let head = &bytes[..bytes.len().min(HEAD)];
    let mut at = 0;
    while at < head.len() {
        if !head[at].is_ascii_alphabetic() {
            at += 1;
            continue;
        }
        let start = at;
        while at < head.len() && (head[at].is_ascii_alphanumeric() || head[at] == b'_') {
            at += 1;
        }
        if let Some(level) = word_level(&head[start..at]) {
            let upper = head[start..at].iter().all(u8::is_ascii_uppercase);
            if upper || bracketed(head, start, at) || keyed(head, start) {
                return Some(level);
            }
        }
    }
    None
}

fn klog(bytes: &[u8]) -> Option<Level> {
    let level = match bytes.first()? {
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' => Level::Fatal,
        _ => return None,
    };
    let date = bytes.get(1..5)?.iter().all(u8::is_ascii_digit);
    (date && bytes.get(5) == Some(&b' ')).then_some(level)
}

fn bracketed(head: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|i| head.get(i));
    let after = head.get(end);
    matches!(
        (before, after),
        (Some(b'['), Some(b']' | b':'))
            | (Some(b'<'), Some(b'>'))
            | (Some(b'('), Some(b')'))
            | (Some(b'|'), Some(b'|'))
    ) || (matches!(before, Some(b':')) && matches!(after, Some(b']')))
}

/// Whether a word is the value of a key that names a level.
fn keyed(head: &[u8], start: usize) -> bool {
    let mut end = start;
    while end > 0 && matches!(head[end - 1], b'"' | b'=' | b':' | b' ' | b'\'') {
        end -= 1;
    }
    if end == start || !head[end..start].iter().any(|b| matches!(b, b'=' | b':')) {
        return false;
    }
    let mut begin = end;
    while begin > 0 && (head[begin - 1].is_ascii_alphanumeric() || head[begin - 1] == b'_') {
        begin -= 1;
    }
    ["level", "lvl", "severity", "loglevel", "log_level", "levelname"]
        .iter()
        .any(|key| head[begin..end].eq_ignore_ascii_case(key.as_bytes()))
}

pub(super) fn word_level(word: &[u8]) -> Option<Level> {
    const WORDS: [(&str, Level); 21] = [
        ("trace", Level::Debug),
        ("debug", Level::Debug),
        ("dbg", Level::Debug),
        ("info", Level::Info),
        ("information", Level::Info),
        ("notice", Level::Info),
        ("inf", Level::Info),
        ("warn", Level::Warn),
        ("warning", Level::Warn),
        ("wrn", Level::Warn),
        ("error", Level::Error),
        ("err", Level::Error),
        ("severe", Level::Error),
        ("failure", Level::Error),
        ("fatal", Level::Fatal),
        ("crit", Level::Fatal),
        ("critical", Level::Fatal),
        ("alert", Level::Fatal),
        ("emerg", Level::Fatal),
        ("emergency", Level::Fatal),
        ("panic", Level::Fatal),
    ];
    if !(3..=11).contains(&word.len()) {
        return None;
    }
    WORDS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, level)| *level)
}

/// Whether a template speaks of trouble in plain words, which counts for lines that carry no level.
pub fn speaks_of_trouble(template: &str) -> bool {
    const WORDS: [&str; 17] = [
        "error",
        "fail",
        "exception",
        "refused",
        "timeout",
        "timed",
        "denied",
        "unable",
        "cannot",
        "panic",
        "fatal",
        "abort",
        "unreachable",
        "reset",
        "exhausted",
        "corrupt",
        "crash",
    ];
    let lower = template.to_ascii_lowercase();
    lower.split(|c: char| !c.is_ascii_alphabetic()).any(|word| WORDS.iter().any(|w| word.starts_with(w)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_read_where_it_is_a_level_and_not_where_it_is_prose() {
        assert_eq!(level_of("2020-01-01 00:00:00 ERROR boom"), Some(Level::Error));
        assert_eq!(level_of("[error] boom"), Some(Level::Error));
        assert_eq!(level_of("[core:error] boom"), Some(Level::Error));
        assert_eq!(level_of(r#"{"severity":"warning","msg":"x"}"#), Some(Level::Warn));
        assert_eq!(level_of("ts=1 level=fatal msg=x"), Some(Level::Fatal));
        assert_eq!(level_of("E0512 10:11:12.1 1 a.go:1] x"), Some(Level::Error));
        assert_eq!(level_of("there was no error at all"), None);
        assert_eq!(level_of(""), None);
    }
}
