//! From findings to hypotheses: fused by component and fault, explained away over the call graph, honest about doubt.

mod fuse;

use crate::case::Case;
use crate::changes::COMPARED;
use crate::finding::{Entity, Fault, Finding, FindingKind, Hypothesis, Ranking, RuledOut};
use crate::graph::{Graph, component};
use crate::text::bounded;
use fuse::{Candidate, fuse};

/// A cause less likely than this, rivals left aside, is no hypothesis.
pub const FEWEST_CONFIDENCE: f64 = 0.2;

/// Most hypotheses of an answer.
const MOST_HYPOTHESES: usize = 12;

/// Most causes that are listed as considered and dropped.
const MOST_RULED_OUT: usize = 40;

/// How much of an explanation is left for each further call in between.
const FARTHER: f64 = 0.8;

/// How much a callee that is at fault explains of its caller; less where the callee is only different, too.
const EXPLAINS: f64 = 0.9;
const EXPLAINS_VAGUELY: f64 = 0.6;

/// How much the causes of other components take from the confidence in one.
const RIVALRY: f64 = 0.3;

/// How much of an anomaly is left to it where a change of its component is blamed.
const YIELDS: f64 = 0.5;

/// What a change is worth where nothing hurts, and what is added where it does; more where it stopped answering.
const UNHURT: f64 = 0.2;
const HURT: f64 = 1.2;
const STOPPED: f64 = 1.6;

/// Ranks the causes that the findings argue for. Nothing strong enough gives an empty ranking.
pub fn rank(findings: &[Finding], case: &Case) -> Ranking {
    let mut candidates = fuse(findings);
    let mut ruled_out = late_changes(findings);
    blame_changes(&mut candidates, findings);
    silence(&mut candidates);
    explain_away(&mut candidates, &Graph::new(&case.calls), &mut ruled_out);
    let confidences = compete(&candidates);
    let mut ranked: Vec<(f64, Candidate)> = Vec::new();
    for (confidence, candidate) in confidences.into_iter().zip(candidates) {
        if candidate.probability >= FEWEST_CONFIDENCE {
            ranked.push((confidence, candidate));
        } else if !candidate.contradicts.is_empty() && candidate.odds_before >= FEWEST_CONFIDENCE {
            ruled_out.push(contradicted(&candidate, findings));
        }
    }
    let suspect = |c: &Candidate| case.suspects.iter().any(|s| component(s) == c.component);
    // Suspects break ties only: confidences that print alike are a tie.
    ranked.sort_by(|(a, x), (b, y)| {
        let (a, b) = ((a * 100.0).round(), (b * 100.0).round());
        b.total_cmp(&a)
            .then_with(|| suspect(y).cmp(&suspect(x)))
            .then_with(|| y.specificity.cmp(&x.specificity))
            .then_with(|| y.probability.total_cmp(&x.probability))
            .then_with(|| (&x.component, x.fault).cmp(&(&y.component, y.fault)))
    });
    ranked.truncate(MOST_HYPOTHESES);
    ruled_out.truncate(MOST_RULED_OUT);
    let hypotheses =
        ranked.into_iter().map(|(confidence, candidate)| spoken(confidence, candidate, findings)).collect();
    Ranking { hypotheses, ruled_out }
}

fn spoken(confidence: f64, candidate: Candidate, findings: &[Finding]) -> Hypothesis {
    let words = candidate.fault.word().replace('_', " ");
    let because = candidate.supports.first().and_then(|at| findings.get(*at)).map_or("", |f| f.summary.as_str());
    Hypothesis {
        statement: format!("{words}: {}", bounded(because.trim_start_matches("new: "), 240)),
        component: candidate.component,
        fault: candidate.fault,
        confidence: (calibrated(confidence) * 1000.0).round() / 1000.0,
        supports: candidate.supports,
        contradicts: candidate.contradicts,
    }
}

/// What is left of the doubt after the fact: on recorded incidents fused evidence was wrong about as often as the square
/// of its doubt, which a squared doubt makes true. Order is kept.
fn calibrated(confidence: f64) -> f64 {
    (1.0 - (1.0 - confidence).powi(2)).clamp(0.0, 0.98)
}

fn late_changes(findings: &[Finding]) -> Vec<RuledOut> {
    let late = (0..).zip(findings).filter(|(_, f)| f.kind == FindingKind::Healthy && f.fault == Some(Fault::BadChange));
    late.map(|(at, finding)| RuledOut {
        component: component(&finding.subject),
        fault: finding.fault,
        why: finding.summary.clone(),
        because: vec![at],
    })
    .collect()
}

fn contradicted(candidate: &Candidate, findings: &[Finding]) -> RuledOut {
    let why = candidate.contradicts.first().and_then(|at| findings.get(*at)).map(|f| f.summary.clone());
    RuledOut {
        component: candidate.component.clone(),
        fault: Some(candidate.fault),
        why: why.unwrap_or_default(),
        because: candidate.contradicts.clone(),
    }
}

