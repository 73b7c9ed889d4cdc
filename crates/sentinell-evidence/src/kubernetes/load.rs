//! Slow networks and starved processors: objects look well, only metrics tell.

use super::object::Pod;
use super::report::Report;
use super::snapshot::Snapshot;
use crate::case::{Case, Series};
use crate::finding::{Entity, EntityKind, Fault, Window};
use crate::metrics::kind::is_of_the_watcher;
use crate::metrics::series::is_counter;
use std::collections::{BTreeMap, BTreeSet};

/// A latency this many times above its baseline is slow.
const SLOW: f64 = 2.0;

/// A callee that got slower by this share of what its caller did explains the caller: one request makes several calls.
const EXPLAINS: f64 = 0.15;

/// With fewer measurements than this since the onset, each stands for itself: then it has to be worse than any before.
const FEW: usize = 3;

/// Retransmitted segments a second on a node that carries pods; below this is noise.
const LOSING: f64 = 3.0;

/// So many times the next worst node's rate is one node's own trouble.
const STANDS_OUT: f64 = 5.0;

/// No more than this is said of how many times slower something got: above it a quiet baseline speaks, not the fault.
const MOST_TIMES: f64 = 1000.0;

/// What moved for one service or node.
#[derive(Debug, Clone, Default)]
struct Moves {
    /// Of the median latency: what a typical request meets.
    typical: Option<Rise>,
    /// Of high quantiles: what some requests meet.
    tail: Option<Rise>,
    /// Cpu use, worst over usual.
    cpu: f64,
    /// Share of time throttled, worst minus usual.
    throttled: f64,
    /// Share of time spent waiting for a processor that others use, worst minus usual.
    waiting: f64,
    /// The node that its series name.
    node: Option<String>,
    /// Retransmissions or losses a second, worst minus usual.
    retransmits: f64,
}

/// How a latency rose.
#[derive(Debug, Clone)]
struct Rise {
    /// Worst minus usual, in the series' unit.
    by: f64,
    /// Worst over usual.
    times: f64,
    source: String,
    window: Window,
}

impl Rise {
    /// How many times as long: no figure where there was nothing to compare with, and none beyond what it can mean.
    fn in_words(&self) -> String {
        if self.times > MOST_TIMES {
            format!("more than {MOST_TIMES:.0} times")
        } else if self.times < 10.0 {
            format!("{:.1} times", self.times)
        } else {
            format!("{:.0} times", self.times)
        }
    }
}

pub(super) fn analyze(snapshot: &Snapshot, case: &Case, report: &mut Report) {
    let moves = moves(case);
    starved(snapshot, &moves, report);
    noisy(snapshot, &moves, report);
    let losing = losing_node(snapshot, &moves, report);
    let slow = Slow::of(case, &moves);
    slow.report(snapshot, &moves, losing, report);
}

fn moves(case: &Case) -> BTreeMap<Entity, Moves> {
    let mut all: BTreeMap<Entity, Moves> = BTreeMap::new();
    let floor = latency_floor(case);
    for series in &case.metrics {
        let name = series.name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let Some(shape) = Shape::of(series, case.onset_ms) else { continue };
        let entry = all.entry(series.subject.clone()).or_default();
        entry.node = entry.node.take().or_else(|| series.labels.get("node").cloned());
        if is_latency(&name) {
            // As slow as it has been before is as usual.
            if shape.worst <= shape.before {
                continue;
            }
            let times = (shape.worst + floor) / (shape.usual + floor);
            let rise =
                Rise { by: shape.worst - shape.usual, times, source: series.source.clone(), window: shape.window };
            let slot = if is_tail(series, &name) { &mut entry.tail } else { &mut entry.typical };
            if slot.as_ref().is_none_or(|known| known.by < rise.by) {
                *slot = Some(rise);
            }
        } else if has(&["throttl", "cfs"]) {
            entry.throttled = entry.throttled.max(shape.worst - shape.usual);
        } else if has(&["cpu"]) && has(&["pressure", "waiting", "steal"]) {
            entry.waiting = entry.waiting.max(shape.worst - shape.usual);
        } else if has(&["retrans", "packet_loss", "packets_dropped"]) {
            entry.retransmits = entry.retransmits.max(shape.worst - shape.usual);
        } else if has(&["cpu"]) && !has(&["limit", "request"]) {
            entry.cpu = entry.cpu.max((shape.worst + 0.01) / (shape.usual + 0.01));
        }
    }
    all
}

