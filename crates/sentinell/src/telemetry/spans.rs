//! The spans worth having: a request and what became of it; an incident's whole life, each claim of it, each step.
//!
//! All spans of one incident are one trace, whatever process made them and however often it crashed: the trace's id is
//! derived from the incident's. Attributes are ids, names and numbers, never text from outside. Where nobody asked for
//! traces, a span costs a look at a flag.

use axum::http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use sentinell_core::evidence::Query;
use sentinell_core::ids::{Fingerprint, IncidentId};
use sentinell_core::investigation::{Effect, Input, Investigation};
use sentinell_core::time::Timestamp;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::time::{Duration, SystemTime};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of every span that is delivered.
pub const TARGET: &str = "sentinell::spans";

macro_rules! span {
    ($($field:tt)*) => { tracing::trace_span!(target: TARGET, $($field)*) };
}

/// A request; a child of the span that its `traceparent` names. `route` is the pattern, never the path.
pub fn request(method: &str, route: &str, headers: &HeaderMap) -> Span {
    let span = span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
    );
    if !span.is_disabled() {
        let caller = TraceContextPropagator::new().extract_with_context(&Context::new(), &OnlyTheParent(headers));
        let _ = span.set_parent(caller);
    }
    span
}

/// What a request was answered.
pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// Taking one signal in, up to its commit.
pub fn accept(source: &str, fingerprint: &Fingerprint) -> Span {
    span!(
        "accept signal",
        sentinell.signal.source = source,
        sentinell.fingerprint = fingerprint.as_str(),
        sentinell.incident.id = Empty,
        sentinell.triage = Empty,
    )
}

/// Where the signal was put; the incident's trace is linked.
pub fn accepted(span: &Span, incident: Option<&IncidentId>, decision: &str) {
    if span.is_disabled() {
        return;
    }
    span.record("sentinell.triage", decision);
    if let Some(incident) = incident {
        span.record("sentinell.incident.id", incident.as_str());
        span.add_link(context_of(incident));
    }
}

/// One claim of an incident, up to its next wait.
pub fn claim(incident: &IncidentId, attempts: u32, holder: &str) -> Span {
    let span = span!(
        "claim",
        otel.kind = "consumer",
        sentinell.incident.id = incident.as_str(),
        sentinell.attempts = attempts,
        sentinell.worker = holder,
        sentinell.fingerprints = Empty,
        sentinell.phase = Empty,
    );
    if !span.is_disabled() {
        let root = Context::new().with_remote_span_context(context_of(incident)).with_value(OwnRoot);
        let _ = span.set_parent(root);
    }
    span
}

/// What the claim is about, once its journal has been read.
pub fn about(span: &Span, case: &Investigation) {
    if span.is_disabled() {
        return;
    }
    let fingerprints: Vec<_> = case.alerts.keys().take(20).map(Fingerprint::as_str).collect();
    span.record("sentinell.fingerprints", fingerprints.join(","));
    span.record("sentinell.phase", case.phase.word());
}

/// One step of the loop.
pub fn step(effect: &Effect) -> Span {
    match effect {
        Effect::Observe(queries) => span!("observe", sentinell.queries = queries.len()),
        Effect::Reason { conclude } => span!(
            "reason",
            otel.name = Empty,
            otel.kind = "client",
            otel.status_code = Empty,
            gen_ai.operation.name = Empty,
            gen_ai.request.model = Empty,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            gen_ai.usage.cache_read.input_tokens = Empty,
            gen_ai.usage.cache_creation.input_tokens = Empty,
            sentinell.cost.micro_usd = Empty,
            sentinell.conclude = *conclude,
            error.type = Empty,
        ),
        Effect::Doubt => span!("doubt", sentinell.doubt.by = Empty, sentinell.cost.micro_usd = Empty),
        Effect::Ask(action) => {
            span!("ask", sentinell.action.id = action.id.as_str(), sentinell.action.kind = action.kind)
        }
        Effect::Act(action) => {
            span!("act", sentinell.action.id = action.id.as_str(), sentinell.action.kind = action.kind)
        }
        Effect::Reconcile(action) => {
            span!("reconcile", sentinell.action.id = action.id.as_str(), sentinell.action.kind = action.kind)
        }
        Effect::Verify(action) => {
            span!("verify", sentinell.action.id = action.id.as_str(), sentinell.action.kind = action.kind)
        }
    }
}

