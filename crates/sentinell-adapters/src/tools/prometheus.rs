//! A Prometheus (or what speaks its HTTP API): the series of a service, who is up, which alerts fire and the expression
//! behind the alert that woke us. Counters come back as rates per second.

mod series;

use crate::http::{Credentials, Http};
use crate::text::{arg, known_args, label, quoted_label, regex_escaped};
use futures::StreamExt;
use sentinell_core::evidence::{Gap, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use sentinell_core::time::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Series of one answer that are passed on.
const MAX_SERIES: usize = 400;
/// Points of one series that are asked for at most.
const MAX_POINTS: i64 = 360;
/// The finest step, seconds.
const MIN_STEP: i64 = 5;
/// A range never begins earlier than this before now, milliseconds.
const MAX_RANGE: i64 = 24 * 3_600_000;
/// Requests under way at a time.
const SIDE_BY_SIDE: usize = 4;
/// Labels under which a service may be known.
const SERVICE_LABELS: [&str; 8] =
    ["service", "job", "app", "deployment", "container", "service_name", "app_kubernetes_io_name", "instance"];
/// Every scrape target and, in the words of most exporters and probes, whatever stands behind it.
const WHO_IS_UP: &str = "{__name__=~\"up|.+_up|probe_success\"}";
/// Arguments that are labels as they stand.
const PLAIN_LABELS: [&str; 4] = ["namespace", "pod", "job", "instance"];
/// All arguments.
const ARGS: [&str; 9] = ["service", "namespace", "pod", "job", "instance", "alertname", "query", "onset", "minutes"];

/// The tool `prometheus`.
pub struct Prometheus {
    http: Http,
    base: reqwest::Url,
    who: Credentials,
    clock: Arc<dyn Clock>,
}

/// The time of one look, Unix milliseconds, and its step in seconds.
#[derive(Debug, Clone, Copy)]
struct Range {
    start: i64,
    end: i64,
    step: i64,
}

impl Prometheus {
    /// An eye on the server at `base` (`http://127.0.0.1:9090`, a path prefix is kept).
    ///
    /// # Errors
    /// If `base` is not an http or https URL.
    pub fn new(http: Http, base: &str, who: Credentials, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let base = reqwest::Url::parse(base.trim_end_matches('/')).map_err(|error| format!("`{base}`: {error}"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(format!("`{base}` is not an http or https URL"));
        }
        Ok(Self { http, base, who, clock })
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        let args = &query.args;
        known_args(args, &ARGS).map_err(ToolError::BadQuery)?;
        let range = self.range(args).map_err(ToolError::BadQuery)?;
        let mut seen = Observation::default();
        if let Some(expression) = arg(args, "query") {
            seen.call = bounded_expression(expression)?.to_owned();
            let found = self.query_range(expression, range).await?;
            keep(&mut seen, &mut BTreeSet::new(), series::telemetry(&found, expression, Some(expression)));
            return Ok(seen);
        }
        let mut expressions: Vec<(String, bool)> =
            selectors(args).into_iter().map(|selector| (selector, false)).collect();
        match self.rule(arg(args, "alertname")).await {
            Ok(rule) => expressions.extend(rule.map(|rule| (rule, true))),
            Err(error @ ToolError::Retry(_)) => return Err(error),
            Err(error) => seen.gaps.push(Gap { what: "Prometheus alerting rules".into(), why: error.to_string() }),
        }
        expressions.extend([(WHO_IS_UP.to_owned(), false), ("ALERTS".to_owned(), false)]);
        seen.call = expressions.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("  ·  ");
        let asked: Vec<_> = expressions.iter().map(|(text, _)| self.query_range(text, range)).collect();
        let answers: Vec<_> = futures::stream::iter(asked).buffered(SIDE_BY_SIDE).collect().await;
        let mut known = BTreeSet::new();
        for ((expression, computed), answer) in expressions.iter().zip(answers) {
            match answer {
                Ok(found) => {
                    let name = computed.then_some(expression.as_str());
                    keep(&mut seen, &mut known, series::telemetry(&found, expression, name));
                }
                Err(error @ (ToolError::Retry(_) | ToolError::Denied(_))) => return Err(error),
                Err(error) => seen.gaps.push(Gap { what: expression.clone(), why: error.to_string() }),
            }
        }
        Ok(seen)
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, ToolError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/api/v1/{path}", self.base.path().trim_end_matches('/')));
        self.http.get_json(url, query, &self.who).await
    }

    async fn query_range(&self, expression: &str, range: Range) -> Result<Value, ToolError> {
        let seconds = |millis: i64| format!("{}.{:03}", millis / 1000, millis % 1000);
        let (start, end, step) = (seconds(range.start), seconds(range.end), range.step.to_string());
        let limit = MAX_SERIES.to_string();
        let query = [
            ("query", expression),
            ("start", &start),
            ("end", &end),
            ("step", &step),
            ("timeout", "10s"),
            // Newer servers stop there by themselves; older ones ignore it.
            ("limit", &limit),
        ];
        self.get("query_range", &query).await
    }

    /// The expression behind an alert, without its threshold: what a person would plot.
    async fn rule(&self, alertname: Option<&str>) -> Result<Option<String>, ToolError> {
        let Some(alertname) = alertname else { return Ok(None) };
        let answer = self.get("rules", &[("type", "alert")]).await?;
        let groups = answer["data"]["groups"].as_array().into_iter().flatten();
        let mut rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
        let rule = rules.find(|rule| rule["name"] == alertname);
        Ok(rule.and_then(|rule| rule["query"].as_str()).map(|text| without_threshold(text).to_owned()))
    }

    /// From `minutes` (an hour) before the onset to now. The last point is now: an answer to the newest change would otherwise
    /// be as much as a step old.
    fn range(&self, args: &BTreeMap<String, String>) -> Result<Range, String> {
        let now = self.clock.now();
        let onset = arg(args, "onset").map(Timestamp::parse).transpose()?.unwrap_or(now);
        let minutes =
            arg(args, "minutes").unwrap_or("60").parse::<u32>().ok().filter(|minutes| matches!(minutes, 1..=1440));
        let minutes = minutes.ok_or("minutes must be a number from 1 to 1440")?;
        let start = onset.0.min(now.0) - i64::from(minutes) * 60_000;
        let start = start.max(now.0 - MAX_RANGE).max(0);
        let step = ((now.0 - start) / 1000 / MAX_POINTS + 1).max(MIN_STEP);
        let steps = (now.0 - start) / (step * 1000);
        Ok(Range { start: now.0 - steps * step * 1000, end: now.0, step })
    }
}

impl Tool for Prometheus {
    fn name(&self) -> &str {
        "prometheus"
    }

    fn describe(&self) -> &str {
        "reads time series around the onset; args: service, namespace, pod, job, instance (labels to match), alertname (plots \
         its rule), query (one PromQL expression instead of all that), onset (RFC 3339, default now), minutes (before the \
         onset, default 60)"
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let mut args = BTreeMap::from([("onset".to_owned(), case.signal.occurred_at.to_string())]);
        let mut take = |name: &str, labels: &[&str]| {
            if let Some(value) = label(case, labels) {
                args.insert(name.to_owned(), value.chars().take(200).collect());
            }
        };
        take("service", &["service", "service_name", "app", "deployment", "container"]);
        for name in ["namespace", "pod", "job", "instance", "alertname"] {
            take(name, &[name]);
        }
        let why = "which series left their usual range, and who is down?".to_owned();
        vec![Question { tool: self.name().to_owned(), args, why }]
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let up = self.get("query", &[("query", "count(up)")]).await?;
            let targets = up.pointer("/data/result/0/value/1").and_then(Value::as_str).unwrap_or("0");
            Ok(Some(format!("{targets} targets are scraped")))
        })
    }
}

