//! Configuration: what was typed is not what may be trusted.
//!
//! Four layers are laid over each other, later ones winning: the defaults, `sentinell.toml`, `.env` and the process
//! environment, the command line. [`raw::Raw`] is full of options; one [`check`](raw::Raw::check) names every problem at
//! once; a finished [`Config`] has no options left where something must be there. Nobody else reads the environment.

pub mod audit_key;
mod check;
mod database;
mod eyes;
mod hands;
mod maintenance;
mod memory;
mod model;
pub mod operator;
mod policy;
mod raw;
mod secret;
mod sections;
mod senders;
mod slack;
mod sns;
mod tail;
mod telemetry;
mod topology;
mod webhooks;

pub use database::Database;
pub use eyes::{
    Access, Aws, AwsIdentity, Docker, DockerAt, Eyes, GitHub, Machine, Mcp, McpAt, McpQuestion, ProbeTarget,
    ReadCommands, Server, TraceStore, WatchedDatabase,
};
pub use hands::{
    AwsHands, DockerHands, GitHubHands, Hands, HttpAction, HttpCall, HttpCheck, ProposedTo, SystemdHands,
    TerraformHands, Unit, Watch, Workspace,
};
pub use memory::{Embeddings, Memory, Pinecone};
pub use model::{Answers, Model, ModelPrice, Provider, micro_usd};
pub use policy::read as read_rules;
pub use raw::Overrides;
pub use secret::Secret;
pub use sections::{
    Auth, Command, CommandParam, Git, Kubernetes, KubernetesIdentity, LogFile, Programs, Prometheus, RepoRules, Worker,
};
pub use senders::{Mapping, Senders};
pub use slack::{Slack, SlackPerson};
pub use sns::{Fetch, Sns};
pub use tail::{Tail, TailFormat};
pub use telemetry::{Sampler, Telemetry};
pub use webhooks::Webhook;

use crate::store::{Dependencies, Retention, Window};
use sentinell_adapters::http::Url;
use sentinell_core::policy::Policy;
use sentinell_evidence::case::Level;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What the rest of the house may rely on. Its `Debug` form hides secrets.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// `sqlite://path` or `postgres://user@host/database`.
    pub database: Database,
    /// Which log lines are written, as `tracing` filters are spelled (`info`, `sentinell=debug`).
    pub log: String,
    /// Log lines of collectors and files that are less bad than this are only counted.
    pub log_threshold: Level,
    /// Who may do what, and how senders prove who they are.
    pub auth: Auth,
    /// The house rules, budget and autonomy included.
    pub policy: Policy,
    /// How the worker works.
    pub worker: Worker,
    /// The language model that thinks; none: the deterministic reasoner alone.
    pub model: Option<Model>,
    /// The cluster to look at and, perhaps, to act on.
    pub kubernetes: Option<Kubernetes>,
    /// Prometheus servers, by name.
    pub prometheus: Vec<Prometheus>,
    /// Where the other eyes look.
    pub eyes: Eyes,
    /// Log files, each with the service that writes it.
    pub log_files: Vec<LogFile>,
    /// Log files that are followed.
    pub tails: Vec<Tail>,
    /// When what is not to open incidents.
    pub windows: Vec<Window>,
    /// Who calls whom, and what follows from it for alerts.
    pub dependencies: Dependencies,
    /// Folders of recorded telemetry to look into.
    pub recordings: Vec<PathBuf>,
    /// What may be done with registered repositories, by their names.
    pub repos: BTreeMap<String, RepoRules>,
    /// Which repositories may be registered at all.
    pub git: Git,
    /// Programs that the operator lets the agent propose, by name.
    pub commands: Vec<Command>,
    /// What else may be touched.
    pub hands: Hands,
    /// What programs are started with.
    pub programs: Programs,
    /// A folder of the operator's own runbooks, besides the built-in ones.
    pub runbooks: Option<PathBuf>,
    /// How long things are kept.
    pub retention: Retention,
    /// Where traces and metrics are sent.
    pub telemetry: Telemetry,
    /// Where people reach this server; links in notices are made from it, and requests for its host are answered.
    pub public_url: Option<Url>,
    /// Names besides its own address and that of `public_url` that the server answers to.
    pub allowed_hosts: Vec<String>,
    /// Where notices go.
    pub webhooks: Vec<Webhook>,
    /// The bot that speaks in Slack.
    pub slack: Option<Slack>,
    /// The memory's connections.
    pub memory: Memory,
}

