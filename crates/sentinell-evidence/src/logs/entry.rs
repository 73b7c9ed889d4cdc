//! One kind of line while it is being learnt.

use super::hash::Hasher;
use super::mask::{Kind, MOST_UNITS, Scan, Unit, render};
use super::variable::Variable;
use super::word::Nature;
use serde::{Deserialize, Serialize};

/// Most former names an entry keeps, so that what was written down under them is still found.
const MOST_FORMER: usize = 64;

/// One word or mark of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    /// Hash of the masked text.
    pub(super) hash: u64,
    pub(super) kind: Kind,
    pub(super) spaced: bool,
    /// Whether any word may stand here.
    pub(super) any: bool,
    /// A word's text with variables masked, the figures of names as they were first.
    text: Box<str>,
    /// The text with figures masked too, where there are any and all lines so far had the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    masked: Option<Box<str>>,
}

/// Places of a line, as a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Places([u64; 4]);

/// One kind of line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) pieces: Vec<Piece>,
    pub(super) count: u64,
    /// Itself, or the template it was merged into.
    pub(super) parent: u32,
    /// The places where any word may stand.
    #[serde(default)]
    pub(super) places: Places,
    /// Where a list begins of which only the first is shown, and where it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<(usize, usize)>,
    /// The names it and what was merged into it had before their texts became more general.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<u64>,
}

impl Places {
    /// Whether a place is one of these.
    pub(super) fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Whether there is none.
    pub(super) fn is_none(&self) -> bool {
        self.0 == [0; 4]
    }

    pub(super) fn add(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }
}

impl Piece {
    fn of(line: &str, unit: &Unit) -> Self {
        let mut text = String::new();
        let mut masked = None;
        if matches!(unit.kind, Kind::Word(Nature::Constant | Nature::Mixed)) {
            render(line, unit, true, &mut text);
        }
        if unit.kind == Kind::Word(Nature::Mixed) {
            let mut other = String::new();
            render(line, unit, false, &mut other);
            masked = (other != text).then(|| other.into_boxed_str());
        }
        Self { hash: unit.hash, kind: unit.kind, spaced: unit.spaced, any: false, text: text.into(), masked }
    }

    /// Whether the unit is of this kind.
    pub(super) fn accepts(&self, unit: &Unit) -> bool {
        self.any || self.hash == unit.hash
    }

    /// Whether this is a variable from end to end.
    pub(super) fn is_variable(&self) -> bool {
        self.any || is_variable(self.kind)
    }

    /// How it shows where it is constant, in part at least.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn show(&self, out: &mut String) {
        match self.kind {
            _ if self.any => out.push_str("<*>"),
            Kind::Masked(variable) | Kind::Word(Nature::Variable(variable)) => out.push_str(variable.name()),
            // A mark's hash is the mark.
            Kind::Mark => out.push(char::from(self.hash.to_le_bytes()[0])),
            Kind::Word(_) => out.push_str(&self.text),
        }
    }

    /// Lets go of the figures; whether there were any.
    fn release(&mut self) -> bool {
        self.masked.take().map(|masked| self.text = masked).is_some()
    }
}

/// Whether a unit is a variable from end to end.
pub(super) fn is_variable(kind: Kind) -> bool {
    matches!(kind, Kind::Masked(_) | Kind::Word(Nature::Variable(_)))
}

impl Entry {
    /// What lines of further kinds go to.
    pub(super) fn other() -> Self {
        let kind = Kind::Masked(Variable::Other);
        let piece = Piece { hash: 0, kind, spaced: false, any: false, text: "".into(), masked: None };
        Self { pieces: vec![piece], count: 0, parent: 0, places: Places::default(), list: None, former: Vec::new() }
    }

    pub(super) fn of(line: &str, scan: &Scan, index: u32) -> Self {
        let pieces = scan.units.iter().map(|unit| Piece::of(line, unit)).collect();
        Self { pieces, count: 0, parent: index, places: Places::default(), list: None, former: Vec::new() }
    }

    /// What stays where a template was that became part of another.
    pub(super) fn moved(parent: u32) -> Self {
        Self { pieces: Vec::new(), count: 0, parent, places: Places::default(), list: None, former: Vec::new() }
    }

    /// Whether a scanned line of the same skeleton is of this kind.
    pub(super) fn accepts(&self, scan: &Scan) -> bool {
        self.pieces.len() == scan.units.len()
            && self.pieces.iter().zip(&scan.units).all(|(piece, unit)| piece.accepts(unit))
    }

