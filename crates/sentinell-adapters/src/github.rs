//! What the eye and the hand on GitHub share: where its API and its pages are, and who asks.

use crate::http::{HeaderMap, Url, base_url};
use std::net::IpAddr;

/// What is read.
const JSON: &str = "application/vnd.github+json";
/// The version of the API that is spoken.
const VERSION: &str = "2022-11-28";

/// The API's base URL. A token never leaves this machine in the open.
///
/// # Errors
/// What is wrong with it, without the text, which may hold a password.
pub(crate) fn api(url: &str) -> Result<Url, String> {
    let base = base_url(url)?;
    let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if base.scheme() != "https" && !here {
        return Err("the token would be sent in the open; write https".to_owned());
    }
    Ok(base)
}

/// Under which host, and perhaps port, people see the repositories of this API.
pub(crate) fn web(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    // GitHub's own API, and that of its customers with data residency, stands beside its pages.
    let host = match host.strip_prefix("api.") {
        Some(rest) if rest == "github.com" || rest.ends_with(".ghe.com") => rest,
        _ => host,
    };
    base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What every request carries.
///
/// # Errors
/// If the token cannot be one.
pub(crate) fn headers(token: Option<&str>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, text) in [("accept", JSON), ("x-github-api-version", VERSION)] {
        headers.insert(name, text.parse().map_err(|error| format!("{name}: {error}"))?);
    }
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse();
        headers.insert("authorization", value.map_err(|_| "the token holds characters that no token has")?);
        headers.iter_mut().for_each(|(name, value)| value.set_sensitive(name == "authorization"));
    }
    Ok(headers)
}
