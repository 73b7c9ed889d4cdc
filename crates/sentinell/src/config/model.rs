//! Which language model thinks, what it may cost, and how long one waits for it.

use super::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The model where only Anthropic's key is set up.
const CLAUDE: &str = "claude-sonnet-5-5";
/// The model where only OpenAI's key is set up.
const GPT: &str = "gpt-6.1-sol";

/// Which wire a model speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Anthropic Messages.
    Anthropic,
    /// Chat completions: OpenAI, Ollama, vLLM, llama.cpp and what else speaks them.
    Openai,
    /// No model, whatever keys are set: the deterministic reasoner alone.
    None,
}

/// How a server of the second kind is held to an answer that is data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// Tools at OpenAI's own address, a schema everywhere else.
    #[default]
    Auto,
    /// The server's own tool calls.
    Tools,
    /// One JSON document held to a schema.
    Schema,
}

/// Prices of a million tokens, US dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelPrice {
    /// Read.
    pub input: f64,
    /// Put into the provider's cache.
    pub cache_write: f64,
    /// Read from the provider's cache.
    pub cache_read: f64,
    /// Written.
    pub output: f64,
}

/// A language model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Its wire; never [`Provider::None`].
    pub provider: Provider,
    /// Its name, as the provider knows it.
    pub name: String,
    /// The provider's address; none: its own.
    pub base_url: Option<String>,
    /// The key; a server of one's own may need none.
    pub key: Option<Secret>,
    /// How many tokens fit, question and answer together; none: what the table knows.
    pub window: Option<u32>,
    /// The most it may write in one turn, its thinking included, tokens.
    pub max_output_tokens: u32,
    /// Tokens that it may spend on thinking; none: the model decides.
    pub thinking_tokens: Option<u32>,
    /// How hard to think, in the provider's word.
    pub effort: Option<String>,
    /// How an answer is held to its form.
    pub answers: Answers,
    /// From which confidence on a conclusion gets a second, sceptical look; none: nothing gets one.
    pub sceptic: Option<f64>,
    /// What a day (UTC) may cost, millionths of a US dollar.
    pub daily_micro_usd: u64,
    /// Prices that win over the table.
    pub price: Option<ModelPrice>,
    /// The longest that an incident waits for the model, seconds.
    pub patience_seconds: u32,
    /// The longest that one call may take, seconds.
    pub timeout_seconds: u32,
}

/// `[model]` as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawModel {
    provider: Option<Provider>,
    name: Option<String>,
    base_url: Option<String>,
    api_key: Option<Secret>,
    window: Option<u32>,
    max_output_tokens: Option<u32>,
    thinking_tokens: Option<u32>,
    effort: Option<String>,
    answers: Answers,
    sceptic: Option<bool>,
    sceptic_from: Option<f64>,
    daily_budget_usd: Option<f64>,
    price: Option<ModelPrice>,
    patience_seconds: Option<u32>,
    timeout_seconds: Option<u32>,
    #[serde(skip)]
    anthropic: Account,
    #[serde(skip)]
    openai: Account,
}

/// What the environment says about one provider.
#[derive(Debug, Default)]
struct Account {
    key: Option<Secret>,
    base_url: Option<String>,
}

impl Account {
    fn is_set(&self) -> bool {
        self.key.is_some() || self.base_url.is_some()
    }
}

impl RawModel {
    /// Lays environment variables over the file.
    pub(super) fn lay_environment(&mut self, variables: &BTreeMap<String, String>) {
        let get = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let account = |key: &str, url: &str| Account { key: get(key).map(Secret::new), base_url: get(url) };
        match get("SENTINELL_MODEL") {
            Some(word) if word == "none" => self.provider = Some(Provider::None),
            Some(name) => self.name = Some(name),
            None => {}
        }
        self.anthropic = account("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL");
        self.openai = account("OPENAI_API_KEY", "OPENAI_BASE_URL");
    }