    /// Number of units and the marks between them: only lines that agree in this are ever compared.
    pub(super) fn skeleton(&self) -> u64 {
        skeleton(self.pieces.iter().map(|piece| (piece.kind, piece.hash)))
    }

    /// Whether any figures are still taken for constant.
    pub(super) fn has_figures(&self) -> bool {
        self.pieces.iter().any(|piece| piece.masked.is_some())
    }

    /// Lets go of the figures that another line of this kind has otherwise.
    pub(super) fn soften(&mut self, line: &str, scan: &Scan) {
        if !self.has_figures() {
            return;
        }
        let name = self.name();
        let mut changed = false;
        for (piece, unit) in self.pieces.iter_mut().zip(&scan.units) {
            if piece.masked.is_some() && piece.hash == unit.hash {
                let mut text = String::new();
                render(line, unit, true, &mut text);
                changed |= *text != *piece.text && piece.release();
            }
        }
        if changed {
            self.remember(name);
        }
    }

    /// Makes places variable, and takes in other templates and another line of this kind.
    pub(super) fn widen(&mut self, places: &Places, line: &str, scan: &Scan, others: Vec<Self>) {
        let name = self.name();
        for (piece, unit) in self.pieces.iter_mut().zip(&scan.units) {
            if piece.masked.is_some() && piece.hash == unit.hash {
                let mut text = String::new();
                render(line, unit, true, &mut text);
                let _ = *text != *piece.text && piece.release();
            }
        }
        for other in &others {
            for (piece, other) in self.pieces.iter_mut().zip(&other.pieces) {
                let _ = piece.hash == other.hash && piece.text != other.text && piece.release();
            }
        }
        for (at, piece) in self.pieces.iter_mut().enumerate().filter(|(at, _)| places.has(*at)) {
            piece.any = true;
            self.places.add(at);
        }
        self.remember(name);
        for other in others {
            self.count += other.count;
            self.remember(other.name());
            other.former.iter().for_each(|former| self.remember(*former));
        }
    }

    /// Shows only the first of the variables that follow one another from a place on.
    pub(super) fn shorten(&mut self, start: usize) {
        let Some(first) = self.pieces.get(start) else { return };
        let len = self.pieces[start..].iter().take_while(|piece| piece.hash == first.hash).count();
        let cut = self.pieces.get(start + len).is_some_and(|piece| piece.kind == Kind::Masked(Variable::More));
        let list = Some((start, start + len + usize::from(cut)));
        if self.list != list {
            let name = self.name();
            self.list = list;
            self.remember(name);
        }
    }

    /// The constant words with typed variables.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            if self.list.is_some_and(|(from, to)| at > from && at < to) {
                continue;
            }
            if piece.spaced && !text.is_empty() {
                text.push(' ');
            }
            piece.show(&mut text);
        }
        text
    }

    /// Hash of the text: the name of everything that reads so, in every process.
    pub(super) fn name(&self) -> u64 {
        name(&self.text())
    }

    /// Whether it had this name once.
    pub(super) fn was(&self, name: u64) -> bool {
        self.former.contains(&name)
    }

    fn remember(&mut self, name: u64) {
        if self.former.len() < MOST_FORMER && !self.former.contains(&name) {
            self.former.push(name);
        }
    }

    /// Whether something that was kept can be used: it is within the bounds of what is learnt.
    pub(super) fn is_sound(&self, index: u32) -> bool {
        const LONGEST_TEXT: usize = 64 * 1024;
        let text = |piece: &Piece| piece.text.len() + piece.masked.as_ref().map_or(0, |masked| masked.len());
        self.parent <= index
            && self.pieces.len() <= MOST_UNITS + 1
            && self.former.len() <= MOST_FORMER
            && self.pieces.iter().map(text).sum::<usize>() <= 2 * LONGEST_TEXT
    }
}

/// The name of a template with this text.
pub(super) fn name(text: &str) -> u64 {
    let mut hasher = Hasher::default();
    hasher.bytes(text.as_bytes());
    hasher.finish()
}

/// See [`Entry::skeleton`].
pub(super) fn skeleton(units: impl ExactSizeIterator<Item = (Kind, u64)>) -> u64 {
    let mut hasher = Hasher::default();
    hasher.add(units.len() as u64);
    for (kind, hash) in units {
        hasher.add(if kind == Kind::Mark { hash } else { 1 << 40 });
    }
    hasher.finish()
}
