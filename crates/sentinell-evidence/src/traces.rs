//! Traces: where requests lose their time, and where they take another turn than they used to.

mod delay;
mod lines;
mod share;
mod story;
mod tree;
mod watch;

use crate::case::Case;
use crate::finding::{Entity, EntityKind, Fault, Finding, FindingKind, Gap, Window};
use crate::graph::{Graph, component};
use crate::text::bounded;
use delay::Slow;
use std::collections::BTreeSet;
use story::{BEGIN, Stories, Turn};
pub(crate) use tree::Forest;
use tree::Phase;
pub(crate) use watch::measured;

/// What traces tell.
#[derive(Debug, Default)]
pub struct Seen {
    /// What stands out.
    pub findings: Vec<Finding>,
    /// Who calls whom.
    pub calls: Vec<(Entity, Entity)>,
    /// What could not be told.
    pub gaps: Vec<Gap>,
}

/// Compares the requests that began before `onset` (Unix milliseconds) with those since.
///
/// Says where time is lost (own work, or the way between two components), and what a component no longer does, or does
/// anew, with the requests that reach it; of components that call each other, the deepest change explains the others.
pub fn analyze(case: &Case, onset: Option<i64>) -> Seen {
    compare(case, Forest::of(&case.spans), onset)
}

/// The same with the spans put in order already.
pub(crate) fn compare(case: &Case, mut forest: Forest<'_>, onset: Option<i64>) -> Seen {
    if case.spans.is_empty() {
        return Seen::default();
    }
    forest.split(onset.unwrap_or(i64::MAX));
    let calls = forest.calls();
    let none = |phases: &[Phase]| phases.iter().all(|phase| forest.count(*phase) == 0);
    let missing = match onset {
        None => Some("when it began is not known"),
        Some(_) if none(&[Phase::Earlier, Phase::Before]) => Some("none began before the onset"),
        Some(_) if none(&[Phase::After]) => Some("none began since the onset"),
        Some(_) => None,
    };
    if let Some(why) = missing {
        let gaps = vec![Gap { what: "traces".to_owned(), why: why.to_owned() }];
        return Seen { findings: Vec::new(), calls, gaps };
    }
    let delays = delay::delays(&forest);
    let mut findings: Vec<Finding> = delays.slow.iter().map(|slow| slowed(&forest, slow)).collect();
    let mut stories = story::turns(&forest, &case.logs);
    explain(&forest, &calls, &mut stories.turns);
    let clear = stories.turns.iter().filter(|turn| turn.score >= 1.0);
    findings.extend(clear.map(|turn| turned(&forest, &stories, turn)));
    let turned = |who: u32| stories.turns.iter().any(|turn| turn.component == who && turn.score >= 1.0);
    for steady in &delays.steady {
        let summary = format!("its requests take as long as before ({:.0} measured)", steady.measured);
        let strength = steady.measured / (steady.measured + 10.0);
        let whole = steady.throughout && !turned(steady.component);
        findings.extend(against(&forest.components[steady.component as usize], whole, strength, &summary));
    }
    findings.extend(aside(case, &forest));
    for finding in &mut findings {
        finding.window = onset.map(|at| Window { start_ms: at, end_ms: at });
    }
    Seen { findings, calls, gaps: Vec::new() }
}

/// A component that takes another turn just in those requests in which one it depends on does is only following.
fn explain(forest: &Forest<'_>, calls: &[(Entity, Entity)], turns: &mut [Turn]) {
    let graph = Graph::new(calls);
    let scores: Vec<f64> = turns.iter().map(|turn| turn.score).collect();
    for at in 0..turns.len() {
        let mut explained = 0.0_f64;
        for (callee, _) in graph.dependencies(&forest.components[turns[at].component as usize]) {
            let causes = turns
                .iter()
                .zip(&scores)
                .filter(|(turn, score)| **score >= 1.0 && forest.components[turn.component as usize] == *callee);
            for (cause, score) in causes {
                let shared = turns[at].traces.intersection(&cause.traces).count() as f64;
                let share = shared / turns[at].traces.len().max(1) as f64;
                explained = explained.max(share * (score / scores[at]).min(1.0));
            }
        }
        turns[at].score *= 1.0 - 0.9 * explained;
    }
}

