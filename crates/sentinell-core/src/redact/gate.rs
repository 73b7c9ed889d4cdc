//! What has to stand around a keyword before its family's pattern is worth running.
//!
//! Each gate asks for something without which the pattern cannot match at this keyword; it may let too much through and
//! never too little. That holds the cost of ordinary lines to one scan: words such as `session` or `token` are common, and
//! a secret behind them is rare.

/// Whether a family's pattern could match with its keyword at `text[start..end]`.
pub(super) type Gate = fn(text: &[u8], start: usize, end: usize) -> bool;

/// How far a gate looks ahead, bytes.
const FAR: usize = 700;

/// A keyword that is telling enough by itself.
pub(super) fn always(_: &[u8], _: usize, _: usize) -> bool {
    true
}

/// An issuer's prefix: at the beginning of a word, with ten more characters of a token behind it.
pub(super) fn token(text: &[u8], start: usize, end: usize) -> bool {
    begins_word(text, start) && run(text, end, |byte| byte.is_ascii_alphanumeric() || b"_.-+/=,".contains(&byte)) >= 10
}

/// `s.` is ordinary punctuation unless 24 letters and digits follow.
pub(super) fn short_token(text: &[u8], start: usize, end: usize) -> bool {
    text.get(start) == Some(&b's')
        && begins_word(text, start)
        && run(text, end, |byte| byte.is_ascii_alphanumeric()) >= 24
}

/// A JSON web token: written exactly so, with eight more characters.
pub(super) fn web_token(text: &[u8], start: usize, end: usize) -> bool {
    text.get(start..end) == Some(b"eyJ")
        && run(text, end, |byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) >= 8
}

/// A URL whose authority has an `@`.
pub(super) fn authority(text: &[u8], _: usize, end: usize) -> bool {
    let length = run(text, end, |byte| !byte.is_ascii_whitespace() && byte != b'/' && byte != b'@');
    // What ends the authority may also be white space beyond ASCII, or lie further away than anybody looks.
    length >= FAR || text.get(end + length) == Some(&b'@')
}

/// A bot's token: digits before `:AA`.
pub(super) fn bot(text: &[u8], start: usize, _: usize) -> bool {
    let before = start.checked_sub(1).and_then(|before| text.get(before));
    before.is_some_and(|byte| byte.is_ascii_digit() || !byte.is_ascii())
}

/// `Bearer` and its like: white space and twelve more characters.
pub(super) fn scheme(text: &[u8], _: usize, end: usize) -> bool {
    let gap = run(text, end, is_space);
    let value = run(text, end + gap, |byte| byte.is_ascii_alphanumeric() || b"+/=._~-".contains(&byte));
    gap > 0 && (gap >= FAR || value >= 12)
}

/// A word that a `:` or `=` follows, perhaps after a quote.
pub(super) fn named(text: &[u8], _: usize, end: usize) -> bool {
    let quoted = end + usize::from(text.get(end).is_some_and(|byte| b"\"'`".contains(byte)));
    let gap = run(text, quoted, is_space);
    gap >= FAR || text.get(quoted + gap).is_some_and(|byte| b":=".contains(byte))
}

/// A name that says "secret": its end, a separator, and a value that is more than a short word of prose.
pub(super) fn assigned(text: &[u8], _: usize, end: usize) -> bool {
    let name = end + run(text, end, |byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    let quotes = run(text, name, is_quote).min(2);
    // The pattern's own white space goes beyond ASCII, and so do quotes: a rare byte is left to it.
    let separator = name + quotes;
    match text.get(separator) {
        None => return false,
        Some(byte) if !byte.is_ascii() => return true,
        Some(byte) if !is_space(*byte) && !b":=".contains(byte) => return false,
        Some(_) => {}
    }
    let first = separator + 1;
    let skip = |from: usize| from + run(text, from, |byte| is_space(byte) || is_quote(byte) || b":=".contains(&byte));
    let mut value = skip(first);
    // A ruler of separators counts as a value of its own.
    let ruler = |gap: &[u8]| gap.len() > 5 && gap.windows(5).any(|five| five.iter().all(|byte| b":=".contains(byte)));
    if ruler(&text[separator..value]) {
        return true;
    }
    if text.get(value..value + 5).is_some_and(|word| word.eq_ignore_ascii_case(b"value")) {
        let after = skip(value + 5);
        // `value: …` names the value that follows; any other word is one itself.
        if after > value + 5 && !is_prose(text, first, value) {
            return true;
        }
        if after > value + 5 {
            value = after;
        }
    }
    !is_prose(text, first, value)
}

/// Whether the run of value characters around `at` (not before `first`) can only be a short word of prose.
fn is_prose(text: &[u8], first: usize, at: usize) -> bool {
    let before = text.get(first..at).unwrap_or_default().iter().rev().take_while(|byte| is_value(**byte)).count();
    let length = run(text, at, is_value);
    if before + length < 6 {
        return true;
    }
    let letters = run(text, at, |byte| byte.is_ascii_lowercase() || b"-_.".contains(&byte));
    before == 0 && letters == length && length < 16
}

/// How many bytes from `from` on are of a kind, at most [`FAR`].
fn run(text: &[u8], from: usize, kind: impl Fn(u8) -> bool) -> usize {
    text.get(from..).unwrap_or_default().iter().take(FAR).take_while(|byte| kind(**byte)).count()
}

fn begins_word(text: &[u8], start: usize) -> bool {
    let before = start.checked_sub(1).and_then(|before| text.get(before));
    before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
}

/// White space; bytes beyond ASCII may be part of some.
fn is_space(byte: u8) -> bool {
    matches!(byte, 9..=13 | 32) || !byte.is_ascii()
}

fn is_quote(byte: u8) -> bool {
    b"\"'`\\".contains(&byte)
}

fn is_value(byte: u8) -> bool {
    !matches!(byte, 9..=13 | 32) && !b"\"'`,;{}<>[]()&\\".contains(&byte)
}
