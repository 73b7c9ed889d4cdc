//! Log lines on their way into an observation: by who wrote them, bounded, oldest first.

use crate::text::{LINE_CHARS, head_and_tail, trace_of};
use sentinell_core::evidence::{Gap, LogLine, Telemetry};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;

/// Bytes of text of one observation that are kept.
const MAX_BYTES: usize = 4 << 20;
/// Writers of one observation that are told apart.
const MAX_SUBJECTS: usize = 40;

/// Which stretch of time a line is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The calm before.
    Calm,
    /// The trouble.
    Trouble,
}

/// What was gathered so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    by: BTreeMap<String, [Vec<LogLine>; 2]>,
    bytes: usize,
    left_out: usize,
}

/// A line as a source tells it, bounded. The text names its trace unless the source does.
pub(super) fn line(at: Option<i64>, level: Option<&str>, text: &str, trace: Option<&str>) -> LogLine {
    let id = |text: &str| (16..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let trace = trace.filter(|text| id(text)).map(str::to_ascii_lowercase);
    LogLine {
        at: at.map(Timestamp),
        level: level.map(str::trim).filter(|level| !level.is_empty() && level.len() <= 20).map(str::to_owned),
        text: head_and_tail(text.trim_end(), LINE_CHARS),
        trace: trace.or_else(|| trace_of(text)),
    }
}

impl Gathered {
    /// Adds a line, unless there are too many already.
    pub(super) fn add(&mut self, subject: &str, part: Part, line: LogLine) {
        if line.text.trim().is_empty() {
            return;
        }
        let room = self.by.contains_key(subject) || self.by.len() < MAX_SUBJECTS;
        if !room || self.bytes + line.text.len() > MAX_BYTES {
            self.left_out += 1;
            return;
        }
        self.bytes += line.text.len();
        self.by.entry(subject.to_owned()).or_default()[usize::from(part == Part::Trouble)].push(line);
    }

    /// One log a writer, and what was left out. Writers that said nothing in the trouble are passed on too: that somebody
    /// fell silent is worth knowing.
    pub(super) fn finish(self, source: &str) -> (Vec<Telemetry>, Vec<Gap>) {
        let log = |(subject, [mut baseline, mut lines]): (String, [Vec<LogLine>; 2])| {
            baseline.sort_by_key(|line| line.at);
            lines.sort_by_key(|line| line.at);
            Telemetry::Logs { subject, source: source.to_owned(), lines, baseline }
        };
        let gap = |count: usize| Gap {
            what: format!("{count} more log lines"),
            why: format!(
                "one look keeps {} MiB of {MAX_SUBJECTS} writers; ask more narrowly: {source}",
                MAX_BYTES >> 20
            ),
        };
        let gaps = (self.left_out > 0).then(|| gap(self.left_out)).into_iter().collect();
        (self.by.into_iter().map(log).collect(), gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gathered_is_bounded_and_in_order() {
        let mut gathered = Gathered::default();
        for at in [3, 1, 2] {
            gathered.add("service/till", Part::Trouble, line(Some(at), Some("error"), "no", Some("zz")));
        }
        for writer in 0..100 {
            gathered.add(&format!("service/w{writer}"), Part::Calm, line(None, None, "x", None));
        }
        let (logs, gaps) = gathered.finish("s");
        assert_eq!((logs.len(), gaps.len()), (MAX_SUBJECTS, 1));
        let Telemetry::Logs { lines, .. } = &logs[0] else { panic!("{logs:?}") };
        assert_eq!(lines.iter().filter_map(|line| line.at).collect::<Vec<_>>(), [1, 2, 3].map(Timestamp));
        assert_eq!(lines[0].trace, None);
        let long = line(None, None, &"ä".repeat(9000), None).text;
        assert!(long.contains("5000 characters left out") && long.chars().count() < LINE_CHARS + 50);
    }
}
