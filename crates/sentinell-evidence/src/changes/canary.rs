//! A release against itself: what runs the new version beside what still runs the old one at the same minutes, and both
//! beside the time before. What both versions suffer alike is not the new one's doing.

use crate::case::{Change, Series};
use crate::graph::component;
use crate::metrics::kind::{Kind, from_the_ceiling};
use std::collections::{BTreeMap, BTreeSet};

/// Fewest values on either side of a comparison.
const FEWEST: usize = 5;

/// Most values on either side; later ones are left out.
const MOST: usize = 5_000;

/// Labels by which a series names the one who asks, the one who answers, and whose instance it is of.
const CALLER: [&str; 5] = ["caller", "source", "source_workload", "source_app", "client"];
const CALLEE: [&str; 6] =
    ["callee", "destination", "destination_workload", "destination_app", "destination_service_name", "server"];
const SERVICE: [&str; 5] = ["service", "app", "workload", "deployment", "job"];

/// What a comparison says about a change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// How clearly it hurt, 0 to 1.
    pub(super) hurt: f64,
    /// Whether the new version was seen at work and does as well as the old one.
    pub(super) innocent: bool,
    /// Why, in a few words.
    pub(super) why: String,
}

/// One measured thing of a service, from all its instances.
#[derive(Debug, Default)]
struct Measure {
    before: Vec<f64>,
    old: Vec<f64>,
    new: Vec<f64>,
    /// Instants since the change at which old instances were seen.
    instants: BTreeSet<i64>,
    /// How often an old instance was asked about since, and how often there was anything to tell.
    looked: usize,
    heard: usize,
}

type Key = (String, Option<String>);

/// Compares, where instances of the changed service were measured; none if there is nothing to compare.
pub(super) fn verdict(change: &Change, metrics: &[Series]) -> Option<Verdict> {
    let (asked, asking) = measures(change, metrics);
    if asked.is_empty() {
        return None;
    }
    let mut reasons: Vec<(f64, String)> = Vec::new();
    reasons.extend(silent(change, &asked));
    let mut seen = false;
    for ((name, caller), measure) in &asked {
        let kind = Kind::of(name);
        let from = caller.as_ref().map(|caller| format!(" from {caller}")).unwrap_or_default();
        match kind {
            Kind::Success | Kind::Failures => {
                seen |= measure.new.len() >= FEWEST && measure.old.len() >= FEWEST;
                reasons.extend(fails(measure, name, &from));
            }
            Kind::Latency | Kind::Processor => reasons.extend(slower(measure, name, &from)),
            // A fresh process has its own memory and its share of the traffic: neither says anything.
            _ => {}
        }
    }
    reasons.extend(after(&asked, &asking, seen || !change.members.is_empty() && alike(&asked)));
    let hurt = 1.0 - reasons.iter().map(|(strength, _)| 1.0 - strength.clamp(0.0, 0.97)).product::<f64>();
    let innocent = seen && hurt < 0.25;
    reasons.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let why = match reasons.into_iter().next() {
        _ if innocent => "its new instances do as well as its old ones at the same time".to_owned(),
        Some((_, why)) => why,
        None => "nothing of it changed measurably".to_owned(),
    };
    Some(Verdict { hurt, innocent, why })
}

fn label<'a>(series: &'a Series, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| series.labels.get(*name)).map(String::as_str)
}

/// What the service is asked, and what it asks of others; shares of success as shares of failure.
fn measures(change: &Change, metrics: &[Series]) -> (BTreeMap<Key, Measure>, BTreeMap<Key, Measure>) {
    let service = &change.subject.name;
    let new: BTreeSet<&str> = change.members.iter().map(|member| member.name.as_str()).collect();
    let ready = ready(&new, metrics).unwrap_or(change.at_ms).max(change.at_ms);
    let (mut asked, mut asking): (BTreeMap<Key, Measure>, BTreeMap<Key, Measure>) = Default::default();
    for series in metrics {
        let (caller, callee) = (label(series, &CALLER), label(series, &CALLEE));
        let instance = new.contains(series.subject.name.as_str())
            || label(series, &SERVICE)
                .map_or_else(|| component(&series.subject).name == *service, |own| own == service);
        if !instance || series.subject == change.subject && caller.is_some() {
            continue;
        }
        let outward = caller == Some(service.as_str());
        let other = if outward { callee } else { caller };
        let side = if outward { &mut asking } else { &mut asked };
        let measure = side.entry((series.name.clone(), other.map(str::to_owned))).or_default();
        add(measure, series, (change.at_ms, ready), new.contains(series.subject.name.as_str()));
    }
    (asked, asking)
}

