//! Many incidents side by side, until somebody says stop.

use super::Worker;
use super::patience::Patience;
use crate::store::{Lease, StoreError};
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
        let beat = Arc::clone(&self).heartbeat(stop.clone());
        tokio::join!(Arc::clone(&self).dispatch(stop.clone()), beat, self.keep_house(stop));
    }

    /// Claims what is due, as many at once as there are hands free, and has each worked on by itself.
    async fn dispatch(self: Arc<Self>, stop: CancellationToken) {
        let (mut news, mut working) = (self.store.subscribe(), JoinSet::new());
        while !stop.is_cancelled() {
            while working.try_join_next().is_some() {}
            news.borrow_and_update();
            let free = self.options.concurrency.max(1).saturating_sub(working.len());
            let pause = self.claim_into(&mut working, free).await;
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = working.join_next() => {}
                () = tokio::time::sleep(pause), if free > 0 => {}
                changed = news.changed(), if free > 0 => if changed.is_err() { break },
            }
        }
        while working.join_next().await.is_some() {}
    }

    /// Starts work on up to `free` due incidents; answers how long nothing more will be due.
    async fn claim_into(self: &Arc<Self>, working: &mut JoinSet<()>, free: usize) -> Duration {
        let (holder, now) = (&self.options.holder, self.clock.now());
        match self.store.claim_some(holder, now, self.lease_millis(), free).await {
            Ok(leases) => {
                let all = leases.len() == free;
                for lease in leases {
                    working.spawn(Arc::clone(self).hand(lease));
                }
                if all { self.options.poll } else { self.until_due().await }
            }
            Err(error) => {
                not_answered(&error);
                Duration::from_secs(1)
            }
        }
    }

    async fn hand(self: Arc<Self>, lease: Lease) {
        let incident = lease.incident.clone();
        match AssertUnwindSafe(self.work(lease.clone())).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                not_answered(&error);
                // The hand stays taken for a moment: a store in trouble is not asked faster.
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.give_back(&lease, error).await;
            }
            // Its lease lapses like a dead worker's, which counts against that incident; the others go on.
            Err(_) => tracing::error!(
                %incident,
                "a defect: handling an incident panicked; after three times it is left to a person"
            ),
        }
    }

    /// A store in trouble says nothing about the incident: it is given back as soon as the store answers, so that this
    /// does not count as a crash. After any other error the lease is left to lapse, which does.
    async fn give_back(&self, lease: &Lease, mut error: StoreError) {
        let mut patience = Patience::default();
        while patience.bear(error).await.is_ok() {
            match self.store.release(lease, self.clock.now()).await {
                Ok(()) => return,
                Err(next) => error = next,
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

fn not_answered(error: &StoreError) {
    if let Some(held_back) = SAID.line() {
        tracing::warn!(%error, held_back, "the store does not answer; trying again");
    }
}
