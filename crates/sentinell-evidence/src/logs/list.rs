//! Lists: lines that differ only in how many variables of one type follow one another.

use super::entry::is_variable;
use super::mask::{Kind, MORE, Scan};
use super::word::{Hasher, Nature};
use std::collections::BTreeMap;

/// How many variables of one type in a row may be a list. Two or three are often a pair or a place.
const LIST: usize = 4;

/// Most forms that are remembered for a list to come.
const MOST: usize = 1 << 14;

/// Forms by what they are without the length of one of their rows of variables.
#[derive(Debug, Default)]
pub(super) struct Lists {
    forms: BTreeMap<u64, (u32, usize)>,
}

/// The rows of equal variables: where each begins and how long it is.
fn rows(scan: &Scan) -> Vec<(usize, usize)> {
    let mut rows = Vec::new();
    let mut at = 0;
    while at < scan.units.len() {
        let (hash, kind) = (scan.units[at].hash, scan.units[at].kind);
        let len = scan.units[at..].iter().take_while(|unit| unit.hash == hash && unit.kind == kind).count();
        if is_variable(kind) || kind == Kind::Word(Nature::Mixed) {
            rows.push((at, len));
        }
        at += len.max(1);
    }
    rows
}

fn key(scan: &Scan, start: usize, len: usize) -> u64 {
    let mut hasher = Hasher::default();
    for (at, unit) in scan.units.iter().enumerate() {
        let cut = at == start + len && unit.kind == Kind::Masked(MORE);
        if (at <= start || at >= start + len) && !cut {
            hasher.add(unit.hash);
        }
    }
    hasher.add(start as u64);
    hasher.finish()
}

impl Lists {
    /// The template that is a list with the line's words, and where the list begins.
    pub(super) fn find(&mut self, scan: &Scan) -> Option<(u32, usize)> {
        for (start, len) in rows(scan) {
            if let Some((index, longest)) = self.forms.get_mut(&key(scan, start, len)) {
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
        for (start, len) in rows(scan) {
            if self.forms.len() < MOST {
                self.forms.entry(key(scan, start, len)).or_insert((index, len));
            }
        }
    }
}
