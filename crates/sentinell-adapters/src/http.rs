//! The only place that builds HTTP clients: rustls, timeouts, no redirects, no proxy from the environment, bounded bodies.

mod deliver;
pub(crate) mod sse;
mod stream;

use crate::text::one_line;
use reqwest::{Client, RequestBuilder, Response, redirect};
use sentinell_core::ports::ToolError;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

pub use deliver::{Delivered, Undelivered};
pub use reqwest::header::HeaderMap;
pub use reqwest::{Method, StatusCode, Url};
pub use stream::{Incoming, Lost, StreamLimits, Streams};

/// What one request may take.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Time to a connection.
    pub connect: Duration,
    /// Time to the end of the answer.
    pub total: Duration,
    /// Bytes of an answer; a longer one is refused.
    pub body: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), total: Duration::from_secs(15), body: 32 << 20 }
    }
}

/// A client with limits.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client,
    limits: HttpLimits,
}

/// Who we are, to a server.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nobody.
    #[default]
    None,
    /// A bearer token.
    Bearer(String),
    /// A name and a password.
    Basic(String, String),
    /// An API key, as Elasticsearch takes it.
    ApiKey(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "nobody",
            Self::Bearer(_) => "a token",
            Self::Basic(..) => "a name and a password",
            Self::ApiKey(_) => "an API key",
        })
    }
}

