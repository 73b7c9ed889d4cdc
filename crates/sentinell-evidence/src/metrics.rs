//! Metrics: series that left their own baseline, in which direction, and which of them moved first.

mod harm;
pub(crate) mod kind;
pub(crate) mod series;
pub(crate) mod shift;

use crate::case::Series;
use crate::finding::{Entity, Fault, Finding, FindingKind, Window};
use crate::graph::{Graph, component};
use crate::onset::ranks::Ranks;
use crate::text::bounded;
use harm::{Family, Moved, Own};
use kind::{Kind, from_the_ceiling};
use series::{Clean, Shape, is_up};
use shift::{Shift, detect};
use std::collections::BTreeMap;

/// Most points of a finding's chart.
const CHART_POINTS: usize = 120;

/// What is left of a symptom that is all its callees' or small beside another one: calls may be counted wrongly.
const LEFT: f64 = 0.15;

/// What moved, earliest first among what moved clearly; healthy `up` series are evidence against.
///
/// `onset` is in Unix milliseconds; without it each series' own change point is looked for. NaN, duplicates, any
/// order and constant series are tolerated.
pub fn analyze(series: &[Series], onset: Option<i64>) -> Vec<Finding> {
    analyze_calls(series, &[], onset)
}

/// The same where it is known who calls whom (`(caller, callee)`): what a component suffers from its callees is not
/// counted against it.
pub fn analyze_calls(series: &[Series], calls: &[(Entity, Entity)], onset: Option<i64>) -> Vec<Finding> {
    compare(prepare(series), series, calls, onset)
}

/// A series made fit to be judged.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    pub(crate) series: &'a Series,
    pub(crate) kind: Kind,
    pub(crate) clean: Clean,
    /// Where the points were turned round: what they were taken from.
    ceiling: Option<f64>,
    pub(crate) ranks: Ranks,
}

/// Makes series fit to be judged; those without a point are left out.
pub(crate) fn prepare(series: &[Series]) -> Vec<Prepared<'_>> {
    let prepared = series.iter().filter_map(|one| {
        let mut clean = Clean::of(one);
        let kind = Kind::of(&one.name);
        let ceiling = match clean.shape {
            Shape::Nothing => return None,
            Shape::Up => None,
            Shape::Gauge | Shape::Rate => from_the_ceiling(kind, &mut clean.points),
        };
        let ranks = Ranks::of(&clean.points);
        Some(Prepared { series: one, kind, clean, ceiling, ranks })
    });
    prepared.collect()
}

/// What moved of what was prepared.
pub(crate) fn compare(
    prepared: Vec<Prepared<'_>>,
    series: &[Series],
    calls: &[(Entity, Entity)],
    onset: Option<i64>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut moved: Vec<Judged<'_>> = Vec::new();
    for one in prepared {
        if one.clean.shape == Shape::Up {
            findings.extend(up(one.series, &one.clean).filter(|_| !is_of_a_go_between(one.series, series)));
        } else if let Some(shift) = detect(&one.clean.points, &one.ranks, onset, one.kind) {
            let Prepared { series, kind, clean, ceiling, .. } = one;
            moved.push(Judged { series, kind, clean, ceiling, shift });
        }
    }
    let own = own(&moved, series, calls);
    let failing = failing(&moved);
    let mut shifts: Vec<(Shift, Finding)> = moved
        .into_iter()
        .map(|judged| {
            let mut finding = shifted(&judged, &own);
            // Calls that fail wait for it and are tried again: slowness beside failures is half explained by them.
            if judged.kind == Kind::Latency {
                finding.strength *= 1.0 - 0.5 * failing;
            }
            (judged.shift, finding)
        })
        .filter(|(_, finding)| finding.strength > 0.0)
        .collect();
    discount_followers(&mut shifts);
    shifts.sort_by(|a, b| a.0.start_ms.cmp(&b.0.start_ms).then(b.1.strength.total_cmp(&a.1.strength)));
    findings.extend(shifts.into_iter().map(|(_, finding)| finding));
    findings
}

/// A series that moved.
struct Judged<'a> {
    series: &'a Series,
    kind: Kind,
    clean: Clean,
    /// Where the points were turned round: what they were taken from.
    ceiling: Option<f64>,
    shift: Shift,
}

