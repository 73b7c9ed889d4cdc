//! `sentinell doctor`.

use super::{block_on, out};
use crate::clock::SystemClock;
use crate::config::{Config, Habit, Overrides, Surroundings};
use crate::doctor::{Finding, State, examine};
use crate::report::Paint;
use crate::report::paint::{plain, wrap};
use crate::wire::server::{eyes, github, hands};
use sentinell_core::ports::{Clock, Tool};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  sentinell doctor                                   # everything that `serve` would use from this folder
  sentinell doctor --config /etc/sentinell.toml
  sentinell doctor --json
It looks and changes nothing. Exit code 1 if something that is set up does not work.";

/// Checks every connection that the configuration names.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Read this file instead of ./sentinell.toml or the user's own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let config = Config::load(around, Habit::Server, args.config.as_deref(), Overrides::default())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut eyes = eyes(&config, &clock)?;
    eyes.extend(github(&config, &clock)?.map(|eye| eye as Arc<dyn Tool>));
    let hands = hands(&config, &clock)?;
    let findings = block_on(async { Ok(examine(&config, around, eyes, hands).await) })?;
    let sick = findings.iter().any(|finding| matches!(finding.state, State::Broken { .. }));
    if args.json {
        out::print_json(&json!({ "ok": !sick, "findings": findings }))?;
    } else {
        out::print(&told(&findings, Paint::for_stdout(around)))?;
    }
    Ok(if sick { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn told(findings: &[Finding], paint: Paint) -> String {
    let width = findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or_default();
    let line = |finding: &Finding| {
        let (mark, text) = match &finding.state {
            State::Fine { found } => (paint.green("ok  "), found),
            State::Off { how } => (paint.dim("off "), how),
            State::Broken { why } => (paint.red("FAIL"), why),
        };
        let text =
            wrap(&plain(text, 600), 100_usize.saturating_sub(width)).join(&format!("\n{:pad$}", "", pad = width + 8));
        format!("{mark}  {:width$}  {text}\n", plain(&finding.what, 60))
    };
    findings.iter().map(line).collect()
}
