//! When two forms of a line are one kind: which places hold variables although their words look constant.
//!
//! Forms of the same length and punctuation that differ in few places are siblings. A place is a variable once it held
//! enough different words; how many are enough depends on where the place is and what stood there, because a sentence
//! puts its objects after prepositions and its subject first, and constants of programs are written in capitals.

use super::effort::Effort;
use super::entry::{Entry, Piece, Places, is_variable};
use super::mask::{Kind, Scan, Unit};

/// What became of siblings.
#[derive(Debug)]
pub(super) struct Merged {
    /// The template they are now.
    pub(super) index: u32,
    /// Those that are no template any more, in order.
    pub(super) gone: Vec<u32>,
    /// Where they were variable before.
    pub(super) former: Vec<Places>,
}

/// Merges the siblings of a new form with it, if there are enough of them.
pub(super) fn merge(
    entries: &mut [Entry],
    group: &[u32],
    line: &str,
    scan: &Scan,
    effort: &mut Effort,
) -> Option<Merged> {
    let words = scan.units.iter().filter(|unit| unit.kind != Kind::Mark).count();
    if words < 2 {
        return None;
    }
    let most = (words / 4).max(1);
    let mut siblings: Vec<&[Piece]> = Vec::new();
    for index in group {
        let pieces = &entries[*index as usize].pieces[..];
        if effort.is_left() && is_near(pieces, &scan.units, most, effort) {
            siblings.push(pieces);
        }
    }
    effort.spend(siblings.len() * scan.units.len());
    let places = places(&siblings, line, scan, words);
    if places.is_none() {
        return None;
    }
    let fits = |index: &&u32| {
        let pieces = &entries[**index as usize].pieces;
        let mut at = 0;
        let fits = pieces.iter().zip(&scan.units).all(|(piece, unit)| {
            at += 1;
            places.has(at - 1) || piece.accepts(unit)
        });
        effort.spend(at);
        fits
    };
    let mut gone: Vec<u32> = group.iter().filter(fits).copied().collect();
    gone.sort_unstable();
    let index = *gone.first()?;
    gone.remove(0);
    let mut others = Vec::new();
    let mut former = vec![entries[index as usize].places];
    for other in &gone {
        let entry = std::mem::replace(&mut entries[*other as usize], Entry::moved(index));
        former.push(entry.places);
        others.push(entry);
    }
    entries[index as usize].widen(&places, line, scan, others);
    Some(Merged { index, gone, former })
}

/// Whether two forms differ in no more than so many places.
fn is_near(pieces: &[Piece], units: &[Unit], most: usize, effort: &mut Effort) -> bool {
    let mut differ = 0;
    for (at, (piece, unit)) in pieces.iter().zip(units).enumerate() {
        differ += usize::from(!piece.accepts(unit));
        if differ > most {
            effort.spend(at + 1);
            return false;
        }
    }
    effort.spend(units.len());
    true
}

/// The places that vary enough among the siblings and the new form.
fn places(siblings: &[&[Piece]], line: &str, scan: &Scan, words: usize) -> Places {
    let mut variable = Places::default();
    let mut prose = Vec::new();
    for (at, unit) in scan.units.iter().enumerate().filter(|(_, unit)| unit.kind != Kind::Mark) {
        let held: Vec<&Piece> = siblings.iter().filter_map(|pieces| pieces.get(at)).collect();
        let mut values: Vec<u64> = held.iter().map(|piece| piece.hash).collect();
        values.push(unit.hash);
        values.sort_unstable();
        values.dedup();
        if values.len() < 2 {
            continue;
        }
        if held.iter().any(|piece| piece.any) {
            variable.add(at);
        } else if values.len() >= needed(&held, at, line, scan, words) {
            variable.add(at);
            if !is_variable(unit.kind) && !held.iter().any(|piece| piece.is_variable()) {
                prose.push(at);
            }
        }
    }
    // Neighbouring words that vary together are prose, and prose tells kinds apart.
    if prose.windows(2).any(|pair| pair[1] == pair[0] + 1) { Places::default() } else { variable }
}

/// How many different words make a place a variable.
fn needed(held: &[&Piece], at: usize, line: &str, scan: &Scan, words: usize) -> usize {
    let unit = &scan.units[at];
    let first = scan.units[..at].iter().all(|unit| unit.kind == Kind::Mark);
    // An address here, a name there: whatever it is, it is not the message's.
    if !first && words >= 3 && (is_variable(unit.kind) || held.iter().any(|piece| piece.is_variable())) {
        return 2;
    }
    // Few words carry their meaning each.
    let few = match words {
        2 => 16,
        3 => 8,
        _ => 4,
    };
    let shouted = is_shouted(text(line, unit)) && held.iter().all(|piece| is_shouted(piece.text().as_bytes()));
    if first || shouted {
        few * 4
    } else if words >= 4 && is_object(line, scan, at) {
        3
    } else {
        few
    }
}

fn is_shouted(word: &[u8]) -> bool {
    word.iter().any(u8::is_ascii_uppercase) && !word.iter().any(u8::is_ascii_lowercase)
}

fn text<'a>(line: &'a str, unit: &Unit) -> &'a [u8] {
    line.as_bytes().get(unit.start as usize..unit.end as usize).unwrap_or_default()
}

/// Whether the place follows a preposition.
fn is_object(line: &str, scan: &Scan, at: usize) -> bool {
    const BEFORE: [&[u8]; 12] =
        [b"from", b"for", b"by", b"to", b"on", b"at", b"in", b"of", b"with", b"via", b"as", b"user"];
    at.checked_sub(1).is_some_and(|before| BEFORE.contains(&text(line, &scan.units[before])))
}