/// A time that something takes; a sum of times grows with the work, too.
fn is_latency(name: &str) -> bool {
    let is_sum = name.starts_with("rate(") || is_counter(name);
    ["latency", "duration", "response_time"].iter().any(|word| name.contains(word))
        && !is_sum
        && !is_of_the_watcher(name)
}

/// A high quantile or a maximum, by the series' name or its quantile label.
fn is_tail(series: &Series, name: &str) -> bool {
    let quantile = series.labels.get("quantile").and_then(|q| q.parse::<f64>().ok());
    quantile.is_some_and(|q| q > 0.6)
        || ["p75", "p8", "p9", "p0.9", "_90", "_95", "_99", "max"].iter().any(|word| name.contains(word))
}

/// What a latency may wobble by without meaning: a tenth of what is usual here. Keeps silence from being "infinitely slower".
fn latency_floor(case: &Case) -> f64 {
    let latencies = case.metrics.iter().filter(|series| is_latency(&series.name.to_ascii_lowercase()));
    let mut usual: Vec<f64> = latencies
        .filter_map(|s| Shape::of(s, case.onset_ms))
        .map(|shape| shape.usual)
        .filter(|usual| *usual > 0.0)
        .collect();
    usual.sort_by(f64::total_cmp);
    usual.get(usual.len() / 2).map_or(1.0, |median| median / 10.0).max(f64::MIN_POSITIVE)
}

/// A series' usual value, and the worst that a short stretch of it reaches afterwards.
struct Shape {
    usual: f64,
    /// What the worst is compared with, to count at all: what is usual, or where little was measured since, the worst before.
    before: f64,
    worst: f64,
    window: Window,
}

