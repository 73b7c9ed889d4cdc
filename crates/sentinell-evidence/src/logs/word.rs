//! What one word of a log line is: constant text, or a variable of some type.

use crate::text::is_formatting;
use std::fmt::Write as _;

/// Longest word looked at; a longer one is a blob.
const LONGEST: usize = 512;

/// Takes the pieces of a masked word: a hasher on the hot path, a string when a template is first written out.
pub(super) trait Sink {
    /// Constant text.
    fn literal(&mut self, bytes: &[u8]);
    /// A masked variable, named as it shows: `<num>`.
    fn mask(&mut self, name: &'static str);
}

/// A 64-bit hash over pieces; stable across builds and machines, because template ids are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hasher(u64);

impl Default for Hasher {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Hasher {
    const PRIME: u64 = 0xff51_afd7_ed55_8ccd;

    pub(super) fn add(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(29) ^ value).wrapping_mul(Self::PRIME);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
        let rest = chunks.remainder();
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(word) ^ ((bytes.len() as u64) << 56));
    }

    pub(super) fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^ (mixed >> 29)
    }
}

impl Sink for Hasher {
    fn literal(&mut self, bytes: &[u8]) {
        self.bytes(bytes);
    }

    fn mask(&mut self, name: &'static str) {
        self.add(0xa5a5);
        self.bytes(name.as_bytes());
    }
}

impl Sink for String {
    fn literal(&mut self, bytes: &[u8]) {
        for c in String::from_utf8_lossy(bytes).chars() {
            if c.is_control() || is_formatting(c) {
                let _ = write!(self, "\\u{{{:x}}}", u32::from(c));
            } else {
                self.push(c);
            }
        }
    }

    fn mask(&mut self, name: &'static str) {
        self.push_str(name);
    }
}

/// Puts a word's pieces into the sink. A word holds no white space.
pub(super) fn mask_word(word: &[u8], sink: &mut impl Sink) {
    if word.len() > LONGEST {
        return sink.mask("<blob>");
    }
    let (mut has_digit, mut slashes, mut colons) = (false, 0, 0);
    for byte in word {
        match byte {
            b'0'..=b'9' => has_digit = true,
            b'/' | b'\\' => slashes += 1,
            b':' => colons += 1,
            _ => {}
        }
    }
    if slashes > 0 {
        if let Some(name) = located(word, colons, slashes) {
            return sink.mask(name);
        }
    } else if !has_digit {
        if colons == 0 && word.len() >= 16 && word.iter().all(u8::is_ascii_hexdigit) {
            return sink.mask("<hex>");
        }
        return sink.literal(word);
    }
    let body = trimmed(word);
    match whole(body, colons) {
        Some(name) => {
            sink.mask(name);
            if body.len() < word.len() {
                sink.literal(&word[body.len()..]);
            }
        }
        None => runs(word, sink),
    }
}

/// Without the full stop or question mark that ends a sentence.
fn trimmed(word: &[u8]) -> &[u8] {
    match word {
        [body @ .., b'.' | b'!' | b'?'] if !body.is_empty() => body,
        _ => word,
    }
}

/// URLs and paths.
fn located(word: &[u8], colons: usize, slashes: usize) -> Option<&'static str> {
    if colons > 0
        && let Some(at) = word.windows(3).position(|w| w == b"://")
        && at > 0
        && word[..at].iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    {
        return Some("<url>");
    }
    let rooted = word.len() > 2 && (word[0] == b'/' || word.starts_with(b"./") || word.starts_with(b"~/"));
    let windows = word.len() > 3 && word[0].is_ascii_alphabetic() && word[1] == b':' && matches!(word[2], b'\\' | b'/');
    if rooted || windows {
        // `/10.0.0.1:80` is how some runtimes print an address.
        return Some(if word[0] == b'/' && is_ip(&word[1..]) { "<ip>" } else { "<path>" });
    }
    if let Some(at) = word.iter().position(|b| *b == b'/')
        && is_ip(&word[..at])
        && word[at + 1..].iter().all(u8::is_ascii_digit)
    {
        return Some("<ip>");
    }
    (slashes >= 2 && !word.starts_with(b"//")).then_some("<path>")
}

