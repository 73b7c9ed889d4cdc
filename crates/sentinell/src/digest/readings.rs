//! Figures of one moment, and strangers' words. They have no past to be judged by: the engine finds something only in levels
//! that are wrong by themselves, so a reasoner who asked for them is shown what they are.

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
/// Characters of a piece of a text: what a prompt quotes.
const PAGE: usize = 300;

/// What an observation of the present says, in pieces; nothing of an observation that has a past. Then what strangers say.
pub(super) fn readings(query: &Query, observation: &Observation) -> Vec<Evidence> {
    let mut told = of_the_present(query, observation);
    told.extend(observation.telemetry.iter().flat_map(|telemetry| words(query, telemetry)));
    told
}

/// A text on pages of [`PAGE`] characters: the first ones and the last, with what was left out between them.
fn words(query: &Query, telemetry: &Telemetry) -> Vec<Evidence> {
    let Telemetry::Text { subject, source, lines } = telemetry else { return vec![] };
    let mut pages: Vec<String> = vec![];
    for line in lines {
        let line: String = line.chars().take(PAGE).collect();
        match pages.last_mut() {
            Some(page) if page.chars().count() + line.chars().count() + 3 <= PAGE => {
                page.push_str(" · ");
                page.push_str(&line);
            }
            _ => pages.push(line),
        }
    }
    if let Some(left_out) = pages.len().checked_sub(PIECES).filter(|more| *more > 0) {
        let end = pages.split_off(pages.len() - 2);
        pages.truncate(PIECES - 3);
        pages.push(format!("… {} pages left out; the whole is the raw answer to {} …", left_out + 1, query.id));
        pages.extend(end);
    }
    pages.iter().map(|page| piece(query, subject, source, page.clone())).collect()
}

fn piece(query: &Query, subject: &str, source: &str, summary: String) -> Evidence {
    Evidence {
        id: EvidenceId(String::new()),
        query: query.id.clone(),
        subject: subject.to_owned(),
        kind: READING.into(),
        summary,
        strength: 0.0,
        source: source.to_owned(),
        // Labels and lines may quote statements and names of others.
        outsider_can_write: true,
        finding: json!({}),
    }
}

fn of_the_present(query: &Query, observation: &Observation) -> Vec<Evidence> {
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
    let together = |some: &[(&String, &String, String)]| {
        let (subject, source, _) = some.first()?;
        let texts: Vec<&str> = some.iter().map(|(_, _, text)| text.as_str()).collect();
        Some(piece(query, subject, source, texts.join(" · ")))
    };
    let said = lines.chunks(1).take(LINES);
    figures.chunks(TOGETHER).take(PIECES).chain(said).filter_map(together).collect()
}

/// A number as people write it.
fn figure(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_core::evidence::LogLine;
    use sentinell_core::investigation::{Event, Investigation};
    use sentinell_core::policy::Budget;
    use sentinell_core::time::Timestamp;
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

    #[test]
    fn a_strangers_text_is_told_from_both_ends_and_proves_nothing() {
        let query = Query { id: "q1".into(), tool: "mcp.x".into(), args: BTreeMap::new(), why: String::new() };
        let text = |lines: Vec<String>| Telemetry::Text {
            subject: "service/fair/till".into(),
            source: "mcp.x t".into(),
            lines,
        };
        let of = |lines: Vec<String>| {
            let seen = Observation { telemetry: vec![text(lines)], ..Observation::default() };
            super::super::condense(&case(), &query, &seen).0
        };
        let short = of(vec!["FATAL: sorry, too many clients already".into(), "OOMKilled".into()]);
        let [only] = &short[..] else { panic!("{short:?}") };
        assert_eq!(only.summary, "FATAL: sorry, too many clients already · OOMKilled");
        assert!(only.kind == READING && only.strength == 0.0 && only.outsider_can_write);
        let long = of((0..1000).map(|n| format!("line {n}: {}", "x".repeat(100))).collect());
        assert_eq!(long.len(), PIECES);
        assert!(long[0].summary.starts_with("line 0") && long[PIECES - 1].summary.contains("line 999"));
        assert!(long[PIECES - 3].summary.contains("pages left out"), "{}", long[PIECES - 3].summary);
        assert!(long.iter().all(|piece| piece.summary.chars().count() <= PAGE));
    }

    fn case() -> Investigation {
        let signal = serde_json::from_value(json!({
            "id": "s1", "signal_type": "alert", "source": "a", "state": "firing", "severity": "high", "title": "t",
            "text": "", "labels": { "service": "till" }, "occurred_at": "1970-01-01T00:00:00Z",
            "received_at": "1970-01-01T00:00:00Z", "tags": [], "metadata": {}
        }));
        let opened =
            Event::Opened { signal: Box::new(signal.unwrap()), fingerprint: "f".into(), budget: Budget::default() };
        Investigation::open("i1".into(), Timestamp(0), &opened).unwrap()
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
