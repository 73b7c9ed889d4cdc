//! Ears of our own: what a process listens to by itself, besides what is posted to it. Signals that are heard here are taken
//! in as those of the API are.

pub mod file;
pub mod poller;
pub mod tail;

use crate::api::views::new_id;
use crate::intake::Incoming;
use crate::metrics::Metrics;
use crate::store::{Accept, Receipt, Store, StoreError};
use crate::telemetry::spans;
use futures::stream::{Stream, StreamExt, TryStreamExt};
use sentinell_core::ids::{IncidentId, SignalId};
use sentinell_core::policy::Budget;
use sentinell_core::ports::Clock;
use sentinell_core::time::Timestamp;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// So many signals of one delivery are on their way to the writer at a time.
const SIDE_BY_SIDE: usize = 256;

/// What hearing takes.
#[derive(Clone)]
pub struct Ear {
    /// Where signals go.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters of this process.
    pub metrics: Arc<Metrics>,
}

impl Ear {
    /// Takes a signal in.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub async fn take(&self, incoming: Incoming, raw: [u8; 32]) -> Result<Receipt, StoreError> {
        take(&self.store, &self.metrics, incoming, raw).await
    }

    /// Takes the signals of one delivery in, as [`take_all`].
    ///
    /// # Errors
    /// As [`Store::accept`]: the first that failed.
    pub async fn take_all(&self, delivery: Vec<Incoming>, raw: [u8; 32]) -> Result<Vec<Receipt>, StoreError> {
        take_all(&self.store, &self.metrics, delivery, raw).await?.try_collect().await
    }

    /// A new signal's id.
    pub fn signal_id(&self, at: Timestamp) -> SignalId {
        SignalId(new_id("sig_", at))
    }
}

/// Everything that a process listens to by itself.
pub struct Ears {
    /// Followed files.
    pub follows: Vec<tail::Follow>,
    /// Checks by the clock.
    pub poller: Option<poller::Poller>,
}

impl Ears {
    /// Listens until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut all = tokio::task::JoinSet::new();
        for follow in self.follows {
            all.spawn(follow.run(stop.clone()));
        }
        if let Some(poller) = self.poller {
            all.spawn(poller.run(stop));
        }
        while let Some(ended) = all.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "an ear gave up");
            }
        }
    }
}

/// Takes a signal in, counted and traced. `raw` is the SHA-256 of the bytes as they came in.
///
/// # Errors
/// As [`Store::accept`].
pub async fn take(store: &Store, metrics: &Metrics, incoming: Incoming, raw: [u8; 32]) -> Result<Receipt, StoreError> {
    let budget = store.budget().await?;
    hear(store, metrics, incoming, raw, budget).await
}

/// Takes the signals of one delivery in, side by side so that they share commits, and in their order: the first of them
/// opens the incident that the others join. Answers come in that order too.
///
/// # Errors
/// If the policy cannot be read; of the signals, each for itself, as [`Store::accept`].
pub async fn take_all(
    store: &Store,
    metrics: &Metrics,
    delivery: Vec<Incoming>,
    raw: [u8; 32],
) -> Result<impl Stream<Item = Result<Receipt, StoreError>>, StoreError> {
    // Beforehand, for all of them: whoever waits for it on the way to the writer is overtaken.
    let budget = store.budget().await?;
    let heard = delivery.into_iter().map(move |incoming| hear(store, metrics, incoming, raw, budget));
    Ok(futures::stream::iter(heard).buffered(SIDE_BY_SIDE))
}

async fn hear(
    store: &Store,
    metrics: &Metrics,
    incoming: Incoming,
    raw_sha256: [u8; 32],
    budget: Budget,
) -> Result<Receipt, StoreError> {
    let Incoming { signal, fingerprint } = incoming;
    let new_incident = IncidentId(new_id("inc_", signal.received_at));
    let accept = Accept { new_incident, signal, fingerprint, raw_sha256, budget };
    let span = spans::accept(&accept.signal.source, &accept.fingerprint);
    let began = Instant::now();
    let taken = store.accept(accept).instrument(span.clone()).await;
    let decision = metrics.signal(&taken, began.elapsed());
    let receipt = taken?;
    spans::accepted(&span, receipt.incident.as_ref().map(|incident| &incident.id), decision);
    Ok(receipt)
}
