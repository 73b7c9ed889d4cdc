//! Lists: lines that differ only in how many variables of one type follow one another.

use super::entry::is_variable;
use super::hash::Hasher;
use super::mask::{Kind, Scan};
use super::table::Table;
use super::variable::Variable;
use super::word::Nature;

/// How many variables of one type in a row may be a list. Two or three are often a pair or a place.
const LIST: u32 = 4;

/// Most forms that are remembered for a list to come.
const MOST: usize = 1 << 14;

/// Forms by what they are without the length of one of their rows of variables: a template, and its longest row.
#[derive(Debug, Default)]
pub(super) struct Lists {
    forms: Table<(u32, u32)>,
}

/// Rows of equal variables: where each begins, how long it is, and the form without its length.
fn rows(scan: &Scan) -> Vec<(usize, u32, u64)> {
    let units = &scan.units;
    // What is before a row and what is after it, as hashes, so that a row costs as much as its units.
    let mut after = vec![Hasher::default(); units.len() + 2];
    for at in (0..units.len()).rev() {
        after[at] = after[at + 1];
        after[at].add(units[at].hash);
    }
    let mut rows = Vec::new();
    let mut before = Hasher::default();
    let mut at = 0;
    while at < units.len() {
        let (hash, kind) = (units[at].hash, units[at].kind);
        let len = units[at..].iter().take_while(|unit| unit.hash == hash && unit.kind == kind).count().max(1);
        before.add(hash);
        if is_variable(kind) || kind == Kind::Word(Nature::Mixed) {
            let cut = units.get(at + len).is_some_and(|unit| unit.kind == Kind::Masked(Variable::More));
            let mut key = before;
            key.add(after[at + len + usize::from(cut)].finish());
            key.add(at as u64);
            rows.push((at, len as u32, key.finish()));
        }
        (1..len).for_each(|_| before.add(hash));
        at += len;
    }
    rows
}

impl Lists {
    /// The template that is a list with the line's words, and where the list begins.
    pub(super) fn find(&mut self, scan: &Scan) -> Option<(u32, usize)> {
        for (start, len, key) in rows(scan) {
            if let Some((index, longest)) = self.forms.get_mut(key) {
                let is_list = *longest != len && (*longest).max(len) >= LIST;
                *longest = (*longest).max(len);
                if is_list {
                    return Some((*index, start));
                }
            }
        }
        None
    }

    /// Remembers a new form.
    pub(super) fn add(&mut self, scan: &Scan, index: u32) {
        for (_, len, key) in rows(scan) {
            if self.forms.len() < MOST && self.forms.get(key).is_none() {
                self.forms.insert(key, (index, len));
            }
        }
    }

    /// Everything remembered, by hash: to be kept.
    pub(super) fn sorted(&self) -> Vec<(u64, (u32, u32))> {
        self.forms.sorted()
    }

    /// What was kept.
    pub(super) fn of(forms: &[(u64, (u32, u32))]) -> Self {
        let mut lists = Self::default();
        for (key, form) in forms.iter().take(MOST) {
            lists.forms.insert(*key, *form);
        }
        lists
    }
}