impl Judged<'_> {
    fn turned_back(&self, value: f64) -> f64 {
        self.ceiling.map_or(value, |ceiling| ceiling * (1.0 - value / 100.0))
    }
}

fn own(moved: &[Judged<'_>], series: &[Series], calls: &[(Entity, Entity)]) -> BTreeMap<(Entity, Family), Own> {
    let moved: Vec<Moved<'_>> = moved
        .iter()
        .map(|one| Moved { series: one.series, kind: one.kind, points: &one.clean.points, shift: one.shift })
        .collect();
    harm::own(&moved, series, &Graph::new(calls))
}

/// How surely calls fail that did not fail before.
fn failing(moved: &[Judged<'_>]) -> f64 {
    let failing = moved.iter().filter(|one| one.ceiling.is_some() && one.shift.after > one.shift.before);
    failing.map(|one| one.shift.strength()).fold(0.0, f64::max)
}

/// What moved later is more often an effect than a cause: up to a quarter is taken off, by how late it came.
fn discount_followers(shifts: &mut [(Shift, Finding)]) {
    let starts = || shifts.iter().map(|(shift, _)| shift.start_ms);
    let (Some(first), Some(last)) = (starts().min(), starts().max()) else { return };
    let span = last.saturating_sub(first).max(1) as f64;
    for (shift, finding) in shifts {
        finding.strength *= 1.0 - 0.25 * (shift.start_ms.saturating_sub(first) as f64 / span);
    }
}

fn shifted(judged: &Judged<'_>, own: &BTreeMap<(Entity, Family), Own>) -> Finding {
    let (series, shift) = (judged.series, &judged.shift);
    let rose = (shift.after > shift.before) != judged.ceiling.is_some();
    let (rise, fall) = judged.kind.hurts();
    let shown = |value: f64| number(judged.turned_back(value));
    let what = if judged.clean.shape == Shape::Rate { "rate of " } else { "" };
    let direction = if rose { "rose" } else { "fell" };
    let mut summary =
        format!("{what}{} {direction} from {} to {}", label(series), shown(shift.before), shown(shift.after));
    let mut strength = shift.strength() * if rose { rise } else { fall };
    let family = Family::of(judged.kind).filter(|_| shift.after > shift.before);
    if let Some(own) = family.and_then(|family| own.get(&(component(&series.subject), family))) {
        strength *= LEFT + (1.0 - LEFT) * own.size;
        if let Some(callee) = own.through.as_ref().filter(|_| own.share < 0.5) {
            summary.push_str(&format!(", mostly through {}", bounded(&callee.name, 80)));
        }
    }
    let points = judged.clean.points.iter().map(|(at, value)| (*at, judged.turned_back(*value)));
    Finding {
        subject: series.subject.clone(),
        kind: FindingKind::MetricShift,
        fault: Some(Fault::MetricAnomaly),
        window: Some(Window { start_ms: shift.start_ms, end_ms: shift.end_ms }),
        strength,
        specificity: judged.kind.specificity(),
        summary,
        source: bounded(&series.source, 300),
        excerpt: None,
        points: thinned(&points.collect::<Vec<_>>()),
    }
}

/// Whether an `up` of 1 is an exporter's own: what stands behind it has a word of its own (`redis_up`, `probe_success`).
fn is_of_a_go_between(up: &Series, all: &[Series]) -> bool {
    let scraped = |series: &Series| (series.subject.clone(), series.labels.get("instance").cloned());
    let answers = || up.points.last().is_some_and(|(_, value)| *value != 0.0);
    let behind = |other: &Series| other.name != "up" && is_up(&other.name) && scraped(other) == scraped(up);
    up.name == "up" && answers() && all.iter().any(behind)
}

/// A series that says whether its target answers: 1 and then 0 is as direct as telemetry gets.
fn up(series: &Series, clean: &Clean) -> Option<Finding> {
    let (last_at, last) = *clean.points.last()?;
    let (first_at, _) = *clean.points.first()?;
    let zeros = clean.points.iter().rev().take_while(|(_, value)| *value == 0.0).count();
    let was_up = zeros < clean.points.len();
    let start_ms = clean.points[clean.points.len() - zeros.max(1)].0;
    let name = label(series);
    let (kind, strength, summary) = match (last == 0.0, was_up, zeros) {
        (true, true, 1) => (FindingKind::Contradiction, 0.8, format!("{name} went from 1 to 0")),
        (true, true, _) => (FindingKind::Contradiction, 0.97, format!("{name} went from 1 to 0 and stays there")),
        (true, false, _) => (FindingKind::Contradiction, 0.7, format!("{name} is 0 all the time")),
        _ => (FindingKind::Healthy, 0.8, format!("{name} is 1")),
    };
    let window = Window { start_ms: if last == 0.0 { start_ms } else { first_at }, end_ms: last_at };
    Some(Finding {
        subject: series.subject.clone(),
        kind,
        fault: Some(Fault::Down),
        window: Some(window),
        strength,
        specificity: 8,
        summary,
        source: bounded(&series.source, 300),
        excerpt: None,
        points: thinned(&clean.points),
    })
}

/// The name with at most four labels.
pub(crate) fn label(series: &Series) -> String {
    let labels: Vec<String> = series
        .labels
        .iter()
        .filter(|(key, _)| *key != "__name__")
        .take(4)
        .map(|(key, value)| format!("{}={}", bounded(key, 40), bounded(value, 60)))
        .collect();
    let name = bounded(&series.name, 120);
    if labels.is_empty() { name } else { format!("{name}{{{}}}", labels.join(",")) }
}

pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e6).contains(&size) => format!("{value:.2e}"),
        size if size < 1.0 => format!("{value:.4}"),
        size if size < 100.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

/// At most [`CHART_POINTS`] points; of each step the value farthest from the middle stays, so that peaks do.
pub(crate) fn thinned(points: &[(i64, f64)]) -> Vec<(i64, f64)> {
    if points.len() <= CHART_POINTS {
        return points.to_vec();
    }
    let middle = shift::median(points.iter().map(|(_, value)| *value));
    let step = points.len().div_ceil(CHART_POINTS);
    let farthest = |chunk: &[(i64, f64)]| {
        chunk.iter().copied().max_by(|a, b| (a.1 - middle).abs().total_cmp(&(b.1 - middle).abs()))
    };
    points.chunks(step).filter_map(farthest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Entity, EntityKind};

    fn series(name: &str, values: impl IntoIterator<Item = f64>) -> Series {
        Series {
            subject: Entity::new(EntityKind::Service, "kiosk"),
            name: name.to_owned(),
            labels: Default::default(),
            source: name.to_owned(),
            points: (0..).map(|n| n * 15_000).zip(values).collect(),
        }
    }

    /// A wobble that is the same in every run.
    fn wobble(n: u32) -> f64 {
        f64::from((n * 7919) % 101) / 101.0 - 0.5
    }

    #[test]
    fn a_lasting_step_is_found_with_its_beginning_and_an_ordinary_wobble_is_not() {
        let calm = series("queue_depth", (0..120).map(|n| 20.0 + 3.0 * wobble(n)));
        assert_eq!(analyze(&[calm], None), []);
        let step = series("queue_depth", (0..120).map(|n| 20.0 + 3.0 * wobble(n) + if n >= 80 { 30.0 } else { 0.0 }));
        let found = analyze(&[step], None);
        assert_eq!((found.len(), found[0].window.unwrap().start_ms), (1, 80 * 15_000));
        assert!(found[0].strength > 0.6 && found[0].summary.contains("rose"), "{:?}", found[0]);
    }

    #[test]
    fn a_counter_is_judged_by_its_rate_and_survives_a_restart() {
        let mut total = 0.0;
        let steady = (0..100).map(|n| {
            total = if n == 50 { 0.0 } else { total + 10.0 + wobble(n) };
            total
        });
        assert_eq!(analyze(&[series("jobs_total", steady.collect::<Vec<_>>())], None), []);
        let mut total = 0.0;
        let stalled = (0..100).map(|n| {
            total += if n >= 70 { 0.0 } else { 10.0 + wobble(n) };
            total
        });
        let found = analyze(&[series("jobs_total", stalled.collect::<Vec<_>>())], None);
        assert!(found[0].summary.starts_with("rate of jobs_total fell"), "{found:?}");
    }

    #[test]
    fn a_target_that_stops_answering_is_down_and_one_that_answers_is_not() {
        let found = analyze(&[series("up", [1.0, 1.0, 1.0, 0.0, 0.0])], None);
        assert_eq!((found[0].fault, found[0].window.unwrap().start_ms), (Some(Fault::Down), 45_000));
        assert!(found[0].strength > 0.9);
        assert_eq!(analyze(&[series("up", [1.0; 5])], None)[0].kind, FindingKind::Healthy);
    }

    #[test]
    fn who_moved_first_comes_first() {
        let at = |name: &str, when: u32| series(name, (0..120).map(|n| wobble(n) + if n >= when { 40.0 } else { 1.0 }));
        let found = analyze(&[at("later", 90), at("sooner", 70)], None);
        assert!(found[0].summary.starts_with("sooner") && found[0].strength > found[1].strength);
    }

    /// The wobbling baseline of two hours at 15 s, and what follows.
    fn calls_of(who: &str, name: &str, usual: f64, since: f64) -> Series {
        let values = (0..480).map(|n| if n < 400 { usual * (1.0 + 0.02 * wobble(n)) } else { since });
        let mut one = series(name, values);
        one.subject = Entity::new(EntityKind::Service, who);
        one
    }

    #[test]
    fn what_a_caller_suffers_from_its_callee_is_not_its_own() {
        let service = |name: &str| Entity::new(EntityKind::Service, name);
        let slow = [
            calls_of("kiosk", "latency_avg", 0.2, 1.2),
            calls_of("kiosk", "requests", 100.0, 100.0),
            calls_of("mill", "latency_avg", 0.1, 1.1),
            calls_of("mill", "requests", 100.0, 100.0),
            // Slower by more, but hardly anybody asks it.
            calls_of("attic", "latency_avg", 0.1, 3.0),
            calls_of("attic", "requests", 2.0, 2.0),
        ];
        let calls = [(service("kiosk"), service("mill"))];
        let mut found = analyze_calls(&slow, &calls, Some(400 * 15_000));
        found.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        let order: Vec<&str> = found.iter().map(|f| f.subject.name.as_str()).collect();
        assert_eq!(order, ["mill", "attic", "kiosk"], "{found:?}");
        assert!(found[2].summary.ends_with("mostly through mill") && found[0].strength > 3.0 * found[1].strength);
    }

    #[test]
    fn an_onset_that_is_a_minute_off_changes_nothing() {
        let step = series("queue_depth", (0..480).map(|n| 20.0 + 3.0 * wobble(n) + if n >= 400 { 30.0 } else { 0.0 }));
        let at = |seconds: i64| analyze(std::slice::from_ref(&step), Some(400 * 15_000 + seconds * 1000));
        assert_eq!(at(0)[0].window.unwrap().start_ms, 400 * 15_000);
        assert_eq!((at(60), at(-60)), (at(0), at(0)));
    }

    #[test]
    fn a_level_that_was_there_in_the_last_hour_is_normal() {
        let drifted = |n: u32| if n >= 300 { 60.0 } else { 20.0 };
        let back = series("queue_depth", (0..700).map(|n| drifted(n) + wobble(n)));
        assert_eq!(analyze(&[back], Some(680 * 15_000)), []);
    }

    #[test]
    fn a_share_of_success_hurts_when_it_falls_only() {
        let share =
            |since: f64| series("success_rate", (0..480).map(|n| if n < 400 { 99.8 + 0.1 * wobble(n) } else { since }));
        assert_eq!(analyze(&[share(100.0)], Some(400 * 15_000)), []);
        let found = analyze(&[share(95.0)], Some(400 * 15_000));
        assert!(found[0].summary.contains("fell from 99.8") && found[0].strength > 0.7, "{found:?}");
    }

    #[test]
    fn charts_stay_small_and_keep_the_peak() {
        let mut values = vec![1.0; 5000];
        values[2500] = 99.0;
        let points: Vec<(i64, f64)> = (0..).zip(values).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= CHART_POINTS && thin.contains(&(2500, 99.0)));
    }
}
