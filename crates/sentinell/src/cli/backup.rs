//! `sentinell backup`, `sentinell restore` and `sentinell retention`: commands that open the database themselves, whether
//! or not a server runs on it.

use super::{block_on, out};
use crate::clock::SystemClock;
use crate::config::{Config, Habit, Overrides, Surroundings};
use crate::store::{self, Manifest, Options, Store, manifest_of};
use anyhow::Context;
use sentinell_core::ports::Clock;
use std::path::PathBuf;
use std::process::ExitCode;

const BACKUP: &str = "\
Examples:
  sentinell backup /backups/sentinell-$(date +%F).db
  sentinell backup tuesday.db --database sqlite:///var/lib/sentinell/sentinell.db
A server may go on writing. Beside FILE stands FILE.json: what is in it, and its SHA-256. Nothing is ever replaced.";

const RESTORE: &str = "\
Examples:
  sentinell restore tuesday.db --into sqlite:///var/lib/sentinell/restored.db
  sentinell restore tuesday.db --into postgres://sentinell@db.internal/sentinell
Verifies the file, every journal's hash chain included, before it writes anything. Sessions and leases are left out and
the kill switch is pressed; `sentinell kill-switch off` lets deeds go on.";

const RETENTION: &str = "\
Examples:
  sentinell retention --dry-run                     # what could go now
  sentinell retention                               # drop it now instead of at the next hour
What is kept for how long stands under [retention] of the configuration; a worker sees to it by itself.";

/// Where the database is.
#[derive(Debug, clap::Args)]
pub struct Where {
    /// The database
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Read this file instead of the user's configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Backs the database up while others write to it.
#[derive(Debug, clap::Args)]
#[command(after_help = BACKUP)]
pub struct Backup {
    /// The new file
    file: PathBuf,
    #[command(flatten)]
    place: Where,
}

/// Restores a backup into a new database.
#[derive(Debug, clap::Args)]
#[command(after_help = RESTORE)]
pub struct Restore {
    /// The backup
    file: PathBuf,
    /// The new database
    #[arg(long, value_name = "URL")]
    into: String,
}

/// Shows or drops what has expired.
#[derive(Debug, clap::Args)]
#[command(after_help = RETENTION)]
pub struct Retention {
    /// Show it and drop nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Where,
}

impl Where {
    fn config(self, around: &Surroundings) -> anyhow::Result<Config> {
        let flags = Overrides { listen: None, database: self.database };
        Ok(Config::load(around, Habit::OneShot, self.config.as_deref(), flags)?)
    }
}

pub(super) fn backup(args: Backup, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let config = args.place.config(around)?;
    let made = block_on(async { Ok(store::backup(config.database.url(), &args.file, SystemClock.now()).await?) })?;
    out::print(&told("backed up", &made))?;
    out::print(&format!("{}\n{}\n", args.file.display(), manifest_of(&args.file).display()))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn restore(args: &Restore) -> anyhow::Result<ExitCode> {
    let made = block_on(async { Ok(store::restore(&args.file, &args.into, SystemClock.now()).await?) })?;
    out::print(&told("restored", &made))?;
    out::print("the kill switch is pressed; look at what is under way, then `sentinell kill-switch off`\n")?;
    Ok(ExitCode::SUCCESS)
}

fn told(done: &str, manifest: &Manifest) -> String {
    let rows = |table: &str| manifest.rows.get(table).copied().unwrap_or(0);
    format!(
        "{done} {} incidents with {} entries up to position {}, {} signals; every hash chain holds\nsha256 {}\n",
        rows("incidents"),
        rows("entries"),
        manifest.position,
        rows("signals"),
        manifest.sha256
    )
}

pub(super) fn retention(args: Retention, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let config = args.place.config(around)?;
    let expiry = config.retention.at(SystemClock.now());
    let counted = block_on(async {
        let opened = Store::open(config.database.url(), Options::default()).await;
        let store = opened.with_context(|| format!("cannot open the database {}", config.database))?;
        let counted = match args.dry_run {
            true => store.expired(&expiry).await,
            false => store.drop_all(&expiry).await,
        };
        store.close().await;
        Ok(counted?)
    })?;
    let verb = if args.dry_run { "could go" } else { "dropped" };
    let days = [
        ("signals", config.retention.signals_days),
        ("observations", config.retention.observations_days),
        ("incidents", config.retention.incidents_days),
        ("entries", config.retention.incidents_days),
        ("answers", 1),
    ];
    for (what, rows) in counted.by_kind() {
        let kept = days.iter().find(|(name, _)| *name == what).map_or(0, |(_, days)| *days);
        let kept = if kept == 0 { "kept for ever".to_owned() } else { format!("kept {kept} days") };
        out::print(&format!("{what:<13} {rows:>9} {verb}   ({kept})\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}
