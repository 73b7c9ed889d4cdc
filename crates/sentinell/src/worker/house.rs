//! Keeping house: what has expired is dropped in small batches, beside the work.

use super::Worker;
use crate::store::{Dropped, Expiry, Result, Retention};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pause between batches, so that signals and steps come first.
const PAUSE: Duration = Duration::from_millis(100);
/// How often to ask whether it is time.
const ASK: Duration = Duration::from_secs(60);
impl Worker {
    /// Drops what has expired, until `stop`; of several processes one has the turn.
    pub(super) async fn keep_house(&self, stop: CancellationToken) {
        let Some(retention) = self.retention else { return };
        let every = i64::from(retention.every_minutes) * 60_000;
        loop {
            match self.store.take_turn_to_tidy(self.clock.now(), every).await {
                Ok(true) => self.tidy(&retention, &stop).await,
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "not the moment to tidy up"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ASK) => {}
            }
        }
    }

    async fn tidy(&self, retention: &Retention, stop: &CancellationToken) {
        let (expiry, mut all) = (retention.at(self.clock.now()), Dropped::default());
        while !stop.is_cancelled() {
            match self.tidy_some(&expiry).await {
                Ok(dropped) if dropped.rows() == 0 => break,
                Ok(dropped) => all.add(dropped),
                Err(error) => {
                    tracing::warn!(%error, "what has expired could not be dropped; trying again later");
                    break;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        if all.rows() > 0 {
            let Dropped { signals, observations, incidents, entries, answers } = all;
            tracing::info!(signals, observations, incidents, entries, answers, "dropped what had expired");
        }
    }

    async fn tidy_some(&self, expiry: &Expiry) -> Result<Dropped> {
        let dropped = self.store.drop_some(expiry).await?;
        for (what, rows) in dropped.by_kind() {
            self.metrics.dropped(what, rows);
        }
        Ok(dropped)
    }
}
