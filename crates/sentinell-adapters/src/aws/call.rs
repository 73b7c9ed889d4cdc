//! One signed call, whatever the service.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/making-api-requests.html>

use super::sign::{Signed, headers};
use super::who::{AwsIdentity, Who};
use crate::http::{HeaderMap, Http, HttpLimits, Method, Url, base_url};
use crate::text::one_line;
use reqwest::header::{HeaderName, HeaderValue};
use sentinell_core::ports::{Clock, ToolError};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// In signatures and host names.
    pub name: &'static str,
    pub protocol: Protocol,
}

/// How a service is spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    /// The operation stands in a header; JSON in and out.
    Json {
        /// What stands before the operation.
        target: &'static str,
        /// `application/x-amz-json-1.1`.
        content_type: &'static str,
    },
    /// The operation stands in a form; XML out.
    Query,
    /// Method and path tell; JSON in and out.
    Rest,
}

/// A request before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct AwsRequest {
    pub method: &'static str,
    /// Of letters, digits, `/`, `-`, `_` and `.`.
    pub path: String,
    pub content_type: &'static str,
    /// The operation's name, where it stands in a header.
    pub target: Option<String>,
    pub body: String,
}

impl AwsRequest {
    /// An operation of a service of the JSON protocols.
    pub(crate) fn json(service: Service, operation: &str, body: &Value) -> Self {
        let (target, content_type) = match service.protocol {
            Protocol::Json { target, content_type } => (Some(format!("{target}.{operation}")), content_type),
            Protocol::Query | Protocol::Rest => (None, "application/json"),
        };
        Self { method: "POST", path: "/".into(), content_type, target, body: body.to_string() }
    }

    /// An operation of a service of the query protocol; values of plain characters.
    pub(crate) fn form(operation: &str, version: &str, pairs: &[(&str, &str)]) -> Self {
        let mut body = format!("Action={operation}&Version={version}");
        for (name, value) in pairs {
            body.push_str(&format!("&{name}={}", escaped(value)));
        }
        let content_type = "application/x-www-form-urlencoded";
        Self { method: "POST", path: "/".into(), content_type, target: None, body }
    }
}

/// Percent-encoded but for unreserved characters (RFC 3986).
fn escaped(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

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
pub(crate) struct Caller {
    http: Http,
    region: String,
    endpoint: Option<Url>,
    who: Who,
    clock: Arc<dyn Clock>,
}

impl Caller {
    pub(crate) fn new(
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

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Where a service is.
    ///
    /// # Errors
    /// If the region makes no address.
    pub(crate) fn url(&self, service: Service, path: &str) -> Result<Url, ToolError> {
        let mut url = match &self.endpoint {
            Some(url) => url.clone(),
            None => {
                let china = if self.region.starts_with("cn-") { ".cn" } else { "" };
                let text = format!("https://{}.{}.amazonaws.com{china}/", service.name, self.region);
                base_url(&text).map_err(ToolError::BadQuery)?
            }
        };
        url.set_path(path);
        Ok(url)
    }

    /// The headers that make a request ours.
    pub(crate) async fn signed(&self, service: Service, request: &AwsRequest) -> Result<HeaderMap, ToolError> {
        let url = self.url(service, &request.path)?;
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let keys = self.who.keys().await?;
        let signed = Signed {
            method: request.method,
            host: &host,
            path: &request.path,
            region: &self.region,
            service: service.name,
            content_type: request.content_type,
            target: request.target.as_deref(),
            body: request.body.as_bytes(),
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers(&signed, &keys, self.clock.now()) {
            let value = HeaderValue::from_str(&value)
                .map_err(|_| ToolError::Denied("the keys of AWS hold odd characters".to_owned()))?;
            map.insert(HeaderName::from_static(name), value);
        }
        Ok(map)
    }

    /// What sends a deed's request.
    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// Calls one operation of a JSON protocol.
    pub(crate) async fn call(&self, service: Service, operation: &str, body: &Value) -> Result<Value, ToolError> {
        let said = self.ask(service, operation, AwsRequest::json(service, operation, body)).await?;
        serde_json::from_slice(&said)
            .map_err(|error| ToolError::BadQuery(format!("{operation}: the answer is not JSON: {error}")))
    }

    /// Sends a request that reads; `operation` is what errors call it.
    pub(crate) async fn ask(
        &self,
        service: Service,
        operation: &str,
        request: AwsRequest,
    ) -> Result<Vec<u8>, ToolError> {
        let headers = self.signed(service, &request).await?;
        let method = if request.method == "GET" { Method::GET } else { Method::POST };
        let url = self.url(service, &request.path)?;
        let (status, _, said) = self.http.send(method, url, headers, request.body.into_bytes()).await?;
        if status.is_success() {
            return Ok(said);
        }
        let error = refusal(operation, status.as_u16(), &said);
        if matches!(error, ToolError::Denied(_)) {
            self.who.forget().await;
        }
        Err(error)
    }
}

/// The text between the first pair of tags of this name: what is read of answers in XML.
pub(crate) fn tagged<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

/// What a refusal means for the one who asked.
pub(crate) fn refusal(operation: &str, status: u16, body: &[u8]) -> ToolError {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let xml = String::from_utf8_lossy(&body[..body.len().min(4000)]);
    let kind = said["__type"].as_str().or(said["code"].as_str()).or(tagged(&xml, "Code")).unwrap_or_default();
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let why = said["message"].as_str().or(said["Message"].as_str()).or(tagged(&xml, "Message")).unwrap_or_default();
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
