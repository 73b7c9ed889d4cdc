//! `[github.acting]`: repositories at GitHub that changes may be proposed to.

use crate::config::Secret;
use sentinell_core::action::Verification;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

/// The section as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawGitHubHands {
    pub token: Option<Secret>,
    pub repositories: Vec<ProposedTo>,
}

/// One repository.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedTo {
    /// Its name in targets: that of the service whose code it is.
    pub name: String,
    /// `owner/name` at GitHub.
    pub repository: String,
    /// production, staging, …
    pub environment: String,
    /// Paths that may change; a `*` at the end matches any rest. Empty: all but the guarded ones.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Workflows, lock files and the like that may change all the same.
    #[serde(default)]
    pub guarded: Vec<String>,
    /// Branches that are never pushed to, besides the default branch, main, master and release/*.
    #[serde(default)]
    pub protected: Vec<String>,
    /// Whether evidence may be told although everybody can read the repository.
    #[serde(default)]
    pub public: bool,
    /// Program (an absolute path) and arguments that say whether a tree is well; started in its root. Empty: none.
    #[serde(default)]
    pub check: Vec<String>,
    /// How long that may take, seconds.
    #[serde(default = "five_minutes")]
    pub check_seconds: u32,
    /// How one will know that it helped.
    pub verification: Verification,
}

fn five_minutes() -> u32 {
    300
}

/// What may be proposed to.
#[derive(Debug, Clone, PartialEq)]
pub struct GitHubHands {
    /// The API.
    pub url: String,
    /// Who acts.
    pub token: Secret,
    /// The repositories.
    pub repositories: Vec<ProposedTo>,
}

impl GitHubHands {
    /// For people; the token is not in it.
    pub(super) fn line(&self) -> String {
        let one = |one: &ProposedTo| {
            let check = if one.check.is_empty() { ", without a check" } else { "" };
            format!("{} ({}{check})", one.repository, one.environment)
        };
        format!("{}: {}", self.url, self.repositories.iter().map(one).collect::<Vec<_>>().join(", "))
    }
}

impl RawGitHubHands {
    /// `eye` is the checked section that it stands in.
    pub(super) fn check(self, eye: Option<&crate::config::GitHub>, problems: &mut Vec<String>) -> Option<GitHubHands> {
        let mut problem = |why: String| problems.push(format!("github.acting.{why}"));
        if self.repositories.is_empty() {
            problem("repositories: name at least one".into());
        }
        let mut names = BTreeSet::new();
        for one in &self.repositories {
            let section = format!("repositories.{}", one.name);
            if !names.insert(&one.name) {
                problem(format!("{section}: the name is used twice"));
            }
            one.problems().into_iter().for_each(|why| problem(format!("{section}{why}")));
        }
        let reading = eye.and_then(|eye| eye.token.as_ref());
        if self.token.is_some() && self.token.as_ref() == reading {
            problem("token: the same as for reading; eyes and hands need separate ones".into());
        }
        let Some(token) = self.token else {
            problem("token: none; set SENTINELL_GITHUB_ACTING_TOKEN (the reading token is never used for it)".into());
            return None;
        };
        Some(GitHubHands { url: eye?.url.clone(), token, repositories: self.repositories })
    }
}

impl ProposedTo {
    fn problems(&self) -> Vec<String> {
        let mut problems = vec![];
        let plain = |text: &str| {
            let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            (1..=100).contains(&text.len()) && text.chars().all(fine) && !text.starts_with(['.', '-'])
        };
        if !plain(&self.name) {
            problems.push(": a name is letters, digits, `-`, `_` and `.`".to_owned());
        }
        let parts: Vec<&str> = self.repository.split('/').collect();
        if parts.len() != 2 || !parts.iter().all(|part| plain(part)) || self.repository.ends_with(".git") {
            problems.push(".repository: write owner/name, as GitHub does".to_owned());
        }
        if self.environment.trim().is_empty() {
            problems.push(".environment: write a word such as staging or production".to_owned());
        }
        for (key, patterns) in [("paths", &self.paths), ("guarded", &self.guarded), ("protected", &self.protected)] {
            let odd = |pattern: &&String| {
                let inside = pattern.strip_suffix('*').unwrap_or(pattern);
                pattern.is_empty() || inside.contains('*') || pattern.starts_with('/') || pattern.contains("..")
            };
            if let Some(odd) = patterns.iter().find(odd) {
                problems.push(format!(".{key}: `{odd}`: a path from the repository's root; `*` only at the end"));
            }
        }
        let program = self.check.first().map(Path::new);
        if program.is_some_and(|program| !program.is_absolute() || !program.is_file()) {
            problems.push(".check: must begin with the absolute path of a program that is there".to_owned());
        }
        if !(1..=3600).contains(&self.check_seconds) {
            problems.push(format!(".check_seconds: {} is out of range; 1 to 3600", self.check_seconds));
        }
        if self.verification.queries.is_empty() {
            problems.push(".verification.queries: empty; without a check there is no cure".to_owned());
        }
        problems
    }
}
