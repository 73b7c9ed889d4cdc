//! What the process says about itself: lines for a person on a terminal, JSON for a machine otherwise, always on standard
//! error, so that answers on standard output stay clean; and, where somebody asked for it, traces and metrics as
//! OpenTelemetry spells them.

mod otlp;
pub mod spans;

use crate::config;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing_subscriber::filter::{EnvFilter, FilterFn, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

/// How often a line that comes again and again is written.
const SELDOM: Duration = Duration::from_secs(30);
/// How long what is still to be delivered may hold up the end of the process.
const LAST_DELIVERY: Duration = Duration::from_secs(3);

/// Lets the same line into the log every half minute at most.
#[derive(Debug)]
pub struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Nothing was said yet.
    #[expect(clippy::new_without_default, reason = "it stands in statics, which a default cannot make")]
    pub const fn new() -> Self {
        Self(Mutex::new((None, 0)))
    }

    /// Whether the line may be written now; if so, how many were held back since the last one.
    pub fn line(&self) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.0.is_some_and(|at| at.elapsed() < SELDOM) {
            said.1 += 1;
            return None;
        }
        said.0 = Some(Instant::now());
        Some(std::mem::take(&mut said.1))
    }
}

/// What delivers traces and metrics; both none where nobody asked for it.
#[must_use = "what is still to be delivered is lost without `close`"]
#[derive(Debug)]
pub struct Exports {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

/// Starts logging with a filter as `tracing` spells it (`info`, `warn,sentinell=debug`), and the delivery of traces and
/// metrics. Has to be called where the runtime is. A second call changes nothing about logging.
///
/// # Errors
/// A sentence saying what is wrong with the filter or an endpoint.
pub fn start(filter: &str, settings: &config::Telemetry) -> Result<Exports, String> {
    // A server remarks at every start that our tables are there.
    let whole =
        if filter.contains("sqlx") { filter.to_owned() } else { format!("{filter},sqlx::postgres::notice=warn") };
    let filter = EnvFilter::try_new(whole)
        .map_err(|error| format!("log: `{filter}` is no filter ({error}); write info, or warn,sentinell=debug"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match std::io::stderr().is_terminal() {
        true => lines.with_target(false).boxed(),
        false => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let exports = Exports { traces: otlp::traces(settings)?, metrics: otlp::metrics(settings)? };
    let traced = exports.traces.as_ref().map(|provider| {
        opentelemetry::global::set_tracer_provider(provider.clone());
        // Only our own spans and never a log line: those may quote what came from outside.
        let ours = FilterFn::new(|about| about.is_span() && about.target() == spans::TARGET);
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(spans::TARGET))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::TRACE))
    });
    if let Some(provider) = &exports.metrics {
        opentelemetry::global::set_meter_provider(provider.clone());
    }
    // Somebody who started logging before (a test, an embedding program) keeps it.
    let _ = registry().with(traced).with(lines.with_filter(filter)).try_init();
    Ok(exports)
}

impl Exports {
    /// Delivers what is still to be delivered, for three seconds at most.
    pub async fn close(self) {
        // The library waits on the thread that calls it, so it gets threads of its own: the runtime would wait for them.
        let (traces, metrics) = (self.traces, self.metrics);
        let closing = [
            traces.map(|traces| on_a_thread(move || traces.shutdown_with_timeout(LAST_DELIVERY).is_ok())),
            metrics.map(|metrics| on_a_thread(move || metrics.shutdown().is_ok())),
        ];
        let closed = futures::future::join_all(closing.into_iter().flatten());
        let whole = tokio::time::timeout(LAST_DELIVERY, closed).await;
        if !whole.is_ok_and(|done| done.into_iter().all(|done| done == Ok(true))) {
            tracing::warn!("the last traces or metrics could not be delivered");
        }
    }
}

fn on_a_thread(work: impl FnOnce() -> bool + Send + 'static) -> tokio::sync::oneshot::Receiver<bool> {
    let (done, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || done.send(work()));
    told
}
