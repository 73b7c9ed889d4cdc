//! `[[webhooks]]`: where notices go.

use super::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sentinell_adapters::http::Url;
use sentinell_core::notice::{NoticeKind, Wanted};
use sentinell_core::signal::Severity;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;

/// Bytes of a signing secret, as Standard Webhooks wants them.
const KEY: std::ops::RangeInclusive<usize> = 24..=64;

/// One receiver of signed notices. Its `Debug` form hides keys and the URL's path.
#[derive(Clone)]
pub struct Webhook {
    /// Its name: lower-case letters, digits, `_` and `-`.
    pub name: String,
    /// Where to post.
    pub url: Url,
    /// What to sign with, newest first; every one signs.
    pub keys: Vec<Vec<u8>>,
    /// Which notices to send.
    pub wanted: Wanted,
    /// Time to the end of the receiver's answer, seconds.
    pub timeout_seconds: u32,
}

impl Webhook {
    /// Where it is, without the path, which may be a secret.
    pub fn place(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("name", &self.name).field("place", &self.place()).finish_non_exhaustive()
    }
}

/// As it was typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhook {
    pub name: String,
    pub url: Secret,
    #[serde(default)]
    pub secrets: Vec<Secret>,
    #[serde(default)]
    pub events: Option<Vec<NoticeKind>>,
    #[serde(default)]
    pub at_least: Option<Severity>,
    #[serde(default)]
    pub timeout_seconds: Option<u32>,
    /// Plain http to another machine is a decision, not a slip.
    #[serde(default)]
    pub allow_http: bool,
}

impl RawWebhook {
    /// The variable that its secrets may come from instead (several apart by spaces).
    pub fn variable(&self) -> String {
        let name = self.name.to_ascii_uppercase().replace('-', "_");
        format!("SENTINELL_WEBHOOK_{name}_SECRETS")
    }
}

/// Names every problem; answers those that have none.
pub(super) fn check(webhooks: Vec<RawWebhook>, problems: &mut Vec<String>) -> Vec<Webhook> {
    let mut names = BTreeSet::new();
    let mut finished = Vec::new();
    for raw in webhooks {
        let place = format!("webhooks.{}", raw.name.chars().take(40).collect::<String>());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let named = (1..=40).contains(&raw.name.len()) && raw.name.chars().all(plain);
        if !named || !names.insert(raw.name.clone()) {
            problems
                .push(format!("{place}: a name is up to 40 lower-case letters, digits, `_` and `-`, and used once"));
        }
        let url = receiver(&raw).map_err(|why| problems.push(format!("{place}.url: {why}"))).ok();
        let keys = keys(&raw, &place, problems);
        let kinds = raw.events.unwrap_or_else(|| NoticeKind::ALL.to_vec());
        if kinds.is_empty() {
            let all: Vec<_> = NoticeKind::ALL.iter().map(|kind| kind.word()).collect();
            problems.push(format!("{place}.events: empty; leave it out for all, or name some of {}", all.join(", ")));
        }
        let timeout_seconds = raw.timeout_seconds.unwrap_or(20);
        if !(1..=60).contains(&timeout_seconds) {
            problems.push(format!("{place}.timeout_seconds: {timeout_seconds} is out of range; 1 to 60"));
        }
        let at_least = raw.at_least.unwrap_or(Severity::Low);
        let wanted = Wanted { kinds: kinds.into_iter().collect(), at_least };
        if let Some(url) = url {
            finished.push(Webhook { name: raw.name, url, keys, wanted, timeout_seconds });
        }
    }
    finished
}

fn receiver(raw: &RawWebhook) -> Result<Url, &'static str> {
    let url = Url::parse(raw.url.expose()).map_err(|_| "not a URL; write https://host/path")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("carries a name or password; the signature already proves who sends");
    }
    let host = url.host_str().ok_or("names no host")?.trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback || raw.allow_http => Ok(url),
        "http" => Err("plain http to another machine can be read on the way; use https, or say `allow_http = true`"),
        _ => Err("expected https://"),
    }
}

