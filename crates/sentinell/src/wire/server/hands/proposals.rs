//! Hands on repositories at GitHub.

use crate::config::{self, Config};
use anyhow::anyhow;
use sentinell_adapters::actuators::github::{GitHubHands, GitHubHandsSettings, Repository, RepositoryCheck};
use sentinell_adapters::process::Program;
use sentinell_core::ports::Clock;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn github(
    wanted: &config::GitHubHands,
    config: &Config,
    guard: &Program,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<GitHubHands> {
    let found = Program::find("git", OsStr::new(&config.programs.search_path));
    let git = found.map_err(|error| anyhow!("github.acting: {error}; install git"))?;
    let settings = GitHubHandsSettings {
        url: wanted.url.clone(),
        token: wanted.token.expose().to_owned(),
        git: git.with_env(config.programs.variables.clone()).with_guard(guard),
        folder: config.git.cache.join("acting"),
        repositories: wanted.repositories.iter().map(|one| repository(one, config)).collect::<Result<_, _>>()?,
    };
    GitHubHands::new(settings, clock.clone()).map_err(|error| anyhow!("github.acting: {error}"))
}

fn repository(wanted: &config::ProposedTo, config: &Config) -> anyhow::Result<Repository> {
    let check = match wanted.check.split_first() {
        None => None,
        Some((path, args)) => {
            let program = Program::at(path).map_err(|error| anyhow!("github.acting, {}: {error}", wanted.name))?;
            let program = program.with_env(config.programs.variables.clone());
            let time = Duration::from_secs(u64::from(wanted.check_seconds));
            Some(RepositoryCheck { program, args: args.to_vec(), time })
        }
    };
    Ok(Repository {
        name: wanted.name.clone(),
        full_name: wanted.repository.clone(),
        environment: wanted.environment.clone(),
        paths: wanted.paths.clone(),
        guarded: wanted.guarded.clone(),
        protected: wanted.protected.clone(),
        public: wanted.public,
        check,
        verification: wanted.verification.clone(),
    })
}
