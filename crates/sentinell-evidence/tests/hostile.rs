//! Whatever comes in, the engine answers, bounded, and twice the same.

use proptest::collection::vec;
use proptest::prelude::*;
use sentinell_evidence::case::{Case, Change, Diagnosis, Level, LogLine, LogStream, Series, Span};
use sentinell_evidence::diagnose;
use sentinell_evidence::diagnose::MOST_FINDINGS;
use sentinell_evidence::finding::{Entity, EntityKind};
use sentinell_evidence::logs::{Limits, Miner};

fn line(text: impl Into<String>) -> LogLine {
    LogLine { at_ms: None, level: None, text: text.into(), trace: None }
}

fn stream(lines: Vec<LogLine>, baseline: Vec<LogLine>) -> LogStream {
    LogStream { subject: Entity::new(EntityKind::Service, "kiosk"), source: "kiosk.log".to_owned(), lines, baseline }
}

fn series(name: &str, points: Vec<(i64, f64)>) -> Series {
    let subject = Entity::new(EntityKind::Service, "kiosk");
    Series { subject, name: name.to_owned(), labels: Default::default(), source: name.to_owned(), points }
}

/// Diagnoses twice and checks what holds for every answer.
fn sound(case: &Case) -> Diagnosis {
    let diagnosis = diagnose(case);
    assert_eq!(diagnosis, diagnose(case), "two runs differ");
    assert!(diagnosis.findings.len() <= MOST_FINDINGS);
    assert!(diagnosis.findings.windows(2).all(|pair| pair[0].strength >= pair[1].strength));
    for finding in &diagnosis.findings {
        assert!((0.0..=1.0).contains(&finding.strength) && finding.points.len() <= 120);
        for text in [Some(&finding.summary), Some(&finding.source), finding.excerpt.as_ref()].into_iter().flatten() {
            assert!(text.chars().count() < 1000 && !text.contains(char::is_control), "{text:?}");
            assert!(!text.contains(['\u{202e}', '\u{200b}', '\u{feff}']), "{text:?}");
        }
    }
    for hypothesis in &diagnosis.ranking.hypotheses {
        assert!((0.0..=1.0).contains(&hypothesis.confidence) && !hypothesis.supports.is_empty());
        assert!(hypothesis.supports.iter().chain(&hypothesis.contradicts).all(|at| *at < diagnosis.findings.len()));
    }
    diagnosis
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e3..1e3,
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MAX), Just(f64::MIN), Just(0.0), Just(-0.0), Just(f64::MIN_POSITIVE)],
    ]
}

fn instant() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..2_000_000_i64, 1 => any::<i64>()]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,80}",
        "(\\PC|[\\x00-\\x1f\"'\\\\:=\\[{\u{202e}\u{200b}\u{feff}]){0,60}",
        "[0-9T:/ .,Z+-]{0,30}",
        "(ERROR|INFO|at |Caused by:|\\[error\\]|level=) ?[a-c0-2 ]{0,20}",
    ]
}

fn log_line() -> impl Strategy<Value = LogLine> {
    let level = proptest::option::of(prop_oneof![Just(Level::Info), Just(Level::Error), Just(Level::Fatal)]);
    (proptest::option::of(instant()), level, text()).prop_map(|(at_ms, level, text)| LogLine {
        at_ms,
        level,
        text,
        trace: None,
    })
}

