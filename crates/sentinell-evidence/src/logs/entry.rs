//! One kind of line while it is being learnt.

use super::mask::{Kind, Scan, Unit, render};
use super::word::Nature;

/// One word or mark of a template.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Hash of the masked text.
    pub(super) hash: u64,
    pub(super) kind: Kind,
    pub(super) spaced: bool,
    /// Whether any word may stand here.
    pub(super) any: bool,
    /// The text with variables masked, the figures of names as they were first.
    pub(super) text: String,
    /// The text with figures masked too, where there are any.
    masked: Option<String>,
}

/// One kind of line.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) pieces: Vec<Piece>,
    pub(super) count: u64,
    /// Itself, or the template it was merged into.
    pub(super) parent: u32,
    /// Where a list begins of which only the first is shown, and where it ends.
    list: Option<(usize, usize)>,
}

impl Piece {
    fn of(line: &str, unit: &Unit, general: bool) -> Self {
        let mut text = String::new();
        render(line, unit, general, true, &mut text);
        let mut masked = None;
        if unit.kind == Kind::Word(Nature::Mixed) {
            let mut other = String::new();
            render(line, unit, general, false, &mut other);
            masked = (other != text).then_some(other);
        }
        Self { hash: unit.hash, kind: unit.kind, spaced: unit.spaced, any: false, text, masked }
    }

    /// Whether the unit is of this kind.
    pub(super) fn accepts(&self, unit: &Unit) -> bool {
        self.any || self.hash == unit.hash
    }

    /// Whether this is a variable from end to end.
    pub(super) fn is_variable(&self) -> bool {
        self.any || is_variable(self.kind)
    }
}

/// Whether a unit is a variable from end to end.
pub(super) fn is_variable(kind: Kind) -> bool {
    matches!(kind, Kind::Masked(_) | Kind::Word(Nature::Variable(_)))
}

impl Entry {
    /// What lines of further kinds go to.
    pub(super) fn other() -> Self {
        let text = "<other>".to_owned();
        let kind = Kind::Masked("<other>");
        let piece = Piece { hash: 0, kind, spaced: false, any: false, text, masked: None };
        Self { pieces: vec![piece], count: 0, parent: 0, list: None }
    }

    pub(super) fn of(line: &str, scan: &Scan, index: u32) -> Self {
        let pieces = scan.units.iter().map(|unit| Piece::of(line, unit, scan.general)).collect();
        Self { pieces, count: 0, parent: index, list: None }
    }

    /// Whether a scanned line of the same skeleton is of this kind.
    pub(super) fn accepts(&self, scan: &Scan) -> bool {
        self.pieces.iter().zip(&scan.units).all(|(piece, unit)| piece.accepts(unit))
    }

    /// Lets go of the figures that another line of this kind has otherwise.
    pub(super) fn soften(&mut self, line: &str, scan: &Scan) {
        for (piece, unit) in self.pieces.iter_mut().zip(&scan.units) {
            if piece.masked.is_some() && piece.hash == unit.hash {
                let mut text = String::new();
                render(line, unit, scan.general, true, &mut text);
                if text != piece.text
                    && let Some(masked) = piece.masked.take()
                {
                    piece.text = masked;
                }
            }
        }
    }

    /// Lets go of the figures that another template of this kind has otherwise.
    pub(super) fn soften_by(&mut self, other: &[Piece]) {
        for (piece, other) in self.pieces.iter_mut().zip(other) {
            if piece.hash == other.hash
                && piece.text != other.text
                && let Some(masked) = piece.masked.take()
            {
                piece.text = masked;
            }
        }
    }

    /// Shows only the first of the variables that follow one another from a place on.
    pub(super) fn shorten(&mut self, start: usize) {
        let Some(first) = self.pieces.get(start) else { return };
        let len = self.pieces[start..].iter().take_while(|piece| piece.hash == first.hash).count();
        let cut = self.pieces.get(start + len).is_some_and(|piece| piece.kind == Kind::Masked(super::mask::MORE));
        self.list = Some((start, start + len + usize::from(cut)));
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
            text.push_str(if piece.any { "<*>" } else { &piece.text });
        }
        text
    }
}
