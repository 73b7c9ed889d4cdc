//! Answers that are read while they are written, with a bound on every wait.

use super::{Client, StatusCode, Url, client};
use crate::text::one_line;
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What one streamed exchange may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Time to a connection.
    pub connect: Duration,
    /// Time from sending to the head of the answer, the connection included.
    pub first_byte: Duration,
    /// Time without a byte.
    pub between: Duration,
    /// Time for the whole exchange.
    pub total: Duration,
    /// Bytes of the whole answer; a longer one is refused.
    pub body: usize,
}

impl Default for StreamLimits {
    /// A model may think for minutes before its first word, without a sign of life.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(600),
            between: Duration::from_secs(180),
            total: Duration::from_secs(300),
            body: 32 << 20,
        }
    }
}

/// Why an answer did not come to its end. The text is one bounded line without the URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// No connection, too slow, or cut short.
    Away(String),
    /// More bytes than allowed.
    TooLarge(String),
}

/// A client for streamed answers.
#[derive(Debug, Clone)]
pub struct Streams {
    client: Client,
    limits: StreamLimits,
}

/// An answer that is being read. Dropping it hangs up.
#[derive(Debug)]
pub struct Incoming {
    answer: reqwest::Response,
    ends: Instant,
    limits: StreamLimits,
    left: usize,
}

impl Streams {
    /// A client.
    ///
    /// # Errors
    /// If the TLS backend cannot be set up.
    pub fn new(limits: StreamLimits) -> Result<Self, String> {
        let client = client(limits.connect).build().map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Self { client, limits })
    }

    /// The same, which connects to `host` at these addresses and no others: they were looked up and judged before.
    ///
    /// # Errors
    /// As [`Streams::new`].
    pub fn pinned(limits: StreamLimits, host: &str, addresses: &[SocketAddr]) -> Result<Self, String> {
        let client = client(limits.connect).resolve_to_addrs(host, addresses).build();
        Ok(Self { client: client.map_err(|error| format!("no HTTP client: {error}"))?, limits })
    }

    /// Posts a JSON document; answers when the head of the answer is there, whatever its status.
    ///
    /// # Errors
    /// [`Lost::Away`].
    pub async fn post(&self, url: Url, headers: HeaderMap, body: &Value) -> Result<Incoming, Lost> {
        self.send(self.client.post(url).headers(headers).json(body)).await
    }

    /// Reads an address; answers when the head of the answer is there, whatever its status.
    ///
    /// # Errors
    /// [`Lost::Away`].
    pub async fn get(&self, url: Url, headers: HeaderMap) -> Result<Incoming, Lost> {
        self.send(self.client.get(url).headers(headers)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Incoming, Lost> {
        let ends = Instant::now() + self.limits.total;
        let patience = self.limits.first_byte.min(self.limits.total);
        let sent = timeout(patience, request.send()).await;
        let answer = match sent {
            Ok(answer) => answer.map_err(away)?,
            Err(_) => return Err(Lost::Away(format!("no answer within {} s", patience.as_secs_f32()))),
        };
        Ok(Incoming { answer, ends, limits: self.limits, left: self.limits.body })
    }
}

impl Incoming {
    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        self.answer.status()
    }

    /// The answer's headers.
    pub fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }

    /// The next bytes as they came, `None` at the end.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Lost> {
        let left = self.ends.saturating_duration_since(Instant::now());
        let patience = self.limits.between.min(left);
        let chunk = match timeout(patience, self.answer.chunk()).await {
            Ok(chunk) => chunk.map_err(away)?,
            Err(_) if patience == left => {
                let total = self.limits.total.as_secs_f32();
                return Err(Lost::Away(format!("the answer was not complete within {total} s")));
            }
            Err(_) => return Err(Lost::Away(format!("silent for {} s", patience.as_secs_f32()))),
        };
        let Some(chunk) = chunk else { return Ok(None) };
        let Some(rest) = self.left.checked_sub(chunk.len()) else {
            return Err(Lost::TooLarge(format!("the answer is larger than {} bytes", self.limits.body)));
        };
        self.left = rest;
        Ok(Some(chunk.to_vec()))
    }

    /// At most `max` bytes of what is left; what cannot be read is left out.
    pub async fn head(mut self, max: usize) -> Vec<u8> {
        let mut body = Vec::new();
        while body.len() < max {
            match self.next().await {
                Ok(Some(chunk)) => body.extend(chunk),
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(max);
        body
    }
}

/// The error and its causes, without the URL: it could carry credentials.
fn away(error: reqwest::Error) -> Lost {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    Lost::Away(one_line(&text, 300))
}
