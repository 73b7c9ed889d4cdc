//! GitHub's API for a hand: few reads, and requests that are sent once.

use crate::github;
use crate::http::{HeaderMap, Http, HttpLimits, Method, Url, under};
use crate::text::one_line;
use base64::Engine;
use sentinell_core::ports::{ActError, ToolError};
use serde_json::Value;
use std::time::Duration;

/// Bytes of an answer.
const ANSWER: usize = 4 << 20;

/// Whom to ask.
pub(super) struct Api {
    http: Http,
    base: Url,
    /// What must not be told, whoever repeats it.
    token: String,
}

/// What GitHub says of a repository.
pub(super) struct About {
    /// The branch that is deployed, as far as GitHub knows.
    pub default_branch: String,
    /// Whether everybody may read it.
    pub public: bool,
}

impl Api {
    /// # Errors
    /// If the address makes no sense, or the token is none.
    pub fn new(url: &str, token: &str) -> Result<Self, String> {
        let (base, headers) = (github::api(url)?, github::headers(Some(token))?);
        let http = Http::with_headers(HttpLimits { body: ANSWER, ..HttpLimits::default() }, headers)?;
        Ok(Self { http, base, token: token.to_owned() })
    }

    /// Where git finds a repository.
    pub fn clone_url(&self, full_name: &str) -> String {
        format!("{}/{full_name}.git", self.pages())
    }

    /// Where people find what is below a repository.
    pub fn page(&self, full_name: &str, rest: &str) -> String {
        format!("{}/{full_name}/{rest}", self.pages())
    }

    fn pages(&self) -> String {
        format!("{}://{}", self.base.scheme(), github::web(&self.base))
    }

    /// The setting that tells git who we are, at this GitHub only.
    pub fn git_secret(&self) -> (String, String) {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{}", self.token));
        (format!("http.{}/.extraHeader", self.pages()), format!("Authorization: Basic {basic}"))
    }

    /// The address of something below a repository.
    pub fn place(&self, full_name: &str, rest: &str) -> String {
        let path = if rest.is_empty() { format!("repos/{full_name}") } else { format!("repos/{full_name}/{rest}") };
        under(&self.base, &path).to_string()
    }

    /// What GitHub says of a repository.
    pub async fn about(&self, full_name: &str) -> Result<About, ToolError> {
        let said = self.get(full_name, "", &[]).await?;
        let branch = said["default_branch"].as_str().filter(|branch| sentinell_core::repository::is_branch(branch));
        let default_branch =
            branch.ok_or_else(|| ToolError::BadQuery(format!("GitHub names no default branch of {full_name}")))?;
        // What does not say that it is private is taken to be public.
        Ok(About { default_branch: default_branch.to_owned(), public: said["private"] != Value::Bool(true) })
    }

    /// Reads what is below a repository.
    pub async fn get(&self, full_name: &str, rest: &str, query: &[(&str, &str)]) -> Result<Value, ToolError> {
        let mut url =
            Url::parse(&self.place(full_name, rest)).map_err(|error| ToolError::BadQuery(error.to_string()))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let (status, _, body) = self.http.send(Method::GET, url, HeaderMap::new(), vec![]).await?;
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let why = || format!("{}: {}", status.as_u16(), self.message(&said));
        match status.as_u16() {
            200..300 => Ok(said),
            403 | 429 if why().to_lowercase().contains("rate limit") => Err(ToolError::Retry(why())),
            401 => Err(ToolError::Denied(format!(
                "{}: GitHub does not know the acting token (SENTINELL_GITHUB_ACTING_TOKEN)",
                why()
            ))),
            403 | 404 => Err(ToolError::Denied(format!(
                "{}: give the acting token access to {full_name}, with \"Contents\", \"Pull requests\" and \"Issues\": read and write",
                why()
            ))),
            _ if status.is_redirection() => {
                Err(ToolError::Denied(format!("{full_name} was renamed or moved; correct github.acting")))
            }
            429 | 500.. => Err(ToolError::Retry(why())),
            _ => Err(ToolError::BadQuery(why())),
        }
    }

    /// Sends a request once; status and what was said.
    pub async fn post(&self, url: &str, body: &str, time: Duration) -> Result<(u16, Value), ActError> {
        let url = Url::parse(url).map_err(|_| ActError::NotStarted("the deed's address is no URL".to_owned()))?;
        let json = "application/json".parse().map_err(|_| ActError::NotStarted("no content type".to_owned()))?;
        let headers = HeaderMap::from_iter([(reqwest::header::CONTENT_TYPE, json)]);
        let sent = self
            .http
            .deliver(Method::POST, url, headers, body.as_bytes().to_vec(), time)
            .await
            .map_err(ActError::from)?;
        Ok((sent.status.as_u16(), serde_json::from_slice(&sent.body).unwrap_or_default()))
    }

    /// GitHub's words for why it refused, bounded and without the token.
    pub fn message(&self, said: &Value) -> String {
        let mut text = one_line(said["message"].as_str().unwrap_or_default(), 200);
        let details = said["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        for detail in details.iter().take(3).filter_map(|one| one["message"].as_str().or(one.as_str())) {
            text = format!("{text}; {}", one_line(detail, 200));
        }
        text.replace(&self.token, "[hidden]")
    }
}
