//! What a seed makes of a story.

use super::dice::Dice;
use crate::stories::saboteur::Commits;
use sentinell_sim::{Beat, HandMischief, Story, stories};
use std::fmt;

/// Something that somebody or something does at a moment, milliseconds after the trouble began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A person approves whatever waits, with the right hash or a wrong one.
    Approve { right: bool },
    /// A person rejects whatever waits.
    Reject,
    /// A person steers.
    Hint,
    /// A person takes over.
    Cancel,
    /// A person wants another try.
    Retry,
    /// A person says that it is over.
    Resolve,
    /// A person says that it was nothing.
    Dismiss,
    /// A person remarks.
    Note,
    /// A person says that two are one.
    Merge,
    /// A person says that one is two.
    Split,
    /// The worker at hand dies so many seams later, and so many of its successors as soon.
    Crash { seams: u32, again: u32 },
    /// The server starts anew: another store, other workers.
    Restart,
    /// The disk fails, so many calls later, for so many calls.
    Disk { first: u64, calls: u64, commits: Commits },
    /// The clock jumps.
    Jump(i64),
}

/// What people do about approvals in general.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Approve, so many seconds after being asked (1,800 is too late).
    Approves(i64),
    /// Reject.
    Rejects(i64),
    /// Nobody is there.
    Silent,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub story: Story,
    /// Alerts of other services about the same trouble: after so many seconds, from the n-th other service.
    pub coincidences: Vec<(u32, usize)>,
    pub habit: Habit,
    pub acts: Vec<(i64, Act)>,
    /// What the workers' clocks are wrong by, milliseconds.
    pub clocks: Vec<i64>,
    /// The first deed sleeps between its warrant and its effect for so long, milliseconds.
    pub stall: Option<i64>,
    /// Prints every entry at the end.
    pub loud: bool,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::of(seed, 1);
        let all = stories();
        let mut story = dice.pick(&all).clone();
        story.beats.extend(beats(&mut dice, story.beats[0].after));
        let coincidences = (0..dice.below(3)).map(|_| (60 + dice.below(400) as u32, dice.below(5) as usize)).collect();
        let habit = match dice.below(6) {
            0 => Habit::Rejects(dice.between(1, 120)),
            1 => Habit::Silent,
            2 => Habit::Approves(dice.between(1_700, 1_900)),
            _ => Habit::Approves(dice.between(1, 300)),
        };
        let mut acts: Vec<(i64, Act)> =
            (0..dice.below(8)).map(|_| (dice.between(60_000, 1_500_000), act(&mut dice))).collect();
        acts.sort_by_key(|(at, _)| *at);
        // Without a precondition in the world, a sleeper is only held by its deadline, and a deadline by honest clocks.
        let blind = story.mischief.blind || story.mischief.hand != HandMischief::Honest;
        let honest = blind && dice.one_in(2);
        if honest {
            acts.retain(|(_, act)| !matches!(act, Act::Jump(_)));
        }
        let stall = ((honest || !blind) && dice.one_in(4)).then(|| dice.between(1_000, 600_000));
        let apart = if honest { 0 } else { dice.between(-120_000, 120_000) };
        let clocks = if dice.one_in(3) { vec![0, apart] } else { vec![0] };
        Self { seed, story, coincidences, habit, acts, clocks, stall, loud: false }
    }
}

/// Storms, repetitions and flapping.
fn beats(dice: &mut Dice, first: u32) -> Vec<Beat> {
    let mut at = first;
    let mut delivery = 100;
    let mut beats = vec![];
    for _ in 0..dice.below(5) {
        at += dice.below(240) as u32;
        if !dice.one_in(4) {
            delivery += 1;
        }
        beats.push(Beat { after: at, firing: !dice.one_in(3), delivery });
    }
    beats
}

fn act(dice: &mut Dice) -> Act {
    let commits = if dice.one_in(2) { Commits::Unknown } else { Commits::Refused };
    match dice.below(22) {
        0 | 1 => Act::Approve { right: dice.one_in(2) },
        2 => Act::Reject,
        3 => Act::Hint,
        4 => Act::Cancel,
        5 => Act::Retry,
        6 => Act::Resolve,
        7 => Act::Dismiss,
        8 => Act::Note,
        9 => Act::Merge,
        10 => Act::Split,
        11..=13 => Act::Crash { seams: 1 + dice.below(40) as u32, again: 0 },
        // Sooner than anything can be written down: the third in a row is a dead letter.
        14 => Act::Crash { seams: 2 + dice.below(3) as u32, again: 1 + dice.below(4) as u32 },
        15 => Act::Restart,
        16 | 17 => Act::Disk { first: 1 + dice.below(60), calls: 1 + dice.below(6), commits },
        18 => Act::Disk { first: 1 + dice.below(200), calls: 1, commits },
        19 => Act::Jump(dice.between(60_000, 8 * 3_600_000)),
        20 => Act::Jump(-dice.between(1_000, 20 * 60_000)),
        _ => Act::Jump(-dice.between(1_000, 90_000)),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, story, coincidences, habit, clocks, stall, .. } = self;
        writeln!(f, "seed {seed}: {}, {:?}, clocks wrong by {clocks:?} ms, stall {stall:?} ms", story.name, habit)?;
        writeln!(f, "  mischief {:?}", story.mischief)?;
        for beat in &story.beats {
            let word = if beat.firing { "fires" } else { "is resolved" };
            writeln!(f, "  {:>7} s  the alert {word} (delivery {})", beat.after, beat.delivery)?;
        }
        for (after, who) in coincidences {
            writeln!(f, "  {after:>7} s  an alert of another service ({who})")?;
        }
        for (at, act) in &self.acts {
            writeln!(f, "  {:>7} s  {act:?}", at / 1000)?;
        }
        Ok(())
    }
}
