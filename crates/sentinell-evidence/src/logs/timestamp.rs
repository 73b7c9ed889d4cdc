//! Leading timestamps of the common log formats, read by hand-written byte scanners.

/// A timestamp found at the start of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Unix milliseconds (UTC unless the text names an offset). Without a year, counted in 1970.
    pub at_ms: i64,
    /// How many bytes of the line it takes, opening and closing brackets included.
    pub len: usize,
    /// Whether the format names a year; without one only differences mean something.
    pub has_year: bool,
}

/// Reads the timestamp a line begins with, in Unix milliseconds.
///
/// ISO 8601 and RFC 3339, log4j (`2015-10-18 18:01:47,978`), compact dates (`20171223-22:15:29:606`,
/// `081109 203615`, `17/06/09 20:10:40`), syslog (`Jun 14 15:16:01`), Apache (`[Sun Dec 04 04:47:44 2005]`),
/// klog (`E0512 10:11:12.123456`), logcat (`03-17 16:13:38.811`) and epoch seconds or milliseconds. `None` where the line does not begin so,
/// or where the format names no year (see [`leading_stamp`] for those).
pub fn parse_timestamp(line: &str) -> Option<i64> {
    leading_stamp(line).filter(|stamp| stamp.has_year).map(|stamp| stamp.at_ms)
}

/// Like [`parse_timestamp`], with the length it takes and the formats that name no year.
pub fn leading_stamp(line: &str) -> Option<Stamp> {
    let bytes = line.as_bytes();
    let open = usize::from(bytes.first() == Some(&b'['));
    let rest = bytes.get(open..)?;
    let stamp = match rest.first()? {
        b'0'..=b'9' => numeric(rest)?,
        b'I' | b'W' | b'E' | b'F' if rest.get(1).is_some_and(u8::is_ascii_digit) => klog(rest)?,
        b'A'..=b'Z' => named_month(rest)?,
        _ => return None,
    };
    let mut len = stamp.len + open;
    if open == 1 {
        len += usize::from(bytes.get(len) == Some(&b']'));
    }
    Some(Stamp { len, ..stamp })
}

/// Whether a single word (no white space) is a date, perhaps with a time.
pub(super) fn leading_stamp_of_word(word: &[u8]) -> bool {
    let dated = matches!(word.get(4), Some(b'-' | b'/' | b'.')) || matches!(word.get(2), Some(b'/'));
    let compact = word.len() > 9 && matches!(word.get(8), Some(b'-' | b'T'));
    (dated || compact) && numeric(word).is_some_and(|stamp| stamp.len + 1 >= word.len())
}

/// What a date and a time of day add up to; `None` for a day or hour that cannot be.
#[derive(Clone, Copy)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
}

impl Civil {
    fn checked(year: i64, month: i64, day: i64) -> Option<Self> {
        ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar.
    fn days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let shifted = (self.month + 9) % 12;
        let day_of_year = (153 * shifted + 2) / 5 + self.day - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
    }

    fn at(self, time_ms: i64) -> i64 {
        self.days() * 86_400_000 + time_ms
    }
}

/// `n` digits at `at`.
fn digits(bytes: &[u8], at: usize, n: usize) -> Option<i64> {
    let mut value = 0_i64;
    for byte in bytes.get(at..at + n)? {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(value)
}

fn run_of_digits(bytes: &[u8]) -> usize {
    bytes.iter().take(20).take_while(|b| b.is_ascii_digit()).count()
}

/// `hh:mm:ss` (or `hh.mm.ss`) with an optional fraction: milliseconds of the day, and the bytes taken.
fn clock(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let hour = digits(bytes, at, 2)?;
    let mark = *bytes.get(at + 2)?;
    let minute = digits(bytes, at + 3, 2)?;
    let second = digits(bytes, at + 6, 2)?;
    if !matches!(mark, b':' | b'.') || bytes[at + 5] != mark || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, len) = fraction(bytes, at + 8);
    Some((((hour * 60 + minute) * 60 + second) * 1000 + fraction, 8 + len))
}

