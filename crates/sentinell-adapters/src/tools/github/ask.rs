//! Questions to GitHub's API, and what stands in the way of an answer: who has to act, and when it may be asked again.

use crate::github;
use crate::http::{HeaderMap, Http, HttpLimits, Method, StatusCode, Url, under};
use crate::text::one_line;
use sentinell_core::ports::{Clock, ToolError};
use sentinell_core::time::Timestamp;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// How long to wait where GitHub refuses for too many requests and does not say how long, seconds.
const A_WHILE: i64 = 60;
/// No limit of GitHub's is longer than this, seconds.
const LONGEST: i64 = 24 * 3600;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too many requests: not before this moment.
    Later(Timestamp),
    /// Nobody answers, or only with an error of their own.
    Away(String),
    /// The operator must grant access.
    Denied(String),
    /// No answer that makes sense.
    Odd(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Later(until) => write!(f, "GitHub's limit of requests is used up; it may be asked again at {until}"),
            Self::Away(why) => write!(f, "GitHub is busy or away: {why}"),
            Self::Denied(why) => write!(f, "access denied: {why}"),
            Self::Odd(why) => f.write_str(why),
        }
    }
}

/// Which permission of a fine-grained token a path under a repository needs.
pub(super) fn permission(path: &str) -> &'static str {
    match path.split('/').next().unwrap_or_default() {
        "pulls" => "Pull requests: read",
        "deployments" => "Deployments: read",
        "actions" => "Actions: read",
        _ => "Contents: read",
    }
}

/// Who asks, and since when nobody may.
pub(super) struct Ask {
    http: Http,
    base: Url,
    with_token: bool,
    clock: Arc<dyn Clock>,
    not_before: Mutex<Option<Timestamp>>,
}

impl Ask {
    pub(super) fn new(url: &str, token: Option<&str>, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let (base, headers) = (github::api(url)?, github::headers(token)?);
        let http = Http::with_headers(HttpLimits { body: 8 << 20, ..HttpLimits::default() }, headers)?;
        Ok(Self { http, base, with_token: token.is_some(), clock, not_before: Mutex::default() })
    }

    /// Under which host people see the repositories of this API.
    pub(super) fn web(&self) -> String {
        github::web(&self.base)
    }

