use super::*;
use crate::finding::{Entity, EntityKind};

fn service(name: &str) -> Entity {
    Entity::new(EntityKind::Service, name)
}

fn finding(who: &str, kind: FindingKind, fault: Option<Fault>, strength: f64, specificity: u8) -> Finding {
    Finding {
        subject: service(who),
        kind,
        fault,
        window: None,
        strength,
        specificity,
        summary: format!("{who} {kind:?}"),
        source: format!("{who}/{kind:?}/{fault:?}"),
        excerpt: None,
        points: Vec::new(),
    }
}

fn causes(findings: &[Finding], case: &Case) -> Vec<(String, Fault)> {
    rank(findings, case).hypotheses.into_iter().map(|h| (h.component.name, h.fault)).collect()
}

#[test]
fn symptoms_alone_name_no_cause() {
    let found = vec![finding("kiosk", FindingKind::Symptom, None, 1.0, 0); 4];
    assert_eq!(rank(&found, &Case::default()), Ranking::default());
}

#[test]
fn a_callers_trouble_is_explained_by_a_faulty_callee() {
    let found = [
        finding("kiosk", FindingKind::LogNovelty, Some(Fault::NewError), 0.9, 4),
        finding("vault", FindingKind::Contradiction, Some(Fault::Down), 0.95, 8),
    ];
    let alone = causes(&found[..1], &Case::default());
    assert_eq!(alone, [("kiosk".to_owned(), Fault::NewError)]);
    let case = Case { calls: vec![(service("kiosk"), service("vault"))], ..Case::default() };
    let ranking = rank(&found, &case);
    assert_eq!((ranking.hypotheses.len(), ranking.hypotheses[0].fault), (1, Fault::Down));
    assert_eq!(ranking.ruled_out[0].component, service("kiosk"));
    assert_eq!(ranking.ruled_out[0].because, [1]);
}

#[test]
fn a_change_is_blamed_where_it_hurt_and_not_elsewhere() {
    let change = |who| finding(who, FindingKind::Change, Some(Fault::BadChange), 0.8, 5);
    let error = finding("kiosk", FindingKind::LogNovelty, Some(Fault::NewError), 0.9, 4);
    let found = causes(&[change("kiosk"), change("vault"), error], &Case::default());
    assert_eq!(found[0], ("kiosk".to_owned(), Fault::BadChange));
    assert!(!found.iter().any(|(who, _)| who == "vault"));
}

#[test]
fn what_was_found_healthy_speaks_against() {
    let metric = finding("kiosk", FindingKind::MetricShift, Some(Fault::Down), 0.6, 2);
    let healthy = finding("kiosk", FindingKind::Healthy, Some(Fault::Down), 1.0, 8);
    let ranking = rank(&[metric, healthy], &Case::default());
    assert_eq!((ranking.hypotheses.len(), ranking.ruled_out.len()), (0, 1));
    assert_eq!(ranking.ruled_out[0].because, [1]);
}

#[test]
fn suspects_break_ties_and_nothing_else() {
    let error = |who, strength| finding(who, FindingKind::LogNovelty, Some(Fault::NewError), strength, 4);
    let case = Case { suspects: vec![service("vault")], ..Case::default() };
    assert_eq!(causes(&[error("kiosk", 0.9), error("vault", 0.9)], &case)[0].0, "vault");
    assert_eq!(causes(&[error("kiosk", 0.95), error("vault", 0.6)], &case)[0].0, "kiosk");
}
