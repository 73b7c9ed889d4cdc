//! The metrics of a service, found by its dimensions, and the alarms that ring.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>

use super::MONITORING;
use crate::aws::Caller;
use crate::text::{clip, one_line};
use crate::tools::gathered::{Gathered, Part, line};
use crate::window::Stretch;
use sentinell_core::evidence::{Gap, Telemetry};
use sentinell_core::ports::ToolError;
use sentinell_core::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Dimensions that a service's name may stand in.
const DIMENSIONS: [&str; 10] = [
    "ServiceName",
    "Service",
    "service",
    "service.name",
    "FunctionName",
    "QueueName",
    "TableName",
    "DBInstanceIdentifier",
    "CacheClusterId",
    "ApiName",
];
/// Metrics of one look.
const MAX_METRICS: usize = 60;
/// Points of one metric.
const MAX_POINTS: i64 = 360;
/// Pages of one answer.
const MAX_PAGES: usize = 5;
/// Alarms of one look.
const MAX_ALARMS: usize = 100;

/// What to look for.
pub(super) struct Wanted<'w> {
    pub service: Option<&'w str>,
    pub instance: Option<&'w str>,
    pub alarm: Option<&'w str>,
    pub metric: Option<&'w str>,
}

impl Wanted<'_> {
    /// Whether only lines were asked for.
    pub(super) fn is_nothing(&self) -> bool {
        self.service.is_none() && self.instance.is_none() && self.alarm.is_none()
    }
}

