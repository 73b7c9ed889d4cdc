//! Which repository URLs may be registered over the API.

use super::problem::ApiError;
use sentinell_core::address::is_public_name;
use sentinell_core::repository::{clone_url, is_odd_port};

/// Checks a repository's URL against the operator's rules. What it resolves to is checked when it is connected to.
///
/// # Errors
/// 422 at `/repo_url`, naming the configuration line that would allow it.
pub fn check(url: &str, hosts: &[String]) -> Result<(), ApiError> {
    let refuse = |why: &str| Err(ApiError::invalid("/repo_url", why));
    let read = match clone_url(url) {
        Ok(read) => read,
        Err(why) => return refuse(why),
    };
    if read.is_one_of(hosts) {
        return Ok(());
    }
    if !hosts.is_empty() {
        let known = hosts.join(", ");
        return refuse(&format!(
            "the host (with its port, where it is not the usual one) is not one of `git.hosts` ({known}); the operator can \
             add it there"
        ));
    }
    if is_public_name(read.host) && !is_odd_port(read.port_or_default()) {
        return Ok(());
    }
    refuse("the host is not a public web server; the operator can allow it with `git.hosts = [\"that host\"]`")
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
        assert!(allowed("https://git.example.org:8443/a/b.git", &[]));
        assert!(allowed("https://git.internal/a", &["git.internal"]));
        assert!(allowed("https://git.internal:9418/a", &["git.internal:9418"]));
        assert!(!allowed("https://git.internal:6379/a", &["git.internal"]), "a port is not for the caller to choose");
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
            "http://git.example.org:6379/a",
            "ext::sh -c id",
            "https://",
        ] {
            assert!(!allowed(url, &[]), "{url}");
        }
    }
}
