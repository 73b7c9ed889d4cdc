//! The eyes on repositories, and what keeps them up to date with those that are registered.

use crate::config::{Config, RepoRules};
use crate::store::{self, Store};
use anyhow::anyhow;
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::git::{Git, GitRepository, GitRules, GitSource};
use sentinell_adapters::tools::github::{GitHub, GitHubRepository, GitHubSettings};
use sentinell_core::ports::Clock;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

/// An eye on repositories; none where there is no git.
pub(super) fn git(config: &Config, clock: &Arc<dyn Clock>) -> Option<Arc<Git>> {
    let program = Program::find("git", OsStr::new(&config.programs.search_path));
    let program = program.inspect_err(|why| tracing::warn!(why, "repositories cannot be read")).ok()?;
    let rules = GitRules {
        roots: config.git.roots.clone(),
        hosts: config.git.hosts.clone(),
        private: config.git.private.clone(),
        cache: Some(config.git.cache.clone()),
    };
    Some(Arc::new(Git::new(program.with_env(config.programs.variables.clone()), rules, clock.clone())))
}

/// An eye on what GitHub itself knows of repositories; none where it is not configured.
///
/// # Errors
/// What the configuration says and no eye can be made of.
pub fn github(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Option<Arc<GitHub>>> {
    let Some(wanted) = &config.eyes.github else { return Ok(None) };
    let token = wanted.token.as_ref().map(|token| token.expose().to_owned());
    let eye = GitHub::new(GitHubSettings { url: wanted.url.clone(), token }, clock.clone());
    Ok(Some(Arc::new(eye.map_err(|error| anyhow!("github.url: {error}"))?)))
}

/// The registered repositories, as the eyes on them may see them.
pub struct Repositories {
    git: Option<Arc<Git>>,
    github: Option<Arc<GitHub>>,
    store: Store,
    rules: BTreeMap<String, RepoRules>,
}

impl Repositories {
    /// None where nobody would look at them.
    pub(super) fn new(
        git: Option<Arc<Git>>,
        github: Option<Arc<GitHub>>,
        store: &Store,
        config: &Config,
    ) -> Option<Self> {
        let (store, rules) = (store.clone(), config.repos.clone());
        (git.is_some() || github.is_some()).then_some(Self { git, github, store, rules })
    }

    /// Brings the eyes up to date with what is registered now.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn refresh(&self) -> store::Result<()> {
        let repository = |repo: store::Repo| {
            let folder = self.rules.get(&repo.name).and_then(|rules| rules.folder.clone());
            let source = folder.map_or(GitSource::Https(repo.repo_url), GitSource::Local);
            GitRepository { id: repo.id, subject: repo.name, source, branch: repo.default_branch }
        };
        let known = self.store.repos().await?;
        if let Some(github) = &self.github {
            let one = |repo: &store::Repo| GitHubRepository {
                id: repo.id.clone(),
                subject: repo.name.clone(),
                url: repo.repo_url.clone(),
                branch: repo.default_branch.clone(),
            };
            github.register(known.iter().map(one).collect());
        }
        let Some(git) = &self.git else { return Ok(()) };
        for (repository, why) in git.register(known.into_iter().map(repository).collect()) {
            tracing::debug!(repository = repository.id, why, "a registered repository may not be read");
        }
        Ok(())
    }

    /// Keeps the eyes up to date until dropped.
    pub async fn follow(self) {
        loop {
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "the registered repositories could not be read");
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
}
