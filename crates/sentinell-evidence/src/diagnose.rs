//! The engine's one entry: everything read about an incident in, findings and ranked causes out.

use crate::case::{Case, Diagnosis};
use crate::finding::{Finding, FindingKind, Gap, Window};
use crate::{changes, containers, kubernetes, logs, metrics, onset, outright, rank, traces, units};

/// Most findings of a diagnosis.
pub const MOST_FINDINGS: usize = 200;

/// Most gaps of a diagnosis.
const MOST_GAPS: usize = 200;

/// Diagnoses a case: the same case gives the same answer, whatever is in it.
pub fn diagnose(case: &Case) -> Diagnosis {
    let mut gaps = case.gaps.clone();
    let mut findings: Vec<Finding> = Vec::new();
    let prepared = metrics::prepare(&case.metrics);
    let forest = traces::Forest::of(&case.spans);
    let began = {
        let channels = onset::channels(&prepared, &case.logs, &forest);
        onset::settle(case.onset_ms, &channels)
    };
    let at = began.map(|began| began.at_ms);
    for stream in &case.logs {
        let split = began.filter(|began| began.found).and_then(|began| onset::resplit(stream, began.at_ms));
        findings.extend(logs::analyze(split.as_ref().unwrap_or(stream), at));
    }
    findings.extend(metrics::compare(prepared, &case.metrics, &case.calls, at));
    findings.extend(outright::analyze(case));
    findings.extend(containers::analyze(case));
    findings.extend(units::analyze(case));
    let (cluster, unread) = kubernetes::analyze_case(case);
    findings.extend(cluster);
    gaps.extend(unread);
    let onset = began.map(|began| began.window).or_else(|| first_clear(&findings));
    let at = at.or(onset.map(|window| window.start_ms));
    let traces = traces::compare(case, forest, at);
    findings.extend(traces.findings);
    gaps.extend(traces.gaps);
    findings.extend(changes::compare(&case.changes, &case.metrics, onset.map(|window| window.end_ms)));
    gaps.extend(empty_inputs(case));
    for finding in &mut findings {
        finding.strength = if finding.strength.is_finite() { finding.strength.clamp(0.0, 1.0) } else { 0.0 };
    }
    findings.sort_by(|a, b| {
        b.strength
            .total_cmp(&a.strength)
            .then(b.specificity.cmp(&a.specificity))
            .then_with(|| (&a.subject, a.kind, &a.source, &a.summary).cmp(&(&b.subject, b.kind, &b.source, &b.summary)))
    });
    if findings.len() > MOST_FINDINGS {
        let why = format!("{} weaker findings left out", findings.len() - MOST_FINDINGS);
        gaps.push(Gap { what: "findings".to_owned(), why });
        findings.truncate(MOST_FINDINGS);
    }
    gaps.sort();
    gaps.dedup();
    gaps.truncate(MOST_GAPS);
    let calls = if case.calls.is_empty() { traces.calls } else { case.calls.clone() };
    let known = Case { onset_ms: case.onset_ms, suspects: case.suspects.clone(), calls, ..Case::default() };
    let ranking = rank::rank(&findings, &known);
    Diagnosis { onset, findings, ranking, gaps }
}

/// The earliest beginning of something that is clearly out of order.
fn first_clear(findings: &[Finding]) -> Option<Window> {
    let shifted = |f: &&Finding| {
        f.strength >= 0.5
            && matches!(f.kind, FindingKind::MetricShift | FindingKind::Contradiction | FindingKind::LogNovelty)
    };
    let first = findings.iter().filter(shifted).filter_map(|f| f.window).min_by_key(|w| (w.start_ms, w.end_ms))?;
    Some(Window { start_ms: first.start_ms, end_ms: first.start_ms })
}

/// What was not there to be looked at.
fn empty_inputs(case: &Case) -> Vec<Gap> {
    let gap = |what: &str, why: &str| Gap { what: what.to_owned(), why: why.to_owned() };
    let mut gaps = Vec::new();
    for stream in case.logs.iter().filter(|s| s.lines.is_empty()) {
        let source = crate::text::bounded(&stream.source, 200);
        gaps.push(gap(
            &format!("logs of {}", crate::text::bounded(&stream.subject.to_string(), 200)),
            &format!("{source} has no lines"),
        ));
    }
    let nothing = [
        ("logs", case.logs.is_empty()),
        ("metrics", case.metrics.is_empty()),
        ("kubernetes", case.kubernetes.is_empty()),
        ("changes", case.changes.is_empty()),
    ];
    gaps.extend(nothing.iter().filter(|(_, empty)| *empty).map(|(what, _)| gap(what, "none were given")));
    gaps
}
