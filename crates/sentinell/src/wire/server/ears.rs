//! What a process listens to by itself, as the configuration names it.

use crate::config::Config;
use crate::ears::poller::Poller;
use crate::ears::tail::Follow;
use crate::ears::{Ear, Ears};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::wire::checks::Checks;
use sentinell_core::ports::Clock;
use std::sync::Arc;
use std::time::Duration;

/// The followed files and the checks by the clock.
pub(super) fn ears(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    holder: &str,
) -> Ears {
    let ear = Ear { store: store.clone(), clock: clock.clone(), metrics: metrics.clone() };
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let follow = |tail: &crate::config::Tail| {
        Follow::new(ear.clone(), tail.clone(), config.log_threshold, holder.to_owned(), machine.trim())
    };
    let follows = config.tails.iter().map(follow).collect();
    let polls = config.worker.auto_poll && config.checked_repos().next().is_some();
    let every = Duration::from_secs(u64::from(config.worker.poll_interval_seconds));
    let names = || config.checked_repos().cloned().collect();
    let poller = polls.then(|| Poller::new(ear.clone(), Arc::new(Checks::of(config)), names(), every));
    Ears { follows, poller }
}
