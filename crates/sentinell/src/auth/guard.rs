//! Where a request may come from: the names this server answers to, and the pages that may speak to it.
//!
//! A page that somebody's browser has open may try to reach a server on loopback, through a name that it has bent to
//! 127.0.0.1 or simply by posting. Both are stopped here, before anything else looks at the request.

use crate::api::AppState;
use crate::api::problem::ApiError;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Refuses requests for other hosts (421) and requests of foreign pages (403).
pub async fn guard(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let checked = check_host(&app, request.uri(), request.headers())
        .and_then(|()| check_origin(&app, request.method(), request.headers()));
    match checked {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

fn check_host(app: &AppState, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let Some(host) = host.or_else(|| uri.authority().map(|authority| authority.as_str())) else {
        return Err(ApiError::bad_request("the request names no host; send a Host header"));
    };
    if headers.get_all(header::HOST).iter().count() <= 1 && is_ours(app, host) {
        return Ok(());
    }
    let detail = "this server does not answer to that name; use its own address, or add the name to `allowed_hosts`";
    Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, detail))
}

/// Whether `host` (a name or address, perhaps with a port) is one of ours.
fn is_ours(app: &AppState, host: &str) -> bool {
    let name = without_port(host).to_ascii_lowercase();
    let listen = app.config.listen.ip();
    if app.config.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name)) {
        return true;
    }
    match name.parse::<IpAddr>() {
        // Rebinding needs a name; an address is what its client really connected to.
        Ok(address) => address == listen || address.is_loopback() || listen.is_unspecified(),
        Err(_) => name == "localhost",
    }
}

fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match host.rsplit_once(':') {
        Some((name, _)) => name,
        None => host,
    }
}

fn check_origin(app: &AppState, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let upgrade = headers.contains_key(header::UPGRADE);
    if is_safe(method) && !upgrade {
        return Ok(());
    }
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let same = match (origins.next(), origins.next()) {
        (Some(origin), None) => is_our_page(app, origin.to_str().unwrap_or_default(), host),
        (Some(_), Some(_)) => false,
        // Browsers name the origin of a WebSocket; who has only a cookie and names none is not asked further.
        (None, _) if upgrade && headers.contains_key(header::COOKIE) => headers.contains_key(header::AUTHORIZATION),
        (None, _) => {
            let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
            !matches!(site, Some("cross-site" | "same-site"))
        }
    };
    if same { Ok(()) } else { Err(ApiError::forbidden("pages of other origins may not do this; open our own page")) }
}

/// Whether a page of `origin` is ours: one that the operator named, or one at the very address that was asked. Where the
/// operator named an origin at that address, its scheme and port count.
fn is_our_page(app: &AppState, origin: &str, host: &str) -> bool {
    let Some((scheme, place)) = plain_origin(origin) else { return false };
    let allowed: Vec<_> = app.config.allowed_origins.iter().filter_map(|allowed| plain_origin(allowed)).collect();
    if allowed.iter().any(|one| one.0 == scheme && one.1 == place) {
        return true;
    }
    let named = allowed.iter().any(|one| without_port(&one.1).eq_ignore_ascii_case(without_port(host)));
    !named && plain_origin(&format!("{scheme}://{host}")).is_some_and(|own| own.1 == place)
}

/// Scheme and place (`host`, or `host:port` where the port is not the scheme's) of an http or https origin.
fn plain_origin(origin: &str) -> Option<(&'static str, String)> {
    let (scheme, place) = origin.split_once("://")?;
    let (scheme, usual) = match scheme {
        "http" => ("http", ":80"),
        "https" => ("https", ":443"),
        _ => return None,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let place = place.to_ascii_lowercase();
    let place = place.strip_suffix(usual).unwrap_or(&place);
    (!place.is_empty() && place.bytes().all(plain)).then(|| (scheme, place.to_owned()))
}

/// Whether a method only reads.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn a_port_is_no_part_of_a_name() {
        for (host, name) in
            [("localhost:8000", "localhost"), ("[::1]:8000", "::1"), ("10.0.0.1", "10.0.0.1"), ("a.b", "a.b"), ("", "")]
        {
            assert_eq!(without_port(host), name);
        }
    }
}
