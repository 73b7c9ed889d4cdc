//! What the store knows of all processes, as metrics.

use super::outbox;
use crate::store::{Counters, OutboxCount, Result, Store, Totals};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use sentinell_core::policy::Policy;
use sentinell_core::time::Timestamp;
use std::sync::atomic::AtomicU64;

/// How many of the newest incidents times are taken from.
const NEWEST: u32 = 1000;
/// How lately a worker must have been heard of to count, milliseconds.
const LATELY: i64 = 60_000;

pub(super) type Float = Gauge<f64, AtomicU64>;
type FloatCounter = Counter<f64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Phase {
    phase: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Resolved {
    resolution: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Percentile {
    percentile: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Model {
    model: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Tokens {
    model: String,
    direction: &'static str,
}

/// A moment of the store.
pub(super) struct State {
    counters: Counters,
    totals: Totals,
    first_hypothesis: Vec<u64>,
    policy: Policy,
    workers: usize,
    outbox: Vec<OutboxCount>,
    waiting: usize,
}

/// Reads everything.
///
/// # Errors
/// If the database cannot be read.
pub(super) async fn read(store: &Store, now: Timestamp) -> Result<State> {
    let mut first_hypothesis = store.first_hypothesis_millis(NEWEST).await?;
    first_hypothesis.sort_unstable();
    Ok(State {
        counters: store.counters(now).await?,
        totals: store.totals(now, NEWEST).await?,
        first_hypothesis,
        policy: store.policy().await?.1,
        workers: store.workers(now.plus_millis(-LATELY)).await?.len(),
        outbox: store.outbox_counts().await?,
        waiting: store.pressure(),
    })
}

/// Registers everything.
pub(super) fn register(registry: &mut Registry, state: &State, ready: bool, now: Timestamp) {
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "What this is", version);
    gauge(registry, "ready", "Whether signals can be stored and somebody works on them", u64::from(ready));
    gauge(registry, "workers", "Workers heard of in the last minute", state.workers as u64);
    gauge(registry, "kill_switch", "Whether every deed is stopped", u64::from(state.policy.kill_switch.is_some()));
    incidents(registry, state);
    queue(registry, &state.counters, now);
    database(registry, state);
    models(registry, &state.totals);
    outbox::register(registry, &state.outbox, now);
    let help = "From a stored signal to the first hypothesis, newest 1000 incidents";
    times(registry, "time_to_first_hypothesis", help, &state.first_hypothesis);
    let help = "From opening to resolution, newest 1000 resolved incidents";
    times(registry, "time_to_resolution", help, &state.totals.resolution_millis);
}

fn incidents(registry: &mut Registry, state: &State) {
    let phases = Family::<Phase, Gauge>::default();
    // What has not happened yet is shown as 0, so that its first time is a change.
    for phase in ["queued", "awaiting_approval", "in_doubt", "resolved", "escalated", "dead_letter"] {
        phases.get_or_create(&Phase { phase: phase.into() }).set(0);
    }
    for (phase, count) in &state.counters.incidents_by_phase {
        phases.get_or_create(&Phase { phase: phase.clone() }).set(signed(*count));
    }
    registry.register("incidents", "Incidents by phase", phases);
    let resolutions = Family::<Resolved, Gauge>::default();
    for resolution in ["verified_fix", "self_recovered", "person", "false_alarm"] {
        resolutions.get_or_create(&Resolved { resolution: resolution.into() }).set(0);
    }
    for (resolution, count) in &state.totals.incidents_by_resolution {
        resolutions.get_or_create(&Resolved { resolution: resolution.clone() }).set(signed(*count));
    }
    registry.register("incidents_resolved", "Resolved incidents by how that came about", resolutions);
    let help = "Deeds of which nobody knows yet how they ended";
    gauge(registry, "deeds_without_outcome", help, state.counters.deeds_without_outcome);
}

fn queue(registry: &mut Registry, counters: &Counters, now: Timestamp) {
    gauge(registry, "queue_depth", "Wake-ups that are due and that nobody holds", counters.queue_depth);
    gauge(registry, "queue_leased", "Wake-ups that a worker holds", counters.leased);
    let lag = counters.oldest_due.map_or(0.0, |due| now.millis_since(due).max(0) as f64 / 1000.0);
    seconds(registry, "queue_lag", "How long the oldest due wake-up has waited", lag);
}

fn database(registry: &mut Registry, state: &State) {
    let Counters { signals_total, entries_total, commits, commands, failures, .. } = state.counters;
    counter(registry, "signals", "Signals ever taken in", signals_total);
    counter(registry, "journal_entries", "Entries ever appended", entries_total);
    counter(registry, "store_commits", "Transactions that this process committed", commits);
    counter(registry, "store_commands", "Commands in those transactions", commands);
    counter(registry, "store_failures", "Transactions of this process that were rolled back", failures);
    gauge(registry, "store_waiting", "Commands that wait for this process's next transaction", state.waiting as u64);
    if let Some(disk) = state.totals.disk {
        bytes(registry, "store_disk_free", "Free space where the database is", disk.free);
        bytes(registry, "store_disk_size", "Size of the disk where the database is", disk.size);
    }
}

fn models(registry: &mut Registry, totals: &Totals) {
    let (turns, tokens, cost) = (
        Family::<Model, Counter>::default(),
        Family::<Tokens, Counter>::default(),
        Family::<Model, FloatCounter>::default(),
    );
    for spent in &totals.spent {
        let model = Model { model: spent.reasoner.clone() };
        turns.get_or_create(&model).inc_by(spent.turns);
        cost.get_or_create(&model).inc_by(spent.micro_usd as f64 / 1e6);
        for (direction, count) in [("input", spent.input_tokens), ("output", spent.output_tokens)] {
            tokens.get_or_create(&Tokens { model: spent.reasoner.clone(), direction }).inc_by(count);
        }
    }
    registry.register("model_turns", "Turns ever taken, by reasoner", turns);
    registry.register("model_tokens", "Tokens ever used, by model and direction", tokens);
    registry.register("model_cost_usd", "Money ever spent, US dollars", cost);
    let today = Float::default();
    today.set(totals.micro_usd_today as f64 / 1e6);
    registry.register("model_cost_today_usd", "Money spent since midnight UTC, US dollars", today);
}

/// Three percentiles and how many they are taken from.
fn times(registry: &mut Registry, name: &str, help: &str, sorted_millis: &[u64]) {
    let percentiles = Family::<Percentile, Float>::default();
    for (percentile, percent) in [("50", 50), ("95", 95), ("99", 99)] {
        // Of nothing there is no percentile; not a number says so.
        let value = percentile_of(sorted_millis, percent).map_or(f64::NAN, |millis| millis as f64 / 1000.0);
        percentiles.get_or_create(&Percentile { percentile }).set(value);
    }
    registry.register_with_unit(name, help, Unit::Seconds, percentiles);
    gauge(registry, &format!("{name}_incidents"), "How many incidents that is taken from", sorted_millis.len() as u64);
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(signed(value));
    registry.register(name, help, gauge);
}

fn bytes(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(signed(value));
    registry.register_with_unit(name, help, Unit::Bytes, gauge);
}

fn seconds(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Float::default();
    gauge.set(value);
    registry.register_with_unit(name, help, Unit::Seconds, gauge);
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let counter = Counter::<u64>::default();
    counter.inc_by(value);
    registry.register(name, help, counter);
}

fn percentile_of(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
    sorted.get(rank).copied()
}

pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::percentile_of;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!([50, 95, 99].map(|percent| percentile_of(&values, percent)), [Some(50), Some(95), Some(99)]);
        assert_eq!(percentile_of(&[7], 95), Some(7));
        assert_eq!(percentile_of(&[], 95), None);
    }
}
