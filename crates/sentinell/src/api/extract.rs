//! How requests are read: every refusal is a problem document, and no input is big or strange enough for a 5xx.

use crate::api::problem::ApiError;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The largest JSON body, bytes.
pub const JSON_LIMIT: usize = 1 << 20;
/// How long a body may take to come: less than a request may take, so that it is the sender who hears of it.
const BODY_PATIENCE: Duration = Duration::from_secs(20);
/// The longest id or other path segment, bytes.
const ID_LIMIT: usize = 200;

/// A JSON object of at most [`JSON_LIMIT`] bytes: 415 for another content type, 413 if larger, 400 if it is not JSON, 422
/// with a JSON pointer if it does not validate. Unknown fields are ignored. With it comes the SHA-256 of the raw bytes.
#[derive(Debug)]
pub struct Json<T>(pub T, pub [u8; 32]);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        require_json(&parts.headers)?;
        let bytes = read_body(body, JSON_LIMIT).await?;
        Ok(Self(from_json(&bytes)?, Sha256::digest(&bytes).into()))
    }
}

/// A path parameter: any text; what does not exist is 404, never anything worse.
#[derive(Debug)]
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::bad_request("the path is not percent-encoded UTF-8"))?;
        match id.len() {
            1..=ID_LIMIT if !id.contains('\0') => Ok(Self(id)),
            _ => Err(ApiError::new(StatusCode::NOT_FOUND, "no id is longer than 200 bytes or has a NUL byte in it")),
        }
    }
}

/// Query parameters; 400 says which one is wrong. Unknown ones are ignored.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let axum::extract::Query(query) =
            read.map_err(|error| ApiError::bad_request(format!("the query: {}", error.body_text())))?;
        Ok(Self(query))
    }
}

/// One page of a list.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// How many at most (default 500).
    #[param(minimum = 1, maximum = 1000, default = 500)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Page {
    /// The limit within its bounds.
    ///
    /// # Errors
    /// 400 if it is not 1 to 1,000.
    pub fn limit(&self) -> Result<u32, ApiError> {
        match self.limit.unwrap_or(500) {
            limit @ 1..=1000 => Ok(limit),
            _ => Err(ApiError::bad_request("`limit` is 1 to 1000")),
        }
    }
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// 413 if it is larger, 408 if it does not come, 400 if the connection broke.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let read = tokio::time::timeout(BODY_PATIENCE, axum::body::to_bytes(body, limit)).await;
    let read = read.map_err(|_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body did not come; send it again"))?;
    read.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(inner) = cause {
            if inner.to_string().contains("length limit exceeded") {
                let detail = format!("the body is larger than {limit} bytes; send less at a time");
                return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail);
            }
            cause = inner.source();
        }
        ApiError::bad_request("the body could not be read to its end")
    })
}

/// Demands a JSON content type, which also keeps foreign web pages from posting without a preflight.
///
/// # Errors
/// 415.
pub fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the body as `Content-Type: application/json`"))
}

/// Reads a JSON object.
///
/// # Errors
/// 400 if it is not JSON, 422 with a JSON pointer if it does not validate.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| ApiError::bad_request(format!("the body is not JSON that can be read: {error}")))?;
    from_value(value)
}

/// Reads a JSON object that has been parsed already.
///
/// # Errors
/// 422 with a JSON pointer if it does not validate.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    if !value.is_object() {
        return Err(ApiError::invalid("", "expected a JSON object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let detail = error.inner().to_string();
        let mut pointer = pointer(error.path());
        // A field that is not there has no path of its own.
        if let Some(field) = detail.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            pointer = format!("{pointer}/{}", escape(field));
        }
        ApiError::invalid(pointer, detail)
    })
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let segment = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", escape(key)),
        Segment::Enum { variant } => format!("/{}", escape(variant)),
        Segment::Unknown => String::new(),
    };
    path.iter().map(segment).collect()
}

fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the reading is of interest")]
    struct Outer {
        name: String,
        #[serde(default)]
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the reading is of interest")]
    struct Inner {
        #[serde(rename = "a/b")]
        count: u8,
    }

    async fn refused(text: &str) -> (u16, String) {
        let error = from_json::<Outer>(text.as_bytes()).map(|_| ()).expect_err(text);
        let status = error.status().as_u16();
        let body = read_body(error.into_response().into_body(), 10_000).await.unwrap();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        (status, problem["errors"][0]["pointer"].as_str().unwrap_or("-").to_owned())
    }

    #[tokio::test]
    async fn a_refusal_points_at_the_field() {
        let deep = "[".repeat(10_000);
        for (text, status, pointer) in [
            ("{", 400, "-"),
            (deep.as_str(), 400, "-"),
            (r#"{"name": 1e999}"#, 400, "-"),
            ("[]", 422, ""),
            ("{}", 422, "/name"),
            (r#"{"name": 3}"#, 422, "/name"),
            (r#"{"name": "x", "list": [{"a/b": 1}, {"a/b": 300}]}"#, 422, "/list/1/a~1b"),
            (r#"{"name": "x", "list": [{}]}"#, 422, "/list/0/a~1b"),
        ] {
            assert_eq!(refused(text).await, (status, pointer.to_owned()), "{text:.80}");
        }
        assert!(from_json::<Outer>(br#"{"name": "x", "unknown": 1}"#).is_ok());
    }
}
