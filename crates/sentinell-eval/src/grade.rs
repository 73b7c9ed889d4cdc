//! One case: diagnosed, put into the suite's words, and graded.

use crate::EvalArgs;
use crate::blind;
use crate::index::{Line, Truth};
use crate::shuffle::Renamed;
use crate::suite::{Mark, Prediction};
use anyhow::Result;
use std::time::Instant;

/// One graded case.
pub(crate) struct Outcome {
    pub(crate) id: String,
    pub(crate) groups: Vec<String>,
    pub(crate) predictions: Vec<Prediction>,
    pub(crate) truth: Option<Truth>,
    /// The place of the first right prediction, from 1, for each of the suite's marks.
    pub(crate) ranks: Vec<Option<usize>>,
    pub(crate) cpu_ms: f64,
    pub(crate) peak_mib: f64,
}

impl Outcome {
    /// Whether the first prediction is right by the suite's first mark.
    pub(crate) fn hit(&self) -> bool {
        self.ranks.first().is_some_and(|rank| *rank == Some(1))
    }

    /// The confidence of the first prediction; nothing said is no confidence.
    pub(crate) fn confidence(&self) -> f64 {
        self.predictions.first().map_or(0.0, |first| first.confidence)
    }
}

/// Reads, diagnoses and grades one case.
pub(crate) fn judge(args: &EvalArgs, line: &Line, truth: Option<Truth>) -> Result<Outcome> {
    let layout = args.suite.layout();
    forget_peak();
    let start = (Instant::now(), cpu_ms());
    let mut case = layout.case(&args.data, line)?;
    case.onset_ms = match case.onset_ms {
        _ if args.detect_onset => None,
        onset => onset.map(|at| at + args.onset_shift * 1000),
    };
    blind::hide(&mut case, &args.without);
    let renamed = if args.shuffle_names { Some(Renamed::new(&case)) } else { None };
    if let Some(renamed) = &renamed {
        case = renamed.apply(case)?;
    }
    let mut diagnosis = sentinell_evidence::diagnose(&case);
    if let Some(truth) = truth.as_ref().filter(|_| args.leave_one_cause_out) {
        diagnosis = blind::forget(layout, &case, diagnosis, truth);
    }
    let diagnosis = match &renamed {
        Some(renamed) => renamed.undo(diagnosis)?,
        None => diagnosis,
    };
    let predictions = match args.leave_one_cause_out {
        true => layout.objects(line, &diagnosis),
        false => layout.predictions(line, &diagnosis),
    };
    let cpu_ms = match (start.1, cpu_ms()) {
        (Some(before), Some(after)) => after - before,
        _ => start.0.elapsed().as_secs_f64() * 1000.0,
    };
    let ranks = truth.as_ref().map(|truth| ranks(args.marks(), &predictions, truth)).unwrap_or_default();
    let (id, groups, peak_mib) = (line.text("id").to_owned(), layout.groups(line), peak_mib());
    Ok(Outcome { id, groups, predictions, truth, ranks, cpu_ms, peak_mib })
}

fn ranks(marks: &[Mark], predictions: &[Prediction], truth: &Truth) -> Vec<Option<usize>> {
    let place = |right: fn(&Prediction, &Truth) -> bool| predictions.iter().position(|p| right(p, truth));
    marks.iter().map(|mark| place(mark.right).map(|at| at + 1)).collect()
}

/// Milliseconds this thread has spent on a processor, where Linux tells.
fn cpu_ms() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = stat.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

/// Lets Linux count this process' highest memory anew (proc(5), `clear_refs`).
fn forget_peak() {
    // Elsewhere the highest of all cases is told for each.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory this process had since then, in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<f64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0.0) / 1024.0
}