/// A change alone proves little and an anomaly alone does not say why; both on one component blame the change.
fn blame_changes(candidates: &mut [Candidate], findings: &[Finding]) {
    let anomalies: Vec<Candidate> = candidates.iter().filter(|c| c.fault != Fault::BadChange).cloned().collect();
    let mut blamed = Vec::new();
    for change in candidates.iter_mut().filter(|c| c.fault == Fault::BadChange) {
        let here = || anomalies.iter().filter(|a| a.component == change.component);
        let anomaly = here().map(|a| a.probability).fold(0.0, f64::max);
        let mut supports: Vec<usize> = here().flat_map(|a| a.supports.iter().copied()).collect();
        let symptom = (0..)
            .zip(findings)
            .filter(|(_, f)| f.kind == FindingKind::Symptom && component(&f.subject) == change.component);
        supports.extend(symptom.map(|(at, _)| at));
        // How far from certain the anomaly itself is matters less once there is one: half a chance is enough.
        let hurt = if supports.is_empty() { 0.0 } else { (anomaly / 0.5).clamp(0.3, 1.0) };
        // Its strength says already how much it hurt where that was measured.
        let hurt = if change.specificity >= COMPARED { 1.0 } else { hurt };
        // What stopped answering just after it was touched leaves little else to suspect.
        let worth = if here().any(|a| a.fault == Fault::Down && a.probability >= 0.5) { STOPPED } else { HURT };
        change.probability = (change.probability * (UNHURT + worth * hurt)).min(0.95);
        change.supports.extend(supports);
        change.supports.dedup();
        if anomaly > 0.0 && change.probability >= FEWEST_CONFIDENCE {
            blamed.push((change.component.clone(), change.probability));
        }
    }
    for anomaly in candidates.iter_mut().filter(|c| c.yields_to_a_change()) {
        let share = blamed.iter().find(|(who, _)| *who == anomaly.component).map_or(0.0, |(_, p)| *p);
        // That it does not answer is all the change's doing, or none of it.
        anomaly.probability *= 1.0 - if anomaly.fault == Fault::Down { share } else { YIELDS * share };
    }
}

/// What does not answer is not merely slow: the last it said before, and its silence, look like a delay.
fn silence(candidates: &mut [Candidate]) {
    let down = |c: &&Candidate| c.fault == Fault::Down;
    let down: Vec<(Entity, f64)> =
        candidates.iter().filter(down).map(|c| (c.component.clone(), c.probability)).collect();
    for slow in candidates.iter_mut().filter(|c| matches!(c.fault, Fault::NetworkDelay | Fault::CpuOverload)) {
        let gone = down.iter().find(|(who, _)| *who == slow.component).map_or(0.0, |(_, probability)| *probability);
        slow.probability *= 1.0 - gone;
    }
}

/// What a caller suffers is explained by a callee that is at fault itself; the nearer, the more.
fn explain_away(candidates: &mut [Candidate], graph: &Graph, ruled_out: &mut Vec<RuledOut>) {
    let faulty: Vec<Candidate> = candidates.to_vec();
    for candidate in candidates.iter_mut().filter(|c| c.is_vague()) {
        let mut explained: Option<(&Candidate, f64)> = None;
        for (callee, distance) in graph.dependencies(&candidate.component) {
            let share = FARTHER.powi(i32::try_from(distance).unwrap_or(i32::MAX) - 1);
            for cause in faulty.iter().filter(|f| f.component == *callee) {
                // Two vague anomalies explain each other only as far as the callee's is the clearer one.
                let vague = if cause.is_vague() {
                    EXPLAINS_VAGUELY * (cause.probability / candidate.probability.max(1e-9)).min(1.0)
                } else {
                    EXPLAINS
                };
                let weight = cause.probability * share * vague;
                if weight > explained.map_or(0.05, |(_, w)| w) {
                    explained = Some((cause, weight));
                }
            }
        }
        let Some((cause, weight)) = explained else { continue };
        let before = candidate.probability;
        candidate.probability *= 1.0 - weight.min(0.9);
        if candidate.probability < FEWEST_CONFIDENCE && before >= FEWEST_CONFIDENCE {
            ruled_out.push(RuledOut {
                component: candidate.component.clone(),
                fault: Some(candidate.fault),
                why: format!("it depends on {}, which explains it", bounded(&cause.component.to_string(), 120)),
                because: cause.supports.clone(),
            });
        }
    }
}

/// Probability into confidence: where other components are about as likely, none of them is certain.
fn compete(candidates: &[Candidate]) -> Vec<f64> {
    candidates
        .iter()
        .map(|one| {
            let rivals: f64 =
                candidates.iter().filter(|c| c.component != one.component).map(|c| c.probability.powi(2)).sum();
            let p = one.probability;
            let alone = if p > 0.0 { p * p / (p * p + RIVALRY * rivals) } else { 0.0 };
            (p * alone.sqrt()).clamp(0.0, 0.97)
        })
        .collect()
}

#[cfg(test)]
mod tests;
