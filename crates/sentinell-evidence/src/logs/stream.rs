//! One stream as a sequence of kinds: traces joined, lines mined, times read, all of it bounded.

use super::level::{level_of, speaks_of_trouble};
use super::miner::{Miner, TemplateRef};
use super::timestamp::leading_stamp;
use crate::case::{Level, LogLine, LogStream};
use std::collections::BTreeMap;

/// Most lines of a stream that are compared, the latest; more would only slow the answer down.
const MOST_LINES: usize = 2_000_000;

/// Most kinds told apart by who wrote them; of further ones only the template counts.
const MOST_ORIGINS: usize = 8192;

/// What is known of one kind of line.
#[derive(Debug, Clone)]
pub(super) struct KindFacts {
    pub(super) id: String,
    /// Who wrote it and how loud, as the columns before the message tell.
    pub(super) origin: String,
    pub(super) text: String,
    pub(super) level: Option<Level>,
    /// Index of its first line in [`Sequence::lines`].
    pub(super) first: usize,
}

impl KindFacts {
    /// How much more a kind counts because of what it says, in the unit of the scores.
    pub(super) fn weight(&self) -> f64 {
        match self.level {
            Some(Level::Error | Level::Fatal) => 1.0,
            Some(Level::Warn) => 0.5,
            None | Some(Level::Info | Level::Debug) if speaks_of_trouble(&self.text) => 0.5,
            Some(Level::Debug) => -0.5,
            None | Some(Level::Info) => 0.0,
        }
    }
}

/// The stream's lines as kinds, oldest first, baseline before the rest.
#[derive(Debug, Default)]
pub(super) struct Sequence<'a> {
    /// One entry a line (a joined trace is one).
    pub(super) order: Vec<u32>,
    pub(super) times: Vec<Option<i64>>,
    pub(super) lines: Vec<&'a LogLine>,
    pub(super) kinds: Vec<KindFacts>,
    /// Where the time under suspicion begins, if that is known.
    pub(super) split: Option<usize>,
}

/// Whether a line goes on with the one before: an indented line, a stack frame, a cause.
pub fn is_continuation(text: &str) -> bool {
    let trimmed = text.trim_start();
    if trimmed.len() < text.len() {
        return !trimmed.is_empty() && leading_stamp(trimmed).is_none();
    }
    text.starts_with("at ") || text.starts_with("Caused by:") || text.starts_with("... ")
}

impl<'a> Sequence<'a> {
    /// Mines a stream. `onset` (Unix milliseconds) splits it where there is no baseline.
    pub(super) fn of(stream: &'a LogStream, onset: Option<i64>) -> Self {
        let mut sequence = Self::default();
        let texts = stream.baseline.iter().chain(&stream.lines).map(|line| first_line(&line.text));
        let mut miner = Miner::of_stream(texts);
        let mut refs = Vec::new();
        let skip = stream.lines.len().saturating_sub(MOST_LINES);
        for (part, lines) in [(0, &stream.baseline[..]), (1, &stream.lines[skip..])] {
            if part == 1 && !stream.baseline.is_empty() {
                sequence.split = Some(refs.len());
            }
            let mut head = false;
            for line in lines {
                if line.text.trim().is_empty() || (head && is_continuation(&line.text)) {
                    continue;
                }
                head = true;
                refs.push((miner.push(first_line(&line.text)), miner.layout().origin_hash(first_line(&line.text))));
                sequence.lines.push(line);
                sequence.times.push(line.at_ms.or_else(|| leading_stamp(&line.text).map(|s| s.at_ms)));
            }
        }
        if let Some(onset) = onset
            && sequence.split.is_none()
        {
            sequence.split =
                sequence.lines.iter().position(|l| time_of(l).is_some_and(|at| at >= onset)).filter(|at| *at > 0);
        }
        sequence.name(&miner, &refs);
        sequence
    }

    fn name(&mut self, miner: &Miner, refs: &[(TemplateRef, u64)]) {
        let mut dense: BTreeMap<(TemplateRef, u64), u32> = BTreeMap::new();
        for (at, (reference, origin)) in refs.iter().enumerate() {
            let canonical = miner.canonical(*reference);
            let known = (canonical, *origin);
            let known = if dense.len() < MOST_ORIGINS || dense.contains_key(&known) { known } else { (canonical, 0) };
            let next = u32::try_from(dense.len()).unwrap_or(u32::MAX);
            let kind = *dense.entry(known).or_insert(next);
            if kind == next {
                let template = miner.template(canonical);
                let level = self.lines[at].level.or_else(|| level_of(&self.lines[at].text));
                let origin = miner.layout().origin(first_line(&self.lines[at].text));
                self.kinds.push(KindFacts { id: template.id, origin, text: template.text, level, first: at });
            }
            self.order.push(kind);
        }
    }
}

fn first_line(text: &str) -> &str {
    text.split('\n').find(|part| !part.trim().is_empty()).unwrap_or(text)
}

/// A line's instant, where the source or the line tells it with its year.
pub(super) fn time_of(line: &LogLine) -> Option<i64> {
    line.at_ms.or_else(|| super::timestamp::parse_timestamp(&line.text))
}
