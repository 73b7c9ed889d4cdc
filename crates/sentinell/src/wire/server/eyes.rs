//! The eyes of a worker besides the cluster, Prometheus and files.

mod command;
pub(super) mod more;

pub(super) use command::command;

use super::renamed::Renamed;
use crate::config::{self, Access, Eyes, ProbeTarget, Programs, Server, WatchedDatabase};
use crate::memory::Configured;
use anyhow::anyhow;
use sentinell_adapters::http::Credentials;
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::database::DatabaseSettings;
use sentinell_adapters::tools::elasticsearch::{Elasticsearch, ElasticsearchSettings};
use sentinell_adapters::tools::loki::{Loki, LokiSettings};
use sentinell_adapters::tools::machine::{Machine, MachineSettings};
use sentinell_adapters::tools::postgres::Postgres;
use sentinell_adapters::tools::probe::{self, Probe};
use sentinell_adapters::tools::redis::Redis;
use sentinell_adapters::tools::traces::{TraceStore, Traces, TracesSettings};
use sentinell_core::ports::{Clock, Tool};
use std::ffi::OsStr;
use std::sync::Arc;

/// Every eye that the configuration names.
///
/// # Errors
/// What the configuration says and no eye can be made of.
pub(super) fn eyes(config: &Eyes, programs: &Programs, clock: &Arc<dyn Clock>) -> anyhow::Result<Vec<Arc<dyn Tool>>> {
    let mut eyes = vec![];
    eyes.extend(of_log_sources(config, clock)?.into_iter().map(|configured| configured.eye));
    for (index, server) in config.traces.iter().enumerate() {
        let store = match server.store {
            config::TraceStore::Jaeger => TraceStore::Jaeger,
            config::TraceStore::Tempo => TraceStore::Tempo,
        };
        let settings =
            TracesSettings { store, url: server.url.clone(), who: who(server), org_id: server.org_id.clone() };
        eyes.push(named(Traces::new(settings, clock.clone()), "traces", index, server)?);
    }
    if !config.probes.is_empty() {
        let target = |target: &ProbeTarget| probe::ProbeTarget {
            name: target.name.clone(),
            url: target.url.expose().to_owned(),
            subject: target.subject.clone(),
            expect: target.status.clone(),
            authorities: target.authorities.clone(),
        };
        let probe = Probe::new(config.probes.iter().map(target).collect(), clock.clone());
        eyes.push(Arc::new(probe.map_err(|error| anyhow!(error))?));
    }
    if !config.postgres.is_empty() {
        let postgres = Postgres::new(databases(&config.postgres), clock.clone());
        eyes.push(Arc::new(postgres.map_err(|error| anyhow!(error))?));
    }
    if !config.redis.is_empty() {
        let redis = Redis::new(databases(&config.redis), clock.clone());
        eyes.push(Arc::new(redis.map_err(|error| anyhow!(error))?));
    }
    if let Some(machine) = &config.machine {
        eyes.push(Arc::new(Machine::new(of_machine(machine, programs)?, clock.clone())));
    }
    eyes.extend(more::eyes(config, programs, clock)?);
    Ok(eyes)
}

/// The eyes on stores of logs, with their addresses: registered log sources are read through them.
///
/// # Errors
/// What the configuration says and no eye can be made of.
pub(super) fn of_log_sources(config: &Eyes, clock: &Arc<dyn Clock>) -> anyhow::Result<Vec<Configured>> {
    let mut all = vec![];
    for (index, server) in config.loki.iter().enumerate() {
        let settings = LokiSettings { url: server.url.clone(), who: who(server), org_id: server.org_id.clone() };
        let eye = named(Loki::new(settings, clock.clone()), "loki", index, server)?;
        all.push(Configured { source_type: "loki", url: server.url.clone(), eye });
    }
    for (index, server) in config.elasticsearch.iter().enumerate() {
        let settings = ElasticsearchSettings { url: server.url.clone(), who: who(server), index: server.index.clone() };
        let eye = named(Elasticsearch::new(settings, clock.clone()), "elasticsearch", index, server)?;
        all.push(Configured { source_type: "elasticsearch", url: server.url.clone(), eye });
    }
    Ok(all)
}

fn of_machine(machine: &config::Machine, programs: &Programs) -> anyhow::Result<MachineSettings> {
    let found = match &machine.journalctl {
        Some(path) => Program::at(path),
        None => Program::find("journalctl", OsStr::new(&programs.search_path)),
    };
    let journalctl = match found {
        _ if !machine.journal => None,
        Ok(program) => Some(program.with_env(programs.variables.clone())),
        Err(error) => return Err(anyhow!("{error}; set `machine.journalctl`, or `machine.journal = false`")),
    };
    // A machine without systemd is looked at all the same.
    let systemctl = match &machine.systemctl {
        Some(path) => Some(Program::at(path).map_err(|error| anyhow!("{error}; correct `machine.systemctl`"))?),
        None => Program::find("systemctl", OsStr::new(&programs.search_path)).ok(),
    };
    let systemctl = systemctl.map(|program| program.with_env(programs.variables.clone()));
    Ok(MachineSettings { host: machine.host.clone(), units: machine.units.clone(), journalctl, systemctl })
}

fn databases(all: &[WatchedDatabase]) -> Vec<DatabaseSettings> {
    let settings = |one: &WatchedDatabase| DatabaseSettings {
        name: one.name.clone(),
        url: one.url.expose().to_owned(),
        subject: one.subject.clone(),
        used_by: one.used_by.clone(),
    };
    all.iter().map(settings).collect()
}

fn named<T: Tool + 'static>(
    eye: Result<T, String>,
    kind: &str,
    index: usize,
    server: &Server,
) -> anyhow::Result<Arc<dyn Tool>> {
    let eye = eye.map_err(|error| anyhow!("{kind} `{}`: {error}", server.name))?;
    Ok(Renamed::unless_first(Arc::new(eye), index, &server.name))
}

fn who(server: &Server) -> Credentials {
    match &server.access {
        Access::Open => Credentials::None,
        Access::Token(token) => Credentials::Bearer(token.expose().to_owned()),
        Access::Password(user, password) => Credentials::Basic(user.clone(), password.expose().to_owned()),
        Access::ApiKey(key) => Credentials::ApiKey(key.expose().to_owned()),
    }
}
