//! Streaming template mining: every line belongs to the masked text it shares with its kind.
//!
//! A line seen before in its masked form costs one hash lookup. A new masked form is compared with its siblings
//! (same marks in the same places); once a place has held several different words it becomes `<*>`. Memory is
//! bounded by the number of templates and of units a line.

use super::mask::{Kind, Scan, render};
use super::word::Hasher;
use std::collections::BTreeMap;

/// How much a [`Miner`] may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most templates; lines of further kinds go to one template `<other>`.
    pub templates: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { templates: 4096 }
    }
}

/// A kind of line, as [`Miner::push`] names it: cheap, and valid for this miner only. Two kinds can turn out to be
/// one later; [`Miner::canonical`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateRef(pub u32);

/// A kind of line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Stable name: sixteen hexadecimal digits of the text's hash, the same in every process.
    pub id: String,
    /// The constant words with typed variables: `paid order <num> in <duration>`.
    pub text: String,
    /// How many lines it has.
    pub count: u64,
}

/// Most remembered masked forms; beyond that the memory starts afresh.
const MOST_REMEMBERED: usize = 1 << 16;

/// Most siblings a new form is compared with.
const MOST_SIBLINGS: usize = 192;

/// Stands for any word in a template.
const ANY: u64 = 0;

/// Learns the kinds of lines of one stream.
#[derive(Debug)]
pub struct Miner {
    limits: Limits,
    scan: Scan,
    entries: Vec<Entry>,
    known: Table,
    groups: BTreeMap<u64, Vec<u32>>,
}

#[derive(Debug)]
struct Entry {
    /// One hash a unit, [`ANY`] where the word varies.
    hashes: Vec<u64>,
    /// Which units are words (the others are marks, the same throughout a group).
    words: Vec<u16>,
    pieces: Vec<Piece>,
    count: u64,
    /// Itself, or the template it was merged into.
    parent: u32,
}

#[derive(Debug, Clone)]
struct Piece {
    text: String,
    spaced: bool,
}

