//! Who follows the memory beside the work: what gives records their meaning, what puts vectors where nearness is looked up,
//! what mirrors them elsewhere. Each is led by one process at a time, tries again after trouble, waiting longer each time, and
//! is never part of a request.

mod embedder;
mod mirror;
mod nearness;

pub use embedder::Embedder;
pub use mirror::Mirror;
pub(super) use mirror::namespace;
pub use nearness::Near;

use crate::store::{Store, StoreError};
use sentinell_core::ports::{BoxFuture, Clock};
use sentinell_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long one process leads without saying so again, seconds.
const LEAD: i64 = 60;
/// How long a follower waits when there is nothing to do, and between batches.
const IDLE: Duration = Duration::from_secs(2);
const BREATH: Duration = Duration::from_millis(20);
/// How long it waits after trouble, at first and at most.
const TROUBLE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// Writes waiting that are too many to join in.
const PRESSURE: usize = 4;

/// One who follows.
pub trait Follower: Send + Sync {
    /// What it is, in a word.
    fn name(&self) -> &'static str;
    /// One batch; whether there was anything.
    ///
    /// # Errors
    /// What stands in the way: it is tried again later.
    fn step(&self) -> BoxFuture<'_, Result<bool, String>>;
}

/// How far one has come, under a name that says what it is about.
struct Progress {
    store: Store,
    source: String,
    begun: AtomicBool,
}

impl Progress {
    fn new(store: Store, source: String) -> Self {
        Self { store, source, begun: AtomicBool::new(false) }
    }

    /// How far. The name is taken up once: an idle house writes nothing.
    async fn position(&self) -> Result<u64, String> {
        if self.begun.load(Ordering::Relaxed) {
            return self.store.remembered(&self.source).await.map_err(said);
        }
        let position = self.store.follow_context(&self.source).await.map_err(said)?;
        self.begun.store(true, Ordering::Relaxed);
        Ok(position)
    }
}

fn said(error: StoreError) -> String {
    error.to_string()
}

/// Follows until dropped.
pub async fn follow(store: Store, clock: Arc<dyn Clock>, follower: Arc<dyn Follower>) {
    let (mut until, mut wait, mut told) = (Timestamp(0), TROUBLE, false);
    loop {
        let now = clock.now();
        let next = now.plus_seconds(LEAD);
        // Somewhat before it ends, so that nobody else takes over meanwhile.
        let leading = now.0 < until.0 - LEAD * 500
            || match store.lead_context(follower.name(), until, now, next).await {
                Ok(leading) => {
                    until = if leading { next } else { Timestamp(0) };
                    leading
                }
                Err(_) => false,
            };
        let pause = match leading {
            false => IDLE * 5,
            true => match follower.step().await {
                Ok(more) => {
                    if std::mem::take(&mut told) {
                        tracing::info!(follower = follower.name(), "the memory's follower works again");
                    }
                    wait = TROUBLE;
                    if more { BREATH } else { IDLE }
                }
                Err(why) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(
                            follower = follower.name(),
                            why,
                            "the memory's follower is held up; it tries again"
                        );
                    }
                    let longer = (wait * 2).min(LONGEST);
                    std::mem::replace(&mut wait, longer)
                }
            },
        };
        tokio::time::sleep(pause).await;
        while store.pressure() > PRESSURE {
            tokio::time::sleep(IDLE / 10).await;
        }
    }
}
