//! One table a pod, a row a minute; and where the mesh measured it, how long the calls between services took.

use super::{pod, service};
use anyhow::{Context, Result};
use sentinell_evidence::case::{Case, Series};
use sentinell_evidence::finding::Entity;
use std::collections::BTreeMap;
use std::path::Path;

/// What is read: an hour before the fault, and the minutes in which it was there.
const BEFORE_S: i64 = 3600;
const AFTER_S: i64 = 240;

/// Columns that say something of the pod itself, in the field's usual words.
const COLUMNS: [(&str, &str); 14] = [
    ("CpuUsage(m)", "cpu_usage"),
    ("MemoryUsage(Mi)", "memory_usage"),
    ("SyscallRead", "syscall_read"),
    ("SyscallWrite", "syscall_write"),
    ("NetworkReceiveBytes", "network_receive"),
    ("NetworkTransmitBytes", "network_transmit"),
    ("PodClientLatencyP90(s)", "client_latency_p90"),
    ("PodClientLatencyP95(s)", "client_latency_p95"),
    ("PodClientLatencyP99(s)", "client_latency_p99"),
    ("PodServerLatencyP90(s)", "server_latency_p90"),
    ("PodServerLatencyP95(s)", "server_latency_p95"),
    ("PodServerLatencyP99(s)", "server_latency_p99"),
    ("PodWorkload(Ops)", "rps"),
    ("PodSuccessRate(%)", "success_rate"),
];

/// Every table of the folder, cut to the time around the onset (Unix seconds).
pub(super) fn read(folder: &Path, onset: i64, case: &mut Case) -> Result<()> {
    for file in super::files(folder) {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let series = match name {
            "dependency.csv" => {
                case.calls.extend(calls(&file)?);
                continue;
            }
            "source_50.csv" => table(&file, onset, |head| edge(head, "client"))?,
            "destination_50.csv" => table(&file, onset, |head| edge(head, "server"))?,
            _ => match name.strip_suffix("_metric.csv") {
                Some(owner) => table(&file, onset, |head| Some((pod(owner), column(head)?, BTreeMap::new())))?,
                None => continue,
            },
        };
        case.metrics.extend(series);
    }
    Ok(())
}

type Head = (Entity, String, BTreeMap<String, String>);

fn column(head: &str) -> Option<String> {
    COLUMNS.iter().find(|(name, _)| *name == head).map(|(_, word)| (*word).to_owned())
}

/// `caller_callee`: how long the call takes as one of the two sees it.
fn edge(head: &str, seen_by: &str) -> Option<Head> {
    let (caller, callee) = head.split_once('_')?;
    let labels = [("caller", caller), ("seen_by", seen_by)].map(|(key, value)| (key.to_owned(), value.to_owned()));
    Some((service(callee), "call_latency_p50".to_owned(), labels.into()))
}

fn table(file: &Path, onset: i64, what: impl Fn(&str) -> Option<Head>) -> Result<Vec<Series>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(file)?;
    let heads = reader.headers()?.clone();
    let place = |head: &str| heads.iter().position(|other| other.eq_ignore_ascii_case(head));
    let time = place("TimeStamp").with_context(|| format!("{} has no TimeStamp", file.display()))?;
    let source = |head: &str| format!("{} {head}", file.file_name().unwrap_or_default().to_string_lossy());
    let series = heads.iter().map(|head| {
        let (subject, name, labels) = what(head)?;
        Some(Series { subject, name, labels, source: source(head), points: Vec::new() })
    });
    let mut series: Vec<Option<Series>> = series.collect();
    for row in reader.records() {
        let row = row?;
        let Some(at) = row.get(time).and_then(|cell| cell.trim().parse::<i64>().ok()) else { continue };
        if !(onset - BEFORE_S..=onset + AFTER_S).contains(&at) {
            continue;
        }
        for (series, cell) in series.iter_mut().zip(&row) {
            // A minute without requests has no latency: NaN.
            if let (Some(series), Ok(value)) = (series, cell.trim().parse::<f64>())
                && value.is_finite()
            {
                series.points.push((at.saturating_mul(1000), value));
            }
        }
    }
    Ok(series.into_iter().flatten().filter(|series| !series.points.is_empty()).collect())
}

/// Who calls whom; rows that name a machine's address say where a pod runs, which nothing here asks.
fn calls(file: &Path) -> Result<Vec<(Entity, Entity)>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(file)?;
    let mut calls = Vec::new();
    for row in reader.records() {
        let row = row?;
        if let (Some(caller), Some(callee)) = (row.get(0), row.get(1))
            && !callee.contains('.')
        {
            calls.push((service(caller), service(callee)));
        }
    }
    Ok(calls)
}
