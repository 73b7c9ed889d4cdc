//! Requests that change something: sent once, and whether they left at all is known afterwards.

use super::{HeaderMap, Http, Method, StatusCode, Url, error_chain};
use crate::text::one_line;
use sentinell_core::ports::ActError;
use std::time::Duration;

/// What was answered.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The status, whatever it is.
    pub status: StatusCode,
    /// The beginning of the body, as much as the client's limit allows.
    pub body: Vec<u8>,
}

/// Why nothing was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undelivered {
    /// No connection came about: certainly nobody was asked.
    NotSent(String),
    /// The connection broke or time ran out after it stood: nobody knows.
    Lost(String),
}

impl From<Undelivered> for ActError {
    fn from(why: Undelivered) -> Self {
        match why {
            Undelivered::NotSent(why) => Self::NotStarted(why),
            Undelivered::Lost(why) => Self::Unknown(why),
        }
    }
}

impl Http {
    /// Sends bytes with exactly these headers besides our name, within `time`. Never sent twice: of a connection that broke before
    /// the first byte left, the library may use another.
    ///
    /// # Errors
    /// Whether it may have arrived; a sentence without the URL, which may hold a secret.
    pub async fn deliver(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Vec<u8>,
        time: Duration,
    ) -> Result<Delivered, Undelivered> {
        let request = self.client.request(method, url).headers(headers).body(body).timeout(time);
        let mut answer = request.send().await.map_err(|error| {
            let before = error.is_connect() || error.is_builder();
            let why = one_line(&error_chain(&error.without_url()), 300);
            if before { Undelivered::NotSent(why) } else { Undelivered::Lost(why) }
        })?;
        let mut delivered = Delivered { status: answer.status(), body: vec![] };
        // The status is the answer: a body that breaks off changes nothing.
        while let Ok(Some(chunk)) = answer.chunk().await {
            let room = self.limits.body - delivered.body.len();
            delivered.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if delivered.body.len() == self.limits.body {
                break;
            }
        }
        Ok(delivered)
    }
}
