//! Runs the checks of registered repositories again and again: a failing one opens one incident and stays in it, a passing
//! one ends it. The command comes from the operator's file; of several processes one has the turn.

use super::Ear;
use crate::api::{CheckError, CheckOutcome, RepoChecks};
use crate::intake::{Receipt, check};
use crate::store::Repo;
use futures::stream::StreamExt;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Checks that run side by side.
const AT_ONCE: usize = 4;
/// How often to look whose turn it is, at most.
const ASK: Duration = Duration::from_secs(15);

/// Runs checks by the clock.
pub struct Poller {
    ear: Ear,
    checks: Arc<dyn RepoChecks>,
    /// Names of the repositories that have a check.
    names: BTreeSet<String>,
    every: Duration,
}

impl Poller {
    /// For the repositories with these names, each every so often.
    pub fn new(ear: Ear, checks: Arc<dyn RepoChecks>, names: BTreeSet<String>, every: Duration) -> Self {
        Self { ear, checks, names, every }
    }

    /// Runs until `stop`; a check at hand is stopped with it.
    pub async fn run(self, stop: CancellationToken) {
        let pause = (self.every / 4).min(ASK).max(Duration::from_millis(50));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.round() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Runs whatever is due.
    async fn round(&self) {
        let repos = match self.ear.store.repos().await {
            Ok(repos) => repos,
            Err(error) => return tracing::debug!(%error, "not the moment to run checks"),
        };
        let checked = repos.into_iter().filter(|repo| self.names.contains(&repo.name));
        futures::stream::iter(checked).for_each_concurrent(AT_ONCE, |repo| self.turn(repo)).await;
    }

    async fn turn(&self, repo: Repo) {
        let every = i64::try_from(self.every.as_millis()).unwrap_or(i64::MAX);
        match self.ear.store.take_turn(format!("check/{}", repo.id), self.ear.clock.now(), every).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return tracing::debug!(%error, "not the moment to run a check"),
        }
        let at = self.ear.clock.now();
        let outcome = match self.checks.run(&repo.name, &repo.repo_url).await {
            Ok(outcome) => outcome,
            // A check that cannot tell is no check that passes.
            Err(CheckError::Failed(why)) => CheckOutcome { exit_code: None, stdout: String::new(), stderr: why },
            Err(error @ CheckError::NotConfigured(_)) => return tracing::warn!(%error, "a check is gone"),
        };
        let checked = check::Check {
            repo_id: &repo.id,
            name: &repo.name,
            exit_code: outcome.exit_code,
            stdout: &outcome.stdout,
            stderr: &outcome.stderr,
        };
        let raw = Sha256::new().chain_update(&outcome.stdout).chain_update(&outcome.stderr).finalize().into();
        let receipt = Receipt { id: self.ear.signal_id(at), at, delivery_id: None };
        match self.ear.take(check::incoming(&checked, receipt), raw).await {
            Ok(_) => tracing::debug!(repo = repo.name, exit_code = outcome.exit_code, "a check ran"),
            Err(error) => tracing::warn!(%error, repo = repo.name, "the outcome of a check could not be kept"),
        }
    }
}
