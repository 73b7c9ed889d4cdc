//! A client of a running server: what `incidents`, `approve`, `tail` and the like have in common.

use crate::config::{Config, Habit, Overrides, Surroundings, operator};
use anyhow::{Context, anyhow};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use sentinell_adapters::http::{Credentials, Http, HttpLimits, Lost, Method, StreamLimits, Streams, Url};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Which server to talk to.
#[derive(Debug, Clone, clap::Args)]
pub struct Server {
    /// The server's address; default: where the user's configuration says it listens
    #[arg(long, value_name = "URL", global = true)]
    pub server: Option<String>,
    /// Read this file instead of the user's configuration
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// Talks to one server.
#[derive(Debug)]
pub struct Client {
    base: Url,
    http: Http,
    token: Option<String>,
}

impl Client {
    /// A client for the server that the arguments or the user's configuration name.
    ///
    /// # Errors
    /// When the address makes no sense or the token's file cannot be read.
    pub fn new(server: &Server, around: &Surroundings) -> anyhow::Result<Self> {
        let base = match &server.server {
            Some(url) => url.clone(),
            None => {
                let config = Config::load(around, Habit::OneShot, server.config.as_deref(), Overrides::default())?;
                format!("http://{}", reachable(config.listen))
            }
        };
        let base =
            Url::parse(&base).with_context(|| format!("--server: `{base}` is no URL; write http://127.0.0.1:8000"))?;
        let token = operator::find(around)?.map(|token| token.expose().to_owned());
        let token = token.filter(|_| may_carry_token(&base, around));
        Self::with_token(base, token)
    }

    /// A client with this token, or without any.
    ///
    /// # Errors
    /// When no HTTP client can be set up.
    pub fn with_token(base: Url, token: Option<String>) -> anyhow::Result<Self> {
        let http = Http::new(HttpLimits::default()).map_err(|error| anyhow!(error))?;
        Ok(Self { base, http, token })
    }

    /// The server's address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The bearer token, if there is one that may be sent there.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Reads `path` (`["api", "incidents"]`) with a query.
    ///
    /// # Errors
    /// What the server said, in words for a person.
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        self.exchange(Method::GET, url, None).await
    }

    /// Reads `path` as Markdown.
    ///
    /// # Errors
    /// What the server said, in words for a person.
    pub async fn get_markdown(&self, path: &[&str]) -> anyhow::Result<String> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().append_pair("format", "markdown");
        let bytes = self.bytes(Method::GET, url, None).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Posts a JSON body to `path`.
    ///
    /// # Errors
    /// What the server said, in words for a person.
    pub async fn post(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.exchange(Method::POST, self.url(path)?, Some(body)).await
    }

    /// Puts a JSON body to `path`.
    ///
    /// # Errors
    /// What the server said, in words for a person.
    pub async fn put(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        self.exchange(Method::PUT, self.url(path)?, Some(body)).await
    }

    /// Hands the answer at `path` to `take`, piece by piece, however long it is.
    ///
    /// # Errors
    /// What the server said, that its answer was cut short, or what `take` failed with.
    pub async fn stream(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        let hours = Duration::from_secs(6 * 3600);
        let limits = StreamLimits {
            between: Duration::from_secs(60),
            total: hours,
            body: usize::MAX,
            ..StreamLimits::default()
        };
        let lost = |lost: Lost| {
            let (Lost::Away(why) | Lost::TooLarge(why)) = lost;
            anyhow!("{}: {why}", self.base)
        };
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
        }
        let mut answer = Streams::new(limits).map_err(|error| anyhow!(error))?.get(url, headers).await.map_err(lost)?;
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            return Err(self.refused(status, &answer.head(64 << 10).await));
        }
        while let Some(piece) = answer.next().await.map_err(lost)? {
            take(&piece)?;
        }
        Ok(())
    }

    /// The address of `path` below the server; each part is escaped, so an id cannot climb out of its place.
    pub fn url(&self, path: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow!("{} cannot be a server's address", self.base))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    async fn exchange(&self, method: Method, url: Url, body: Option<&Value>) -> anyhow::Result<Value> {
        let bytes = self.bytes(method, url, body).await?;
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn bytes(&self, method: Method, url: Url, body: Option<&Value>) -> anyhow::Result<Vec<u8>> {
        let who = self.token.clone().map_or(Credentials::None, Credentials::Bearer);
        let answer = self.http.exchange(method, url, body, &who).await;
        let (status, bytes) = answer
            .map_err(|_| anyhow!("no answer from {}; is `sentinell serve` running there? (see --server)", self.base))?;
        if status.is_success() {
            return Ok(bytes);
        }
        Err(self.refused(status.as_u16(), &bytes))
    }

    /// What the server said instead of an answer, in words for a person.
    fn refused(&self, status: u16, body: &[u8]) -> anyhow::Error {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let detail = value["detail"].as_str().or(value["title"].as_str()).unwrap_or("no explanation");
        let hint = match (status, &self.token) {
            (401, None) => "; set SENTINELL_OPERATOR_TOKEN, or run this as the user who runs the server",
            _ => "",
        };
        anyhow!("the server answered {status}: {}{hint}", crate::report::paint::plain(detail, 400))
    }
}

/// A wildcard address is reached through loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port())),
        other => other,
    }
}

/// The minted token is this machine's own and leaves it never; a token from the environment was meant to be sent, but in
/// the clear only over loopback.
fn may_carry_token(base: &Url, around: &Surroundings) -> bool {
    let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    loopback || (base.scheme() == "https" && around.get("SENTINELL_OPERATOR_TOKEN").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minted_token_never_leaves_this_machine() {
        let with = |variables: &[(&str, &str)]| Surroundings {
            variables: variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            folder: ".".into(),
        };
        let may = |url: &str, around: &Surroundings| may_carry_token(&Url::parse(url).unwrap(), around);
        let (minted, set) = (with(&[]), with(&[("SENTINELL_OPERATOR_TOKEN", "x")]));
        assert!(may("http://127.0.0.1:8000", &minted) && may("http://[::1]:8000", &minted));
        assert!(!may("https://sentinell.example", &minted) && may("https://sentinell.example", &set));
        assert!(!may("http://sentinell.example", &set), "not in the clear");
    }

    #[test]
    fn an_id_cannot_climb_out_of_its_place() {
        let client = Client::with_token(Url::parse("http://127.0.0.1:8000").unwrap(), None).unwrap();
        let url = client.url(&["api", "incidents", "../tokens?x"]).unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:8000/api/incidents/..%2Ftokens%3Fx");
    }
}
