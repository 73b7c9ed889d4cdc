//! How one sees whether a declared request was carried out: by reading back.

use super::spec::SecretHeaders;
use crate::actuators::params::fill;
use crate::http::{Http, Method, Url};
use crate::text::one_line;
use sentinell_core::ports::{Applied, ToolError};
use serde_json::Value;
use std::collections::BTreeMap;

/// A read, and what it says when the deed was done and when it was not. Anything else is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is read, with GET.
    pub url: String,
    /// Which value of the JSON document tells (RFC 6901); none: the status tells.
    pub pointer: Option<String>,
    /// What that value (a text, number or truth) or status is once it was done; `{param}` works.
    pub done: String,
    /// What it is while it was not.
    pub undone: String,
}

/// What was read.
pub(super) struct Seen {
    pub applied: Applied,
    /// The version of what is there (`ETag`), if it tells one.
    pub tag: Option<String>,
}

impl Check {
    pub(super) async fn look(
        &self,
        http: &Http,
        secret: &SecretHeaders,
        params: &BTreeMap<String, String>,
    ) -> Result<Seen, ToolError> {
        let url =
            Url::parse(&fill(&self.url, params)).map_err(|_| ToolError::BadQuery("the check has no URL".into()))?;
        let headers =
            secret.headers().ok_or_else(|| ToolError::Denied("a secret header holds odd characters".into()))?;
        let (status, answered, body) = http.send(Method::GET, url, headers, vec![]).await?;
        let tag = answered.get("etag").and_then(|value| value.to_str().ok());
        // A weak tag is good for nothing here.
        let tag = tag.filter(|tag| tag.starts_with('"') && tag.len() <= 200).map(str::to_owned);
        let found = match &self.pointer {
            None => status.as_u16().to_string(),
            Some(pointer) => match status.as_u16() {
                200..300 => scalar(&body, pointer).unwrap_or_default(),
                401 | 403 => return Err(ToolError::Denied(format!("the check was answered with {status}"))),
                _ => return Err(ToolError::Retry(format!("the check was answered with {status}"))),
            },
        };
        let applied = match found {
            _ if found.is_empty() => Applied::Unknown,
            _ if found == fill(&self.done, params) => Applied::Yes,
            _ if found == fill(&self.undone, params) => Applied::No,
            _ => Applied::Unknown,
        };
        Ok(Seen { applied, tag })
    }
}

/// A text, number or truth within a document, as text.
fn scalar(body: &[u8], pointer: &str) -> Option<String> {
    let document: Value = serde_json::from_slice(body).ok()?;
    match document.pointer(pointer)? {
        Value::String(text) => Some(one_line(text, 1000)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        plain => Some(plain.to_string()),
    }
}