/// When the first new instance reported anything, were it only that there is nothing to report.
fn ready(new: &BTreeSet<&str>, metrics: &[Series]) -> Option<i64> {
    let own = metrics.iter().filter(|series| new.contains(series.subject.name.as_str()));
    own.flat_map(|series| series.points.iter().map(|(at, _)| *at)).min()
}

fn add(measure: &mut Measure, series: &Series, (since, ready): (i64, i64), new: bool) {
    let mut points: Vec<(i64, f64)> = series.points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
    if !new {
        let since_ready = |points: &[(i64, f64)]| points.iter().filter(|(at, _)| *at >= ready).count();
        measure.looked += since_ready(&series.points);
        measure.heard += since_ready(&points);
    }
    from_the_ceiling(Kind::of(&series.name), &mut points);
    in_per_cent(&series.name, &mut points);
    for (at, value) in points {
        let side = match (new, at < since) {
            (true, _) => &mut measure.new,
            (false, true) => &mut measure.before,
            (false, false) => {
                if at >= ready {
                    measure.instants.insert(at / 60_000);
                }
                &mut measure.old
            }
        };
        if side.len() < MOST {
            side.push(value);
        }
    }
}

/// A share of failures from 0 to 1, as Prometheus names and counts them (<https://prometheus.io/docs/practices/naming/>),
/// in per cent like the shares that are turned round.
fn in_per_cent(name: &str, points: &mut [(i64, f64)]) {
    let is_share = name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case("ratio"));
    if is_share && Kind::of(name) == Kind::Failures && points.iter().all(|(_, value)| (0.0..=1.0).contains(value)) {
        points.iter_mut().for_each(|(_, value)| *value *= 100.0);
    }
}

/// Nobody hears of the new instances, while old ones answer the same callers.
fn silent(change: &Change, asked: &BTreeMap<Key, Measure>) -> Option<(f64, String)> {
    if change.members.is_empty() {
        return None;
    }
    let edges: Vec<&Measure> = asked
        .iter()
        .filter(|((name, caller), measure)| {
            caller.is_some() && Kind::of(name) == Kind::Success && measure.instants.len() >= FEWEST
        })
        .map(|(_, measure)| measure)
        .collect();
    let of_silence = || edges.iter().filter(|measure| measure.new.is_empty());
    let silent = of_silence().count();
    if silent == 0 {
        return None;
    }
    let share = silent as f64 / edges.len() as f64;
    // Where most old instances are not asked either, there is little to ask.
    let looked: usize = of_silence().map(|measure| measure.looked).sum();
    let heard: usize = of_silence().map(|measure| measure.heard).sum();
    let usual = heard as f64 / looked.max(1) as f64;
    let who = if silent == edges.len() { "nobody" } else { "some callers do not" };
    let say = format!("{who} reach its new instances, while its old ones answer");
    Some((0.9 * share * share * usual, say.replace("nobody reach", "nobody reaches")))
}

