use super::*;
use sentinell_evidence::finding::{Entity, EntityKind, Fault, Finding, FindingKind, Gap, Hypothesis, Ranking};

fn report(named: bool) -> Report {
    let cart = Entity::new(EntityKind::Service, "cart").in_namespace("shop");
    let finding = Finding {
        subject: cart.clone(),
        kind: FindingKind::MetricShift,
        fault: Some(Fault::MetricAnomaly),
        window: None,
        strength: 0.9,
        specificity: 5,
        summary: "latency is 9 times its baseline \x1b[2Jsince the onset".into(),
        source: "http://prometheus/latency".into(),
        excerpt: None,
        points: (0..40).map(|i| (i, if i < 30 { 1.0 } else { 9.0 })).collect(),
    };
    let hypothesis = Hypothesis {
        component: cart,
        fault: Fault::MetricAnomaly,
        confidence: 0.83,
        statement: "cart became slow".into(),
        supports: vec![0],
        contradicts: vec![],
    };
    let ranking = Ranking { hypotheses: if named { vec![hypothesis] } else { vec![] }, ruled_out: vec![] };
    let gaps = vec![Gap { what: "logs of cart".into(), why: "no permission".into() }];
    let diagnosis = Diagnosis { onset: None, findings: vec![finding], ranking, gaps };
    Report { what: "shop".into(), calls: vec!["GET /query".into()], diagnosis, millis: 12 }
}

#[test]
fn a_person_reads_the_cause_its_evidence_and_what_was_not_seen() {
    let text = report(true).for_people(Paint::plain(100));
    for needle in [
        "CAUSE",
        "service/shop/cart: metric_anomaly",
        "83 %",
        "e1",
        "▁▁▁",
        "███",
        "from http://prometheus/latency",
        "NOT SEEN",
        "logs of cart: no permission",
    ] {
        assert!(text.contains(needle), "{needle} is missing in\n{text}");
    }
    assert!(!text.contains('\x1b'), "an escape sequence got through");
    assert!(report(true).for_people(Paint::coloured(100)).contains("\x1b[1;31mCAUSE\x1b[0m"));
}

#[test]
fn without_evidence_no_cause_is_invented() {
    let report = report(false);
    assert!(!report.names_a_cause());
    assert!(report.for_people(Paint::plain(100)).contains("NOT ENOUGH EVIDENCE"));
    assert_eq!(report.for_machines()["verdict"], "not_enough_evidence");
}

#[test]
fn citations_resolve_in_the_machine_form() {
    let json = report(true).for_machines();
    assert_eq!(json["hypotheses"][0]["supports"][0], json["evidence"][0]["id"]);
    assert_eq!(json["gaps"][0]["what"], "logs of cart");
}
