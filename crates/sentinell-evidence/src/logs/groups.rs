//! Templates by their skeleton, and which of them a line is of: found by hash, however many there are.

use super::entry::{Entry, Places};
use super::hash::Hasher;
use super::mask::Scan;
use super::merge::Merged;
use super::table::Table;
use std::collections::BTreeMap;

/// Most different sets of variable places looked up for a line; the rest are left to the comparison with siblings.
const MOST_SHAPES: usize = 16;

/// Templates with the same number of units and the same marks between them.
#[derive(Debug, Default)]
struct Group {
    /// Oldest first.
    members: Vec<u32>,
    /// The sets of variable places that members have, and how many have each, without the empty one.
    shapes: BTreeMap<Places, usize>,
}

impl Group {
    fn gain(&mut self, places: Places) {
        if !places.is_none() {
            *self.shapes.entry(places).or_default() += 1;
        }
    }

    fn lose(&mut self, places: &Places) {
        if let Some(count) = self.shapes.get_mut(places) {
            *count -= 1;
            if *count == 0 {
                self.shapes.remove(places);
            }
        }
    }
}

/// All templates, by skeleton and by what is constant in them.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: BTreeMap<u64, Group>,
    forms: Table<u32>,
}

/// Hash of what is constant in a form.
fn form(skeleton: u64, places: &Places, hashes: impl Iterator<Item = u64>) -> u64 {
    let mut hasher = Hasher::default();
    hasher.add(skeleton);
    for (at, hash) in hashes.enumerate() {
        hasher.add(if places.has(at) { 1 << 41 } else { hash });
    }
    hasher.finish()
}

impl Groups {
    /// All templates of a miner: whatever has not become part of another. The first is for what is beyond its bounds.
    pub(super) fn of(entries: &[Entry], forms: &[(u64, u32)]) -> Self {
        let mut groups = Self::default();
        for (index, entry) in (0..).zip(entries).skip(1).filter(|(index, entry)| entry.parent == *index) {
            let group = groups.groups.entry(entry.skeleton()).or_default();
            group.members.push(index);
            group.gain(entry.places);
        }
        forms.iter().for_each(|(form, index)| groups.forms.insert(*form, *index));
        groups
    }

    /// What is found by hash: to be kept.
    pub(super) fn forms(&self) -> Vec<(u64, u32)> {
        self.forms.sorted()
    }

    /// The templates of a skeleton that came last, last first.
    pub(super) fn latest(&self, skeleton: u64, most: usize) -> Vec<u32> {
        self.groups.get(&skeleton).map_or(Vec::new(), |group| group.members.iter().rev().take(most).copied().collect())
    }

    /// The template a line is of.
    pub(super) fn find(&self, skeleton: u64, scan: &Scan, entries: &[Entry]) -> Option<u32> {
        let group = self.groups.get(&skeleton)?;
        let none = Places::default();
        let hits = std::iter::once(&none).chain(group.shapes.keys().take(MOST_SHAPES)).filter_map(|places| {
            let form = form(skeleton, places, scan.units.iter().map(|unit| unit.hash));
            let mut index = self.forms.get(form)?;
            while entries[index as usize].parent != index {
                index = entries[index as usize].parent;
            }
            entries[index as usize].accepts(scan).then_some(index)
        });
        hits.max()
    }

    /// Takes in a new template, in which nothing is variable yet but what is masked.
    pub(super) fn add(&mut self, index: u32, entry: &Entry) {
        let skeleton = entry.skeleton();
        self.groups.entry(skeleton).or_default().members.push(index);
        self.forms.insert(own_form(entry), index);
    }

    /// Takes in that a template became more general, and took some others in.
    pub(super) fn widen(&mut self, merged: &Merged, entries: &[Entry]) {
        let index = merged.index;
        let entry = &entries[index as usize];
        let Some(group) = self.groups.get_mut(&entry.skeleton()) else { return };
        if !merged.gone.is_empty() {
            group.members.retain(|member| merged.gone.binary_search(member).is_err());
        }
        merged.former.iter().for_each(|places| group.lose(places));
        group.gain(entry.places);
        // What was merged is not looked up any more; what is left of it goes when there is more of it than of the rest.
        if self.forms.len() > 4 * entries.len().max(256) {
            self.forms.clear();
            for index in self.groups.values().flat_map(|group| &group.members) {
                let entry = &entries[*index as usize];
                self.forms.insert(own_form(entry), *index);
            }
        }
        self.forms.insert(own_form(entry), index);
    }
}

fn own_form(entry: &Entry) -> u64 {
    form(entry.skeleton(), &entry.places, entry.pieces.iter().map(|piece| piece.hash))
}
