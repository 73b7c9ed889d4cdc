//! A Loki (or what speaks its HTTP API): the lines of a service around the onset and of a calm stretch before it.
//! <https://grafana.com/docs/loki/latest/reference/loki-http-api/>
//!
//! Which labels lead to a service differs from house to house, so they are looked up: the names of the labels first, then
//! which of the possible selectors have a stream at all.

mod answer;
mod selector;

use super::gathered::{Gathered, Part};
use crate::http::{Credentials, HeaderMap, Http, HttpLimits, Url, base_url, under};
use crate::text::{arg, known_args, label, one_line, quoted_label};
use crate::window::{self, Stretch, Window, spelled};
use sentinell_core::evidence::{Gap, Observation, Query};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Lines of each stretch of time that are asked for. Loki's own limit is 5,000 unless configured.
const MAX_LINES: usize = 2000;
/// Points of a computed series that are asked for at most.
const MAX_POINTS: i64 = 360;
/// Bytes of an expression that a question may bring.
const MAX_EXPRESSION: usize = 2000;
/// Arguments that name labels.
const LABELS: [&str; 6] = ["service", "namespace", "pod", "container", "job", "instance"];

/// Where a Loki is and who asks.
#[derive(Debug, Clone, Default)]
pub struct LokiSettings {
    /// Its base URL (`http://127.0.0.1:3100`, a path prefix is kept).
    pub url: String,
    /// Who we are to it, or to the gateway before it.
    pub who: Credentials,
    /// The tenant, sent as `X-Scope-OrgID`; several are joined by `|`.
    pub org_id: Option<String>,
}

/// The tool `loki`.
pub struct Loki {
    http: Http,
    base: Url,
    who: Credentials,
    clock: Arc<dyn Clock>,
    describe: String,
}

impl Loki {
    /// An eye on one server.
    ///
    /// # Errors
    /// If the URL or the tenant makes no sense; the text repeats neither.
    pub fn new(settings: LokiSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        if let Some(org_id) = &settings.org_id {
            let value = org_id.parse().map_err(|_| "a tenant is plain text without control characters".to_owned())?;
            headers.insert("x-scope-orgid", value);
        }
        let limits = HttpLimits { body: 24 << 20, ..HttpLimits::default() };
        let describe = format!(
            "reads log lines from Loki, finding the labels of a service itself; args: {} (what to look for), contains (only \
             lines with this text), query (one LogQL expression instead of all that), {}; brings the newest {MAX_LINES} lines",
            LABELS.join(", "),
            window::HELP
        );
        let (base, http) = (base_url(&settings.url)?, Http::with_headers(limits, headers)?);
        Ok(Self { http, base, who: settings.who, clock, describe })
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        let args = &query.args;
        let known: Vec<&str> = LABELS.iter().chain(&["contains", "query"]).chain(&window::ARGS).copied().collect();
        known_args(args, &known).map_err(ToolError::BadQuery)?;
        let window = Window::of(args, self.clock.now()).map_err(ToolError::BadQuery)?;
        if let Some(expression) = arg(args, "query") {
            if expression.len() > MAX_EXPRESSION {
                return Err(ToolError::BadQuery(format!("a LogQL expression of more than {MAX_EXPRESSION} bytes")));
            }
            return self.read(expression, window).await;
        }
        match self.selector(args, window).await? {
            Ok(selector) => self.read(&filtered(&selector, arg(args, "contains")), window).await,
            Err(gap) => {
                Ok(Observation { gaps: vec![gap], call: "labels of Loki".to_owned(), ..Observation::default() })
            }
        }
    }

    /// The selector that has streams, or why none was found.
    async fn selector(
        &self,
        args: &BTreeMap<String, String>,
        window: Window,
    ) -> Result<Result<String, Gap>, ToolError> {
        let (from, to) = nanos(window.whole());
        let times = [("start", from.as_str()), ("end", to.as_str())];
        let answer = self.get("labels", &times).await?;
        let names: BTreeSet<String> = answer::strings(&answer["data"]).collect();
        let possible = selector::possible(args, &names);
        if possible.is_empty() {
            let asked = LABELS.iter().any(|name| arg(args, name).is_some());
            if !asked {
                return Err(ToolError::BadQuery(format!("say what to look for: {} or query", LABELS.join(", "))));
            }
            return Ok(Err(selector::nothing(args, &names, "no label there is one that a service is known by")));
        }
        let mut wanted: Vec<(&str, &str)> = possible.iter().map(|one| ("match[]", one.text.as_str())).collect();
        wanted.extend(times);
        let series = self.get("series", &wanted).await?;
        let streams: Vec<&Value> = series["data"].as_array().into_iter().flatten().collect();
        let found = possible.iter().find(|one| streams.iter().any(|stream| one.fits(stream)));
        Ok(found.map(|one| one.text.clone()).ok_or_else(|| selector::nothing(args, &names, "no stream carries it")))
    }

