//! What requests measure over time, whoever was at fault: how long each kind of work took, how far requests went, and
//! whether they failed. From these it is told when it began.

use super::tree::Forest;
use crate::finding::Entity;
use std::collections::BTreeMap;

/// One thing that requests measure: whose it is, and `(unix_ms, value)` by the beginning of the request.
pub(crate) type Measured = (Entity, Vec<(i64, f64)>);

/// How long every kind of work took, how many spans the requests had that begin alike, and which of them failed.
pub(crate) fn measured(forest: &Forest<'_>) -> Vec<Measured> {
    let mut took: BTreeMap<u32, Vec<(i64, f64)>> = BTreeMap::new();
    let mut failed: BTreeMap<u32, Vec<(i64, f64)>> = BTreeMap::new();
    let mut sizes: BTreeMap<u32, Vec<(i64, f64)>> = BTreeMap::new();
    let mut at = 0_u32;
    for spans in forest.nodes.chunk_by(|a, b| a.trace == b.trace) {
        let begun_ms = forest.traces[spans[0].trace as usize].begun_us.div_euclid(1000);
        let root = spans.iter().find(|node| node.parent.is_none()).unwrap_or(&spans[0]);
        sizes.entry(root.work).or_default().push((begun_ms, spans.len() as f64));
        for node in spans {
            if forest.is_entry(at) {
                took.entry(node.work).or_default().push((begun_ms, node.span.duration_us.max(0) as f64));
                failed.entry(node.component).or_default().push((begun_ms, f64::from(u8::from(node.span.failed))));
            }
            at += 1;
        }
    }
    let owner = |work: u32| forest.components[forest.works[work as usize].0 as usize].clone();
    let works = took.into_iter().chain(sizes).map(|(work, points)| (owner(work), points));
    let failures = failed.into_iter().map(|(who, points)| (forest.components[who as usize].clone(), points));
    works.chain(failures).collect()
}
