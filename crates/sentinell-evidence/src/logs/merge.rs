//! When two forms of a line are one kind: which places hold variables although their words look constant.
//!
//! Forms of the same length and punctuation that differ in few places are siblings. A place is a variable once it held
//! enough different words; how many are enough depends on where the place is and what stood there, because a sentence
//! puts its objects after prepositions and its subject first, and constants of programs are written in capitals.

use super::entry::{Entry, Piece, is_variable};
use super::mask::{Kind, Scan, Unit};
use std::collections::BTreeSet;

/// Merges the siblings of a new form with it, if there are enough of them; the template they become.
pub(super) fn merge(entries: &mut [Entry], group: &[u32], line: &str, scan: &Scan) -> Option<u32> {
    let words = scan.units.iter().filter(|unit| unit.kind != Kind::Mark).count();
    if words < 2 {
        return None;
    }
    let most = (words / 4).max(1);
    let near = |index: &&u32| distance(&entries[**index as usize].pieces, &scan.units) <= most;
    let siblings: Vec<&[Piece]> = group.iter().filter(near).map(|index| &entries[*index as usize].pieces[..]).collect();
    let places = places(&siblings, line, scan, words);
    if places.is_empty() {
        return None;
    }
    let fits = |index: &&u32| {
        let pieces = &entries[**index as usize].pieces;
        (0..).zip(pieces.iter().zip(&scan.units)).all(|(at, (piece, unit))| places.contains(&at) || piece.accepts(unit))
    };
    let joined: Vec<u32> = group.iter().filter(fits).copied().collect();
    let first = *joined.iter().min()?;
    let mut moved = 0;
    let mut others = Vec::new();
    for index in joined.iter().filter(|index| **index != first) {
        let entry = &mut entries[*index as usize];
        entry.parent = first;
        moved += entry.count;
        others.push(std::mem::take(&mut entry.pieces));
    }
    let kept = &mut entries[first as usize];
    kept.count += moved;
    kept.soften(line, scan);
    for other in &others {
        kept.soften_by(other);
    }
    for at in places {
        kept.pieces[at].any = true;
    }
    Some(first)
}

/// In how many places two forms differ.
fn distance(pieces: &[Piece], units: &[Unit]) -> usize {
    pieces.iter().zip(units).filter(|(piece, unit)| !piece.accepts(unit)).count()
}

/// The places that vary enough among the siblings and the new form.
fn places(siblings: &[&[Piece]], line: &str, scan: &Scan, words: usize) -> BTreeSet<usize> {
    let mut variable = BTreeSet::new();
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
            variable.insert(at);
        } else if values.len() >= needed(&held, at, line, scan, words) {
            variable.insert(at);
            if !is_variable(unit.kind) && !held.iter().any(|piece| piece.is_variable()) {
                prose.push(at);
            }
        }
    }
    // Neighbouring words that vary together are prose, and prose tells kinds apart.
    if prose.windows(2).any(|pair| pair[1] == pair[0] + 1) { BTreeSet::new() } else { variable }
}

/// How many different words make a place a variable.
fn needed(held: &[&Piece], at: usize, line: &str, scan: &Scan, words: usize) -> usize {
    let unit = &scan.units[at];
    let first = scan.units[..at].iter().all(|unit| unit.kind == Kind::Mark);
    // An address here, a name there: whatever it is, it is not the message's.
    if scan.general && !first && words >= 3 && (is_variable(unit.kind) || held.iter().any(|piece| piece.is_variable()))
    {
        return 2;
    }
    // Few words carry their meaning each.
    let few = match words {
        2 => 16,
        3 => 8,
        _ => 4,
    };
    let shouted = is_shouted(text(line, unit)) && held.iter().all(|piece| is_shouted(piece.text.as_bytes()));
    if !scan.general {
        few
    } else if first || shouted {
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
