//! What tokens cost: a dated table, and arithmetic that rounds up.

use crate::investigation::Usage;
use serde::{Deserialize, Serialize};

/// The day on which the figures of the table were last compared with the providers' own pages
/// (`platform.claude.com/docs/en/about-claude/pricing`, `developers.openai.com/api/docs/pricing`).
pub const AS_OF: &str = "2026-10-27";

/// Prices of a million tokens, each in millionths of a US dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Tokens read, those from and into the provider's cache not counted.
    pub input: u64,
    /// Tokens that the provider puts into its cache.
    pub cache_write: u64,
    /// Tokens read from the provider's cache.
    pub cache_read: u64,
    /// Tokens written.
    pub output: u64,
}

/// What a model costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// The usual rates.
    pub rates: Rates,
    /// Rates of a whole request whose prompt (cached tokens included) has more tokens than this.
    pub long: Option<(u64, Rates)>,
    /// Nobody said what this model costs: these are the rates of the dearest usual model, so that a budget holds.
    pub assumed: bool,
}

impl From<Rates> for Price {
    fn from(rates: Rates) -> Self {
        Self { rates, long: None, assumed: false }
    }
}

/// What is known of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name without a date.
    pub name: &'static str,
    /// How many tokens fit, question and answer together.
    pub window: u32,
    /// What it costs.
    pub price: Price,
}

impl Price {
    /// A model on a machine of one's own.
    pub const FREE: Self = dollars(0.0, 0.0, 0.0, 0.0);
    /// For a model that the table does not know.
    pub const ASSUMED: Self = Self { assumed: true, ..dollars(15.0, 18.75, 1.5, 75.0) };

    /// What this usage costs, millionths of a US dollar, rounded up; the usage's own `micro_usd` is not looked at.
    pub fn micro_usd(&self, usage: &Usage) -> u64 {
        let prompt =
            usage.input_tokens.saturating_add(usage.cache_read_tokens).saturating_add(usage.cache_written_tokens);
        let rates = match &self.long {
            Some((above, long)) if prompt > *above => long,
            _ => &self.rates,
        };
        let parts = [
            (usage.input_tokens, rates.input),
            (usage.cache_written_tokens, rates.cache_write),
            (usage.cache_read_tokens, rates.cache_read),
            (usage.output_tokens, rates.output),
        ];
        let sum: u128 = parts.iter().map(|(tokens, rate)| u128::from(*tokens) * u128::from(*rate)).sum();
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// What the table knows of this model, whatever stands around its name: a maker (`anthropic/`, `us.anthropic.`), a date,
/// `-latest`, a provider's version (`-v1:0`), a point for a dash. Any other ending is another model.
pub fn known(name: &str) -> Option<&'static Known> {
    let name = name.trim().to_ascii_lowercase();
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = match name.find("claude") {
        Some(at) => name[at..].replace('.', "-"),
        None => name.to_owned(),
    };
    let fits = |known: &&Known| name.strip_prefix(known.name).is_some_and(only_a_version);
    TABLE.iter().filter(fits).max_by_key(|known| known.name.len())
}

fn only_a_version(tail: &str) -> bool {
    let tail = tail.strip_suffix("[1m]").unwrap_or(tail);
    if tail.is_empty() {
        return true;
    }
    let Some(rest) = tail.strip_prefix(['-', '@', ':']) else { return false };
    let digits = rest.chars().filter(char::is_ascii_digit).count();
    let plain = rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '@' | ':' | 'v'));
    matches!(rest, "latest" | "preview" | "v1" | "v1:0") || (plain && digits >= 6)
}

/// Dollars of a million tokens.
const fn dollars(input: f64, cache_write: f64, cache_read: f64, output: f64) -> Price {
    Price { rates: rates(input, cache_write, cache_read, output), long: None, assumed: false }
}

const fn rates(input: f64, cache_write: f64, cache_read: f64, output: f64) -> Rates {
    // Half a millionth: the product of a decimal price and a million is not always whole in binary.
    const fn micro(dollars: f64) -> u64 {
        (dollars * 1e6 + 0.5) as u64
    }
    Rates { input: micro(input), cache_write: micro(cache_write), cache_read: micro(cache_read), output: micro(output) }
}

const fn claude(name: &'static str, window: u32, input: f64, cache_read: f64, output: f64) -> Known {
    Known { name, window, price: dollars(input, input * 1.25, cache_read, output) }
}