    /// Reads a document; `needs` is the permission that a refusal is explained with.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)], needs: &str) -> Result<Value, Refused> {
        let wait = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = wait.filter(|until| *until > self.clock.now()) {
            return Err(Refused::Later(until));
        }
        let mut url = under(&self.base, path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let answer = self.http.send(Method::GET, url, HeaderMap::new(), vec![]).await;
        let (status, headers, body) = answer.map_err(|error| match error {
            ToolError::Retry(why) => Refused::Away(why),
            ToolError::BadQuery(why) | ToolError::Denied(why) => Refused::Odd(why),
        })?;
        let until = limited(status, &headers, &body, self.clock.now());
        if let Some(until) = until {
            *self.not_before.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
        match (status.as_u16(), until) {
            (403 | 429, Some(until)) => Err(Refused::Later(until)),
            (200..300, _) => {
                serde_json::from_slice(&body).map_err(|error| Refused::Odd(format!("the answer is not JSON: {error}")))
            }
            // A repository without a single commit.
            (409, _) => Ok(Value::Null),
            (status, _) => Err(self.refusal(status, &body, needs)),
        }
    }

    /// What a refusal means, and what the operator can do.
    fn refusal(&self, status: u16, body: &[u8], needs: &str) -> Refused {
        let said: Value = serde_json::from_slice(body).unwrap_or_default();
        let said = format!("{status} {}", one_line(said["message"].as_str().unwrap_or_default(), 200));
        let said = said.trim_end();
        match status {
            401 => Refused::Denied(format!(
                "{said}: GitHub does not know this token, it may have expired; put a new one into github.token (GITHUB_TOKEN)"
            )),
            403 => Refused::Denied(format!(
                "{said}: give the fine-grained token the repository permission \"{needs}\", and authorise it for the \
                 organisation if that asks for single sign-on"
            )),
            404 if self.with_token => Refused::Denied(format!(
                "{said}: there is no such thing for this token; add the repository to those that the fine-grained token may \
                 access, with the permission \"{needs}\", or correct the registered address and branch"
            )),
            404 => Refused::Denied(format!(
                "{said}: nothing that everybody may see; put a fine-grained token with the permission \"{needs}\" into \
                 github.token (GITHUB_TOKEN)"
            )),
            301 | 302 | 307 | 308 => {
                Refused::Denied(format!("{said}: the repository was renamed or moved; register its new address"))
            }
            500.. => Refused::Away(said.to_owned()),
            _ => Refused::Odd(said.to_owned()),
        }
    }

    /// Whether GitHub answers us; this question is not counted by it.
    pub(super) async fn check(&self) -> Result<String, ToolError> {
        let who = if self.with_token { "with the token" } else { "without a token; set github.token for more" };
        match self.get("rate_limit", &[], "Metadata: read").await {
            Ok(limits) => {
                let core = |name: &str| limits.pointer(&format!("/resources/core/{name}")).and_then(Value::as_u64);
                let (left, all) = core("remaining").zip(core("limit")).ok_or_else(|| {
                    ToolError::BadQuery("the answer is none of GitHub's; is github.url that of its API?".to_owned())
                })?;
                Ok(format!("{left} of {all} requests are left this hour, {who}"))
            }
            // A GitHub Enterprise that counts nothing has no such page.
            Err(Refused::Denied(why)) if why.starts_with("404 Rate limiting is not enabled") => {
                Ok(format!("it answers and counts no requests, {who}"))
            }
            Err(Refused::Denied(why)) => Err(ToolError::Denied(why)),
            Err(Refused::Odd(why)) => Err(ToolError::BadQuery(why)),
            Err(Refused::Away(why)) => Err(ToolError::Retry(why)),
            Err(later @ Refused::Later(_)) => Err(ToolError::Retry(later.to_string())),
        }
    }
}

/// Until when nothing may be asked, if an answer says so.
/// <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately>
fn limited(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Option<Timestamp> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok().filter(|n| *n >= 0);
    let refused = matches!(status.as_u16(), 403 | 429);
    if let Some(seconds) = number("retry-after").filter(|_| refused) {
        return Some(now.plus_seconds(seconds.clamp(1, LONGEST)));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let reset = number("x-ratelimit-reset").map_or(A_WHILE, |at| at.saturating_sub(now.0 / 1000));
        return Some(now.plus_seconds(reset.clamp(1, LONGEST)));
    }
    let secondary = || String::from_utf8_lossy(&body[..body.len().min(4096)]).to_lowercase().contains("rate limit");
    (status == StatusCode::TOO_MANY_REQUESTS || (refused && secondary())).then(|| now.plus_seconds(A_WHILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(status: u16, headers: &[(&'static str, &str)], body: &str) -> Option<i64> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let now = Timestamp(1_790_000_000_000);
        let status = StatusCode::from_u16(status).unwrap();
        limited(status, &headers, body.as_bytes(), now).map(|until| until.millis_since(now) / 1000)
    }

    #[test]
    fn a_limit_is_kept_as_github_words_it() {
        assert_eq!(until(403, &[("retry-after", "42"), ("x-ratelimit-remaining", "0")], ""), Some(42));
        let used = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1790000900")];
        assert_eq!(
            (until(403, &used, ""), until(200, &used, "")),
            (Some(900), Some(900)),
            "the last answer counts too"
        );
        assert_eq!(until(403, &[], r#"{"message":"You have exceeded a secondary rate limit."}"#), Some(A_WHILE));
        assert_eq!(until(429, &[("retry-after", "soon")], ""), Some(A_WHILE));
        assert_eq!(until(429, &[("retry-after", "99999999999")], ""), Some(LONGEST));
        assert_eq!(until(429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "7")], ""), Some(1));
        assert_eq!(until(403, &[("x-ratelimit-remaining", "10")], r#"{"message":"Resource not accessible"}"#), None);
        assert_eq!(until(200, &[("x-ratelimit-remaining", "10")], "rate limit"), None);
    }

    #[test]
    fn the_pages_of_an_api_are_found_beside_it() {
        struct Noon;
        impl Clock for Noon {
            fn now(&self) -> Timestamp {
                Timestamp(0)
            }
        }
        let web = |url: &str| Ask::new(url, Some("t"), Arc::new(Noon)).map(|ask| ask.web());
        assert_eq!(web("https://api.github.com").as_deref(), Ok("github.com"));
        assert_eq!(web("https://api.acme.ghe.com/").as_deref(), Ok("acme.ghe.com"));
        assert_eq!(web("https://git.corp.example/api/v3").as_deref(), Ok("git.corp.example"));
        assert_eq!(web("http://127.0.0.1:8080/api/v3").as_deref(), Ok("127.0.0.1:8080"));
        assert!(web("http://git.example.org/api/v3").unwrap_err().contains("in the open"));
        assert!(web("git.example.org").is_err());
        assert!(Ask::new("https://api.github.com", Some("a\nb"), Arc::new(Noon)).is_err());
    }
}
