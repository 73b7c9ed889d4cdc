//! Findings of one component and fault, fused into one probability.

use crate::finding::{Entity, Fault, Finding, FindingKind};
use crate::graph::component;
use std::collections::BTreeMap;

/// What a further finding of the same source is worth against the one before: they repeat each other.
const REPEATS: f64 = 0.33;

/// What a symptom takes off the doubt about a cause of its component.
const SYMPTOM: f64 = 0.1;

/// What is taken off a cause that was looked at and found healthy.
const AGAINST: f64 = 0.7;

/// What a finding is worth alone that names nothing narrowly. What moved and is not explained by what it calls is at
/// fault more often than one log line among many.
const BARE: f64 = 0.25;
const BARE_METRIC: f64 = 0.45;

/// What each step of specificity adds to that.
const NARROWER: f64 = 0.075;

/// A cause under consideration.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) component: Entity,
    pub(super) fault: Fault,
    /// How likely the findings for and against make it.
    pub(super) probability: f64,
    /// The same without what speaks against it.
    pub(super) odds_before: f64,
    /// Of its most specific finding.
    pub(super) specificity: u8,
    /// Findings, strongest first.
    pub(super) supports: Vec<usize>,
    pub(super) contradicts: Vec<usize>,
}

impl Candidate {
    /// Whether it only says that something is different, not what is wrong.
    pub(super) fn is_vague(&self) -> bool {
        matches!(
            self.fault,
            Fault::NewError | Fault::RateChange | Fault::WentSilent | Fault::MetricAnomaly | Fault::CrashLoop
        )
    }
}

impl Candidate {
    /// Whether a change of the component just before would be the better name for it: the network and the load are what
    /// is left when nothing else explains slowness, and that it does not answer says what it does, not why.
    pub(super) fn yields_to_a_change(&self) -> bool {
        self.is_vague() || matches!(self.fault, Fault::NetworkDelay | Fault::CpuOverload | Fault::Down)
    }
}

/// One candidate for every component and fault that some finding argues for.
pub(super) fn fuse(findings: &[Finding]) -> Vec<Candidate> {
    let mut groups: BTreeMap<(Entity, Fault), Vec<usize>> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        let argues = match finding.kind {
            FindingKind::Healthy => false,
            FindingKind::Symptom => nothing_explains(findings, finding),
            _ => true,
        };
        if let Some(fault) = finding.fault.filter(|_| argues && weight(finding) > 0.0) {
            groups.entry((component(&finding.subject), fault)).or_default().push(at);
        }
    }
    groups.into_iter().map(|((component, fault), supports)| candidate(findings, component, fault, supports)).collect()
}

/// Where nothing else is wrong with a component, what it visibly suffers is the best name for its trouble.
fn nothing_explains(findings: &[Finding], symptom: &Finding) -> bool {
    let who = component(&symptom.subject);
    let explains = |other: &Finding| {
        let kind = !matches!(other.kind, FindingKind::Healthy | FindingKind::Symptom | FindingKind::Change);
        kind && other.fault.is_some() && component(&other.subject) == who
    };
    !findings.iter().any(explains)
}

fn candidate(findings: &[Finding], who: Entity, fault: Fault, mut supports: Vec<usize>) -> Candidate {
    supports.sort_by(|a, b| weight(&findings[*b]).total_cmp(&weight(&findings[*a])).then(a.cmp(b)));
    let mut per_source: BTreeMap<&str, i32> = BTreeMap::new();
    let mut doubt = 1.0;
    for at in &supports {
        // The metrics of one component repeat each other, too.
        let metric = findings[*at].kind == FindingKind::MetricShift;
        let source = if metric { "" } else { findings[*at].source.split('#').next().unwrap_or_default() };
        let repeats = per_source.entry(source).or_insert(0);
        doubt *= 1.0 - weight(&findings[*at]) * REPEATS.powi(*repeats);
        *repeats = (*repeats + 1).min(30);
    }
    let symptoms = (0..)
        .zip(findings)
        .filter(|(at, f)| f.kind == FindingKind::Symptom && component(&f.subject) == who && !supports.contains(at));
    for (_, symptom) in symptoms.take(3) {
        doubt *= 1.0 - SYMPTOM * unit(symptom.strength);
    }
    let contradicts: Vec<usize> = (0..)
        .zip(findings)
        .filter(|(_, f)| f.kind == FindingKind::Healthy && f.fault == Some(fault) && component(&f.subject) == who)
        .map(|(at, _)| at)
        .collect();
    let odds_before = 1.0 - doubt;
    let against = if fault == Fault::BadChange { 0.0 } else { AGAINST };
    let healthy = contradicts.iter().map(|at| unit(findings[*at].strength)).fold(0.0, f64::max);
    let specificity = supports.iter().map(|at| findings[*at].specificity).max().unwrap_or(0);
    Candidate {
        component: who,
        fault,
        probability: odds_before * (1.0 - against * healthy),
        odds_before,
        specificity,
        supports,
        contradicts,
    }
}

/// What one finding is worth alone: its strength, by how narrowly it names the cause.
fn weight(finding: &Finding) -> f64 {
    let base = if finding.kind == FindingKind::MetricShift { BARE_METRIC } else { BARE };
    let trust = base + NARROWER * f64::from(finding.specificity.min(10));
    unit(finding.strength) * trust.min(0.97)
}

/// Strengths come from arithmetic over hostile numbers; anything that is none counts nothing.
fn unit(strength: f64) -> f64 {
    if strength.is_finite() { strength.clamp(0.0, 1.0) } else { 0.0 }
}