/// Adds series that were not there yet, up to the limit.
fn keep(seen: &mut Observation, known: &mut BTreeSet<String>, found: Vec<Telemetry>) {
    let mut left_out = 0;
    for telemetry in found {
        let Telemetry::Metric { name, labels, .. } = &telemetry else { continue };
        if !known.insert(format!("{name}{labels:?}")) {
            continue;
        }
        if known.len() > MAX_SERIES {
            left_out += 1;
        } else {
            seen.telemetry.push(telemetry);
        }
    }
    if left_out > 0 {
        let why = format!("an answer holds at most {MAX_SERIES} series; ask more narrowly");
        seen.gaps.push(Gap { what: format!("{left_out} more series"), why });
    }
}

/// One selector per label under which the service may be known, or one for the plain labels alone.
fn selectors(args: &BTreeMap<String, String>) -> Vec<String> {
    let is = |name: &str, value: &str| format!("{name}=\"{}\"", quoted_label(value));
    let plain = PLAIN_LABELS.iter().filter_map(|name| Some((*name, arg(args, name)?)));
    let plain: Vec<(&str, &str)> = plain.collect();
    let namespace: Vec<String> = arg(args, "namespace").map(|value| is("namespace", value)).into_iter().collect();
    let mut found = vec![];
    if let Some(service) = arg(args, "service") {
        for name in SERVICE_LABELS {
            found.push([vec![is(name, service)], namespace.clone()].concat());
        }
        let pods = format!("pod=~\"{}-.*\"", quoted_label(&regex_escaped(service)));
        found.push([vec![pods], namespace.clone()].concat());
    }
    // Labels that do not come from the same exporter exclude each other, so each of them is asked for by itself.
    for (name, value) in plain.into_iter().filter(|(name, _)| *name != "namespace") {
        found.push(vec![is(name, value)]);
    }
    if found.is_empty() {
        found.extend((!namespace.is_empty()).then_some(namespace));
    }
    let mut selectors: Vec<String> = found.into_iter().map(|parts| format!("{{{}}}", parts.join(","))).collect();
    selectors.sort();
    selectors.dedup();
    selectors
}

