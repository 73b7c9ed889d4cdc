//! Figures of one moment. They have no past to be judged by, so the engine finds nothing in them; a reasoner who asked for
//! them is shown what they are.

use sentinell_core::evidence::{Evidence, Observation, Query, Telemetry};
use sentinell_core::ids::EvidenceId;
use serde_json::json;

/// Kind of such a piece of evidence; it is no finding.
pub(super) const READING: &str = "reading";
/// Points of a series that are too few to be judged.
const FEW: usize = 3;
/// Figures of one piece of evidence.
const TOGETHER: usize = 6;
/// Pieces of one observation.
const PIECES: usize = 8;
/// Lines of one observation that are told.
const LINES: usize = 6;
/// Characters of one of them.
const LINE_CHARS: usize = 240;

/// What an observation of the present says, in pieces; nothing of an observation that has a past.
pub(super) fn readings(query: &Query, observation: &Observation) -> Vec<Evidence> {
    let (mut figures, mut lines) = (vec![], vec![]);
    for telemetry in &observation.telemetry {
        match telemetry {
            Telemetry::Metric { points, .. } if points.len() > FEW => return vec![],
            Telemetry::Metric { subject, name, labels, points, source } => {
                let labels: Vec<String> =
                    labels.iter().take(3).map(|(name, value)| format!("{name}={value}")).collect();
                let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                let value = points.last().map(|(_, value)| figure(*value)).unwrap_or_default();
                figures.push((subject, source, format!("{name}{labels} {value}")));
            }
            Telemetry::Logs { subject, source, lines: said, .. } => {
                let newest = said.iter().rev().take(LINES);
                lines.extend(
                    newest.map(|line| (subject, source, line.text.chars().take(LINE_CHARS).collect::<String>())),
                );
            }
            _ => {}
        }
    }
    if figures.is_empty() {
        return vec![];
    }
    let piece = |some: &[(&String, &String, String)]| {
        let (subject, source, _) = some.first()?;
        let texts: Vec<&str> = some.iter().map(|(_, _, text)| text.as_str()).collect();
        Some(Evidence {
            id: EvidenceId(String::new()),
            query: query.id.clone(),
            subject: (*subject).clone(),
            kind: READING.into(),
            summary: texts.join(" · "),
            strength: 0.0,
            source: (*source).clone(),
            // Labels and lines may quote statements and names of others.
            outsider_can_write: true,
            finding: json!({}),
        })
    };
    let said = lines.chunks(1).take(LINES);
    figures.chunks(TOGETHER).take(PIECES).chain(said).filter_map(piece).collect()
}

/// A number as people write it.
fn figure(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_core::evidence::LogLine;
    use std::collections::BTreeMap;

    fn metric(points: usize) -> Telemetry {
        Telemetry::Metric {
            subject: "service/till-db".into(),
            name: "pg_connections_used_percent".into(),
            labels: BTreeMap::from([("state".to_owned(), "idle".to_owned())]),
            source: "postgres till-db".into(),
            points: (0_i64..).map(|at| (at, 97.5)).take(points).collect(),
        }
    }

    #[test]
    fn figures_of_now_are_told_and_series_with_a_past_are_left_to_the_engine() {
        let query = Query { id: "q1".into(), tool: "postgres".into(), args: BTreeMap::new(), why: String::new() };
        let line = LogLine { at: None, level: None, text: "session 1 waits".into(), trace: None };
        let logs = Telemetry::Logs {
            subject: "service/till-db".into(),
            source: "postgres till-db".into(),
            lines: vec![line],
            baseline: vec![],
        };
        let of = |telemetry: Vec<Telemetry>| readings(&query, &Observation { telemetry, ..Observation::default() });
        let told = of(vec![metric(1), logs.clone()]);
        let summaries: Vec<&str> = told.iter().map(|piece| piece.summary.as_str()).collect();
        assert_eq!(summaries, ["pg_connections_used_percent{state=idle} 97.50", "session 1 waits"]);
        assert!(told.iter().all(|piece| piece.kind == READING && piece.strength == 0.0 && piece.outsider_can_write));
        assert_eq!(of(vec![metric(20), metric(1)]), vec![]);
        assert_eq!(of(vec![logs]), vec![]);
        assert_eq!(of((0..1000).map(|_| metric(1)).collect()).len(), PIECES);
    }

    fn blamed(subject: &str, text: &str) -> Option<String> {
        let line = LogLine { at: None, level: Some("error".into()), text: text.into(), trace: None };
        let logs = Telemetry::Logs {
            subject: subject.into(),
            source: "an eye".into(),
            lines: vec![line; 3],
            baseline: vec![],
        };
        let seen = Observation { telemetry: vec![logs], ..Observation::default() };
        let ranking = super::super::diagnose_observations(&[seen], None, &[]).ranking;
        ranking.hypotheses.first().map(|h| format!("{} {}", h.component, h.fault.word()))
    }

    #[test]
    fn what_eyes_on_the_present_say_outright_is_understood() {
        let expired =
            "tls alert of the probe of https://till.example/: certificate expired: CN=till is good until 2026-01-01";
        assert_eq!(blamed("service/fair/till", expired).as_deref(), Some("service/fair/till certificate_expired"));
        let full = "FATAL: sorry, too many clients already";
        assert_eq!(
            blamed("service/fair/till-db", full).as_deref(),
            Some("service/fair/till-db database_connections_exhausted")
        );
        let disk = "/var: no space left on device for ordinary users, out of bytes";
        assert_eq!(blamed("host/booth-1", disk).as_deref(), Some("host/booth-1 disk_full"));
    }
}
