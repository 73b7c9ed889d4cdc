//! What one word of a log line is: constant text, or a variable of some type.

use super::counts::Counts;
use super::hash::Hasher;
use super::variable::Variable;
use crate::text::is_formatting;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Longest word looked at; a longer one is a blob.
pub(super) const LONGEST: usize = 512;

/// Takes the pieces of a masked word: a hasher on the hot path, a string when a template is first written out.
pub(super) trait Sink {
    /// Constant text.
    fn literal(&mut self, bytes: &[u8]);
    /// A masked variable.
    fn mask(&mut self, variable: Variable);
    /// A figure that belongs to a name (`utf8`): constant until it is seen to change.
    fn figure(&mut self, digits: &[u8]);
}

/// What a word is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Nature {
    /// Constant text.
    Constant,
    /// Constant text and variables.
    Mixed,
    /// One variable.
    Variable(Variable),
}

/// Hashes a word with its variables masked; apart from that the figures that belong to names.
#[derive(Debug, Default)]
pub(super) struct WordHash {
    pub(super) masked: Hasher,
    pub(super) figures: Option<Hasher>,
}

impl Sink for WordHash {
    fn literal(&mut self, bytes: &[u8]) {
        self.masked.bytes(bytes);
    }

    fn mask(&mut self, variable: Variable) {
        // No piece of text has so many bytes.
        self.masked.add(u64::from(variable as u8) | 0xff << 56);
    }

    fn figure(&mut self, digits: &[u8]) {
        self.mask(Variable::Num);
        self.figures.get_or_insert_default().bytes(digits);
    }
}

/// Writes a word with its variables masked; the figures of names as they are where asked to.
pub(super) struct Written<'a> {
    pub(super) text: &'a mut String,
    pub(super) with_figures: bool,
}

impl Sink for Written<'_> {
    fn literal(&mut self, bytes: &[u8]) {
        for c in String::from_utf8_lossy(bytes).chars() {
            if c.is_control() || is_formatting(c) {
                let _ = write!(self.text, "\\u{{{:x}}}", u32::from(c));
            } else {
                self.text.push(c);
            }
        }
    }

    fn mask(&mut self, variable: Variable) {
        self.text.push_str(variable.name());
    }

    fn figure(&mut self, digits: &[u8]) {
        if self.with_figures { self.literal(digits) } else { self.mask(Variable::Num) }
    }
}

/// Puts a word's pieces into the sink. A word holds no white space.
pub(super) fn mask_word(word: &[u8], sink: &mut impl Sink) -> Nature {
    if word.len() > LONGEST {
        return variable(Variable::Blob, sink);
    }
    let counts @ Counts { digits, slashes, colons, dots } = Counts::of(word);
    let body = trimmed(word);
    if slashes > 0 {
        if let Some(name) = located(body, colons, slashes) {
            return ended(name, &word[body.len()..], sink);
        }
    } else if digits == 0 {
        if colons == 0 && word.len() >= 8 && word.iter().all(u8::is_ascii_hexdigit) {
            return variable(Variable::Hex, sink);
        }
        if dots > 0 && is_host(body) {
            return ended(Variable::Host, &word[body.len()..], sink);
        }
        if colons < 3 || !is_mac(body) {
            sink.literal(word);
            return Nature::Constant;
        }
    }
    match whole(body, counts) {
        Some(name) => ended(name, &word[body.len()..], sink),
        None => runs(word, sink),
    }
}

fn variable(name: Variable, sink: &mut impl Sink) -> Nature {
    sink.mask(name);
    Nature::Variable(name)
}

/// A variable and the punctuation after it.
fn ended(name: Variable, rest: &[u8], sink: &mut impl Sink) -> Nature {
    sink.mask(name);
    flush(rest, sink);
    if rest.is_empty() { Nature::Variable(name) } else { Nature::Mixed }
}

/// Without the full stop or question mark that ends a sentence.
fn trimmed(word: &[u8]) -> &[u8] {
    match word {
        [body @ .., b'.' | b'!' | b'?'] if !body.is_empty() => body,
        _ => word,
    }
}

