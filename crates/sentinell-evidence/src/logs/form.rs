//! The kind of a line by itself: what a [`Miner`](super::Miner) that has seen nothing else makes of it, at the price of
//! reading it.

use super::entry::Entry;
use super::mask::Scan;

/// Names a kind of line while lines are read: lines with one form have one text. Valid in this process only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Form {
    hash: u64,
    figures: u32,
    /// Where words stand apart.
    gaps: u64,
}

/// Reads lines one by one, each as if there were no other.
#[derive(Debug, Default)]
pub struct Forms {
    scan: Scan,
}

impl Forms {
    /// The form of a line.
    pub fn of(&mut self, line: &str) -> Form {
        self.scan.line(line);
        let gaps =
            self.scan.units.iter().fold(1_u64, |gaps, unit| gaps.wrapping_mul(3).wrapping_add(u64::from(unit.spaced)));
        Form { hash: self.scan.hash, figures: self.scan.figures, gaps }
    }

    /// The constant words of a line with typed variables: `paid order <num> in <duration>`.
    pub fn text(&mut self, line: &str) -> String {
        self.scan.line(line);
        Entry::of(line, &self.scan, 0).text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Miner;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn lines() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("wheel".to_owned()),
            Just("node-3".to_owned()),
            Just("node-4".to_owned()),
            Just("10.0.0.7:80".to_owned()),
            Just("in 31 ms".to_owned()),
            Just("/var/log/a.log".to_owned()),
            Just("key=v1".to_owned()),
            Just("[a, b]".to_owned()),
            Just("\"said: no\"".to_owned()),
            "\\PC{0,6}",
            "[0-9a-f]{1,12}",
        ];
        let gap = prop_oneof![Just(" "), Just("  "), Just(""), Just("\t")];
        prop::collection::vec((piece, gap), 0..8).prop_map(|pieces| pieces.into_iter().map(|(p, g)| p + g).collect())
    }

    proptest! {
        #[test]
        fn a_line_by_itself_reads_as_in_a_miner_that_saw_nothing_else(line in lines()) {
            let mut miner = Miner::default();
            let kind = miner.push(&line);
            prop_assert_eq!(Forms::default().text(&line), miner.template(kind).text);
        }

        #[test]
        fn one_form_is_one_text(lines in prop::collection::vec(lines(), 2..60)) {
            let (mut forms, mut seen) = (Forms::default(), BTreeMap::new());
            for line in &lines {
                let (form, text) = (forms.of(line), forms.text(line));
                prop_assert_eq!(seen.entry(form).or_insert_with(|| text.clone()), &text);
            }
        }
    }
}
