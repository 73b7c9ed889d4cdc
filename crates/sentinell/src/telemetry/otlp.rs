//! Delivery over OTLP/HTTP with protobuf bodies. The library's own threads collect and wait, so that no request and no
//! investigation ever does; what does not fit into their queues is dropped.

use crate::config::{Sampler as Wanted, Telemetry};
use crate::telemetry::spans::{FixedIds, OwnRoot};
use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{Sampler, SamplingResult, SdkTracerProvider, ShouldSample};
use sentinell_adapters::http::{Http, HttpLimits, Url};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// Bytes of an answer that are read; collectors answer a few.
const ANSWER: usize = 1 << 20;

/// What delivers traces; none if nobody wants them.
///
/// # Errors
/// A sentence saying what is wrong with the endpoint.
pub(super) fn traces(settings: &Telemetry) -> Result<Option<SdkTracerProvider>, String> {
    let Some(endpoint) = &settings.traces else { return Ok(None) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint)
        .with_timeout(timeout(settings))
        .with_headers(headers(settings))
        .with_http_client(Courier::new("traces", settings)?)
        .build()
        .map_err(|error| format!("telemetry.traces_endpoint: {error}"))?;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource(settings))
        .with_sampler(Chooser::of(settings.sampler))
        .with_id_generator(FixedIds::default())
        .with_batch_exporter(exporter);
    Ok(Some(provider.build()))
}

/// What delivers metrics; none if nobody wants them.
///
/// # Errors
/// A sentence saying what is wrong with the endpoint.
pub(super) fn metrics(settings: &Telemetry) -> Result<Option<SdkMeterProvider>, String> {
    let Some(endpoint) = &settings.metrics else { return Ok(None) };
    let exporter = MetricExporter::builder()
        .with_http()
        .with_endpoint(endpoint)
        .with_timeout(timeout(settings))
        .with_headers(headers(settings))
        .with_http_client(Courier::new("metrics", settings)?)
        .build()
        .map_err(|error| format!("telemetry.metrics_endpoint: {error}"))?;
    let reader = PeriodicReader::builder(exporter).with_interval(Duration::from_millis(settings.interval_millis));
    Ok(Some(SdkMeterProvider::builder().with_resource(resource(settings)).with_reader(reader.build()).build()))
}

fn timeout(settings: &Telemetry) -> Duration {
    Duration::from_millis(settings.timeout_millis)
}

fn headers(settings: &Telemetry) -> std::collections::HashMap<String, String> {
    settings.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()
}

fn resource(settings: &Telemetry) -> Resource {
    let named = settings.attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty()
        .with_attributes(named)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", uuid::Uuid::now_v7().to_string()))
        .with_service_name(settings.service_name.clone())
        .build()
}

/// Carries bodies to the collector on the runtime, whatever thread asks; says once when that stops working.
#[derive(Debug)]
struct Courier {
    what: &'static str,
    http: Http,
    runtime: Handle,
    away: Arc<AtomicBool>,
}

impl Courier {
    fn new(what: &'static str, settings: &Telemetry) -> Result<Self, String> {
        let limits = HttpLimits { connect: Duration::from_secs(3), total: timeout(settings), body: ANSWER };
        let runtime = Handle::try_current().map_err(|error| error.to_string())?;
        Ok(Self { what, http: Http::new(limits)?, runtime, away: Arc::default() })
    }

    fn learn(&self, trouble: Option<&str>) {
        let was_away = self.away.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some(why) if !was_away => {
                tracing::warn!(what = self.what, why, "telemetry cannot be delivered; work goes on without");
            }
            None if was_away => tracing::info!(what = self.what, "telemetry is delivered again"),
            _ => {}
        }
    }

    async fn carry(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())?;
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move { http.post_bytes(url, parts.headers, body.to_vec()).await });
        let (status, headers, body) = sent.await??;
        let mut answer = Response::new(Bytes::from(body));
        (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
        Ok(answer)
    }
}

impl HttpClient for Courier {
    fn send_bytes<'a, 'f>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let answer = self.carry(request).await;
            match &answer {
                Ok(answer) if answer.status().is_success() => self.learn(None),
                Ok(answer) => self.learn(Some(answer.status().as_str())),
                Err(error) => self.learn(Some(&error.to_string())),
            }
            answer
        })
    }
}

/// Chooses traces by their id; follows a caller's choice where that is wanted. The trace of an incident is always chosen
/// by its id, so that it is kept or left out as a whole, by every process.
#[derive(Debug, Clone)]
struct Chooser {
    by_id: Sampler,
    ask_parent: bool,
}

impl Chooser {
    fn of(wanted: Wanted) -> Self {
        Self { by_id: Sampler::TraceIdRatioBased(wanted.ratio), ask_parent: wanted.ask_parent }
    }
}

impl ShouldSample for Chooser {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let caller = parent.filter(|context| context.get::<OwnRoot>().is_none());
        let caller = caller.map(|context| context.span().span_context().clone()).filter(|caller| caller.is_valid());
        let by_id = match caller {
            Some(caller) if self.ask_parent && caller.is_sampled() => Sampler::AlwaysOn,
            Some(_) if self.ask_parent => Sampler::AlwaysOff,
            _ => self.by_id.clone(),
        };
        by_id.should_sample(None, trace, name, kind, attributes, links)
    }
}
