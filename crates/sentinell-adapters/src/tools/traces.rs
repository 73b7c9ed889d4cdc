//! Traces in Jaeger (its query API) or Grafana Tempo (2.0 or newer): requests of a service around the onset and of a calm
//! stretch before it. <https://www.jaegertracing.io/docs/latest/apis/> <https://grafana.com/docs/tempo/latest/api_docs/>

mod jaeger;
mod tempo;

use crate::http::{Credentials, HeaderMap, Http, HttpLimits, Url, base_url, under};
use crate::text::{arg, known_args, label, one_line};
use crate::window::{self, Stretch, Window};
use sentinell_core::evidence::{Gap, Observation, Query, Span, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Traces of each stretch of time that are asked for.
const MAX_TRACES: usize = 100;
/// Spans of one observation that are kept.
const MAX_SPANS: usize = 50_000;
/// Services that a gap names.
const NAMED: usize = 30;

/// Who keeps the traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TraceStore {
    /// Jaeger.
    #[default]
    Jaeger,
    /// Grafana Tempo.
    Tempo,
}

/// Where traces are kept and who asks.
#[derive(Debug, Clone, Default)]
pub struct TracesSettings {
    /// Whose API it is.
    pub store: TraceStore,
    /// Its base URL (`http://127.0.0.1:16686`, `http://127.0.0.1:3200`; a path prefix is kept).
    pub url: String,
    /// Who we are to it.
    pub who: Credentials,
    /// Tempo's tenant, sent as `X-Scope-OrgID`.
    pub org_id: Option<String>,
}

/// The tool `traces`.
pub struct Traces {
    server: Server,
    store: TraceStore,
    clock: Arc<dyn Clock>,
    describe: String,
}

/// Where requests go.
struct Server {
    http: Http,
    base: Url,
    who: Credentials,
}

/// What was read of one stretch of time.
#[derive(Default)]
struct Found {
    spans: Vec<Span>,
    /// How many traces there were.
    traces: usize,
    gaps: Vec<Gap>,
}

impl Server {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, ToolError> {
        self.http.get_json(under(&self.base, path), query, &self.who).await
    }
}

impl Traces {
    /// An eye on one server.
    ///
    /// # Errors
    /// If the URL or the tenant makes no sense; the text repeats neither.
    pub fn new(settings: TracesSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        if let Some(org_id) = &settings.org_id {
            let value = org_id.parse().map_err(|_| "a tenant is plain text without control characters".to_owned())?;
            headers.insert("x-scope-orgid", value);
        }
        let limits = HttpLimits { body: 48 << 20, ..HttpLimits::default() };
        let http = Http::with_headers(limits, headers)?;
        let server = Server { http, base: base_url(&settings.url)?, who: settings.who };
        let describe = format!(
            "reads requests (traces) that passed through a service; args: service, namespace, trace (one trace id instead of \
             all that), {}; brings up to {MAX_TRACES} traces of each stretch",
            window::HELP
        );
        Ok(Self { server, store: settings.store, clock, describe })
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        let args = &query.args;
        let known: Vec<&str> = ["service", "namespace", "trace"].iter().chain(&window::ARGS).copied().collect();
        known_args(args, &known).map_err(ToolError::BadQuery)?;
        if let Some(id) = arg(args, "trace") {
            return self.one(id).await;
        }
        let window = Window::of(args, self.clock.now()).map_err(ToolError::BadQuery)?;
        let asked = arg(args, "service").ok_or_else(|| ToolError::BadQuery("say which service or trace".into()))?;
        let call = format!("traces of {}", one_line(asked, 200));
        let services = self.services().await?;
        let Some(service) = named(&services, asked, arg(args, "namespace")) else {
            let there: Vec<String> = services.iter().take(NAMED).map(|name| one_line(name, 60)).collect();
            let why = format!("no service of that name; there are: {}", there.join(", "));
            let gaps = vec![Gap { what: call.clone(), why }];
            return Ok(Observation { gaps, call, ..Observation::default() });
        };
        let calm = async {
            match window.calm {
                Some(calm) => self.search(service, calm).await,
                None => Ok(Found::default()),
            }
        };
        let (calm, trouble) = futures::join!(calm, self.search(service, window.trouble));
        let mut found = trouble?;
        match calm {
            Ok(calm) => {
                found.spans.extend(calm.spans);
                found.gaps.extend(calm.gaps);
            }
            // What is there now is worth more than what it is compared with.
            Err(error) => found.gaps.push(Gap { what: format!("{call} in the calm before"), why: error.to_string() }),
        }
        if found.traces >= MAX_TRACES {
            let why = format!("one look brings {MAX_TRACES} of each stretch; ask for less time");
            found.gaps.push(Gap { what: format!("more {call}"), why });
        }
        Ok(observation(found, call))
    }

