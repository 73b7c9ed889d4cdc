//! What a component does with a request: steps, calls and log lines in their order, and which of them stopped or are new.
//!
//! A step is judged only by requests that came as far as the step before it: what a callee never hears of is not the
//! callee's change, and what a caller leaves out because of an answer shows in who answered first. (Nezha, Yu et al.,
//! FSE 2023, compares patterns of events of traces and logs joined; here they are conditional, and counted by request.)

use super::lines::lines;
use super::share::{Share, broke, broke_from};
use super::tree::{Forest, Phase, index};
use std::collections::{BTreeMap, BTreeSet};

/// Most steps of one share of a request.
const MOST_STEPS: usize = 400;

/// Most successions of one operation, and of one step.
const MOST_PAIRS: usize = 2000;
const MOST_NEXT: usize = 64;

/// Most changes that are compared with each other.
const MOST_TURNS: usize = 100;

/// A new step that is no error is at most the other side of one that stopped.
const NEW_BUT_FINE: f64 = 0.25;

/// Where every share of a request begins.
pub(super) const BEGIN: u32 = u32::MAX;

/// What a step is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// As it is told to a person: an operation, or a kind of log line.
    pub(super) text: String,
    /// It says that something failed.
    pub(super) trouble: bool,
    /// The component whose log it is, if it is a line.
    pub(super) line_of: Option<u32>,
}

/// One component's share of one request.
#[derive(Debug)]
struct Story {
    trace: u32,
    steps: Vec<u32>,
    /// Without a step that says that something failed.
    healthy: bool,
    /// One over the number of such shares in the trace, so that a trace counts once.
    weight: f64,
}

/// A change of what follows a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turn {
    pub(super) component: u32,
    /// The operation it was entered by.
    pub(super) context: u32,
    pub(super) after_step: u32,
    pub(super) step: u32,
    /// It stopped; otherwise it is new.
    pub(super) stopped: bool,
    pub(super) score: f64,
    pub(super) before: Share,
    pub(super) after: Share,
    /// Traces since the onset in which it is so.
    pub(super) traces: BTreeSet<u32>,
}

/// All steps and what changed about them, the clearest change of a component first.
pub(super) struct Stories {
    pub(super) steps: Vec<Step>,
    pub(super) turns: Vec<Turn>,
}

/// What changed in what components do; `streams` are joined by trace.
pub(super) fn turns(forest: &Forest<'_>, streams: &[crate::case::LogStream]) -> Stories {
    let (steps, told) = tell(forest, streams);
    let logged = logged(forest, &steps, &told);
    let mut turns: Vec<Turn> = Vec::new();
    for (context, stories) in &told {
        let phases: Vec<Phase> = stories.iter().map(|story| forest.traces[story.trace as usize].phase).collect();
        if !phases.contains(&Phase::After) || phases.iter().all(|phase| *phase == Phase::After) {
            continue;
        }
        turns.extend(changed(forest, *context, stories, &phases, &steps, &logged));
    }
    turns.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then((a.context, a.after_step, a.step).cmp(&(b.context, b.after_step, b.step)))
    });
    // Of one component the clearest, and the clearest that speaks of another step.
    let mut kept: Vec<Turn> = Vec::new();
    for turn in turns {
        let own: Vec<&Turn> = kept.iter().filter(|other| other.component == turn.component).collect();
        if own.len() < 2 && own.iter().all(|other| (other.step, other.stopped) != (turn.step, turn.stopped)) {
            kept.push(turn);
        }
        if kept.len() >= MOST_TURNS {
            break;
        }
    }
    for turn in &mut kept {
        let stories = told.get(&turn.context).map_or(&[][..], Vec::as_slice);
        turn.traces = traces(forest, stories, turn);
    }
    Stories { steps, turns: kept }
}

type Told = BTreeMap<u32, Vec<Story>>;

/// The steps of every share of every request, by the operation it was entered by.
fn tell(forest: &Forest<'_>, streams: &[crate::case::LogStream]) -> (Vec<Step>, Told) {
    let mut steps: Vec<Step> = forest
        .works
        .iter()
        .map(|(_, operation)| Step { text: (*operation).to_owned(), trouble: false, line_of: None })
        .collect();
    let failed = steps.len();
    steps.extend(forest.works.iter().map(|(_, operation)| Step {
        text: format!("{operation} fails"),
        trouble: true,
        line_of: None,
    }));
    // (entry, time, step)
    let mut events: Vec<(u32, i64, u32)> = Vec::new();
    for (at, node) in (0_u32..).zip(&forest.nodes) {
        if !forest.is_entry(at) {
            events.push((node.entry, node.span.start_us, node.work));
        } else if let Some(parent) = node.parent {
            // By the caller's clock.
            let parent = &forest.nodes[parent as usize];
            events.push((parent.entry, parent.span.start_us.saturating_add(1), node.work));
        }
        if node.span.failed {
            let end = node.span.start_us.saturating_add(node.span.duration_us.max(0));
            events.push((node.entry, end, node.work + index(failed)));
        }
    }
    lines(forest, streams, &mut steps, &mut events);
    events.sort_unstable();
    let mut told = Told::new();
    let mut events = events.into_iter().peekable();
    for (at, node) in (0_u32..).zip(&forest.nodes).filter(|(at, _)| forest.is_entry(*at)) {
        let mut story = Story { trace: node.trace, steps: Vec::new(), healthy: true, weight: 1.0 };
        while let Some((_, _, step)) = events.next_if(|(entry, _, _)| *entry <= at) {
            story.healthy &= !steps[step as usize].trouble;
            if story.steps.len() < MOST_STEPS {
                story.steps.push(step);
            }
        }
        told.entry(node.work).or_default().push(story);
    }
    for stories in told.values_mut() {
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        stories.iter().for_each(|story| *counts.entry(story.trace).or_default() += 1);
        for story in stories {
            story.weight = 1.0 / f64::from(counts.get(&story.trace).copied().unwrap_or(1));
        }
    }
    (steps, told)
}