/// `h:m:s:ms` without leading zeros.
fn loose_clock(bytes: &[u8], from: usize) -> Option<(i64, usize)> {
    let mut parts = [0; 4];
    let mut at = from;
    for (place, part) in parts.iter_mut().enumerate() {
        let width = run_of_digits(bytes.get(at..)?);
        if width == 0 || width > 3 {
            return None;
        }
        *part = digits(bytes, at, width)?;
        at += width;
        if place < 3 {
            if bytes.get(at) != Some(&b':') {
                return if place == 2 { sane_clock(parts).map(|ms| (ms, at - from)) } else { None };
            }
            at += 1;
        }
    }
    sane_clock(parts).map(|ms| (ms, at - from))
}

fn sane_clock([hour, minute, second, ms]: [i64; 4]) -> Option<i64> {
    (hour < 24 && minute < 60 && second < 61).then_some(((hour * 60 + minute) * 60 + second) * 1000 + ms)
}

/// `.123456`, `,978` or `:606` as milliseconds, and the bytes taken.
fn fraction(bytes: &[u8], at: usize) -> (i64, usize) {
    if !matches!(bytes.get(at), Some(b'.' | b',' | b':')) {
        return (0, 0);
    }
    let count = bytes.get(at + 1..).map_or(0, run_of_digits);
    if count == 0 {
        return (0, 0);
    }
    let mut ms = 0;
    for place in 0..3 {
        ms = ms * 10 + if place < count { i64::from(bytes[at + 1 + place] - b'0') } else { 0 };
    }
    (ms, count + 1)
}

/// `Z`, `+02:00`, `-0700` or ` +0000` after the time: milliseconds east, and the bytes taken.
fn offset(bytes: &[u8], at: usize) -> (i64, usize) {
    let space = usize::from(bytes.get(at) == Some(&b' '));
    let sign = match bytes.get(at + space) {
        Some(b'Z') if space == 0 => return (0, 1),
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return (0, 0),
    };
    let hour = digits(bytes, at + space + 1, 2);
    let colon = usize::from(bytes.get(at + space + 3) == Some(&b':'));
    let minute = digits(bytes, at + space + 3 + colon, 2);
    match (hour, minute) {
        (Some(hour), Some(minute)) if hour <= 14 => (sign * (hour * 60 + minute) * 60_000, space + 5 + colon),
        _ => (0, 0),
    }
}

fn numeric(bytes: &[u8]) -> Option<Stamp> {
    let whole = |at_ms, len| Some(Stamp { at_ms, len, has_year: true });
    match run_of_digits(bytes) {
        4 => iso(bytes),
        2 => slashed(bytes).or_else(|| yearless(bytes)),
        8 if matches!(bytes.get(8), Some(b'-' | b'T' | b' ')) => {
            let date = Civil::checked(digits(bytes, 0, 4)?, digits(bytes, 4, 2)?, digits(bytes, 6, 2)?)?;
            let (time, len) = clock(bytes, 9).or_else(|| loose_clock(bytes, 9))?;
            whole(date.at(time), 9 + len)
        }
        6 if bytes.get(6) == Some(&b' ') && bytes.get(7..).map(run_of_digits) == Some(6) => {
            let date = Civil::checked(2000 + digits(bytes, 0, 2)?, digits(bytes, 2, 2)?, digits(bytes, 4, 2)?)?;
            let (hour, minute, second) = (digits(bytes, 7, 2)?, digits(bytes, 9, 2)?, digits(bytes, 11, 2)?);
            let sane = hour < 24 && minute < 60 && second < 61;
            sane.then_some(())?;
            whole(date.at(((hour * 60 + minute) * 60 + second) * 1000), 13)
        }
        // 2001 to 2099 in seconds or milliseconds; anything else is a number, not a time.
        10 => {
            let seconds = digits(bytes, 0, 10)?;
            let (ms, len) = if bytes.get(10) == Some(&b'.') { fraction(bytes, 10) } else { (0, 0) };
            (978_307_200..4_102_444_800).contains(&seconds).then_some(())?;
            whole(seconds * 1000 + ms, 10 + len)
        }
        13 => {
            let ms = digits(bytes, 0, 13)?;
            (978_307_200_000..4_102_444_800_000).contains(&ms).then_some(())?;
            whole(ms, 13)
        }
        _ => None,
    }
}

