//! Labels, and the four measures of how well they are met.

use crate::index::Truth;
use crate::table::ratio;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

/// What a person said about every line.
pub(super) struct Labels {
    /// The event a line belongs to, as first published.
    events: Vec<String>,
    /// The line's template, as corrected later.
    templates: Vec<String>,
}

impl Labels {
    /// Reads the two label files of a system.
    pub(super) fn read(data: &Path, truth: &Truth) -> Result<Self> {
        let column = |file: &str, name: &str| {
            let file = truth.text(file).with_context(|| format!("no {file}"))?;
            column(&data.join(file), name).with_context(|| format!("reading {file}"))
        };
        Ok(Self { events: column("structured", "EventId")?, templates: column("corrected", "EventTemplate")? })
    }
}

fn column(path: &Path, name: &str) -> Result<Vec<String>> {
    let mut reader = csv::Reader::from_path(path)?;
    let at = reader.headers()?.iter().position(|head| head == name).with_context(|| format!("no column {name}"))?;
    let field = |row: csv::Result<csv::StringRecord>| -> Result<String> {
        Ok(row?.get(at).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
    };
    reader.records().map(field).collect()
}

/// How well the labels are met, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Marks {
    /// Share of lines whose group is exactly the labelled one.
    grouping: f64,
    /// Harmonic mean of precision and recall over groups.
    groups: f64,
    /// Share of lines with exactly the labelled template.
    parsing: f64,
    /// Harmonic mean of precision and recall over templates.
    templates: f64,
}

impl Marks {
    /// Grades the groups and templates given to the lines.
    pub(super) fn of(labels: &Labels, groups: &[usize], templates: &[&str]) -> Result<Self> {
        let lines = groups.len();
        ensure!(labels.events.len() == lines && labels.templates.len() == lines, "as many labels as lines");
        let events: Vec<&str> = labels.events.iter().map(String::as_str).collect();
        let (right_lines, right, said, there) = exact(&events, groups);
        let parsed = labels.templates.iter().zip(templates).filter(|(label, said)| label == *said).count();
        let truths: Vec<&str> = labels.templates.iter().map(String::as_str).collect();
        let pure = same_text(&truths, templates);
        let distinct = |all: &[&str]| all.iter().collect::<BTreeSet<_>>().len();
        Ok(Self {
            grouping: ratio(right_lines, lines),
            groups: f1(right, said, there),
            parsing: ratio(parsed, lines),
            templates: f1(pure, distinct(templates), distinct(&truths)),
        })
    }

    /// The figures by their usual names.
    pub(super) fn named(&self) -> [(&'static str, f64); 4] {
        [("GA", self.grouping), ("FGA", self.groups), ("PA", self.parsing), ("FTA", self.templates)]
    }
}

/// The plain mean over systems.
pub(super) fn mean(marks: &[&Marks]) -> Marks {
    let mean = |of: fn(&Marks) -> f64| marks.iter().map(|m| of(m)).sum::<f64>() / ratio(marks.len().max(1), 1);
    Marks {
        grouping: mean(|m| m.grouping),
        groups: mean(|m| m.groups),
        parsing: mean(|m| m.parsing),
        templates: mean(|m| m.templates),
    }
}

fn f1(right: usize, said: usize, there: usize) -> f64 {
    ratio(2 * right, (said + there).max(1))
}

/// Lines in exactly right groups, exactly right groups, groups said, groups labelled.
fn exact(labels: &[&str], groups: &[usize]) -> (usize, usize, usize, usize) {
    let mut of_label: BTreeMap<&str, usize> = BTreeMap::new();
    let mut of_group: BTreeMap<usize, BTreeMap<&str, usize>> = BTreeMap::new();
    for (label, group) in labels.iter().zip(groups) {
        *of_label.entry(label).or_default() += 1;
        *of_group.entry(*group).or_default().entry(label).or_default() += 1;
    }
    let right = of_group.values().filter_map(|inside| match inside.iter().next() {
        Some((label, count)) if inside.len() == 1 && of_label.get(label) == Some(count) => Some(*count),
        _ => None,
    });
    (right.clone().sum(), right.count(), of_group.len(), of_label.len())
}

/// Templates said of lines that all carry that very label.
fn same_text(labels: &[&str], said: &[&str]) -> usize {
    let mut of_said: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (label, said) in labels.iter().zip(said) {
        of_said.entry(said).or_default().insert(label);
    }
    of_said.iter().filter(|(said, labels)| labels.len() == 1 && labels.contains(*said)).count()
}

/// The groups an event's lines were put into: the first line of each, and how many.
type Answers = BTreeMap<usize, (usize, usize)>;

/// Prints the events whose lines are not together, or not alone, or have another template.
pub(super) fn misses(
    out: &mut impl Write,
    id: &str,
    labels: &Labels,
    groups: &[usize],
    templates: &[String],
    lines: &[String],
) -> Result<()> {
    let mut of_event: BTreeMap<(&str, &str), Answers> = BTreeMap::new();
    let mut events_in: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for (line, group) in groups.iter().enumerate() {
        let (event, label) = (labels.events[line].as_str(), labels.templates[line].as_str());
        of_event.entry((event, label)).or_default().entry(*group).or_insert((line, 0)).1 += 1;
        events_in.entry(*group).or_default().insert(event);
    }
    for ((event, label), said) in &of_event {
        let alone = said.keys().all(|group| events_in[group].len() == 1);
        let together = said.len() == 1;
        let worded = said.keys().all(|group| templates[*group] == *label);
        if alone && together && worded {
            continue;
        }
        let total: usize = said.values().map(|(_, count)| count).sum();
        let kind = if together && alone {
            "words"
        } else if alone {
            "split"
        } else {
            "mixed"
        };
        writeln!(out, "{id} {event} {kind} {total}: {label}")?;
        for (group, (line, count)) in said.iter().take(4) {
            let text: String = lines[*line].chars().take(200).collect();
            writeln!(out, "    #{group} {count}: {}\n        {text}", templates[*group])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(rows: &[(&str, &str)]) -> Labels {
        Labels {
            events: rows.iter().map(|row| row.0.to_owned()).collect(),
            templates: rows.iter().map(|row| row.1.to_owned()).collect(),
        }
    }

    #[test]
    fn a_group_counts_only_when_it_is_whole_and_alone() {
        let labels = labels(&[("a", "till <*> open"), ("a", "till <*> open"), ("b", "mill stops"), ("c", "mill <*>")]);
        let said = ["till <*> open", "till <*> open", "mill <*>", "mill <*>"];
        let marks = Marks::of(&labels, &[0, 0, 1, 1], &said).unwrap();
        // One of two groups said, one of three labelled; `mill <*>` is said of a line that reads otherwise.
        assert_eq!(marks.named().map(|(_, value)| value), [0.5, 0.4, 0.75, 0.4]);
        let split = Marks::of(&labels, &[0, 9, 1, 2], &said).unwrap();
        assert_eq!((split.grouping, split.parsing), (0.5, 0.75));
        assert!(Marks::of(&labels, &[0], &said[..1]).is_err());
    }
}
