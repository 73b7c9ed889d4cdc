//! The check commands of repositories: from the operator's file, as argument vectors, with limits.

use crate::api::{CheckError, CheckOutcome, RepoChecks};
use crate::config::{Config, Programs, RepoRules};
use sentinell_adapters::process::{Limits, Program, RunError};
use sentinell_core::ports::BoxFuture;
use sentinell_core::redact::redact;
use std::collections::BTreeMap;
use std::time::Duration;

/// Bytes of a check's output that are kept, of each stream.
const LONGEST_OUTPUT: usize = 64 << 10;

/// The checks that the configuration declares, by repository name.
pub struct Checks {
    rules: BTreeMap<String, RepoRules>,
    programs: Programs,
}

impl Checks {
    /// Of this configuration.
    pub fn of(config: &Config) -> Self {
        Self { rules: config.repos.clone(), programs: config.programs.clone() }
    }

    async fn check(&self, name: &str) -> Result<CheckOutcome, CheckError> {
        let rules = self.rules.get(name).ok_or_else(|| CheckError::NotConfigured(name.to_owned()))?;
        let (path, args) = rules.check.split_first().ok_or_else(|| CheckError::NotConfigured(name.to_owned()))?;
        let mut program = Program::at(path).map_err(CheckError::Failed)?.with_env(self.programs.variables.clone());
        if let Some(folder) = &rules.folder {
            program = program.in_directory(folder);
        }
        let time = Duration::from_secs(u64::from(rules.timeout_seconds));
        let limits = Limits { time, stdout: LONGEST_OUTPUT, stderr: LONGEST_OUTPUT };
        let ended = program.run(args, limits).await.map_err(|error| match error {
            RunError::NotStarted(why) | RunError::Unfinished(why) => CheckError::Failed(why),
        })?;
        let clean = |text: &str| redact(text).into_owned();
        Ok(CheckOutcome { exit_code: ended.code, stdout: clean(&ended.stdout), stderr: clean(&ended.stderr) })
    }
}

impl RepoChecks for Checks {
    fn run<'a>(&'a self, name: &'a str, _repo_url: &'a str) -> BoxFuture<'a, Result<CheckOutcome, CheckError>> {
        Box::pin(self.check(name))
    }
}
