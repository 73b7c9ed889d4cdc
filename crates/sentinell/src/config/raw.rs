//! What the operator typed: all optional, nothing trusted yet.

use super::Secret;
use super::eyes::{RawAws, RawCommands, RawDatabase, RawDocker, RawGitHub, RawMachine, RawMcp, RawProbe, RawServer};
use super::hands::{RawHttpAction, RawSystemd, RawTerraform};
use super::maintenance::RawWindow;
use super::memory::RawMemory;
use super::model::RawModel;
use super::policy::RawPolicy;
use super::sections::{Command, LogFile};
use super::senders::Mapping;
use super::slack::RawSlack;
use super::sns::RawCloudwatch;
use super::tail::Tail;
use super::telemetry::RawTelemetry;
use super::topology::RawTopology;
use super::webhooks::RawWebhook;
use crate::store::Retention;
use sentinell_core::policy::{Autonomy, Budget};
use sentinell_evidence::case::Level;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `sentinell.toml` as it was typed. Unknown keys are errors.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub listen: Option<String>,
    pub database: Option<String>,
    pub log: Option<String>,
    pub log_threshold: Option<Level>,
    pub autonomy: Option<Autonomy>,
    pub auth: RawAuth,
    pub policy: RawPolicy,
    pub budget: Budget,
    pub worker: RawWorker,
    pub model: RawModel,
    pub kubernetes: Option<RawKubernetes>,
    pub prometheus: Vec<RawPrometheus>,
    pub loki: Vec<RawServer>,
    pub elasticsearch: Vec<RawServer>,
    pub traces: Vec<RawServer>,
    pub probes: Vec<RawProbe>,
    pub postgres: Vec<RawDatabase>,
    pub redis: Vec<RawDatabase>,
    pub machine: Option<RawMachine>,
    pub aws: Vec<RawAws>,
    pub docker: Option<RawDocker>,
    pub github: Option<RawGitHub>,
    pub command: Option<RawCommands>,
    pub mcp: Vec<RawMcp>,
    pub logs: Vec<LogFile>,
    pub tail: Vec<Tail>,
    pub maintenance: Vec<RawWindow>,
    pub topology: RawTopology,
    pub recordings: Vec<PathBuf>,
    pub repos: BTreeMap<String, RawRepo>,
    pub git: RawGit,
    pub commands: Vec<Command>,
    pub systemd: Option<RawSystemd>,
    pub terraform: Option<RawTerraform>,
    pub http_actions: Vec<RawHttpAction>,
    pub runbooks: Option<PathBuf>,
    pub retention: Retention,
    pub telemetry: RawTelemetry,
    pub public_url: Option<String>,
    pub allowed_hosts: Vec<String>,
    pub webhooks: Vec<RawWebhook>,
    pub generic: Vec<Mapping>,
    pub slack: RawSlack,
    pub cloudwatch: RawCloudwatch,
    pub memory: RawMemory,
    /// The folder that relative paths of the file are meant from.
    #[serde(skip)]
    pub base: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAuth {
    pub operator_token: Option<Secret>,
    pub audit_key: Option<Secret>,
    pub required: Option<bool>,
    pub github_webhook_secret: Option<Secret>,
    pub slack_signing_secret: Option<Secret>,
    pub pagerduty_webhook_secret: Option<Secret>,
    pub sentry_client_secret: Option<Secret>,
    pub standard_webhooks_secret: Option<Secret>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawWorker {
    pub inside_serve: Option<bool>,
    pub lease_seconds: Option<u32>,
    pub concurrency: Option<usize>,
    pub auto_poll: Option<bool>,
    pub poll_interval_seconds: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawKubernetes {
    pub kubectl: Option<PathBuf>,
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    pub acting: Option<RawIdentity>,
    pub namespaces: Vec<String>,
    pub environments: BTreeMap<String, String>,
    pub max_replicas: Option<u64>,
    pub images: Vec<String>,
    pub variables: Vec<String>,
    pub max_drained_pods: Option<u64>,
    pub hold_seconds: Option<u32>,
    pub every_seconds: Option<u32>,
    pub within_seconds: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIdentity {
    pub kubeconfig: PathBuf,
    pub context: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrometheus {
    pub name: Option<String>,
    pub url: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRepo {
    #[serde(default)]
    pub check: Option<Vec<String>>,
    #[serde(default)]
    pub folder: Option<PathBuf>,
    #[serde(default)]
    pub timeout_seconds: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawGit {
    pub hosts: Vec<String>,
    pub private: Vec<String>,
    pub roots: Vec<PathBuf>,
    pub cache: Option<PathBuf>,
}

/// What the command line says; wins over every other layer.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen`.
    pub listen: Option<String>,
    /// `--database`.
    pub database: Option<String>,
}

impl Raw {
    /// Reads the file; what cannot be read becomes a problem and an empty layer.
    pub fn from_file(path: &Path, problems: &mut Vec<String>) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| {
            problems.push(format!("{}: {error}", path.display()));
            String::new()
        });
        let mut raw: Self = toml::from_str(&text).unwrap_or_else(|error| {
            // The library's display quotes the offending line, which may hold a secret.
            let line =
                error.span().map_or(1, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
            problems.push(format!("{}, line {line}: {}", path.display(), error.message()));
            Self::default()
        });
        raw.base = path.parent().unwrap_or(Path::new(".")).to_owned();
        raw
    }

    /// Lays environment variables over the file.
    pub fn lay_environment(&mut self, variables: &BTreeMap<String, String>, problems: &mut Vec<String>) {
        let get = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let secret = |name: &str| get(name).map(Secret::new);
        self.listen = get("SENTINELL_LISTEN").or(self.listen.take());
        self.database = get("DATABASE_URL").or(self.database.take());
        self.log = get("SENTINELL_LOG").or(self.log.take());
        self.auth.operator_token = secret("SENTINELL_OPERATOR_TOKEN").or(self.auth.operator_token.take());
        self.auth.audit_key = secret("SENTINELL_AUDIT_KEY").or(self.auth.audit_key.take());
        for (setting, variable) in [
            (&mut self.auth.github_webhook_secret, "GITHUB_WEBHOOK_SECRET"),
            (&mut self.auth.slack_signing_secret, "SLACK_SIGNING_SECRET"),
            (&mut self.auth.pagerduty_webhook_secret, "PAGERDUTY_WEBHOOK_SECRET"),
            (&mut self.auth.sentry_client_secret, "SENTRY_CLIENT_SECRET"),
            (&mut self.auth.standard_webhooks_secret, "STANDARD_WEBHOOKS_SECRET"),
        ] {
            *setting = secret(variable).or(setting.take());
        }
        self.slack.app_token = secret("SLACK_APP_TOKEN").or(self.slack.app_token.take());
        self.slack.bot_token = secret("SLACK_BOT_TOKEN").or(self.slack.bot_token.take());
        self.model.lay_environment(variables);
        self.aws.iter_mut().for_each(|aws| aws.lay_environment(variables));
        if let Some(token) = secret("GITHUB_TOKEN") {
            self.github.get_or_insert_default().token = Some(token);
        }
        self.github.iter_mut().for_each(|github| github.lay_environment(variables));
        self.mcp.iter_mut().for_each(|mcp| mcp.lay_environment(variables));
        self.terraform.iter_mut().for_each(|terraform| terraform.lay_environment(variables));
        self.http_actions.iter_mut().for_each(|action| action.lay_environment(variables));
        self.git.cache = get("SRE_REPO_CACHE").map(PathBuf::from).or(self.git.cache.take());
        self.public_url = get("SENTINELL_PUBLIC_URL").or(self.public_url.take());
        for hook in &mut self.webhooks {
            if let Some(text) = get(&hook.variable()) {
                hook.secrets = text.split_whitespace().map(Secret::new).collect();
            }
        }
        if let Some(word) = get("SENTINELL_AUTONOMY") {
            match serde_json::from_value(serde_json::Value::String(word)) {
                Ok(autonomy) => self.autonomy = Some(autonomy),
                Err(_) => problems.push("SENTINELL_AUTONOMY: expected observe, suggest, approve or automatic".into()),
            }
        }
        self.memory.lay_environment(get, problems);
        self.telemetry.lay_environment(get, problems);
        for (setting, variable) in [
            (&mut self.worker.inside_serve, "SRE_ENABLE_AGENT_WORKER"),
            (&mut self.worker.auto_poll, "SRE_ENABLE_AUTO_POLL"),
        ] {
            let Some(word) = get(variable) else { continue };
            match word.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => *setting = Some(true),
                "0" | "false" | "no" | "off" => *setting = Some(false),
                _ => problems.push(format!("{variable}: expected true or false")),
            }
        }
        if let Some(word) = get("SRE_POLL_INTERVAL_SECONDS") {
            match word.parse() {
                Ok(seconds) => self.worker.poll_interval_seconds = Some(seconds),
                Err(_) => problems.push("SRE_POLL_INTERVAL_SECONDS: expected a number of seconds".into()),
            }
        }
    }

    /// Lays the command line over everything else.
    pub fn lay_flags(&mut self, flags: Overrides) {
        self.listen = flags.listen.or(self.listen.take());
        self.database = flags.database.or(self.database.take());
    }
}