/// URLs and paths.
fn located(word: &[u8], colons: usize, slashes: usize) -> Option<Variable> {
    if colons > 0
        && let Some(at) = word.windows(3).position(|w| w == b"://")
        && at > 0
        && word[..at].iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    {
        return Some(Variable::Url);
    }
    let rooted = word.len() > 2 && (word[0] == b'/' || word.starts_with(b"./") || word.starts_with(b"~/"));
    let windows = word.len() > 3 && word[0].is_ascii_alphabetic() && word[1] == b':' && matches!(word[2], b'\\' | b'/');
    if rooted || windows {
        // `/10.0.0.1:80` is how some runtimes print an address.
        return Some(if word[0] == b'/' && is_ip(&word[1..]) { Variable::Ip } else { Variable::Path });
    }
    if let Some(at) = word.iter().position(|b| *b == b'/')
        && is_ip(&word[..at])
        && word[at + 1..].iter().all(u8::is_ascii_digit)
    {
        return Some(Variable::Ip);
    }
    if slashes == 1
        && let Some(at) = word.iter().position(|b| *b == b'/')
        && (is_ip(&word[at + 1..]) || word[at + 1..].is_empty() && is_ip(&word[..at]))
    {
        return Some(Variable::Host);
    }
    (slashes >= 2 && !word.starts_with(b"//")).then_some(Variable::Path)
}

/// The type of a word that is a variable from end to end.
fn whole(word: &[u8], Counts { digits, colons, dots, .. }: Counts) -> Option<Variable> {
    if word.len() == 36 && is_uuid(word) {
        return Some(Variable::Uuid);
    }
    if digits == word.len() {
        return Some(Variable::Num);
    }
    if word.starts_with(b"0x") || word.starts_with(b"0X") {
        return (word.len() > 2 && word[2..].iter().all(u8::is_ascii_hexdigit)).then_some(Variable::Hex);
    }
    if dots >= 3 && is_ip(word) {
        return Some(Variable::Ip);
    }
    if colons >= 3 && is_mac(word) {
        return Some(Variable::Mac);
    }
    if dots > 0 && is_host(word) || colons == 1 && is_host_and_port(word) {
        return Some(Variable::Host);
    }
    if colons >= 2 && word.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'%' | b'.')) {
        let clock =
            word.split(|b| *b == b':').take(2).all(|part| part.len() <= 2 && part.iter().all(u8::is_ascii_digit));
        return Some(if clock { Variable::Time } else { Variable::Ip });
    }
    if word[0].is_ascii_digit() && super::timestamp::leading_stamp_of_word(word) {
        return Some(Variable::Time);
    }
    if let Some(name) = quantity(word) {
        return Some(name);
    }
    let hex = word.iter().all(u8::is_ascii_hexdigit) && word.len() >= 6 && digits < word.len();
    hex.then_some(Variable::Hex)
}

