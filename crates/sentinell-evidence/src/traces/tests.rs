use super::*;
use crate::case::{Level, LogLine, LogStream, Series, Span};
use crate::finding::EntityKind;

const ONSET_MS: i64 = 10_000_000;

fn service(name: &str) -> Entity {
    Entity::new(EntityKind::Service, name)
}

/// What happens to the requests of the town: a kiosk asks a till, the till takes coins and asks a vault.
#[derive(Clone, Copy, Default)]
struct Trouble {
    /// Microseconds lost between till and vault.
    way: i64,
    /// Microseconds that everything the till does takes longer.
    till: i64,
    /// The till no longer asks the vault.
    short: bool,
}

fn span(trace: usize, id: &str, parent: Option<&str>, who: &str, operation: &str, (start, long): (i64, i64)) -> Span {
    Span {
        trace: format!("t{trace}"),
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        subject: Entity::new(EntityKind::Pod, format!("{who}-7d9f8b6c5d-x2b4z")),
        operation: operation.to_owned(),
        start_us: start,
        duration_us: long,
        failed: false,
    }
}

/// One request, begun `at` microseconds; every component has a clock of its own.
fn request(trace: usize, at: i64, trouble: Trouble) -> Vec<Span> {
    let wobble = i64::try_from(trace).unwrap() * 7919 % 400;
    let vault = 5000 + wobble;
    let way = vault + 800 + trouble.way + trouble.till;
    let till = if trouble.short { 1000 } else { 1000 + way + 2000 + wobble + 2 * trouble.till };
    let ask = till + 900 + trouble.till;
    let mut spans = vec![
        span(trace, "1", None, "kiosk", "sell", (at, ask + 3000 + wobble)),
        span(trace, "2", Some("1"), "kiosk", "ask", (at + 1000, ask)),
        span(trace, "3", Some("2"), "till", "pay", (at + 61_000_000, till)),
        span(trace, "4", Some("3"), "till", "take coins", (at + 61_000_100, 500)),
    ];
    if !trouble.short {
        spans.push(span(trace, "5", Some("3"), "till", "ask", (at + 61_001_000, way)));
        spans.push(span(trace, "6", Some("5"), "vault", "lock", (at - 9_000_000, vault)));
    }
    spans.push(span(trace, "7", Some("1"), "kiosk", "greet", (at + 1000 + ask, 300)));
    spans.push(span(trace, "8", Some("7"), "bell", "ring", (at + 1100 + ask, 200 + wobble / 10)));
    spans
}

fn town(trouble: Trouble) -> Case {
    let begins = |trace: usize| ONSET_MS * 1000 + (i64::try_from(trace).unwrap() - 60) * 1_000_000;
    let spans =
        (0..120).flat_map(|trace| request(trace, begins(trace), if trace < 60 { Trouble::default() } else { trouble }));
    Case { onset_ms: Some(ONSET_MS), spans: spans.collect(), ..Case::default() }
}

fn blamed(case: &Case) -> Vec<(Fault, String)> {
    let mut found = analyze(case, case.onset_ms).findings;
    found.retain(|finding| finding.kind == FindingKind::TraceChange);
    found.sort_by(|a, b| b.strength.total_cmp(&a.strength));
    found.into_iter().filter_map(|finding| Some((finding.fault?, finding.subject.name))).collect()
}

#[test]
fn nothing_is_said_of_requests_that_go_as_ever() {
    let seen = analyze(&town(Trouble::default()), Some(ONSET_MS));
    assert!(seen.findings.iter().all(|finding| finding.kind == FindingKind::Healthy), "{:?}", seen.findings);
    let steady = |who: &str| seen.findings.iter().any(|finding| finding.subject.name == who);
    assert!(steady("vault") && steady("till"));
    let edges = [("kiosk", "bell"), ("kiosk", "till"), ("till", "vault")];
    let mut calls = seen.calls;
    calls.sort();
    assert_eq!(calls, edges.map(|(caller, callee)| (service(caller), service(callee))));
}

