//! Log lines put into the requests in which they were written.

use super::story::Step;
use super::tree::{Forest, index, key};
use crate::case::{Level, LogLine, LogStream};
use crate::logs::level::level_of;
use crate::logs::{Miner, TemplateRef, parse_timestamp};
use crate::text::bounded;
use std::collections::BTreeMap;

/// Most lines that are joined.
const MOST_LINES: usize = 300_000;

/// How many entries of one component in one trace are tried for a line.
const MOST_TRIED: usize = 32;

/// Log clocks tell milliseconds.
const BLUR_US: i64 = 1000;

/// A line in its place: entry, microseconds, component, kind.
struct Placed<'a> {
    entry: u32,
    at_us: i64,
    who: u32,
    kind: TemplateRef,
    line: &'a LogLine,
}

/// Adds the lines of traces as steps: one a kind and component, and one event a line.
pub(super) fn lines(
    forest: &Forest<'_>,
    streams: &[LogStream],
    steps: &mut Vec<Step>,
    events: &mut Vec<(u32, i64, u32)>,
) {
    let entries = Entries::of(forest);
    let mut miners: BTreeMap<u32, Miner> = BTreeMap::new();
    let mut placed: Vec<Placed<'_>> = Vec::new();
    for stream in streams {
        let Some(who) = forest.known(&stream.subject) else { continue };
        let miner = miners.entry(who).or_default();
        for line in stream.baseline.iter().chain(&stream.lines) {
            let Some(trace) = line.trace.as_deref().filter(|_| placed.len() < MOST_LINES) else { continue };
            let at_us = line.at_ms.or_else(|| parse_timestamp(&line.text)).map(|at| at.saturating_mul(1000));
            if let Some((entry, at_us)) = entries.find(forest, key(&[trace]), who, at_us) {
                let kind = miner.push(first_line(&line.text));
                placed.push(Placed { entry, at_us, who, kind, line });
            }
        }
    }
    let mut templates: BTreeMap<(u32, TemplateRef, u64), u32> = BTreeMap::new();
    let mut kinds: BTreeMap<(u32, String), u32> = BTreeMap::new();
    for Placed { entry, at_us, who, kind, line } in placed {
        let Some(miner) = miners.get(&who) else { continue };
        let kind = miner.canonical(kind);
        let site = site(&line.text);
        let step = *templates.entry((who, kind, site.map_or(0, |site| key(&[site])))).or_insert_with(|| {
            let text = flat(&miner.template(kind).text);
            let name = site.map_or_else(|| text.clone(), str::to_owned);
            let level = line.level.or_else(|| level_of(&line.text));
            let trouble = matches!(level, Some(Level::Error | Level::Fatal));
            *kinds.entry((who, name)).or_insert_with(|| {
                steps.push(Step { text: bounded(&text, 240), trouble, line_of: Some(who) });
                index(steps.len() - 1)
            })
        });
        events.push((entry, at_us, step));
    }
}

/// How far into a line the place it was written at is looked for.
const HEAD: usize = 200;

/// Endings of source files that are followed by a line's number.
const SOURCES: [&str; 15] =
    [".c", ".cc", ".cpp", ".cs", ".ex", ".go", ".java", ".js", ".kt", ".php", ".py", ".rb", ".rs", ".scala", ".ts"];

/// Where in the code a line says it was written (`Class#31`, `file.go:31`): that place is its kind, whatever it prints.
fn site(text: &str) -> Option<&str> {
    let head = text.get(..HEAD).unwrap_or(text);
    let words =
        head.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '"' | ',' | '<' | '>' | '='));
    words.into_iter().find(|word| {
        let number = |part: &str| (1..=5).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        let class = word.rsplit_once('#').filter(|(_, line)| number(line)).map(|(class, _)| class);
        let file = word.trim_end_matches(':').rsplit_once(':').filter(|(_, line)| number(line)).map(|(file, _)| file);
        class.is_some_and(|class| class.bytes().filter(u8::is_ascii_alphabetic).count() >= 3)
            || file.is_some_and(|file| SOURCES.iter().any(|ending| file.ends_with(ending)))
    })
}

/// A kind without what is nested in brackets within brackets: lists and objects that were printed are data, and their
/// length is no other kind of line.
fn flat(text: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        depth = if matches!(c, ')' | ']' | '}') { depth.saturating_sub(1) } else { depth };
        if depth < 2 {
            out.push(c);
        }
        depth += usize::from(matches!(c, '(' | '[' | '{'));
    }
    out
}

fn first_line(text: &str) -> &str {
    text.split('\n').find(|part| !part.trim().is_empty()).unwrap_or(text)
}

/// Where components were entered: trace, component, beginning, node.
struct Entries(Vec<(u32, u32, i64, u32)>);

impl Entries {
    fn of(forest: &Forest<'_>) -> Self {
        let entries = (0_u32..).zip(&forest.nodes).filter(|(at, _)| forest.is_entry(*at));
        let mut entries: Vec<_> =
            entries.map(|(at, node)| (node.trace, node.component, node.span.start_us, at)).collect();
        entries.sort_unstable();
        Self(entries)
    }

    /// The share of a trace in which a component wrote something at a time: the one begun last that was not over.
    fn find(&self, forest: &Forest<'_>, trace: u64, who: u32, at_us: Option<i64>) -> Option<(u32, i64)> {
        let trace = index(forest.traces.binary_search_by_key(&trace, |known| known.key).ok()?);
        let from = self.0.partition_point(|entry| (entry.0, entry.1) < (trace, who));
        let own = &self.0[from..];
        let own = &own[..own.partition_point(|entry| (entry.0, entry.1) == (trace, who))];
        let at_us = at_us.or_else(|| own.first().map(|first| first.2))?;
        let begun = own.partition_point(|entry| entry.2 <= at_us.saturating_add(BLUR_US));
        let open = own[..begun].iter().rev().take(MOST_TRIED).find(|entry| {
            let span = forest.nodes[entry.3 as usize].span;
            span.start_us.saturating_add(span.duration_us.max(0)).saturating_add(BLUR_US) >= at_us
        });
        let entry = open.or_else(|| own[..begun].last()).or_else(|| own.first())?;
        Some((entry.3, at_us))
    }
}
