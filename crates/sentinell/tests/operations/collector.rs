//! A collector on loopback that decodes what OTLP/HTTP brings, or one that never answers.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub struct Kept {
    pub spans: Vec<Span>,
    pub metrics: BTreeMap<String, usize>,
    pub services: Vec<String>,
    pub headers: Vec<HeaderMap>,
}

#[derive(Clone, Default)]
pub struct Collector {
    pub kept: Arc<Mutex<Kept>>,
    pub address: String,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let collector = Self { kept: Arc::default(), address };
        let router = Router::new().route("/v1/traces", post(traces)).route("/v1/metrics", post(metrics));
        let router = router.with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        collector
    }

    /// Takes connections and never says a word.
    pub async fn that_hangs() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut held = vec![];
            while let Ok((connection, _)) = listener.accept().await {
                held.push(connection);
            }
        });
        address
    }
}

async fn traces(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut kept = collector.kept.lock().unwrap();
    kept.headers.push(headers);
    for resource in request.resource_spans {
        let about = resource.resource.unwrap_or_default().attributes;
        let name = about.iter().find(|pair| pair.key == "service.name").and_then(|pair| pair.value.clone());
        kept.services.extend(name.and_then(|value| text(&value.value?)));
        kept.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    StatusCode::OK
}

async fn metrics(State(collector): State<Collector>, body: Bytes) -> StatusCode {
    let request = ExportMetricsServiceRequest::decode(body).unwrap();
    let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    for metric in scopes.flat_map(|scope| scope.metrics) {
        *collector.kept.lock().unwrap().metrics.entry(metric.name).or_default() += 1;
    }
    StatusCode::OK
}

pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A span's attribute.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    let pair = span.attributes.iter().find(|pair| pair.key == key)?;
    text(pair.value.as_ref()?.value.as_ref()?)
}
