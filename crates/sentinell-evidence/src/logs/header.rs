//! Where a line's message begins: the columns before it, learnt from the stream.
//!
//! Loggers write the same columns on every line: a time, a level, a process, a logger. A field counts as a column only
//! where nearly all lines of the stream have it, so that a message that looks like one is left whole.

use super::hash::Hasher;
use super::level::word_level;
use super::timestamp::leading_stamp;
use super::word::{Written, mask_word};
use serde::{Deserialize, Serialize};

/// Share of the lines that must have a field for it to be a column.
const NEARLY_ALL: f64 = 0.9;

/// Most lines that are looked at; a stream's columns do not change.
const MOST_SAMPLES: usize = 2000;

/// Most columns.
const MOST_STEPS: usize = 12;

/// Most bytes of a line that can be columns.
const MOST_BYTES: usize = 512;

/// Most bytes between brackets that can be one column.
const LONGEST_BRACKET: usize = 256;

/// One column, or several of which only the last can be told by its looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// So many words and a time.
    Stamp(usize),
    /// So many words and a level.
    Level(usize),
    /// So many words and a name that ends with a colon.
    Tag(usize),
    /// So many words and a dash or bar that stands alone.
    Separator(usize),
    /// So many fields that end with a bar.
    Bars(usize),
    /// A number.
    Number,
    /// Anything in brackets.
    Bracket,
    /// A name with two or more dots in it.
    Dotted,
    /// A word in a column that is padded with blanks.
    Padded,
}

/// The columns of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    steps: Vec<Step>,
}

impl Layout {
    /// Learns the columns from some lines of a stream.
    pub fn learn<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut cursors: Vec<(&[u8], usize)> = lines
            .into_iter()
            .filter(|line| !line.trim().is_empty())
            .take(MOST_SAMPLES)
            .map(|line| (line.as_bytes().get(..MOST_BYTES).unwrap_or(line.as_bytes()), 0))
            .collect();
        let mut layout = Self::default();
        while layout.steps.len() < MOST_STEPS {
            let Some(step) = layout.next(&cursors) else { break };
            for (line, at) in &mut cursors {
                *at = step.after(line, *at).unwrap_or(*at);
            }
            layout.steps.push(step);
        }
        layout
    }

    /// The place at which a line's message begins: a character boundary, at most the line's length.
    pub fn message(&self, line: &str) -> usize {
        let bytes = line.as_bytes();
        let bytes = bytes.get(..MOST_BYTES).unwrap_or(bytes);
        let mut at = 0;
        for step in &self.steps {
            at = step.after(bytes, at).unwrap_or(at);
        }
        at = skip_blanks(bytes, at);
        if line.is_char_boundary(at) { at } else { 0 }
    }

    /// Who wrote a line and how loud, as its columns tell: the level, the program, the logger, without what is numbered.
    pub fn origin(&self, line: &str) -> String {
        let mut origin = String::new();
        self.each_name(line, |name| {
            if !origin.is_empty() {
                origin.push(' ');
            }
            mask_word(name, &mut Written { text: &mut origin, with_figures: false });
        });
        origin
    }

    /// The same as a number.
    pub(super) fn origin_hash(&self, line: &str) -> u64 {
        let mut hasher = Hasher::default();
        self.each_name(line, |name| hasher.bytes(name));
        hasher.finish()
    }

    /// The words without figures in the columns that name something.
    fn each_name(&self, line: &str, mut name: impl FnMut(&[u8])) {
        let bytes = line.as_bytes();
        let bytes = bytes.get(..MOST_BYTES).unwrap_or(bytes);
        let mut at = 0;
        for step in &self.steps {
            let Some(end) = step.after(bytes, at) else { continue };
            if matches!(step, Step::Level(_) | Step::Tag(_) | Step::Bars(_) | Step::Dotted | Step::Padded) {
                let words = bytes[at.min(end)..end].split(|b| b.is_ascii_whitespace() || *b == b'|');
                // A process number in brackets belongs to no name.
                let plain = |word| <[u8]>::split(word, |b| *b == b'[').next().unwrap_or_default();
                let bare = words.map(|word| if word.starts_with(b"[") { word } else { plain(word) });
                bare.filter(|word| word.iter().any(u8::is_ascii_alphabetic) && !word.iter().any(u8::is_ascii_digit))
                    .for_each(&mut name);
            }
            at = end;
        }
    }

    /// The next column, if nearly all lines have one.
    fn next(&self, cursors: &[(&[u8], usize)]) -> Option<Step> {
        let anchored = self.steps.iter().any(|step| matches!(step, Step::Stamp(_) | Step::Level(_)));
        let levelled = self.steps.iter().any(|step| matches!(step, Step::Level(_)));
        let tagged = self.steps.iter().any(|step| matches!(step, Step::Tag(_) | Step::Separator(1..)));
        let stamps = (0..6).map(Step::Stamp).filter(|_| !levelled && !tagged);
        let levels = (0..5).map(Step::Level).filter(|_| !levelled && !tagged);
        let bars = (1..6).rev().map(Step::Bars).filter(|_| anchored);
        let plain = [Step::Separator(0), Step::Number, Step::Bracket].into_iter().filter(|_| anchored);
        let tags = (0..3).map(Step::Tag).filter(|_| anchored && !tagged);
        let names = [Step::Dotted, Step::Padded, Step::Separator(1)].into_iter().filter(|_| anchored && !tagged);
        let mut steps = stamps.chain(levels).chain(bars).chain(plain).chain(tags).chain(names);
        let most = cursors.len() - (NEARLY_ALL * cursors.len() as f64).ceil() as usize;
        steps.find(|step| {
            let mut missing = cursors.iter().filter(|(line, at)| step.after(line, *at).is_none());
            most < cursors.len() && missing.nth(most).is_none()
        })
    }
}

