//! Measuring the engine on public benchmarks. Each suite's layout and vocabulary live in its own file and nowhere else.
//!
//! A suite turns a recorded case into a [`Case`], asks the engine, and puts its answer into the suite's words. What a
//! case is graded by (fields that begin with `truth_`) is taken away before the suite sees it.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use sentinell_evidence::case::Case;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

mod cloudopsbench;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// Recorded Kubernetes clusters with one fault each.
    Cloudopsbench,
}

/// Arguments of `sentinell eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The suite
    pub suite: Suite,
    /// The folder the cases' paths are relative to
    #[arg(long)]
    pub data: PathBuf,
    /// The index: one case a line
    #[arg(long)]
    pub cases: PathBuf,
    /// Where to write the predictions, as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// How many cases at most
    #[arg(long)]
    pub limit: Option<usize>,
    /// Also print the ranked predictions of every case that is not right at rank 1
    #[arg(long)]
    pub misses: bool,
}

/// One cause as the suite names it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prediction {
    /// The object at fault.
    pub entity: String,
    /// What is wrong with it.
    pub cause: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Why, a line each.
    pub evidence: Vec<String>,
}

/// What a case is graded by.
#[derive(Debug, Default)]
struct Truth {
    object: String,
    cause: String,
}

/// One graded case.
struct Outcome {
    id: String,
    system: String,
    predictions: Vec<Prediction>,
    truth: Option<Truth>,
    rank: Option<usize>,
    cpu_ms: f64,
}

