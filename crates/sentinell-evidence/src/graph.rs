//! Who depends on whom, and which names mean one component.

use crate::finding::{Entity, EntityKind};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Call edges by component.
#[derive(Debug, Default)]
pub struct Graph {
    callees: BTreeMap<Entity, BTreeSet<Entity>>,
}

impl Graph {
    /// From `(caller, callee)` pairs; pods stand for their service.
    pub fn new(calls: &[(Entity, Entity)]) -> Self {
        let mut callees: BTreeMap<Entity, BTreeSet<Entity>> = BTreeMap::new();
        for (caller, callee) in calls {
            let (caller, callee) = (component(caller), component(callee));
            if caller != callee {
                callees.entry(caller).or_default().insert(callee);
            }
        }
        Self { callees }
    }

    /// What a component calls directly.
    pub fn callees(&self, of: &Entity) -> impl Iterator<Item = &Entity> {
        self.callees.get(of).into_iter().flatten()
    }

    /// Everything a component depends on, directly (distance 1) or through others, nearest first.
    pub fn dependencies(&self, of: &Entity) -> Vec<(&Entity, usize)> {
        let mut seen: BTreeSet<&Entity> = BTreeSet::new();
        let mut queue: VecDeque<(&Entity, usize)> = VecDeque::new();
        let mut found = Vec::new();
        if let Some((start, _)) = self.callees.get_key_value(of) {
            seen.insert(start);
            queue.push_back((start, 0));
        }
        while let Some((at, distance)) = queue.pop_front() {
            for next in self.callees.get(at).into_iter().flatten() {
                if seen.insert(next) {
                    found.push((next, distance + 1));
                    queue.push_back((next, distance + 1));
                }
            }
        }
        found
    }
}

/// The component an entity belongs to: a pod's service where its name tells, else itself.
///
/// Kubernetes names pods `name-<template hash>-<five characters>` or `name-<ordinal>`.
pub fn component(entity: &Entity) -> Entity {
    if entity.kind != EntityKind::Pod {
        return entity.clone();
    }
    let name = owner(&entity.name);
    Entity { kind: EntityKind::Service, namespace: entity.namespace.clone(), name: name.to_owned() }
}

fn owner(pod: &str) -> &str {
    let Some((rest, last)) = pod.rsplit_once('-') else { return pod };
    if !last.is_empty() && last.len() <= 4 && last.bytes().all(|b| b.is_ascii_digit()) {
        return rest;
    }
    if last.len() != 5 || !last.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        return pod;
    }
    match rest.rsplit_once('-') {
        Some((name, hash)) if is_template_hash(hash) => name,
        _ if last.bytes().any(|b| b.is_ascii_digit()) => rest,
        _ => pod,
    }
}

/// Kubernetes' hashes have six to ten characters, digits among them, and none of the vowels.
fn is_template_hash(text: &str) -> bool {
    (6..=10).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b.is_ascii_lowercase() && !b"aeiou".contains(&b)) || b.is_ascii_hexdigit())
        && text.bytes().any(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_stands_for_its_service_where_its_name_tells() {
        let owner_of = |name: &str| component(&Entity::new(EntityKind::Pod, name)).name;
        assert_eq!(owner_of("kiosk-7d9f8b6c5d-x2b4z"), "kiosk");
        assert_eq!(owner_of("ticket-desk-0"), "ticket-desk");
        assert_eq!(owner_of("agent-x7k2p"), "agent");
        assert_eq!(owner_of("ticket-desk"), "ticket-desk");
    }

    #[test]
    fn dependencies_are_followed_through_others_and_around_circles() {
        let service = |name: &str| Entity::new(EntityKind::Service, name);
        let graph =
            Graph::new(&[(service("a"), service("b")), (service("b"), service("c")), (service("c"), service("a"))]);
        assert_eq!(graph.dependencies(&service("a")), [(&service("b"), 1), (&service("c"), 2)]);
        assert_eq!(graph.dependencies(&service("nobody")), []);
    }
}
