//! A whole file at once: which kind every line is of, by its content.

use super::miner::{Miner, TemplateRef};
use std::collections::BTreeMap;

/// Lines as kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The kinds' templates with typed variables, in the order of their first line.
    pub templates: Vec<String>,
    /// An index into `templates` for each line.
    pub kinds: Vec<usize>,
}

/// Reads the kinds of lines of one stream.
pub fn parse(lines: &[&str]) -> Parsed {
    let mut miner = Miner::of_stream(lines.iter().copied());
    let refs: Vec<TemplateRef> = lines.iter().map(|line| miner.push(line)).collect();
    let mut numbers: BTreeMap<TemplateRef, usize> = BTreeMap::new();
    let mut parsed = Parsed::default();
    for reference in refs {
        let kind = miner.canonical(reference);
        let next = numbers.len();
        let number = *numbers.entry(kind).or_insert(next);
        if number == next {
            parsed.templates.push(miner.template(kind).text);
        }
        parsed.kinds.push(number);
    }
    parsed
}