/// `2015-10-18T18:01:47.978+02:00`, with a space, `T`, `-` or `_` before the time, or the date alone.
fn iso(bytes: &[u8]) -> Option<Stamp> {
    let mark = *bytes.get(4)?;
    if !matches!(mark, b'-' | b'/' | b'.') || bytes.get(7) != Some(&mark) {
        return None;
    }
    let date = Civil::checked(digits(bytes, 0, 4)?, digits(bytes, 5, 2)?, digits(bytes, 8, 2)?)?;
    let timed = matches!(bytes.get(10), Some(b'T' | b't' | b' ' | b'-' | b'_'));
    let Some((time, len)) = timed.then(|| clock(bytes, 11)).flatten() else {
        return Some(Stamp { at_ms: date.at(0), len: 10, has_year: true });
    };
    let (east, more) = offset(bytes, 11 + len);
    Some(Stamp { at_ms: date.at(time) - east, len: 11 + len + more, has_year: true })
}

/// `03-17 16:13:38.811` and `10.30 16:49:06` (month first), and a time of day alone.
fn yearless(bytes: &[u8]) -> Option<Stamp> {
    if bytes.get(2) == Some(&b':') {
        let (time, len) = clock(bytes, 0)?;
        return Some(Stamp { at_ms: time, len, has_year: false });
    }
    let marked = matches!(bytes.get(2), Some(b'-' | b'.')) && bytes.get(5) == Some(&b' ');
    let date = marked.then(|| Civil::checked(1970, digits(bytes, 0, 2)?, digits(bytes, 3, 2)?)).flatten()?;
    let (time, len) = clock(bytes, 6)?;
    Some(Stamp { at_ms: date.at(time), len: 6 + len, has_year: false })
}

/// `17/06/09 20:10:40` (year first) and `09/Jun/2017:20:10:40 +0000`.
fn slashed(bytes: &[u8]) -> Option<Stamp> {
    if bytes.get(2) != Some(&b'/') {
        return None;
    }
    if let Some(month) = month(bytes.get(3..6)?) {
        let date = Civil::checked(digits(bytes, 7, 4)?, month, digits(bytes, 0, 2)?)?;
        let (time, len) = clock(bytes, 12)?;
        let (east, more) = offset(bytes, 12 + len);
        return Some(Stamp { at_ms: date.at(time) - east, len: 12 + len + more, has_year: true });
    }
    let date = Civil::checked(2000 + digits(bytes, 0, 2)?, digits(bytes, 3, 2)?, digits(bytes, 6, 2)?)?;
    let (time, len) = clock(bytes, 9)?;
    Some(Stamp { at_ms: date.at(time), len: 9 + len, has_year: true })
}

fn month(name: &[u8]) -> Option<i64> {
    const NAMES: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    NAMES.iter().position(|n| *n == name).and_then(|i| i64::try_from(i + 1).ok())
}

