//! `git.revert`: a commit that takes another one back, on a branch of its own, proposed by a pull request.

use super::guard::{self, Allowed};
use super::scratch::{Reverted, Scratch, complaint};
use super::words::{Told, block, is_block, line};
use super::{GitHubHands, REVERT, Repository, told};
use crate::git::is_hash;
use crate::process::RunError;
use crate::text::{arg, one_line};
use sentinell_core::action::{Action, ActionDraft, HttpDeed, Plan};
use sentinell_core::approval::Warrant;
use sentinell_core::ports::{ActError, Applied, ToolError};
use sentinell_core::redact::redact;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Characters of the change that are shown; a longer one is refused, since nobody could approve what is left out.
const SHOWN: usize = 12_000;
/// What stands where no check is configured.
const UNCHECKED: &str = "No check is configured for this repository: nobody has built or tested this.\n";
/// What stands before a check's output.
const CHECKED: &str =
    "The check that the operator configured ended well on exactly this tree. The end of its output:\n\n";

/// What a revert is about, by its parameters.
struct Wanted<'p> {
    told: Told<'p>,
    commit: &'p str,
    branch: String,
}

/// A pull request of one of our branches.
struct Pull {
    number: u64,
    /// The commit that it proposes.
    commit: String,
    open: bool,
}

impl<'p> Wanted<'p> {
    fn of(params: &'p BTreeMap<String, String>) -> Result<Self, String> {
        let told = told(params, &["commit"])?;
        let commit = arg(params, "commit").ok_or("parameter `commit` is missing: no evidence names one")?;
        if !is_hash(commit) {
            return Err(format!("`{}` is not the whole hash of a commit", one_line(commit, 80)));
        }
        Ok(Self { told, commit, branch: guard::branch(commit, told.incident) })
    }

    /// The message of the commit that is made. The title is foreign text, and commits close issues as pull requests do.
    fn message(&self, title: &str) -> String {
        let Self { told, commit, .. } = self;
        format!("{}\n\nThis takes back commit {commit}.\n\nSentinell-Incident: {}\n", self.title(title), told.incident)
    }

    fn title(&self, title: &str) -> String {
        format!("Revert {}: {}", self.commit.get(..10).unwrap_or_default(), line(title, 60))
    }

    /// Everything of the pull request's text but what the check said.
    fn opening(&self, made: &Reverted, default: &str) -> String {
        let Self { told, commit, .. } = self;
        format!(
            "Sentinell proposes to take back {commit} for incident `{}`. No machine merges this: people decide.\n\nThe change is the exact \
             reverse of that commit on `{default}` at {}; what results is the tree `{}`.\n\n{}\n## Check\n\n",
            told.incident,
            made.base,
            made.tree,
            told.sections()
        )
    }
}

impl GitHubHands {
    pub(super) async fn plan_revert(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let refuse = |why: String| Err(ToolError::BadQuery(why));
        let repository = self.repository(&draft.target)?;
        let wanted = Wanted::of(&draft.params).map_err(ToolError::BadQuery)?;
        let default = self.about(repository).await?.default_branch;
        let _alone = self.alone.lock().await;
        let scratch = self.scratch(repository);
        let base = scratch.fetch(&default).await?;
        let made = judged(repository, &scratch, &wanted, &default, &base).await?;
        if made.diff.chars().count() > SHOWN {
            return refuse(format!("the change is longer than {SHOWN} characters: nobody could approve that"));
        }
        if redact(&made.diff) != made.diff {
            return refuse("the change holds what looks like a secret, which is not to be told anywhere".into());
        }
        if let Some(pull) = self.pull(repository, &wanted.branch).await? {
            let place = self.api.page(&repository.full_name, &format!("pull/{}", pull.number));
            return refuse(format!("it was proposed already: {place}"));
        }
        if scratch.remote(&wanted.branch).await?.is_some_and(|there| there != made.commit) {
            return refuse(format!("the branch {} is there already and holds something else", wanted.branch));
        }
        let report = match &repository.check {
            Some(check) => format!("{CHECKED}{}", block(&check.run(&scratch, &made.tree).await?)),
            None => UNCHECKED.to_owned(),
        };
        let body = format!("{}{report}", wanted.opening(&made, &default));
        let description = format!(
            "a branch and a pull request at {}, nothing is merged; {} file(s) would change back:\n{}",
            repository.full_name,
            made.touched.len(),
            made.diff
        );
        let precondition = format!(
            "{} is still part of {default}, and {} is new or holds exactly {}, which is pushed right before the request",
            made.base, wanted.branch, made.commit
        );
        let deed = self.deed_of(repository, &wanted, &made, &default, &body);
        Ok(self.planned(repository, deed, made.touched.len(), description, precondition))
    }

