//! The finished sections of [`Config`](super::Config).

use super::{Secret, Senders};
use sentinell_core::action::{BlastRadius, Verification};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Who may do what, and how senders prove who they are.
#[derive(Debug, Clone)]
pub struct Auth {
    /// The first operator's bearer token, where the operator chose it. None: minted into a file at the first start.
    pub operator_token: Option<Secret>,
    /// The key that signs the audit's heads (32 bytes in hex), where the operator chose it. None: minted into a file.
    pub audit_key: Option<Secret>,
    /// Whether reading and posting signals need a token too. Always true off loopback.
    pub required: bool,
    /// How senders of signals prove who they are.
    pub senders: Senders,
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
    /// Whether the checks of repositories run by the clock.
    pub auto_poll: bool,
    /// How often each of them does, seconds.
    pub poll_interval_seconds: u32,
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
    /// Environment (production, staging, …) by namespace.
    pub environments: BTreeMap<String, String>,
    /// The environment of every other namespace (`*` in the file).
    pub environment: String,
    /// More pods than this are never asked for.
    pub max_replicas: u64,
    /// How images may begin besides those of the repository that a container uses already.
    pub images: Vec<String>,
    /// Environment variables whose value may be changed.
    pub variables: Vec<String>,
    /// No node with more pods than this is drained; 0: none is.
    pub max_drained_pods: u64,
    /// For how long it must stay well after a deed, seconds.
    pub hold_seconds: u32,
    /// How often to look meanwhile, seconds.
    pub every_seconds: u32,
    /// How long to wait for it at most, seconds.
    pub within_seconds: u32,
}

/// What programs are started with: where they are looked up, and the few variables they may see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Programs {
    /// `PATH`, for looking a program up once; afterwards it is pinned.
    pub search_path: String,
    /// Variables that a child process gets (`PATH`, `HOME`, `LANG`), and no others.
    pub variables: BTreeMap<String, String>,
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
    /// Its check command: program (an absolute path) and arguments; empty: none. Never from the API or the repository.
    pub check: Vec<String>,
    /// Its local clone, where the check runs.
    pub folder: Option<PathBuf>,
    /// How long it may take, seconds.
    pub timeout_seconds: u32,
}

/// Which repositories may be registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Git {
    /// Hosts whose repositories may be registered and, over https, read (`host:port` where the port is not the usual one).
    /// Empty: those of any public host may be registered, none is read.
    pub hosts: Vec<String>,
    /// Those of them that may be at addresses that are not public.
    pub private: Vec<String>,
    /// Folders under which local repositories may be read.
    pub roots: Vec<PathBuf>,
    /// Where checkouts are kept.
    pub cache: PathBuf,
}

/// A program that the operator lets the agent propose (`command.<name>`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// One line for a reasoner and for people.
    pub description: String,
    /// What it acts on, exactly as proposals must name it.
    pub target: String,
    /// What runs, an absolute path.
    pub program: PathBuf,
    /// Its arguments; `{param}` stands for a parameter.
    #[serde(default)]
    pub args: Vec<String>,
    /// Every parameter; all of them are required.
    #[serde(default)]
    pub params: BTreeMap<String, CommandParam>,
    /// production, staging, …
    pub environment: String,
    /// Arguments of the same program that take it back.
    #[serde(default)]
    pub undo: Option<Vec<String>>,
    /// Whether to take it back when it did not help.
    #[serde(default)]
    pub undo_if_unhelpful: bool,
    /// Program (an absolute path) and arguments that tell whether it was done: exit code 0 yes, 1 no, anything else unknown.
    #[serde(default)]
    pub check: Option<Vec<String>>,
    /// How one will know that it helped.
    pub verification: Verification,
    /// How far it reaches.
    pub blast_radius: BlastRadius,
    /// Time until it is killed, seconds.
    #[serde(default = "half_a_minute")]
    pub timeout_seconds: u32,
}

fn half_a_minute() -> u32 {
    30
}

/// What a parameter of a [`Command`] may be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum CommandParam {
    /// A whole number.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// One of these words.
    OneOf {
        /// The words.
        words: Vec<String>,
    },
    /// Letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
    Identifier {
        /// Bytes at most.
        max: usize,
    },
}
