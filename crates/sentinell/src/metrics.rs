//! `/metrics` in the OpenMetrics text format: counters of this process, and what the store knows of all of them.

use crate::api::AppState;
use crate::api::problem::ApiError;
use crate::auth::Reading;
use crate::store::{Counters, Receipt};
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use sentinell_core::time::Timestamp;
use sentinell_core::triage::Triage;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// How many of the newest incidents the time to the first hypothesis is taken from.
const NEWEST: u32 = 1000;

type Seconds = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Named {
    decision: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Phase {
    phase: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Quantile {
    quantile: &'static str,
}

/// Counters of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Route, Counter>,
    duration: Histogram,
    signals: Family<Named, Counter>,
    streams: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("sentinell");
        let (requests, signals, streams) = (Family::default(), Family::default(), Gauge::default());
        let duration = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        registry.register("http_requests", "Requests answered", Family::clone(&requests));
        registry.register_with_unit("http_request_duration", "Time to the answer", Unit::Seconds, duration.clone());
        registry.register("signals_taken", "Signals taken in by this process, by triage", Family::clone(&signals));
        registry.register("streams_open", "Clients that follow the stream", Gauge::clone(&streams));
        Self { registry, requests, duration, signals, streams }
    }
}

impl Metrics {
    /// Counts one answered request; `route` is the pattern, never the path.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let labels = Route { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// Counts one signal that is on disk.
    pub fn signal(&self, receipt: &Receipt) {
        let decision = match receipt.triage {
            _ if receipt.duplicate => "duplicate",
            Triage::Open => "open",
            Triage::Repeat { .. } => "repeat",
            Triage::Join { .. } => "join",
            Triage::Reopen { .. } => "reopen",
            Triage::Resolve { .. } => "resolve",
            Triage::Ignore => "ignore",
        };
        self.signals.get_or_create(&Named { decision }).inc();
    }

    /// Counts one follower of the stream until the answer is dropped.
    pub fn stream(&self) -> impl Drop + Send + use<> {
        struct Follower(Gauge);
        impl Drop for Follower {
            fn drop(&mut self) {
                self.0.dec();
            }
        }
        self.streams.inc();
        Follower(self.streams.clone())
    }
}

/// Metrics in the OpenMetrics text format.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub async fn metrics(State(app): State<AppState>, _: Reading) -> Result<impl IntoResponse, ApiError> {
    let now = app.clock.now();
    let counters = app.store.counters(now).await?;
    let mut first = app.store.first_hypothesis_millis(NEWEST).await?;
    first.sort_unstable();
    let mut stored = Registry::with_prefix("sentinell");
    register(&mut stored, &counters, now);
    register_first(&mut stored, &first);
    let (mut shared, mut own) = (String::new(), String::new());
    encode(&mut shared, &stored).map_err(|error| ApiError::internal(&error))?;
    encode(&mut own, &app.metrics.registry).map_err(|error| ApiError::internal(&error))?;
    // Two registries, one exposition: only the last may say that it ends.
    let text = format!("{}{own}", shared.trim_end_matches("# EOF\n"));
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

fn register(registry: &mut Registry, counters: &Counters, now: Timestamp) {
    let phases = Family::<Phase, Gauge>::default();
    for (phase, count) in &counters.incidents_by_phase {
        phases.get_or_create(&Phase { phase: phase.clone() }).set(signed(*count));
    }
    registry.register("incidents", "Incidents by phase", phases);
    let gauges: [(&str, &str, u64); 3] = [
        ("queue_depth", "Wake-ups that are due and that nobody holds", counters.queue_depth),
        ("queue_leased", "Wake-ups that a worker holds", counters.leased),
        ("deeds_without_outcome", "Deeds of which nobody knows yet how they ended", counters.deeds_without_outcome),
    ];
    for (name, help, value) in gauges {
        let gauge = Gauge::<i64>::default();
        gauge.set(signed(value));
        registry.register(name, help, gauge);
    }
    let totals: [(&str, &str, u64); 4] = [
        ("signals", "Signals ever taken in", counters.signals_total),
        ("journal_entries", "Entries ever appended", counters.entries_total),
        ("store_commits", "Transactions that this process committed", counters.commits),
        ("store_commands", "Commands in those transactions", counters.commands),
    ];
    for (name, help, value) in totals {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let lag = Seconds::default();
    lag.set(counters.oldest_due.map_or(0.0, |due| now.millis_since(due).max(0) as f64 / 1000.0));
    registry.register_with_unit("queue_lag", "How long the oldest due wake-up has waited", Unit::Seconds, lag);
}

/// From an acknowledged signal to the first hypothesis, over the newest incidents that have one.
fn register_first(registry: &mut Registry, sorted_millis: &[u64]) {
    let quantiles = Family::<Quantile, Seconds>::default();
    for (quantile, percent) in [("0.5", 50), ("0.95", 95), ("0.99", 99)] {
        if let Some(millis) = quantile_of(sorted_millis, percent) {
            quantiles.get_or_create(&Quantile { quantile }).set(millis as f64 / 1000.0);
        }
    }
    let help = "From a stored signal to the first hypothesis, newest 1000 incidents";
    registry.register_with_unit("time_to_first_hypothesis", help, Unit::Seconds, quantiles);
    let count = Gauge::<i64>::default();
    count.set(signed(sorted_millis.len() as u64));
    registry.register("time_to_first_hypothesis_incidents", "How many incidents that is taken from", count);
}

fn quantile_of(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
    sorted.get(rank).copied()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::quantile_of;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!([50, 95, 99].map(|percent| quantile_of(&values, percent)), [Some(50), Some(95), Some(99)]);
        assert_eq!(quantile_of(&[7], 95), Some(7));
        assert_eq!(quantile_of(&[], 95), None);
    }
}