    /// The request, and in `expect` what must hold when it is sent.
    fn deed_of(
        &self,
        repository: &Repository,
        wanted: &Wanted<'_>,
        made: &Reverted,
        default: &str,
        body: &str,
    ) -> HttpDeed {
        let request = json!({"title": wanted.title(&made.title), "head": wanted.branch, "base": default, "body": body});
        let expect = [
            ("default_branch".to_owned(), default.to_owned()),
            ("base".to_owned(), made.base.clone()),
            ("takes_back".to_owned(), wanted.commit.to_owned()),
            ("tree".to_owned(), made.tree.clone()),
            (format!("refs/heads/{}", wanted.branch), made.commit.clone()),
        ];
        HttpDeed {
            method: "POST".into(),
            url: self.api.place(&repository.full_name, "pulls"),
            headers: BTreeMap::new(),
            body: Some(request.to_string()),
            expect: expect.into(),
        }
    }

    pub(super) async fn revert(&self, action: &Action, warrant: Warrant) -> Result<String, ActError> {
        let refuse = |why: String| ActError::NotStarted(why);
        let (repository, wanted, deed) = self.read_revert(action).map_err(refuse)?;
        let (Some(default), Some(base)) = (deed.expect.get("default_branch"), deed.expect.get("base")) else {
            return Err(refuse("the deed names no base".into()));
        };
        let not_ready = |error: ToolError| ActError::NotStarted(error.to_string());
        if self.about(repository).await.map_err(not_ready)?.default_branch != *default {
            return Err(refuse(format!("{default} is not the default branch any more")));
        }
        let _alone = self.alone.lock().await;
        let scratch = self.scratch(repository);
        let head = scratch.fetch(default).await.map_err(not_ready)?;
        if !is_hash(base) || !scratch.is_ancestor(base, &head).await.map_err(not_ready)? {
            return Err(refuse(format!("{default} was rewritten: what was planned against is no part of it")));
        }
        let made = judged(repository, &scratch, &wanted, default, base).await.map_err(not_ready)?;
        let body =
            body_of(deed).filter(|body| is_ours(body, &wanted.opening(&made, default), repository.check.is_some()));
        if body.is_none_or(|body| self.deed_of(repository, &wanted, &made, default, &body) != *deed) {
            return Err(refuse("the deed is not what this hand makes of that commit".into()));
        }
        match self.pull(repository, &wanted.branch).await.map_err(not_ready)? {
            Some(pull) if pull.commit == made.commit => return Ok(self.proposed(repository, &wanted, pull.number)),
            Some(pull) => {
                return Err(refuse(format!("pull request {} of that branch proposes something else", pull.number)));
            }
            None => {}
        }
        let there = scratch.remote(&wanted.branch).await.map_err(not_ready)?;
        if there.as_ref().is_some_and(|there| *there != made.commit) {
            return Err(refuse(format!("the branch {} is there already and holds something else", wanted.branch)));
        }
        let began = self.clock.now();
        let permit = warrant.redeem(&action.hash(), began).map_err(refuse)?;
        if there.is_none() {
            let ended = scratch.push(&made.commit, &wanted.branch, self.left(permit.millis_left, began)).await;
            let ended = ended.map_err(|error| match error {
                RunError::NotStarted(why) => ActError::NotStarted(why),
                RunError::Unfinished(why) => ActError::Unknown(format!("git push: {why}")),
            })?;
            if ended.code != Some(0) {
                return Err(ActError::Failed(format!("git push: {}", complaint(&ended))));
            }
        }
        let request = deed.body.as_deref().unwrap_or_default();
        let (status, said) =
            self.api.post(&deed.url, request, self.left(permit.millis_left, began)).await.map_err(lost)?;
        let why = || format!("{status}: {}; the branch {} was pushed", self.api.message(&said), wanted.branch);
        match (status, said["number"].as_u64()) {
            (200..300, Some(number)) => Ok(self.proposed(repository, &wanted, number)),
            (408 | 500.., _) | (200..300, None) => Err(ActError::Unknown(why())),
            _ => Err(ActError::Failed(why())),
        }
    }

