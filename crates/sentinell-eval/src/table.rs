//! What a person reads: per cause, per group, with intervals, calibration, time and memory.

use crate::EvalArgs;
use crate::calibration::calibration;
use crate::grade::Outcome;
use crate::suite::{Layout, Mark, Prediction};
use anyhow::Result;
use std::collections::BTreeMap;
use std::io::Write;

/// The share of outcomes right within the first `k` by the suite's mark number `mark`.
pub(crate) fn accuracy<'a>(outcomes: impl Iterator<Item = &'a Outcome> + Clone, mark: usize, k: usize) -> f64 {
    let all = outcomes.clone().count().max(1);
    let right = outcomes.filter(|outcome| outcome.ranks.get(mark).copied().flatten().is_some_and(|rank| rank <= k));
    ratio(right.count(), all)
}

/// The headings that outcomes count under.
pub(crate) fn groups(outcomes: &[Outcome]) -> Vec<String> {
    let mut groups: Vec<String> = outcomes.iter().flat_map(|outcome| outcome.groups.iter().cloned()).collect();
    groups.sort();
    groups.dedup();
    groups
}

/// Prints the tables; without truth, the predictions.
pub(crate) fn print(out: &mut impl Write, args: &EvalArgs, outcomes: &[Outcome]) -> Result<()> {
    let (layout, misses) = (args.suite.layout(), args.misses);
    let graded = outcomes.iter().any(|outcome| outcome.truth.is_some());
    if graded {
        causes(out, layout, outcomes)?;
    }
    for outcome in outcomes.iter().filter(|outcome| !graded || misses && !outcome.hit()) {
        case(out, layout, outcome)?;
    }
    if graded {
        figures(out, args.marks(), outcomes)?;
    }
    onsets(out, outcomes)?;
    let mean = outcomes.iter().map(|outcome| outcome.cpu_ms).sum::<f64>() / ratio(outcomes.len().max(1), 1);
    let most = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).fold(0.0, f64::max);
    let (slowest, largest) = (most(|outcome| outcome.cpu_ms), most(|outcome| outcome.peak_mib));
    writeln!(
        out,
        "{} cases, {mean:.1} ms of processor time a case on average, {slowest:.1} ms and {largest:.0} MiB at most",
        outcomes.len()
    )?;
    Ok(())
}

/// How far the onsets that were used are from those of the suite.
fn onsets(out: &mut impl Write, outcomes: &[Outcome]) -> Result<()> {
    let mut off: Vec<i64> = outcomes.iter().filter_map(|outcome| outcome.onset_off_ms).map(i64::abs).collect();
    off.sort_unstable();
    let (Some(last), false) = (off.len().checked_sub(1), outcomes.is_empty()) else { return Ok(()) };
    let seconds = |share: usize| off[last * share / 10] / 1000;
    writeln!(
        out,
        "onset said in {} of {} cases: off by {} s at the median, {} s at nine of ten, {} s at most",
        off.len(),
        outcomes.len(),
        seconds(5),
        seconds(9),
        seconds(10)
    )?;
    Ok(())
}

fn case(out: &mut impl Write, layout: &dyn Layout, outcome: &Outcome) -> Result<()> {
    let truth = outcome.truth.as_ref().map(|truth| format!(" (truth: {})", layout.cause(truth))).unwrap_or_default();
    writeln!(out, "{}{truth}", outcome.id)?;
    for (place, p) in outcome.predictions.iter().enumerate().take(3) {
        let because = p.evidence.first().map_or("", String::as_str);
        writeln!(out, "  {}. {} {:.2}  {because}", place + 1, words(p), p.confidence)?;
    }
    Ok(())
}

fn words(p: &Prediction) -> String {
    let parts = [Some(&p.entity), p.cause.as_ref(), p.metric.as_ref()];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// A row a group and one for all: how many, A@1 with its interval, A@3, Avg@5.
fn figures(out: &mut impl Write, marks: &[Mark], outcomes: &[Outcome]) -> Result<()> {
    writeln!(out, "\n{:<28} {:>4} {:>7}  {:<15} {:>7} {:>7}", "", "n", "A@1", "95 % interval", "A@3", "Avg@5")?;
    let mut row = |name: &str, mark: usize, own: &[&Outcome]| {
        let right = |k| accuracy(own.iter().copied(), mark, k);
        let (low, high) = wilson(right(1), own.len());
        let average = (1..=5).map(right).sum::<f64>() / 5.0;
        let (one, three) = (right(1), right(3));
        let interval = format!("{low:.3} to {high:.3}");
        writeln!(out, "{name:<28} {:>4} {one:>7.3}  {interval:<15} {three:>7.3} {average:>7.3}", own.len())
    };
    let groups = groups(outcomes);
    for group in groups.iter().filter(|_| groups.len() > 1) {
        let own: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.groups.contains(group)).collect();
        row(group, 0, &own)?;
    }
    let all: Vec<&Outcome> = outcomes.iter().collect();
    for (at, mark) in marks.iter().enumerate() {
        row(&format!("all, by {}", mark.what), at, &all)?;
    }
    let kept = calibration(outcomes.iter());
    let (error, confident, wrong) = (kept.error, 100.0 * kept.confident, 100.0 * kept.confident_and_wrong);
    writeln!(
        out,
        "\ncalibration error {error:.3}; confident in {confident:.0} % of the cases, confident and wrong in {wrong:.1} %"
    )?;
    Ok(())
}

/// Per true cause: how many, how many right, and what was said instead.
fn causes(out: &mut impl Write, layout: &dyn Layout, outcomes: &[Outcome]) -> Result<()> {
    let mut causes: BTreeMap<String, (usize, usize, BTreeMap<String, usize>)> = BTreeMap::new();
    for outcome in outcomes {
        let Some(truth) = &outcome.truth else { continue };
        let entry = causes.entry(layout.cause(truth)).or_default();
        entry.0 += 1;
        if outcome.hit() {
            entry.1 += 1;
            continue;
        }
        let said = outcome.predictions.first().map_or_else(|| "nothing".to_owned(), words);
        *entry.2.entry(said).or_default() += 1;
    }
    writeln!(out, "{:<48} {:>4} {:>6}  said instead", "root cause", "n", "A@1")?;
    for (cause, (all, right, instead)) in causes {
        let instead: Vec<String> = instead.iter().map(|(said, count)| format!("{said} ×{count}")).collect();
        writeln!(out, "{cause:<48} {all:>4} {:>6.2}  {}", ratio(right, all), instead.join(", "))?;
    }
    Ok(())
}

/// The 95 % interval of a share (0 to 1) of `n` cases (Wilson 1927).
pub fn wilson(share: f64, n: usize) -> (f64, f64) {
    let (z, n) = (1.96_f64, ratio(n.max(1), 1));
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + z * z / n;
    (((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0))
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
pub(crate) fn ratio(part: usize, all: usize) -> f64 {
    part as f64 / all as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wide_for_few_cases_and_narrow_for_many() {
        let (low, high) = wilson(0.8, 10);
        assert!((low - 0.490).abs() < 0.001 && (high - 0.943).abs() < 0.001, "{low} {high}");
        assert!(wilson(0.8, 1000).0 > 0.77);
    }
}