/// The series of what is wanted.
pub(super) async fn read(
    caller: &Caller,
    wanted: &Wanted<'_>,
    alarms: &[Value],
    subject: &str,
    stretch: Stretch,
) -> Result<(Vec<Telemetry>, Vec<Gap>), ToolError> {
    let mut metrics = listed(caller, wanted).await?;
    // What an alarm watches, however it is called.
    metrics.extend(alarms.iter().filter(|alarm| alarm["MetricName"].is_string()).map(identity));
    metrics.retain(|metric| wanted.metric.is_none_or(|name| metric["MetricName"].as_str() == Some(name)));
    let mut seen = std::collections::BTreeSet::new();
    metrics.retain(|metric| seen.insert(metric.to_string()));
    let left_out = metrics.len().saturating_sub(MAX_METRICS);
    metrics.truncate(MAX_METRICS);
    let why = format!("one look plots {MAX_METRICS}; name one with metric");
    let mut gaps: Vec<Gap> =
        (left_out > 0).then(|| Gap { what: format!("{left_out} more metrics"), why }).into_iter().collect();
    if metrics.is_empty() {
        return Ok((vec![], gaps));
    }
    let period = period(stretch);
    let queries: Vec<Value> = (0..)
        .zip(&metrics)
        .map(|(at, metric): (usize, _)| {
            let stat = statistic(metric["MetricName"].as_str().unwrap_or_default());
            json!({"Id": format!("m{at}"), "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}})
        })
        .collect();
    let mut points: BTreeMap<usize, Vec<(i64, f64)>> = BTreeMap::new();
    let mut next = Value::Null;
    for page in 0.. {
        let mut body = json!({"StartTime": stretch.0 / 1000 / period * period, "EndTime": stretch.1 / 1000,
            "ScanBy": "TimestampAscending", "MetricDataQueries": queries});
        if next.is_string() {
            body["NextToken"] = next;
        }
        let answer = caller.call(MONITORING, "GetMetricData", &body).await?;
        for result in answer["MetricDataResults"].as_array().into_iter().flatten() {
            let id = result["Id"].as_str().and_then(|id| id.strip_prefix('m')?.parse::<usize>().ok());
            if let Some(id) = id {
                points.entry(id).or_default().extend(pairs(result));
            }
        }
        next = answer["NextToken"].clone();
        if !next.is_string() {
            break;
        }
        if page + 1 >= MAX_PAGES {
            gaps.push(Gap { what: "more points".to_owned(), why: format!("{MAX_PAGES} pages were read") });
            break;
        }
    }
    let series = points.into_iter().filter_map(|(id, mut points)| {
        points.sort_by_key(|(at, _)| *at);
        points.truncate(usize::try_from(MAX_POINTS).unwrap_or(usize::MAX) * 2);
        (!points.is_empty()).then(|| told(metrics.get(id)?, subject, caller.region(), points)).flatten()
    });
    Ok((series.collect(), gaps))
}

/// The metrics that carry the name in one of the dimensions.
async fn listed(caller: &Caller, wanted: &Wanted<'_>) -> Result<Vec<Value>, ToolError> {
    let services = wanted.service.into_iter().flat_map(|value| DIMENSIONS.map(|name| (name, value)));
    let pairs: Vec<(&str, &str)> = services.chain(wanted.instance.map(|value| ("InstanceId", value))).collect();
    let bodies: Vec<Value> =
        pairs.iter().map(|(name, value)| json!({"Dimensions": [{"Name": name, "Value": value}]})).collect();
    // A few side by side: the service allows 25 a second to the whole account.
    let asked: Vec<_> = bodies.iter().map(|body| caller.call(MONITORING, "ListMetrics", body)).collect();
    let answers: Vec<_> =
        futures::StreamExt::collect(futures::StreamExt::buffered(futures::stream::iter(asked), 4)).await;
    let mut found = vec![];
    for answer in answers {
        let answer: Value = answer?;
        found.extend(answer["Metrics"].as_array().into_iter().flatten().map(identity));
    }
    Ok(found)
}

/// What makes a metric this one and no other.
fn identity(metric: &Value) -> Value {
    json!({"Namespace": metric["Namespace"], "MetricName": metric["MetricName"],
        "Dimensions": metric["Dimensions"].as_array().map_or(&[][..], Vec::as_slice)})
}

/// Alarms: the one with this name whatever its state, and those that ring; of a named service only its own.
pub(super) async fn alarms(caller: &Caller, wanted: &Wanted<'_>) -> Result<Vec<Value>, ToolError> {
    let mut bodies = vec![json!({"StateValue": "ALARM", "MaxRecords": MAX_ALARMS})];
    bodies.extend(wanted.alarm.map(|name| json!({"AlarmNames": [name]})));
    let mut found: Vec<Value> = vec![];
    for body in bodies {
        let answer = caller.call(MONITORING, "DescribeAlarms", &body).await?;
        let all = answer["MetricAlarms"].as_array().into_iter().chain(answer["CompositeAlarms"].as_array()).flatten();
        found.extend(all.filter(|alarm| concerns(alarm, wanted)).cloned());
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|alarm| seen.insert(alarm["AlarmName"].as_str().unwrap_or_default().to_owned()));
    found.truncate(MAX_ALARMS);
    Ok(found)
}

fn concerns(alarm: &Value, wanted: &Wanted<'_>) -> bool {
    let name = alarm["AlarmName"].as_str().unwrap_or_default();
    let dimensions = alarm["Dimensions"].as_array().into_iter().flatten();
    let values: Vec<&str> = dimensions.filter_map(|one| one["Value"].as_str()).collect();
    let mut names = [wanted.service, wanted.instance].into_iter().flatten();
    wanted.alarm == Some(name)
        || names
            .any(|wanted| values.contains(&wanted) || name.split(|c: char| !c.is_alphanumeric()).any(|w| w == wanted))
}

/// Alarms that ring, as lines: when, and why in CloudWatch's words.
pub(super) fn say(alarms: &[Value], subject: &str, gathered: &mut Gathered) {
    for alarm in alarms.iter().filter(|alarm| alarm["StateValue"] == "ALARM") {
        let text = |name: &str| one_line(alarm[name].as_str().unwrap_or_default(), 300);
        let said = format!("CloudWatch alarm {} is in ALARM: {}", text("AlarmName"), text("StateReason"));
        let at = moment(&alarm["StateTransitionedTimestamp"]).or_else(|| moment(&alarm["StateUpdatedTimestamp"]));
        gathered.add(subject, Part::Trouble, line(at, Some("error"), &said, None));
    }
}

/// Seconds as a number, or RFC 3339.
fn moment(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => Timestamp::parse(text).ok().map(|at| at.0),
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and times are small")]
        number => number.as_f64().map(|seconds| (seconds * 1000.0).round() as i64),
    }
}

fn pairs(result: &Value) -> Vec<(i64, f64)> {
    let (times, values) = (result["Timestamps"].as_array(), result["Values"].as_array());
    let both = times.into_iter().flatten().zip(values.into_iter().flatten());
    both.filter_map(|(at, value)| Some((moment(at)?, value.as_f64()?))).filter(|(_, value)| value.is_finite()).collect()
}

fn told(metric: &Value, subject: &str, region: &str, points: Vec<(i64, f64)>) -> Option<Telemetry> {
    let text = |value: &Value| clip(value.as_str().unwrap_or_default(), 200);
    let name = metric["MetricName"].as_str()?;
    let dimensions = metric["Dimensions"].as_array().into_iter().flatten().take(10);
    let mut labels: BTreeMap<String, String> =
        dimensions.map(|one| (text(&one["Name"]), text(&one["Value"]))).filter(|(name, _)| !name.is_empty()).collect();
    labels.insert("Namespace".to_owned(), text(&metric["Namespace"]));
    labels.insert("stat".to_owned(), statistic(name).to_owned());
    let source = format!("CloudWatch {region} {} {}", labels["Namespace"], clip(name, 200));
    Some(Telemetry::Metric { subject: subject.to_owned(), name: snake(&clip(name, 200)), labels, source, points })
}

/// Minutes as long as they are few enough; CloudWatch keeps single minutes for 15 days.
fn period((from, to): Stretch) -> i64 {
    let seconds = (to - from) / 1000;
    [60, 300, 3600].into_iter().find(|period| seconds / period <= MAX_POINTS).unwrap_or(3600)
}

/// What is counted is added up, everything else is averaged.
fn statistic(name: &str) -> &'static str {
    let counted = ["Error", "Count", "Invocation", "Request", "Throttle", "Fault", "4XX", "5XX", "NumberOf"];
    let averaged = ["Time", "Latency", "Rate", "Ratio", "Percent", "Utilization"];
    let has = |words: &[&str]| words.iter().any(|word| name.to_lowercase().contains(&word.to_lowercase()));
    if has(&counted) && !has(&averaged) { "Sum" } else { "Average" }
}

/// `CPUUtilization` → `cpu_utilization`: words that anybody understands.
fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| chars.get(before)).copied().unwrap_or('_');
        let begins = c.is_uppercase() && before.is_alphanumeric();
        let after_lower = before.is_lowercase();
        let ends_capitals = chars.get(at + 1).is_some_and(|next| next.is_lowercase()) && !before.is_lowercase();
        if begins && (after_lower || ends_capitals) {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_named_in_words_and_counted_where_it_counts() {
        for (name, words, stat) in [
            ("CPUUtilization", "cpu_utilization", "Average"),
            ("HTTPCode_Target_5XX_Count", "http_code_target_5xx_count", "Sum"),
            ("5XXError", "5xx_error", "Sum"),
            ("Errors", "errors", "Sum"),
            ("ErrorRate", "error_rate", "Average"),
            ("TargetResponseTime", "target_response_time", "Average"),
            ("queue_depth", "queue_depth", "Average"),
        ] {
            assert_eq!((snake(name).as_str(), statistic(name)), (words, stat), "{name}");
        }
        assert_eq!(period((0, 5 * 3_600_000)), 60);
        assert_eq!(period((0, 25 * 3_600_000)), 300);
    }
}
