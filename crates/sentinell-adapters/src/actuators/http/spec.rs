//! What the operator declares of a request.

use super::KEY;
use super::check::Check;
use crate::actuators::params::{ParamKind, fill, misused};
use crate::http::{HeaderMap, Method, Url};
use crate::text::one_line;
use sentinell_core::action::{BlastRadius, HttpDeed, Verification};
use std::collections::BTreeMap;
use std::time::Duration;

/// Methods that a deed may have.
const METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];
/// Headers that are not for declaring: they are the library's, ours, or would hide what the deed is.
const OURS: [&str; 8] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "if-match", "x-http-method-override", KEY];

/// One request with places for parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Where to; `{param}` may stand behind the host.
    pub url: String,
    /// What is sent, as text; `{param}` stands for a parameter.
    pub body: Option<String>,
    /// Statuses that mean that it was done; empty: 200 to 299.
    pub status: Vec<u16>,
    /// Headers that everybody may see.
    pub headers: BTreeMap<String, String>,
}

/// Headers that say who we are. Never shown, never in a plan; what is answered is searched for them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretHeaders(pub BTreeMap<String, String>);

/// One declared request, `http.<name>`.
#[derive(Debug, Clone)]
pub struct HttpActionSpec {
    /// The last part of its kind.
    pub name: String,
    /// One line for a reasoner and for people.
    pub description: String,
    /// What it acts on, exactly as drafts must name it.
    pub target: String,
    /// Every parameter; all of them are required.
    pub params: BTreeMap<String, ParamKind>,
    /// What is sent.
    pub call: HttpCall,
    /// What takes it back.
    pub undo: Option<HttpCall>,
    /// Whether to take it back when it did not help.
    pub undo_if_unhelpful: bool,
    /// How one sees whether it was done.
    pub check: Option<Check>,
    /// Whether the check's version of what is there (`ETag`) must still be current, by `If-Match`.
    pub if_match: bool,
    /// Who we are.
    pub secret: SecretHeaders,
    /// Authorities besides the machine's own, PEM.
    pub authorities: Option<Vec<u8>>,
    /// production, staging, …
    pub environment: String,
    /// How one will know that it helped; `{param}` works in the queries' arguments.
    pub verification: Verification,
    /// How far it reaches.
    pub blast_radius: BlastRadius,
    /// Time until it is given up.
    pub timeout: Duration,
}

impl HttpCall {
    /// With its parameters put in.
    pub(super) fn deed(&self, params: &BTreeMap<String, String>) -> HttpDeed {
        let headers = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        HttpDeed {
            method: self.method.clone(),
            url: fill(&self.url, params),
            headers,
            body: self.body.as_ref().map(|body| fill(body, params)),
            expect: BTreeMap::new(),
        }
    }

    pub(super) fn expects(&self, status: u16) -> bool {
        if self.status.is_empty() { (200..300).contains(&status) } else { self.status.contains(&status) }
    }

    fn problems(&self, what: &str) -> Vec<String> {
        let mut problems: Vec<String> =
            address(&self.url).err().map(|why| format!("{what}: {why}")).into_iter().collect();
        if !METHODS.contains(&self.method.as_str()) || self.method.parse::<Method>().is_err() {
            problems.push(format!("{what}: method is one of {}", METHODS.join(", ")));
        }
        if let Some(odd) = self.status.iter().find(|status| !(200..400).contains(*status)) {
            problems.push(format!("{what}: status {odd}: 200 to 399"));
        }
        problems.extend(odd_headers(what, &self.headers));
        problems
    }
}

/// A place of the operator's: http or https, no name or password in it, no parameter before the path.
fn address(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default()).unwrap_or_default();
    // The text is not repeated: a mistyped URL may carry a password.
    if host.is_empty() || host.contains('@') {
        return Err("url must begin with http:// or https:// and carry no name or password".to_owned());
    }
    if host.contains('{') {
        return Err("no parameter may stand in the host of a url".to_owned());
    }
    let filled = url.replace(['{', '}'], "x");
    Url::parse(&filled).map(drop).map_err(|error| format!("url: {error}"))
}

fn odd_headers(what: &str, headers: &BTreeMap<String, String>) -> Vec<String> {
    let odd = |name: &&String| {
        let lower = name.to_ascii_lowercase();
        OURS.contains(&lower.as_str()) || reqwest::header::HeaderName::try_from(lower).is_err()
    };
    headers.keys().filter(odd).map(|name| format!("{what}: header `{}` cannot be set", one_line(name, 60))).collect()
}

impl SecretHeaders {
    /// As they are sent; none if one of them cannot be.
    pub(super) fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.0 {
            let mut value = reqwest::header::HeaderValue::from_str(value).ok()?;
            value.set_sensitive(true);
            headers.insert(reqwest::header::HeaderName::try_from(name).ok()?, value);
        }
        Some(headers)
    }

    /// A text without them: some receivers answer with what they were sent.
    pub(super) fn hidden(&self, text: &str) -> String {
        let secrets =
            self.0.values().flat_map(|value| [value.as_str(), value.split(' ').next_back().unwrap_or_default()]);
        secrets
            .filter(|secret| secret.len() >= 6)
            .fold(text.to_owned(), |text, secret| text.replace(secret, "[hidden]"))
    }
}

impl std::fmt::Debug for SecretHeaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl HttpActionSpec {
    pub(super) fn problems(&self) -> Vec<String> {
        let what = format!("http action `{}`", one_line(&self.name, 80));
        let mut problems = self.call.problems(&what);
        if !(ParamKind::Identifier { max: 60 }).fits(&self.name) {
            problems.push(format!("{what}: that is no name for an action"));
        }
        if self.verification.queries.is_empty() {
            problems.push(format!("{what} has no verification: without a check there is no cure"));
        }
        if let Some(undo) = &self.undo {
            problems.extend(undo.problems(&format!("{what}, undo")));
        }
        match &self.check {
            Some(check) => {
                problems.extend(address(&check.url).err().map(|why| format!("{what}, check: {why}")));
                if check.pointer.as_ref().is_some_and(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
                    problems.push(format!("{what}, check: a pointer begins with /, as RFC 6901 says"));
                }
                if check.done == check.undone {
                    problems.push(format!("{what}, check: done and undone are the same"));
                }
            }
            None if self.if_match => problems.push(format!("{what}: if_match needs a check, whose ETag is sent")),
            None => {}
        }
        problems.extend(odd_headers(&what, &self.secret.0));
        if self.secret.headers().is_none() {
            problems.push(format!("{what}: a secret header holds characters that cannot be sent"));
        }
        let shown = |name: &&String| self.call.headers.keys().any(|other| other.eq_ignore_ascii_case(name));
        problems.extend(self.secret.0.keys().filter(shown).map(|name| format!("{what}: header `{name}` is set twice")));
        let calls = [Some(&self.call), self.undo.as_ref()].into_iter().flatten();
        let sent = calls.flat_map(|call| [Some(&call.url), call.body.as_ref()]).flatten();
        let read = self.check.iter().flat_map(|check| [&check.url, &check.done, &check.undone]);
        let reads = self.verification.queries.iter().flat_map(|query| query.args.values());
        problems.extend(misused(&what, &self.params, sent.chain(read).chain(reads)));
        problems
    }
}
