//! When it began. Every series has its own opinion; where they gather is the onset.
//!
//! A told onset is a hint: an alert comes minutes after the trouble, people round, clocks differ. The time around it is
//! searched for the division of all series that most components agree on (the sum of rank statistics over series at one
//! common division: Lung-Yut-Fong, Lévy-Leduc and Cappé 2011), and only clear agreement overrules what was told.

mod channel;
pub(crate) mod ranks;
mod scan;
mod vote;

use crate::case::{LogLine, LogStream};
use crate::finding::Window;
pub(crate) use channel::{Channel, channels};

/// Alerts wait before they fire, and are read later still: trouble is looked for so long before what was told.
const EARLIER_MS: i64 = 300_000;

/// What was told is rarely too early: rounding and clocks.
const LATER_MS: i64 = 300_000;

/// So many sampling steps are looked at in any case: with rows every five minutes an onset is told to a row or two.
const STEPS: i64 = 2;

/// When it began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Onset {
    /// Where the time before is divided from the time since, Unix milliseconds.
    pub(crate) at_ms: i64,
    /// Between these two instants.
    pub(crate) window: Window,
    /// The data show it; otherwise it is only told.
    pub(crate) found: bool,
    /// How far those that changed agree on it, 0 to 1. What somebody told stands.
    pub(crate) agreed: f64,
}

impl Onset {
    fn found(window: Window, agreed: f64) -> Self {
        Self { at_ms: window.end_ms, window, found: true, agreed }
    }

    fn told(at: i64) -> Self {
        Self { at_ms: at, window: Window { start_ms: at, end_ms: at }, found: false, agreed: 1.0 }
    }
}

/// The onset as the channels show it: near the one that was told, or anywhere; none if nothing gathers.
pub(crate) fn settle(told: Option<i64>, channels: &[Channel<'_>]) -> Option<Onset> {
    let Some(told) = told else {
        let (rough, together) = scan::rough(channels)?;
        let step = channel::step(channels);
        let reach = EARLIER_MS.max(step.saturating_mul(STEPS));
        let around = (rough.saturating_sub(reach), rough.saturating_add(reach));
        let found = vote::gather(channels, around, None).map(|agreed| (agreed.window, agreed.share()));
        let alone = (Window { start_ms: rough.saturating_sub(step), end_ms: rough }, 0.0);
        let (window, share) = found.unwrap_or(alone);
        return Some(Onset::found(window, together.max(share)));
    };
    let reach = channel::step(channels).saturating_mul(STEPS);
    let around = (told.saturating_sub(EARLIER_MS.max(reach)), told.saturating_add(LATER_MS.max(reach)));
    let Some(agreed) = vote::gather(channels, around, Some(told)) else { return Some(Onset::told(told)) };
    let inside = told > agreed.window.start_ms && told <= agreed.window.end_ms;
    if inside || !agreed.overrules(told) {
        return Some(Onset::told(told));
    }
    Some(Onset::found(agreed.window, 1.0))
}

/// A stream divided at an onset that was found, where it was divided elsewhere: what came before is what is usual.
pub(crate) fn resplit(stream: &LogStream, at_ms: i64) -> Option<LogStream> {
    let before = |line: &&LogLine| line.at_ms.is_some_and(|at| at < at_ms);
    let since = |line: &&LogLine| line.at_ms.is_some_and(|at| at >= at_ms);
    if stream.baseline.is_empty()
        || !stream.lines.iter().any(|line| before(&line)) && !stream.baseline.iter().any(|line| since(&line))
    {
        return None;
    }
    let known = stream.baseline.iter().filter(|line| !since(line));
    let late = stream.baseline.iter().filter(since);
    let early = stream.lines.iter().filter(before);
    let rest = stream.lines.iter().filter(|line| !before(line));
    Some(LogStream {
        subject: stream.subject.clone(),
        source: stream.source.clone(),
        baseline: known.chain(early).cloned().collect(),
        lines: late.chain(rest).cloned().collect(),
    })
}

#[cfg(test)]
mod tests;
