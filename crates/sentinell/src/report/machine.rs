//! The report for a machine: everything, with citations as ids.

use super::{Report, evidence_id};
use sentinell_core::time::Timestamp;
use serde_json::{Value, json};

pub(super) fn render(report: &Report) -> Value {
    let found = &report.diagnosis;
    let cite = |indices: &[usize]| indices.iter().map(|index| evidence_id(*index)).collect::<Vec<_>>();
    let hypotheses = found.ranking.hypotheses.iter().enumerate().map(|(place, cause)| {
        json!({
            "rank": place + 1, "component": cause.component.to_string(), "fault": cause.fault.word(),
            "confidence": cause.confidence, "statement": cause.statement,
            "supports": cite(&cause.supports), "contradicts": cite(&cause.contradicts),
        })
    });
    let evidence = found.findings.iter().enumerate().map(|(index, finding)| {
        json!({
            "id": evidence_id(index), "subject": finding.subject.to_string(), "kind": finding.kind,
            "fault": finding.fault, "strength": finding.strength, "summary": finding.summary,
            "source": finding.source, "excerpt": finding.excerpt, "points": finding.points,
            "window": finding.window.map(|w| json!({"start": Timestamp(w.start_ms), "end": Timestamp(w.end_ms)})),
        })
    });
    let ruled_out = found.ranking.ruled_out.iter().map(|out| {
        json!({
            "component": out.component.to_string(), "fault": out.fault, "why": out.why, "because": cite(&out.because),
        })
    });
    json!({
        "what": report.what,
        "verdict": if report.names_a_cause() { "cause_named" } else { "not_enough_evidence" },
        "onset": found.onset.map(|w| json!({"start": Timestamp(w.start_ms), "end": Timestamp(w.end_ms)})),
        "hypotheses": hypotheses.collect::<Vec<_>>(),
        "evidence": evidence.collect::<Vec<_>>(),
        "ruled_out": ruled_out.collect::<Vec<_>>(),
        "gaps": found.gaps,
        "calls": report.calls,
        "millis": report.millis,
    })
}
