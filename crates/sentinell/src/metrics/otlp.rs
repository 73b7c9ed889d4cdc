//! The same events for OpenTelemetry's own metrics, under the names of its conventions. They do nothing where nobody asked
//! for metrics.

use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};
use sentinell_core::investigation::Usage;
use std::time::Duration;

/// OpenTelemetry's instruments.
pub(super) struct Meters {
    requests: Histogram<f64>,
    signals: Counter<u64>,
    steps: Histogram<f64>,
    tokens: Histogram<u64>,
    cost: Counter<f64>,
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meters")
    }
}

impl Meters {
    /// Instruments of whatever was started before.
    pub(super) fn new() -> Self {
        let meter = global::meter("sentinell");
        Self {
            requests: meter
                .f64_histogram("http.server.request.duration")
                .with_unit("s")
                .with_boundaries(super::ANSWER.to_vec())
                .build(),
            signals: meter.u64_counter("sentinell.signals.taken").with_unit("{signal}").build(),
            steps: meter
                .f64_histogram("sentinell.step.duration")
                .with_unit("s")
                .with_boundaries(super::STEP.to_vec())
                .build(),
            tokens: meter.u64_histogram("gen_ai.client.token.usage").with_unit("{token}").build(),
            cost: meter.f64_counter("sentinell.model.cost").with_unit("USD").build(),
        }
    }

    pub(super) fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let about = [
            KeyValue::new("http.request.method", method.to_owned()),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        self.requests.record(took.as_secs_f64(), &about);
    }

    pub(super) fn signal(&self, decision: &'static str) {
        self.signals.add(1, &[KeyValue::new("sentinell.triage", decision)]);
    }

    pub(super) fn step(&self, step: &'static str, took: Duration) {
        self.steps.record(took.as_secs_f64(), &[KeyValue::new("sentinell.step", step)]);
    }

    pub(super) fn turn(&self, by: &str, usage: &Usage) {
        if by.starts_with("deterministic") {
            return;
        }
        for (kind, tokens) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
            let about = [
                KeyValue::new("gen_ai.operation.name", "chat"),
                KeyValue::new("gen_ai.request.model", by.to_owned()),
                KeyValue::new("gen_ai.token.type", kind),
            ];
            self.tokens.record(tokens, &about);
        }
        self.cost.add(usage.micro_usd as f64 / 1e6, &[KeyValue::new("gen_ai.request.model", by.to_owned())]);
    }
}