impl Default for Miner {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Miner {
    /// A miner that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        let other = Entry {
            hashes: Vec::new(),
            words: Vec::new(),
            pieces: vec![Piece { text: "<other>".to_owned(), spaced: false }],
            count: 0,
            parent: 0,
        };
        Self { limits, scan: Scan::default(), entries: vec![other], known: Table::default(), groups: BTreeMap::new() }
    }

    /// Counts a line and names its kind.
    pub fn push(&mut self, line: &str) -> TemplateRef {
        self.scan.line(line);
        let hash = self.scan.hash;
        let index = match self.known.get(hash) {
            Some(index) => self.root(index),
            None => {
                let index = self.learn(line);
                self.known.insert(hash, index);
                index
            }
        };
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.count += 1;
        }
        TemplateRef(index)
    }

    /// What a kind is called now: itself, or the kind it was merged into.
    pub fn canonical(&self, template: TemplateRef) -> TemplateRef {
        TemplateRef(self.root(template.0))
    }

    /// A kind's id, text and count; the empty template for a reference of another miner.
    pub fn template(&self, template: TemplateRef) -> Template {
        let text = self.text(self.root(template.0));
        let mut hasher = Hasher::default();
        hasher.bytes(text.as_bytes());
        let count = self.entries.get(self.root(template.0) as usize).map_or(0, |e| e.count);
        Template { id: format!("{:016x}", hasher.finish()), text, count }
    }

    /// All kinds in the order of their first line.
    pub fn templates(&self) -> Vec<(TemplateRef, Template)> {
        (0..)
            .zip(&self.entries)
            .filter(|(index, entry)| entry.parent == *index && entry.count > 0)
            .map(|(index, _)| (TemplateRef(index), self.template(TemplateRef(index))))
            .collect()
    }

    fn text(&self, index: u32) -> String {
        let mut text = String::new();
        let Some(entry) = self.entries.get(index as usize) else { return text };
        for (at, piece) in entry.pieces.iter().enumerate() {
            if piece.spaced && !text.is_empty() {
                text.push(' ');
            }
            text.push_str(if entry.hashes.get(at) == Some(&ANY) { "<*>" } else { &piece.text });
        }
        text
    }

    fn root(&self, mut index: u32) -> u32 {
        while let Some(entry) = self.entries.get(index as usize) {
            if entry.parent == index {
                break;
            }
            index = entry.parent;
        }
        index
    }

    /// Finds the template of a masked form that was not seen before, or makes one.
    fn learn(&mut self, line: &str) -> u32 {
        let group = self.skeleton();
        let members = self.groups.entry(group).or_default();
        members.retain(|index| self.entries[*index as usize].parent == *index);
        let members = members.clone();
        let recent = members.iter().rev().take(MOST_SIBLINGS);
        if let Some(index) = recent.clone().find(|index| self.entries[**index as usize].accepts(&self.scan)) {
            return *index;
        }
        let words = self.scan.units.iter().filter(|u| u.kind != Kind::Mark).count();
        let siblings: Vec<u32> = recent
            .filter(|index| self.entries[**index as usize].distance(&self.scan) <= (words / 4).max(1))
            .copied()
            .collect();
        if let Some(index) = self.merge(&siblings, words) {
            return index;
        }
        if self.entries.len() > self.limits.templates {
            return 0;
        }
        let index = u32::try_from(self.entries.len()).unwrap_or(0);
        let entry = Entry::of(line, &self.scan, index);
        self.entries.push(entry);
        self.groups.entry(group).or_default().push(index);
        index
    }

    /// Number of units and the marks between them: only lines that agree in this are ever compared.
    fn skeleton(&self) -> u64 {
        let mut hasher = Hasher::default();
        hasher.add(self.scan.units.len() as u64);
        for unit in &self.scan.units {
            hasher.add(if unit.kind == Kind::Mark { unit.hash } else { 1 << 40 });
        }
        hasher.finish()
    }

    /// Makes the places that vary between the new form and its siblings variable, if they vary enough to be one.
    fn merge(&mut self, siblings: &[u32], words: usize) -> Option<u32> {
        // Few words carry their meaning each; many values are needed before one of them counts as a variable.
        let needed = match words {
            0 | 1 => return None,
            2 => 16,
            3 => 8,
            _ => 4,
        };
        if siblings.len() + 1 < needed {
            return None;
        }
        let variable = self.variable_places(siblings, needed);
        // Neighbouring words that vary together are prose, and prose tells kinds apart.
        if variable.windows(2).any(|pair| pair[1] == pair[0] + 1) {
            return None;
        }
        let agrees = |entry: &Entry| {
            entry.words.iter().all(|at| {
                let place = usize::from(*at);
                variable.contains(at) || entry.hashes[place] == self.scan.units[place].hash
            })
        };
        let joined: Vec<u32> = siblings.iter().copied().filter(|i| agrees(&self.entries[*i as usize])).collect();
        let (first, others) = joined.iter().min().zip(Some(&joined))?;
        if joined.len() + 1 < needed {
            return None;
        }
        let first = *first;
        let mut moved = 0;
        for other in others.iter().filter(|i| **i != first) {
            let entry = &mut self.entries[*other as usize];
            entry.parent = first;
            moved += entry.count;
        }
        let kept = &mut self.entries[first as usize];
        kept.count += moved;
        for at in variable {
            kept.hashes[usize::from(at)] = ANY;
        }
        Some(first)
    }

    fn variable_places(&self, siblings: &[u32], needed: usize) -> Vec<u16> {
        let mut places = Vec::new();
        let Some(sample) = siblings.first() else { return places };
        for at in &self.entries[*sample as usize].words {
            let place = usize::from(*at);
            let mut values: Vec<u64> = siblings.iter().map(|i| self.entries[*i as usize].hashes[place]).collect();
            values.push(self.scan.units[place].hash);
            values.sort_unstable();
            values.dedup();
            if values.len() >= needed || values.contains(&ANY) {
                places.push(*at);
            }
        }
        places
    }
}

