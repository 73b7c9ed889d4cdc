//! The mind that the configuration names: a language model before the deterministic reasoner, or that one alone.

use crate::config::{Answers, Model as Wanted, ModelPrice, Provider, micro_usd};
use crate::reasoner::{Deterministic, Settings, Thinking};
use crate::store::Store;
use anyhow::anyhow;
use sentinell_adapters::models::{self, Anthropic, ModelSettings, OpenAi, Secret, StreamLimits};
use sentinell_core::investigation::Usage;
use sentinell_core::model::Model;
use sentinell_core::ports::{Actuator, Clock, Reasoner};
use sentinell_core::price::{Price, Rates, known};
use sentinell_core::prompt::Room;
use std::sync::Arc;
use std::time::Duration;

/// Wires it.
///
/// # Errors
/// When the provider's address or the model's name makes no sense.
pub(super) fn mind(
    wanted: Option<&Wanted>,
    deterministic: Deterministic,
    hands: &[Arc<dyn Actuator>],
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn Reasoner>> {
    let Some(wanted) = wanted else { return Ok(Arc::new(deterministic)) };
    let model = model(wanted).map_err(|why| anyhow!("the model `{}`: {why}", wanted.name))?;
    let price = price(wanted);
    if price.assumed {
        tracing::warn!(model = wanted.name, "no price is known; the dearest usual one is assumed, set [model.price]");
    }
    let settings = Settings {
        room: Room::new(model.window(), wanted.max_output_tokens),
        sceptic: wanted.sceptic,
        patience: Duration::from_secs(u64::from(wanted.patience_seconds)),
        daily_micro_usd: wanted.daily_micro_usd,
        price: Arc::new(move |usage: &Usage| price.micro_usd(usage)),
    };
    tracing::info!(model = wanted.name, window = model.window(), "a language model thinks along");
    let actions = hands.iter().flat_map(|hand| hand.kinds()).collect();
    Ok(Arc::new(Thinking::new(model, deterministic, actions, store.clone(), clock.clone(), settings)))
}

fn model(wanted: &Wanted) -> Result<Arc<dyn Model>, String> {
    let defaults = ModelSettings::new(&wanted.name);
    let limit = Duration::from_secs(u64::from(wanted.timeout_seconds));
    let limits = StreamLimits::default();
    let settings = ModelSettings {
        base_url: wanted.base_url.clone().unwrap_or_default(),
        key: wanted.key.as_ref().map(|key| Secret::new(key.expose())),
        window: wanted.window.unwrap_or(defaults.window),
        price: Some(price(wanted)),
        limits: StreamLimits {
            first_byte: limits.first_byte.min(limit),
            between: limits.between.min(limit),
            total: limit,
            ..limits
        },
        thinking_budget: wanted.thinking_tokens,
        effort: wanted.effort.clone(),
        answers: match wanted.answers {
            Answers::Auto => models::Answers::Auto,
            Answers::Tools => models::Answers::Tools,
            Answers::Schema => models::Answers::Schema,
        },
        ..defaults
    };
    Ok(match wanted.provider {
        Provider::Anthropic => Arc::new(Anthropic::new(settings)?),
        Provider::Openai | Provider::None => Arc::new(OpenAi::new(settings)?),
    })
}

/// What the operator says, else what the table says; a model of one's own without a key costs nothing.
fn price(wanted: &Wanted) -> Price {
    match (wanted.price, &wanted.key) {
        (Some(ModelPrice { input, cache_write, cache_read, output }), _) => {
            let [input, cache_write, cache_read, output] = [input, cache_write, cache_read, output].map(micro_usd);
            Rates { input, cache_write, cache_read, output }.into()
        }
        (None, None) => Price::FREE,
        (None, Some(_)) => known(&wanted.name).map_or(Price::ASSUMED, |known| known.price),
    }
}