impl Shape {
    fn of(series: &Series, onset_ms: Option<i64>) -> Option<Self> {
        let mut points: Vec<(i64, f64)> =
            series.points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
        points.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let before = onset_ms
            .map(|onset| points.iter().filter(|(at, _)| *at < onset).count())
            .filter(|count| *count > 0 && *count < points.len());
        let split = before.unwrap_or_else(|| (points.len() / 4).max(1));
        if points.len() < 2 || split >= points.len() {
            return None;
        }
        let usual = median(points[..split].iter().map(|(_, value)| *value).collect());
        let rest = &points[split..];
        let width = (rest.len() / 6).clamp(1, 30);
        let middle = |stretch: &[(i64, f64)]| median(stretch.iter().map(|(_, value)| *value).collect());
        let known = &points[..split];
        let before = if rest.len() < FEW {
            known.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max)
        } else {
            usual
        };
        let mut shape = Self { usual, before, worst: f64::NEG_INFINITY, window: Window { start_ms: 0, end_ms: 0 } };
        for (value, stretch) in rest.windows(width).map(|stretch| (middle(stretch), stretch)) {
            if value > shape.worst {
                shape.worst = value;
                shape.window = Window { start_ms: stretch[0].0, end_ms: stretch[stretch.len() - 1].0 };
            }
        }
        Some(shape)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Much more cpu and throttled at its limit.
fn starved(snapshot: &Snapshot, moves: &BTreeMap<Entity, Moves>, report: &mut Report) {
    for (entity, moved) in moves.iter().filter(|(entity, moved)| entity.kind != EntityKind::Node && is_starved(moved)) {
        let subject = owner(snapshot, entity);
        let share = (moved.throttled * 100.0).min(100.0);
        let say = format!(
            "{} uses {:.1} times its usual cpu and is throttled {share:.0} % of the time",
            subject.name, moved.cpu
        );
        let strength = (0.6 + 0.3 * moved.cpu.log10().min(1.0)).min(0.95);
        report.contradiction(subject, Fault::CpuOverload, strength, 8, &say, "cpu usage and throttling");
    }
}

fn is_starved(moved: &Moves) -> bool {
    moved.cpu >= 2.8 && moved.throttled >= 0.2
}

/// Waits for a processor, although it wants no more of it than usual.
fn is_crowded_out(moved: &Moves) -> bool {
    moved.cpu < 2.0 && moved.waiting >= 0.2
}

/// Much more cpu, unthrottled, on a node where others wait for theirs.
fn noisy(snapshot: &Snapshot, moves: &BTreeMap<Entity, Moves>, report: &mut Report) {
    let node_of = |entity: &Entity, moved: &Moves| {
        moved.node.clone().or_else(|| pod_of(snapshot, entity).map(|pod| pod.node.clone())).filter(|n| !n.is_empty())
    };
    let busy = |moved: &Moves| moved.cpu >= 2.8 && !is_starved(moved);
    for (entity, moved) in moves.iter().filter(|(entity, moved)| entity.kind != EntityKind::Node && busy(moved)) {
        let Some(node) = node_of(entity, moved) else { continue };
        let waits = |(other, its): &(&Entity, &Moves)| {
            *other != entity
                && other.kind != EntityKind::Node
                && is_crowded_out(its)
                && node_of(other, its).as_ref() == Some(&node)
        };
        let names: Vec<&str> = moves.iter().filter(waits).map(|(other, _)| other.name.as_str()).take(5).collect();
        if names.is_empty() {
            continue;
        }
        let subject = owner(snapshot, entity);
        let say = format!(
            "{} uses {:.0} times its usual cpu on node {node}, where {} wait for theirs",
            subject.name,
            moved.cpu,
            names.join(", ")
        );
        let strength = if names.len() > 1 { 0.95 } else { 0.8 };
        report.contradiction(subject, Fault::NoisyNeighbour, strength, 9, &say, "cpu usage and waiting by node");
    }
}

/// A pod's or service's workload, in its namespace.
fn owner(snapshot: &Snapshot, entity: &Entity) -> Entity {
    match pod_of(snapshot, entity) {
        Some(pod) if entity.namespace.is_none() || entity.kind == EntityKind::Pod => snapshot.entity_of(pod),
        _ => entity.clone(),
    }
}

fn pod_of<'a>(snapshot: &'a Snapshot, entity: &Entity) -> Option<&'a Pod> {
    snapshot.pods.iter().find(|pod| pod.meta.name == entity.name || snapshot.workload_name(pod) == entity.name)
}

/// The node with pods of its own that sends far more segments again than the others.
fn losing_node(snapshot: &Snapshot, moves: &BTreeMap<Entity, Moves>, report: &mut Report) -> bool {
    let carries = |name: &str| snapshot.pods.iter().any(|pod| pod.node == name && pod.meta.namespace != "kube-system");
    let nodes = moves.iter().filter(|(entity, _)| entity.kind == EntityKind::Node && carries(&entity.name));
    let mut rates: Vec<(f64, &Entity)> = nodes.map(|(entity, moved)| (moved.retransmits, entity)).collect();
    rates.sort_by(|a, b| b.0.total_cmp(&a.0));
    let Some((rate, node)) = rates.first() else { return false };
    let next = rates.get(1).map_or(0.0, |(rate, _)| *rate);
    // A lossy path makes one node stand out among others; what a busy network loses is spread over all of them.
    let stands_out = rates.len() >= 2 && *rate >= LOSING / 3.0 && *rate >= STANDS_OUT * next;
    if *rate < LOSING && !stands_out {
        return false;
    }
    let strength = if *rate >= 3.0 * next { 0.9 } else { 0.7 };
    let say = format!("node {} sends {rate:.1} segments a second again, the next worst node {next:.1}", node.name);
    report.contradiction((*node).clone(), Fault::NetworkLoss, strength, 8, &say, "TCP retransmissions by node");
    true
}

/// Services that are slow of themselves, slowest first, and all that are slow.
struct Slow<'a> {
    own: Vec<(&'a Entity, &'a Rise)>,
    all: BTreeMap<&'a str, &'a Rise>,
}

impl<'a> Slow<'a> {
    /// A delayed service delays every request, so its median moves; where no median does, the tails are compared.
    fn of(case: &Case, moves: &'a BTreeMap<Entity, Moves>) -> Self {
        let typical = Self::by(case, moves, |moved| moved.typical.as_ref());
        if typical.own.is_empty() { Self::by(case, moves, |moved| moved.tail.as_ref()) } else { typical }
    }

