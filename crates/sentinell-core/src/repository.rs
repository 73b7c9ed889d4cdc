//! What may stand for a repository and a branch: grammars narrower than git's, so that what is judged is what runs.

/// The longest URL of a repository, bytes.
const URL_LIMIT: usize = 2000;
/// Ports above 1023 on which databases, clusters and other things that are no web server listen.
const OTHER_SERVICES: [u16; 28] = [
    1433, 1521, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4194, 5432, 5672, 5900, 5984, 6379, 6443, 7001, 8500,
    9042, 9092, 9200, 9300, 10250, 10255, 10256, 11211, 27017,
];

/// A repository's address, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloneUrl<'a> {
    /// Whether it is https.
    pub secure: bool,
    /// A name or an address; an IPv6 address in its brackets.
    pub host: &'a str,
    /// The port, where one is named.
    pub port: Option<u16>,
}

impl CloneUrl<'_> {
    /// The port that is connected to.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.secure { 443 } else { 80 })
    }

    /// Whether one of these entries (`host`, or `host:port`) names it. A port besides the usual one must be named.
    pub fn is_one_of(&self, entries: &[String]) -> bool {
        let named = format!("{}:{}", self.host, self.port_or_default());
        let usual = self.port_or_default() == if self.secure { 443 } else { 80 };
        entries
            .iter()
            .any(|entry| entry.eq_ignore_ascii_case(&named) || (usual && entry.eq_ignore_ascii_case(self.host)))
    }
}

/// Reads `http(s)://host[:port]/path`: plain ASCII without user, query, fragment, escapes, dot segments and whatever a
/// program might take for an option.
///
/// # Errors
/// What is wrong, as a sentence without the URL, which may hold a secret.
pub fn clone_url(text: &str) -> Result<CloneUrl<'_>, &'static str> {
    if text.len() > URL_LIMIT {
        return Err("the URL is longer than 2000 bytes");
    }
    let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err("expected an http or https URL; folders on this machine are for the operator's file alone"),
    };
    let (place, path) = rest.split_once('/').ok_or("the URL names no repository")?;
    if place.contains('@') {
        return Err("leave user and password out of the URL; tokens belong into the configuration");
    }
    let (host, port) = host_and_port(place)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if !path.split('/').all(is_segment) {
        return Err("a repository's path has letters, digits and `. _ ~ + -` between slashes, and nothing else");
    }
    if host.eq_ignore_ascii_case("github.com") && path.split('/').count() != 2 {
        return Err("GitHub's repositories are https://github.com/owner/name");
    }
    Ok(CloneUrl { secure, host, port })
}

fn host_and_port(place: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let _: core::net::Ipv6Addr = address.parse().map_err(|_| "the URL names no host")?;
            (&place[..address.len() + 2], port)
        }
        None => {
            let (host, port) = place.split_at(place.find(':').unwrap_or(place.len()));
            if !is_host(host) {
                return Err("the URL names no host in plain ASCII");
            }
            (host, port)
        }
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0);
    port.map(|port| (host, Some(port))).ok_or("the URL's port is no port")
}

fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

fn is_segment(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~+-".contains(&byte);
    let odd = segment.is_empty() || segment.starts_with('-') || matches!(segment, "." | "..");
    !odd && segment.bytes().all(plain)
}

/// Whether a port is none of a web server: those of the system besides 80 and 443, and those of well-known services.
pub fn is_odd_port(port: u16) -> bool {
    (port < 1024 && !matches!(port, 80 | 443)) || OTHER_SERVICES.contains(&port)
}

/// Whether git could take this for the name of a branch and nothing else could: no revision syntax, no options, no refspec,
/// no letters that look like others.
pub fn is_branch(name: &str) -> bool {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '#');
    let part = |part: &str| {
        !part.is_empty() && !part.starts_with(['.', '-', '+']) && !part.ends_with(['.', ' ']) && !has_lock(part)
    };
    let reserved = name.starts_with("refs/") || (name.ends_with("HEAD") && !name.contains(['/', '-']));
    let (latin, other) = (
        name.chars().any(|c| c.is_alphabetic() && is_latin(c)),
        name.chars().any(|c| c.is_alphabetic() && !is_latin(c)),
    );
    (1..=200).contains(&name.len())
        && name.chars().all(fine)
        && !name.contains("..")
        && name.split('/').all(part)
        && !reserved
        && !(latin && other)
}

fn has_lock(part: &str) -> bool {
    part.len() >= 5 && part.as_bytes()[part.len() - 5..].eq_ignore_ascii_case(b".lock")
}

fn is_latin(c: char) -> bool {
    c.is_ascii() || matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_one_way_only() {
        for (good, host, port) in [
            ("https://github.com/acme/shop", "github.com", 443),
            ("https://github.com/acme/shop.git/", "github.com", 443),
            ("http://Git.Example.org:8080/~ann/a_b-c.d+e.git", "Git.Example.org", 8080),
            ("https://git.example.org/group/sub/shop", "git.example.org", 443),
            ("https://[2001:db8::1]:8443/a", "[2001:db8::1]", 8443),
            ("https://10.0.0.7/a", "10.0.0.7", 443),
        ] {
            let read = clone_url(good).unwrap();
            assert_eq!((read.host, read.port_or_default()), (host, port), "{good}");
        }
        for bad in [
            "",
            "github.com/a/b",
            "HTTPS://github.com/a/b",
            "https://github.com",
            "https://github.com/a",
            "https://github.com/a/b\n--upload-pack=x",
            " https://github.com/a/b",
            "https://github.com/a/-b",
            "https://github.com/a/../b",
            "https://github.com/a/b?c",
            "https://github.com/a/b#c",
            "https://github.com/a/$(b)",
            "https://github.com/a/%2e%2e",
            "https://u@github.com/a/b",
            "https://github.com\\@evil.example/a/b",
            "https://evil.example:0/a",
            "https://evil.example:65536/a",
            "https://evil.example:+1/a",
            "https:///a/b",
            "https://-a.example/b",
            "https://a..example/b",
            "https://gıthub.com/a/b",
            "https://[::1/a",
            "https://[x]/a",
        ] {
            assert!(clone_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_port_must_be_named_like_the_host() {
        let entries = ["git.example.org".to_owned(), "git.example.net:8443".to_owned()];
        let named = |url: &str| clone_url(url).unwrap().is_one_of(&entries);
        assert!(named("https://GIT.example.org/a") && named("https://git.example.org:443/a"));
        assert!(named("https://git.example.net:8443/a"));
        assert!(!named("https://git.example.org:6379/a") && !named("https://git.example.net/a"));
    }

    #[test]
    fn a_branch_is_a_name_and_nothing_else() {
        for good in [
            "main",
            "release/1.2",
            "fix/incident-12",
            "v1.2.3",
            "feature/ünïcode",
            "功能/登录",
            "a+b",
            "fix/#7",
            "AHEAD/x",
        ] {
            assert!(is_branch(good), "{good}");
        }
        for bad in [
            "",
            "-x",
            "a/-x",
            "a..b",
            "a b",
            "a~1",
            "a^",
            "a:b",
            "@",
            "a@{1}",
            "/a",
            "a/",
            "a//b",
            "a.lock",
            "a/.b",
            "a.",
            "a\nb",
            "a\0b",
            "HEAD",
            "FETCH_HEAD",
            "refs/notes/x",
            "+main:main",
            "$(id)",
            "`id`",
            "ma\u{456}n",
            "\u{202e}main",
        ] {
            assert!(!is_branch(bad), "{bad}");
        }
        assert!(!is_branch(&"x".repeat(201)));
    }
}
