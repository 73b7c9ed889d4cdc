//! Where keywords occur in a text, in any case: one look-up for every second byte rules nearly all places out.
//!
//! An automaton has to know its state before it can take the next byte; these look-ups wait for nothing, and so cost a
//! fraction of it. What they let through is compared with the keywords themselves.

use memchr::memmem::Finder;

/// Bits of a hash of four bytes.
const BITS: u32 = 17;

/// What is left of a byte: without its case, and one beyond ASCII as if it were within.
const FOLD: u8 = 0x5f;

/// A keyword and which of them it is.
type Numbered = (usize, &'static [u8]);

/// Keywords of two or more ASCII bytes.
pub(super) struct Keywords {
    /// One bit for each hash of four bytes at which a keyword has to be looked for.
    filter: Box<[u64; 1 << (BITS - 6)]>,
    /// The keywords, with their numbers, by their first two bytes.
    by_pair: Box<[Vec<Numbered>; 256]>,
    /// Those of two bytes, which would let too much through: they are searched for one by one, as they are written.
    short: Vec<(usize, Finder<'static>)>,
}

fn hash(four: u32) -> usize {
    let folded = four & u32::from_le_bytes([FOLD; 4]);
    (folded.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize
}

fn pair(first: u8, second: u8) -> usize {
    usize::from((first & 15) << 4 | second & 15)
}

impl Keywords {
    pub(super) fn new(words: &[&'static str]) -> Self {
        let mut keywords = Self {
            filter: Box::new([0; 1 << (BITS - 6)]),
            by_pair: Box::new([const { Vec::new() }; 256]),
            short: Vec::new(),
        };
        for (number, word) in words.iter().map(|word| word.as_bytes()).enumerate() {
            match *word {
                [first, second, third, ref rest @ ..] => {
                    keywords.by_pair[pair(first, second)].push((number, word));
                    // It begins at an even place, or at an odd one: then it is met a byte later, or a byte earlier where
                    // too little would be left of it.
                    keywords.expect([Some(first), Some(second), Some(third), rest.first().copied()]);
                    keywords.expect(match *rest {
                        [fourth, fifth, ..] => [Some(second), Some(third), Some(fourth), Some(fifth)],
                        _ => [None, Some(first), Some(second), Some(third)],
                    });
                }
                _ => keywords.short.push((number, Finder::new(word))),
            }
        }
        keywords
    }

    /// Lets four bytes through, of which one may be any.
    fn expect(&mut self, four: [Option<u8>; 4]) {
        for any in 0..=u8::MAX {
            let hash = hash(u32::from_le_bytes(four.map(|byte| byte.unwrap_or(any))));
            self.filter[hash >> 6] |= 1 << (hash & 63);
        }
    }

    fn lets_through(&self, four: u32) -> bool {
        let hash = hash(four);
        self.filter[hash >> 6] >> (hash & 63) & 1 == 1
    }

    /// Every keyword that occurs, with its number, its beginning and its end, perhaps more than once.
    pub(super) fn each(&self, text: &[u8], mut found: impl FnMut(usize, usize, usize)) {
        for (number, finder) in &self.short {
            finder.find_iter(text).for_each(|start| found(*number, start, start + finder.needle().len()));
        }
        let mut at = 0;
        while let Some(eight) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_le_bytes(*eight);
            // Three places at once: their look-ups are independent.
            if self.lets_through(word as u32)
                || self.lets_through((word >> 16) as u32)
                || self.lets_through((word >> 32) as u32)
            {
                self.compare(text, at, word, &mut found);
            }
            at += 6;
        }
        let mut last = [0; 8];
        let rest = text.get(at..).unwrap_or_default();
        last[..rest.len()].copy_from_slice(rest);
        self.compare(text, at, u64::from_le_bytes(last), &mut found);
    }

    /// Looks closely at three places, of which at least one seems to have a keyword.
    #[inline(never)]
    fn compare(&self, text: &[u8], at: usize, word: u64, found: &mut impl FnMut(usize, usize, usize)) {
        for place in (0..6).step_by(2).filter(|place| self.lets_through((word >> (8 * place)) as u32)) {
            let place = at + place;
            for start in place.saturating_sub(1)..=place + 1 {
                let Some([first, second, ..]) = text.get(start..) else { break };
                for (number, word) in &self.by_pair[pair(*first, *second)] {
                    let end = start + word.len();
                    if text.get(start..end).is_some_and(|there| there.eq_ignore_ascii_case(word)) {
                        found(*number, start, end);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const WORDS: [&str; 6] = ["s.", "key", "auth", "token", "session", "://"];

    proptest::proptest! {
        /// Wherever a keyword stands, in whatever case, and nowhere else.
        #[test]
        fn what_is_found_is_what_is_there(pieces in proptest::collection::vec("s\\.|key|A?uTh|tok|en|Session|://|.|é| {0,9}", 0..20)) {
            let text = pieces.concat();
            let mut found = BTreeSet::new();
            Keywords::new(&WORDS).each(text.as_bytes(), |number, start, end| {
                found.insert((number, start, end));
            });
            let small = text.to_ascii_lowercase();
            let mut there = BTreeSet::new();
            for (number, word) in WORDS.iter().enumerate() {
                let text = if word.len() == 2 { &text } else { &small };
                let starts = (0..text.len()).filter(|at| text.as_bytes()[*at..].starts_with(word.as_bytes()));
                there.extend(starts.map(|start| (number, start, start + word.len())));
            }
            proptest::prop_assert_eq!(found, there, "{}", text);
        }
    }
}
