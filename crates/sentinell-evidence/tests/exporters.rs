//! What is seen of something only through its exporter, as Prometheus's client libraries and exporters name it.

use sentinell_evidence::case::{Case, Change, Series};
use sentinell_evidence::diagnose;
use sentinell_evidence::finding::{Entity, EntityKind, Fault};

const STEP: i64 = 10_000;
const ONSET: i64 = 357 * STEP;

/// An hour of ten-second steps; the last three are since it began.
fn series(who: &str, name: &str, usual: f64, since: f64) -> Series {
    let value = |at: i64| if at * STEP < ONSET { usual } else { since };
    Series {
        subject: Entity::new(EntityKind::Service, who),
        name: name.to_owned(),
        labels: [("instance".to_owned(), "10.0.0.7:9121".to_owned())].into(),
        source: name.to_owned(),
        points: (0..360).map(|at| (at * STEP, value(at))).collect(),
    }
}

fn top(case: &Case) -> (String, Fault, f64) {
    let diagnosis = diagnose::diagnose(case);
    let first = diagnosis.ranking.hypotheses.first().expect("a cause");
    (first.component.to_string(), first.fault, first.confidence)
}

fn gone(who: &str, word: &str) -> Vec<Series> {
    vec![
        series(who, word, 1.0, 0.0),
        // The exporter itself is well, and busier with failing than with asking.
        series(who, "up", 1.0, 1.0),
        series(who, "rate(process_cpu_seconds_total)", 0.01, 0.01),
        series(who, "scrape_duration_seconds", 0.002, 0.02),
        series(who, "go_gc_duration_seconds", 0.0001, 0.0009),
        series(who, "rate(store_commands_duration_seconds_total)", 0.001, 0.01),
    ]
}

#[test]
fn what_does_not_answer_its_exporter_is_down_and_not_slow() {
    let (who, fault, confidence) =
        top(&Case { metrics: gone("kiosk-store", "store_up"), onset_ms: Some(ONSET), ..Case::default() });
    assert_eq!((who.as_str(), fault), ("service/kiosk-store", Fault::Down));
    assert!(confidence > 0.7, "its exporter's health does not speak for it: {confidence}");
}

#[test]
fn what_went_down_with_a_change_of_its_own_went_down_by_it() {
    let change = Change {
        at_ms: ONSET - 20_000,
        subject: Entity::new(EntityKind::Service, "gate"),
        kind: "commit".into(),
        summary: "Send the fair elsewhere".into(),
        reference: "00112233445566778899aabbccddeeff00112233".into(),
        touched: vec!["gate.conf".into()],
        members: vec![],
    };
    let case = Case {
        metrics: gone("gate", "probe_success"),
        changes: vec![change],
        onset_ms: Some(ONSET),
        ..Case::default()
    };
    let (who, fault, _) = top(&case);
    assert_eq!((who.as_str(), fault), ("service/gate", Fault::BadChange));
}