    /// The lines (or series) of an expression, of both stretches side by side.
    async fn read(&self, expression: &str, window: Window) -> Result<Observation, ToolError> {
        let calm = async {
            match window.calm {
                Some(calm) => self.query_range(expression, calm).await.map(|answer| Some((answer, calm))),
                None => Ok(None),
            }
        };
        let (calm, trouble) = futures::join!(calm, self.query_range(expression, window.trouble));
        let trouble = trouble?;
        let mut seen = Observation { call: expression.to_owned(), ..Observation::default() };
        if answer::is_matrix(&trouble) {
            // A series is read in one piece.
            let whole = self.query_range(expression, window.whole()).await?;
            let (series, gaps) = answer::series(&whole, expression);
            (seen.telemetry, seen.gaps) = (series, gaps);
            return Ok(seen);
        }
        let mut gathered = Gathered::default();
        let parts = [(Part::Trouble, Ok(Some((trouble, window.trouble)))), (Part::Calm, calm)];
        for (part, answer) in parts {
            match answer {
                Ok(Some((answer, stretch))) => {
                    let count = answer::lines(&answer, part, &mut gathered).map_err(ToolError::BadQuery)?;
                    seen.gaps.extend((count >= MAX_LINES).then(|| more(expression, stretch)));
                }
                Ok(None) => {}
                // What is there now is worth more than what it is compared with.
                Err(error) => seen.gaps.push(Gap {
                    what: format!("the calm before, to compare {} with", one_line(expression, 200)),
                    why: error.to_string(),
                }),
            }
        }
        let (telemetry, gaps) = gathered.finish(expression);
        seen.telemetry = telemetry;
        seen.gaps.extend(gaps);
        Ok(seen)
    }

    async fn query_range(&self, expression: &str, stretch: Stretch) -> Result<Value, ToolError> {
        let (from, to) = nanos(stretch);
        let limit = MAX_LINES.to_string();
        let step = ((stretch.1 - stretch.0) / 1000 / MAX_POINTS).max(5).to_string();
        let query = [
            ("query", expression),
            ("start", &from),
            ("end", &to),
            ("limit", &limit),
            ("direction", "backward"),
            ("step", &step),
        ];
        self.get("query_range", &query).await
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, ToolError> {
        self.http.get_json(under(&self.base, &format!("loki/api/v1/{path}")), query, &self.who).await
    }
}

impl Tool for Loki {
    fn name(&self) -> &str {
        "loki"
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let mut args = BTreeMap::new();
        let mut take = |name: &str, labels: &[&str]| {
            let value = label(case, labels).map(|value| value.chars().take(200).collect());
            args.extend(value.map(|value: String| (name.to_owned(), value)));
        };
        take("service", &["service", "service_name", "app", "deployment", "container"]);
        for name in ["pod", "job", "instance"] {
            take(name, &[name]);
        }
        // A namespace alone is everybody's lines.
        if args.is_empty() {
            return vec![];
        }
        args.extend(
            label(case, &["namespace"]).map(|value| ("namespace".to_owned(), value.chars().take(200).collect())),
        );
        args.insert("onset".to_owned(), case.signal.occurred_at.to_string());
        let why = "what does it write that it did not write before?".to_owned();
        vec![Question { tool: self.name().to_owned(), args, why }]
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let window = Window::of(&BTreeMap::new(), self.clock.now()).map_err(ToolError::BadQuery)?;
            let (from, to) = nanos(window.whole());
            let answer = self.get("labels", &[("start", from.as_str()), ("end", to.as_str())]).await?;
            Ok(Some(format!("its streams of the last hour have {} labels", answer::strings(&answer["data"]).count())))
        })
    }
}

/// A selector with a filter for a literal text.
fn filtered(selector: &str, contains: Option<&str>) -> String {
    match contains {
        Some(text) => format!("{selector} |= \"{}\"", quoted_label(text)),
        None => selector.to_owned(),
    }
}

fn more(expression: &str, stretch: Stretch) -> Gap {
    Gap {
        what: format!("older lines {}", spelled(stretch)),
        why: format!("one look brings the newest {MAX_LINES}; all of them: {}", one_line(expression, 300)),
    }
}

fn nanos((from, to): Stretch) -> (String, String) {
    (format!("{from}000000"), format!("{to}000000"))
}

impl std::fmt::Debug for Loki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Loki").field("host", &self.base.host_str()).finish_non_exhaustive()
    }
}
