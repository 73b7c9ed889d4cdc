//! Spans and the log lines written in them.

use super::pod;
use anyhow::{Context, Result};
use sentinell_evidence::case::{LogLine, LogStream, Span};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Adds the spans of a file, so many seconds later.
pub(super) fn spans(file: &Path, shift: i64, spans: &mut Vec<Span>) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(file)?;
    let mut row = csv::StringRecord::new();
    let at = columns(reader.headers()?, ["TraceID", "SpanID", "ParentID", "PodName", "OperationName"], file)?;
    let times = columns(reader.headers()?, ["StartTimeUnixNano", "EndTimeUnixNano"], file)?;
    while reader.read_record(&mut row)? {
        let text = |n: usize| row.get(at[n]).unwrap_or_default();
        let number = |n: usize| row.get(times[n]).and_then(|cell| cell.trim().parse::<i64>().ok());
        let Some((start, end)) = number(0).zip(number(1)) else { continue };
        spans.push(Span {
            trace: text(0).to_owned(),
            id: text(1).to_owned(),
            parent: Some(text(2)).filter(|parent| !parent.is_empty() && *parent != "root").map(str::to_owned),
            subject: pod(text(3)),
            operation: text(4).to_owned(),
            start_us: start / 1000 + shift * 1_000_000,
            duration_us: end.saturating_sub(start) / 1000,
            failed: false,
        });
    }
    Ok(())
}

/// The log lines by who wrote them, before the onset and after it.
#[derive(Default)]
pub(super) struct Lines(BTreeMap<String, (Vec<LogLine>, Vec<LogLine>)>);

impl Lines {
    /// Adds the lines of a file, so many seconds later; `onset` in Unix seconds.
    pub(super) fn read(&mut self, file: &Path, shift: i64, onset: i64) -> Result<()> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(file)?;
        let mut row = csv::StringRecord::new();
        let at = columns(reader.headers()?, ["TimeUnixNano", "PodName", "TraceID", "Log"], file)?;
        while reader.read_record(&mut row)? {
            let text = |n: usize| row.get(at[n]).unwrap_or_default();
            // Some clocks of the recording overflowed; such a line has no time.
            let at_ms = text(0)
                .trim()
                .parse::<i64>()
                .ok()
                .map(|at| at / 1_000_000)
                .filter(|at| *at > 0)
                .map(|at| at + shift * 1000);
            let trace = Some(text(2)).filter(|trace| !trace.is_empty()).map(str::to_owned);
            let line = LogLine { at_ms, level: None, text: unwrapped(text(3)), trace };
            let (before, after) = self.0.entry(text(1).to_owned()).or_default();
            if at_ms.is_some_and(|at| at >= onset.saturating_mul(1000)) { after.push(line) } else { before.push(line) }
        }
        Ok(())
    }

    /// A stream a pod, oldest line first.
    pub(super) fn streams(self) -> Vec<LogStream> {
        let streams = self.0.into_iter().map(|(who, (mut baseline, mut lines))| {
            baseline.sort_by_key(|line| line.at_ms);
            lines.sort_by_key(|line| line.at_ms);
            LogStream { source: format!("log of {who}"), subject: pod(&who), lines, baseline }
        });
        streams.collect()
    }
}

/// What the container wrote, out of the runtime's JSON around it.
fn unwrapped(text: &str) -> String {
    let written = serde_json::from_str::<Value>(text).ok();
    let written = written.as_ref().and_then(|line| line["log"].as_str()).unwrap_or(text);
    written.trim_end().to_owned()
}

fn columns<const N: usize>(heads: &csv::StringRecord, names: [&str; N], file: &Path) -> Result<[usize; N]> {
    let mut at = [0; N];
    for (at, name) in at.iter_mut().zip(names) {
        let found = heads.iter().position(|head| head == name);
        *at = found.with_context(|| format!("{} has no column {name}", file.display()))?;
    }
    Ok(at)
}
