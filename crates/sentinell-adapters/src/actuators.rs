//! The hands, one file per neighbour. Each plans exactly, acts once on a warrant, and can tell whether it was done.

pub mod aws;
pub mod command;
pub mod docker;
pub mod github;
pub mod http;
pub mod kubernetes;
mod params;
pub mod systemd;
pub mod terraform;

use crate::http::{HeaderMap, Http, Undelivered, Url};
use sentinell_core::action::{Action, Expectation, HttpDeed, Verification};
use sentinell_core::approval::Warrant;
use sentinell_core::evidence::Query;
use sentinell_core::ports::{ActError, Clock};
use std::collections::BTreeMap;
use std::time::Duration;

pub use params::ParamKind;

/// For how long one watches whether a deed helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// For how long it must stay well, seconds.
    pub hold_seconds: u32,
    /// How often to look, seconds.
    pub every_seconds: u32,
    /// How long to wait for it at most, seconds.
    pub within_seconds: u32,
}

impl Default for Watch {
    fn default() -> Self {
        Self { hold_seconds: 10, every_seconds: 2, within_seconds: 120 }
    }
}

impl Watch {
    /// The engine, looking again, finds nothing wrong with this component.
    fn until_well(self, queries: Vec<Query>, subject: String) -> Verification {
        Verification {
            queries,
            expect: Expectation::FindingsGone { subject },
            hold_seconds: self.hold_seconds,
            every_seconds: self.every_seconds,
            within_seconds: self.within_seconds,
        }
    }
}

/// A read of a verification.
fn query(number: usize, tool: &str, args: &[(&str, &str)], why: &str) -> Query {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Query { id: format!("v{number}").as_str().into(), tool: tool.to_owned(), args, why: why.to_owned() }
}

/// Whether a name is among what the operator allows; a `*` at the end of a pattern matches any rest.
fn is_allowed(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    })
}

/// Sends a deed's request, the warrant given up right before; answers with the status and the beginning of the body.
async fn send(
    http: &Http,
    (action, deed): (&Action, &HttpDeed),
    secret: HeaderMap,
    warrant: Warrant,
    (clock, longest): (&dyn Clock, Duration),
) -> Result<(u16, Vec<u8>), ActError> {
    let refuse = |why: &str| ActError::NotStarted(why.to_owned());
    let method = deed.method.parse().map_err(|_| refuse("that is no method of HTTP"))?;
    let url = Url::parse(&deed.url).map_err(|_| refuse("the deed's address is no URL"))?;
    let mut headers = shown_headers(&deed.headers).ok_or_else(|| refuse("a header of the deed is none"))?;
    headers.extend(secret);
    let body = deed.body.clone().unwrap_or_default().into_bytes();
    let permit = warrant.redeem(&action.hash(), clock.now()).map_err(ActError::NotStarted)?;
    let time = longest.min(Duration::from_millis(permit.millis_left));
    let sent = http.deliver(method, url, headers, body, time).await;
    sent.map(|answer| (answer.status.as_u16(), answer.body)).map_err(<ActError as From<Undelivered>>::from)
}

fn shown_headers(shown: &BTreeMap<String, String>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in shown {
        headers.insert(reqwest::header::HeaderName::try_from(name).ok()?, value.parse().ok()?);
    }
    Some(headers)
}