/// The type of a word that is a variable from end to end.
fn whole(word: &[u8], colons: usize) -> Option<&'static str> {
    let digits = word.iter().filter(|b| b.is_ascii_digit()).count();
    if word.len() == 36 && is_uuid(word) {
        return Some("<uuid>");
    }
    if digits == word.len() {
        return Some("<num>");
    }
    if word.starts_with(b"0x") || word.starts_with(b"0X") {
        return (word.len() > 2 && word[2..].iter().all(u8::is_ascii_hexdigit)).then_some("<hex>");
    }
    if is_ip(word) {
        return Some("<ip>");
    }
    if colons >= 2 && word.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'%' | b'.')) {
        let clock =
            word.split(|b| *b == b':').take(2).all(|part| part.len() <= 2 && part.iter().all(u8::is_ascii_digit));
        return Some(if clock { "<time>" } else { "<ip>" });
    }
    if word[0].is_ascii_digit() && super::timestamp::leading_stamp_of_word(word) {
        return Some("<time>");
    }
    if let Some(name) = quantity(word) {
        return Some(name);
    }
    let hex = word.iter().all(u8::is_ascii_hexdigit) && word.len() >= 6 && digits < word.len();
    hex.then_some("<hex>")
}

/// A number with a sign, separators, exponent, percent sign or unit.
fn quantity(word: &[u8]) -> Option<&'static str> {
    let start = usize::from(matches!(word[0], b'-' | b'+' | b'#'));
    let end = word[start..]
        .iter()
        .position(|b| !(b.is_ascii_digit() || matches!(b, b'.' | b',' | b'_')))
        .map_or(word.len(), |at| start + at);
    if end == start || !word[start].is_ascii_digit() {
        return None;
    }
    match &word[end..] {
        b"" | b"%" => Some("<num>"),
        b"ms" | b"us" | b"ns" | b"s" | b"m" | b"h" | b"d" | b"sec" | b"secs" | b"second" | b"seconds" | b"min"
        | b"mins" | b"hours" | b"days" | b"msec" | b"usec" => Some("<duration>"),
        [0xc2 | 0xce, 0xb5 | 0xbc, b's'] => Some("<duration>"),
        b"B" | b"b" | b"K" | b"k" | b"M" | b"G" | b"g" | b"T" | b"KB" | b"kB" | b"kb" | b"MB" | b"mb" | b"GB"
        | b"gb" | b"TB" | b"KiB" | b"MiB" | b"GiB" | b"TiB" | b"Ki" | b"Mi" | b"Gi" | b"Ti" | b"bytes" => {
            Some("<size>")
        }
        [b'e' | b'E', rest @ ..]
            if !rest.is_empty() && rest.iter().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-')) =>
        {
            Some("<num>")
        }
        rest if is_compound_duration(rest) => Some("<duration>"),
        _ => None,
    }
}

/// The rest of `1h2m3.5s` after its first number.
fn is_compound_duration(rest: &[u8]) -> bool {
    matches!(rest.first(), Some(b'h' | b'm' | b's' | b'd'))
        && rest.last().is_some_and(|b| matches!(b, b'h' | b'm' | b's'))
        && rest.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'h' | b'm' | b's' | b'd' | b'u' | b'n'))
}

fn is_uuid(word: &[u8]) -> bool {
    word.iter().enumerate().all(|(at, b)| match at {
        8 | 13 | 18 | 23 => *b == b'-',
        _ => b.is_ascii_hexdigit(),
    })
}

/// Four numbers joined by dots, with an optional port.
fn is_ip(word: &[u8]) -> bool {
    let host = match word.iter().position(|b| *b == b':') {
        Some(at) if word[at + 1..].iter().all(u8::is_ascii_digit) => &word[..at],
        Some(_) => return false,
        None => word,
    };
    if !(7..=15).contains(&host.len()) || !host[0].is_ascii_digit() {
        return false;
    }
    let mut parts = 0;
    for part in host.split(|b| *b == b'.') {
        parts += 1;
        if part.is_empty() || part.len() > 3 || !part.iter().all(u8::is_ascii_digit) {
            return false;
        }
    }
    parts == 4
}