/// Spans whose ids, parents and traces collide, in circles, at any time.
fn span() -> impl Strategy<Value = Span> {
    let id = || prop_oneof![8 => "[a-f]", 1 => text()];
    let who = prop_oneof![Just("kiosk"), Just("till"), Just("vault-7d9f8b6c5d-x2b4z")];
    let parts = (id(), id(), proptest::option::of(id()), who, id());
    (parts, instant(), prop_oneof![4 => -5_i64..50_000, 1 => any::<i64>()], any::<bool>()).prop_map(
        |((trace, id, parent, who, operation), at, duration_us, failed)| Span {
            trace,
            id,
            parent,
            subject: Entity::new(EntityKind::Pod, who),
            operation,
            start_us: at.saturating_mul(1000),
            duration_us,
            failed,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_case_gets_a_sound_answer(
        lines in vec(log_line(), 0..300),
        baseline in vec(log_line(), 0..120),
        points in vec(vec((instant(), value()), 0..150), 0..4),
        name in prop_oneof![Just("up"), Just("jobs_total"), Just("queue"), Just("success_rate"), Just("latency"), Just("requests")],
        changes in vec((instant(), text(), text()), 0..5),
        onset_ms in proptest::option::of(instant()),
    ) {
        let who = Entity::new(EntityKind::Service, "kiosk");
        let change = |(at_ms, kind, summary): (i64, String, String)| Change {
            at_ms, subject: who.clone(), kind, reference: summary.clone(), touched: vec![summary.clone()], summary, members: vec![who.clone()],
        };
        sound(&Case {
            onset_ms,
            logs: vec![stream(lines, baseline)],
            metrics: points.into_iter().map(|points| series(name, points)).collect(),
            changes: changes.into_iter().map(change).collect(),
            calls: vec![(who.clone(), who.clone())],
            suspects: vec![who.clone()],
            ..Case::default()
        });
    }

    #[test]
    fn any_spans_get_a_sound_answer(
        spans in vec(span(), 0..200),
        lines in vec((log_line(), "[a-f]"), 0..60),
        onset_ms in proptest::option::of(instant()),
    ) {
        let lines = lines.into_iter().map(|(line, trace)| LogLine { trace: Some(trace), ..line }).collect();
        sound(&Case { onset_ms, spans, logs: vec![stream(lines, Vec::new())], ..Case::default() });
    }

    #[test]
    fn a_miner_forgets_nothing_it_counted(texts in vec(text(), 0..400), templates in 1_usize..40) {
        let mut miner = Miner::new(Limits { templates });
        let refs: Vec<_> = texts.iter().map(|text| miner.push(text)).collect();
        let all = miner.templates();
        prop_assert!(all.len() <= templates + 1);
        prop_assert_eq!(all.iter().map(|(_, t)| t.count).sum::<u64>(), texts.len() as u64);
        for reference in refs {
            prop_assert!(all.iter().any(|(r, _)| *r == miner.canonical(reference)));
        }
    }
}

#[test]
fn an_empty_case_is_answered_with_gaps_alone() {
    let diagnosis = sound(&Case { logs: vec![stream(Vec::new(), Vec::new())], ..Case::default() });
    assert!(diagnosis.findings.is_empty() && diagnosis.ranking.hypotheses.is_empty());
    let gaps: Vec<_> = diagnosis.gaps.iter().map(|gap| gap.what.as_str()).collect();
    assert_eq!(gaps, ["changes", "kubernetes", "logs of service/kiosk", "metrics"]);
}

#[test]
fn huge_hostile_lines_cost_little_and_show_nothing_harmful() {
    let calm = || (0..300).map(|n| line(format!("served order {n} in 3ms")));
    let bomb = [
        "x".repeat(1 << 20),
        "\"".repeat(1 << 20),
        "\u{202e}\u{1b}[2J ".repeat(100_000),
        "{".repeat(1 << 20),
        "1:".repeat(1 << 19),
        "\u{10ffff}\u{fffd}".repeat(1000),
        format!("ERROR vault is gone\u{202e} {}", "away ".repeat(100_000)),
    ];
    let lines: Vec<_> = calm().chain(bomb.iter().cycle().take(21).map(line)).collect();
    let diagnosis = sound(&Case { logs: vec![stream(lines, calm().collect())], ..Case::default() });
    assert!(!diagnosis.findings.is_empty());
}

#[test]
fn a_new_error_after_a_quiet_baseline_is_named_even_if_it_came_once() {
    let quiet = |n: i64| LogLine {
        at_ms: Some(n * 1000),
        level: None,
        text: format!("INFO served order {n} in 3ms"),
        trace: None,
    };
    let mut lines: Vec<_> = (400..500).map(quiet).collect();
    lines.push(LogLine {
        at_ms: Some(500_000),
        level: None,
        text: "ERROR cannot reach vault 7: refused".to_owned(),
        trace: None,
    });
    let case = Case { logs: vec![stream(lines, (0..400).map(quiet).collect())], ..Case::default() };
    let diagnosis = sound(&case);
    assert!(diagnosis.findings[0].summary.starts_with("new: ERROR cannot reach vault <num>"), "{diagnosis:?}");
    assert_eq!(diagnosis.ranking.hypotheses.len(), 1);
    assert_eq!(diagnosis.onset.map(|w| w.start_ms), Some(500_000));
}

#[test]
fn an_onset_splits_a_stream_that_has_no_baseline() {
    let text = |n: i64| {
        if n >= 900 && n % 10 == 0 { "queue is full, order dropped".to_owned() } else { format!("served order {n}") }
    };
    let lines: Vec<_> =
        (0..1000).map(|n| LogLine { at_ms: Some(n * 1000), level: None, text: text(n), trace: None }).collect();
    let case = Case { onset_ms: Some(900_000), logs: vec![stream(lines, Vec::new())], ..Case::default() };
    assert!(sound(&case).findings[0].summary.starts_with("new: queue is full"));
}

#[test]
fn a_million_spans_cost_little_in_one_trace_or_in_many_of_one_component_or_of_as_many() {
    let half = 500_000_i64;
    let spans = |traces: i64, components: i64| -> Vec<Span> {
        let span = |n: i64| Span {
            trace: format!("t{}", n % traces),
            id: n.to_string(),
            parent: Some((n - 1).to_string()),
            subject: Entity::new(EntityKind::Service, format!("kiosk {}", n % components)),
            operation: format!("sell {}", n % 1000),
            start_us: n,
            duration_us: n % 977,
            failed: n % 3 == 0,
        };
        (0..2 * half).map(span).collect()
    };
    for (traces, components) in [(1, 1), (half, 3), (1000, half)] {
        let case = Case { onset_ms: Some(half / 1000), spans: spans(traces, components), ..Case::default() };
        let diagnosis = diagnose(&case);
        assert!(diagnosis.findings.len() <= MOST_FINDINGS, "{traces} {components}");
    }
}
