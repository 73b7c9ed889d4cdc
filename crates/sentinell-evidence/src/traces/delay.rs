//! Where the time goes: a component's own work, and the way between a caller and what it calls.
//!
//! The gap between a client's span and the server's span it caused is the network's, or the queue's before the server
//! (no clock is compared, only two durations). A starved component is slow in its own work and towards everybody it
//! talks to; a slow network shows between one component and all its callers, while its own work takes as long as ever.

use super::share::{Share, apart};
use super::tree::{Forest, Phase};
use std::collections::BTreeMap;

/// Slow is what takes more than twice as long as nine of ten did, and a millisecond more.
const TIMES: f64 = 2.0;
const FLOOR_US: f64 = 1000.0;

/// Fewest measurements of a normal time.
const FEWEST_BEFORE: usize = 3;

/// Natural log of the likelihood ratio from which a change is taken for one: 20 to 1.
pub(super) const CLEAR: f64 = 3.0;

/// Whose time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// A component's own work.
    Own(u32),
    /// Between caller and callee.
    Way(u32, u32),
}

/// What a component is slow at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slow {
    pub(super) component: u32,
    /// Its own work takes longer, not only the way to it.
    pub(super) own: bool,
    pub(super) score: f64,
    /// Calls of it, or its own work: the share that was slow before, and since.
    pub(super) before: Share,
    pub(super) after: Share,
    /// How long it took usually and takes now, microseconds.
    pub(super) usual_us: f64,
    pub(super) now_us: f64,
    /// Neighbours towards which it is slow, of all it talks to.
    pub(super) neighbours: (usize, usize),
}

#[derive(Debug, Clone, Copy, Default)]
struct Change {
    before: Share,
    after: Share,
    score: f64,
    usual_us: f64,
    now_us: f64,
}

impl Change {
    /// By how much the share of slow ones grew.
    fn grew(&self) -> f64 {
        (self.after.value() - self.before.value()).max(0.0)
    }
}

/// Where time is lost, and where it is not.
#[derive(Debug, Default)]
pub(super) struct Delays {
    /// Components that became slow, each with what no other explains better; the clearest first.
    pub(super) slow: Vec<Slow>,
    /// Components that are reached as fast as ever.
    pub(super) steady: Vec<Steady>,
}

/// A component that is reached as fast as ever.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Steady {
    pub(super) component: u32,
    /// How many measurements say so.
    pub(super) measured: f64,
    /// Its own work and what it calls take no longer either.
    pub(super) throughout: bool,
}

/// Who lost time since the onset.
pub(super) fn delays(forest: &Forest<'_>) -> Delays {
    let mut changes = changes(&measure(forest));
    let mut places: BTreeMap<u32, Vec<Place>> = BTreeMap::new();
    for place in changes.keys() {
        ends(*place).for_each(|end| places.entry(end).or_default().push(*place));
    }
    let mut found: Vec<Slow> = Vec::new();
    // Each round blames one component and takes what it explains out.
    while found.len() < 5 {
        let best = places.iter().filter_map(|(component, places)| blame(*component, places, &changes));
        let Some(best) = best.max_by(|a, b| a.score.total_cmp(&b.score)) else { break };
        if best.score < CLEAR {
            break;
        }
        for place in places.remove(&best.component).unwrap_or_default() {
            changes.remove(&place);
        }
        found.push(best);
    }
    let steady = places.iter().filter_map(|(component, places)| steady(*component, places, &changes)).collect();
    Delays { slow: found, steady }
}

/// What says that a component takes as long as ever.
fn steady(component: u32, places: &[Place], changes: &BTreeMap<Place, Change>) -> Option<Steady> {
    let around = || places.iter().filter_map(|place| Some((place, changes.get(place)?)));
    let calm = |(_, change): &(&Place, &Change)| change.score < CLEAR;
    let measured = |(_, change): (&Place, &Change)| change.after.n.min(change.before.n);
    let of_it = |(place, _): &(&Place, &Change)| !matches!(place, Place::Way(caller, _) if *caller == component);
    let reached = |(place, _): &(&Place, &Change)| matches!(place, Place::Way(_, callee) if *callee == component);
    let way = around().filter(reached).all(|one| calm(&one));
    let measured: f64 = around().filter(of_it).map(measured).sum();
    (way && measured > 0.0).then(|| Steady { component, measured, throughout: around().all(|one| calm(&one)) })
}

/// Whose doing it can be that time is lost in a place.
fn ends(place: Place) -> impl Iterator<Item = u32> {
    let (one, other) = match place {
        Place::Own(component) => (component, None),
        Place::Way(caller, callee) => (callee, Some(caller)),
    };
    std::iter::once(one).chain(other)
}

/// Times by place and work, each with its trace: those before the onset, those since.
type Times = BTreeMap<(Place, u32), (Vec<Time>, Vec<Time>)>;

/// Trace and microseconds.
type Time = (u32, f64);

