//! The finished sections of [`Config`](super::Config).

use super::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Who may do what, and how senders prove who they are.
#[derive(Debug, Clone)]
pub struct Auth {
    /// The first operator's bearer token, where the operator chose it. None: minted into a file at the first start.
    pub operator_token: Option<Secret>,
    /// Whether reading and posting signals need a token too. Always true off loopback.
    pub required: bool,
    /// What GitHub signs its webhooks with. None: bare webhooks are refused.
    pub github_webhook_secret: Option<Secret>,
}

/// How the worker works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Whether `serve` has a worker inside.
    pub inside_serve: bool,
    /// How long a claimed incident stays claimed without a sign of life, seconds.
    pub lease_seconds: u32,
    /// How many incidents are worked on side by side.
    pub concurrency: usize,
}

/// One identity towards a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesIdentity {
    /// Its kubeconfig.
    pub kubeconfig: PathBuf,
    /// Which context of it; none: its current one.
    pub context: Option<String>,
}

/// A cluster. Eyes and hands have separate identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubernetes {
    /// The kubectl to run, an absolute path; none: the first one in the usual system folders.
    pub kubectl: Option<PathBuf>,
    /// Reads.
    pub reading: KubernetesIdentity,
    /// Acts; none: nothing in the cluster is ever changed.
    pub acting: Option<KubernetesIdentity>,
    /// Namespaces to look at; empty: those that the incident names.
    pub namespaces: Vec<String>,
    /// Environment (production, staging, …) by namespace; `*` for the rest.
    pub environments: BTreeMap<String, String>,
}

/// One Prometheus server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prometheus {
    /// What it is called in evidence.
    pub name: String,
    /// Its base URL.
    pub url: String,
}

/// One log file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogFile {
    /// The service that writes it.
    pub service: String,
    /// Where it is.
    pub path: PathBuf,
}

/// What may be done with one registered repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoRules {
    /// Its check command: program (an absolute path) and arguments. Never from the API or the repository.
    pub check: Vec<String>,
    /// Where the check runs.
    pub folder: Option<PathBuf>,
    /// How long it may take, seconds.
    pub timeout_seconds: u32,
}

/// Which repositories may be registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Git {
    /// Hosts whose https URLs are allowed; empty: any public host.
    pub hosts: Vec<String>,
    /// Folders under which local repositories may be read.
    pub roots: Vec<PathBuf>,
    /// Where checkouts are kept.
    pub cache: PathBuf,
}

/// A program that the operator lets the agent propose (`command.<name>`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// One line: what it does.
    pub description: String,
    /// Program (an absolute path) and arguments; `{name}` as a whole argument stands for a parameter.
    pub argv: Vec<String>,
    /// What would take it back, spelled the same way.
    #[serde(default)]
    pub undo: Vec<String>,
    /// A program that tells whether it was done: exit code 0 yes, 1 no, anything else unknown.
    #[serde(default)]
    pub was_applied: Vec<String>,
    /// Targets it may be used on; a pattern may end in `*`.
    pub targets: Vec<String>,
    /// Its parameters.
    #[serde(default)]
    pub params: BTreeMap<String, CommandParam>,
    /// production, staging, …
    pub environment: String,
    /// How many objects it touches.
    #[serde(default = "one")]
    pub blast_radius: u32,
}

fn one() -> u32 {
    1
}

/// One parameter of a [`Command`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandParam {
    /// What it may be.
    #[serde(rename = "type")]
    pub kind: CommandParamKind,
    /// The words it may be, for [`CommandParamKind::Choice`].
    #[serde(default)]
    pub choices: Vec<String>,
    /// Lower bound, for [`CommandParamKind::Integer`].
    #[serde(default)]
    pub min: Option<i64>,
    /// Upper bound, for [`CommandParamKind::Integer`].
    #[serde(default)]
    pub max: Option<i64>,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandParamKind {
    /// Letters, digits, `-`, `_` and `.`, not beginning with `-`, at most 63.
    Name,
    /// A whole number within bounds.
    Integer,
    /// One of some words.
    Choice,
}
