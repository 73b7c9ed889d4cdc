//! Language models behind the core's [`Model`](sentinell_core::model::Model): [`Anthropic`] speaks the Messages API,
//! [`OpenAi`] chat completions, as OpenAI and most servers that one can run oneself do.

pub mod anthropic;
mod exchange;
pub mod openai;
mod trouble;

pub use crate::http::StreamLimits;
pub use anthropic::Anthropic;
pub use openai::OpenAi;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue};
use sentinell_core::price::{Price, known};
use std::fmt;

/// A key: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A key as it stands; blanks around it are left out.
    pub fn new(key: &str) -> Self {
        Self(key.trim().to_owned())
    }

    /// The key itself, for a header.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How a server without or with poor tool calling still answers with data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answers {
    /// Tools on OpenAI's own servers, a schema everywhere else.
    #[default]
    Auto,
    /// The server's own tool calls.
    Tools,
    /// One JSON document held to a schema; it becomes one call.
    Schema,
}

/// What an adapter must know about its model.
#[derive(Clone)]
pub struct ModelSettings {
    /// The model's name, as the server knows it.
    pub name: String,
    /// Where the server is, with or without `/v1`; empty for the maker's own.
    pub base_url: String,
    /// The key; a server of one's own may need none.
    pub key: Option<Secret>,
    /// How many tokens fit, question and answer together.
    pub window: u32,
    /// What tokens cost; `None` asks the table. A model without a key costs nothing.
    pub price: Option<Price>,
    /// What one call may take.
    pub limits: StreamLimits,
    /// Tokens that the model may spend on thinking. Models that decide for themselves how long they think take it as a
    /// plain yes; `None` leaves it to the model.
    pub thinking_budget: Option<u32>,
    /// How hard to think, as the provider calls it (`low`, `medium`, `high`, …); `None` leaves it to the provider.
    pub effort: Option<String>,
    /// How the answer is held to its form; only for [`OpenAi`].
    pub answers: Answers,
}

impl fmt::Debug for ModelSettings {
    /// Without the address: a mistaken one may carry a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelSettings").field("name", &self.name).field("window", &self.window).finish_non_exhaustive()
    }
}

impl ModelSettings {
    /// The maker's own server without a key, the window and the price of the table; a model that is not in the table is
    /// taken to hold 32,768 tokens.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.trim().to_owned(),
            base_url: String::new(),
            key: None,
            window: known(name).map_or(32_768, |known| known.window),
            price: None,
            limits: StreamLimits::default(),
            thinking_budget: None,
            effort: None,
            answers: Answers::Auto,
        }
    }

    /// The price that applies: the configured one, nothing without a key, the table's, or else the assumed one.
    pub fn price(&self) -> Price {
        match (&self.price, &self.key) {
            (Some(price), _) => *price,
            (None, None) => Price::FREE,
            (None, Some(_)) => known(&self.name).map_or(Price::ASSUMED, |known| known.price),
        }
    }

    /// The address of `method` (`messages`) below the base.
    fn address(&self, default: &str, method: &str) -> Result<Url, String> {
        let base = if self.base_url.trim().is_empty() { default } else { self.base_url.trim() };
        let base = base.trim_end_matches('/');
        // What stands before the host may be a password: it is not repeated.
        let mut url = Url::parse(base).map_err(|error| format!("the model's address is not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("the model's address is not an http or https URL".into());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err("the model's address must not carry a name, a password or a query".into());
        }
        let path = url.path().trim_end_matches('/');
        let version = if path.ends_with("/v1") || (!path.is_empty() && default.ends_with("/v1")) { "" } else { "/v1" };
        let path = format!("{path}{version}/{method}");
        url.set_path(&path);
        Ok(url)
    }

    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || self.name.len() > 200 || self.name.contains(char::is_control) {
            return Err("the model needs a name of at most 200 characters".into());
        }
        match &self.effort {
            Some(effort)
                if effort.is_empty() || effort.len() > 20 || !effort.chars().all(|c| c.is_ascii_lowercase()) =>
            {
                Err("the effort is a word such as low, medium or high".into())
            }
            _ => Ok(()),
        }
    }

    /// The headers of every request; `name` carries the key behind `before`.
    fn headers(&self, name: &'static str, before: &str) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("text/event-stream, application/json"));
        // Compressed answers are neither needed nor unpacked: there is no bomb to defuse.
        headers.insert("accept-encoding", HeaderValue::from_static("identity"));
        if let Some(key) = &self.key {
            let value = HeaderValue::from_str(&format!("{before}{}", key.expose()));
            let mut value = value.map_err(|_| "the key has characters that no key has".to_owned())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }
}
