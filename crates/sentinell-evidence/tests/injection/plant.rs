//! How something is put into a file, or taken out of it.

use super::files::File;
use sentinell_evidence::finding::FindingKind;
use sentinell_evidence::logs::{Miner, TemplateRef, timestamp::leading_stamp};
use std::collections::BTreeMap;

/// Where each injection begins (share of the file) and how big it is: for a new kind the share of the file's
/// lines, for a rate the factor.
#[derive(Clone, Copy)]
pub struct Plan {
    pub shape: FindingKind,
    pub begins: f64,
    pub size: f64,
}

/// A file with something done to it, and the template that must be named.
pub struct Injected {
    pub lines: Vec<String>,
    pub shape: FindingKind,
    pub template: String,
    /// The line at which it begins.
    pub start: usize,
}

/// A small generator, the same in every run.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Plan {
    pub fn inject(&self, file: &File, dice: &mut Dice, seed: u64) -> Injected {
        let mut lines = file.lines.clone();
        let mut start = (lines.len() as f64 * self.begins) as usize;
        let named = if self.shape == FindingKind::LogNovelty {
            let count = (lines.len() as f64 * self.size).round() as usize;
            let wording = seed;
            scatter(&mut lines, start, (0..count).map(|_| new_line(dice, wording)).collect(), &mut Dice(seed ^ 77))
        } else {
            self.inject_known(&mut lines, &mut start, dice, seed)
        };
        let template = template_of(&lines, &named);
        Injected { lines, shape: self.shape, template, start }
    }

    /// Changes the rate of a steady kind, or stops it; gives one of its lines.
    fn inject_known(&self, lines: &mut Vec<String>, start: &mut usize, dice: &mut Dice, seed: u64) -> String {
        let steady = steady_kinds(lines);
        let is_kind: Box<dyn Fn(&str) -> bool> = if steady.is_empty() {
            *start += plant_heartbeat(lines, *start, dice);
            Box::new(|line: &str| line.contains("heartbeat of relay"))
        } else {
            let chosen = steady[(seed as usize) % steady.len().min(3)].clone();
            Box::new(move |line: &str| chosen.contains(line))
        };
        let start = *start;
        let named = lines.iter().find(|line| is_kind(line)).cloned().unwrap_or_default();
        if self.shape == FindingKind::LogVanished {
            let mut at = 0;
            lines.retain(|line| {
                at += 1;
                at <= start || !is_kind(line)
            });
        } else {
            let there: Vec<String> = lines[start..].iter().filter(|line| is_kind(line)).map(|l| body(l)).collect();
            let extra = ((self.size - 1.0) * there.len() as f64).round() as usize;
            let copies = (0..extra).map(|n| there[n % there.len()].clone()).collect();
            scatter(lines, start, copies, dice);
        }
        named
    }
}

/// Puts lines at random places from `start` on, each under the timestamp of the line before it; gives the last one.
fn scatter(lines: &mut Vec<String>, start: usize, bodies: Vec<String>, dice: &mut Dice) -> String {
    let mut named = String::new();
    for body in bodies {
        let at = start + dice.below(lines.len() - start) + 1;
        named = dressed(&lines[at - 1], &body);
        lines.insert(at, named.clone());
    }
    named
}

/// A line the file has never had: seeds alternate between a plain event and an error.
fn new_line(dice: &mut Dice, wording: u64) -> String {
    let (a, b) = (dice.below(9000) + 10, dice.below(90) + 10);
    match wording % 4 {
        0 => format!("ERROR ledger keeper lost lease {a} of shard {b}"),
        1 => format!("ledger keeper moved lease {a} to shard {b}"),
        2 => format!("WARN ledger keeper waits {a}ms for shard {b}"),
        _ => format!("INFO ledger.Keeper: compaction of segment {a} took {b} ms"),
    }
}

/// Plants a regular kind up to the end of the file, 2 % of its lines; gives how many came before `start`.
fn plant_heartbeat(lines: &mut Vec<String>, start: usize, dice: &mut Dice) -> usize {
    let mut at = lines.len() as f64;
    let mut before = 0;
    loop {
        at -= 50.0 * (0.67 + 0.66 * dice.unit());
        if at < 1.0 {
            return before;
        }
        let place = at as usize;
        let line =
            dressed(&lines[place - 1], &format!("heartbeat of relay {} at load {}", dice.below(7), dice.below(100)));
        lines.insert(place, line);
        before += usize::from(place <= start);
    }
}

/// A body under another line's timestamp (or its first word, where it has none).
fn dressed(neighbour: &str, body: &str) -> String {
    format!("{} {body}", neighbour[..head(neighbour)].trim_end())
}

fn body(line: &str) -> String {
    line[head(line)..].trim_start().to_owned()
}

fn head(line: &str) -> usize {
    leading_stamp(line).map_or_else(|| line.find(' ').unwrap_or(0), |stamp| stamp.len)
}

/// The lines of each steady kind, calmest kind first.
fn steady_kinds(lines: &[String]) -> Vec<std::collections::BTreeSet<String>> {
    const WINDOWS: usize = 20;
    let mut miner = Miner::of_stream(lines.iter().map(String::as_str));
    let refs: Vec<TemplateRef> = lines.iter().map(|line| miner.push(line)).collect();
    let mut windows: BTreeMap<TemplateRef, [f64; WINDOWS]> = BTreeMap::new();
    for (at, kind) in refs.iter().enumerate() {
        windows.entry(miner.canonical(*kind)).or_default()[at * WINDOWS / lines.len()] += 1.0;
    }
    let mut steady: Vec<(f64, TemplateRef)> = Vec::new();
    for (kind, counts) in &windows {
        let mean = counts.iter().sum::<f64>() / WINDOWS as f64;
        let share = mean * WINDOWS as f64 / lines.len() as f64;
        let there = counts.iter().filter(|count| **count > 0.0).count();
        let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / WINDOWS as f64;
        if (0.015..=0.3).contains(&share) && there * 5 >= WINDOWS * 4 {
            steady.push((variance / mean, *kind));
        }
    }
    steady.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut kinds = Vec::new();
    for (_, kind) in steady {
        let own = refs.iter().zip(lines).filter(|(r, _)| miner.canonical(**r) == kind);
        kinds.push(own.map(|(_, line)| line.clone()).collect());
    }
    kinds
}

/// The id of the kind a line belongs to, once all lines are known.
fn template_of(lines: &[String], named: &str) -> String {
    let mut miner = Miner::of_stream(lines.iter().map(String::as_str));
    let refs: Vec<TemplateRef> = lines.iter().map(|line| miner.push(line)).collect();
    let at = lines.iter().position(|line| line == named).unwrap_or(0);
    miner.template(miner.canonical(refs[at])).id
}
