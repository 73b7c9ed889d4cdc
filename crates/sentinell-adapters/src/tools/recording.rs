//! A folder of recorded telemetry: an incident as one can hand it over. Its layout is in `docs/recording-format.md`.

mod folder;
mod kubernetes;
mod metrics;
mod traces;

use crate::text::{clip, known_args, log_lines, one_line};
use folder::Folder;
use sentinell_core::evidence::{Change, Gap, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Question, Tool, ToolError};
use sentinell_core::time::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Lines of one log that are kept.
const MAX_LINES: usize = 20_000;
/// Lines of `changes.jsonl` and `calls.jsonl` that are read.
const MAX_RECORDS: usize = 10_000;

/// What `incident.json` says; everything may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RecordedIncident {
    /// One line.
    pub title: String,
    /// The report or alert as it came.
    pub description: String,
    /// When it began.
    pub onset: Option<Timestamp>,
    /// The namespace it is about.
    pub namespace: Option<String>,
    /// The service that was reported.
    pub service: Option<String>,
    /// The alert's other labels.
    pub labels: BTreeMap<String, String>,
}

/// The tool `recording`.
#[derive(Debug)]
pub struct Recording {
    root: PathBuf,
    incident: RecordedIncident,
}

impl Recording {
    /// Opens a folder and reads its `incident.json`, if there is one. Blocks on the file system.
    ///
    /// # Errors
    /// If it is not a folder, or `incident.json` is there and cannot be understood.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, String> {
        let root: PathBuf = root.into();
        let root = root.canonicalize().map_err(|error| format!("{}: {error}", root.display()))?;
        if !root.is_dir() {
            return Err(format!("{} is not a folder", root.display()));
        }
        let mut folder = Folder::new(&root);
        let incident = match folder.text("incident.json") {
            Some(text) => serde_json::from_str(&text).map_err(|error| format!("incident.json: {error}"))?,
            None => RecordedIncident::default(),
        };
        Ok(Self { root, incident: bounded(incident) })
    }

    /// What `incident.json` says.
    pub fn incident(&self) -> &RecordedIncident {
        &self.incident
    }
}

impl Tool for Recording {
    fn name(&self) -> &str {
        "recording"
    }

    fn describe(&self) -> &str {
        "reads a folder of recorded logs, metrics, traces, Kubernetes state, changes and calls; no args"
    }

    fn first_look(&self, _case: &Investigation) -> Vec<Question> {
        let why = "what was recorded?".to_owned();
        vec![Question { tool: self.name().to_owned(), args: BTreeMap::new(), why }]
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(async move {
            known_args(&query.args, &[]).map_err(ToolError::BadQuery)?;
            let (root, namespace) = (self.root.clone(), self.incident.namespace.clone());
            let read = tokio::task::spawn_blocking(move || look(Folder::new(&root), namespace.as_deref())).await;
            read.map_err(|error| ToolError::Retry(error.to_string()))
        })
    }
}

fn look(mut folder: Folder, namespace: Option<&str>) -> Observation {
    let mut telemetry = vec![];
    for name in folder.names("logs", &["log", "txt"]) {
        telemetry.extend(log(&mut folder, &name, namespace));
    }
    for name in folder.names("metrics", &["csv"]) {
        let path = format!("metrics/{name}");
        let Some(text) = folder.text(&path) else { continue };
        let (series, gaps) = metrics::read(&text, &path, stem(&name), namespace);
        telemetry.extend(series);
        folder.gaps.extend(gaps);
    }
    for name in folder.names("kubernetes", &["json", "yaml", "yml", "txt"]) {
        let path = format!("kubernetes/{name}");
        let Some(text) = folder.text(&path) else { continue };
        let (reads, gaps) = kubernetes::read(&text, &path);
        telemetry.extend(reads);
        folder.gaps.extend(gaps);
    }
    for name in folder.names("traces", &["json", "jsonl"]) {
        let path = format!("traces/{name}");
        let Some(text) = folder.text(&path) else { continue };
        let (spans, gaps) = traces::read(&text, &path, namespace);
        telemetry.push(spans);
        folder.gaps.extend(gaps);
    }
    let changes: Vec<Change> = records(&mut folder, "changes.jsonl");
    telemetry.extend(changes.into_iter().map(|change| Telemetry::Change { change }));
    let calls: Vec<RecordedCall> = records(&mut folder, "calls.jsonl");
    telemetry.extend(calls.into_iter().map(|call| Telemetry::Call {
        caller: subject(&one_line(&call.caller, 200), namespace),
        callee: subject(&one_line(&call.callee, 200), namespace),
    }));
    Observation { telemetry, gaps: folder.gaps, call: format!("the recording in {}", folder.root.display()) }
}

#[derive(Deserialize)]
struct RecordedCall {
    caller: String,
    callee: String,
}

fn log(folder: &mut Folder, name: &str, namespace: Option<&str>) -> Option<Telemetry> {
    let path = format!("logs/{name}");
    let lines = log_lines(&folder.tail(&path)?, MAX_LINES);
    let quiet = format!("logs-baseline/{name}");
    let baseline = if folder.has(&quiet) { folder.tail(&quiet).unwrap_or_default() } else { String::new() };
    let baseline = log_lines(&baseline, MAX_LINES);
    Some(Telemetry::Logs { subject: subject(stem(name), namespace), source: path, lines, baseline })
}

fn records<T: for<'de> Deserialize<'de>>(folder: &mut Folder, path: &str) -> Vec<T> {
    let Some(text) = folder.text(path) else { return vec![] };
    let mut found = vec![];
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (number, line) in lines.take(MAX_RECORDS) {
        match serde_json::from_str(line) {
            Ok(record) => found.push(record),
            Err(error) => folder.gap(&format!("{path} line {}", number + 1), &error.to_string()),
        }
    }
    found
}

/// `service/<namespace>/<name>`; a name that says its kind itself (`pod/shop/cart-1`) stays as it is.
fn subject(name: &str, namespace: Option<&str>) -> String {
    match namespace {
        _ if name.contains('/') => name.to_owned(),
        Some(namespace) => format!("service/{namespace}/{name}"),
        None => format!("service/{name}"),
    }
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn gap(what: &str, why: &str) -> Gap {
    Gap { what: one_line(what, 200), why: one_line(why, 300) }
}

fn bounded(incident: RecordedIncident) -> RecordedIncident {
    let labels = incident.labels.into_iter().take(64);
    RecordedIncident {
        title: one_line(&incident.title, 300),
        description: clip(&incident.description, 20_000),
        onset: incident.onset,
        namespace: incident.namespace.map(|text| one_line(&text, 63)),
        service: incident.service.map(|text| one_line(&text, 200)),
        labels: labels.map(|(name, value)| (one_line(&name, 100), one_line(&value, 500))).collect(),
    }
}
