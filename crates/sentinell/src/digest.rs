//! From what the eyes saw to what the engine makes of it, and back into the journal's words.
//!
//! Core and evidence engine know nothing of each other; this room translates, and decides nothing itself.

mod began;
mod calls;
mod clean;
mod precedents;
mod readings;
mod translate;
mod verify;

pub use calls::calls;
pub use clean::clean;
pub(crate) use translate::entity;
pub use verify::evaluate;

use sentinell_core::evidence::{Evidence, Gap, Observation, Query, Telemetry};
use sentinell_core::hypothesis::{Hypothesis, RuledOut};
use sentinell_core::ids::EvidenceId;
use sentinell_core::investigation::Investigation;
use sentinell_core::time::Timestamp;
use sentinell_evidence::case::{Case, Diagnosis};
use sentinell_evidence::diagnose::diagnose;
use sentinell_evidence::finding::{self, Entity, Finding, FindingKind};
use sentinell_evidence::rank::rank as rank_findings;
use serde_json::json;

/// Kind of the piece of evidence that carries who calls whom; it is no finding.
const DEPENDENCIES: &str = "dependencies";

/// Diagnoses a whole set of observations at once: what `investigate` does.
pub fn diagnose_observations(observations: &[Observation], onset: Option<Timestamp>, suspects: &[String]) -> Diagnosis {
    diagnose(&translate::case(observations, onset, suspects))
}

/// Condenses the answer to one query into evidence (without ids, which the machine gives) and gaps.
pub fn condense(case: &Investigation, query: &Query, observation: &Observation) -> (Vec<Evidence>, Vec<Gap>) {
    let onset = Some(began::began(&case.signal, observation));
    let engine_case = translate::case(std::slice::from_ref(observation), onset, &suspects(case));
    let calls = dependencies(query, &engine_case);
    let diagnosis = diagnose(&engine_case);
    // What was read out of lines is worth no more than its lines, whatever shape the finding has.
    let only_lines = observation.telemetry.iter().all(|telemetry| matches!(telemetry, Telemetry::Logs { .. }));
    let mut evidence: Vec<Evidence> =
        diagnosis.findings.iter().map(|finding| evidence_of(query, finding, only_lines)).collect();
    evidence.extend(calls);
    evidence.extend(readings::readings(query, observation));
    evidence.extend(precedents::precedents(query, observation));
    // What the engine misses in one answer another tool may bring; only the tool knows what it could not read.
    (evidence, observation.gaps.clone())
}

fn evidence_of(query: &Query, finding: &Finding, only_lines: bool) -> Evidence {
    let kind = serde_json::to_value(finding.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
    let logged =
        matches!(finding.kind, FindingKind::LogNovelty | FindingKind::LogRateChange | FindingKind::LogVanished);
    Evidence {
        id: EvidenceId(String::new()),
        query: query.id.clone(),
        subject: finding.subject.to_string(),
        kind: kind.unwrap_or_default(),
        summary: finding.summary.clone(),
        strength: finding.strength,
        source: finding.source.clone(),
        outsider_can_write: logged || only_lines,
        finding: serde_json::to_value(finding).unwrap_or_default(),
    }
}

fn dependencies(query: &Query, case: &Case) -> Option<Evidence> {
    if case.calls.is_empty() {
        return None;
    }
    Some(Evidence {
        id: EvidenceId(String::new()),
        query: query.id.clone(),
        subject: "dependencies".into(),
        kind: DEPENDENCIES.into(),
        summary: format!("{} dependencies between components", case.calls.len()),
        strength: 0.0,
        source: query.tool.clone(),
        outsider_can_write: false,
        finding: json!({ "calls": case.calls }),
    })
}

/// What the engine's ranking makes of the fresh evidence of an investigation.
pub fn rank(case: &Investigation) -> (Vec<Hypothesis>, Vec<RuledOut>) {
    let fresh = case.fresh_evidence();
    let findings = fresh.iter().filter_map(|evidence| {
        let finding: Finding = serde_json::from_value(evidence.finding.clone()).ok()?;
        Some((evidence.id.clone(), finding))
    });
    let (ids, findings): (Vec<EvidenceId>, Vec<Finding>) = findings.unzip();
    let engine_case = Case {
        onset_ms: Some(case.signal.occurred_at.0),
        suspects: suspects(case).iter().map(|text| translate::entity(text)).collect(),
        calls: fresh.iter().filter(|evidence| evidence.kind == DEPENDENCIES).flat_map(calls_of).collect(),
        ..Case::default()
    };
    let ranking = rank_findings(&findings, &engine_case);
    let cite = |indices: &[usize]| indices.iter().filter_map(|index| ids.get(*index).cloned()).collect::<Vec<_>>();
    let excluded = |entity: &Entity| {
        let name = entity.to_string();
        case.hints.iter().filter_map(|hint| hint.exclude.as_deref()).any(|out| out == name || out == entity.name)
    };
    let kept = ranking.hypotheses.iter().filter(|hypothesis| !excluded(&hypothesis.component));
    let hypotheses = kept.enumerate().map(|(index, h)| hypothesis_of(index, h, &cite)).collect();
    let ruled_out = ranking.ruled_out.iter().map(|out| {
        let fault = out.fault.map(|fault| format!(": {}", fault.word())).unwrap_or_default();
        RuledOut { what: format!("{}{fault}", out.component), why: out.why.clone(), because: cite(&out.because) }
    });
    (hypotheses, ruled_out.collect())
}

fn hypothesis_of(index: usize, h: &finding::Hypothesis, cite: &impl Fn(&[usize]) -> Vec<EvidenceId>) -> Hypothesis {
    Hypothesis {
        id: format!("h{}", index + 1).as_str().into(),
        component: h.component.to_string(),
        fault: h.fault.word(),
        confidence: h.confidence,
        statement: h.statement.clone(),
        supports: cite(&h.supports),
        contradicts: cite(&h.contradicts),
    }
}

fn calls_of(evidence: &Evidence) -> Vec<(Entity, Entity)> {
    evidence.finding.get("calls").cloned().and_then(|calls| serde_json::from_value(calls).ok()).unwrap_or_default()
}

/// What the opening signal and people point at.
pub(crate) fn suspects(case: &Investigation) -> Vec<String> {
    let label = |key: &str| case.signal.labels.get(key).cloned();
    let named = ["service", "deployment", "app", "job", "pod"].into_iter().find_map(label);
    let component = named.map(|name| match label("namespace") {
        Some(namespace) => format!("service/{namespace}/{name}"),
        None => format!("service/{name}"),
    });
    component.into_iter().chain(case.hints.iter().filter_map(|hint| hint.suspect.clone())).collect()
}
