//! Streaming template mining: every line belongs to the masked text it shares with its kind.
//!
//! A line seen before in its masked form costs one hash lookup. A new masked form is looked up among the templates of
//! its skeleton (same marks in the same places) and, if it is none of them, compared with its siblings; once a place
//! has held several different words it becomes `<*>`. Memory is bounded by the number of templates and of units a
//! line, and so is the work, whatever the lines are (see [`effort`](super::effort)).

use super::effort::Effort;
use super::entry::{Entry, name, skeleton};
use super::groups::Groups;
use super::header::Layout;
use super::lists::Lists;
use super::mask::Scan;
use super::merge::merge;
use super::table::Table;
use serde::{Deserialize, Serialize};

/// How much a [`Miner`] may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Stable name: sixteen hexadecimal digits of the text's hash, the same in every process. A name never means
    /// another text: a template whose text becomes more general gets another name, and [`Miner::find`] still knows it
    /// under the old one.
    pub id: String,
    /// The constant words with typed variables: `paid order <num> in <duration>`.
    pub text: String,
    /// How many lines it has.
    pub count: u64,
}

/// Most siblings a new form is compared with.
const MOST_SIBLINGS: usize = 192;

/// Most remembered masked forms; beyond that the memory starts afresh.
pub(super) const MOST_REMEMBERED: usize = 1 << 16;

/// What is remembered of a masked form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Its template.
    pub(super) index: u32,
    /// Hash of the figures its names had last, or [`ANY`].
    pub(super) figures: u32,
}

/// Says that no figures are constant any more.
const ANY: u32 = u32::MAX;

/// Learns the kinds of lines of one stream.
#[derive(Debug)]
pub struct Miner {
    pub(super) limits: Limits,
    pub(super) layout: Layout,
    pub(super) entries: Vec<Entry>,
    pub(super) known: Table<Known>,
    pub(super) lists: Lists,
    pub(super) effort: Effort,
    pub(super) groups: Groups,
    scan: Scan,
}

impl Default for Miner {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Miner {
    /// A miner that has seen nothing and takes lines as they are.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            layout: Layout::default(),
            entries: vec![Entry::other()],
            known: Table::default(),
            lists: Lists::default(),
            effort: Effort::default(),
            groups: Groups::default(),
            scan: Scan::default(),
        }
    }

    /// A miner for lines like these: the columns that nearly all of them have before their message are left out.
    pub fn of_stream<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        Self { layout: Layout::learn(lines), ..Self::default() }
    }

    /// The columns it leaves out.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Counts a line and names its kind.
    pub fn push(&mut self, line: &str) -> TemplateRef {
        let line = &line[self.layout.message(line)..];
        self.scan.line(line);
        self.effort.earn(self.scan.units.len());
        let (hash, figures) = (self.scan.hash, self.scan.figures);
        let index = match self.known.get(hash) {
            Some(known) if known.figures == figures || known.figures == ANY => {
                let index = self.root(known.index);
                if index != known.index {
                    self.remember(hash, index);
                }
                index
            }
            Some(known) => {
                let index = self.root(known.index);
                self.entries[index as usize].soften(line, &self.scan);
                self.remember(hash, index);
                index
            }
            None => {
                let index = self.learn(line);
                self.remember(hash, index);
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
        Template { id: format!("{:016x}", name(&text)), text, count }
    }

    /// The kind that has an id, or had it before its text became more general.
    pub fn find(&self, id: &str) -> Option<TemplateRef> {
        let wanted = u64::from_str_radix(id, 16).ok().filter(|_| id.len() == 16)?;
        let all = || (0..).zip(&self.entries).filter(|(index, entry)| entry.parent == *index && entry.count > 0);
        let now = all().find(|(_, entry)| entry.name() == wanted);
        now.or_else(|| all().find(|(_, entry)| entry.was(wanted))).map(|(index, _)| TemplateRef(index))
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

    fn remember(&mut self, hash: u64, index: u32) {
        let constant = self.entries.get(index as usize).is_some_and(Entry::has_figures);
        if self.known.len() >= MOST_REMEMBERED {
            self.known.clear();
        }
        let figures = if constant { self.scan.figures } else { ANY };
        self.known.insert(hash, Known { index, figures });
    }

    /// Finds the template of a masked form that was not seen before, or makes one.
    fn learn(&mut self, line: &str) -> u32 {
        if let Some((index, start)) = self.lists.find(&self.scan) {
            let index = self.root(index);
            self.entries[index as usize].shorten(start);
            return index;
        }
        let group = skeleton(self.scan.units.iter().map(|unit| (unit.kind, unit.hash)));
        if let Some(index) = self.groups.find(group, &self.scan, &self.entries) {
            self.entries[index as usize].soften(line, &self.scan);
            return index;
        }
        if self.effort.is_left() {
            let siblings = self.groups.latest(group, MOST_SIBLINGS);
            if let Some(merged) = merge(&mut self.entries, &siblings, line, &self.scan, &mut self.effort) {
                self.groups.widen(&merged, &self.entries);
                return merged.index;
            }
        }
        if self.entries.len() > self.limits.templates {
            return 0;
        }
        let index = u32::try_from(self.entries.len()).unwrap_or(0);
        self.entries.push(Entry::of(line, &self.scan, index));
        self.groups.add(index, &self.entries[index as usize]);
        self.lists.add(&self.scan, index);
        index
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

    /// A word of letters that are no hexadecimal digits.
    fn word(n: u64) -> String {
        (0..7).map(|at| char::from(b'g' + (n / 19_u64.pow(at) % 19) as u8)).collect()
    }

    #[test]
    fn unknown_lines_cost_little_however_many_there_are() {
        use crate::logs::effort::{CREDIT, PER_UNIT};
        let words = |n: u64, count: u64| (0..count).map(|at| word(n * 131 + at * 7919) + " ").collect::<String>();
        let one_differs = |n: u64| format!("{} {}", words(1, n % 90), word(n));
        let shapes: [&dyn Fn(u64) -> String; 4] = [&|n| words(n, 12), &|n| words(n, 190), &one_differs, &|n| {
            format!("{} for {}", words(n % 5000, 8), word(n))
        }];
        for (shape, line) in shapes.iter().enumerate() {
            let mut miner = Miner::default();
            let mut read = 0;
            for n in 0..6000 {
                miner.push(&line(n));
                read += miner.scan.units.len() as u64;
            }
            let spent = miner.effort.spent;
            // The last comparison may go beyond what was left by one round.
            let round = 3 * (MOST_SIBLINGS * 200) as u64;
            assert!(spent <= CREDIT + PER_UNIT * read + round, "{shape}: {spent} of {read}");
            // Once everything is spent, a line costs a fixed factor of what it is long.
            miner.effort.spend(usize::try_from(CREDIT).unwrap());
            let (before, mut read) = (miner.effort.spent, 0);
            for n in 6000..7000 {
                miner.push(&line(n));
                read += miner.scan.units.len() as u64;
            }
            assert!(miner.effort.spent - before <= PER_UNIT * read + round, "{shape}");
        }
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
