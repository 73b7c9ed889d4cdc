//! One pass over a line: words and marks, typed variables masked, no allocation for what was seen before.

use super::hash::Hasher;
use super::timestamp::{leading_stamp, named_month};
use super::variable::Variable;
use super::word::{LONGEST, Nature, Sink, WordHash, Written, mask_word};
use memchr::memchr2;
use serde::{Deserialize, Serialize};

/// Most units kept of one line; the rest is one `<more>`.
pub(super) const MOST_UNITS: usize = 192;

/// Most bytes of one line looked at.
pub(super) const MOST_BYTES: usize = 8 * 1024;

/// What a unit is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A word, perhaps with masked parts.
    Word(Nature),
    /// A punctuation mark.
    Mark,
    /// A whole masked stretch (a quoted string, the leading time).
    Masked(Variable),
}

/// One word or mark of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    pub(super) hash: u64,
    pub(super) kind: Kind,
    /// Byte range in the line.
    pub(super) start: u32,
    pub(super) end: u32,
    /// Whether white space stands before it.
    pub(super) spaced: bool,
}

/// The units of the line scanned last, and a buffer that is used again and again.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) units: Vec<Unit>,
    /// Hash of the whole masked line.
    pub(super) hash: u64,
    /// Hash of the figures that belong to names; 0 where there are none.
    pub(super) figures: u32,
    /// Of all units but the last, which may still grow.
    whole: Hasher,
    /// Where the quoted message that is being read ends; quotes up to there are plain marks.
    pub(super) message_end: usize,
}

const SPACE: u8 = 1;
const MARK: u8 = 2;
const QUOTE: u8 = 3;
const COLON: u8 = 4;

/// What each byte does to a word.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at <= 32 {
        table[at] = SPACE;
        at += 1;
    }
    table[127] = SPACE;
    let marks = b",;=()[]{}<>|`";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = MARK;
        at += 1;
    }
    table[b'"' as usize] = QUOTE;
    table[b'\'' as usize] = QUOTE;
    table[b':' as usize] = COLON;
    table
}

/// A word of so many hexadecimal digits and nothing else is an identifier or a long number.
const LONG_HEX: usize = 16;

/// A slash or a colon: there may be a variable in the word.
const TELLING: u8 = 1;
/// A digit: there is one.
const DIGIT: u8 = 8;
/// A byte that may end a word.
const ENDING: u8 = 16;
const DOT: u8 = 2;
/// Anything that is no hexadecimal digit.
const BEYOND_HEX: u8 = 4;

/// What each byte tells about the word it is in.
static LOOKS: [u8; 256] = looks();

const fn looks() -> [u8; 256] {
    let mut table = [BEYOND_HEX; 256];
    let mut at = b'a';
    while at <= b'f' {
        table[at as usize] = 0;
        table[at.to_ascii_uppercase() as usize] = 0;
        at += 1;
    }
    let mut at = b'0';
    while at <= b'9' {
        table[at as usize] = DIGIT;
        at += 1;
    }
    table[b'/' as usize] = TELLING | BEYOND_HEX;
    table[b'\\' as usize] = TELLING | BEYOND_HEX;
    table[b':' as usize] = TELLING | BEYOND_HEX;
    table[b'.' as usize] = DOT | BEYOND_HEX;
    let classes = classes();
    let mut at = 0;
    while at < 256 {
        if classes[at] != 0 {
            table[at] |= ENDING;
        }
        at += 1;
    }
    table
}

impl Scan {
    /// Cuts a line into units.
    pub(super) fn line(&mut self, line: &str) {
        self.units.clear();
        self.message_end = 0;
        self.figures = 0;
        self.whole = Hasher::default();
        let bytes = line.as_bytes();
        let limit = bytes.len().min(MOST_BYTES);
        let bytes = &bytes[..limit];
        let mut at = 0;
        if let Some(stamp) = leading_stamp(line)
            && stamp.len <= limit
        {
            self.push_masked(Variable::Time, 0, stamp.len, false);
            at = stamp.len;
        }
        while at < bytes.len() && self.units.len() < MOST_UNITS {
            at = match CLASS[usize::from(bytes[at])] {
                SPACE => at + 1,
                MARK | COLON => self.push_mark(bytes, at),
                QUOTE => self.quoted(bytes, at),
                _ => self.word(bytes, at),
            };
        }
        if at < bytes.len() || limit < line.len() {
            self.push_masked(Variable::More, limit, limit, true);
        }
        if let Some(last) = self.units.last() {
            self.whole.add(last.hash);
        }
        self.hash = self.whole.finish();
    }

