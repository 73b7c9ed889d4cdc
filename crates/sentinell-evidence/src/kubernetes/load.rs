//! Slow networks and starved processors: objects look well, only metrics tell.

use super::object::Pod;
use super::report::Report;
use super::snapshot::Snapshot;
use crate::case::{Case, Series};
use crate::finding::{Entity, EntityKind, Fault, Window};
use std::collections::{BTreeMap, BTreeSet};

/// A latency this many times (as a power of ten) above its baseline is slow.
const SLOW: f64 = 0.6;

/// What moved for one service or node. Ratios are powers of ten.
#[derive(Debug, Clone, Default)]
struct Moves {
    /// Of latency.
    latency: f64,
    /// Of cpu use.
    cpu: f64,
    /// Share of time throttled, at its worst.
    throttled: f64,
    /// Of traffic, negative for less.
    traffic: f64,
    /// Retransmissions or losses, worst minus usual.
    retransmits: f64,
    /// The expression of the strongest latency series.
    source: String,
    /// When it was worst.
    window: Option<Window>,
}

pub(super) fn analyze(snapshot: &Snapshot, case: &Case, report: &mut Report) {
    let moves = moves(case);
    if moves.is_empty() {
        return;
    }
    starved(snapshot, &moves, report);
    let node = slow_node(snapshot, &moves, report);
    slow_services(snapshot, case, &moves, node.as_deref(), report);
}

fn moves(case: &Case) -> BTreeMap<Entity, Moves> {
    let mut all: BTreeMap<Entity, Moves> = BTreeMap::new();
    let floor = latency_floor(case);
    for series in &case.metrics {
        let name = series.name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let Some(shape) = Shape::of(series, case.onset_ms) else { continue };
        let entry = all.entry(series.subject.clone()).or_default();
        if has(&["latency", "duration", "response_time"]) {
            let ratio = ((shape.worst + floor) / (shape.usual + floor)).log10();
            if ratio > entry.latency {
                entry.latency = ratio;
                entry.source.clone_from(&series.source);
                entry.window = Some(shape.window);
            }
        } else if has(&["throttl", "cfs"]) {
            entry.throttled = entry.throttled.max(shape.worst - shape.usual);
        } else if has(&["retrans", "packet_loss", "packets_dropped"]) {
            entry.retransmits = entry.retransmits.max(shape.worst - shape.usual);
        } else if has(&["cpu"]) && !has(&["limit", "request"]) {
            entry.cpu = entry.cpu.max(((shape.worst + 0.01) / (shape.usual + 0.01)).log10());
        } else if has(&["network_receive", "network_transmit", "receive_packets", "transmit_packets"]) {
            entry.traffic = entry.traffic.min(((shape.least + 0.5) / (shape.usual + 0.5)).log10());
        }
    }
    all
}

/// What a latency may wobble by without meaning: a tenth of what is usual here. Keeps silence from being "infinitely slower".
fn latency_floor(case: &Case) -> f64 {
    let latencies = case.metrics.iter().filter(|series| series.name.to_ascii_lowercase().contains("latency"));
    let mut usual: Vec<f64> = latencies
        .filter_map(|s| Shape::of(s, case.onset_ms))
        .map(|shape| shape.usual)
        .filter(|usual| *usual > 0.0)
        .collect();
    usual.sort_by(f64::total_cmp);
    usual.get(usual.len() / 2).map_or(1.0, |median| median / 10.0).max(f64::MIN_POSITIVE)
}

/// A series' usual value, and the worst and least that a short stretch of it reaches afterwards.
struct Shape {
    usual: f64,
    worst: f64,
    least: f64,
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
        let stretches =
            rest.windows(width).map(|stretch| (median(stretch.iter().map(|(_, value)| *value).collect()), stretch));
        let mut shape =
            Self { usual, worst: f64::NEG_INFINITY, least: f64::INFINITY, window: Window { start_ms: 0, end_ms: 0 } };
        for (value, stretch) in stretches {
            if value > shape.worst {
                shape.worst = value;
                shape.window = Window { start_ms: stretch[0].0, end_ms: stretch[stretch.len() - 1].0 };
            }
            shape.least = shape.least.min(value);
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
    for (entity, moved) in moves.iter().filter(|(entity, _)| entity.kind != EntityKind::Node) {
        if moved.cpu >= 0.45 && moved.throttled >= 0.2 {
            let strength = (0.6 + 0.3 * moved.cpu.min(1.0)).min(0.95);
            let subject = owner(snapshot, entity);
            let say = format!(
                "{} uses {:.0} times its usual cpu and is throttled {:.0} % of the time",
                subject.name,
                10_f64.powf(moved.cpu),
                (moved.throttled * 100.0).min(100.0)
            );
            report.contradiction(subject, Fault::CpuOverload, strength, 8, &say, "cpu usage and throttling");
        }
    }
}

/// A pod's or service's workload, in its namespace.
fn owner(snapshot: &Snapshot, entity: &Entity) -> Entity {
    let pod = |pod: &&Pod| pod.meta.name == entity.name || snapshot.workload_name(pod) == entity.name;
    match snapshot.pods.iter().find(pod) {
        Some(pod) if entity.namespace.is_none() => snapshot.entity_of(pod),
        Some(pod) if entity.kind == EntityKind::Pod => snapshot.entity_of(pod),
        _ => entity.clone(),
    }
}

fn node_of<'a>(snapshot: &'a Snapshot, entity: &Entity) -> Option<&'a str> {
    let pod =
        snapshot.pods.iter().find(|pod| pod.meta.name == entity.name || snapshot.workload_name(pod) == entity.name)?;
    (!pod.node.is_empty()).then_some(pod.node.as_str())
}