/// `Jun 14 15:16:01`, `Sun Dec 04 04:47:44 2005`, `Sun Dec 04 04:47:44.123456 2005`.
pub(super) fn named_month(bytes: &[u8]) -> Option<Stamp> {
    const WEEKDAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    let mut at = 0;
    if WEEKDAYS.contains(&bytes.get(..3)?) && bytes.get(3) == Some(&b' ') {
        at = 4;
    }
    let month = month(bytes.get(at..at + 3)?)?;
    at += 3;
    let spaces = bytes.get(at..)?.iter().take(2).take_while(|b| **b == b' ').count();
    at += spaces;
    let width = run_of_digits(bytes.get(at..)?);
    if spaces == 0 || !(1..=2).contains(&width) || bytes.get(at + width) != Some(&b' ') {
        return None;
    }
    let day = digits(bytes, at, width)?;
    at += width + 1;
    let (time, len) = clock(bytes, at)?;
    at += len;
    // A zone's abbreviation means different things in different places; it is passed over.
    let zone = bytes.get(at + 1..).map_or(0, |rest| rest.iter().take(5).take_while(|b| b.is_ascii_uppercase()).count());
    if (3..=4).contains(&zone) && bytes.get(at + zone + 1) == Some(&b' ') && digits(bytes, at + zone + 2, 4).is_some() {
        at += zone + 1;
    }
    let year = if bytes.get(at) == Some(&b' ') { digits(bytes, at + 1, 4) } else { None };
    let ends = !bytes.get(at + 5).is_some_and(u8::is_ascii_alphanumeric);
    match year {
        Some(year) if ends && (1970..2200).contains(&year) => {
            Some(Stamp { at_ms: Civil::checked(year, month, day)?.at(time), len: at + 5, has_year: true })
        }
        _ => Some(Stamp { at_ms: Civil::checked(1970, month, day)?.at(time), len: at, has_year: false }),
    }
}

/// `E0512 10:11:12.123456`: the letter is the level, the year is not said.
fn klog(bytes: &[u8]) -> Option<Stamp> {
    let date = Civil::checked(1970, digits(bytes, 1, 2)?, digits(bytes, 3, 2)?)?;
    let spaces = bytes.get(5..)?.iter().take(3).take_while(|b| **b == b' ').count();
    if spaces == 0 {
        return None;
    }
    let (time, len) = clock(bytes, 5 + spaces)?;
    Some(Stamp { at_ms: date.at(time), len: 5 + spaces + len, has_year: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_format_reads_to_the_same_instant() {
        let instant = 1_508_349_707_000; // 2017-10-18T18:01:47Z
        for text in [
            "2017-10-18T18:01:47Z boot",
            "2017-10-18T20:01:47+02:00 boot",
            "2017-10-18 18:01:47,000 INFO boot",
            "[2017-10-18 18:01:47.000] boot",
            "2017/10/18 18:01:47 boot",
            "2017-10-18-18.01.47.000000 boot",
            "20171018-18:01:47:000|boot",
            "20171018-18:1:47:0|boot",
            "171018 180147 12 INFO boot",
            "17/10/18 18:01:47 INFO boot",
            "18/Oct/2017:18:01:47 +0000 boot",
            "[Wed Oct 18 18:01:47 2017] boot",
            "1508349707 boot",
            "1508349707000 boot",
        ] {
            assert_eq!(parse_timestamp(text), Some(instant), "{text}");
        }
    }

    #[test]
    fn formats_without_a_year_measure_differences_only() {
        let a = leading_stamp("Jun 14 15:16:01 host app: x").unwrap();
        let b = leading_stamp("Jun  4 15:16:01 host app: x").unwrap();
        assert_eq!((a.at_ms - b.at_ms, a.has_year, a.len), (864_000_000, false, 15));
        let klog = leading_stamp("E0614 15:16:01.250000   12 a.go:1] x").unwrap();
        assert_eq!(klog.at_ms - a.at_ms, 250);
        assert_eq!(leading_stamp("06-14 15:16:01.250 boot"), Some(Stamp { len: 18, ..klog }));
        assert_eq!(leading_stamp("15:16:01 boot").map(|stamp| stamp.at_ms), Some(54_961_000));
        assert_eq!(parse_timestamp("Jun 14 15:16:01 host app: x"), None);
    }

    #[test]
    fn what_is_no_time_is_left_alone() {
        for text in ["", "[", "12", "99/99/99 99:99:99", "1234567890123456", "2017-13-40 boot", "Junk 14", "é", "[é"]
        {
            assert_eq!(leading_stamp(text), None, "{text}");
        }
    }
}