fn measure(forest: &Forest<'_>) -> Times {
    let mut children: Vec<Children> = vec![Children::default(); forest.nodes.len()];
    // Nodes of a trace come by their beginning, so that a running end is enough to unite the children's times.
    for (at, node) in forest.nodes.iter().enumerate() {
        let Some(parent) = node.parent else { continue };
        let above = &forest.nodes[parent as usize];
        let child = &mut children[parent as usize];
        let (from, to) = (node.span.start_us, node.span.start_us.saturating_add(node.span.duration_us.max(0)));
        let limit = above.span.start_us.saturating_add(above.span.duration_us.max(0));
        let from = from.max(above.span.start_us).max(child.until);
        child.covered = child.covered.saturating_add(to.min(limit).saturating_sub(from).max(0));
        child.until = child.until.max(to);
        child.count += 1;
        child.last = at;
    }
    let mut times = Times::new();
    for (node, child) in forest.nodes.iter().zip(&children) {
        let only = forest.nodes.get(child.last).filter(|other| child.count == 1 && other.component != node.component);
        let (place, work, time) = match only {
            Some(server) => {
                let gap = node.span.duration_us.max(0).saturating_sub(server.span.duration_us.max(0));
                (Place::Way(node.component, server.component), server.work, gap)
            }
            None => (Place::Own(node.component), node.work, node.span.duration_us.max(0).saturating_sub(child.covered)),
        };
        let (before, after) = times.entry((place, work)).or_default();
        let side = if forest.phase(node) == Phase::After { after } else { before };
        side.push((node.trace, time.max(0) as f64));
    }
    times
}

#[derive(Debug, Clone)]
struct Children {
    covered: i64,
    until: i64,
    count: u32,
    last: usize,
}

impl Default for Children {
    fn default() -> Self {
        Self { covered: 0, until: i64::MIN, count: 0, last: usize::MAX }
    }
}

/// How the share of slow ones changed in each place.
fn changes(times: &Times) -> BTreeMap<Place, Change> {
    let mut changes: BTreeMap<Place, Change> = BTreeMap::new();
    for ((place, _), (before, after)) in times {
        if before.len() < FEWEST_BEFORE || after.is_empty() {
            continue;
        }
        let slow = TIMES * quantile(before, 0.9) + FLOOR_US;
        let change = changes.entry(*place).or_default();
        let (then, now) = (slower(before, slow), slower(after, slow));
        let own = Change { before: then, after: now, ..Change::default() };
        // What is told of a place is told of the work in it that changed most.
        if own.grew() * now.n >= change.grew() * change.after.n && own.grew() > 0.0 {
            (change.usual_us, change.now_us) = (mean(before), mean(after));
        }
        change.before = change.before.plus(then);
        change.after = change.after.plus(now);
    }
    for change in changes.values_mut() {
        // What slows few requests down is not what most of them suffer from.
        change.score = change.grew() * apart(change.before, change.after);
    }
    changes
}

/// What a component would explain if it were to blame: everything slow around it, by how much of what is around it is.
fn blame(component: u32, places: &[Place], changes: &BTreeMap<Place, Change>) -> Option<Slow> {
    let around: Vec<(Place, &Change)> = places.iter().filter_map(|place| Some((*place, changes.get(place)?))).collect();
    let own = around.iter().find(|(place, _)| matches!(place, Place::Own(_))).map(|(_, change)| *change);
    let ways: Vec<&Change> =
        around.iter().filter(|(place, _)| matches!(place, Place::Way(..))).map(|(_, change)| *change).collect();
    let most = ways.iter().map(|change| change.grew()).fold(0.0, f64::max);
    let touched = |change: &&&Change| change.score >= CLEAR;
    let neighbours = (ways.iter().filter(touched).count(), ways.len());
    let coverage =
        if most > 0.0 { ways.iter().map(|change| change.grew() / most).sum::<f64>() / ways.len() as f64 } else { 1.0 };
    let total: f64 = around.iter().map(|(_, change)| change.score).sum();
    let (_, clearest) = around.iter().max_by(|a, b| a.1.score.total_cmp(&b.1.score))?;
    Some(Slow {
        component,
        own: own.is_some_and(|change| change.score >= CLEAR),
        score: total * coverage,
        before: clearest.before,
        after: clearest.after,
        usual_us: clearest.usual_us,
        now_us: clearest.now_us,
        neighbours,
    })
}

/// The share of traces that were slow; what one request does often counts once, because it is slow together.
fn slower(times: &[Time], slow: f64) -> Share {
    let mut share = Share::default();
    for trace in times.chunk_by(|a, b| a.0 == b.0) {
        let weight = 1.0 / trace.len() as f64;
        trace.iter().for_each(|(_, time)| share.add(*time > slow, weight));
    }
    share
}

fn quantile(values: &[Time], share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.iter().map(|(_, time)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len() as f64) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

fn mean(values: &[Time]) -> f64 {
    values.iter().map(|(_, time)| time).sum::<f64>() / values.len().max(1) as f64
}
