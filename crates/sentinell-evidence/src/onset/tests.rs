use crate::case::{Case, Series, Span};
use crate::diagnose;
use crate::finding::{Entity, EntityKind, Window};

const STEP_MS: i64 = 15_000;
const BEGAN: i64 = 400;

/// A wobble that is the same in every run and another one for everybody.
fn wobble(who: usize, n: i64) -> f64 {
    let mut hash =
        (who as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (n as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^= hash >> 31;
    hash = hash.wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 29;
    (hash % 1000) as f64 / 1000.0 - 0.5
}

fn series(who: &str, number: usize, values: impl Fn(i64) -> f64) -> Series {
    Series {
        subject: Entity::new(EntityKind::Service, who),
        name: "queue_depth".to_owned(),
        labels: Default::default(),
        source: who.to_owned(),
        points: (0..480).map(|n| (n * STEP_MS, values(n) + wobble(number, n))).collect(),
    }
}

const TOWN: [&str; 8] = ["kiosk", "till", "mill", "vault", "bell", "crane", "pier", "attic"];

/// The town over two hours; so many of it change at `began`.
fn town(changed: usize, began: i64) -> Case {
    let level = move |number: usize, n: i64| if number < changed && n >= began { 40.0 } else { 20.0 };
    let metrics = TOWN.iter().enumerate().map(|(at, who)| series(who, at, move |n| level(at, n)));
    Case { metrics: metrics.collect(), ..Case::default() }
}

fn said(case: &Case, told: Option<i64>) -> Option<Window> {
    diagnose(&Case { onset_ms: told, ..case.clone() }).onset
}

#[test]
fn an_onset_told_late_or_early_is_put_right() {
    let case = town(4, BEGAN);
    let truth = BEGAN * STEP_MS;
    for late in [-240, -60, 60, 300] {
        let found = said(&case, Some(truth + late * 1000)).unwrap();
        assert_eq!(found.end_ms, truth, "{late}");
        assert!(found.start_ms == truth - STEP_MS || late == 300, "{late}: {found:?}");
    }
    assert_eq!(said(&case, Some(truth)), Some(Window { start_ms: truth, end_ms: truth }), "told right, it stays");
}

#[test]
fn an_onset_that_nobody_tells_is_where_components_leave_their_habits_together() {
    let found = said(&town(4, BEGAN), None).unwrap();
    assert_eq!(found, Window { start_ms: (BEGAN - 1) * STEP_MS, end_ms: BEGAN * STEP_MS });
}

#[test]
fn where_nothing_happened_none_is_invented_and_what_is_told_stays() {
    let calm = town(0, BEGAN);
    let told = 300 * STEP_MS + 7;
    assert_eq!(said(&calm, None), None);
    assert_eq!(said(&calm, Some(told)), Some(Window { start_ms: told, end_ms: told }));
    assert_eq!(diagnose(&calm).ranking.hypotheses, []);
}

#[test]
fn of_two_gatherings_the_earlier_one_is_the_cause_and_the_larger_one_its_echo() {
    let mut case = town(3, BEGAN);
    let echo = town(8, BEGAN + 30);
    case.metrics.splice(3.., echo.metrics.into_iter().skip(3));
    let found = said(&case, None).unwrap();
    assert_eq!(found.end_ms, BEGAN * STEP_MS);
}

#[test]
fn requests_tell_the_onset_to_the_second_where_metrics_come_once_a_minute() {
    let began = 10_000_000_i64;
    let span = |n: i64, id: &str, parent: Option<&str>, who: &str, long: i64| Span {
        trace: format!("t{n}"),
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        subject: Entity::new(EntityKind::Service, who),
        operation: "sell".to_owned(),
        start_us: (began + (n - 120) * 1000) * 1000,
        duration_us: long,
        failed: false,
    };
    let spans = (0..240).flat_map(|n| {
        let slow = if n >= 120 { 400_000 } else { 0 };
        let wobble = (1000.0 * wobble(9, n)) as i64;
        [span(n, "1", None, "kiosk", 20_000 + slow + wobble), span(n, "2", Some("1"), "mill", 9_000 + slow + wobble)]
    });
    let case = Case { spans: spans.collect(), ..Case::default() };
    for late in [-60_000, 60_000] {
        assert_eq!(said(&case, Some(began + late)).map(|window| window.end_ms), Some(began), "{late}");
    }
}

#[test]
fn hostile_series_have_no_say() {
    let mut case = town(4, BEGAN);
    let odd = [
        vec![],
        vec![(i64::MIN, 1.0), (i64::MAX, 2.0)],
        vec![(0, f64::NAN); 50],
        vec![(5, 1.0)],
        (0..480).rev().map(|n| (n * STEP_MS, 7.0)).collect(),
        (0..480).map(|n| (i64::MAX - n, f64::MAX)).collect(),
    ];
    let odd = odd.into_iter().map(|points| Series { points, ..series("fog", 20, |_| 0.0) });
    case.metrics.extend(odd);
    let truth = BEGAN * STEP_MS;
    assert_eq!(said(&case, Some(truth + 60_000)).map(|window| window.end_ms), Some(truth));
    assert_eq!(said(&case, None).map(|window| window.end_ms), Some(truth));
}
