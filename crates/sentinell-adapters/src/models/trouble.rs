//! Refusals told apart: who has to act.

use super::Secret;
use crate::retry::retry_after;
use crate::text::one_line;
use reqwest::header::HeaderMap;
use sentinell_core::investigation::Usage;
use sentinell_core::model::{ModelError, ModelTrouble};
use serde_json::Value;
use std::time::SystemTime;

/// Characters of a provider's message that are kept.
const WHY: usize = 300;
/// Type and code fields that speak of money.
const MONEY: [&str; 8] = [
    "spend_limit",
    "insufficient_quota",
    "billing",
    "credit_balance",
    "insufficient_credit",
    "out_of_credit",
    "payment_required",
    "spending_limit",
];
/// The same in the message of a refusal of the request itself.
const MONEY_SAID: [&str; 5] =
    ["spend limit", "spending limit", "credit balance", "specified api usage limits", "out of credit"];
/// Type and code fields that speak of size.
const SIZE: [&str; 5] = [
    "context_length_exceeded",
    "request_too_large",
    "exceed_context_size",
    "string_above_max_length",
    "model_context_window_exceeded",
];
/// The same in messages.
const SIZE_SAID: [&str; 7] = [
    "prompt is too long",
    "maximum context length",
    "available context size",
    "exceed context limit",
    "exceeds the context window",
    "context window of this model",
    "exceeds the maximum number of tokens",
];

/// What a provider said about why not.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Its type and code fields, lower case.
    words: Vec<String>,
    /// Its message.
    pub message: String,
}

impl Said {
    /// Reads any of the usual forms; `error` is the document or its `error` field.
    pub fn of(document: &Value) -> Self {
        let error = document.get("error").filter(|error| !error.is_null()).unwrap_or(document);
        let mut said = Self::default();
        for place in [Some(error), error.get("details"), error.get("metadata")].into_iter().flatten() {
            for field in ["type", "code", "error_code", "status", "reason"] {
                match place.get(field) {
                    Some(Value::String(word)) => said.words.push(one_line(&word.to_ascii_lowercase(), 80)),
                    Some(Value::Number(number)) => said.words.push(number.to_string()),
                    _ => {}
                }
            }
        }
        let texts =
            [error.as_str(), error["message"].as_str(), document["message"].as_str(), document["detail"].as_str()];
        let text = texts.into_iter().flatten().find(|text| !text.trim().is_empty());
        said.message = match text {
            Some(text) => one_line(text, WHY),
            None if said.words.is_empty() && !document.is_null() => one_line(&document.to_string(), WHY),
            None => String::new(),
        };
        said
    }

    fn of_body(body: &[u8]) -> Self {
        if let Ok(document) = serde_json::from_slice::<Value>(body) {
            return Self::of(&document);
        }
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start();
        let message = if text.starts_with('<') { "a web page".to_owned() } else { one_line(text, WHY) };
        Self { words: Vec::new(), message }
    }

    fn has(&self, words: &[&str], sentences: &[&str]) -> bool {
        let message = self.message.to_ascii_lowercase();
        self.words.iter().any(|word| words.iter().any(|known| word.contains(known)))
            || sentences.iter().any(|sentence| message.contains(sentence))
    }

    /// The status that a refusal inside a stream would have had; an unknown one is the server's own trouble.
    fn status(&self) -> u16 {
        let known = |word: &String| match word.as_str() {
            "overloaded_error" => Some(529),
            "rate_limit_error" | "rate_limit_exceeded" | "too_many_requests" => Some(429),
            "timeout_error" => Some(504),
            "authentication_error" | "invalid_api_key" => Some(401),
            "permission_error" => Some(403),
            "not_found_error" | "model_not_found" => Some(404),
            "invalid_request_error" | "badrequesterror" | "bad_request" => Some(400),
            word => word.parse().ok().filter(|status| (400..600).contains(status)),
        };
        self.words.iter().find_map(known).unwrap_or(500)
    }

    fn trouble(&self, status: u16, after_millis: Option<u64>) -> ModelTrouble {
        let own_fault = matches!(status, 400 | 403 | 422);
        if status == 402 || self.has(&MONEY, if own_fault { &MONEY_SAID } else { &[] }) {
            return ModelTrouble::SpendLimit;
        }
        if status == 413 || self.has(&SIZE, if own_fault || status == 500 { &SIZE_SAID } else { &[] }) {
            return ModelTrouble::TooLarge;
        }
        match status {
            401 | 403 | 407 => ModelTrouble::Denied,
            408 | 409 | 425 | 429 | 500 | 502..=504 | 506..=599 => ModelTrouble::Busy { after_millis },
            _ => ModelTrouble::Unusable,
        }
    }
}

