//! One case: diagnosed, put into the suite's words, and graded.

use crate::EvalArgs;
use crate::blind;
use crate::index::{Line, Truth};
use crate::shuffle::Renamed;
use crate::suite::{Mark, Prediction};
use anyhow::Result;
use sentinell_evidence::case::LogStream;
use sentinell_evidence::finding::Window;
use std::time::Instant;

/// One graded case.
pub(crate) struct Outcome {
    pub(crate) id: String,
    pub(crate) groups: Vec<String>,
    pub(crate) predictions: Vec<Prediction>,
    pub(crate) truth: Option<Truth>,
    /// The place of the first right prediction, from 1, for each of the suite's marks.
    pub(crate) ranks: Vec<Option<usize>>,
    /// How far the onset that was used is from the suite's, milliseconds; positive is late.
    pub(crate) onset_off_ms: Option<i64>,
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
    let onset = case.onset_ms;
    case.onset_ms = onset.filter(|_| !args.detect_onset).map(|at| at + args.onset_shift * 1000);
    if let Some(onset) = onset.filter(|_| case.onset_ms != onset) {
        // Where a suite divides its lines by the onset, that division would tell it.
        let told = case.onset_ms.unwrap_or(onset - READ_BEFORE_MS);
        case.logs.iter_mut().for_each(|stream| divide(stream, told));
    }
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
    let onset_off_ms = onset.zip(diagnosis.onset).map(|(onset, said)| off(onset, said));
    let (id, groups, peak_mib) = (line.text("id").to_owned(), layout.groups(line), peak_mib());
    Ok(Outcome { id, groups, predictions, truth, ranks, onset_off_ms, cpu_ms, peak_mib })
}

/// Who does not know when it began reads the last hour, and has what is older to compare with.
const READ_BEFORE_MS: i64 = 3_600_000;

/// Puts the lines of a stream that has a baseline on the sides of `at` (Unix milliseconds).
fn divide(stream: &mut LogStream, at: i64) {
    if stream.baseline.is_empty() {
        return;
    }
    let all = std::mem::take(&mut stream.baseline).into_iter().chain(std::mem::take(&mut stream.lines));
    (stream.lines, stream.baseline) = all.partition(|line| line.at_ms.is_some_and(|time| time >= at));
}

/// How far a window lies from an instant; 0 if it holds it.
fn off(onset: i64, said: Window) -> i64 {
    (said.start_ms - onset).max(0) + (said.end_ms - onset).min(0)
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