    async fn services(&self) -> Result<BTreeSet<String>, ToolError> {
        match self.store {
            TraceStore::Jaeger => jaeger::services(&self.server).await,
            TraceStore::Tempo => tempo::services(&self.server).await,
        }
    }

    async fn search(&self, service: &str, stretch: Stretch) -> Result<Found, ToolError> {
        match self.store {
            TraceStore::Jaeger => jaeger::search(&self.server, service, stretch).await,
            TraceStore::Tempo => tempo::search(&self.server, service, stretch).await,
        }
    }

    async fn one(&self, id: &str) -> Result<Observation, ToolError> {
        if !(16..=32).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ToolError::BadQuery("a trace id is 16 to 32 hexadecimal digits".to_owned()));
        }
        let found = match self.store {
            TraceStore::Jaeger => jaeger::one(&self.server, id).await?,
            TraceStore::Tempo => tempo::one(&self.server, id).await?,
        };
        Ok(observation(found, format!("trace {id}")))
    }
}

/// Everything that was found, bounded.
fn observation(mut found: Found, call: String) -> Observation {
    let left_out = found.spans.len().saturating_sub(MAX_SPANS);
    if left_out > 0 {
        found.spans.truncate(MAX_SPANS);
        let why = format!("one look keeps {MAX_SPANS} spans; ask for less time");
        found.gaps.push(Gap { what: format!("{left_out} more spans"), why });
    }
    let traces = Telemetry::Traces { source: call.clone(), spans: found.spans };
    let nothing = matches!(&traces, Telemetry::Traces { spans, .. } if spans.is_empty());
    if nothing && found.gaps.is_empty() {
        found.gaps.push(Gap { what: call.clone(), why: "no request was recorded".to_owned() });
    }
    Observation { telemetry: if nothing { vec![] } else { vec![traces] }, gaps: found.gaps, call }
}

/// The service's name as the store has it: itself, in other letters, or with its namespace (`till.fair`, `fair/till`).
fn named<'s>(services: &'s BTreeSet<String>, asked: &str, namespace: Option<&str>) -> Option<&'s str> {
    let place = namespace.unwrap_or_default();
    let spelled =
        [asked.to_owned(), format!("{asked}.{place}"), format!("{place}/{asked}"), format!("{place}.{asked}")];
    let same = spelled.iter().find_map(|name| services.get(name));
    let found = same.or_else(|| services.iter().find(|name| name.eq_ignore_ascii_case(asked)))?;
    Some(found)
}

impl Tool for Traces {
    fn name(&self) -> &str {
        "traces"
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let service = label(case, &["service", "service_name", "app", "deployment", "container"]);
        let Some(service) = service else { return vec![] };
        let clipped = |value: &str| value.chars().take(200).collect::<String>();
        let mut args = BTreeMap::from([
            ("service".to_owned(), clipped(service)),
            ("onset".to_owned(), case.signal.occurred_at.to_string()),
        ]);
        args.extend(label(case, &["namespace"]).map(|value| ("namespace".to_owned(), clipped(value))));
        let why = "where do its requests lose time or fail?".to_owned();
        vec![Question { tool: self.name().to_owned(), args, why }]
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async { Ok(Some(format!("{} services have traces", self.services().await?.len()))) })
    }
}

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Traces").field("host", &self.server.base.host_str()).finish_non_exhaustive()
    }
}