    fn by(case: &Case, moves: &'a BTreeMap<Entity, Moves>, pick: fn(&Moves) -> Option<&Rise>) -> Self {
        let slow = |rise: &&Rise| rise.by > 0.0 && rise.times >= SLOW;
        // That nothing else is wrong with it can only be said where objects or processors were looked at.
        let seen = !case.kubernetes.is_empty() || moves.values().any(|moved| moved.cpu > 0.0);
        let services = moves.iter().filter(|(entity, _)| entity.kind != EntityKind::Node && seen);
        let rises: Vec<(&Entity, &Rise)> =
            services.filter_map(|(entity, moved)| Some((entity, pick(moved).filter(slow)?))).collect();
        let all: BTreeMap<&str, &Rise> = rises.iter().map(|(entity, rise)| (entity.name.as_str(), *rise)).collect();
        let explained = |entity: &Entity, rise: &Rise| {
            let callees =
                case.calls.iter().filter(|(caller, callee)| caller.name == entity.name && callee.name != entity.name);
            callees
                .filter_map(|(_, callee)| all.get(callee.name.as_str()))
                .any(|callee| callee.by >= EXPLAINS * rise.by)
        };
        let mut own: Vec<(&Entity, &Rise)> =
            rises.iter().filter(|(entity, rise)| !explained(entity, rise)).copied().collect();
        own.sort_by(|a, b| b.1.by.total_cmp(&a.1.by).then_with(|| a.0.cmp(b.0)));
        Self { own, all }
    }

    fn report(&self, snapshot: &Snapshot, moves: &BTreeMap<Entity, Moves>, losing: bool, report: &mut Report) {
        let Some((_, worst)) = self.own.first() else { return };
        let node = self.node(snapshot);
        if let Some((node, names)) = node.as_ref().filter(|_| !losing) {
            let say = format!("what is slow of itself ({}) runs on node {node}", names.join(", "));
            let subject = Entity::new(EntityKind::Node, *node);
            report.contradiction(subject, Fault::NetworkDelay, 0.9, 8, &say, "latency by node");
        }
        for (entity, rise) in &self.own {
            let busy = moves.get(*entity).is_some_and(|moved| is_starved(moved) || is_crowded_out(moved));
            let share = (rise.by / worst.by).clamp(0.0, 1.0);
            // The node, lost segments or a starved processor explain a slow service better.
            let rest = if losing || node.is_some() || busy { 0.5 } else { 1.0 };
            let say = format!(
                "a request to {} takes {} as long as usual; nothing it calls explains it and its cpu is not busier",
                entity.name,
                rise.in_words()
            );
            report.slow(owner(snapshot, entity), 0.9 * share * rest, &say, (&rise.source, rise.window));
        }
    }

    /// A node on which at least two services are slow of themselves, the worst among them, and half of all it carries is slow.
    fn node<'b>(&self, snapshot: &'b Snapshot) -> Option<(&'b str, Vec<String>)> {
        let (worst, most) = self.own.first()?;
        let node = pod_of(snapshot, worst)?.node.as_str();
        let here = |entity: &Entity| pod_of(snapshot, entity).is_some_and(|pod| pod.node == node);
        let members = self.own.iter().filter(|(entity, rise)| rise.by >= 0.05 * most.by && here(entity));
        let names: Vec<String> = members.map(|(entity, _)| entity.name.clone()).collect();
        let carried: BTreeSet<String> = snapshot
            .pods
            .iter()
            .filter(|pod| pod.node == node && here_namespace(worst, pod))
            .map(|pod| snapshot.workload_name(pod))
            .collect();
        let slow = carried.iter().filter(|name| self.all.contains_key(name.as_str())).count();
        (!node.is_empty() && names.len() >= 2 && slow * 2 >= carried.len()).then_some((node, names))
    }
}

