//! Streaming template mining: every line belongs to the masked text it shares with its kind.
//!
//! A line seen before in its masked form costs one hash lookup. A new masked form is compared with its siblings
//! (same marks in the same places); once a place has held several different words it becomes `<*>`. Memory is
//! bounded by the number of templates and of units a line.

use super::entry::Entry;
use super::list::Lists;
use super::mask::{Kind, Scan};
use super::merge::merge;
use super::table::Table;
use super::word::Hasher;
use std::collections::BTreeMap;

/// How much a [`Miner`] may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most templates; lines of further kinds go to one template `<other>`.
    pub templates: usize,
    /// Whether kinds are as general as a person would write them: names of machines, what follows a preposition, and
    /// the items of a list are variables from the second or third on. Without, kinds stay narrow, so that a change in
    /// one of a few values is seen as a change.
    pub general: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { templates: 4096, general: false }
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

/// Most siblings a new form is compared with.
const MOST_SIBLINGS: usize = 192;

/// Learns the kinds of lines of one stream.
#[derive(Debug)]
pub struct Miner {
    limits: Limits,
    scan: Scan,
    entries: Vec<Entry>,
    known: Table,
    groups: BTreeMap<u64, Vec<u32>>,
    lists: Lists,
}

impl Default for Miner {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Miner {
    /// A miner that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            scan: Scan { general: limits.general, ..Scan::default() },
            entries: vec![Entry::other()],
            known: Table::default(),
            groups: BTreeMap::new(),
            lists: Lists::default(),
        }
    }

    /// Counts a line and names its kind.
    pub fn push(&mut self, line: &str) -> TemplateRef {
        self.scan.line(line);
        let hash = self.scan.hash;
        let index = match self.known.get(hash) {
            Some(known) => {
                let index = self.root(known.index);
                if known.figures != self.scan.figures {
                    self.entries[index as usize].soften(line, &self.scan);
                    self.known.insert(hash, index, self.scan.figures);
                }
                index
            }
            None => {
                let index = self.learn(line);
                self.known.insert(hash, index, self.scan.figures);
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
        let entry = self.entries.get(self.root(template.0) as usize);
        let (text, count) = entry.map_or((String::new(), 0), |entry| (entry.text(), entry.count));
        let mut hasher = Hasher::default();
        hasher.bytes(text.as_bytes());
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
        if self.limits.general
            && let Some((index, start)) = self.lists.find(&self.scan)
        {
            let index = self.root(index);
            self.entries[index as usize].shorten(start);
            return index;
        }
        let group = self.skeleton();
        let recent: Vec<u32> = match self.groups.get_mut(&group) {
            Some(members) => {
                members.retain(|index| self.entries[*index as usize].parent == *index);
                members.iter().rev().take(MOST_SIBLINGS).copied().collect()
            }
            None => Vec::new(),
        };
        if let Some(index) = recent.iter().find(|index| self.entries[**index as usize].accepts(&self.scan)) {
            self.entries[*index as usize].soften(line, &self.scan);
            return *index;
        }
        if let Some(index) = merge(&mut self.entries, &recent, line, &self.scan) {
            return index;
        }
        if self.entries.len() > self.limits.templates {
            return 0;
        }
        let index = u32::try_from(self.entries.len()).unwrap_or(0);
        self.entries.push(Entry::of(line, &self.scan, index));
        self.groups.entry(group).or_default().push(index);
        if self.limits.general {
            self.lists.add(&self.scan, index);
        }
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
        let mut miner = Miner::new(Limits { templates: 8, ..Limits::default() });
        for n in 0..100_u8 {
            let word: String = [b'a' + n / 10, b'a' + n % 10].map(char::from).iter().collect();
            miner.push(&word);
        }
        let templates = miner.templates();
        assert_eq!((templates.len(), templates[0].1.text.as_str()), (9, "<other>"));
    }
}