/// From gpt-5.6 on, writing to the cache costs a quarter more; a prompt of more than 272,000 tokens doubles the price of
/// what is read and adds half to what is written.
const fn gpt(name: &'static str, input: f64, cache_write: f64, cache_read: f64, output: f64) -> Known {
    let long = rates(input * 2.0, cache_write * 2.0, cache_read * 2.0, output * 1.5);
    let price = Price { long: Some((272_000, long)), ..dollars(input, cache_write, cache_read, output) };
    Known { name, window: 1_050_000, price }
}

const fn older(name: &'static str, window: u32, input: f64, cache_read: f64, output: f64) -> Known {
    Known { name, window, price: dollars(input, input, cache_read, output) }
}

const fn with_long_prompts(known: Known, above: u64, times: f64) -> Known {
    let Rates { input, cache_write, cache_read, output } = known.price.rates;
    let long = rates(
        input as f64 * times / 1e6,
        cache_write as f64 * times / 1e6,
        cache_read as f64 * times / 1e6,
        output as f64 * times / 1e6,
    );
    Known { price: Price { long: Some((above, long)), ..known.price }, ..known }
}

const MILLION: u32 = 1_000_000;

static TABLE: &[Known] = &[
    claude("claude-fable-5-2", MILLION, 8.0, 0.2, 40.0),
    claude("claude-fable-5-1", MILLION, 10.0, 0.25, 50.0),
    claude("claude-fable-5", MILLION, 10.0, 1.0, 50.0),
    claude("claude-mythos-5-2", MILLION, 8.0, 0.2, 40.0),
    claude("claude-mythos-5-1", MILLION, 10.0, 0.25, 50.0),
    claude("claude-mythos-5", MILLION, 10.0, 1.0, 50.0),
    claude("claude-opus-5-5", MILLION, 4.0, 0.2, 20.0),
    claude("claude-opus-5", MILLION, 5.0, 0.5, 25.0),
    claude("claude-opus-4-8", MILLION, 5.0, 0.5, 25.0),
    claude("claude-opus-4-7", MILLION, 5.0, 0.5, 25.0),
    claude("claude-opus-4-6", MILLION, 5.0, 0.5, 25.0),
    claude("claude-opus-4-5", 200_000, 5.0, 0.5, 25.0),
    claude("claude-opus-4-1", 200_000, 15.0, 1.5, 75.0),
    claude("claude-opus-4-0", 200_000, 15.0, 1.5, 75.0),
    claude("claude-opus-4", 200_000, 15.0, 1.5, 75.0),
    claude("claude-sonnet-5-5", MILLION, 2.0, 0.1, 10.0),
    claude("claude-sonnet-5", MILLION, 2.0, 0.2, 10.0),
    claude("claude-sonnet-4-6", MILLION, 3.0, 0.3, 15.0),
    claude("claude-sonnet-4-5", 200_000, 3.0, 0.3, 15.0),
    claude("claude-sonnet-4-0", 200_000, 3.0, 0.3, 15.0),
    claude("claude-sonnet-4", 200_000, 3.0, 0.3, 15.0),
    claude("claude-3-7-sonnet", 200_000, 3.0, 0.3, 15.0),
    with_long_prompts(claude("claude-haiku-5-5", MILLION, 0.1, 0.01, 0.5), 100_000, 5.0),
    claude("claude-haiku-4-5", 200_000, 1.0, 0.1, 5.0),
    claude("claude-3-5-haiku", 200_000, 0.8, 0.08, 4.0),
    gpt("gpt-6.1-sol", 2.0, 2.5, 0.1, 10.0),
    gpt("gpt-6.1-terra", 1.0, 1.25, 0.05, 5.0),
    gpt("gpt-6-astra", 10.0, 12.5, 1.0, 50.0),
    gpt("gpt-6-sol", 2.0, 2.5, 0.2, 10.0),
    gpt("gpt-6-luna", 0.1, 0.125, 0.01, 0.5),
    gpt("gpt-5.6-sol", 4.0, 5.0, 0.4, 20.0),
    gpt("gpt-5.6-terra", 2.0, 2.5, 0.2, 12.0),
    gpt("gpt-5.6-luna", 0.2, 0.25, 0.02, 1.2),
    gpt("gpt-5.6", 4.0, 5.0, 0.4, 20.0),
    gpt("gpt-5.5", 5.0, 5.0, 0.5, 30.0),
    gpt("gpt-5.4", 2.5, 2.5, 0.25, 15.0),
    older("gpt-5.4-mini", 400_000, 0.75, 0.075, 4.5),
    older("gpt-5.4-nano", 400_000, 0.2, 0.02, 1.25),
    older("gpt-5.2", 400_000, 1.75, 0.175, 14.0),
    older("gpt-5.1", 400_000, 1.25, 0.125, 10.0),
    older("gpt-5", 400_000, 1.25, 0.125, 10.0),
    older("gpt-5-mini", 400_000, 0.25, 0.025, 2.0),
    older("gpt-5-nano", 400_000, 0.05, 0.005, 0.4),
    older("gpt-4.1", MILLION, 2.0, 0.5, 8.0),
    older("gpt-4.1-mini", MILLION, 0.4, 0.1, 1.6),
    older("gpt-4.1-nano", MILLION, 0.1, 0.025, 0.4),
    older("gpt-4o", 128_000, 2.5, 1.25, 10.0),
    older("gpt-4o-mini", 128_000, 0.15, 0.075, 0.6),
    older("o3", 200_000, 2.0, 0.5, 8.0),
    older("o4-mini", 200_000, 1.1, 0.275, 4.4),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(model: &str) -> Option<&'static str> {
        known(model).map(|known| known.name)
    }

    #[test]
    fn a_model_is_known_by_its_name_whatever_stands_around_it() {
        assert_eq!(name_of("claude-sonnet-4-20250514"), Some("claude-sonnet-4"));
        assert_eq!(name_of("claude-sonnet-5-5"), Some("claude-sonnet-5-5"));
        assert_eq!(name_of("us.anthropic.claude-opus-4-5-20251101-v1:0"), Some("claude-opus-4-5"));
        assert_eq!(name_of("anthropic/claude-opus-4.6"), Some("claude-opus-4-6"));
        assert_eq!(name_of("claude-3-7-sonnet-latest"), Some("claude-3-7-sonnet"));
        assert_eq!(name_of("openai/gpt-4o-mini-2024-07-18"), Some("gpt-4o-mini"));
        assert_eq!(name_of("GPT-5.4"), Some("gpt-5.4"));
        for other in ["gpt-5.9", "gpt-5-gigantic", "claude-opus-9", "claude-sonnet-5-7", "llama3.2", "", "claude"] {
            assert_eq!(name_of(other), None, "{other}");
        }
    }

    #[test]
    fn every_kind_of_token_has_its_own_price_and_a_fraction_is_rounded_up() {
        let usage = Usage {
            input_tokens: 1000,
            cache_written_tokens: 2000,
            cache_read_tokens: 10_000,
            output_tokens: 500,
            micro_usd: 7,
        };
        let price = known("claude-sonnet-4-5").unwrap().price;
        assert_eq!(price.micro_usd(&usage), 3000 + 7500 + 3000 + 7500);
        let crumb = Usage { cache_read_tokens: 1, ..Usage::default() };
        assert_eq!(price.micro_usd(&crumb), 1);
        assert_eq!(Price::FREE.micro_usd(&usage), 0);
        assert!(Price::ASSUMED.micro_usd(&usage) > price.micro_usd(&usage));
        let absurd = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, ..Usage::default() };
        assert_eq!(Price::ASSUMED.micro_usd(&absurd), u64::MAX);
    }

    #[test]
    fn a_long_prompt_makes_the_whole_request_dearer() {
        let price = known("claude-haiku-5-5").unwrap().price;
        let short = Usage { input_tokens: 100_000, output_tokens: 1000, ..Usage::default() };
        let long = Usage { cache_read_tokens: 1, ..short };
        assert_eq!(price.micro_usd(&short), 10_000 + 500);
        assert_eq!(price.micro_usd(&long), 50_000 + 2500 + 1);
    }

    #[test]
    fn nothing_in_the_table_is_dearer_than_what_is_assumed() {
        for row in TABLE {
            let (rates, assumed) = (row.price.long.map_or(row.price.rates, |long| long.1), Price::ASSUMED.rates);
            let usual = row.price.rates;
            assert!(usual.input <= assumed.input && usual.output <= assumed.output, "{}", row.name);
            assert!(rates.cache_read <= rates.input && rates.input <= rates.cache_write, "{}", row.name);
        }
    }

    #[test]
    fn a_price_can_be_written_in_a_configuration() {
        let written = r#"{"input":2000000,"cache_write":2500000,"cache_read":200000,"output":10000000}"#;
        let rates: Rates = serde_json::from_str(written).unwrap();
        assert_eq!(Price::from(rates), known("claude-sonnet-5").unwrap().price);
    }
}
