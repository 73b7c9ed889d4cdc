//! `sentinell backtest`.

use super::{NOT_ENOUGH, block_on, out};
use crate::backtest::{Past, Summary, Verdict, from_database, from_folder, judge, summary};
use crate::config::{Config, Habit, Overrides, Surroundings};
use crate::report::Paint;
use crate::report::paint::plain;
use crate::store::{Options, Store};
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Characters of a name that are shown.
const SHOWN: usize = 200;

const EXAMPLES: &str = "\
Examples:
  sentinell backtest ./incidents          # a folder of recorded incidents, see docs/recording-format.md
  sentinell backtest                      # the resolved incidents of the configured database
  sentinell backtest --json | jq '.incidents[] | select(.rank != 1)'
What was wrong is read from `\"cause\": {\"component\": \"service/shop/cart\", \"fault\": \"out_of_memory\"}` in a recording's
incident.json (the fault may be left out); the engine does not see it. Of a database's incidents it is known where a deed
of ours was verified to have helped: such figures flatter, since those are the ones that were understood at the time.
Exit codes: 0 measured · 3 the truth of no incident is known · 1 an error · 2 wrong usage.";

/// Asks what this version would have said of your own closed incidents.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A folder with a recorded incident in each of its folders; the configured database if left out
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// How many incidents of the database at most, newest first
    #[arg(long, value_name = "N", default_value_t = 1000, conflicts_with = "folder")]
    limit: usize,
    /// Read this file instead of ./sentinell.toml
    #[arg(long, value_name = "FILE", conflicts_with = "folder")]
    config: Option<PathBuf>,
    /// Answer as JSON, with every incident and what was said of it
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let pasts = match &args.folder {
        Some(folder) => block_on(from_folder(&around.folder.join(folder)))?,
        None => {
            let config = Config::load(around, Habit::Server, args.config.as_deref(), Overrides::default())?;
            block_on(async {
                let store = Store::open(config.database.url(), Options::default()).await?;
                let pasts = from_database(&store, args.limit).await;
                store.close().await;
                pasts
            })?
        }
    };
    let verdicts = judged(&pasts);
    let summary = summary(&verdicts);
    match args.json {
        true => out::print_json(&json!({ "summary": summary, "incidents": verdicts }))?,
        false => out::print(&told(&verdicts, &summary, Paint::for_stdout(around))?)?,
    }
    Ok(if summary.graded > 0 { ExitCode::SUCCESS } else { ExitCode::from(NOT_ENOUGH) })
}

fn judged(pasts: &[Past]) -> Vec<Verdict> {
    let verdict = |(at, past): (usize, &Past)| {
        out::progress(&format!("{} of {}: {}", at + 1, pasts.len(), past.name));
        judge(past)
    };
    pasts.iter().enumerate().map(verdict).collect()
}

fn told(verdicts: &[Verdict], summary: &Summary, paint: Paint) -> anyhow::Result<String> {
    let mut text = String::new();
    for verdict in verdicts {
        let known = verdict.truth.as_ref().map(|truth| match &truth.fault {
            Some(fault) => format!("{} {fault}", truth.component),
            None => truth.component.clone(),
        });
        let mark = match (&verdict.truth, verdict.rank) {
            (None, _) => "?".to_owned(),
            (Some(_), Some(rank)) => rank.to_string(),
            (Some(_), None) => "-".to_owned(),
        };
        writeln!(text, "{mark}  {}", paint.bold(&plain(&verdict.name, SHOWN)))?;
        writeln!(text, "   was   {}", plain(known.as_deref().unwrap_or("not known"), SHOWN))?;
        match verdict.said.first() {
            Some(said) => writeln!(
                text,
                "   said  {} {}, {:.0} %",
                plain(&said.component, SHOWN),
                plain(&said.fault, SHOWN),
                said.confidence * 100.0
            )?,
            None => writeln!(text, "   said  not enough evidence")?,
        }
    }
    let Summary { graded, unknown, first, within_three, silent, confident_and_wrong, interval, .. } = summary;
    writeln!(text, "\n{} resolved incidents; of {unknown} it is not known what was wrong", verdicts.len())?;
    if *graded > 0 {
        let (low, high) = (interval.0 * 100.0, interval.1 * 100.0);
        let first = format!("right at first      {first} of {graded}");
        writeln!(text, "{}   (95 % interval {low:.0} to {high:.0} %)", paint.bold(&first))?;
        writeln!(text, "among the first 3   {within_three} of {graded}")?;
        writeln!(text, "not enough evidence {silent} of {graded}")?;
        writeln!(text, "sure and wrong      {confident_and_wrong} of {graded}   (sure: 80 % or more)")?;
    }
    Ok(text)
}