#[test]
fn time_lost_on_the_way_is_the_callees_and_not_of_those_who_wait() {
    let found = blamed(&town(Trouble { way: 90_000, ..Trouble::default() }));
    assert_eq!(found, [(Fault::NetworkDelay, "vault".to_owned())]);
}

#[test]
fn who_is_slow_towards_everybody_is_slow_itself() {
    let found = blamed(&town(Trouble { till: 40_000, ..Trouble::default() }));
    assert_eq!(found, [(Fault::CpuOverload, "till".to_owned())]);
}

#[test]
fn a_step_that_no_longer_follows_is_of_who_left_it_out() {
    let found = blamed(&town(Trouble { short: true, ..Trouble::default() }));
    assert_eq!(found[0], (Fault::WorkCutShort, "till".to_owned()));
    assert!(found.iter().all(|(_, who)| who == "till"), "{found:?}");
}

/// Lines of the till and of the kiosk in every request; `say` gives them by trace, at microseconds after its begin.
fn with_lines(mut case: Case, say: impl Fn(usize) -> Vec<(&'static str, i64, Level, String)>) -> Case {
    for who in ["kiosk", "till"] {
        let mut lines = Vec::new();
        for trace in 0..120 {
            let begin = ONSET_MS + (i64::try_from(trace).unwrap() - 60) * 1000 + if who == "till" { 61_000 } else { 0 };
            for (_, after, level, text) in say(trace).into_iter().filter(|(by, ..)| *by == who) {
                let trace = Some(format!("t{trace}"));
                lines.push(LogLine { at_ms: Some(begin + after), level: Some(level), text, trace });
            }
        }
        case.logs.push(LogStream { subject: service(who), source: who.to_owned(), lines, baseline: Vec::new() });
    }
    case
}

#[test]
fn the_deepest_new_error_is_named_and_not_the_callers_that_repeat_it() {
    let case = with_lines(town(Trouble::default()), |trace| {
        let mut lines = vec![("till", 1, Level::Info, format!("coins taken for order {trace}"))];
        if trace >= 60 && trace % 2 == 0 {
            lines.push(("till", 2, Level::Error, format!("drawer stuck at order {trace}")));
            lines.push(("kiosk", 4, Level::Error, format!("sale {trace} failed")));
        }
        lines
    });
    let found = blamed(&case);
    assert_eq!(found[0], (Fault::RequestsFail, "till".to_owned()));
    let mut strengths = analyze(&case, Some(ONSET_MS)).findings;
    strengths.retain(|finding| finding.kind == FindingKind::TraceChange);
    let of = |who: &str| strengths.iter().filter(|f| f.subject.name == who).map(|f| f.strength).fold(0.0, f64::max);
    assert!(of("till") > 1.5 * of("kiosk"), "{} {}", of("till"), of("kiosk"));
}

#[test]
fn lines_of_two_places_in_the_code_are_two_steps_though_they_read_alike() {
    let case = with_lines(town(Trouble::default()), |trace| {
        let line = |place: u32| ("till", 1, Level::Info, format!("INFO town.Drawer#{place} counted {trace} coins"));
        if trace < 60 { vec![line(31), line(58)] } else { vec![line(31)] }
    });
    assert_eq!(blamed(&case)[0], (Fault::WorkCutShort, "till".to_owned()));
}

#[test]
fn what_no_request_passes_through_is_not_to_blame_for_requests() {
    let mut case = town(Trouble::default());
    let subject = service("fountain");
    let (name, labels, source, points) = ("latency".to_owned(), Default::default(), String::new(), Vec::new());
    case.metrics.push(Series { subject, name, labels, source, points });
    let seen = analyze(&case, case.onset_ms);
    assert!(seen.findings.iter().any(|f| f.subject.name == "fountain" && f.kind == FindingKind::Healthy));
}

#[test]
fn without_requests_of_before_there_is_a_gap_and_no_finding() {
    let case = town(Trouble { way: 90_000, ..Trouble::default() });
    let seen = analyze(&case, Some(0));
    assert_eq!((seen.findings.len(), seen.gaps.len(), seen.calls.len()), (0, 1, 3));
    assert_eq!(analyze(&case, None).gaps[0].why, "when it began is not known");
}
