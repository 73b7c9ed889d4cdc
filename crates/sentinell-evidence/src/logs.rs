//! Logs: kinds of lines, and which of them are new, come more or less often, or stopped.

mod claim;
mod clock;
mod counts;
mod effort;
mod entry;
mod form;
mod groups;
mod hash;
mod header;
pub mod level;
mod lists;
mod mask;
mod merge;
pub mod miner;
mod parse;
mod saved;
mod score;
mod stream;
mod table;
pub mod timestamp;
mod variable;
mod word;

use crate::case::LogStream;
use crate::finding::{Fault, Finding, FindingKind, Window};
use crate::text::{bounded, quoted};
use claim::{Claim, claims};
pub use form::{Form, Forms};
pub use header::Layout;
pub use miner::{Limits, Miner, Template, TemplateRef};
pub use parse::{Parsed, parse};
pub use saved::Saved;
pub use stream::is_continuation;
use stream::{KindFacts, Sequence, time_of};
pub use timestamp::parse_timestamp;

/// Most points of a finding's chart.
const CHART_POINTS: i64 = 60;

/// What stands out in a stream, strongest first: kinds of line that are new, changed their rate, or stopped.
///
/// Compared with the stream's baseline if it has one, else across `onset` (Unix milliseconds), else the later part
/// with the earlier. Says nothing where the stream's own habits explain what is there.
pub fn analyze(stream: &LogStream, onset: Option<i64>) -> Vec<Finding> {
    let sequence = Sequence::of(stream, onset);
    claims(&sequence).iter().map(|claim| finding(stream, &sequence, claim)).collect()
}

fn finding(stream: &LogStream, sequence: &Sequence<'_>, claim: &Claim) -> Finding {
    let facts = &sequence.kinds[claim.kind as usize];
    let lines = || (0_usize..).zip(&sequence.order).filter(|(_, kind)| **kind == claim.kind).map(|(line, _)| line);
    let times: Vec<i64> = lines().filter_map(|line| time_of(sequence.lines[line])).collect();
    let (fault, specificity) = match claim.shape {
        FindingKind::LogVanished => (Fault::WentSilent, 3),
        FindingKind::LogRateChange => (Fault::RateChange, 3),
        _ => (Fault::NewError, if facts.weight() > 0.0 { 4 } else { 3 }),
    };
    Finding {
        subject: stream.subject.clone(),
        kind: claim.shape,
        fault: Some(fault),
        window: times.iter().min().zip(times.iter().max()).map(|(a, b)| Window { start_ms: *a, end_ms: *b }),
        strength: 1.0 - 0.5 * (-1.5 * (claim.ratio - 1.0)).exp(),
        specificity,
        summary: summary(claim, facts, lines().count()),
        source: format!("{}#{}", bounded(&stream.source, 200), facts.id),
        excerpt: Some(quoted(&sequence.lines[facts.first].text, 300)),
        points: chart(&times),
    }
}

fn summary(claim: &Claim, facts: &KindFacts, count: usize) -> String {
    let text = format!("{} {}", facts.origin, facts.text);
    let text = bounded(text.trim_start(), 200);
    let per = |rate: f64| format!("{rate:.1}");
    match claim.shape {
        FindingKind::LogVanished => {
            format!("stopped: {text} (was {} per 1,000 other lines)", per(claim.before))
        }
        FindingKind::LogRateChange => {
            let word = if claim.after > claim.before { "more often" } else { "less often" };
            let (before, after) = (per(claim.before), per(claim.after));
            format!("{word}: {text} ({before} per 1,000 other lines, now {after})")
        }
        _ => format!("new: {text} ({count} lines)"),
    }
}

/// Lines over time, in at most [`CHART_POINTS`] equal steps.
fn chart(times: &[i64]) -> Vec<(i64, f64)> {
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else { return Vec::new() };
    let step = (last.saturating_sub(*first) / CHART_POINTS).max(1).saturating_add(1);
    let mut points: Vec<(i64, f64)> = Vec::new();
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    for at in sorted {
        let slot = first.saturating_add(at.saturating_sub(*first) / step * step);
        match points.last_mut() {
            Some((last, count)) if *last == slot => *count += 1.0,
            _ => points.push((slot, 1.0)),
        }
    }
    points
}