/// A refusal: its trouble, its line, and what was said, for adapters that can bend.
pub(super) struct Refusal {
    /// The status.
    pub status: u16,
    /// What was said.
    pub said: Said,
    /// The error.
    pub error: ModelError,
}

/// What the head and the body of an answer that is not a success mean.
pub(super) fn refusal(status: u16, headers: &HeaderMap, body: &[u8], now: SystemTime, key: Option<&Secret>) -> Refusal {
    let said = if compressed(headers) { Said::default() } else { Said::of_body(body) };
    let redirect = if (300..400).contains(&status) { " a redirect is not followed" } else { "" };
    let kind = said.trouble(status, retry_after(headers, now));
    let why = format!("{status}{redirect} {}", described(&said));
    Refusal { status, error: error(kind, &why, key), said }
}

/// What an error inside a stream means.
pub(super) fn within(document: &Value, key: Option<&Secret>) -> ModelError {
    let said = Said::of(document);
    error(said.trouble(said.status(), None), &format!("in the answer: {}", described(&said)), key)
}

fn described(said: &Said) -> String {
    let word = said.words.first().map(|word| format!("{word}: ")).unwrap_or_default();
    format!("{word}{}", said.message)
}

/// An error of one line that does not carry the key.
pub(super) fn error(kind: ModelTrouble, why: &str, key: Option<&Secret>) -> ModelError {
    let mut why = why.to_owned();
    if let Some(key) = key.map(Secret::expose).filter(|key| !key.is_empty()) {
        why = why.replace(key, "[key]");
    }
    ModelError { kind, why: one_line(&why, WHY + 40), usage: Usage::default() }
}

/// Something that may work later.
pub(super) fn busy(why: &str) -> ModelError {
    error(ModelTrouble::Busy { after_millis: None }, why, None)
}

/// Something that will not.
pub(super) fn unusable(why: &str) -> ModelError {
    error(ModelTrouble::Unusable, why, None)
}

/// Whether the body cannot be read as it stands.
pub(super) fn compressed(headers: &HeaderMap) -> bool {
    let encoding = headers.get("content-encoding").and_then(|value| value.to_str().ok());
    encoding.is_some_and(|encoding| !encoding.trim().is_empty() && !encoding.trim().eq_ignore_ascii_case("identity"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refusal_says_who_must_act() {
        use ModelTrouble::{Busy, Denied, SpendLimit, TooLarge, Unusable};
        let busy = Busy { after_millis: None };
        let cases = [
            (429, json!({"error": {"type": "rate_limit_error", "message": "slow down"}}), busy),
            (
                429,
                json!({"error": {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}}}),
                SpendLimit,
            ),
            (429, json!({"error": {"code": "insufficient_quota", "message": "see your plan"}}), SpendLimit),
            (429, json!({"error": {"message": "a spend limit is only spoken of"}}), busy),
            (
                400,
                json!({"error": {"type": "invalid_request_error", "message": "Your Spend Limit is reached"}}),
                SpendLimit,
            ),
            (402, json!({"error": "pay"}), SpendLimit),
            (400, json!({"error": {"message": "prompt is too long: 9 > 8"}}), TooLarge),
            (400, json!({"error": {"code": 400, "type": "exceed_context_size_error", "message": "x"}}), TooLarge),
            (413, Value::Null, TooLarge),
            (403, json!({"error": {"type": "permission_error"}}), Denied),
            (404, json!({"error": {"type": "not_found_error"}}), Unusable),
            (501, json!({"detail": "not here"}), Unusable),
            (529, json!({"error": {"type": "overloaded_error"}}), busy),
        ];
        for (status, body, expected) in cases {
            let refused = refusal(status, &HeaderMap::new(), body.to_string().as_bytes(), SystemTime::now(), None);
            assert_eq!(refused.error.kind, expected, "{status} {body}");
        }
        assert_eq!(within(&json!({"error": {"message": "vanished"}}), None).kind, busy);
        assert_eq!(within(&json!({"error": {"code": 400, "message": "no"}}), None).kind, Unusable);
    }

    #[test]
    fn what_a_server_says_is_one_bounded_line_without_the_key() {
        let key = Secret::new("sk-very-secret");
        let body = format!("wrong key sk-very-secret\u{1b}[31m {}", "x".repeat(5000));
        let refused = refusal(401, &HeaderMap::new(), body.as_bytes(), SystemTime::now(), Some(&key));
        let why = refused.error.to_string();
        assert!(!why.contains("very-secret") && !why.contains('\u{1b}') && why.chars().count() < 400, "{why}");
        let page = refusal(502, &HeaderMap::new(), b"<html><body>Bad Gateway", SystemTime::now(), None);
        assert_eq!(page.error.why, "502 a web page");
    }
}