/// The new instances fail more than the old ones at the same time.
fn fails(measure: &Measure, name: &str, from: &str) -> Option<(f64, String)> {
    let sure = beyond(&measure.new, &measure.old)?;
    let (new, old) = (mean(&measure.new), mean(&measure.old));
    let more = (new - old).max(0.0);
    let large = (more / new.abs().max(old.abs()).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
    let strength = sure * large;
    let say = format!("{name}{from}: the new instances fail {} more often than the old ones", times(new, old));
    (strength > 0.0).then_some((strength, say))
}

/// The new instances are slower or busier than the old ones and than before.
fn slower(measure: &Measure, name: &str, from: &str) -> Option<(f64, String)> {
    let old = beyond(&measure.new, &measure.old)?;
    let before = beyond(&measure.new, &measure.before)?;
    let reference = middle(&measure.old).max(middle(&measure.before));
    let new = middle(&measure.new);
    // Instances differ a little all the time: only what is half as much again counts in full.
    let large = ((new - reference) / (0.5 * reference.abs()).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
    let strength = 0.8 * old.min(before) * large;
    let say = format!("{name}{from}: {} the old instances' and than before", times(new, reference));
    (strength > 0.0).then_some((strength, say))
}

/// Instances of the old version, whose code did not change, fail since as the whole service does.
fn alike(asked: &BTreeMap<Key, Measure>) -> bool {
    let failing = asked.iter().filter(|((name, _), _)| matches!(Kind::of(name), Kind::Success | Kind::Failures));
    let worst = failing.map(|(_, measure)| measure).max_by(|a, b| mean(&a.old).total_cmp(&mean(&b.old)));
    worst.is_some_and(|measure| {
        let more = |side: &[f64]| mean(side) - mean(&measure.before);
        more(&measure.old) > 0.0 && more(&measure.old) >= 0.8 * more(&measure.new)
    })
}

/// Everything of the service since, against the time before; less what it got from those it asks.
fn after(asked: &BTreeMap<Key, Measure>, asking: &BTreeMap<Key, Measure>, compared: bool) -> Option<(f64, String)> {
    let risen = |measure: &Measure| {
        let since: Vec<f64> = measure.old.iter().chain(&measure.new).copied().collect();
        let sure = beyond(&since, &measure.before)?;
        Some((sure, mean(&since), mean(&measure.before)))
    };
    let failing = |side: &BTreeMap<Key, Measure>| {
        let rises = side.iter().filter(|((name, _), _)| matches!(Kind::of(name), Kind::Success | Kind::Failures));
        rises
            .filter_map(|(_, measure)| risen(measure))
            .map(|(sure, since, before)| sure * (since - before).max(0.0))
            .fold(0.0, f64::max)
    };
    let (suffered, received) = (failing(asked), failing(asking));
    let own = if suffered > 0.0 { ((suffered - received) / suffered).clamp(0.0, 1.0) } else { 0.0 };
    let fails = own * (suffered / 20.0).min(1.0);
    let slower = asked
        .iter()
        .filter(|((name, _), _)| matches!(Kind::of(name), Kind::Latency | Kind::Processor))
        .filter_map(|(_, measure)| risen(measure))
        .map(|(sure, since, before)| {
            sure * ((since - before) / (0.5 * before.abs()).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
        })
        .fold(0.0, f64::max);
    // Where old and new could be compared and fail alike, the time before says little about the new version.
    let fails = fails * if compared { 0.2 } else { 0.7 };
    let (strength, what) =
        if fails >= slower * 0.5 { (fails, "it fails") } else { (slower * 0.5, "it is slower or busier") };
    (strength > 0.05).then(|| (strength, format!("{what} since, and those it asks do not explain it")))
}

fn times(new: f64, old: f64) -> String {
    if old > 0.0 && new / old < 1000.0 { format!("{:.1} times", new / old) } else { "far more than".to_owned() }
}

/// How surely the first are larger than the second, 0 to 1: Mann and Whitney (1947), ties shared, half at z = 3.
fn beyond(first: &[f64], second: &[f64]) -> Option<f64> {
    if first.len() < 2 || second.len() < FEWEST {
        return None;
    }
    let mut all: Vec<(f64, bool)> =
        first.iter().map(|value| (*value, true)).chain(second.iter().map(|value| (*value, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut at, mut sum, mut ties) = (0, 0.0, 0.0);
    while at < all.len() {
        let same = all[at..].iter().take_while(|other| other.0 == all[at].0).count().max(1);
        let own = all[at..at + same].iter().filter(|(_, own)| *own).count() as f64;
        sum += own * (at as f64 + (same as f64 + 1.0) / 2.0);
        ties += (same as f64).powi(3) - same as f64;
        at += same;
    }
    let (n, m) = (first.len() as f64, second.len() as f64);
    let u = sum - n * (n + 1.0) / 2.0 - n * m / 2.0;
    let spread = (n * m / 12.0 * ((n + m + 1.0) - ties / ((n + m) * (n + m - 1.0)))).max(0.0).sqrt();
    let z = if spread > 0.0 { (u / spread).max(0.0) } else { 0.0 };
    Some((z - 1.0).max(0.0) / ((z - 1.0).max(0.0) + 2.0))
}

fn mean(values: &[f64]) -> f64 {
    let n = values.len().max(1) as f64;
    values.iter().map(|value| value / n).sum()
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}