    /// Reads the word at `start` and gives the place after it.
    fn word(&mut self, bytes: &[u8], start: usize) -> usize {
        let mut end = start;
        let mut url = false;
        let mut looks = 0;
        while end < bytes.len() {
            let look = LOOKS[usize::from(bytes[end])];
            if look & ENDING == 0 {
                looks |= look;
                end += 1;
                continue;
            }
            match CLASS[usize::from(bytes[end])] {
                MARK if url && matches!(bytes[end], b'=' | b',' | b';') => {}
                COLON if bytes.get(end + 1) == Some(&b'/') && bytes.get(end + 2) == Some(&b'/') => url = true,
                COLON if joins(bytes, end) => {}
                QUOTE
                    if bytes[end] == b'\''
                        && end > start
                        && bytes.get(end + 1).is_some_and(u8::is_ascii_alphabetic) => {}
                _ => break,
            }
            looks |= look;
            end += 1;
        }
        let plain = is_plain(looks, end - start);
        if plain && end - start > 3 {
            self.push_plain(bytes, start, end, spaced(bytes, start));
            return end;
        }
        if looks == DIGIT && end - start >= LONG_HEX && end - start <= LONGEST {
            let all = bytes[start..end].iter().all(u8::is_ascii_digit);
            let name = if all { Variable::Num } else { Variable::Hex };
            self.push(masked_hash(name), Kind::Word(Nature::Variable(name)), start, end, spaced(bytes, start));
            return end;
        }
        if let Some(len) = inner_stamp(&bytes[start..], end - start) {
            self.push_masked(Variable::Time, start, start + len, spaced(bytes, start));
            return start + len;
        }
        if end - start <= 3 && self.is_unit_of_size(&bytes[start..end], start) {
            return end;
        }
        if plain {
            self.push_plain(bytes, start, end, spaced(bytes, start));
        } else {
            self.push_word(bytes, start, end, spaced(bytes, start));
        }
        end
    }

    /// A word that [`is_plain`].
    fn push_plain(&mut self, bytes: &[u8], start: usize, end: usize, spaced: bool) {
        let mut hasher = Hasher::default();
        hasher.bytes(&bytes[start..end]);
        self.push(hasher.finish(), Kind::Word(Nature::Constant), start, end, spaced);
    }

    fn push_word(&mut self, bytes: &[u8], start: usize, end: usize, spaced: bool) {
        let mut sink = WordHash::default();
        let nature = mask_word(&bytes[start..end], &mut sink);
        if let Some(figures) = sink.figures {
            let mixed = figures.finish();
            self.figures = self.figures.rotate_left(5) ^ (mixed as u32 | 1);
        }
        self.push(sink.masked.finish(), Kind::Word(nature), start, end, spaced);
    }

    /// Makes the number before a unit of size and the unit one variable: `3 KB` in one line is `4 MB` in another.
    fn is_unit_of_size(&mut self, word: &[u8], start: usize) -> bool {
        if !matches!(word, [b'B'] | [b'k' | b'K' | b'M' | b'G' | b'T', b'B'] | [b'K' | b'M' | b'G' | b'T', b'i', b'B'])
        {
            return false;
        }
        let Some(last) = self.units.last_mut() else { return false };
        let near = last.kind == Kind::Word(Nature::Variable(Variable::Num)) && last.end as usize + 1 == start;
        if near {
            last.hash = masked_hash(Variable::Size);
            last.kind = Kind::Masked(Variable::Size);
            last.end += 1 + word.len() as u32;
        }
        near
    }

