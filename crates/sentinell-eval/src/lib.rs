//! Measuring the engine on public benchmarks. Each suite's layout and vocabulary live in its own file and nowhere else.
//!
//! A suite turns a recorded case into a [`Case`](sentinell_evidence::case::Case), the engine diagnoses it as it does in
//! the live loop, and the suite puts the answer into its own words. What a case is graded by (fields that begin with
//! `truth_`) is taken away before the suite sees it.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

mod blind;
mod calibration;
mod grade;
mod index;
mod pool;
mod report;
mod shuffle;
mod suite;
mod table;

mod changerca;
mod cloudopsbench;
mod logparse;
mod nezha;
mod petshop;
mod rcd_sockshop;
mod wide;

pub use blind::Kind;
pub use calibration::{Calibration, of as calibration};
pub use table::wilson as interval;

use grade::Outcome;
use suite::{Layout, Mark};

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// Recorded Kubernetes clusters with one fault each (arXiv 2603.00468).
    Cloudopsbench,
    /// Two microservice systems with metrics, traces and logs around each fault (FSE'23).
    Nezha,
    /// Sock Shop, one metric a second before and during a fault (NeurIPS 2022)
    RcdSockshop,
    /// A shop of pets, metrics every five minutes and a call graph (CLeaR 2024)
    Petshop,
    /// One bad release among innocent ones (FSE 2024)
    Changerca,
    /// Labelled log lines of many systems: groups and templates.
    Logparse,
}

impl Suite {
    fn layout(self) -> &'static dyn Layout {
        match self {
            Self::Cloudopsbench => &cloudopsbench::CloudOpsBench,
            Self::Nezha => &nezha::Nezha,
            Self::RcdSockshop => &rcd_sockshop::RcdSockShop,
            Self::Petshop => &petshop::PetShop,
            Self::Changerca => &changerca::ChangeRca,
            // Not diagnosed: see `logparse::run`.
            Self::Logparse => &suite::Undiagnosed,
        }
    }

    /// The name as it is typed.
    fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Arguments of `sentinell eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The suite
    pub suite: Suite,
    /// The folder the cases' paths are relative to
    #[arg(long)]
    pub data: PathBuf,
    /// The index: one case a line
    #[arg(long)]
    pub cases: PathBuf,
    /// Where to write the predictions, as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// How many cases at most
    #[arg(long)]
    pub limit: Option<usize>,
    /// Only the case with this id (may be repeated)
    #[arg(long = "case")]
    pub only: Vec<String>,
    /// Tell the engine an onset that is so many seconds late (negative: early)
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, default_value_t = 0)]
    pub onset_shift: i64,
    /// Do not tell the engine the onset: it has to find it
    #[arg(long, conflicts_with = "onset_shift")]
    pub detect_onset: bool,
    /// Give every component another name first: no figure may change
    #[arg(long)]
    pub shuffle_names: bool,
    /// Hide this kind of evidence from the engine (may be repeated)
    #[arg(long, value_name = "KIND")]
    pub without: Vec<Kind>,
    /// Make the engine unable to name the fault that was injected, and ask for the object at fault alone
    #[arg(long)]
    pub leave_one_cause_out: bool,
    /// Count the cases of this earlier output (`--json`) of another suite in a pooled calibration (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub pool: Vec<PathBuf>,
    /// Also print the ranked predictions of every case that is not right at rank 1
    #[arg(long)]
    pub misses: bool,
}

impl EvalArgs {
    /// What predictions are graded by: all marks of the suite, or without the causes' names only whom they blame.
    fn marks(&self) -> &'static [Mark] {
        let marks = self.suite.layout().marks();
        if self.leave_one_cause_out { &marks[marks.len().saturating_sub(1)..] } else { marks }
    }
}

/// Runs a suite, prints its table and writes its predictions.
///
/// # Errors
///
/// If the index or a case cannot be read, or the predictions cannot be written.
pub fn run(args: &EvalArgs) -> Result<()> {
    if args.suite == Suite::Logparse {
        return logparse::run(args);
    }
    if args.leave_one_cause_out && args.suite != Suite::Cloudopsbench {
        anyhow::bail!("only cloudopsbench has a word of its own for every fault");
    }
    let outcomes = measure(args)?;
    if let Some(path) = &args.json {
        let report = report::report(args, &outcomes);
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    table::print(&mut out, args, &outcomes)?;
    if args.pool.is_empty() { Ok(()) } else { pool::print(&mut out, args, &outcomes) }
}

fn measure(args: &EvalArgs) -> Result<Vec<Outcome>> {
    let text = std::fs::read_to_string(&args.cases).with_context(|| format!("reading {}", args.cases.display()))?;
    let wanted = |line: &index::Line| args.only.is_empty() || args.only.iter().any(|id| *id == line.text("id"));
    let mut outcomes = Vec::new();
    for line in index::read(&text) {
        let (line, truth) = line?;
        if wanted(&line) && outcomes.len() < args.limit.unwrap_or(usize::MAX) {
            let outcome = grade::judge(args, &line, truth).with_context(|| format!("case {}", line.text("id")))?;
            outcomes.push(outcome);
        }
    }
    Ok(outcomes)
}