/// Runs a suite, prints its table and writes its predictions.
///
/// # Errors
///
/// If the index or a case cannot be read, or the predictions cannot be written.
pub fn run(args: &EvalArgs) -> Result<()> {
    let index = std::fs::read_to_string(&args.cases).with_context(|| format!("reading {}", args.cases.display()))?;
    let lines = index.lines().filter(|line| !line.trim().is_empty()).take(args.limit.unwrap_or(usize::MAX));
    let mut outcomes = Vec::new();
    for line in lines {
        let mut case: Map<String, Value> =
            serde_json::from_str(line).context("a line of the index is not a JSON object")?;
        let truth = take_truth(&mut case);
        outcomes.push(judge(&args.data, case, truth)?);
    }
    if let Some(path) = &args.json {
        let report = report(args.suite, &outcomes);
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    print(&mut out, &outcomes, args.misses)?;
    Ok(())
}

/// Takes away every field that begins with `truth_`.
fn take_truth(case: &mut Map<String, Value>) -> Option<Truth> {
    let names: Vec<String> = case.keys().filter(|key| key.starts_with("truth_")).cloned().collect();
    let mut fields: BTreeMap<String, Value> = BTreeMap::new();
    for name in names {
        if let Some(value) = case.remove(&name) {
            fields.insert(name, value);
        }
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Truth { object: text("truth_object")?, cause: text("truth_root_cause")? })
}

fn judge(data: &Path, case: Map<String, Value>, truth: Option<Truth>) -> Result<Outcome> {
    let text = |name: &str| case.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let folder = data.join(text("dir"));
    let files = cloudopsbench::Files::read(&folder)?;
    let start = (Instant::now(), cpu_ms());
    let telemetry: Case = cloudopsbench::case(&files, &text("namespace"))?;
    let diagnosis = sentinell_evidence::diagnose(&telemetry);
    let predictions = cloudopsbench::predictions(&diagnosis);
    let cpu_ms = match (start.1, cpu_ms()) {
        (Some(before), Some(after)) => after - before,
        _ => start.0.elapsed().as_secs_f64() * 1000.0,
    };
    let right = |truth: &Truth| {
        predictions.iter().position(|p| p.entity == truth.object && cloudopsbench::same(&p.cause, &truth.cause))
    };
    let rank = truth.as_ref().and_then(right).map(|at| at + 1);
    Ok(Outcome { id: text("id"), system: text("system"), predictions, truth, rank, cpu_ms })
}

/// Milliseconds this thread has spent on a processor, where Linux tells.
fn cpu_ms() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = stat.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

/// The share of outcomes right within the first `k`.
fn accuracy<'a>(outcomes: impl Iterator<Item = &'a Outcome> + Clone, k: usize) -> f64 {
    let all = outcomes.clone().count().max(1);
    let right = outcomes.filter(|outcome| outcome.rank.is_some_and(|rank| rank <= k)).count();
    ratio(right, all)
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
fn ratio(part: usize, all: usize) -> f64 {
    part as f64 / all as f64
}

fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn report(suite: Suite, outcomes: &[Outcome]) -> Value {
    let name = suite.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let mut metrics = Map::new();
    if outcomes.iter().all(|outcome| outcome.truth.is_some()) {
        let average = (1..=5).map(|k| accuracy(outcomes.iter(), k)).sum::<f64>() / 5.0;
        metrics.insert("AC@1".into(), json!(round(accuracy(outcomes.iter(), 1))));
        metrics.insert("AC@3".into(), json!(round(accuracy(outcomes.iter(), 3))));
        metrics.insert("Avg@5".into(), json!(round(average)));
        for system in systems(outcomes) {
            let own = outcomes.iter().filter(|outcome| outcome.system == system);
            metrics.insert(format!("AC@1 {system}"), json!(round(accuracy(own, 1))));
        }
    }
    let case = |outcome: &Outcome| {
        let prediction = |p: &Prediction| json!({ "entity": p.entity, "cause": p.cause, "confidence": round(p.confidence), "evidence": p.evidence });
        let predictions: Vec<Value> = outcome.predictions.iter().map(prediction).collect();
        let mut value = json!({ "id": outcome.id, "predictions": predictions, "cpu_ms": round(outcome.cpu_ms) });
        if let Some(rank) = outcome.rank {
            value["rank"] = json!(rank);
        }
        value
    };
    json!({
        "suite": name,
        "version": env!("CARGO_PKG_VERSION"),
        "n": outcomes.len(),
        "metrics": metrics,
        "cases": outcomes.iter().map(case).collect::<Vec<_>>(),
    })
}

fn systems(outcomes: &[Outcome]) -> Vec<String> {
    let mut systems: Vec<String> = outcomes.iter().map(|outcome| outcome.system.clone()).collect();
    systems.sort();
    systems.dedup();
    systems
}

fn print(out: &mut impl Write, outcomes: &[Outcome], misses: bool) -> Result<()> {
    let graded = outcomes.iter().any(|outcome| outcome.truth.is_some());
    if graded {
        print_causes(out, outcomes)?;
    }
    for outcome in outcomes.iter().filter(|outcome| !graded || misses && outcome.rank != Some(1)) {
        let wanted = outcome
            .truth
            .as_ref()
            .map(|truth| format!(" (truth: {} {})", truth.object, truth.cause))
            .unwrap_or_default();
        writeln!(out, "{}{wanted}", outcome.id)?;
        for (place, p) in outcome.predictions.iter().enumerate().take(3) {
            writeln!(
                out,
                "  {}. {} {} {:.2}  {}",
                place + 1,
                p.entity,
                p.cause,
                p.confidence,
                p.evidence.first().map_or("", String::as_str)
            )?;
        }
    }
    let mean = outcomes.iter().map(|outcome| outcome.cpu_ms).sum::<f64>() / ratio(outcomes.len().max(1), 1);
    let most = outcomes.iter().map(|outcome| outcome.cpu_ms).fold(0.0, f64::max);
    if graded {
        writeln!(out, "\n{:<16} {:>5} {:>7} {:>7}", "system", "n", "A@1", "A@3")?;
        for system in systems(outcomes) {
            let own = outcomes.iter().filter(|outcome| outcome.system == system);
            writeln!(
                out,
                "{system:<16} {:>5} {:>7.3} {:>7.3}",
                own.clone().count(),
                accuracy(own.clone(), 1),
                accuracy(own, 3)
            )?;
        }
        let all = outcomes.iter();
        writeln!(
            out,
            "{:<16} {:>5} {:>7.3} {:>7.3}",
            "all",
            outcomes.len(),
            accuracy(all.clone(), 1),
            accuracy(all, 3)
        )?;
    }
    writeln!(out, "{} cases, {mean:.1} ms a case on average, {most:.1} ms at most", outcomes.len())?;
    Ok(())
}

/// Per true cause: how many, how many right, and what was said instead.
fn print_causes(out: &mut impl Write, outcomes: &[Outcome]) -> Result<()> {
    let mut causes: BTreeMap<&str, (usize, usize, BTreeMap<String, usize>)> = BTreeMap::new();
    for outcome in outcomes {
        let Some(truth) = &outcome.truth else { continue };
        let entry = causes.entry(&truth.cause).or_default();
        entry.0 += 1;
        if outcome.rank == Some(1) {
            entry.1 += 1;
            continue;
        }
        let said = outcome.predictions.first().map_or_else(
            || "nothing".to_owned(),
            |p| if p.cause == truth.cause { "the right cause elsewhere".to_owned() } else { p.cause.clone() },
        );
        *entry.2.entry(said).or_default() += 1;
    }
    writeln!(out, "{:<36} {:>4} {:>6}  said instead", "root cause", "n", "A@1")?;
    for (cause, (all, right, instead)) in causes {
        let instead: Vec<String> = instead.iter().map(|(said, count)| format!("{said} ×{count}")).collect();
        writeln!(out, "{cause:<36} {all:>4} {:>6.2}  {}", ratio(right, all), instead.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_case_is_graded_by_is_taken_away() {
        let mut case: Map<String, Value> = serde_json::from_str(
            r#"{"id":"x","truth_object":"app/a","truth_root_cause":"oom_killed","truth_other":{"deep":1}}"#,
        )
        .unwrap();
        let truth = take_truth(&mut case).unwrap();
        assert_eq!((truth.object.as_str(), truth.cause.as_str()), ("app/a", "oom_killed"));
        assert_eq!(case.keys().collect::<Vec<_>>(), ["id"]);
        assert!(take_truth(&mut case).is_none());
    }
}
