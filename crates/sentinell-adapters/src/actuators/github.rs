//! Hands on repositories at GitHub: propose to take a commit back (`git.revert`: a branch, a push, a pull request), or open an issue
//! (`github.issue`). Nothing is ever merged, forced or pushed to a branch of somebody else's.
//!
//! What a person approves is the whole request with the names of all objects in its `expect`; a commit's name is a hash over
//! everything in it, so what was approved is byte for byte what is pushed.

mod api;
mod check;
mod guard;
mod issue;
mod revert;
mod scratch;
mod words;

use crate::git::HarmlessGit;
use crate::process::Program;
use crate::text::{arg, known_args, one_line};
use api::Api;
pub use check::RepositoryCheck;
use scratch::Scratch;
use sentinell_core::action::{Action, ActionDraft, BlastRadius, Deed, HttpDeed, Plan, Verification};
use sentinell_core::approval::Warrant;
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, ToolError};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use words::Told;

/// Proposes to take a commit back.
pub const REVERT: &str = "git.revert";
/// Opens an issue.
pub const ISSUE: &str = "github.issue";

/// One repository that may be proposed to.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Its name in targets: `repository/<name>`.
    pub name: String,
    /// `owner/name` at GitHub.
    pub full_name: String,
    /// production, staging, …
    pub environment: String,
    /// Paths that may change; a `*` at the end matches any rest. Empty: all but the guarded ones.
    pub paths: Vec<String>,
    /// Workflows, lock files and the like that may change all the same.
    pub guarded: Vec<String>,
    /// Branches that are never pushed to, besides the default branch, main, master and release/*.
    pub protected: Vec<String>,
    /// Whether evidence may be told where everybody can read it.
    pub public: bool,
    /// What says whether a tree is well.
    pub check: Option<RepositoryCheck>,
    /// How one will know that it helped.
    pub verification: Verification,
}

/// What the operator configures.
pub struct GitHubHandsSettings {
    /// The API: `https://api.github.com`, or `https://<host>/api/v3` of a GitHub Enterprise.
    pub url: String,
    /// Who acts.
    pub token: String,
    /// git, under a guard.
    pub git: Program,
    /// Where scratch copies are kept.
    pub folder: PathBuf,
    /// What may be proposed to.
    pub repositories: Vec<Repository>,
}

/// The hands for `git.revert` and `github.issue`.
pub struct GitHubHands {
    api: Api,
    git: HarmlessGit,
    folder: PathBuf,
    repositories: Vec<Repository>,
    clock: Arc<dyn Clock>,
    /// One at a time: two would meet in the same scratch copy.
    alone: tokio::sync::Mutex<()>,
}

impl GitHubHands {
    /// Hands on these repositories.
    ///
    /// # Errors
    /// If the API's address or the token makes no sense.
    pub fn new(settings: GitHubHandsSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let GitHubHandsSettings { url, token, git, folder, repositories } = settings;
        let (api, git) = (Api::new(&url, &token)?, HarmlessGit::new(git));
        Ok(Self { api, git, folder, repositories, clock, alone: tokio::sync::Mutex::default() })
    }

