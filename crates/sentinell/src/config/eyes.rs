//! Where the eyes look: `[[loki]]`, `[[elasticsearch]]`, `[[traces]]`, `[[probes]]`, `[[postgres]]`, `[[redis]]`, `[machine]`,
//! and in files of their own `[[aws]]`, `[command]`, `[docker]`, `[github]`, `[[mcp]]`.

mod aws;
mod command;
mod docker;
mod github;
mod mcp;

pub use aws::{Aws, AwsIdentity};
pub use command::ReadCommands;
pub use docker::{Docker, DockerAt};
pub use github::GitHub;
pub use mcp::{Mcp, McpAt, McpQuestion};

pub(super) use aws::RawAws;
pub(super) use command::RawCommands;
pub(super) use docker::{RawDocker, docker_at};
pub(super) use github::RawGitHub;
pub(super) use mcp::RawMcp;

use super::Secret;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A server as it was typed. Which keys have a meaning depends on its kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawServer {
    pub name: Option<String>,
    pub url: String,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub token: Option<Secret>,
    pub api_key: Option<Secret>,
    pub org_id: Option<String>,
    pub index: Option<String>,
    pub store: Option<TraceStore>,
}

/// Who keeps traces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceStore {
    /// Jaeger.
    #[default]
    Jaeger,
    /// Grafana Tempo.
    Tempo,
}

/// An address to probe as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawProbe {
    pub name: String,
    pub url: String,
    pub service: Option<String>,
    pub status: Vec<u16>,
    pub ca_file: Option<PathBuf>,
}

/// A database as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawDatabase {
    pub name: String,
    pub url: Option<Secret>,
    pub service: Option<String>,
    pub used_by: Vec<String>,
}

/// The machine that the worker runs on, as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawMachine {
    pub host: String,
    pub journal: Option<bool>,
    pub units: Vec<String>,
    pub journalctl: Option<PathBuf>,
    pub systemctl: Option<PathBuf>,
}

/// All of them as they were typed.
#[derive(Debug, Default)]
pub(super) struct RawEyes {
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
}

/// Who we are to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Nobody.
    Open,
    /// A bearer token.
    Token(Secret),
    /// A name and a password.
    Password(String, Secret),
    /// An API key of Elasticsearch.
    ApiKey(Secret),
}

/// One server to read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// What it is called in evidence.
    pub name: String,
    /// Its base URL, without a password.
    pub url: String,
    /// Who we are to it.
    pub access: Access,
    /// The tenant of a Loki or Tempo.
    pub org_id: Option<String>,
    /// Elasticsearch's indices.
    pub index: String,
    /// Whose API a trace store speaks.
    pub store: TraceStore,
}

/// One address to probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTarget {
    /// Its name in questions.
    pub name: String,
    /// Where it is, as the probe spells it; a query may hold a key.
    pub url: Secret,
    /// Whom it stands for: `service/shop/cart`.
    pub subject: String,
    /// HTTP statuses that are well; empty: 200 to 399.
    pub status: Vec<u16>,
    /// Authorities besides the machine's own, PEM.
    pub authorities: Option<Vec<u8>>,
}

/// One database to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedDatabase {
    /// Its name in questions.
    pub name: String,
    /// Where it is and who asks.
    pub url: Secret,
    /// Whose it is: `service/fair/till-db`.
    pub subject: String,
    /// Who uses it: `service/fair/till`.
    pub used_by: Vec<String>,
}

/// What may be looked at of the machine that the worker runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What signals call it.
    pub host: String,
    /// Whether its journal may be read.
    pub journal: bool,
    /// The units whose journal may be read; empty: any.
    pub units: Vec<String>,
    /// The journal's reader; none: the first one in the search path.
    pub journalctl: Option<PathBuf>,
    /// What tells the state of units; none: the first one in the search path, if there is one.
    pub systemctl: Option<PathBuf>,
}

