//! Spans put in order: traces, parents, who calls whom, and which spans are one component's share of a request.
//!
//! Clocks of different machines are never compared: only durations, and times within one component.

use crate::case::Span;
use crate::finding::Entity;
use crate::graph::component;
use std::collections::{BTreeMap, BTreeSet};

/// Most spans looked at. Of more, whole traces are left out, by their id, so that every phase is thinned alike.
const MOST_SPANS: usize = 400_000;

/// How far up a span's own component is followed; a longer chain, or a circle, is cut.
const MOST_LEVELS: usize = 64;

/// What lies so far before the onset is another normal time than the minutes just before it.
const JUST_BEFORE_US: i64 = 600_000_000;

/// When a trace began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Long before the onset.
    Earlier = 0,
    /// In the minutes before it.
    Before = 1,
    /// Since.
    After = 2,
}

/// One trace.
#[derive(Debug)]
pub(super) struct Trace {
    /// Hash of its id.
    pub(super) key: u64,
    /// When it began by its root's clock, Unix microseconds.
    pub(super) begun_us: i64,
    pub(super) phase: Phase,
}

/// One span in its place.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) span: &'a Span,
    /// Index into [`Forest::traces`].
    pub(super) trace: u32,
    /// Index of the span that waited for it, if that is there.
    pub(super) parent: Option<u32>,
    /// Index into [`Forest::components`].
    pub(super) component: u32,
    /// Index into [`Forest::works`].
    pub(super) work: u32,
    /// The first span of its component's share of the request; itself where the component was entered.
    pub(super) entry: u32,
}

/// All spans of a case.
#[derive(Debug, Default)]
pub(crate) struct Forest<'a> {
    /// By trace, then by beginning.
    pub(super) nodes: Vec<Node<'a>>,
    /// By key.
    pub(super) traces: Vec<Trace>,
    pub(super) components: Vec<Entity>,
    /// What is done by whom: component and operation.
    pub(super) works: Vec<(u32, &'a str)>,
    by_name: BTreeMap<u64, u32>,
    by_component: BTreeMap<Entity, u32>,
}

/// A hash that is the same in every process; two names that share one are taken for one another, nothing worse.
pub(super) fn key(parts: &[&str]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = FACTOR;
    for part in parts {
        let (chunks, rest) = part.as_bytes().as_chunks::<8>();
        for chunk in chunks {
            hash = (hash.rotate_left(5) ^ u64::from_le_bytes(*chunk)).wrapping_mul(FACTOR);
        }
        let mut last = [0xff_u8; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR);
    }
    hash ^ (hash >> 29)
}

fn entity_key(entity: &Entity) -> u64 {
    let kind = entity.kind as u8;
    key(&[&entity.name, entity.namespace.as_deref().unwrap_or("")]).wrapping_add(u64::from(kind))
}

impl<'a> Forest<'a> {
    /// Puts spans in order, as if all of it were before the onset.
    pub(crate) fn of(spans: &'a [Span]) -> Self {
        let mut order: Vec<(u64, i64, u32)> =
            (0..).zip(spans).map(|(at, span)| (key(&[&span.trace]), span.start_us, at)).collect();
        let sample = u64::try_from(order.len().div_ceil(MOST_SPANS)).unwrap_or(u64::MAX);
        if sample > 1 {
            order.retain(|(key, _, _)| key % sample == 0);
            // One trace alone may be more than is looked at.
            order.truncate(MOST_SPANS);
        }
        order.sort_unstable();
        let mut forest = Self::default();
        let mut works: BTreeMap<(u32, &str), u32> = BTreeMap::new();
        for trace in order.chunk_by(|a, b| a.0 == b.0) {
            let first = forest.nodes.len();
            let number = index(forest.traces.len());
            let mut known: BTreeSet<(u64, u32)> = BTreeSet::new();
            let mut ids: Vec<(u64, u32)> = Vec::with_capacity(trace.len());
            for (_, _, at) in trace {
                let span = &spans[*at as usize];
                let component = forest.component(&span.subject);
                let next = index(forest.works.len());
                let work = *works.entry((component, &span.operation)).or_insert(next);
                if work == next {
                    forest.works.push((component, &span.operation));
                }
                let id = key(&[&span.id]);
                // Exported twice.
                if !known.insert((id, work)) {
                    continue;
                }
                let at = index(forest.nodes.len());
                ids.push((id, at));
                forest.nodes.push(Node { span, trace: number, parent: None, component, work, entry: at });
            }
            ids.sort_unstable();
            // The root's clock tells when a request began; another machine's may be far off.
            let roots = trace.iter().filter(|(_, _, at)| spans[*at as usize].parent.is_none());
            let begun = roots.map(|(_, start, _)| *start).min().unwrap_or(trace[0].1);
            forest.traces.push(Trace { key: trace[0].0, begun_us: begun, phase: Phase::Before });
            forest.join(first, &ids);
        }
        forest
    }

