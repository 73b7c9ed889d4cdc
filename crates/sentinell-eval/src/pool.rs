//! Calibration over several suites, and what a map of confidence that was fitted on the others would have done on each.

use crate::EvalArgs;
use crate::calibration::of;
use crate::grade::Outcome;
use anyhow::{Context, Result};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

/// The engine's map today: the doubt that is left is the doubt before to this power.
const TODAY: f64 = 2.0;

/// The engine is never surer than this.
const SUREST: f64 = 0.98;

/// A suite's first predictions: confidence, and whether it was right.
type Said = (String, Vec<(f64, bool)>);

/// Prints a row for each suite and one for all cases.
pub(crate) fn print(out: &mut impl Write, args: &EvalArgs, outcomes: &[Outcome]) -> Result<()> {
    let own = outcomes.iter().map(|outcome| (outcome.confidence(), outcome.hit())).collect();
    let mut suites: Vec<Said> = vec![(args.suite.word(), own)];
    for path in &args.pool {
        suites.push(read(path)?);
    }
    writeln!(
        out,
        "\n{:<16} {:>4} {:>7} {:>10} {:>8} {:>12}",
        "pooled", "n", "ECE", "conf+wrong", "power", "ECE, fitted"
    )?;
    let mut fitted: Vec<(f64, bool)> = Vec::new();
    for (at, (name, said)) in suites.iter().enumerate() {
        let others: Vec<&Said> = suites.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, s)| s).collect();
        let power = fit(&others);
        let again: Vec<(f64, bool)> = said.iter().map(|(said, hit)| (mapped(*said, power), *hit)).collect();
        row(out, name, said, &again, Some(power))?;
        fitted.extend(again);
    }
    let all: Vec<(f64, bool)> = suites.iter().flat_map(|(_, said)| said.iter().copied()).collect();
    row(out, "all", &all, &fitted, None)
}

fn row(
    out: &mut impl Write,
    name: &str,
    said: &[(f64, bool)],
    again: &[(f64, bool)],
    power: Option<f64>,
) -> Result<()> {
    let (now, then) = (of(said.iter().copied()), of(again.iter().copied()));
    let power = power.map_or_else(String::new, |power| format!("{power:.1}"));
    let wrong = 100.0 * now.confident_and_wrong;
    writeln!(out, "{name:<16} {:>4} {:>7.3} {wrong:>8.1} % {power:>8} {:>12.3}", said.len(), now.error, then.error)?;
    Ok(())
}

/// An output of `--json`: a case without a right prediction has no rank.
fn read(path: &Path) -> Result<Said> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let value: Value = serde_json::from_slice(&bytes).with_context(|| format!("{} is not JSON", path.display()))?;
    let graded = value["metrics"].as_object().is_some_and(|metrics| metrics.contains_key("ECE"));
    anyhow::ensure!(graded, "{} is no graded output of `eval --json`", path.display());
    let said = |case: &Value| {
        let confidence = case["predictions"][0]["confidence"].as_f64().unwrap_or(0.0);
        (confidence.clamp(0.0, 1.0), case["rank"] == 1)
    };
    let cases = value["cases"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok((value["suite"].as_str().unwrap_or("").chars().take(16).collect(), cases.iter().map(said).collect()))
}

/// A printed confidence as another power of the doubt would have printed it.
fn mapped(said: f64, power: f64) -> f64 {
    (1.0 - (1.0 - said.clamp(0.0, 1.0)).powf(power / TODAY)).min(SUREST)
}

/// The power with the least squared error (Brier 1950), every suite counting alike.
fn fit(suites: &[&Said]) -> f64 {
    let loss = |power: f64| -> f64 {
        let of_suite = |said: &[(f64, bool)]| -> f64 {
            let off = |(said, hit): &(f64, bool)| (mapped(*said, power) - if *hit { 1.0 } else { 0.0 }).powi(2);
            said.iter().map(off).sum::<f64>() / crate::table::ratio(said.len().max(1), 1)
        };
        suites.iter().map(|(_, said)| of_suite(said)).sum()
    };
    let powers = (2..=40).map(|tenth| f64::from(tenth) / 4.0);
    powers.min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap_or(TODAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_that_is_too_modest_asks_for_a_higher_power_and_a_boast_for_a_lower_one() {
        let said = |share: usize| (String::new(), (0..20).map(|at| (0.75, at < share)).collect::<Vec<_>>());
        assert!((fit(&[&said(15)]) - TODAY).abs() < 1e-9, "it says what is true");
        assert!(fit(&[&said(19)]) > 3.0 && fit(&[&said(8)]) < 1.0);
        assert!((mapped(0.75, 4.0) - 0.9375).abs() < 1e-9 && mapped(1.0, 4.0) <= SUREST);
    }

    #[test]
    fn an_output_that_is_none_is_refused() {
        let folder = std::env::temp_dir().join(format!("pool-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("out.json");
        let tried = |text: &str| {
            std::fs::write(&path, text).expect("written");
            read(&path).map_err(|error| error.to_string())
        };
        assert!(tried("[[[").is_err() && tried("{}").is_err() && tried("{\"metrics\": 3}").is_err());
        let odd = "{\"suite\": \"town\", \"metrics\": {\"ECE\": 0}, \"cases\": [{}, {\"rank\": 1, \"predictions\": [{\"confidence\": 7}]}]}";
        assert_eq!(tried(odd), Ok(("town".to_owned(), vec![(0.0, false), (1.0, true)])));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