    fn repository(&self, target: &str) -> Result<&Repository, ToolError> {
        let name = target.strip_prefix("repository/");
        let found = self.repositories.iter().find(|one| Some(one.name.as_str()) == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.repositories.iter().map(|one| one.name.as_str()).collect();
            let (target, names) = (one_line(target, 100), names.join(", repository/"));
            ToolError::BadQuery(format!("`{target}` is no target; there are repository/{names}"))
        })
    }

    fn scratch(&self, repository: &Repository) -> Scratch {
        let folder = self.folder.join(format!("{}.git", repository.name));
        let url = self.api.clone_url(&repository.full_name);
        Scratch::new(self.git.clone(), folder, url, Some(self.api.git_secret()))
    }

    /// What GitHub says of a repository, if its readers may read what we would tell.
    async fn about(&self, repository: &Repository) -> Result<api::About, ToolError> {
        let about = self.api.about(&repository.full_name).await?;
        if about.public && !repository.public {
            let name = &repository.full_name;
            return Err(ToolError::Denied(format!(
                "everybody can read {name}, and evidence would be told there; `public = true` in its [[github.acting.repositories]] allows that"
            )));
        }
        Ok(about)
    }

    /// A plan whose deed is one request.
    fn planned(
        &self,
        repository: &Repository,
        deed: HttpDeed,
        objects: usize,
        description: String,
        precondition: String,
    ) -> Plan {
        Plan {
            deed: Deed::Http(deed),
            undo: None,
            undo_if_unhelpful: false,
            environment: repository.environment.clone(),
            verification: repository.verification.clone(),
            blast_radius: BlastRadius { objects: u32::try_from(objects).unwrap_or(u32::MAX), description },
            precondition,
        }
    }

    /// How long a request may still take, milliseconds of a permit that was given at `began`.
    fn left(&self, millis: u64, began: sentinell_core::time::Timestamp) -> std::time::Duration {
        let gone = self.clock.now().millis_since(began).max(0).unsigned_abs();
        std::time::Duration::from_millis(millis.saturating_sub(gone))
    }
}

/// What an action's parameters tell of its incident.
///
/// # Errors
/// Which of them is missing or odd.
fn told<'p>(params: &'p BTreeMap<String, String>, own: &[&str]) -> Result<Told<'p>, String> {
    let known: Vec<&str> = ["incident", "cause", "evidence"].iter().chain(own).copied().collect();
    known_args(params, &known)?;
    let text = |name: &str| {
        arg(params, name).ok_or_else(|| format!("parameter `{name}` is missing: it comes from the incident"))
    };
    let incident = text("incident")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if incident.len() > 64 || !incident.starts_with(|c: char| c.is_ascii_alphanumeric()) || !incident.chars().all(plain)
    {
        return Err(format!("`{}` is no incident", one_line(incident, 80)));
    }
    Ok(Told { incident, cause: text("cause")?, evidence: text("evidence")? })
}

impl Actuator for GitHubHands {
    fn kinds(&self) -> Vec<(String, String)> {
        let names: Vec<String> = self.repositories.iter().map(|one| format!("repository/{}", one.name)).collect();
        let names = names.join(", ");
        let revert = format!(
            "target one of {names}; commit=<the whole hash of a commit that cited evidence names>: proposes by a pull request to take that \
             commit back; people merge it"
        );
        let issue = format!(
            "target one of {names}: opens an issue with the cause and its evidence, where there is no safe fix"
        );
        vec![(REVERT.to_owned(), revert), (ISSUE.to_owned(), issue)]
    }

    fn plan<'a>(&'a self, draft: &'a ActionDraft) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(async move {
            match draft.kind.as_str() {
                REVERT => self.plan_revert(draft).await,
                ISSUE => self.plan_issue(draft).await,
                kind => Err(ToolError::BadQuery(format!("no action `{}`", one_line(kind, 80)))),
            }
        })
    }

    fn apply<'a>(&'a self, action: &'a Action, warrant: Warrant) -> BoxFuture<'a, Result<String, ActError>> {
        Box::pin(async move {
            match action.kind.as_str() {
                REVERT => self.revert(action, warrant).await,
                _ => self.open_issue(action, warrant).await,
            }
        })
    }

    fn was_applied<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Result<Applied, ToolError>> {
        Box::pin(async move {
            match action.kind.as_str() {
                REVERT => self.was_reverted(action).await,
                _ => self.was_opened(action).await,
            }
        })
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let mut found = vec![];
            for repository in &self.repositories {
                let about = self.about(repository).await?;
                found.push(format!("{} on {}", repository.full_name, about.default_branch));
            }
            Ok(Some(found.join(", ")))
        })
    }
}

impl std::fmt::Debug for GitHubHands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitHubHands").field("repositories", &self.repositories).finish_non_exhaustive()
    }
}