    /// Tells what is before the onset (Unix milliseconds) from what is since.
    pub(super) fn split(&mut self, onset: i64) {
        let onset = onset.saturating_mul(1000);
        for trace in &mut self.traces {
            trace.phase = phase(trace.begun_us, onset);
        }
    }

    /// The number of an entity's component.
    fn component(&mut self, entity: &Entity) -> u32 {
        let key = entity_key(entity);
        if let Some(known) = self.by_name.get(&key) {
            return *known;
        }
        let component = component(entity);
        let next = index(self.components.len());
        let number = *self.by_component.entry(component.clone()).or_insert(next);
        if number == next {
            self.components.push(component);
        }
        self.by_name.insert(key, number);
        number
    }

    /// The number of an entity's component, if it has spans.
    pub(super) fn known(&self, entity: &Entity) -> Option<u32> {
        self.by_component.get(&component(entity)).copied()
    }

    /// Parents and entries of the trace whose nodes begin at `first`; `ids` are its spans' hashed ids, sorted.
    fn join(&mut self, first: usize, ids: &[(u64, u32)]) {
        for at in first..self.nodes.len() {
            let Some(parent) = self.nodes[at].span.parent.as_deref().map(|id| key(&[id])) else { continue };
            let from = ids.partition_point(|(id, _)| *id < parent);
            let same = ids[from..].iter().take_while(|(id, _)| *id == parent).map(|(_, node)| *node);
            self.nodes[at].parent = same.into_iter().find(|node| *node as usize != at);
        }
        for at in first..self.nodes.len() {
            let mut entry = at;
            for _ in 0..MOST_LEVELS {
                let above = self.nodes[entry].parent.map(|parent| parent as usize);
                match above.filter(|above| self.nodes[*above].component == self.nodes[at].component) {
                    Some(above) => entry = above,
                    None => break,
                }
            }
            self.nodes[at].entry = index(entry);
        }
        // Where a circle was cut, what it was cut at is entered there.
        for at in first..self.nodes.len() {
            let entry = self.nodes[at].entry as usize;
            self.nodes[entry].entry = index(entry);
        }
    }

    /// Whether a component's share of a request begins here.
    pub(super) fn is_entry(&self, at: u32) -> bool {
        self.nodes[at as usize].entry == at
    }

    /// Who calls whom.
    pub(super) fn calls(&self) -> Vec<(Entity, Entity)> {
        let callers =
            self.nodes.iter().filter_map(|node| Some((self.nodes[node.parent? as usize].component, node.component)));
        let pairs: BTreeSet<(u32, u32)> = callers.filter(|(caller, callee)| caller != callee).collect();
        let entity = |at: u32| self.components[at as usize].clone();
        pairs.into_iter().map(|(caller, callee)| (entity(caller), entity(callee))).collect()
    }

    /// How many traces began in a phase.
    pub(super) fn count(&self, phase: Phase) -> usize {
        self.traces.iter().filter(|trace| trace.phase == phase).count()
    }

    /// The phase of a node's trace.
    pub(super) fn phase(&self, node: &Node<'_>) -> Phase {
        self.traces[node.trace as usize].phase
    }

    /// The operation of a work.
    pub(super) fn operation(&self, work: u32) -> &'a str {
        self.works[work as usize].1
    }
}

fn phase(start_us: i64, onset_us: i64) -> Phase {
    match start_us {
        at if at >= onset_us => Phase::After,
        at if at >= onset_us.saturating_sub(JUST_BEFORE_US) => Phase::Before,
        _ => Phase::Earlier,
    }
}

/// Numbers are bounded by [`MOST_SPANS`].
pub(super) fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
