//! Log parsing on labelled lines: does every line get the group and the template that a person gave it?
//!
//! A case is one system's log file. It fits no [`Layout`](crate::suite::Layout): nothing is diagnosed, every line is
//! an answer. Measures as in "Guidelines for Assessing the Accuracy of Log Message Template Identification
//! Techniques" (Khan et al., ICSE 2022) and Loghub-2.0 (Jiang et al., ISSTA 2024); the mean over systems counts.

mod marks;
mod notation;

use crate::index::{self, Line, Truth};
use crate::{EvalArgs, table};
use anyhow::{Context, Result};
use marks::{Labels, Marks, mean};
use sentinell_evidence::logs::parse;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// What came out for one system.
struct System {
    id: String,
    /// A line's template, by its group.
    templates: Vec<String>,
    /// A group a line.
    groups: Vec<usize>,
    marks: Option<Marks>,
    labels: Option<Labels>,
    lines: Vec<String>,
    cpu_ms: f64,
}

/// Runs the suite, prints its table and writes its predictions.
pub(crate) fn run(args: &EvalArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.cases).with_context(|| format!("reading {}", args.cases.display()))?;
    let mut systems = Vec::new();
    for line in index::read(&text) {
        let (line, truth) = line?;
        let wanted = args.only.is_empty() || args.only.iter().any(|id| *id == line.text("id"));
        if wanted && systems.len() < args.limit.unwrap_or(usize::MAX) {
            let system = system(&args.data, &line, truth).with_context(|| format!("case {}", line.text("id")))?;
            systems.push(system);
        }
    }
    if let Some(path) = &args.json {
        let report = serde_json::to_vec_pretty(&report(args, &systems))?;
        std::fs::write(path, report).with_context(|| format!("writing {}", path.display()))?;
    }
    print(&mut std::io::stdout().lock(), &systems, args.misses)
}

/// Parses one system's file; the labels are read afterwards.
fn system(data: &Path, line: &Line, truth: Option<Truth>) -> Result<System> {
    let path = data.join(line.text("log"));
    let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    // Linux counts a thread's processor time by the tick; this is over in less than one.
    let began = Instant::now();
    let parsed = parse(&lines);
    let cpu_ms = began.elapsed().as_secs_f64() * 1000.0;
    let (templates, groups) = named(&parsed.templates, &parsed.kinds);
    let labels = truth.map(|truth| Labels::read(data, &truth)).transpose()?;
    let answers: Vec<&str> = groups.iter().map(|group| templates[*group].as_str()).collect();
    let marks = labels.as_ref().map(|labels| Marks::of(labels, &groups, &answers)).transpose()?;
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    Ok(System { id: line.text("id").to_owned(), templates, groups, marks, labels, lines, cpu_ms })
}

/// Templates in the labels' notation; kinds that read alike in it are one group.
fn named(templates: &[String], kinds: &[usize]) -> (Vec<String>, Vec<usize>) {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut names = Vec::new();
    let mut group_of = Vec::new();
    for template in templates {
        let name = notation::template(template);
        let next = numbers.len();
        let number = *numbers.entry(name.clone()).or_insert(next);
        if number == next {
            names.push(name);
        }
        group_of.push(number);
    }
    let groups = kinds.iter().map(|kind| group_of.get(*kind).copied().unwrap_or_default()).collect();
    (names, groups)
}

fn report(args: &EvalArgs, systems: &[System]) -> Value {
    let mut metrics = Map::new();
    let marks: Vec<&Marks> = systems.iter().filter_map(|system| system.marks.as_ref()).collect();
    if !marks.is_empty() {
        for (name, value) in mean(&marks).named() {
            metrics.insert(name.to_owned(), json!(round(value)));
        }
    }
    for (system, marks) in systems.iter().filter_map(|system| Some((system, system.marks.as_ref()?))) {
        for (name, value) in marks.named() {
            metrics.insert(format!("{name} {}", system.id), json!(round(value)));
        }
    }
    let cases: Vec<Value> = systems.iter().map(case).collect();
    let (suite, version) = (args.suite.word(), env!("CARGO_PKG_VERSION"));
    json!({ "suite": suite, "version": version, "n": systems.len(), "metrics": metrics, "cases": cases })
}

fn case(system: &System) -> Value {
    let prediction = |group: &usize| json!({ "template": system.templates[*group], "group": group });
    let predictions: Vec<Value> = system.groups.iter().map(prediction).collect();
    json!({ "id": system.id, "predictions": predictions, "cpu_ms": round(system.cpu_ms) })
}

fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn print(out: &mut impl Write, systems: &[System], misses: bool) -> Result<()> {
    for system in systems.iter().filter(|_| misses) {
        if let Some(labels) = &system.labels {
            marks::misses(out, system.id.as_str(), labels, &system.groups, &system.templates, &system.lines)?;
        }
    }
    writeln!(
        out,
        "{:<14} {:>6} {:>6}  {:>6} {:>6} {:>6} {:>6} {:>11}",
        "", "lines", "kinds", "GA", "FGA", "PA", "FTA", "lines/s"
    )?;
    for system in systems {
        let rate = table::ratio(system.lines.len() * 1000, 1) / system.cpu_ms.max(1e-3);
        write!(out, "{:<14} {:>6} {:>6} ", system.id, system.groups.len(), system.templates.len())?;
        if let Some(marks) = &system.marks {
            marks.named().iter().try_for_each(|(_, value)| write!(out, " {value:>6.3}"))?;
        }
        writeln!(out, " {rate:>11.0}")?;
    }
    let all: Vec<&Marks> = systems.iter().filter_map(|system| system.marks.as_ref()).collect();
    if all.len() > 1 {
        write!(out, "{:<28} ", "mean of all systems")?;
        mean(&all).named().iter().try_for_each(|(_, value)| write!(out, " {value:>6.3}"))?;
        writeln!(out)?;
    }
    Ok(())
}