/// A word with letters and digits mixed: its letters stay, its digit runs and hexadecimal stretches are masked.
fn runs(word: &[u8], sink: &mut impl Sink) {
    if let Some(prefix) = identifier_prefix(word) {
        flush(&word[..prefix], sink);
        return sink.mask("<id>");
    }
    let mut at = 0;
    let mut literal_from = 0;
    while at < word.len() {
        let starts = at == 0 || !word[at - 1].is_ascii_alphanumeric();
        if starts && let Some(len) = hex_stretch(&word[at..]) {
            flush(&word[literal_from..at], sink);
            sink.mask("<hex>");
            at += len;
            literal_from = at;
        } else if word[at].is_ascii_digit() {
            // A minus sign belongs to the number where it cannot be a hyphen.
            let sign = at > literal_from && word[at - 1] == b'-' && !(at >= 2 && word[at - 2].is_ascii_alphanumeric());
            flush(&word[literal_from..at - usize::from(sign)], sink);
            sink.mask("<num>");
            while at < word.len() && (word[at].is_ascii_digit() || is_inner_point(word, at)) {
                at += 1;
            }
            literal_from = at;
        } else {
            at += 1;
        }
    }
    flush(&word[literal_from..], sink);
}

/// Three or more numbers joined by `-`, `_` or `:` are one identifier; the name before them, if it has one, stays.
fn identifier_prefix(word: &[u8]) -> Option<usize> {
    let is_joint = |b: &u8| matches!(b, b'-' | b'_' | b':');
    let numbered = word.split(is_joint).filter(|part| part.iter().any(u8::is_ascii_digit)).count();
    if numbered < 3 {
        return None;
    }
    let name = word.iter().position(|b| !(b.is_ascii_alphabetic() || *b == b'.')).unwrap_or(0);
    Some(if name >= 3 && word.get(name).is_some_and(is_joint) { name + 1 } else { 0 })
}

fn flush(literal: &[u8], sink: &mut impl Sink) {
    if !literal.is_empty() {
        sink.literal(literal);
    }
}

fn is_inner_point(word: &[u8], at: usize) -> bool {
    word[at] == b'.' && word.get(at + 1).is_some_and(u8::is_ascii_digit)
}

/// The length of an alphanumeric stretch of eight or more hexadecimal digits, letters and figures mixed.
fn hex_stretch(word: &[u8]) -> Option<usize> {
    let len = word.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(word.len());
    let stretch = &word[..len];
    let hex = len >= 8 && stretch.iter().all(u8::is_ascii_hexdigit);
    let mixed = stretch.iter().any(u8::is_ascii_digit) && stretch.iter().any(u8::is_ascii_alphabetic);
    (hex && mixed).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_masked_by_type_and_keep_their_constant_part() {
        for (word, masked) in [
            ("started", "started"),
            ("42", "<num>"),
            ("-0.5", "<num>"),
            ("1,024.", "<num>."),
            ("93%", "<num>"),
            ("10.0.0.1:8080", "<ip>"),
            ("/10.0.0.1:8080", "<ip>"),
            ("10.0.0.0/16", "<ip>"),
            ("fe80::1", "<ip>"),
            ("12:30:59", "<time>"),
            ("2024-01-02T03:04:05Z", "<time>"),
            ("0x7fff12ab", "<hex>"),
            ("deadbeef01", "<hex>"),
            ("6f9619ff-8b86-d011-b42d-00c04fc964ff", "<uuid>"),
            ("/var/lib/app.db", "<path>"),
            ("https://shop.example/cart?id=1", "<url>"),
            ("35ms", "<duration>"),
            ("1h2m3.5s", "<duration>"),
            ("12KiB", "<size>"),
            ("task_0001_m_12", "task_<num>_m_<num>"),
            ("attempt_17_0001_m_12", "attempt_<id>"),
            ("R02-M1-N0-C:J12-U11", "<id>"),
            ("order-6f9c7d8b4-x", "order-<hex>-x"),
        ] {
            let mut text = String::new();
            mask_word(word.as_bytes(), &mut text);
            assert_eq!(text, masked, "{word}");
        }
    }
}