    /// The finished section; none without a key or an address of a server that needs none.
    pub(super) fn check(self, problems: &mut Vec<String>) -> Option<Model> {
        let provider = self.provider()?;
        let account = if provider == Provider::Anthropic { self.anthropic } else { self.openai };
        let base_url = self.base_url.or(account.base_url);
        let key = self.api_key.or(account.key);
        if key.is_none() && base_url.is_none() {
            return None;
        }
        let default = if provider == Provider::Anthropic { CLAUDE } else { GPT };
        let name = self.name.unwrap_or_else(|| {
            if base_url.is_some() && provider == Provider::Openai {
                problems.push(
                    "model.name (SENTINELL_MODEL): missing; name a model that the server at OPENAI_BASE_URL serves"
                        .into(),
                );
            }
            default.to_owned()
        });
        let mut between = |name: &str, value: u32, low: u32, high: u32| {
            if value < low || value > high {
                problems.push(format!("model.{name}: {value} is out of range; {low} to {high}"));
            }
            value
        };
        let model = Model {
            provider,
            name,
            base_url,
            key,
            window: self.window.map(|window| between("window", window, 2_048, 10_000_000)),
            max_output_tokens: between("max_output_tokens", self.max_output_tokens.unwrap_or(8_192), 256, 200_000),
            thinking_tokens: self.thinking_tokens.map(|tokens| between("thinking_tokens", tokens, 1_024, 190_000)),
            effort: self.effort,
            answers: self.answers,
            sceptic: self.sceptic.unwrap_or(true).then(|| self.sceptic_from.unwrap_or(0.6)),
            daily_micro_usd: micro_usd(self.daily_budget_usd.unwrap_or(25.0)),
            price: self.price,
            patience_seconds: between("patience_seconds", self.patience_seconds.unwrap_or(600), 1, 86_400),
            timeout_seconds: between("timeout_seconds", self.timeout_seconds.unwrap_or(300), 5, 3_600),
        };
        model.check(self.daily_budget_usd, problems);
        Some(model)
    }

    fn provider(&self) -> Option<Provider> {
        let named_claude = self.name.as_ref().map(|name| name.contains("claude"));
        match (self.provider, named_claude) {
            (Some(Provider::None), _) => None,
            (Some(provider), _) => Some(provider),
            // A gateway may serve it on the other wire.
            (None, Some(true)) if !self.anthropic.is_set() && self.openai.base_url.is_some() => Some(Provider::Openai),
            (None, Some(true)) => Some(Provider::Anthropic),
            (None, Some(false)) => Some(Provider::Openai),
            (None, None) if self.anthropic.is_set() => Some(Provider::Anthropic),
            (None, None) if self.openai.is_set() || self.base_url.is_some() => Some(Provider::Openai),
            (None, None) => Some(Provider::Anthropic),
        }
    }
}

impl Model {
    fn check(&self, daily: Option<f64>, problems: &mut Vec<String>) {
        if self.name.trim().is_empty() || self.name.len() > 200 || self.name.contains(char::is_control) {
            problems.push("model.name (SENTINELL_MODEL): 1 to 200 printable characters".into());
        }
        if self.base_url.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            // The address is not repeated: it may carry a password.
            problems.push(
                "model.base_url (ANTHROPIC_BASE_URL, OPENAI_BASE_URL): must begin with http:// or https://".into(),
            );
        }
        if self.sceptic.is_some_and(|from| !(0.0..=1.0).contains(&from)) {
            problems.push("model.sceptic_from: a confidence, 0 to 1".into());
        }
        if daily.is_some_and(|usd| !usd.is_finite() || usd <= 0.0 || usd > 100_000.0) {
            problems.push(
                "model.daily_budget_usd: more than 0 and at most 100000; to use no model set SENTINELL_MODEL=none"
                    .into(),
            );
        }
        if self.thinking_tokens.is_some_and(|tokens| tokens >= self.max_output_tokens) {
            problems
                .push("model.thinking_tokens: must be less than model.max_output_tokens, which it is part of".into());
        }
        let effort =
            |word: &String| word.is_empty() || word.len() > 20 || !word.chars().all(|c| c.is_ascii_lowercase());
        if self.effort.as_ref().is_some_and(effort) {
            problems.push("model.effort: one word in lower case, such as low, medium or high".into());
        }
        let prices = self.price.map(|price| [price.input, price.cache_write, price.cache_read, price.output]);
        if prices.is_some_and(|prices| prices.iter().any(|usd| !(0.0..=100_000.0).contains(usd))) {
            problems.push("model.price: dollars for a million tokens, 0 to 100000".into());
        }
    }
}

/// Dollars as millionths.
pub fn micro_usd(dollars: f64) -> u64 {
    // Out-of-range numbers are problems of their own; the cast saturates.
    (dollars * 1e6).round() as u64
}