    fn push_mark(&mut self, bytes: &[u8], at: usize) -> usize {
        self.push(u64::from(bytes[at]), Kind::Mark, at, at + 1, spaced(bytes, at));
        // Brackets with nothing between them, apart from the word before: no call, but a value that is not there.
        let closes = matches!((bytes[at], bytes.get(at + 1)), (b'(', Some(b')')) | (b'[', Some(b']')));
        if closes && spaced(bytes, at) {
            self.push_masked(Variable::Nothing, at + 1, at + 1, false);
        }
        at + 1
    }

    /// A quoted stretch: a key or a single word is read as a word, a message is read on, anything else is `<str>`.
    fn quoted(&mut self, bytes: &[u8], at: usize) -> usize {
        if at <= self.message_end && at > 0 {
            return self.push_mark(bytes, at);
        }
        let quote = bytes[at];
        let Some(end) = closing(bytes, at, quote) else { return self.push_mark(bytes, at) };
        let inside = &bytes[at + 1..end];
        let next = bytes[end + 1..].iter().find(|b| **b != b' ');
        let single = !inside.iter().any(|b| CLASS[usize::from(*b)] == SPACE);
        if next == Some(&b':') || (single && !inside.is_empty() && inside.len() <= 128) {
            self.push_mark(bytes, at);
            let looks = inside.iter().fold(0, |looks, byte| looks | LOOKS[usize::from(*byte)]);
            if is_plain(looks, inside.len()) {
                self.push_plain(bytes, at + 1, end, false);
            } else {
                self.push_word(bytes, at + 1, end, false);
            }
            return self.push_mark(bytes, end);
        }
        if self.is_message(bytes) {
            self.message_end = end;
            return self.push_mark(bytes, at);
        }
        self.push_masked(Variable::Str, at, end + 1, spaced(bytes, at));
        end + 1
    }

    /// Whether the key just read says that a text for people follows.
    fn is_message(&self, bytes: &[u8]) -> bool {
        const KEYS: [&[u8]; 12] = [
            b"msg",
            b"message",
            b"event",
            b"error",
            b"err",
            b"log",
            b"reason",
            b"exception",
            b"detail",
            b"text",
            b"description",
            b"cause",
        ];
        let Some((last, before)) = self.units.split_last() else { return false };
        if last.kind != Kind::Mark || !matches!(bytes.get(last.start as usize), Some(b':' | b'=')) {
            return false;
        }
        let is_joint = |unit: &&Unit| {
            unit.kind == Kind::Mark && matches!(bytes.get(unit.start as usize), Some(b':' | b'=' | b'"'))
        };
        let key = before.iter().rev().find(|unit| !is_joint(unit));
        key.and_then(|key| bytes.get(key.start as usize..key.end as usize)).is_some_and(|key| KEYS.contains(&key))
    }

    fn push_masked(&mut self, name: Variable, start: usize, end: usize, spaced: bool) {
        self.push(masked_hash(name), Kind::Masked(name), start, end, spaced);
    }

    fn push(&mut self, hash: u64, kind: Kind, start: usize, end: usize, spaced: bool) {
        // A line is cut at MOST_BYTES, so positions fit.
        let (start, end) = (u32::try_from(start).unwrap_or(0), u32::try_from(end).unwrap_or(0));
        if let Some(last) = self.units.last() {
            self.whole.add(last.hash);
        }
        self.units.push(Unit { hash, kind, start, end, spaced });
    }
}

/// Whether a word of these looks can hold no variable, so that nothing closer need be looked at.
fn is_plain(looks: u8, len: usize) -> bool {
    looks & (TELLING | DIGIT) == 0 && looks & DOT == 0 && (looks & BEYOND_HEX != 0 || len < 8) && len <= LONGEST
}

/// The hash of a variable of this name.
fn masked_hash(name: Variable) -> u64 {
    let mut sink = WordHash::default();
    sink.mask(name);
    sink.masked.finish()
}