/// Where the eyes look.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Eyes {
    /// Loki servers.
    pub loki: Vec<Server>,
    /// Elasticsearch and OpenSearch clusters.
    pub elasticsearch: Vec<Server>,
    /// Trace stores.
    pub traces: Vec<Server>,
    /// Addresses to probe.
    pub probes: Vec<ProbeTarget>,
    /// PostgreSQL databases.
    pub postgres: Vec<WatchedDatabase>,
    /// Redis servers.
    pub redis: Vec<WatchedDatabase>,
    /// The machine that the worker runs on; none: it is not looked at.
    pub machine: Option<Machine>,
    /// Regions of AWS.
    pub aws: Vec<Aws>,
    /// A Docker engine; none: containers are not looked at.
    pub docker: Option<Docker>,
    /// A GitHub; none: it is not asked.
    pub github: Option<GitHub>,
    /// Programs that may be run where they only read; none: no program is.
    pub command: Option<ReadCommands>,
    /// Other people's servers whose tools may be asked.
    pub mcp: Vec<Mcp>,
}

impl RawEyes {
    /// Checks all of them; relative paths are meant from `base`.
    pub(super) fn check(self, base: &Path, problems: &mut Vec<String>) -> Eyes {
        Eyes {
            loki: servers("loki", &["org_id"], self.loki, problems),
            elasticsearch: servers("elasticsearch", &["api_key", "index"], self.elasticsearch, problems),
            traces: servers("traces", &["org_id", "store"], self.traces, problems),
            probes: probes(self.probes, base, problems),
            postgres: databases("postgres", &["postgres://", "postgresql://"], self.postgres, problems),
            redis: databases("redis", &["redis://", "rediss://"], self.redis, problems),
            machine: self.machine.map(|raw| machine(raw, problems)),
            aws: aws::check(self.aws, base, problems),
            docker: self.docker.and_then(|raw| raw.check(problems)),
            github: self.github.map(|raw| raw.check(problems)),
            command: self.command.map(|raw| raw.check(base, problems)),
            mcp: mcp::check(self.mcp, problems),
        }
    }
}

impl Eyes {
    /// One line an eye, kind and place, for people; secrets are not in it.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let servers = |kind, servers: &[Server]| -> Vec<(&'static str, String)> {
            servers.iter().map(|server| (kind, format!("{}: {}", server.name, server.url))).collect()
        };
        let mut lines = servers("loki", &self.loki);
        lines.extend(servers("elastic", &self.elasticsearch));
        lines.extend(servers("traces", &self.traces));
        lines.extend(
            self.probes.iter().map(|target| ("probe", format!("{}: {}", target.name, shown(target.url.expose())))),
        );
        let databases = |kind, all: &[WatchedDatabase]| -> Vec<(&'static str, String)> {
            all.iter().map(|one| (kind, format!("{}: {}", one.name, shown(one.url.expose())))).collect()
        };
        lines.extend(databases("postgres", &self.postgres));
        lines.extend(databases("redis", &self.redis));
        lines.extend(self.machine.iter().map(|machine| ("machine", machine.host.clone())));
        lines.extend(self.aws.iter().map(|aws| ("aws", aws.line())));
        lines.extend(self.docker.iter().map(|docker| ("docker", docker.line())));
        lines.extend(self.github.iter().map(|github| ("github", github.line())));
        lines.extend(self.command.iter().map(|command| ("command", command.line())));
        lines.extend(self.mcp.iter().map(|mcp| ("mcp", mcp.line())));
        lines
    }
}

/// A URL without what may be secret in it.
fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, place)| place)),
        None => String::new(),
    }
}

fn servers(kind: &str, special: &[&str], raw: Vec<RawServer>, problems: &mut Vec<String>) -> Vec<Server> {
    let mut names = BTreeSet::new();
    let mut finished = vec![];
    for (place, server) in raw.into_iter().enumerate() {
        let usual = if place == 0 { kind.to_owned() } else { format!("{kind}{}", place + 1) };
        let name = server.name.clone().unwrap_or(usual);
        let mut problem = |why: &str| problems.push(format!("{kind} `{name}`: {why}"));
        if !names.insert(name.clone()) {
            problem("the name is used twice");
        }
        // The text is not repeated: a mistyped URL may carry a password.
        match server.url.strip_prefix("https://").or_else(|| server.url.strip_prefix("http://")) {
            None | Some("") => problem("url must begin with http:// or https://"),
            Some(place) if place.contains('@') => {
                problem("no name or password in the url; write user and password beside it")
            }
            Some(_) => {}
        }
        let typed = [
            ("api_key", server.api_key.is_some()),
            ("org_id", server.org_id.is_some()),
            ("index", server.index.is_some()),
            ("store", server.store.is_some()),
        ];
        for (key, _) in typed.iter().filter(|(key, typed)| *typed && !special.contains(key)) {
            problem(&format!("{key} means nothing here; remove the line"));
        }
        let access = match (server.user, server.password, server.token, server.api_key) {
            (None, None, None, None) => Access::Open,
            (Some(user), Some(password), None, None) => Access::Password(user, password),
            (None, None, Some(token), None) => Access::Token(token),
            (None, None, None, Some(key)) => Access::ApiKey(key),
            _ => {
                problem("one way to say who we are: user and password, or token, or (Elasticsearch) api_key");
                Access::Open
            }
        };
        let index = server.index.unwrap_or_else(|| "logs-*".to_owned());
        let url = server.url.trim_end_matches('/').to_owned();
        finished.push(Server {
            name,
            url,
            access,
            org_id: server.org_id,
            index,
            store: server.store.unwrap_or_default(),
        });
    }
    finished
}