/// The node on which most of what it carries suffers and, beyond that, little elsewhere does.
fn slow_node(snapshot: &Snapshot, moves: &BTreeMap<Entity, Moves>, report: &mut Report) -> Option<String> {
    let suffers =
        |moved: &Moves| f64::from(u8::from(moved.latency >= SLOW)) + f64::from(u8::from(moved.traffic <= -0.2));
    let mut nodes: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (entity, moved) in moves.iter().filter(|(entity, _)| entity.kind != EntityKind::Node) {
        let Some(node) = node_of(snapshot, entity) else { continue };
        let entry = nodes.entry(node).or_default();
        entry.0 += suffers(moved).min(1.0);
        entry.1 += 1.0;
    }
    let total: (f64, f64) = nodes.values().fold((0.0, 0.0), |sum, (hit, all)| (sum.0 + hit, sum.1 + all));
    let losing = moves.iter().filter(|(entity, moved)| entity.kind == EntityKind::Node && moved.retransmits > 0.5);
    let losing: BTreeMap<&str, f64> = losing.map(|(entity, moved)| (entity.name.as_str(), moved.retransmits)).collect();
    let share = |(hit, all): (f64, f64)| if all > 0.0 { hit / all } else { 0.0 };
    let (node, counts) =
        nodes.iter().filter(|(_, (_, all))| *all >= 2.0).max_by(|a, b| share(*a.1).total_cmp(&share(*b.1)))?;
    let widespread = share(total) >= 0.5 && total.1 >= 4.0;
    if !widespread && losing.is_empty() {
        return None;
    }
    let strongest = losing.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let (fault, strength, say, name) = match strongest {
        Some((losing, rate)) if *rate > 5.0 => (
            Fault::NetworkLoss,
            0.85,
            format!("node {losing} sends {rate:.1} segments a second again"),
            (*losing).to_owned(),
        ),
        Some(_) => (
            Fault::NetworkDelay,
            0.8,
            format!(
                "{:.0} % of what runs on node {node} is slow or quiet, and segments are sent again",
                share(*counts) * 100.0
            ),
            (*node).to_owned(),
        ),
        None => (
            Fault::NetworkDelay,
            0.5,
            format!("{:.0} % of what runs on node {node} is slow or quiet", share(*counts) * 100.0),
            (*node).to_owned(),
        ),
    };
    report.contradiction(
        Entity::new(EntityKind::Node, name.clone()),
        fault,
        strength,
        8,
        &say,
        "latency, traffic and retransmissions by node",
    );
    Some(name)
}

/// Services that are slow of themselves: no callee of theirs is about as much slower.
fn slow_services(
    snapshot: &Snapshot,
    case: &Case,
    moves: &BTreeMap<Entity, Moves>,
    _node: Option<&str>,
    report: &mut Report,
) {
    let slow: BTreeMap<&str, (&Entity, &Moves)> = moves
        .iter()
        .filter(|(entity, moved)| entity.kind != EntityKind::Node && moved.latency >= SLOW)
        .map(|(e, m)| (e.name.as_str(), (e, m)))
        .collect();
    let mut blame: Vec<(f64, &Entity, &Moves)> = Vec::new();
    for (name, (entity, moved)) in &slow {
        let callees: BTreeSet<&str> = case
            .calls
            .iter()
            .filter(|(caller, callee)| caller.name == *name && callee.name != *name)
            .map(|(_, callee)| callee.name.as_str())
            .collect();
        let explained = callees
            .iter()
            .filter_map(|callee| slow.get(callee))
            .map(|(_, callee)| callee.latency / moved.latency)
            .fold(0.0, f64::max);
        // A callee about as much slower explains its caller; one a little slower may merely be called by a slow one.
        let own = if explained >= 0.75 {
            0.3
        } else if explained > 0.0 {
            0.85
        } else {
            1.0
        };
        blame.push((moved.latency * own, entity, moved));
    }
    let Some(top) = blame.iter().map(|(score, _, _)| *score).max_by(f64::total_cmp) else { return };
    for (score, entity, moved) in blame {
        let subject = owner(snapshot, entity);
        let strength = 0.85 * (score / top) * (0.6 + 0.4 * (top / 2.0).min(1.0));
        let say = format!(
            "{} is {:.0} times slower than usual, and nothing it calls explains it",
            subject.name,
            10_f64.powf(moved.latency)
        );
        report.contradiction(subject, Fault::NetworkDelay, strength, 7, &say, &moved.source);
    }
}