/// A number with a sign, separators, exponent, percent sign or unit.
fn quantity(word: &[u8]) -> Option<Variable> {
    let start = usize::from(matches!(word[0], b'-' | b'+'));
    let end = word[start..]
        .iter()
        .position(|b| !(b.is_ascii_digit() || matches!(b, b'.' | b',' | b'_')))
        .map_or(word.len(), |at| start + at);
    if end == start || !word[start].is_ascii_digit() {
        return None;
    }
    match &word[end..] {
        b"" | b"%" => Some(Variable::Num),
        b"ms" | b"us" | b"ns" | b"s" | b"m" | b"h" | b"d" | b"sec" | b"secs" | b"second" | b"seconds" | b"min"
        | b"mins" | b"hours" | b"days" | b"msec" | b"usec" => Some(Variable::Duration),
        [0xc2 | 0xce, 0xb5 | 0xbc, b's'] => Some(Variable::Duration),
        b"B" | b"b" | b"K" | b"k" | b"M" | b"G" | b"g" | b"T" | b"KB" | b"kB" | b"kb" | b"MB" | b"mb" | b"GB"
        | b"gb" | b"TB" | b"KiB" | b"MiB" | b"GiB" | b"TiB" | b"Ki" | b"Mi" | b"Gi" | b"Ti" | b"bytes" => {
            Some(Variable::Size)
        }
        [b'e' | b'E', rest @ ..]
            if !rest.is_empty() && rest.iter().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-')) =>
        {
            Some(Variable::Num)
        }
        rest if is_compound_duration(rest) => Some(Variable::Duration),
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

/// Six or eight pairs of hexadecimal digits joined by colons.
fn is_mac(word: &[u8]) -> bool {
    matches!(word.len(), 17 | 23)
        && word.iter().enumerate().all(|(at, b)| if at % 3 == 2 { *b == b':' } else { b.is_ascii_hexdigit() })
}

/// A name in the domain system, perhaps with a port: it ends with a top-level domain and does not begin with one, as
/// the packages of some languages do.
fn is_host(word: &[u8]) -> bool {
    const DOMAINS: [&[u8]; 12] =
        [b"com", b"net", b"org", b"edu", b"gov", b"mil", b"int", b"info", b"biz", b"arpa", b"local", b"internal"];
    let name = match word.iter().position(|b| *b == b':') {
        Some(at) if word[at + 1..].iter().all(u8::is_ascii_digit) => &word[..at],
        Some(_) => return false,
        None => word,
    };
    if name.len() < 4 || !name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        return false;
    }
    let mut labels = name.split(|b| *b == b'.');
    let (Some(first), Some(last)) = (labels.next(), labels.next_back()) else { return false };
    if first.is_empty() || DOMAINS.contains(&first) {
        return false;
    }
    // Two letters are a country's, but also many a program's last word: only where the name looks like a machine's.
    let country = last.len() == 2 && last.iter().all(u8::is_ascii_lowercase) && labels.next().is_some();
    let machine = |label: &[u8]| label.contains(&b'-') || label.iter().any(u8::is_ascii_digit);
    DOMAINS.contains(&last) || country && machine(first)
}

/// `mill-7:8080`.
fn is_host_and_port(word: &[u8]) -> bool {
    let Some(at) = word.iter().position(|b| *b == b':') else { return false };
    let (name, port) = (&word[..at], &word[at + 1..]);
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().any(|b| matches!(b, b'-' | b'.'))
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        && (2..=5).contains(&port.len())
        && port.iter().all(u8::is_ascii_digit)
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
fn runs(word: &[u8], sink: &mut impl Sink) -> Nature {
    if let Some(prefix) = identifier_prefix(word) {
        flush(&word[..prefix], sink);
        sink.mask(Variable::Id);
        return if prefix == 0 { Nature::Variable(Variable::Id) } else { Nature::Mixed };
    }
    let mut at = 0;
    let mut literal_from = 0;
    while at < word.len() {
        let starts = at == 0 || !word[at - 1].is_ascii_alphanumeric();
        if starts && let Some(len) = hex_stretch(&word[at..]) {
            flush(&word[literal_from..at], sink);
            sink.mask(Variable::Hex);
            at += len;
            literal_from = at;
        } else if word[at].is_ascii_digit() {
            // A minus sign belongs to the number where it cannot be a hyphen.
            let sign = at > literal_from && word[at - 1] == b'-' && !(at >= 2 && word[at - 2].is_ascii_alphanumeric());
            let from = at;
            flush(&word[literal_from..at - usize::from(sign)], sink);
            while at < word.len() && (word[at].is_ascii_digit() || is_inner_point(word, at)) {
                at += 1;
            }
            if is_figure(word, from, at) {
                sink.figure(&word[from..at])
            } else {
                sink.mask(Variable::Num)
            }
            literal_from = at;
        } else {
            at += 1;
        }
    }
    flush(&word[literal_from..], sink);
    Nature::Mixed
}

/// Whether digits are part of a name, as in `utf8` or `log4j`: one or two in a stretch of letters that begins with
/// one and has no others.
fn is_figure(word: &[u8], from: usize, to: usize) -> bool {
    let begin = word[..from].iter().rposition(|b| !b.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
    let end = word[to..].iter().position(|b| !b.is_ascii_alphanumeric()).map_or(word.len(), |at| to + at);
    let only = !word[begin..from].iter().chain(&word[to..end]).any(u8::is_ascii_digit);
    to - from <= 2 && begin < from && only
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
            ("till2.open()", "till2.open()"),
            ("till-2", "till-<num>"),
            ("#17", "#<num>"),
            ("mill.example.com:80", "<host>"),
            ("mill-7:8080.", "<host>."),
            ("mill-7/10.0.0.1:80", "<host>"),
            ("com.example.kiosk", "com.example.kiosk"),
            ("FF:F2:9F:16:AA:BB", "<mac>"),
        ] {
            let mut text = String::new();
            mask_word(word.as_bytes(), &mut Written { text: &mut text, with_figures: true });
            assert_eq!(text, masked, "{word}");
        }
    }
}