fn bounded_expression(expression: &str) -> Result<&str, ToolError> {
    if expression.len() > 2000 {
        return Err(ToolError::BadQuery("a PromQL expression of more than 2,000 bytes".into()));
    }
    Ok(expression)
}

/// `redis_up == 0` → `redis_up`; expressions that end in anything but a comparison with a number stay as they are.
fn without_threshold(expression: &str) -> &str {
    let trimmed = expression.trim();
    let number = |text: &str| text.trim().parse::<f64>().is_ok();
    let cut = trimmed.rfind(['<', '>', '=']).filter(|at| number(&trimmed[at + 1..]));
    cut.map_or(trimmed, |at| trimmed[..at].trim_end_matches(['<', '>', '=', '!']).trim_end())
}

impl std::fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Prometheus").field("host", &self.base.host_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpLimits;

    #[test]
    fn a_label_value_cannot_leave_its_quotes() {
        let args = BTreeMap::from([("service".to_owned(), "a\"} or vector(1) or {x=\"\\".to_owned())]);
        for selector in selectors(&args) {
            let inside = selector.split_once('"').map_or("", |(_, rest)| rest).strip_suffix("\"}").unwrap_or_default();
            let unescaped = inside.replace("\\\\", "").replace("\\\"", "");
            assert!(!unescaped.contains('"'), "{selector}");
        }
    }

    #[test]
    fn the_last_point_asked_for_is_now() {
        struct At(Timestamp);
        impl Clock for At {
            fn now(&self) -> Timestamp {
                self.0
            }
        }
        let http = Http::new(HttpLimits::default()).unwrap();
        let now = Timestamp(1_000_000_003_217);
        let eye = Prometheus::new(http, "http://127.0.0.1:9", Credentials::default(), Arc::new(At(now))).unwrap();
        let onset = Timestamp(now.0 - 7_001).to_string();
        let range = eye.range(&BTreeMap::from([("onset".to_owned(), onset)])).unwrap();
        assert_eq!((range.end, (range.end - range.start) % (range.step * 1000)), (now.0, 0));
        assert!(
            (3_590_000..=3_608_000).contains(&(range.end - range.start)),
            "an hour before the onset, within a step"
        );
    }

    #[test]
    fn a_rule_is_plotted_without_its_threshold() {
        assert_eq!(without_threshold("cache_up == 0"), "cache_up");
        assert_eq!(without_threshold("rate(x[5m]) / rate(y[5m]) >= 0.05"), "rate(x[5m]) / rate(y[5m])");
        assert_eq!(without_threshold("up{job=\"a\"}"), "up{job=\"a\"}");
        assert_eq!(without_threshold("a > b"), "a > b");
    }
}