/// The length of a date that begins with the name of a day or month, as a word of three letters may.
fn inner_stamp(bytes: &[u8], word: usize) -> Option<usize> {
    if word != 3 || !bytes[0].is_ascii_uppercase() || !bytes[1].is_ascii_lowercase() {
        return None;
    }
    named_month(bytes).map(|stamp| stamp.len)
}

fn spaced(bytes: &[u8], at: usize) -> bool {
    at > 0 && CLASS[usize::from(bytes[at - 1])] == SPACE
}

/// Whether a colon is part of the word around it: a port, a time of day, a URL, an IPv6 address, `Type::name`.
fn joins(bytes: &[u8], at: usize) -> bool {
    let next = bytes.get(at + 1).copied().unwrap_or(b' ');
    if next == b'\\' || next == b':' {
        return true;
    }
    let before = at.checked_sub(1).map_or(b' ', |i| bytes[i]);
    before == b':'
        || (before.is_ascii_hexdigit()
            && next.is_ascii_hexdigit()
            && (before.is_ascii_digit() || next.is_ascii_digit() || in_pairs(bytes, at)))
        || (before.is_ascii_alphanumeric() && next.is_ascii_digit() && before.is_ascii_digit())
}

/// Whether the colon stands between pairs of hexadecimal digits, with another colon beyond one of them.
fn in_pairs(bytes: &[u8], at: usize) -> bool {
    let pair = |from: usize| bytes.get(from..from + 2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    let beside = bytes.get(at + 3) == Some(&b':') || at >= 3 && bytes[at - 3] == b':';
    at >= 2 && pair(at - 2) && pair(at + 1) && beside
}

/// Where the quotation that opens at `at` closes.
fn closing(bytes: &[u8], at: usize, quote: u8) -> Option<usize> {
    if quote == b'\'' && at > 0 && bytes[at - 1].is_ascii_alphanumeric() {
        return None;
    }
    let mut from = at + 1;
    loop {
        let hit = from + memchr2(quote, b'\\', bytes.get(from..)?)?;
        if bytes[hit] == quote {
            return Some(hit);
        }
        from = hit + 2;
    }
}

/// A unit as it shows in a template, with the figures of names or with them masked.
pub(super) fn render(line: &str, unit: &Unit, with_figures: bool, out: &mut String) {
    match unit.kind {
        Kind::Masked(variable) => out.push_str(variable.name()),
        Kind::Mark | Kind::Word(_) => {
            let word = line.as_bytes().get(unit.start as usize..unit.end as usize).unwrap_or_default();
            mask_word(word, &mut Written { text: out, with_figures });
        }
    }
}

#[cfg(test)]
pub(super) fn masked(line: &str) -> String {
    let mut scan = Scan::default();
    scan.line(line);
    let mut out = String::new();
    for unit in &scan.units {
        if unit.spaced && !out.is_empty() {
            out.push(' ');
        }
        render(line, unit, true, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_words_and_keys_and_loses_its_values() {
        for (line, expected) in [
            (
                "2024-05-01 10:00:00,123 INFO [pool-3] a.b.Cart: took 35ms for id=77",
                "<time> INFO [pool-<num>] a.b.Cart: took <duration> for id=<num>",
            ),
            (
                r#"{"ts":1714557600,"level":"info","msg":"paid order 17","ua":"Mozilla 5.0 x"}"#,
                r#"{"ts":<num>,"level":"info","msg":"paid order <num>","ua":<str>}"#,
            ),
            (r#"user "Bob Smith" logged in from 10.1.2.3:55"#, "user <str> logged in from <ip>"),
            ("GET http://a.example/x?y=1 -> 200", "GET <url> -> <num>"),
            ("it's done: don't worry", "it's done: don't worry"),
        ] {
            assert_eq!(masked(line), expected, "{line}");
        }
    }

    #[test]
    fn a_line_of_any_size_is_bounded() {
        let mut scan = Scan::default();
        scan.line(&"x ".repeat(600_000));
        assert_eq!(scan.units.len(), MOST_UNITS + 1);
        scan.line(&"y".repeat(1_000_000));
        assert_eq!(scan.units.len(), 2);
    }
}