/// A client that follows no redirect (credentials would travel), asks no proxy of the environment and uses rustls.
fn client(connect: Duration) -> reqwest::ClientBuilder {
    Client::builder()
        .user_agent(concat!("sentinell/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .redirect(redirect::Policy::none())
        .no_proxy()
}

/// The base URL of a server's API: http or https, a path prefix is kept. The text is never repeated in the error: it may
/// carry a password.
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    let base = Url::parse(text.trim_end_matches('/')).map_err(|error| format!("not a URL: {error}"))?;
    match base.scheme() {
        "http" | "https" if base.has_host() => Ok(base),
        _ => Err("not an http or https URL".to_owned()),
    }
}

/// A path under a base URL.
pub(crate) fn under(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// What a receiver of a message said.
#[derive(Debug, Clone)]
pub struct Said {
    /// The status, whatever it is.
    pub status: StatusCode,
    /// The header `Retry-After`, as it came.
    pub retry_after: Option<String>,
    /// The beginning of the body.
    pub body: Vec<u8>,
}

/// Bytes of a receiver's answer that are read at all.
const SAID: usize = 4 << 10;

impl Http {
    /// A client. The process must have installed a rustls crypto provider or rely on the built-in one.
    ///
    /// # Errors
    /// If the TLS backend cannot be set up.
    pub fn new(limits: HttpLimits) -> Result<Self, String> {
        Self::with_headers(limits, HeaderMap::new())
    }

    /// The same; every request carries these headers.
    ///
    /// # Errors
    /// As [`Http::new`].
    pub fn with_headers(limits: HttpLimits, headers: HeaderMap) -> Result<Self, String> {
        let client = client(limits.connect).timeout(limits.total).default_headers(headers).build();
        let client = client.map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Self { client, limits })
    }

    /// The same, trusting the authorities of a PEM file besides those that the machine trusts.
    ///
    /// # Errors
    /// As [`Http::new`], and if the file holds no certificates.
    pub fn with_authorities(limits: HttpLimits, pem: &[u8]) -> Result<Self, String> {
        let wrong = |error| format!("no HTTP client: {error}");
        let authorities = reqwest::Certificate::from_pem_bundle(pem).map_err(wrong)?;
        let client = client(limits.connect).timeout(limits.total).tls_certs_merge(authorities);
        Ok(Self { client: client.build().map_err(wrong)?, limits })
    }

    /// A client whose every request goes through a Unix socket, whatever the URL's host.
    ///
    /// # Errors
    /// As [`Http::new`].
    pub fn over_socket(limits: HttpLimits, path: &Path) -> Result<Self, String> {
        let client = client(limits.connect).timeout(limits.total).unix_socket(path).build();
        Ok(Self { client: client.map_err(|error| format!("no HTTP client: {error}"))?, limits })
    }

    /// Asks for a page, reads its beginning only.
    ///
    /// # Errors
    /// Why no answer came: a sentence without the URL, which may hold a secret.
    pub async fn look(&self, url: Url) -> Result<Said, String> {
        said(self.client.get(url)).await
    }

    /// Reads a JSON document.
    ///
    /// # Errors
    /// 401 and 403 are [`ToolError::Denied`], 408, 429, 5xx and a lost connection are [`ToolError::Retry`], any other
    /// refusal and a body that is too large or not JSON are [`ToolError::BadQuery`].
    pub async fn get_json(&self, url: Url, query: &[(&str, &str)], who: &Credentials) -> Result<Value, ToolError> {
        self.json(self.client.get(url).query(query), who).await
    }

    /// Posts a form and reads a JSON document; for reads whose question is too long for a URL.
    ///
    /// # Errors
    /// As [`Http::get_json`].
    pub async fn post_form(&self, url: Url, form: &[(&str, &str)], who: &Credentials) -> Result<Value, ToolError> {
        self.json(self.client.post(url).form(form), who).await
    }

    /// Posts a JSON document and reads one; for reads whose question is a document.
    ///
    /// # Errors
    /// As [`Http::get_json`].
    pub async fn post_json(
        &self,
        url: Url,
        query: &[(&str, &str)],
        body: &Value,
        who: &Credentials,
    ) -> Result<Value, ToolError> {
        self.json(self.client.post(url).query(query).json(body), who).await
    }

    /// Sends a request with, perhaps, a JSON body; answers with the status, whatever it is, and the bounded body.
    ///
    /// # Errors
    /// A lost connection is [`ToolError::Retry`], a body that is too large [`ToolError::BadQuery`].
    pub async fn exchange(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
        who: &Credentials,
    ) -> Result<(StatusCode, Vec<u8>), ToolError> {
        let (status, _, body) = self.exchange_whole(method, url, body, who).await?;
        Ok((status, body))
    }

    /// The same, with the answer's headers.
    ///
    /// # Errors
    /// As [`Http::exchange`].
    pub async fn exchange_whole(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
        who: &Credentials,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), ToolError> {
        let request = self.client.request(method, url);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.answer(request, who).await
    }

    /// Posts bytes with exactly these headers besides our name; answers with the status, whatever it is, the answer's
    /// headers and its bounded body.
    ///
    /// # Errors
    /// As [`Http::exchange`].
    pub async fn post_bytes(
        &self,
        url: Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), ToolError> {
        self.send(Method::POST, url, headers, body).await
    }

    /// Sends bytes with exactly these headers besides our name; answers as [`Http::post_bytes`] does.
    ///
    /// # Errors
    /// As [`Http::exchange`].
    pub async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), ToolError> {
        let request = self.client.request(method, url).headers(headers).body(body);
        let mut answer = request.send().await.map_err(away)?;
        let headers = std::mem::take(answer.headers_mut());
        Ok((answer.status(), headers, self.body(answer).await?))
    }

    /// Posts a form to who answers with XML unless JSON is asked for.
    ///
    /// # Errors
    /// As [`Http::get_json`].
    pub async fn post_form_for_json(&self, url: Url, form: &[(&str, &str)]) -> Result<Value, ToolError> {
        self.json(self.client.post(url).header("accept", "application/json").form(form), &Credentials::None).await
    }

    /// Posts bytes exactly as they are, under these headers. Of the answer only the beginning is read.
    ///
    /// # Errors
    /// Why no answer came: a sentence without the URL, which may hold a secret.
    pub async fn post(&self, url: Url, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Said, String> {
        let request = self.client.post(url).body(body);
        said(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    async fn json(&self, request: RequestBuilder, who: &Credentials) -> Result<Value, ToolError> {
        let (status, _, body) = self.answer(request, who).await?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| ToolError::BadQuery(format!("the answer is not JSON: {error}")))
    }

    async fn answer(
        &self,
        request: RequestBuilder,
        who: &Credentials,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), ToolError> {
        let request = match who {
            Credentials::None => request,
            Credentials::Bearer(token) => request.bearer_auth(token),
            Credentials::Basic(name, password) => request.basic_auth(name, Some(password)),
            Credentials::ApiKey(key) => request.header("authorization", format!("ApiKey {key}")),
        };
        let mut answer = request.send().await.map_err(away)?;
        let headers = std::mem::take(answer.headers_mut());
        Ok((answer.status(), headers, self.body(answer).await?))
    }

    async fn body(&self, mut answer: Response) -> Result<Vec<u8>, ToolError> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > self.limits.body {
                return Err(ToolError::BadQuery(format!("the answer is larger than {} bytes", self.limits.body)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// The status and the beginning of the body.
async fn said(request: RequestBuilder) -> Result<Said, String> {
    let away = |error: reqwest::Error| one_line(&error_chain(&error.without_url()), 300);
    let mut answer = request.send().await.map_err(away)?;
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let mut said = Said { status: answer.status(), retry_after: retry_after.map(str::to_owned), body: vec![] };
    // The status is the answer: a body that breaks off changes nothing.
    while let Ok(Some(chunk)) = answer.chunk().await {
        said.body.extend_from_slice(&chunk[..chunk.len().min(SAID - said.body.len())]);
        if said.body.len() == SAID {
            break;
        }
    }
    Ok(said)
}

/// An error's own text could carry credentials from the URL.
fn away(error: reqwest::Error) -> ToolError {
    ToolError::Retry(one_line(&error_chain(&error.without_url()), 300))
}

/// An error with what caused it: the library's first sentence alone rarely says what went wrong.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    text
}

fn refusal(status: StatusCode, body: &[u8]) -> ToolError {
    let text = format!("{status}: {}", one_line(&String::from_utf8_lossy(&body[..body.len().min(2000)]), 300));
    match status.as_u16() {
        401 | 403 => ToolError::Denied(text),
        408 | 429 | 500..=599 => ToolError::Retry(text),
        _ => ToolError::BadQuery(text),
    }
}
