//! `/mcp`: the protocol over HTTP, one answer a request and no session to keep.
//!
//! A call goes through the REST interface's own router under the headers that the caller sent, so that tokens, roles, limits
//! and the log are the same.

use super::{Call, Desk, Door};
use crate::api::AppState;
use crate::api::extract::read_body;
use crate::api::problem::ApiError;
use crate::auth::Caller;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures::future::BoxFuture;
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use sentinell_core::approval::Role;
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

/// The largest request, bytes.
const REQUEST: usize = 1 << 20;
/// The largest answer of the REST interface that is looked at, bytes.
const ANSWER: usize = 64 << 20;
/// Headers that say who asks, and from where: a call inside carries them on, and no others.
const WHO: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::HOST,
    header::ORIGIN,
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-csrf-token"),
    HeaderName::from_static("x-forwarded-for"),
];

struct Inside {
    rest: Router,
}

/// The route of the protocol; `rest` answers its calls.
pub fn routes(rest: Router) -> Router<AppState> {
    let desk = Desk::new(Arc::new(Inside { rest }));
    let mut config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(REQUEST);
    // Hosts and origins are the guard's, as for every other path.
    config.allowed_hosts = vec![];
    let service =
        StreamableHttpService::new(move || Ok(desk.clone()), Arc::new(NeverSessionManager::default()), config);
    let answer = move |caller: Caller, request: Request| {
        let service = service.clone();
        async move { answer(&caller, service, request).await }
    };
    Router::new().route("/mcp", any(answer))
}

async fn answer(
    caller: &Caller,
    service: StreamableHttpService<Desk, NeverSessionManager>,
    request: Request,
) -> Result<Response, ApiError> {
    caller.require_open(Role::Viewer)?;
    let answered = service.handle(request).await;
    Ok(answered.map(Body::new).into_response())
}

impl Door for Inside {
    fn call<'a>(&'a self, call: Call, context: &'a RequestContext<RoleServer>) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            let headers = context.extensions.get::<Parts>().map(|parts| &parts.headers);
            let request = request(&call, headers.ok_or("the request came without headers")?);
            let request = request.map_err(|_| "the call makes no request".to_owned())?;
            let answered = self.rest.clone().oneshot(request).await;
            let answered = answered.unwrap_or_else(|never| match never {});
            let status = answered.status();
            let bytes = read_body(answered.into_body(), ANSWER).await.map_err(|error| error.detail().to_owned())?;
            let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            if status.is_success() { Ok(value) } else { Err(refusal(status, &value)) }
        })
    }
}

fn request(call: &Call, headers: &HeaderMap) -> axum::http::Result<Request> {
    let mut uri = call.path.iter().fold(String::new(), |uri, part| uri + "/" + &escaped(part));
    if !call.query.is_empty() {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&call.query).finish();
        uri = uri + "?" + &query;
    }
    let method = if call.body.is_some() { Method::POST } else { Method::GET };
    let mut request = Request::builder().method(method).uri(uri);
    for name in WHO {
        request = headers.get_all(&name).iter().fold(request, |request, value| request.header(&name, value));
    }
    let body = call.body.as_ref().map(Value::to_string).unwrap_or_default();
    request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body))
}

/// A part of a path in which nothing is more than a letter.
fn escaped(part: &str) -> String {
    form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>().replace('+', "%20").replace('.', "%2E")
}

/// What a problem document says.
fn refusal(status: StatusCode, problem: &Value) -> String {
    let detail = problem["detail"].as_str().unwrap_or("no explanation");
    let fields = problem["errors"].as_array().into_iter().flatten();
    let fields = fields.map(|error| {
        format!("; {}: {}", error["pointer"].as_str().unwrap_or_default(), error["detail"].as_str().unwrap_or_default())
    });
    format!("{}: {detail}{}", status.as_u16(), fields.collect::<String>())
}