    fn proposed(&self, repository: &Repository, wanted: &Wanted<'_>, number: u64) -> String {
        let place = self.api.page(&repository.full_name, &format!("pull/{number}"));
        format!("{place} waits for people to merge it (branch {})", wanted.branch)
    }

    pub(super) async fn was_reverted(&self, action: &Action) -> Result<Applied, ToolError> {
        let (repository, wanted, deed) = self.read_revert(action).map_err(ToolError::BadQuery)?;
        let ours = deed.expect.get(&format!("refs/heads/{}", wanted.branch));
        match self.pull(repository, &wanted.branch).await? {
            Some(pull) if Some(&pull.commit) == ours => Ok(Applied::Yes),
            Some(_) => Ok(Applied::Unknown),
            None => match self.scratch(repository).remote(&wanted.branch).await? {
                // A branch without its pull request is half of it; doing it again does the rest.
                None => Ok(Applied::No),
                Some(there) if Some(&there) == ours => Ok(Applied::No),
                Some(_) => Ok(Applied::Unknown),
            },
        }
    }

    /// The newest pull request of a branch of ours, an open one first.
    async fn pull(&self, repository: &Repository, branch: &str) -> Result<Option<Pull>, ToolError> {
        let owner = repository.full_name.split('/').next().unwrap_or_default();
        let head = format!("{owner}:{branch}");
        let query = [("head", &*head), ("state", "all"), ("per_page", "30")];
        let all = self.api.get(&repository.full_name, "pulls", &query).await?;
        let Some(all) = all.as_array() else {
            return Err(ToolError::BadQuery("GitHub's list of pull requests is none".into()));
        };
        let ours = all.iter().filter(|one| one["head"]["ref"].as_str() == Some(branch));
        let read = |one: &Value| {
            let commit = one["head"]["sha"].as_str().unwrap_or_default().to_owned();
            Some(Pull { number: one["number"].as_u64()?, commit, open: one["state"].as_str() == Some("open") })
        };
        Ok(ours.filter_map(read).max_by_key(|pull| (pull.open, pull.number)))
    }

    /// What an action is about, if its deed could be one of this hand's. What the commit makes of it is looked at before it is done.
    fn read_revert<'a>(&'a self, action: &'a Action) -> Result<(&'a Repository, Wanted<'a>, &'a HttpDeed), String> {
        let repository = self.repository(&action.target).map_err(|error| error.to_string())?;
        let wanted = Wanted::of(&action.params)?;
        let deed = action.plan.deed.http().filter(|deed| {
            let to = deed.method == "POST" && deed.url == self.api.place(&repository.full_name, "pulls");
            to && deed.headers.is_empty() && deed.expect.contains_key(&format!("refs/heads/{}", wanted.branch))
        });
        let own = action.kind == REVERT && action.undoes.is_none() && action.incident.as_str() == wanted.told.incident;
        match deed.filter(|_| own) {
            Some(deed) => Ok((repository, wanted, deed)),
            None => Err(format!("the deed is none that this hand does to {}", action.target)),
        }
    }
}

/// Takes the commit back, and refuses what may not be touched or pushed.
async fn judged(
    repository: &Repository,
    scratch: &Scratch,
    wanted: &Wanted<'_>,
    default: &str,
    base: &str,
) -> Result<Reverted, ToolError> {
    let made = scratch.revert(wanted.commit, base, |title| wanted.message(title)).await?;
    let allowed = Allowed { paths: &repository.paths, guarded: &repository.guarded };
    guard::judge(&made.touched, allowed).map_err(ToolError::Denied)?;
    guard::may_push(&wanted.branch, default, &repository.protected).map_err(ToolError::Denied)?;
    Ok(made)
}

/// The pull request's text in a deed.
fn body_of(deed: &HttpDeed) -> Option<String> {
    let request: Value = serde_json::from_str(deed.body.as_deref()?).ok()?;
    request["body"].as_str().map(str::to_owned)
}

/// Whether a text is what we would have written: our own opening, and then what the check said, which cannot be told again.
fn is_ours(body: &str, opening: &str, checked: bool) -> bool {
    let report = body.strip_prefix(opening);
    report.is_some_and(|report| match checked {
        true => report.strip_prefix(CHECKED).is_some_and(is_block),
        false => report == UNCHECKED,
    })
}

/// A request that may have left once its branch is there: doing it again finds what is there.
fn lost(error: ActError) -> ActError {
    match error {
        ActError::NotStarted(why) => {
            ActError::Failed(format!("the branch was pushed, and GitHub could not be asked: {why}"))
        }
        other => other,
    }
}
