//! `sentinell eval`.

use sentinell_eval::EvalArgs;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  sentinell eval cloudopsbench --data ./data --cases ./data/cases.jsonl
  sentinell eval cloudopsbench --data ./data --cases ./data/cases.jsonl --misses --json predictions.json
What the suites are and how they are graded: docs/evaluation.md.";

/// Measures the engine on a public benchmark.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    eval: EvalArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    sentinell_eval::run(&args.eval)?;
    Ok(ExitCode::SUCCESS)
}
