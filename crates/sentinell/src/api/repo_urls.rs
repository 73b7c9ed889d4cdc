//! Which repository URLs may be registered over the API.

use super::problem::ApiError;
use reqwest::Url;
use std::net::IpAddr;

/// Checks a repository's URL against the operator's rules.
///
/// # Errors
/// 422 at `/repo_url`, naming the configuration line that would allow it.
pub fn check(url: &str, hosts: &[String]) -> Result<(), ApiError> {
    let refuse = |why: &str| Err(ApiError::invalid("/repo_url", why));
    let Ok(parsed) = Url::parse(url) else { return refuse("expected an http or https URL") };
    if !matches!(parsed.scheme(), "http" | "https") {
        return refuse("expected an http or https URL; folders on this machine are for the operator's file alone");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return refuse("leave user and password out of the URL; tokens belong into the configuration");
    }
    let Some(host) = parsed.host_str() else { return refuse("the URL names no host") };
    if hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    if !hosts.is_empty() {
        let known = hosts.join(", ");
        return refuse(&format!("the host is not one of `git.hosts` ({known}); the operator can add it there"));
    }
    if is_public(host) {
        return Ok(());
    }
    refuse("the host is not a public one; the operator can allow it with `git.hosts = [\"that host\"]`")
}

/// Whether a host looks like one on the open internet. What it resolves to is checked again when it is connected to.
fn is_public(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    if bare.parse::<IpAddr>().is_ok() {
        return false;
    }
    let last = bare.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let inner = ["local", "localhost", "internal", "intranet", "lan", "home", "corp", "test", "invalid", "onion"];
    bare.contains('.') && !inner.contains(&last.as_str())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn only_what_the_operator_allows_can_be_registered() {
        let allowed = |url: &str, hosts: &[&str]| {
            check(url, &hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).is_ok()
        };
        assert!(allowed("https://github.com/a/b", &[]));
        assert!(allowed("http://git.example.org/a/b.git", &[]));
        assert!(allowed("https://git.internal/a", &["git.internal"]));
        assert!(!allowed("https://github.com/a/b", &["git.internal"]));
        for url in [
            "",
            "github.com/a",
            "file:///etc",
            "ssh://git@github.com/a",
            "https://u:p@github.com/a",
            "http://127.0.0.1/a",
            "http://0x7f.1/a",
            "http://[::1]/a",
            "http://169.254.169.254/x",
            "http://localhost:3/a",
            "http://db/a",
            "http://db.internal/a",
            "http://db.internal./a",
            "ext::sh -c id",
            "https://",
        ] {
            assert!(!allowed(url, &[]), "{url}");
        }
    }
}