/// Two thirds at odds of 20 to 1, towards 1 beyond.
fn strength(score: f64) -> f64 {
    (score / (score + 1.5)).min(0.98)
}

fn finding(subject: Entity, fault: Fault, score: f64, specificity: u8, summary: String) -> Finding {
    Finding {
        subject,
        kind: FindingKind::TraceChange,
        fault: Some(fault),
        window: None,
        strength: strength(score),
        specificity,
        summary,
        source: "traces".to_owned(),
        excerpt: None,
        points: Vec::new(),
    }
}

/// What no traced request passes through is not what traced requests suffer from.
fn aside(case: &Case, forest: &Forest<'_>) -> Vec<Finding> {
    let measured: BTreeSet<Entity> = case.metrics.iter().map(|series| component(&series.subject)).collect();
    let since: BTreeSet<u32> =
        forest.nodes.iter().filter(|node| forest.phase(node) == Phase::After).map(|node| node.component).collect();
    let passed: BTreeSet<&Entity> = since.iter().map(|who| &forest.components[*who as usize]).collect();
    let aside = measured.into_iter().filter(|who| who.kind == EntityKind::Service && !passed.contains(who));
    aside.flat_map(|who| against(&who, true, 0.8, "none of the traced requests since passes through it")).collect()
}

/// Speaks against what would disturb requests: a slow network and, where the `whole` component is as it was, an
/// anomaly of no particular kind.
fn against(who: &Entity, whole: bool, strength: f64, summary: &str) -> Vec<Finding> {
    let faults = if whole { &[Fault::NetworkDelay, Fault::MetricAnomaly][..] } else { &[Fault::NetworkDelay] };
    let healthy = |fault: &Fault| Finding {
        kind: FindingKind::Healthy,
        strength: strength.min(0.95),
        ..finding(who.clone(), *fault, 0.0, 5, summary.to_owned())
    };
    faults.iter().map(healthy).collect()
}

fn slowed(forest: &Forest<'_>, slow: &Slow) -> Finding {
    let subject = forest.components[slow.component as usize].clone();
    let times = format!("{} usually, {} since", duration(slow.usual_us), duration(slow.now_us));
    let (touched, all) = slow.neighbours;
    let (fault, what) = match slow.own {
        true if touched > 0 => (Fault::CpuOverload, "its own work and the way to it take longer"),
        true => (Fault::SlowWork, "its own work takes longer"),
        false => (Fault::NetworkDelay, "requests to it lose time on the way, not in its own work"),
    };
    let shares = format!("{} slow before, {} since", of(slow.before), of(slow.after));
    let summary = format!("{what}: {times} ({shares}; {touched} of {all} neighbours)");
    finding(subject, fault, slow.score, 8, summary)
}

fn turned(forest: &Forest<'_>, stories: &Stories, turn: &Turn) -> Finding {
    let subject = forest.components[turn.component as usize].clone();
    let text = |step: u32| tail(&stories.steps[step as usize].text, 90);
    let context = bounded(forest.operation(turn.context), 80);
    let after =
        if turn.after_step == BEGIN { String::new() } else { format!(" after “{}”", text(turn.after_step)) };
    let trouble = stories.steps[turn.step as usize].trouble;
    let (before, now) = (of(turn.before), of(turn.after));
    let (fault, say) = match (turn.stopped, trouble) {
        (true, _) => (Fault::WorkCutShort, format!("{context}: “{}” no longer follows{after}", text(turn.step))),
        (false, true) => (Fault::RequestsFail, format!("{context}: “{}” is new{after}", text(turn.step))),
        (false, false) => (Fault::WorkCutShort, format!("{context}: “{}” instead{after}", text(turn.step))),
    };
    let specificity = if turn.stopped || trouble { 8 } else { 4 };
    finding(subject, fault, turn.score, specificity, format!("{say} (in {before} before, {now} since)"))
}

/// The end of a text: lines begin alike and differ in what they come to say.
fn tail(text: &str, most: usize) -> String {
    let skip = text.chars().count().saturating_sub(most);
    let rest: String = text.chars().skip(skip).collect();
    if skip == 0 { rest } else { format!("…{rest}") }
}

fn of(share: share::Share) -> String {
    format!("{:.0} of {:.0}", share.k, share.n)
}

fn duration(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e6 => format!("{:.1} ms", us / 1e3),
        us => format!("{:.1} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests;
