//! Logs, call graph, metrics and alerts as the benchmark's tools print them.

use super::{Entity, EntityKind, LogLine, LogStream, Series, Value, service};
use std::collections::BTreeMap;

/// A tool's answer about one service's log: a list of lines, a map of lists, or counted patterns with a sample each;
/// sometimes all that as text.
pub(super) fn logs(subject: Entity, tool: &str, answer: &Value) -> Option<LogStream> {
    let parsed = answer.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let mut lines = Vec::new();
    collect(parsed.as_ref().unwrap_or(answer), &mut lines);
    let kubectl = |line: &LogLine| line.text.starts_with("Error: Error from server");
    lines.retain(|line| !kubectl(line));
    (!lines.is_empty()).then(|| LogStream {
        source: format!("{tool} {}", subject.name),
        subject,
        lines,
        baseline: Vec::new(),
    })
}

fn collect(value: &Value, lines: &mut Vec<LogLine>) {
    match value {
        Value::String(text) => lines.push(LogLine { at_ms: None, level: None, text: text.clone(), trace: None }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, lines)),
        Value::Object(map) => {
            for (key, value) in map {
                if key != "pattern" || !map.contains_key("sample") {
                    collect(value, lines);
                }
            }
        }
        _ => {}
    }
}

/// Who calls whom, from a drawn tree under `[Downstream (Calls)]:`.
pub(super) fn calls(namespace: &str, text: &str) -> Vec<(Entity, Entity)> {
    let mut stack: Vec<(usize, String)> = Vec::new();
    let mut calls = Vec::new();
    for line in text.lines().skip_while(|line| !line.starts_with("[Downstream")).skip(1) {
        let depth = line.chars().take_while(|c| !c.is_ascii_alphanumeric()).count();
        let Some(name) = line.chars().skip(depth).collect::<String>().split_whitespace().next().map(str::to_owned)
        else {
            continue;
        };
        if line.starts_with('(') {
            continue;
        }
        stack.retain(|(other, _)| *other < depth);
        if let Some((_, caller)) = stack.last() {
            calls.push((service(namespace, caller), service(namespace, &name)));
        }
        stack.push((depth, name));
    }
    calls
}

/// Whether a connection to a service's port was taken, as a probe tells it.
pub(super) fn probe(namespace: &str, arguments: &Value, answer: &Value) -> Option<Series> {
    let (name, answer) = (arguments["service_name"].as_str()?, answer.as_str()?);
    let taken = match (answer.contains("Connection Succeeded"), answer.contains("Connection Failed")) {
        (true, false) => 1.0,
        (false, true) => 0.0,
        _ => return None,
    };
    Some(Series {
        subject: service(namespace, name),
        name: "probe_success".to_owned(),
        labels: BTreeMap::new(),
        source: format!("CheckServiceConnectivity {name}:{}", arguments["port"]),
        points: vec![(0, taken)],
    })
}

/// `time,till-cpu,till-p90latency,…`: a column a series, named after a service or a node.
pub(super) fn metrics(namespace: &str, nodes: &[String], table: &str) -> Vec<Series> {
    let mut lines = table.trim_start_matches('\u{feff}').lines();
    let heads: Vec<&str> = lines.next().unwrap_or("").split(',').map(str::trim).collect();
    let mut series: Vec<Option<Series>> = heads.iter().map(|head| column(namespace, nodes, head)).collect();
    for line in lines {
        let mut cells = line.split(',');
        let Some(at_ms) = cells.next().and_then(time) else { continue };
        for (column, cell) in series.iter_mut().skip(1).zip(cells) {
            if let (Some(series), Ok(value)) = (column, cell.trim().parse::<f64>()) {
                series.points.push((at_ms, value));
            }
        }
    }
    series.into_iter().flatten().filter(|series| !series.points.is_empty()).collect()
}

fn time(text: &str) -> Option<i64> {
    let time = chrono::NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S").ok()?;
    Some(time.and_utc().timestamp_millis())
}

fn column(namespace: &str, nodes: &[String], head: &str) -> Option<Series> {
    let (name, metric) = head.rsplit_once('-')?;
    let subject = if nodes.iter().any(|node| node == name) {
        Entity::new(EntityKind::Node, name)
    } else {
        service(namespace, name)
    };
    let metric = match metric {
        "p50latency" | "p90latency" | "p95latency" | "p99latency" => {
            format!("latency_{}", metric.trim_end_matches("latency"))
        }
        "cpu_cfs" => "cpu_cfs_throttled".to_owned(),
        "tcp_retans" => "tcp_retransmits".to_owned(),
        other => other.to_owned(),
    };
    Some(Series {
        subject,
        name: metric,
        labels: BTreeMap::new(),
        source: format!("metrics.csv {head}"),
        points: Vec::new(),
    })
}

/// Alerts that tell of requests that failed, as the client that sent them would have written them down.
pub(super) fn requests(alerts: &Value) -> Option<LogStream> {
    let lines: Vec<LogLine> = alerts["alerts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|alert| {
            let path = alert["url"].as_str().filter(|path| !path.is_empty())?;
            let method = alert["request_method"].as_str().unwrap_or("GET");
            let text = format!("{method} {path}: {}", alert["raw_error"].as_str().unwrap_or(""));
            Some(LogLine { at_ms: None, level: None, text, trace: None })
        })
        .collect();
    let subject = Entity::new(EntityKind::Host, "client");
    (!lines.is_empty()).then(|| LogStream { subject, source: "GetAlerts".into(), lines, baseline: Vec::new() })
}

/// Alerts that say `Normal=17.61ms -> Current=786.84ms`: two points of a series, before and in between.
pub(super) fn alerts(namespace: &str, alerts: &Value) -> Vec<Series> {
    let mut all = Vec::new();
    for alert in alerts["alerts"].as_array().into_iter().flatten() {
        let Some(name) = alert["name"].as_str() else { continue };
        let subject =
            if alert["type"] == "Node" { Entity::new(EntityKind::Node, name) } else { service(namespace, name) };
        for text in alert["evidence"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let Some(metric) = metric(text) else { continue };
            for part in text.split("Normal=").skip(1) {
                let current = part.split("Current=").nth(1).or_else(|| part.split("Cur=").nth(1));
                let Some((usual, now)) = number(part).zip(current.and_then(number)) else { continue };
                let source = format!("alert {name}: {text}").chars().take(200).collect();
                all.push(Series {
                    subject: subject.clone(),
                    name: metric.to_owned(),
                    labels: BTreeMap::new(),
                    source,
                    points: vec![(0, usual), (60_000, now)],
                });
            }
        }
    }
    all
}

fn metric(text: &str) -> Option<&'static str> {
    let kinds = [
        ("LATENCY_DEGRADATION", "latency"),
        ("TRAFFIC_ANOMALY", "network_receive"),
        ("THROUGHPUT", "rps"),
        ("ERROR_SPIKE", "success_rate"),
        ("NETWORK_QUALITY", "tcp_retransmits"),
        ("RESOURCE_SATURATION [cpu core]", "cpu"),
    ];
    kinds.iter().find(|(word, _)| text.starts_with(word)).map(|(_, metric)| *metric)
}

fn number(text: &str) -> Option<f64> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?.parse().ok()
}
