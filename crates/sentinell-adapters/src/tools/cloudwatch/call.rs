//! One signed call, whatever the service: JSON in, JSON out.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/making-api-requests.html>

use super::sign::{Post, headers};
use super::who::{AwsIdentity, Who};
use crate::http::{HeaderMap, Http, HttpLimits, Url, base_url};
use crate::text::one_line;
use reqwest::header::{HeaderName, HeaderValue};
use sentinell_core::ports::{Clock, ToolError};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    /// In signatures and host names.
    pub name: &'static str,
    target: &'static str,
    content_type: &'static str,
}

/// Logs of CloudWatch.
pub(super) const LOGS: Service =
    Service { name: "logs", target: "Logs_20140328", content_type: "application/x-amz-json-1.1" };
/// Metrics and alarms of CloudWatch.
pub(super) const MONITORING: Service =
    Service { name: "monitoring", target: "GraniteServiceVersion20100801", content_type: "application/x-amz-json-1.0" };

/// Words of an error that tell that access is missing.
const DENIED: [&str; 8] = [
    "accessdenied",
    "unrecognizedclient",
    "signature",
    "expiredtoken",
    "invalidclienttokenid",
    "missingauthenticationtoken",
    "optinrequired",
    "notauthorized",
];
/// Words of an error that pass.
const BUSY: [&str; 5] = ["throttl", "limitexceeded", "toomanyrequests", "serviceunavailable", "internal"];

/// A region of AWS, or what speaks like it.
pub(super) struct Caller {
    http: Http,
    region: String,
    endpoint: Option<Url>,
    who: Who,
    clock: Arc<dyn Clock>,
}

impl Caller {
    pub(super) fn new(
        region: String,
        endpoint: Option<&str>,
        identity: AwsIdentity,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if region.is_empty() || region.len() > 40 || !region.chars().all(plain) {
            return Err("a region is like eu-west-1".to_owned());
        }
        let endpoint = endpoint.map(base_url).transpose()?;
        if endpoint.as_ref().is_some_and(|url| url.path() != "/" || url.query().is_some()) {
            return Err("the endpoint has no path".to_owned());
        }
        let http = Http::new(HttpLimits { body: 16 << 20, ..HttpLimits::default() })?;
        // Who does not answer at once is not there: outside of Amazon nobody listens at the role's address.
        let keeper = HttpLimits { connect: Duration::from_secs(2), total: Duration::from_secs(5), body: 64 << 10 };
        let who = Who::new(identity, Http::new(keeper)?, clock.clone());
        Ok(Self { http, region, endpoint, who, clock })
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// Calls one operation.
    pub(super) async fn call(&self, service: Service, operation: &str, body: &Value) -> Result<Value, ToolError> {
        let url = match &self.endpoint {
            Some(url) => url.clone(),
            None => {
                let china = if self.region.starts_with("cn-") { ".cn" } else { "" };
                let text = format!("https://{}.{}.amazonaws.com{china}/", service.name, self.region);
                base_url(&text).map_err(ToolError::BadQuery)?
            }
        };
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let (target, body) = (format!("{}.{operation}", service.target), body.to_string().into_bytes());
        let keys = self.who.keys().await?;
        let post = Post {
            host: &host,
            region: &self.region,
            service: service.name,
            content_type: service.content_type,
            target: &target,
            body: &body,
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers(&post, &keys, self.clock.now()) {
            let value = HeaderValue::from_str(&value)
                .map_err(|_| ToolError::Denied("the keys of AWS hold odd characters".to_owned()))?;
            map.insert(HeaderName::from_static(name), value);
        }
        let (status, _, said) = self.http.post_bytes(url, map, body).await?;
        if status.is_success() {
            return serde_json::from_slice(&said)
                .map_err(|error| ToolError::BadQuery(format!("{operation}: the answer is not JSON: {error}")));
        }
        let error = refusal(operation, status.as_u16(), &said);
        if matches!(error, ToolError::Denied(_)) {
            self.who.forget().await;
        }
        Err(error)
    }
}

fn refusal(operation: &str, status: u16, body: &[u8]) -> ToolError {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let kind = said["__type"].as_str().or(said["code"].as_str()).unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let why = said["message"].as_str().or(said["Message"].as_str()).unwrap_or_default();
    let text = match (kind, why) {
        ("", "") => one_line(&String::from_utf8_lossy(&body[..body.len().min(600)]), 200),
        (kind, why) => one_line(&format!("{kind}: {why}"), 300),
    };
    let text = format!("{operation}: {status} {text}");
    let word = if kind.is_empty() { text.to_lowercase() } else { kind.to_lowercase() };
    let has = |words: &[&str]| words.iter().any(|one| word.contains(one));
    match status {
        408 | 429 | 500.. => ToolError::Retry(text),
        _ if has(&BUSY) => ToolError::Retry(text),
        401 | 403 => ToolError::Denied(text),
        _ if has(&DENIED) => ToolError::Denied(text),
        _ => ToolError::BadQuery(text),
    }
}