impl Step {
    /// The place after this column, if it begins at `from`.
    fn after(self, line: &[u8], from: usize) -> Option<usize> {
        let at = skip_blanks(line, from);
        let skipped = |count: usize| (0..count).try_fold(at, |at, _| word_end(line, skip_blanks(line, at)));
        match self {
            Self::Stamp(skip) => stamp(line, skip_blanks(line, skipped(skip)?)),
            Self::Level(skip) => level(line, skip_blanks(line, skipped(skip)?)),
            Self::Tag(skip) => tag(line, skip_blanks(line, skipped(skip)?), skip > 0),
            Self::Separator(skip) => {
                let start = skip_blanks(line, skipped(skip)?);
                let end = word_end(line, start)?;
                line[start..end].iter().all(|b| matches!(b, b'-' | b'|' | b':' | b'>')).then_some(end)
            }
            Self::Bars(count) => bars(line, at, count),
            Self::Number => {
                let end = word_end(line, at)?;
                line[at..end].iter().all(u8::is_ascii_digit).then_some(end)
            }
            Self::Bracket => bracket_end(line, at),
            Self::Dotted => {
                let end = word_end(line, at)?;
                let name = &line[at..end];
                let dots = name.iter().filter(|b| **b == b'.').count();
                let plain = name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'-'));
                (dots >= 2 && plain && name[0].is_ascii_alphabetic() && name.last() != Some(&b'.')).then_some(end)
            }
            Self::Padded => {
                let end = word_end(line, at)?;
                let before = at.checked_sub(2).is_some_and(|i| line[i] == b' ' && line[i + 1] == b' ');
                (before && line.get(end..end + 2) == Some(b"  ")).then_some(end)
            }
        }
    }
}

fn skip_blanks(line: &[u8], from: usize) -> usize {
    from + line.get(from..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_whitespace()).count())
}

/// The end of the word that begins at `at`; what is in brackets is one word.
fn word_end(line: &[u8], at: usize) -> Option<usize> {
    let first = *line.get(at)?;
    if first == b'['
        && let Some(end) = bracket_end(line, at)
    {
        return Some(end);
    }
    let len = line[at..].iter().position(u8::is_ascii_whitespace).unwrap_or(line.len() - at);
    Some(at + len)
}

/// The place after the bracket that closes the one at `at`.
fn bracket_end(line: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in line.get(at..)?.iter().take(LONGEST_BRACKET).enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return (offset > 0).then_some(at + offset + 1);
        }
    }
    None
}

