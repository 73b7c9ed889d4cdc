//! `sentinell db copy`.

use super::out;
use crate::config::{Config, Database, Habit, Overrides, Surroundings};
use crate::store;
use anyhow::Context;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// Progress is told every so many rows of a table.
const STEP: u64 = 10_000;

const EXAMPLES: &str = "\
Examples:
  sentinell db copy --from sqlite://sentinell.db --to postgres://sentinell@db.example/sentinell
  DATABASE_URL=postgres://… sentinell db copy --from sqlite://sentinell.db    # no password among the arguments
  sentinell db copy --from postgres://… --to sqlite:///var/backups/sentinell.db
Stop the servers and workers first: what they write meanwhile does not come along. The target has to be empty. All is
moved in one transaction; then every row is counted and every journal's hash chain is recomputed.
Exit codes: 0 everything arrived · 1 an error, told on standard error: do not use the target · 2 wrong usage.";

/// Looks after databases.
#[derive(Debug, clap::Subcommand)]
pub enum Db {
    /// Move an installation into another, empty database
    #[command(after_help = EXAMPLES)]
    Copy {
        /// The database to read
        #[arg(long, value_name = "URL")]
        from: String,
        /// The empty database to fill; the configured one (DATABASE_URL) if left out
        #[arg(long, value_name = "URL")]
        to: Option<String>,
        /// Read this file instead of ./sentinell.toml
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(args: Db, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let Db::Copy { from, to, config, json } = args;
    let to = match to {
        Some(url) => Database::new(url),
        None => Config::load(around, Habit::Server, config.as_deref(), Overrides::default())?.database,
    };
    let from = Database::new(from);
    let said = AtomicU64::new(0);
    let told = |table: &str, done: u64, all: u64| {
        if done == 0 {
            said.store(0, Ordering::Relaxed);
        }
        if done == all && all > 0 {
            eprintln!("  {table}: {all}");
        } else if done >= said.load(Ordering::Relaxed) + STEP {
            said.store(done, Ordering::Relaxed);
            eprintln!("  {table}: {done} of {all}");
        }
    };
    eprintln!("from {from} to {to}");
    let moved = super::block_on(async { Ok(store::copy(from.url(), to.url(), &told).await?) });
    let moved = moved.with_context(|| format!("copying {from} to {to}"))?;
    let mut text = String::new();
    if json {
        writeln!(text, "{}", serde_json::to_string(&moved)?)?;
    } else {
        let rows: u64 = moved.rows.values().sum();
        let (tables, journals, entries) = (moved.rows.len(), moved.journals, moved.entries);
        writeln!(text, "{rows} rows of {tables} tables arrived; {journals} journals ({entries} entries) hold")?;
        writeln!(text, "set DATABASE_URL to the new database and start the servers and workers")?;
    }
    out::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