fn here_namespace(entity: &Entity, pod: &Pod) -> bool {
    entity.namespace.as_ref().is_none_or(|namespace| *namespace == pod.meta.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::snapshot::service_entity;
    use crate::kubernetes::testing::json;
    use serde_json::json as object;

    fn series(subject: Entity, name: &str, usual: f64, worst: f64) -> Series {
        let points = (0..40).map(|at| (at * 5000, if (15..30).contains(&at) { worst } else { usual })).collect();
        Series { subject, name: name.to_owned(), labels: BTreeMap::new(), source: name.to_owned(), points }
    }

    fn town() -> Case {
        let pod = |name: &str, node: &str| {
            json(
                object!({ "kind": "Pod", "metadata": { "name": format!("{name}-0"), "namespace": "town", "ownerReferences": [{ "kind": "StatefulSet", "name": name }] },
                "spec": { "nodeName": node }, "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } }),
            )
        };
        let service = |name: &str| service_entity("town", name);
        let calls =
            [("gate", "mill"), ("gate", "well"), ("mill", "well")].map(|(a, b)| (service(a), service(b))).to_vec();
        Case { kubernetes: vec![pod("gate", "n1"), pod("mill", "n2"), pod("well", "n2")], calls, ..Case::default() }
    }

    #[test]
    fn one_slow_measurement_as_there_were_before_is_no_delay_and_neither_is_a_collection_of_garbage() {
        let well = || service_entity("town", "well");
        let wobbly = |name: &str, last: f64| Series {
            points: (0..40)
                .map(|at| {
                    (
                        at * 5000,
                        if at == 39 {
                            last
                        } else if at == 9 {
                            5.0
                        } else {
                            1.0
                        },
                    )
                })
                .collect(),
            ..series(well(), name, 0.0, 0.0)
        };
        let said = |series: Series| {
            let case = Case { metrics: vec![series], onset_ms: Some(39 * 5000), ..town() };
            top(&case)
        };
        assert_eq!(said(wobbly("answer_duration_seconds", 4.0)), (None, String::new()));
        assert_eq!(said(wobbly("go_gc_duration_seconds", 9.0)), (None, String::new()));
        assert_eq!(
            said(wobbly("answer_duration_seconds", 9.0)),
            (Some(Fault::NetworkDelay), "service/town/well".into())
        );
    }

    fn top(case: &Case) -> (Option<Fault>, String) {
        let (findings, _) = crate::kubernetes::analyze_case(case);
        findings.first().map_or((None, String::new()), |finding| (finding.fault, finding.subject.to_string()))
    }

    #[test]
    fn the_deepest_service_whose_every_request_is_late_is_blamed() {
        let mut case = town();
        let service = |name: &str| service_entity("town", name);
        case.metrics = vec![
            series(service("gate"), "latency_p50", 20.0, 3000.0),
            series(service("mill"), "latency_p50", 10.0, 1000.0),
            series(service("well"), "latency_p50", 2.0, 2.5),
            series(service("well"), "latency_p90", 5.0, 900.0),
        ];
        assert_eq!(top(&case), (Some(Fault::NetworkDelay), "service/town/mill".to_owned()));
        case.metrics.extend([
            series(service("mill"), "cpu", 0.01, 0.2),
            series(service("mill"), "cpu_cfs_throttled", 0.0, 0.8),
        ]);
        assert_eq!(top(&case), (Some(Fault::CpuOverload), "service/town/mill".to_owned()));
    }

    #[test]
    fn a_node_is_blamed_when_what_it_carries_is_slow_of_itself() {
        let mut case = town();
        case.calls.pop();
        let service = |name: &str| service_entity("town", name);
        case.metrics = ["mill", "well"].map(|name| series(service(name), "latency_p50", 10.0, 800.0)).to_vec();
        case.metrics.push(series(service("gate"), "latency_p50", 20.0, 1600.0));
        assert_eq!(top(&case), (Some(Fault::NetworkDelay), "node/n2".to_owned()));
        case.metrics.extend([
            series(Entity::new(EntityKind::Node, "n1"), "tcp_retransmits", 0.0, 1.0),
            series(Entity::new(EntityKind::Node, "n2"), "tcp_retransmits", 0.0, 30.0),
        ]);
        assert_eq!(top(&case), (Some(Fault::NetworkLoss), "node/n2".to_owned()));
    }
}
