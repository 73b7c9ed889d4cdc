//! Webhook signatures: whoever cannot prove who it is gets no answer.
//!
//! All are HMAC-SHA-256 over the raw body, compared in constant time. A header that comes twice is ambiguous and refused; an
//! empty secret proves nothing; where the sender signs a time, it may be five minutes off.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sentinell_core::time::Timestamp;
use sha2::Sha256;

/// How far a signed time may be from ours, in seconds: what Slack and Standard Webhooks ask for.
const TOLERANCE: u64 = 300;
/// Signatures in one header that are looked at: a sender that changes its secret sends two.
const SIGNATURES: usize = 8;
/// The longest signature header, bytes.
const LONGEST: usize = 1024;

/// Whether the request is signed as GitHub does: `X-Hub-Signature-256: sha256=<hex>`
/// (<https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries>).
pub fn github(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let given = only(headers, "x-hub-signature-256").and_then(|text| text.strip_prefix("sha256="));
    given.and_then(unhex).is_some_and(|given| signs(secret.as_bytes(), &[body], &given))
}

/// Whether the request is signed as Slack does: `X-Slack-Signature: v0=<hex>` over `v0:<time>:<body>`
/// (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).
pub fn slack(secret: &str, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
    let Some(at) = only(headers, "x-slack-request-timestamp").filter(|at| is_fresh(at, now)) else { return false };
    let given = only(headers, "x-slack-signature").and_then(|text| text.strip_prefix("v0="));
    given.and_then(unhex).is_some_and(|given| signs(secret.as_bytes(), &[b"v0:", at.as_bytes(), b":", body], &given))
}

/// Whether the request is signed as Standard Webhooks says: `webhook-signature: v1,<base64>` over `<id>.<time>.<body>`, one
/// of several separated by spaces (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
/// The secret is base64, with or without `whsec_`.
pub fn standard(secret: &str, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
    let Ok(key) = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)) else { return false };
    // A full stop in the id would move the border between what is signed.
    let id = only(headers, "webhook-id").filter(|id| !id.is_empty() && !id.contains('.'));
    let at = only(headers, "webhook-timestamp").filter(|at| is_fresh(at, now));
    let (Some(id), Some(at), Some(given)) = (id, at, only(headers, "webhook-signature")) else { return false };
    let parts = [id.as_bytes(), b".", at.as_bytes(), b".", body];
    any(given, ' ', |one| {
        let given = one.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        given.is_some_and(|given| signs(&key, &parts, &given))
    })
}

/// Whether the request is signed as PagerDuty's v3 webhooks are: `X-PagerDuty-Signature: v1=<hex>`, one of several separated
/// by commas (<https://developer.pagerduty.com/docs/verifying-webhook-signatures>).
pub fn pagerduty(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    only(headers, "x-pagerduty-signature").is_some_and(|given| {
        any(given, ',', |one| {
            let given = one.trim_start().strip_prefix("v1=").and_then(unhex);
            given.is_some_and(|given| signs(secret.as_bytes(), &[body], &given))
        })
    })
}

/// Whether the request is signed as Sentry's integrations do: `Sentry-Hook-Signature: <hex>` with the client secret
/// (<https://docs.sentry.io/organization/integrations/integration-platform/webhooks/>).
pub fn sentry(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let given = only(headers, "sentry-hook-signature").and_then(unhex);
    given.is_some_and(|given| signs(secret.as_bytes(), &[body], &given))
}

fn signs(key: &[u8], parts: &[&[u8]], given: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    parts.iter().for_each(|part| mac.update(part));
    !key.is_empty() && mac.verify_slice(given).is_ok()
}

/// Whether one of the signatures in a header is good; of a longer list than any sender has, none is.
fn any(given: &str, between: char, is_good: impl Fn(&str) -> bool) -> bool {
    given.split(between).nth(SIGNATURES).is_none() && given.split(between).any(is_good)
}

/// The text of a header that comes exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok().filter(|text| text.len() <= LONGEST)?;
    values.next().is_none().then_some(value)
}

/// Whether this is a time in whole seconds, written as senders do, and close to now.
fn is_fresh(text: &str, now: Timestamp) -> bool {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    plain && text.parse::<i64>().is_ok_and(|at| at.abs_diff(now.0.div_euclid(1000)) <= TOLERANCE)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        of.iter().map(pair).collect()
    }

    // The worked examples of the senders' own documentation and libraries.
    const GITHUB: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn githubs_own_example_verifies_and_nothing_else_does() {
        let by =
            |secret, body: &str, given| github(secret, &headers(&[("x-hub-signature-256", given)]), body.as_bytes());
        let secret = "It's a Secret to Everybody";
        assert!(by(secret, "Hello, World!", GITHUB));
        assert!(!by(secret, "Hello, World", GITHUB));
        assert!(!by("another secret", "Hello, World!", GITHUB));
        for given in ["", "sha256=", "sha1=757107ea", &GITHUB[7..], "sha256=zz", "sha256=\u{e4}\u{e4}", "sha256=7"] {
            assert!(!by(secret, "Hello, World!", given), "{given}");
        }
        let twice = headers(&[("x-hub-signature-256", GITHUB), ("x-hub-signature-256", GITHUB)]);
        assert!(!github(secret, &twice, b"Hello, World!"), "ambiguous");
    }

    #[test]
    fn standard_webhooks_own_example_verifies_for_five_minutes() {
        let (good, other) = ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1,AAAA");
        let by = |given: &str, seconds: i64| {
            let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
            let headers =
                headers(&[("webhook-id", id), ("webhook-timestamp", "1614265330"), ("webhook-signature", given)]);
            let now = Timestamp((1_614_265_330 + seconds) * 1000);
            standard(STANDARD_SECRET, &headers, br#"{"test": 2432232314}"#, now)
        };
        assert!(by(good, 0) && by(good, 300) && by(good, -300) && by(&format!("{other} {good}"), 0));
        assert!(!by(good, 301) && !by(good, -301) && !by(other, 0) && !by("", 0));
        assert!(!by(&format!("{}{good}", format!("{other} ").repeat(SIGNATURES)), 0), "the work is bounded");
    }

    #[test]
    fn an_empty_secret_proves_nothing() {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"").unwrap();
        mac.update(b"{}");
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!sentry("", &headers(&[("sentry-hook-signature", &hex)]), b"{}"));
        assert!(!pagerduty("", &headers(&[("x-pagerduty-signature", &format!("v1={hex}"))]), b"{}"));
    }
}