fn databases(kind: &str, schemes: &[&str], raw: Vec<RawDatabase>, problems: &mut Vec<String>) -> Vec<WatchedDatabase> {
    let mut names = BTreeSet::new();
    let mut finished = vec![];
    for database in raw {
        let name = database.name;
        let mut problem = |why: String| problems.push(format!("{kind} `{name}`: {why}"));
        if name.trim().is_empty() || !names.insert(name.clone()) {
            problem("a name is needed and may be used once".to_owned());
        }
        let url = database.url.unwrap_or_else(|| Secret::new(""));
        // The text is not repeated: it carries a password.
        if !schemes.iter().any(|scheme| url.expose().strip_prefix(scheme).is_some_and(|rest| !rest.is_empty())) {
            problem(format!("url must begin with {}", schemes.join(" or ")));
        }
        let subject = format!("service/{}", database.service.as_deref().unwrap_or(&name));
        let used_by = database.used_by.iter().map(|user| format!("service/{user}")).collect();
        finished.push(WatchedDatabase { name: name.clone(), url, subject, used_by });
    }
    finished
}

fn machine(raw: RawMachine, problems: &mut Vec<String>) -> Machine {
    if raw.host.trim().is_empty() {
        problems
            .push("machine.host: missing; write what signals call this machine (their `instance` or `host`)".into());
    }
    for unit in raw.units.iter().filter(|unit| !unit.contains('.')) {
        problems.push(format!("machine.units: `{unit}`: write the whole name, such as {unit}.service"));
    }
    for (key, path) in [("journalctl", &raw.journalctl), ("systemctl", &raw.systemctl)] {
        if path.as_ref().is_some_and(|path| !path.is_absolute() || !path.is_file()) {
            problems.push(format!("machine.{key}: must be the absolute path of a program that is there"));
        }
    }
    let host = raw.host.trim().to_owned();
    Machine {
        host,
        journal: raw.journal.unwrap_or(true),
        units: raw.units,
        journalctl: raw.journalctl,
        systemctl: raw.systemctl,
    }
}

fn probes(raw: Vec<RawProbe>, base: &Path, problems: &mut Vec<String>) -> Vec<ProbeTarget> {
    let mut names = BTreeSet::new();
    let mut finished = vec![];
    for probe in raw {
        let name = probe.name;
        let mut problem = |why: String| problems.push(format!("probes `{name}`: {why}"));
        if name.trim().is_empty() || !names.insert(name.clone()) {
            problem("a name is needed and may be used once".to_owned());
        }
        let known = ["https://", "http://", "tls://", "tcp://", "dns://"];
        if !known.iter().any(|scheme| probe.url.starts_with(scheme)) {
            problem(format!("url must begin with {}", known.join(", ")));
        }
        if let Some(odd) = probe.status.iter().find(|status| !(100..600).contains(*status)) {
            problem(format!("status {odd}: 100 to 599"));
        }
        let authorities = probe.ca_file.and_then(|file| {
            let path = base.join(file);
            std::fs::read(&path).map_err(|error| problem(format!("ca_file {}: {error}", path.display()))).ok()
        });
        let subject = format!("service/{}", probe.service.as_deref().unwrap_or(&name));
        finished.push(ProbeTarget {
            name: name.clone(),
            url: Secret::new(probe.url),
            subject,
            status: probe.status,
            authorities,
        });
    }
    finished
}