fn keys(raw: &RawWebhook, place: &str, problems: &mut Vec<String>) -> Vec<Vec<u8>> {
    if raw.secrets.is_empty() {
        problems.push(format!(
            "{place}.secrets: empty; write secrets = [\"whsec_…\"] or set {}; make one with `echo whsec_$(openssl rand -base64 32)`",
            raw.variable()
        ));
    }
    let mut keys = Vec::new();
    for (index, secret) in raw.secrets.iter().enumerate() {
        let bytes = secret.expose().strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
        match bytes {
            Some(bytes) if KEY.contains(&bytes.len()) => keys.push(bytes),
            Some(bytes) => problems.push(format!(
                "{place}.secrets: number {} has {} bytes; {} to {} are wanted",
                index + 1,
                bytes.len(),
                KEY.start(),
                KEY.end()
            )),
            // The text is not repeated: a mistyped secret is still a secret.
            None => problems.push(format!(
                "{place}.secrets: number {} is not `whsec_` and base64; make one with `echo whsec_$(openssl rand -base64 32)`",
                index + 1
            )),
        }
    }
    keys
}

/// Where people reach this server; none if it cannot be that.
pub(super) fn public_url(text: Option<String>, problems: &mut Vec<String>) -> Option<Url> {
    let text = text?;
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    let url = url.filter(|url| url.username().is_empty() && url.query().is_none() && url.fragment().is_none());
    if url.is_none() {
        problems.push("public_url: expected the address that people open, such as https://sentinell.example".into());
    }
    url
}

/// Names that the server answers to.
pub(super) fn allowed_hosts(names: Vec<String>, problems: &mut Vec<String>) -> Vec<String> {
    for name in &names {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if name.is_empty() || !name.chars().all(plain) {
            problems
                .push(format!("allowed_hosts: `{name}` is no name; write sentinell.example, without scheme or port"));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn hook(url: &str, secrets: &[&str]) -> RawWebhook {
        RawWebhook {
            name: "pager".into(),
            url: Secret::new(url),
            secrets: secrets.iter().map(|text| Secret::new(*text)).collect(),
            events: None,
            at_least: None,
            timeout_seconds: None,
            allow_http: false,
        }
    }

    fn problems_of(hooks: Vec<RawWebhook>) -> String {
        let mut problems = vec![];
        check(hooks, &mut problems);
        problems.join("\n")
    }

    #[test]
    fn a_receiver_is_safe_by_default_and_every_problem_says_what_to_do() {
        for url in ["https://hooks.example/a", "http://127.0.0.1:9/a", "http://localhost/a", "http://[::1]:9/a"] {
            assert_eq!(problems_of(vec![hook(url, &[GOOD])]), "", "{url}");
        }
        let cases = [
            (vec![hook("http://hooks.example/a", &[GOOD])], "allow_http"),
            (vec![hook("https://ann:hunter2@hooks.example/a", &[GOOD])], "name or password"),
            (vec![hook("gopher://hooks.example", &[GOOD])], "https://"),
            (vec![hook("https://hooks.example", &[])], "SENTINELL_WEBHOOK_PAGER_SECRETS"),
            (vec![hook("https://hooks.example", &["whsec_hunter2!"])], "openssl rand"),
            (vec![hook("https://hooks.example", &["whsec_aHVudGVyMg=="])], "7 bytes"),
            (vec![hook("https://a.example", &[GOOD]), hook("https://b.example", &[GOOD])], "used once"),
        ];
        for (hooks, needle) in cases {
            let said = problems_of(hooks);
            assert!(said.contains(needle) && !said.contains("hunter2"), "{needle} is missing in: {said}");
        }
        assert_eq!(problems_of(vec![RawWebhook { allow_http: true, ..hook("http://hooks.example/a", &[GOOD]) }]), "");
    }

    #[test]
    fn nothing_of_a_receiver_is_printed_by_accident() {
        let typed = || hook("https://hooks.example/services/hunter2", &[GOOD]);
        let shown = format!("{:?} {:?}", typed(), check(vec![typed()], &mut vec![]));
        assert!(!shown.contains("hunter2") && !shown.contains("MfKQ"), "{shown}");
    }
}
