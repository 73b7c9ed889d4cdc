//! The eye that runs what only reads.

use crate::config::Config;
use anyhow::anyhow;
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::command::{Commands, Reach};
use std::collections::BTreeMap;
use std::ffi::OsStr;

/// The eye, if the configuration names programs for it.
///
/// # Errors
/// What it names and this machine does not have.
pub(in crate::wire::server) fn command(config: &Config) -> anyhow::Result<Option<Commands>> {
    let Some(wanted) = &config.eyes.command else { return Ok(None) };
    let mut variables = config.programs.variables.clone();
    // kubectl asks as the same identity as the eye on the cluster, which only reads.
    if let Some(kubernetes) = &config.kubernetes {
        variables.insert("KUBECONFIG".to_owned(), kubernetes.reading.kubeconfig.display().to_string());
    }
    let mut programs = BTreeMap::new();
    for name in &wanted.programs {
        let found = Program::find(name, OsStr::new(&config.programs.search_path));
        let program = found.map_err(|error| anyhow!("{error}; install it, or take it out of `command.programs`"))?;
        programs.insert(name.clone(), program.with_env(variables.clone()));
    }
    let reach =
        Reach::new(&wanted.folders, wanted.names.clone()).map_err(|error| anyhow!("command.folders: {error}"))?;
    Ok(Some(Commands::new(programs, reach)))
}
