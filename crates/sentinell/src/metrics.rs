//! Numbers about ourselves: counters of this process, kept for `/metrics` and, where somebody asked for it, delivered
//! over OTLP under the names of OpenTelemetry's conventions; and what the store knows of all processes.

mod otlp;
mod outbox;
mod page;
mod stored;
mod text;

pub use page::{__path_metrics, metrics};

use crate::store::{Receipt, StoreError};
use otlp::Meters;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use sentinell_core::investigation::Input;
use sentinell_core::triage::Triage;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Seconds; from an idle server's answer to a request that is given up.
const ANSWER: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// What retention drops.
const RETAINED: [&str; 4] = ["signals", "observations", "incidents", "entries"];
/// Seconds; from a look at a recording to a model that thinks.
const STEP: [f64; 10] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteClass {
    method: String,
    route: String,
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Decided {
    decision: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Stepped {
    step: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Failed {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Dropped {
    what: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Read {
    source: &'static str,
    fate: &'static str,
}

/// Makes histograms with these buckets.
#[derive(Clone, Debug)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// Counters of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Route, Counter>,
    answers: Family<RouteClass, Histogram, Buckets>,
    signals: Family<Decided, Counter>,
    refused: Family<Refused, Counter>,
    intake: Histogram,
    streams: Gauge,
    claims: Counter,
    leases_lost: Counter,
    steps: Family<Stepped, Histogram, Buckets>,
    turns_failed: Family<Failed, Counter>,
    dropped: Family<Dropped, Counter>,
    lines: Family<Read, Counter>,
    meters: Meters,
    unready: AtomicBool,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("sentinell"),
            requests: Family::default(),
            answers: Family::new_with_constructor(Buckets(&ANSWER)),
            signals: Family::default(),
            refused: Family::default(),
            intake: Histogram::new(ANSWER),
            streams: Gauge::default(),
            claims: Counter::default(),
            leases_lost: Counter::default(),
            steps: Family::new_with_constructor(Buckets(&STEP)),
            turns_failed: Family::default(),
            dropped: Family::default(),
            lines: Family::default(),
            meters: Meters::new(),
            unready: AtomicBool::new(false),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        // What has not happened yet is shown as 0, so that its first time is a change.
        for reason in ["busy", "unavailable", "other"] {
            self.refused.get_or_create(&Refused { reason }).inc_by(0);
        }
        for kind in ["retry", "hopeless"] {
            self.turns_failed.get_or_create(&Failed { kind }).inc_by(0);
        }
        for what in RETAINED {
            self.dropped.get_or_create(&Dropped { what }).inc_by(0);
        }
        let registry = &mut self.registry;
        registry.register("http_requests", "Requests answered", self.requests.clone());
        let help = "Time to the answer, by route and class of status";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, self.answers.clone());
        registry.register("signals_taken", "Signals taken in by this process, by triage", self.signals.clone());
        registry.register("signals_refused", "Signals that this process could not store", self.refused.clone());
        let help = "From a signal that has been read to its commit";
        registry.register_with_unit("intake_duration", help, Unit::Seconds, self.intake.clone());
        registry.register("streams_open", "Clients that follow the stream", self.streams.clone());
        registry.register("claims", "Incidents claimed by this process's worker", self.claims.clone());
        let help = "Claims that another worker took over before this one had let go";
        registry.register("leases_lost", help, self.leases_lost.clone());
        registry.register_with_unit("step_duration", "Time of one step of the loop", Unit::Seconds, self.steps.clone());
        registry.register("turns_failed", "Turns that no reasoner answered, by kind", self.turns_failed.clone());
        let help = "Rows that retention dropped in this process, by what they were";
        registry.register("retention_dropped", help, self.dropped.clone());
        let help = "Log lines of collectors and files: told as signals, below the threshold, or rejected";
        registry.register("log_lines", help, self.lines.clone());
    }

    /// Counts one answered request; `route` is the pattern, never the path.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let (method, route) = (method.to_owned(), route.to_owned());
        let class = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.meters.request(&method, &route, status, took);
        let classed = RouteClass { method: method.clone(), route: route.clone(), class };
        self.answers.get_or_create(&classed).observe(took.as_secs_f64());
        self.requests.get_or_create(&Route { method, route, status }).inc();
    }

    /// Counts one signal that is on disk, or could not be put there; answers where triage put it.
    pub fn signal(&self, taken: &Result<Receipt, StoreError>, took: Duration) -> &'static str {
        let receipt = match taken {
            Ok(receipt) => receipt,
            Err(error) => {
                let reason = match error {
                    StoreError::Busy => "busy",
                    StoreError::Unavailable(_) => "unavailable",
                    _ => "other",
                };
                self.refused.get_or_create(&Refused { reason }).inc();
                return "refused";
            }
        };
        let decision = match receipt.triage {
            _ if receipt.duplicate => "duplicate",
            Triage::Open => "open",
            Triage::Gather { .. } => "gather",
            Triage::Repeat { .. } => "repeat",
            Triage::Join { .. } => "join",
            Triage::Reopen { .. } => "reopen",
            Triage::Resolve { .. } => "resolve",
            Triage::Ignore => "ignore",
            Triage::Silenced { .. } => "silenced",
        };
        self.intake.observe(took.as_secs_f64());
        self.signals.get_or_create(&Decided { decision }).inc();
        self.meters.signal(decision);
        decision
    }

    /// Counts one signal that was refused unread, since no more could wait.
    pub fn shed(&self, status: u16) {
        self.refused.get_or_create(&Refused { reason: "busy" }).inc();
        self.requests.get_or_create(&Route { method: "POST".to_owned(), route: "(shed)".to_owned(), status }).inc();
    }

    /// Counts log lines that a collector or a file brought.
    pub fn lines(&self, source: &'static str, below: u64, told: u64, rejected: u64) {
        for (fate, count) in [("below", below), ("told", told), ("rejected", rejected)] {
            self.lines.get_or_create(&Read { source, fate }).inc_by(count);
        }
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

    /// Counts one claim of an incident.
    pub fn claimed(&self) {
        self.claims.inc();
    }

    /// Counts one claim that was taken over by somebody else.
    pub fn lease_lost(&self) {
        self.leases_lost.inc();
    }

    /// Counts one step of the loop.
    pub fn step(&self, step: &'static str, took: Duration) {
        self.steps.get_or_create(&Stepped { step }).observe(took.as_secs_f64());
        self.meters.step(step, took);
    }

    /// Counts what came back from a turn.
    pub fn turned(&self, input: &Input) {
        match input {
            Input::Turned { turn, .. } => self.meters.turn(&turn.by, &turn.usage),
            Input::Doubted { doubt, .. } if !doubt.by.is_empty() => self.meters.turn(&doubt.by, &doubt.usage),
            Input::NotTurned { after_millis: Some(_), .. } => self.turn_failed("retry"),
            Input::NotTurned { after_millis: None, .. } => self.turn_failed("hopeless"),
            _ => {}
        }
    }

    /// Counts a turn that was not answered.
    pub fn turn_failed(&self, kind: &'static str) {
        self.turns_failed.get_or_create(&Failed { kind }).inc();
    }

    /// Remembers whether the server is ready; answers whether that is news.
    pub fn readiness_changed(&self, ready: bool) -> bool {
        self.unready.swap(!ready, Ordering::Relaxed) == ready
    }

    /// Counts rows that retention dropped.
    pub fn dropped(&self, what: &'static str, rows: u64) {
        self.dropped.get_or_create(&Dropped { what }).inc_by(rows);
    }
}