fn stamp(line: &[u8], at: usize) -> Option<usize> {
    let text = std::str::from_utf8(line.get(at..)?).unwrap_or_default();
    let stamp = leading_stamp(text)?;
    let end = at + stamp.len;
    // What follows directly is the rest of another word, unless it is punctuation.
    let punctuated = line.get(end).is_some_and(|b| matches!(b, b',' | b':' | b']'));
    let end = end + usize::from(punctuated);
    line.get(end).is_none_or(|b| b.is_ascii_whitespace() || *b == b'|').then_some(end)
}

fn level(line: &[u8], at: usize) -> Option<usize> {
    let end = word_end(line, at)?;
    let word = line[at..end].strip_suffix(b":").unwrap_or(&line[at..end]);
    let inside = match word {
        [b'[' | b'<' | b'(' | b'|', inside @ .., b']' | b'>' | b')' | b'|'] => inside,
        inside => inside,
    };
    // Apache names the module before the level.
    let inside = inside.rsplit(|b| *b == b':').next().unwrap_or(inside);
    let letter = matches!(inside, [b'V' | b'D' | b'I' | b'W' | b'E' | b'F']);
    (letter || word_level(inside.trim_ascii()).is_some()).then_some(end)
}

/// `name:` or `name[12]:`; where words were skipped to get there the sender may have put more of them before it.
fn tag(line: &[u8], at: usize, lenient: bool) -> Option<usize> {
    let mut start = at;
    for _ in 0..if lenient { 3 } else { 1 } {
        let end = word_end(line, start)?;
        let word = &line[start..end];
        if word.len() > 1 && word.last() == Some(&b':') {
            let plain = |b: &u8| !matches!(b, b'=' | b'"' | b',' | b';' | b'{' | b'}');
            return word.iter().all(plain).then_some(end);
        }
        start = skip_blanks(line, end);
    }
    None
}

/// The place after `count` bars that follow one another without a blank beside them.
fn bars(line: &[u8], from: usize, count: usize) -> Option<usize> {
    let mut at = from;
    for _ in 0..count {
        let len = line.get(at..)?.iter().position(|b| *b == b'|')?;
        if line[at..at + len].contains(&b' ') {
            return None;
        }
        at += len + 1;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_before_a_message_are_learnt_from_the_stream() {
        let streams = [
            "2026-03-04 05:06:07,123 INFO [till-#] town.kiosk.Orders: paid # coins",
            "Mar  4 05:06:07 mill till(pam_unix)[#]: paid # coins",
            "[Wed Mar 04 05:06:07 2026] [error] paid # coins",
            "20260304-5:6:7:1|Till|#|paid # coins",
            "- 1772600767 2026.03.04 R0#-M0 2026-03-04-05.06.07.123456 R0#-M0 TOWN TILL FATAL paid # coins",
            "03-04 05:06:07.123  1#2  # D TillService: paid # coins",
            "2026-03-04 05:06:07,123 - WARN  [Till[id=#]/0:0:Pay@3#] - paid # coins",
            "2026-03-04 05:06:07, Info                  TILL   paid # coins",
            "till.log.# 2026-03-04 05:06:07.123 # INFO town.kiosk.orders [req-# - -] paid # coins",
            "{\"message\":\"paid # coins\"}",
        ];
        for form in streams {
            let lines: Vec<String> = (0..40).map(|n: u32| form.replace('#', &n.to_string())).collect();
            let layout = Layout::learn(lines.iter().map(String::as_str));
            let message = &lines[7][layout.message(&lines[7])..];
            assert_eq!(message, if form.starts_with('{') { &lines[7] } else { "paid 7 coins" }, "{form}");
        }
    }

    #[test]
    fn what_only_some_lines_have_belongs_to_the_message() {
        let lines = ["[error] [client 10.0.0.1] door shut", "[error] door open", "[info] hinge: creaks"];
        let layout = Layout::learn(lines);
        assert_eq!(lines.map(|line| layout.message(line)), [8, 8, 7]);
        assert_eq!(Layout::learn([""]).message("é"), 0);
    }
}
