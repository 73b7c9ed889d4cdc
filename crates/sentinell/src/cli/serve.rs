//! `sentinell serve` and `sentinell worker`.

use super::{block_on, out};
use crate::audit::Notary;
use crate::clock::SystemClock;
use crate::config::{Config, Habit, Overrides, Surroundings, audit_key, operator};
use crate::server::{Server, told_to_stop};
use crate::store::{self, Store};
use crate::telemetry::{self, Exports};
use crate::wire::checks::Checks;
use crate::wire::notifiers::destinations;
use crate::wire::server::{Works, settle_policy, works};
use anyhow::{Context, anyhow};
use sentinell_core::ports::Clock;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a worker may take to bring the claims at hand to their next wait.
const DRAIN: Duration = Duration::from_secs(20);

const SERVE: &str = "\
Examples:
  sentinell serve                                   # API, stream, page and worker on http://127.0.0.1:8000
  sentinell serve --listen 127.0.0.1:9000 --database sqlite:///var/lib/sentinell/sentinell.db
  SRE_ENABLE_AGENT_WORKER=false sentinell serve     # leave the work to `sentinell worker`
Reads .env and sentinell.toml in this folder; `sentinell config check` says what that means. Ctrl-C drains and ends.";

const WORKER: &str = "\
Examples:
  sentinell worker                                  # shares the work with `serve` on the same database
Reads .env and sentinell.toml in this folder. Any number of them may run; a crash is taken over after the lease.";

/// Runs the server: API, stream, page and worker.
#[derive(Debug, clap::Args)]
#[command(after_help = SERVE)]
pub struct Serve {
    /// Where to listen
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Runs a worker without a server.
#[derive(Debug, clap::Args)]
#[command(after_help = WORKER)]
pub struct Work {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The database
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Read this file instead of ./sentinell.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn serve(args: Serve, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let config = load(args.common, args.listen, around)?;
    block_on(async {
        let exports = begin(&config)?;
        let (token, minted) = operator::ensure(&config, around)?;
        if let Some(file) = minted {
            tracing::info!(file = %file.display(), "the operator's token was minted");
        }
        let (store, clock) = open(&config).await?;
        settle_policy(&config, &store, &clock).await?;
        let checks = Arc::new(Checks::of(&config));
        let notary = notary(&config, around)?;
        let server = Server::start(&config, &token, notary.clone(), store.clone(), clock.clone(), checks).await?;
        let vouching = CancellationToken::new();
        if let Some(notary) = notary {
            tokio::spawn(notary.watch(store.clone(), clock.clone(), vouching.clone()));
        }
        let worker = match config.worker.inside_serve {
            true => Some(Running::start(works(&config, &store, &clock, holder("serve"), server.metrics())?)),
            false => None,
        };
        tracing::info!(address = %server.address(), worker = worker.is_some(), "listening");
        // A link signs somebody in: it is made only where a person reads it, never into a log.
        if std::io::stderr().is_terminal() {
            out::progress(&format!("open {} to sign in (once)", server.login_link().await?));
        }
        told_to_stop().await?;
        tracing::info!("stopping: requests and claims at hand come to their end first");
        vouching.cancel();
        server.stop().await?;
        if let Some(worker) = worker {
            worker.stop().await;
        }
        store.close().await;
        exports.close().await;
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn work(args: Work, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let config = load(args.common, None, around)?;
    block_on(async {
        let exports = begin(&config)?;
        let (store, clock) = open(&config).await?;
        let worker = Running::start(works(&config, &store, &clock, holder("worker"), Arc::default())?);
        tracing::info!("working");
        told_to_stop().await?;
        worker.stop().await;
        store.close().await;
        exports.close().await;
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Who signs the audit's heads; none where there is no place for a key.
fn notary(config: &Config, around: &Surroundings) -> anyhow::Result<Option<Arc<Notary>>> {
    let Some((key, minted)) = audit_key::ensure(config, around)? else {
        tracing::warn!("the audit's heads are not signed: set SENTINELL_AUDIT_KEY, or HOME to keep a key in");
        return Ok(None);
    };
    let notary = Notary::new(&key)?;
    if let Some(file) = minted {
        tracing::info!(file = %file.display(), public_key = notary.public_key(), "the audit's key was minted");
    }
    Ok(Some(Arc::new(notary)))
}

fn load(common: Common, listen: Option<String>, around: &Surroundings) -> anyhow::Result<Config> {
    let flags = Overrides { listen, database: common.database };
    let config = Config::load(around, Habit::Server, common.config.as_deref(), flags)?;
    Ok(config)
}

fn begin(config: &Config) -> anyhow::Result<Exports> {
    telemetry::start(&config.log, &config.telemetry).map_err(|error| anyhow!(error))
}

async fn open(config: &Config) -> anyhow::Result<(Store, Arc<dyn Clock>)> {
    let (destinations, windows) = (destinations(config), config.windows.clone());
    let dependencies = config.dependencies.clone();
    let options = store::Options { destinations, windows, dependencies, ..store::Options::default() };
    let store = Store::open(config.database.url(), options).await;
    let store = store.with_context(|| format!("cannot open the database {}", config.database))?;
    Ok((store, Arc::new(SystemClock)))
}

/// A worker's name in its leases: unique for this start of this process.
fn holder(role: &str) -> String {
    format!("{role}-{}-{}", std::process::id(), uuid::Uuid::now_v7().simple())
}

/// A worker at work, with what keeps it up to date.
struct Running {
    stop: CancellationToken,
    worker: JoinHandle<()>,
    mouth: JoinHandle<()>,
    ears: JoinHandle<()>,
    follower: Option<JoinHandle<()>>,
    indexer: JoinHandle<()>,
    followers: JoinHandle<()>,
}

impl Running {
    fn start(works: Works) -> Self {
        let stop = CancellationToken::new();
        let worker = tokio::spawn(works.worker.run(stop.clone()));
        let mouth = tokio::spawn(works.mouth.run(stop.clone()));
        let ears = tokio::spawn(works.ears.run(stop.clone()));
        let follower = works.repositories.map(|repositories| tokio::spawn(repositories.follow()));
        let indexer = tokio::spawn(works.indexer.follow());
        let followers = tokio::spawn(works.followers.follow());
        Self { stop, worker, mouth, ears, follower, indexer, followers }
    }

    async fn stop(self) {
        self.stop.cancel();
        // What it had not kept yet is read again at the next start.
        self.indexer.abort();
        self.followers.abort();
        if let Some(follower) = self.follower {
            follower.abort();
        }
        let ended = async { tokio::join!(self.worker, self.mouth, self.ears) };
        if tokio::time::timeout(DRAIN, ended).await.is_err() {
            tracing::warn!(
                "a claim did not come to its next wait in {} s; its lease runs out by itself",
                DRAIN.as_secs()
            );
        }
    }
}