/// What came back from a turn, on the span of its step.
pub fn turned(span: &Span, input: &Input) {
    if span.is_disabled() {
        return;
    }
    match input {
        Input::Turned { turn, .. } => {
            if turn.by.starts_with("deterministic") {
                return;
            }
            span.record("otel.name", format!("chat {}", turn.by));
            span.record("gen_ai.operation.name", "chat");
            span.record("gen_ai.request.model", turn.by.as_str());
            span.record("gen_ai.usage.input_tokens", turn.usage.input_tokens);
            span.record("gen_ai.usage.output_tokens", turn.usage.output_tokens);
            span.record("gen_ai.usage.cache_read.input_tokens", turn.usage.cache_read_tokens);
            span.record("gen_ai.usage.cache_creation.input_tokens", turn.usage.cache_written_tokens);
            span.record("sentinell.cost.micro_usd", turn.usage.micro_usd);
        }
        Input::Doubted { doubt, .. } => {
            span.record("sentinell.doubt.by", doubt.by.as_str());
            span.record("sentinell.cost.micro_usd", doubt.usage.micro_usd);
        }
        Input::NotTurned { after_millis, .. } => {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", if after_millis.is_some() { "retry" } else { "hopeless" });
        }
        _ => {}
    }
}

/// One read of one tool.
pub fn read(query: &Query) -> Span {
    span!(
        "read",
        otel.name = format!("execute_tool {}", query.tool),
        otel.kind = "client",
        otel.status_code = Empty,
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = query.tool,
        sentinell.query.id = query.id.as_str(),
        error.type = Empty,
    )
}

/// A read brought nothing, for a reason of this kind.
pub fn unread(span: &Span, kind: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", kind);
}

/// An incident has come to rest: its whole life, from its opening to now, as the root of its trace.
pub fn rested(case: &Investigation) {
    let tracer = opentelemetry::global::tracer(TARGET);
    let attributes = [
        KeyValue::new("sentinell.incident.id", case.id.as_str().to_owned()),
        KeyValue::new("sentinell.phase", case.phase.word()),
        KeyValue::new("sentinell.turns", i64::from(case.spent.turns)),
        KeyValue::new("sentinell.deeds", i64::from(case.spent.deeds)),
        KeyValue::new("sentinell.tokens", i64::try_from(case.spent.tokens).unwrap_or(i64::MAX)),
        KeyValue::new("sentinell.alerts", i64::try_from(case.alerts.len()).unwrap_or(i64::MAX)),
    ];
    let builder = SpanBuilder::from_name("incident")
        .with_kind(SpanKind::Internal)
        .with_start_time(moment(case.opened_at))
        .with_attributes(attributes);
    FIXED.set(Some(ids_of(&case.id)));
    let mut span = tracer.build_with_context(builder, &Context::new().with_value(OwnRoot));
    FIXED.set(None);
    if case.phase.word() == "dead_letter" {
        span.set_status(Status::error("dead letter"));
    }
    span.end_with_timestamp(moment(case.updated_at));
}

fn moment(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}

/// Marks a context whose parent is an incident's root and not a caller's span.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnRoot;

fn ids_of(incident: &IncidentId) -> (TraceId, SpanId) {
    let digest: [u8; 32] = Sha256::new().chain_update("incident ").chain_update(incident.as_str()).finalize().into();
    let (mut trace, mut span) = ([0; 16], [0; 8]);
    trace.copy_from_slice(&digest[..16]);
    span.copy_from_slice(&digest[16..24]);
    (TraceId::from_bytes(trace), SpanId::from_bytes(span))
}

fn context_of(incident: &IncidentId) -> SpanContext {
    let (trace, span) = ids_of(incident);
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default())
}

thread_local! {
    static FIXED: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Random ids, except for the root of an incident.
#[derive(Debug, Default)]
pub(super) struct FixedIds(RandomIdGenerator);

impl IdGenerator for FixedIds {
    fn new_trace_id(&self) -> TraceId {
        FIXED.get().map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        FIXED.get().map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}

/// A caller's `traceparent`, and nothing that it could put free text into.
struct OnlyTheParent<'a>(&'a HeaderMap);

impl Extractor for OnlyTheParent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then(|| self.0.get(key)?.to_str().ok()).flatten()
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
