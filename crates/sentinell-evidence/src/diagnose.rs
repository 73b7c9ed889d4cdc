//! The engine's one entry: everything read about an incident in, findings and ranked causes out.

use crate::case::{Case, Diagnosis};
use crate::finding::{Fault, Finding, FindingKind, Gap, Window};
use crate::{changes, containers, kubernetes, level, logs, metrics, onset, outright, rank, traces, units};

/// Most findings of a diagnosis.
pub const MOST_FINDINGS: usize = 200;

/// Most gaps of a diagnosis.
const MOST_GAPS: usize = 200;

/// So many points tell a before and an after, as an alert does; there is no time to choose.
const FEW: usize = 6;

/// What is left of the worst time of a series where nothing gathers, and the least that is left where something does.
const ALONE: f64 = 0.4;
const GATHERED: f64 = 0.6;

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
    findings.extend(level::analyze(&case.metrics, at));
    findings.extend(outright::analyze(case));
    findings.extend(containers::analyze(case));
    findings.extend(units::analyze(case));
    let (mut cluster, unread) = kubernetes::analyze_case(case);
    doubt(&mut cluster, case, began.map(|began| began.agreed));
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

/// What a slowness or a load is worth by the worst of its times where nobody told when it began: of many times one is
/// the worst by chance. Where others left their habits together, it is worth more the more they agree.
fn doubt(cluster: &mut [Finding], case: &Case, agreed: Option<f64>) {
    let searched = case.metrics.iter().any(|series| series.points.len() > FEW);
    if case.onset_ms.is_some() || !searched {
        return;
    }
    let worth = agreed.map_or(ALONE, |agreed| GATHERED + (1.0 - GATHERED) * agreed);
    // A node that loses packets and a noisy neighbour stand out among others of their kind, whenever it was.
    let by_its_worst = [Fault::NetworkDelay, Fault::CpuOverload];
    for finding in cluster.iter_mut().filter(|f| f.fault.is_some_and(|fault| by_its_worst.contains(&fault))) {
        finding.strength *= worth;
    }
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