/// What surrounds the process: read once, here, and handed on as a value.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Environment variables whose name and value are Unicode.
    pub variables: BTreeMap<String, String>,
    /// The working directory.
    pub folder: PathBuf,
}

/// Where a command looks for its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// `serve` and `worker`: `.env` and `sentinell.toml` of the working directory, else the user's configuration.
    Server,
    /// One-shot commands: the user's configuration only, because a hostile checkout must not configure us.
    OneShot,
}

/// Everything that is wrong with the configuration, each line with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {} problem(s):\n{}", .0.len(), bullets(.0))]
pub struct Problems(pub Vec<String>);

fn bullets(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  - {line}")).collect::<Vec<_>>().join("\n")
}

impl Surroundings {
    /// Reads the process's environment and working directory.
    pub fn read() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            variables: std::env::vars_os().filter_map(unicode).collect(),
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    /// A variable that is set to something.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The user's configuration folder: `$XDG_CONFIG_HOME/sentinell` or `~/.config/sentinell`.
    pub fn user_folder(&self) -> Option<PathBuf> {
        let base = self.get("XDG_CONFIG_HOME").map(PathBuf::from);
        let base = base.or_else(|| Some(Path::new(self.get("HOME")?).join(".config")));
        base.map(|base| base.join("sentinell"))
    }

    /// The user's cache folder: `$XDG_CACHE_HOME/sentinell` or `~/.cache/sentinell`.
    pub fn cache_folder(&self) -> Option<PathBuf> {
        let base = self.get("XDG_CACHE_HOME").map(PathBuf::from);
        let base = base.or_else(|| Some(Path::new(self.get("HOME")?).join(".cache")));
        base.map(|base| base.join("sentinell"))
    }

    /// Whether colour is unwanted, whatever the terminal can do (`NO_COLOR`, `TERM=dumb`).
    pub fn no_colour(&self) -> bool {
        self.get("NO_COLOR").is_some() || self.get("TERM") == Some("dumb")
    }

    /// The terminal's width in columns, if the environment tells.
    pub fn columns(&self) -> Option<usize> {
        self.get("COLUMNS")?.parse().ok().filter(|columns| (40..=400).contains(columns))
    }
}

impl Config {
    /// The names of the repositories that have a check.
    pub fn checked_repos(&self) -> impl Iterator<Item = &String> {
        self.repos.iter().filter(|(_, rules)| !rules.check.is_empty()).map(|(name, _)| name)
    }

    /// Reads and checks the whole configuration. `file` is `--config`; `flags` win over everything.
    ///
    /// # Errors
    /// [`Problems`]: all of them at once.
    pub fn load(around: &Surroundings, habit: Habit, file: Option<&Path>, flags: Overrides) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut raw = match settings_file(around, habit, file) {
            Some(path) => raw::Raw::from_file(&path, &mut problems),
            None => raw::Raw::default(),
        };
        let mut variables = match habit {
            Habit::Server => dot_env(&around.folder.join(".env"), &mut problems),
            Habit::OneShot => BTreeMap::new(),
        };
        variables.extend(around.variables.clone());
        raw.lay_environment(&variables, &mut problems);
        raw.lay_flags(flags);
        raw.check(around, problems)
    }
}

/// The file that will be read, if there is one.
pub fn settings_file(around: &Surroundings, habit: Habit, file: Option<&Path>) -> Option<PathBuf> {
    if let Some(file) = file {
        return Some(around.folder.join(file));
    }
    let here = around.folder.join("sentinell.toml");
    if habit == Habit::Server && here.exists() {
        return Some(here);
    }
    around.user_folder().map(|folder| folder.join("sentinell.toml")).filter(|path| path.exists())
}

/// Reads `.env` as data; it is never set into the process.
fn dot_env(path: &Path, problems: &mut Vec<String>) -> BTreeMap<String, String> {
    if !path.exists() {
        return BTreeMap::new();
    }
    let read = dotenvy::from_path_iter(path).and_then(Iterator::collect::<Result<BTreeMap<_, _>, _>>);
    read.unwrap_or_else(|error| {
        problems.push(format!("{}: {error}; every line must be NAME=value", path.display()));
        BTreeMap::new()
    })
}

#[cfg(test)]
mod tests;
