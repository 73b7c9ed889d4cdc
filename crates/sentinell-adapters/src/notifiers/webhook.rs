//! Outgoing webhooks as Standard Webhooks 1.0.0 describes them: signed, with an id to drop doubles by, redirects not followed.

use crate::http::{Http, HttpLimits, Said, Url};
use crate::text::one_line;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sentinell_core::notice::{Notice, Wanted};
use sentinell_core::ports::{BoxFuture, Clock, Notifier, NotifyError};
use sentinell_core::time::Timestamp;
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Where notices go, and how.
#[derive(Clone)]
pub struct WebhookSettings {
    /// The destination's name.
    pub name: String,
    /// Where to post. From the operator's own configuration, so any address is allowed.
    pub url: Url,
    /// What to sign with; every key signs, so that a receiver can change over from one to the next.
    pub keys: Vec<Vec<u8>>,
    /// Which notices to send.
    pub wanted: Wanted,
    /// Where people reach this server; links are made from it.
    pub public_url: Option<String>,
    /// Time to the end of the receiver's answer.
    pub timeout: Duration,
}

impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the keys nor the URL, whose path may be a secret too.
        f.debug_struct("WebhookSettings")
            .field("name", &self.name)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

/// One receiver of signed webhooks.
pub struct Webhook {
    settings: WebhookSettings,
    http: Http,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    /// A receiver; `clock` tells the time of each attempt.
    ///
    /// # Errors
    /// If the TLS backend cannot be set up.
    pub fn new(settings: WebhookSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let limits = HttpLimits { total: settings.timeout, ..HttpLimits::default() };
        Ok(Self { http: Http::new(limits)?, settings, clock })
    }

    async fn post(&self, notice: &Notice) -> Result<(), NotifyError> {
        let body = serde_json::to_vec(&notice.payload(self.settings.public_url.as_deref()));
        let body = body.map_err(|error| NotifyError::Refused(format!("not sent, a defect: {error}")))?;
        let now = self.clock.now();
        let seconds = (now.0 / 1000).to_string();
        let signatures: Vec<String> =
            self.settings.keys.iter().map(|key| signature(key, &notice.id, &seconds, &body)).collect();
        let signatures = signatures.join(" ");
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", notice.id.as_str()),
            ("webhook-timestamp", seconds.as_str()),
            ("webhook-signature", signatures.as_str()),
        ];
        let said = self.http.post(self.settings.url.clone(), &headers, body).await;
        let said = said.map_err(|why| NotifyError::Retry { why, after_millis: None })?;
        verdict(&said, now)
    }
}

impl Notifier for Webhook {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn wanted(&self) -> &Wanted {
        &self.settings.wanted
    }

    fn notify<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.post(notice))
    }
}

/// `v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`.
pub fn signature(key: &[u8], id: &str, seconds: &str, body: &[u8]) -> String {
    // A key of any length is a key for HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// What an answer means: 2xx is done, 410 is the end, what may pass is tried again, the rest is a refusal.
fn verdict(said: &Said, now: Timestamp) -> Result<(), NotifyError> {
    let text = || {
        let body = one_line(&String::from_utf8_lossy(&said.body), 200);
        if body.is_empty() { said.status.to_string() } else { format!("{}: {body}", said.status) }
    };
    match said.status.as_u16() {
        200..=299 => Ok(()),
        408 | 425 | 429 | 500..=599 => {
            let after_millis = said.retry_after.as_deref().and_then(|text| pause(text, now));
            Err(NotifyError::Retry { why: text(), after_millis })
        }
        410 => Err(NotifyError::Gone(text())),
        300..=399 => Err(NotifyError::Refused(format!("{}; redirects are not followed, correct the URL", text()))),
        _ => Err(NotifyError::Refused(text())),
    }
}

/// `Retry-After`: seconds, or a date.
fn pause(text: &str, now: Timestamp) -> Option<u64> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let date = Timestamp(i64::try_from(date.as_millis()).ok()?);
    u64::try_from(date.millis_since(now)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::StatusCode;

    #[test]
    fn the_vector_of_the_standards_own_libraries_is_signed_alike() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_answer_says_whether_to_come_again() {
        let now = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        let of = |status: u16, retry_after: Option<&str>| {
            let said = Said {
                status: StatusCode::from_u16(status).unwrap(),
                retry_after: retry_after.map(str::to_owned),
                body: b"no \x1b[31m".to_vec(),
            };
            verdict(&said, now)
        };
        let pause = |retry_after| match of(503, retry_after) {
            Err(NotifyError::Retry { after_millis, .. }) => after_millis,
            other => panic!("{other:?}"),
        };
        assert_eq!(of(204, None), Ok(()));
        assert_eq!(pause(None), None);
        assert_eq!(pause(Some("120")), Some(120_000));
        assert_eq!(pause(Some("Sun, 22 Nov 2026 12:01:00 GMT")), Some(60_000));
        assert_eq!(pause(Some("Sun, 22 Nov 2026 11:00:00 GMT")), None);
        assert_eq!(pause(Some("soon")), None);
        for status in [408, 425, 429, 500, 502, 504] {
            assert!(matches!(of(status, None), Err(NotifyError::Retry { .. })), "{status}");
        }
        for status in [301, 304, 308, 400, 401, 404, 422] {
            assert!(matches!(of(status, None), Err(NotifyError::Refused(why)) if !why.contains('\x1b')), "{status}");
        }
        assert!(matches!(of(410, None), Err(NotifyError::Gone(_))));
    }
}
