//! The eyes, hands and mind of a worker, as the configuration names them.

mod ears;
mod eyes;
pub mod memory;
mod mind;
mod renamed;
mod repositories;

use crate::config::{self, CommandParam, Config, KubernetesIdentity, Programs};
use crate::ears::Ears;
use crate::memory::{Changes, Indexer, LogSources, Memory};
use crate::metrics::Metrics;
use crate::mouth::Mouth;
use crate::reasoner::Deterministic;
use crate::runbooks;
use crate::store::{self, Store};
use crate::worker::{Options, Worker};
use anyhow::{Context, anyhow};
pub use repositories::{Repositories, github};

use renamed::Renamed;
use sentinell_adapters::actuators::command::{CommandSpec, Commands, ParamKind};
use sentinell_adapters::actuators::kubernetes::{KubernetesHands, KubernetesHandsSettings};
use sentinell_adapters::kubectl::Kubectl;
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::kubernetes::Kubernetes;
use sentinell_adapters::tools::log_file::{LogContent, LogFile, LogSource};
use sentinell_adapters::tools::recording::Recording;
use sentinell_core::ids::Actor;
use sentinell_core::ports::{Actuator, Clock, Meaning, Tool};
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
    let books = documents.iter().map(|document| document.runbook.clone()).collect();
    // What has to be asked for over a network comes later, by who follows.
    let at_once: Option<Arc<dyn Meaning>> =
        config.memory.embeddings.is_none().then(|| memory::meaning(config)).transpose()?;
    let indexer = Indexer::new(store.clone(), at_once, clock.clone(), documents);
    let followers = memory::Followers::new(config, store, clock)?;
    let hands = hands(config, clock)?;
    let deterministic = Deterministic::new(tools.clone(), books);
    let mind = mind::mind(config.model.as_ref(), deterministic, &hands, store, clock)?;
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

fn hands(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Vec<Arc<dyn Actuator>>> {
    let mut hands: Vec<Arc<dyn Actuator>> = vec![];
    let acts = config.kubernetes.as_ref().is_some_and(|kubernetes| kubernetes.acting.is_some());
    if !acts && config.commands.is_empty() {
        return Ok(hands);
    }
    let guard = Program::find("timeout", OsStr::new(&config.programs.search_path));
    let guard = guard.map_err(|error| anyhow!("{error}; deeds run under coreutils' `timeout`, install it"))?;
    if let Some((kubernetes, acting)) = config.kubernetes.as_ref().and_then(|k| Some((k, k.acting.as_ref()?))) {
        let settings = KubernetesHandsSettings {
            environments: kubernetes.environments.clone(),
            environment: kubernetes.environment.clone(),
            max_replicas: kubernetes.max_replicas,
            hold_seconds: kubernetes.hold_seconds,
            every_seconds: kubernetes.every_seconds,
            within_seconds: kubernetes.within_seconds,
        };
        let kubectl = kubectl(kubernetes.kubectl.as_ref(), acting, &config.programs, Some(&guard))?;
        hands.push(Arc::new(KubernetesHands::new(kubectl, settings, clock.clone())));
    }
    if !config.commands.is_empty() {
        let specs =
            config.commands.iter().map(|command| spec(command, &config.programs, &guard)).collect::<Result<_, _>>()?;
        let commands = Commands::new(specs, clock.clone()).map_err(|problems| anyhow!(problems.join("\n")))?;
        hands.push(Arc::new(commands));
    }
    Ok(hands)
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

fn spec(command: &config::Command, programs: &Programs, guard: &Program) -> anyhow::Result<CommandSpec> {
    let pinned = |path: &PathBuf| {
        let program = Program::at(path).map_err(|error| anyhow!("command `{}`: {error}", command.name))?;
        Ok::<_, anyhow::Error>(program.with_env(programs.variables.clone()))
    };
    let check = match command.check.as_deref() {
        Some([program, args @ ..]) => Some((pinned(&PathBuf::from(program))?, args.to_vec())),
        _ => None,
    };
    let kind = |param: &CommandParam| match param {
        CommandParam::Integer { min, max } => ParamKind::Integer { min: *min, max: *max },
        CommandParam::OneOf { words } => ParamKind::OneOf(words.clone()),
        CommandParam::Identifier { max } => ParamKind::Identifier { max: *max },
    };
    Ok(CommandSpec {
        name: command.name.clone(),
        description: command.description.clone(),
        target: command.target.clone(),
        program: pinned(&command.program)?.with_guard(guard),
        args: command.args.clone(),
        params: command.params.iter().map(|(name, param)| (name.clone(), kind(param))).collect(),
        environment: command.environment.clone(),
        undo: command.undo.clone(),
        undo_if_unhelpful: command.undo_if_unhelpful,
        check,
        verification: command.verification.clone(),
        blast_radius: command.blast_radius.clone(),
        timeout: Duration::from_secs(u64::from(command.timeout_seconds)),
    })
}