/// In which phases a component's log was read at all: `[component][phase]`.
fn logged(forest: &Forest<'_>, steps: &[Step], told: &Told) -> Vec<[bool; 3]> {
    let mut logged = vec![[false; 3]; forest.components.len()];
    for story in told.values().flatten() {
        let phase = forest.traces[story.trace as usize].phase as usize;
        for who in story.steps.iter().filter_map(|step| steps[*step as usize].line_of) {
            logged[who as usize][phase] = true;
        }
    }
    logged
}

/// Counts of one succession by phase: of all requests, and of those without trouble.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    all: [Share; 3],
    healthy: [Share; 3],
}

fn changed(
    forest: &Forest<'_>,
    context: u32,
    stories: &[Story],
    phases: &[Phase],
    steps: &[Step],
    logged: &[[bool; 3]],
) -> Vec<Turn> {
    let mut next: BTreeMap<u32, BTreeMap<u32, Count>> = BTreeMap::new();
    let mut pairs = 0;
    for story in stories {
        let before = std::iter::once(BEGIN).chain(story.steps.iter().copied());
        for (step, then) in before.zip(&story.steps) {
            let known = next.entry(step).or_default();
            if pairs < MOST_PAIRS && known.len() < MOST_NEXT && !known.contains_key(then) {
                known.insert(*then, Count::default());
                pairs += 1;
            }
        }
    }
    for (story, phase) in stories.iter().zip(phases) {
        follow(story, |step, happens| {
            let Some(known) = next.get_mut(&step) else { return };
            for (then, count) in known {
                let hit = happens(*then);
                count.all[*phase as usize].add(hit, story.weight);
                if story.healthy {
                    count.healthy[*phase as usize].add(hit, story.weight);
                }
            }
        });
    }
    let component = forest.works[context as usize].0;
    let all = next.iter().flat_map(|(step, known)| known.iter().map(move |(then, count)| (*step, *then, count)));
    let turns = all.filter_map(|(after_step, step, count)| {
        let told = &steps[step as usize];
        let read = told.line_of.map_or([true; 3], |who| logged[who as usize]);
        let (stopped, score, before) = judge(count, told.trouble, read)?;
        let (after, traces) = (count.all[2], BTreeSet::new());
        Some(Turn { component, context, after_step, step, stopped, score, before, after, traces })
    });
    turns.filter(|turn| turn.score >= 1.0).collect()
}

/// Calls `with` for the beginning and for every step of a story, with what tells whether a step comes after it.
fn follow(story: &Story, mut with: impl FnMut(u32, &dyn Fn(u32) -> bool)) {
    let mut last: Vec<(u32, usize)> = story.steps.iter().copied().zip(0..).collect();
    last.sort_unstable();
    let position = |step: u32| {
        let after = last.partition_point(|(other, _)| *other <= step);
        after.checked_sub(1).map(|at| last[at]).filter(|(other, _)| *other == step).map(|(_, at)| at)
    };
    with(BEGIN, &|then| position(then).is_some());
    let mut seen: BTreeSet<u32> = BTreeSet::new();
    for (at, step) in story.steps.iter().enumerate() {
        if seen.insert(*step) {
            with(*step, &|then| position(then).is_some_and(|last| last > at));
        }
    }
}

/// Whether a step stopped, how surely, and what it was like before. Requests that failed are no measure of what is
/// usual; a failure that stops is no fault.
fn judge(count: &Count, trouble: bool, read: [bool; 3]) -> Option<(bool, f64, Share)> {
    let only = |share: Share, read: bool| if read { share } else { Share::default() };
    let after = only(count.all[2], read[2]);
    let usual = |from: &[Share; 3]| (only(from[0], read[0]), only(from[1], read[1]));
    let (earlier, before) = usual(&count.healthy);
    let (earlier_all, before_all) = usual(&count.all);
    if after.n <= 0.0 || earlier_all.n + before_all.n <= 0.0 {
        return None;
    }
    let healthy = earlier.plus(before);
    if healthy.n > 0.0 && after.value() < healthy.value() {
        let lost = earlier.value().max(healthy.value()) - after.value();
        return (!trouble).then(|| (true, lost * broke_from(earlier, before, after), healthy));
    }
    let all = earlier_all.plus(before_all);
    if after.value() <= all.value() {
        return None;
    }
    let clearest = broke_from(earlier_all, before_all, after).max(broke(earlier_all, after));
    let usual = if earlier_all.n > 0.0 { earlier_all.value().min(all.value()) } else { all.value() };
    let score = (after.value() - usual) * clearest;
    Some((false, if trouble { score } else { NEW_BUT_FINE * score }, all))
}

/// The traces since the onset in which a turn was taken.
fn traces(forest: &Forest<'_>, stories: &[Story], turn: &Turn) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for story in stories.iter().filter(|story| forest.traces[story.trace as usize].phase == Phase::After) {
        follow(story, |step, happens| {
            if step == turn.after_step && happens(turn.step) != turn.stopped {
                found.insert(story.trace);
            }
        });
    }
    found
}
