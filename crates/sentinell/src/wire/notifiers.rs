//! The mouths that the configuration names.

use crate::config::{Config, Webhook as Hook};
use crate::mouth::Mouth;
use crate::slackbot::{self, SlackBot};
use crate::store::{Destination, Store};
use anyhow::anyhow;
use sentinell_adapters::notifiers::webhook::{Webhook, WebhookSettings};
use sentinell_core::ports::{Clock, Notifier};
use std::sync::Arc;
use std::time::Duration;

/// Where notices go and which: what the store puts into the outbox.
pub fn destinations(config: &Config) -> Vec<Destination> {
    let of = |hook: &Hook| Destination { name: hook.name.clone(), wanted: hook.wanted.clone() };
    let bot = config.slack.iter().map(|_| Destination { name: slackbot::NAME.into(), wanted: slackbot::wanted() });
    config.webhooks.iter().map(of).chain(bot).collect()
}

/// The receivers of webhooks.
///
/// # Errors
/// If the TLS backend cannot be set up.
pub fn webhooks(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Vec<Arc<dyn Notifier>>> {
    let public_url = config.public_url.as_ref().map(|url| url.as_str().to_owned());
    let of = |hook: &Hook| {
        let settings = WebhookSettings {
            name: hook.name.clone(),
            url: hook.url.clone(),
            keys: hook.keys.clone(),
            wanted: hook.wanted.clone(),
            public_url: public_url.clone(),
            timeout: Duration::from_secs(u64::from(hook.timeout_seconds)),
        };
        let webhook = Webhook::new(settings, clock.clone()).map_err(|error| anyhow!(error))?;
        Ok(Arc::new(webhook) as Arc<dyn Notifier>)
    };
    config.webhooks.iter().map(of).collect()
}

/// The mouth over all of them.
///
/// # Errors
/// If the TLS backend cannot be set up.
pub fn mouth(config: &Config, store: &Store, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<Mouth>> {
    let mut mouths = webhooks(config, clock)?;
    if let Some(settings) = &config.slack {
        let bot = SlackBot::new(store.clone(), settings, config.public_url.clone()).map_err(|error| anyhow!(error))?;
        mouths.push(Arc::new(bot));
    }
    Ok(Arc::new(Mouth::new(store.clone(), mouths, clock.clone())))
}