impl Entry {
    fn of(line: &str, scan: &Scan, index: u32) -> Self {
        let words = (0_u16..).zip(&scan.units).filter(|(_, u)| u.kind != Kind::Mark).map(|(at, _)| at).collect();
        let pieces = scan.units.iter().map(|unit| {
            let mut text = String::new();
            render(line, unit, &mut text);
            Piece { text, spaced: unit.spaced }
        });
        Self {
            hashes: scan.units.iter().map(|u| u.hash).collect(),
            words,
            pieces: pieces.collect(),
            count: 0,
            parent: index,
        }
    }

    /// Whether a scanned line of the same skeleton is of this kind.
    fn accepts(&self, scan: &Scan) -> bool {
        self.words.iter().all(|at| {
            let hash = self.hashes[usize::from(*at)];
            hash == ANY || hash == scan.units[usize::from(*at)].hash
        })
    }

    /// In how many words a scanned line of the same skeleton differs.
    fn distance(&self, scan: &Scan) -> usize {
        self.words
            .iter()
            .filter(|at| {
                let hash = self.hashes[usize::from(**at)];
                hash != ANY && hash != scan.units[usize::from(**at)].hash
            })
            .count()
    }
}

/// Open addressing from a masked line's hash to its template: no allocation on the hot path, order never visible.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<(u64, u32)>,
    used: usize,
}

/// Marks a free slot; no template has this number, because their count is bounded far below.
const FREE: u32 = u32::MAX;

impl Table {
    fn get(&self, hash: u64) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = usize::try_from(hash & mask as u64).ok()?;
        loop {
            match self.slots[at] {
                (_, FREE) => return None,
                (known, index) if known == hash => return Some(index),
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn insert(&mut self, hash: u64, index: u32) {
        if self.used >= MOST_REMEMBERED {
            self.slots.fill((0, FREE));
            self.used = 0;
        }
        if self.used * 2 >= self.slots.len() {
            let size = (self.slots.len() * 2).max(256);
            let old = std::mem::replace(&mut self.slots, vec![(0, FREE); size]);
            for (hash, index) in old.into_iter().filter(|(_, index)| *index != FREE) {
                self.place(hash, index);
            }
        }
        self.place(hash, index);
        self.used += 1;
    }

    fn place(&mut self, hash: u64, index: u32) {
        let mask = self.slots.len() - 1;
        let mut at = usize::try_from(hash & mask as u64).unwrap_or(0);
        while self.slots[at].1 != FREE {
            at = (at + 1) & mask;
        }
        self.slots[at] = (hash, index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_becomes_variable_once_it_has_held_several_words() {
        let mut miner = Miner::default();
        let names = ["ann", "bob", "cid", "dan", "eve", "fay"];
        let refs: Vec<_> = names.iter().map(|n| miner.push(&format!("session of {n} was opened on 3"))).collect();
        miner.push("session of ann was closed on 3");
        let texts: Vec<_> = miner.templates().into_iter().map(|(_, t)| (t.text, t.count)).collect();
        assert_eq!(
            texts,
            [
                ("session of <*> was opened on <num>".to_owned(), 6),
                ("session of ann was closed on <num>".to_owned(), 1)
            ]
        );
        assert!(refs.iter().all(|r| miner.canonical(*r) == miner.canonical(refs[0])));
    }

    #[test]
    fn ids_depend_on_the_text_alone() {
        let id = |first: &str| {
            let mut miner = Miner::default();
            miner.push(first);
            let at = miner.push("cache 17 flushed in 3ms");
            miner.template(at).id
        };
        assert_eq!(id("cache 9 flushed in 20ms"), id("something else came before"));
    }

    #[test]
    fn kinds_beyond_the_limit_share_one_template() {
        let mut miner = Miner::new(Limits { templates: 8 });
        for n in 0..100_u8 {
            let word: String = [b'a' + n / 10, b'a' + n % 10].map(char::from).iter().collect();
            miner.push(&word);
        }
        let templates = miner.templates();
        assert_eq!((templates.len(), templates[0].1.text.as_str()), (9, "<other>"));
    }
}
