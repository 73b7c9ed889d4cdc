//! Hostile text made harmless to store: no NUL, no secret, no more than fits.

use sentinell_core::redact::redact;
use sentinell_evidence::logs::Forms;
use serde_json::Value;
use std::borrow::Cow;

/// One line of at most `limit` bytes.
pub(super) fn line(text: &str, limit: usize) -> String {
    let first = text.trim().lines().next().unwrap_or_default().trim_end();
    let plain: String = first.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    bounded(&redact(&plain), limit)
}

/// A text of at most `limit` bytes, line breaks kept.
pub(super) fn block(text: &str, limit: usize) -> String {
    // Cut before redacting, so that the work is bounded; once more after it, as a mask may be longer than a secret.
    let cut = bounded(text, limit);
    bounded(&redact(&cut.replace('\0', "\u{fffd}")), limit)
}

/// A sender's JSON with the secrets taken out of its strings; whatever else it holds comes back as it was sent.
pub(super) fn value(value: Value) -> Value {
    match value {
        Value::String(text) => match redact(&text) {
            Cow::Borrowed(_) => Value::String(text),
            Cow::Owned(clean) => Value::String(clean),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(self::value).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, inner)| (name, self::value(inner))).collect())
        }
        plain => plain,
    }
}

fn bounded(text: &str, limit: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit.saturating_sub(MARK.len()));
    format!("{}{MARK}", &text[..end])
}

/// The kind of a log message: the constant words of its first line, with what changes from one to the next masked, secrets
/// among it.
pub(super) fn template(message: &str) -> String {
    Forms::default().text(&redact(&first_line(message)))
}

/// What tells the kind of a message, secrets not yet masked.
pub(super) fn first_line(message: &str) -> Cow<'_, str> {
    let first = message.trim().lines().next().unwrap_or_default();
    if first.len() <= super::TITLE_LIMIT { Cow::Borrowed(first) } else { bounded(first, super::TITLE_LIMIT).into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_bounded_at_a_character_and_has_no_nul() {
        assert_eq!(line("  first\u{7}line \n second", 300), "first line");
        assert_eq!(block("a\0b\nc", 300), "a\u{fffd}b\nc");
        assert!(block(&"ä".repeat(1000), 101).len() <= 101);
        assert!(block(&"ä".repeat(1000), 101).ends_with('…'));
    }

    #[test]
    fn the_same_message_with_other_numbers_is_the_same() {
        let of = template;
        assert_eq!(of("timeout after 31 ms for 10.0.0.7:8080"), of("timeout after 2900 ms for 10.1.0.9:80"));
        assert_eq!(of("user 4711 failed\n at line 3"), of("user 12 failed\n at line 8"));
        assert_ne!(of("timeout after 31 ms"), of("refused after 31 ms"));
    }

    #[test]
    fn metadata_comes_back_as_sent() {
        let sent = json!({"a": [1, 2.5, null, true], "b": {"c": "plain"}});
        assert_eq!(value(sent.clone()), sent);
    }
}
