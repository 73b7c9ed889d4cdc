//! Many incidents side by side, until somebody says stop.

use super::Worker;
use crate::telemetry::Seldom;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

static SAID: Seldom = Seldom::new();
static BEAT: Seldom = Seldom::new();

impl Worker {
    /// Works until `stop`, then lets the claims at hand come to their next wait and returns.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut slots = JoinSet::new();
        for _ in 0..self.options.concurrency.max(1) {
            slots.spawn(Arc::clone(&self).slot(stop.clone()));
        }
        let beat = Arc::clone(&self).heartbeat(stop.clone());
        tokio::join!(async { while slots.join_next().await.is_some() {} }, beat, self.keep_house(stop));
    }

    async fn slot(self: Arc<Self>, stop: CancellationToken) {
        let mut news = self.store.subscribe();
        while !stop.is_cancelled() {
            let pause = match AssertUnwindSafe(self.work_once()).catch_unwind().await {
                Ok(Ok(true)) => continue,
                Ok(Ok(false)) => self.until_due().await,
                Ok(Err(error)) => {
                    if let Some(held_back) = SAID.line() {
                        tracing::warn!(%error, held_back, "the store does not answer; trying again");
                    }
                    Duration::from_secs(1)
                }
                // Its lease lapses like a dead worker's, which counts against that incident; the others go on.
                Err(_) => {
                    tracing::error!(
                        "a defect: handling an incident panicked; after three times it is left to a person"
                    );
                    continue;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                changed = news.changed() => if changed.is_err() { return },
            }
        }
    }

    /// How long to sleep: until the next wake-up, but never longer than one poll, since other processes bring work too.
    async fn until_due(&self) -> Duration {
        match self.store.next_due().await {
            Ok(Some(due)) => {
                let millis = due.millis_since(self.clock.now()).max(5);
                self.options.poll.min(Duration::from_millis(millis.unsigned_abs()))
            }
            Ok(None) | Err(_) => self.options.poll,
        }
    }

    /// Tells the store, and so `/api/ready`, that this worker lives.
    async fn heartbeat(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let beaten = self.store.heartbeat(&self.options.holder, self.clock.now()).await;
            if let Some((error, held_back)) = beaten.err().and_then(|error| Some((error, BEAT.line()?))) {
                tracing::warn!(%error, held_back, "the worker's heartbeat could not be written");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(5)) => {}
            }
        }
    }
}
