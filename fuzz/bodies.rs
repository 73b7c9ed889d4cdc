//! Any bytes as telemetry. The engine answers, twice the same, with numbers that are numbers.
//!
//! The fuzz targets call these; so do the engine's own tests (`tests/fuzz.rs`), with a few hundred random inputs each.

use sentinell_evidence::case::{Case, KubernetesRead, LogLine, LogStream, Series, Span};
use sentinell_evidence::diagnose;
use sentinell_evidence::finding::{Entity, EntityKind};
use std::collections::BTreeMap;

/// Calls whose printed answer the bytes may be.
const CALLS: [&[&str]; 8] = [
    &["get", "pods", "-n", "town", "-o", "wide"],
    &["get", "events", "-n", "town"],
    &["get", "nodes"],
    &["describe", "pod", "till-1", "-n", "town"],
    &["describe", "node", "n1"],
    &["get", "deployment", "till", "-n", "town", "-o", "yaml"],
    &["logs", "till-1", "-n", "town"],
    &["top", "pods", "-n", "town"],
];

/// The lines of two streams, the second with the first as its good time.
pub fn logs(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<LogLine> = text.lines().map(line).collect();
    let good = lines.iter().take(lines.len() / 2).cloned().collect();
    let stream = |name: &str, baseline| LogStream {
        subject: service(name),
        source: "any".to_owned(),
        lines: lines.clone(),
        baseline,
    };
    check(&Case { logs: vec![stream("till", vec![]), stream("mill", good)], ..Case::default() });
}

/// What a cluster says: text of some call, and JSON where it is JSON.
pub fn kubernetes(bytes: &[u8]) {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let argv = CALLS[usize::from(*first) % CALLS.len()].iter().map(|word| (*word).to_owned()).collect();
    let mut reads = vec![KubernetesRead::Text { argv, output: String::from_utf8_lossy(rest).into_owned() }];
    reads.extend(serde_json::from_slice(rest).ok().map(KubernetesRead::Json));
    check(&Case { kubernetes: reads, ..Case::default() });
}

/// Points of three series, sixteen bytes each: a time and a number of any kind.
pub fn metrics(bytes: &[u8]) {
    let (onset, rest) = time(bytes);
    let mut series: Vec<Series> = ["requests_total", "cpu_usage", "latency_p99"].iter().map(|name| one(name)).collect();
    for (at, point) in rest.chunks_exact(16).enumerate() {
        let (moment, number) = time(point);
        let number = f64::from_le_bytes(number.try_into().unwrap_or_default());
        series[at % 3].points.push((moment, number));
    }
    let calls = vec![(service("kiosk"), service("till")), (service("till"), service("kiosk"))];
    check(&Case { onset_ms: Some(onset), metrics: series, calls, ..Case::default() });
}

/// Spans, twenty bytes each: whose, in which trace, under whom, when and how long.
pub fn traces(bytes: &[u8]) {
    let (onset, rest) = time(bytes);
    let spans = rest.chunks_exact(20).enumerate().map(|(at, span)| {
        let (start_us, span) = time(span);
        let (duration_us, span) = time(span);
        Span {
            trace: (span[0] % 16).to_string(),
            id: (usize::from(span[1]) * usize::from(span[0] & 1) + at).to_string(),
            parent: (span[2] > 60).then(|| span[2].to_string()),
            subject: service(["kiosk", "till", "mill"][usize::from(span[3]) % 3]),
            operation: ["pay", "grind"][usize::from(span[3] >> 2) % 2].to_owned(),
            start_us,
            duration_us,
            failed: span[3] > 200,
        }
    });
    let onset_ms = (onset % 3 != 0).then_some(onset);
    check(&Case { onset_ms, spans: spans.collect(), ..Case::default() });
}

fn check(case: &Case) {
    let said = diagnose(case);
    assert!(said.findings.iter().all(|finding| (0.0..=1.0).contains(&finding.strength)));
    assert!(said.ranking.hypotheses.iter().all(|cause| (0.0..=1.0).contains(&cause.confidence)));
    let places = said.ranking.hypotheses.iter().flat_map(|cause| cause.supports.iter().chain(&cause.contradicts));
    assert!(places.into_iter().all(|at| *at < said.findings.len()), "a citation of what is not there");
    // As text: a point that is no number does not equal itself.
    assert_eq!(format!("{said:?}"), format!("{:?}", diagnose(case)), "the same case, another answer");
}

fn service(name: &str) -> Entity {
    Entity::new(EntityKind::Service, name).in_namespace("town")
}

fn line(text: &str) -> LogLine {
    LogLine { at_ms: None, level: None, text: text.to_owned(), trace: None }
}

fn one(name: &str) -> Series {
    let (labels, source) = (BTreeMap::new(), "any".to_owned());
    Series {
        subject: service(["kiosk", "till"][name.len() % 2]),
        name: name.to_owned(),
        labels,
        source,
        points: vec![],
    }
}

/// The first eight bytes as a number, and the rest.
fn time(bytes: &[u8]) -> (i64, &[u8]) {
    match bytes.split_first_chunk::<8>() {
        Some((time, rest)) => (i64::from_le_bytes(*time), rest),
        None => (0, &[]),
    }
}
