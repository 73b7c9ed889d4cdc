//! The eyes, hands and mind of a worker, as the configuration names them.

mod ears;
mod eyes;
mod hands;
pub mod memory;
mod mind;
mod renamed;
mod repositories;

use crate::config::{self, Config, KubernetesIdentity, Programs};
use crate::ears::Ears;
use crate::memory::{Changes, Indexer, LogSources, Memory};
use crate::metrics::Metrics;
use crate::mouth::Mouth;
use crate::reasoner::{Cited, Deterministic, KINDS};
use crate::runbooks;
use crate::store::{self, Store};
use crate::worker::{Options, Worker};
use anyhow::{Context, anyhow};
pub use hands::{declared_problems, hands};
pub use repositories::{Repositories, github};

use renamed::Renamed;
use sentinell_adapters::kubectl::Kubectl;
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::kubernetes::Kubernetes;
use sentinell_adapters::tools::log_file::{LogContent, LogFile, LogSource};
use sentinell_adapters::tools::recording::Recording;
use sentinell_core::ids::Actor;
use sentinell_core::ports::{Clock, Meaning, Tool};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything a worker works with, and what keeps it up to date.
pub struct Works {
    /// The loop.
    pub worker: Arc<Worker>,
    /// What is listened to besides what is posted.
    pub ears: Ears,
    /// What tells people and machines outside.
    pub mouth: Arc<Mouth>,
    /// The repositories it may look into.
    pub repositories: Option<Repositories>,
    /// What remembers.
    pub indexer: Indexer,
    /// What gives the remembered its meaning and mirrors it.
    pub followers: memory::Followers,
}

/// Wires a worker.
///
/// # Errors
/// What the configuration names and this machine does not have.
pub fn works(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
    holder: String,
    metrics: Arc<Metrics>,
) -> anyhow::Result<Works> {
    let (git, github) = (repositories::git(config, clock), github(config, clock)?);
    let mut tools = eyes(config, clock)?;
    tools.extend(git.iter().map(|git| Arc::clone(git) as Arc<dyn Tool>));
    tools.extend(github.iter().map(|github| Arc::clone(github) as Arc<dyn Tool>));
    let registered = eyes::of_log_sources(&config.eyes, clock)?;
    if !registered.is_empty() {
        tools.push(Arc::new(LogSources::new(store.clone(), registered)));
    }
    if config.auth.senders.github.is_some() {
        tools.push(Arc::new(Changes::new(store.clone(), clock.clone())));
    }
    tools.push(Arc::new(Memory::new(store.clone(), memory::sense(config)?)));
    let documents = runbooks::documents(config.runbooks.as_deref());
    let documents = documents.map_err(|problems| anyhow!(problems.join("\n")))?;
    let hands = hands(config, clock)?;
    let kinds: Vec<String> = hands.iter().flat_map(|hand| hand.kinds()).map(|(kind, _)| kind).collect();
    let of_use = documents.iter().filter(|document| runbooks::is_of_use(document, &kinds));
    let books = of_use.map(|document| document.runbook.clone()).collect();
    // What has to be asked for over a network comes later, by who follows.
    let at_once: Option<Arc<dyn Meaning>> =
        config.memory.embeddings.is_none().then(|| memory::meaning(config)).transpose()?;
    let indexer = Indexer::new(store.clone(), at_once, clock.clone(), documents);
    let followers = memory::Followers::new(config, store, clock)?;
    let deterministic = Deterministic::new(tools.clone(), books);
    let mut mind = mind::mind(config.model.as_ref(), deterministic, &hands, store, clock)?;
    if kinds.iter().any(|kind| KINDS.contains(&kind.as_str())) {
        mind = Arc::new(Cited::new(mind));
    }
    let ears = ears::ears(config, store, clock, &metrics, &holder);
    let options = Options {
        holder,
        lease: Duration::from_secs(u64::from(config.worker.lease_seconds)),
        concurrency: config.worker.concurrency,
        poll: Duration::from_millis(500),
    };
    let worker = Worker::new(store.clone(), tools, hands, mind, clock.clone(), options);
    let worker = worker.with_metrics(metrics).with_retention(config.retention);
    let repositories = Repositories::new(git, github, store, config);
    let mouth = super::notifiers::mouth(config, store, clock)?;
    Ok(Works { worker: Arc::new(worker), ears, mouth, repositories, indexer, followers })
}

/// Makes the configured policy the newest version, unless it is that already. A pressed kill switch outlives restarts.
///
/// # Errors
/// If the store fails.
pub async fn settle_policy(config: &Config, store: &Store, clock: &Arc<dyn Clock>) -> store::Result<()> {
    let (version, newest) = store.policy().await?;
    let wanted = sentinell_core::policy::Policy { kill_switch: newest.kill_switch.clone(), ..config.policy.clone() };
    if version == 0 || wanted != newest {
        let by = Actor("configuration".into());
        store.set_policy(wanted, &by, "the server started with this configuration", clock.now()).await?;
    }
    Ok(())
}

/// The eyes that the configuration names.
///
/// # Errors
/// What it names and this machine does not have.
pub fn eyes(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Vec<Arc<dyn Tool>>> {
    let mut eyes: Vec<Arc<dyn Tool>> = vec![];
    if let Some(kubernetes) = &config.kubernetes {
        let kubectl = kubectl(kubernetes.kubectl.as_ref(), &kubernetes.reading, &config.programs, None)?;
        eyes.push(Arc::new(Kubernetes::new(kubectl, kubernetes.namespaces.clone())));
    }
    for (index, server) in config.prometheus.iter().enumerate() {
        let eye = super::oneshot::prometheus_server(&server.url)
            .with_context(|| format!("the Prometheus server `{}`", server.name))?;
        eyes.push(Renamed::unless_first(Arc::new(eye), index, &server.name));
    }
    if !config.log_files.is_empty() {
        let source = |file: &config::LogFile| LogSource {
            name: file.service.clone(),
            subject: if file.service.contains('/') {
                file.service.clone()
            } else {
                format!("service/{}", file.service)
            },
            content: LogContent::File(file.path.clone()),
            baseline: None,
        };
        eyes.push(Arc::new(LogFile::new(config.log_files.iter().map(source).collect())));
    }
    eyes.extend(eyes::eyes(&config.eyes, &config.programs, clock)?);
    eyes.extend(eyes::command(config)?.map(|eye| Arc::new(eye) as Arc<dyn Tool>));
    for (index, folder) in config.recordings.iter().enumerate() {
        let eye: Arc<dyn Tool> = Arc::new(Recording::open(folder).map_err(|error| anyhow!(error))?);
        eyes.push(Renamed::unless_first(eye, index, &(index + 1).to_string()));
    }
    Ok(eyes)
}

fn kubectl(
    path: Option<&PathBuf>,
    identity: &KubernetesIdentity,
    programs: &Programs,
    guard: Option<&Program>,
) -> anyhow::Result<Kubectl> {
    let found = match path {
        Some(path) => Program::at(path),
        None => Program::find("kubectl", OsStr::new(&programs.search_path)),
    };
    let program = found.map_err(|error| anyhow!("{error}; install kubectl or set `kubernetes.kubectl`"))?;
    let program = program.with_env(programs.variables.clone());
    let program = guard.map_or_else(|| program.clone(), |guard| program.clone().with_guard(guard));
    Ok(Kubectl::new(program, &identity.kubeconfig, identity.context.clone()))
}
