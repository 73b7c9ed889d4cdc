//! What the operator typed: all optional, nothing trusted yet.

use super::Secret;
use super::model::RawModel;
use super::sections::{Command, LogFile};
use super::telemetry::RawTelemetry;
use super::webhooks::RawWebhook;
use crate::store::Retention;
use sentinell_core::policy::{Autonomy, Budget, Rule};
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
    pub autonomy: Option<Autonomy>,
    pub auth: RawAuth,
    pub policy: RawPolicy,
    pub budget: Budget,
    pub worker: RawWorker,
    pub model: RawModel,
    pub kubernetes: Option<RawKubernetes>,
    pub prometheus: Vec<RawPrometheus>,
    pub logs: Vec<LogFile>,
    pub recordings: Vec<PathBuf>,
    pub repos: BTreeMap<String, RawRepo>,
    pub git: RawGit,
    pub commands: Vec<Command>,
    pub runbooks: Option<PathBuf>,
    pub retention: Retention,
    pub telemetry: RawTelemetry,
    pub public_url: Option<String>,
    pub allowed_hosts: Vec<String>,
    pub webhooks: Vec<RawWebhook>,
    /// The folder that relative paths of the file are meant from.
    #[serde(skip)]
    pub base: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawAuth {
    pub operator_token: Option<Secret>,
    pub required: Option<bool>,
    pub github_webhook_secret: Option<Secret>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawPolicy {
    pub approval_seconds: Option<u32>,
    pub deed_seconds: Option<u32>,
    pub rules: Vec<Rule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawWorker {
    pub inside_serve: Option<bool>,
    pub lease_seconds: Option<u32>,
    pub concurrency: Option<usize>,
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
    pub check: Vec<String>,
    #[serde(default)]
    pub folder: Option<PathBuf>,
    #[serde(default)]
    pub timeout_seconds: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawGit {
    pub hosts: Vec<String>,
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
        self.auth.github_webhook_secret = secret("GITHUB_WEBHOOK_SECRET").or(self.auth.github_webhook_secret.take());
        self.model.lay_environment(variables);
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
        self.telemetry.lay_environment(get, problems);
        if let Some(word) = get("SRE_ENABLE_AGENT_WORKER") {
            match word.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => self.worker.inside_serve = Some(true),
                "0" | "false" | "no" | "off" => self.worker.inside_serve = Some(false),
                _ => problems.push("SRE_ENABLE_AGENT_WORKER: expected true or false".into()),
            }
        }
    }

    /// Lays the command line over everything else.
    pub fn lay_flags(&mut self, flags: Overrides) {
        self.listen = flags.listen.or(self.listen.take());
        self.database = flags.database.or(self.database.take());
    }
}
