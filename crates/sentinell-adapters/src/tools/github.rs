//! GitHub's API: what was merged, pushed and deployed before the onset, and how the workflows ended.
//! <https://docs.github.com/en/rest>
//!
//! Only GET is ever sent, one request after the other as GitHub asks for, and none before the moment that it named when it
//! refused. A change carries the commit's hash as the git eye's and the webhooks' do: the engine takes one hash for one source.

mod ask;
mod told;

use crate::text::{arg, known_args, label, one_line};
use ask::{Ask, Refused};
use sentinell_core::evidence::{Change, Gap, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use sentinell_core::repository::{clone_url, is_branch};
use sentinell_core::time::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// Hours before the onset that are looked at.
const HOURS: i64 = 24;
/// What one page of a list holds; one page of each list is read.
const PAGE: usize = 100;
/// Deployments of one look whose statuses are read.
const DEPLOYMENTS: usize = 8;
/// Commits of one look whose paths are read.
const DETAILED: usize = 5;
/// Changes of one look.
const CHANGES: usize = 100;
/// A run that ended so long before the onset is still part of the trouble, seconds.
const JUST_BEFORE: i64 = 3600;
/// After this time no further request of a look begins, milliseconds.
const PATIENCE: i64 = 45_000;

/// Which GitHub.
#[derive(Clone)]
pub struct GitHubSettings {
    /// Its API: `https://api.github.com`, or `https://<host>/api/v3` of a GitHub Enterprise.
    pub url: String,
    /// Who asks; none: what everybody may see, 60 requests an hour.
    pub token: Option<String>,
}

/// One registered repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubRepository {
    /// Its id in questions (the registration's id).
    pub id: String,
    /// Whose code it is, for the engine (`service/shop/cart`, or just a name).
    pub subject: String,
    /// Its address, as people clone it.
    pub url: String,
    /// The branch that is deployed.
    pub branch: String,
}

/// A repository that is here.
#[derive(Debug, Clone)]
struct Known {
    repository: GitHubRepository,
    /// `owner/name`.
    full_name: String,
}

/// The tool `github`.
pub struct GitHub {
    ask: Ask,
    /// Under which host, and perhaps port, people see the repositories.
    web: [String; 1],
    clock: Arc<dyn Clock>,
    repositories: RwLock<BTreeMap<String, Known>>,
}

/// What a look is about.
struct Look<'k> {
    known: &'k Known,
    onset: Timestamp,
    since: Timestamp,
    until: Timestamp,
}

/// What a look has brought so far.
#[derive(Default)]
struct Seen {
    changes: Vec<Change>,
    runs: Vec<Telemetry>,
    gaps: Vec<Gap>,
    /// The first refusal, and whether it is no use to ask on.
    refused: Option<Refused>,
    answered: bool,
}

impl GitHub {
    /// An eye on the repositories of one GitHub, none at first.
    ///
    /// # Errors
    /// If the address makes no sense, or the token is none.
    pub fn new(settings: GitHubSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let ask = Ask::new(&settings.url, settings.token.as_deref(), clock.clone())?;
        Ok(Self { web: [ask.web()], ask, clock, repositories: RwLock::default() })
    }

    /// Replaces the registered repositories; those that are elsewhere are left out.
    pub fn register(&self, repositories: Vec<GitHubRepository>) {
        let known = repositories.into_iter().filter_map(|repository| {
            let full_name = self.full_name(&repository.url).filter(|_| is_branch(&repository.branch))?;
            Some((repository.id.clone(), Known { repository, full_name }))
        });
        *self.repositories.write().unwrap_or_else(PoisonError::into_inner) = known.collect();
    }

    /// `owner/name` of an address at this GitHub.
    fn full_name(&self, url: &str) -> Option<String> {
        let here = clone_url(url).ok()?.is_one_of(&self.web);
        let (_, path) = url.split_once("://").filter(|_| here)?.1.split_once('/')?;
        let (owner, name) = path.strip_suffix('/').unwrap_or(path).split_once('/')?;
        let name = name.strip_suffix(".git").unwrap_or(name);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fine = |text: &str| (1..=100).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('.');
        (fine(owner) && fine(name)).then(|| format!("{owner}/{name}"))
    }

    fn known(&self, wanted: impl Fn(&Known) -> bool) -> Option<Known> {
        let repositories = self.repositories.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = repositories.values().filter(|known| wanted(known));
        found.next().filter(|_| found.next().is_none()).cloned()
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        known_args(&query.args, &["repo", "onset", "hours"]).map_err(ToolError::BadQuery)?;
        let id = arg(&query.args, "repo").unwrap_or_default();
        let known = self.known(|known| known.repository.id == id);
        let known = known.ok_or_else(|| ToolError::BadQuery(format!("no repository `{}` here", one_line(id, 80))))?;
        let onset = arg(&query.args, "onset").map(Timestamp::parse).transpose().map_err(ToolError::BadQuery)?;
        let onset = onset.unwrap_or_else(|| self.clock.now());
        let hours = arg(&query.args, "hours").map_or(Some(HOURS), |text| text.parse().ok());
        let hours = hours.filter(|hours| matches!(hours, 1..=720));
        let hours = hours.ok_or_else(|| ToolError::BadQuery("hours must be a number from 1 to 720".into()))?;
        // As the git eye has it: clocks differ, and a bad push may come just after the first alert.
        let (since, until) = (onset.plus_seconds(-hours * 3600), onset.plus_seconds(900));
        let look = Look { known: &known, onset, since, until };
        let mut seen = Seen::default();
        let began = self.clock.now().0;
        self.merged(&look, &mut seen).await;
        self.committed(&look, &mut seen).await;
        self.deployed(&look, &mut seen, began).await;
        self.ran(&look, &mut seen).await;
        self.detailed(&look, &mut seen, began).await;
        if let Some(refused) = seen.refused.filter(|_| !seen.answered) {
            // Only what may be over in a moment is worth another try; a limit has its own time.
            match refused {
                Refused::Away(why) => return Err(ToolError::Retry(why)),
                Refused::Denied(why) => return Err(ToolError::Denied(why)),
                Refused::Later(_) | Refused::Odd(_) => {}
            }
        }
        let mut telemetry: Vec<Telemetry> =
            seen.changes.into_iter().map(|change| Telemetry::Change { change }).collect();
        telemetry.extend(seen.runs);
        let call = format!("GitHub: {} on {} from {since} to {until}", known.full_name, known.repository.branch);
        Ok(Observation { telemetry, gaps: seen.gaps, call })
    }

    /// What a list of the repository says, or a gap.
    async fn list(&self, look: &Look<'_>, seen: &mut Seen, what: &str, rest: &str, query: &[(&str, &str)]) -> Value {
        // Who is away or counts is not asked on.
        let over = seen.refused.as_ref().filter(|refused| matches!(refused, Refused::Away(_) | Refused::Later(_)));
        let answer = match over {
            Some(refused) => Err(refused.clone()),
            None => {
                let path = format!("repos/{}/{rest}", look.known.full_name);
                self.ask.get(&path, query, ask::permission(rest)).await
            }
        };
        answer.inspect(|_| seen.answered = true).unwrap_or_else(|refused| {
            let what = format!("{what} of {}", look.known.full_name);
            seen.gaps.push(Gap { what, why: refused.to_string() });
            seen.refused.get_or_insert(refused);
            Value::Null
        })
    }

    async fn merged(&self, look: &Look<'_>, seen: &mut Seen) {
        let branch = look.known.repository.branch.as_str();
        let page = PAGE.to_string();
        let query =
            [("state", "closed"), ("base", branch), ("sort", "updated"), ("direction", "desc"), ("per_page", &page)];
        let all = self.list(look, seen, "merged pull requests", "pulls", &query).await;
        seen.take(told::merged(&all, look));
        seen.cut(&all, look, "older pull requests", |last| told::moment(last, "/updated_at"));
    }

    async fn committed(&self, look: &Look<'_>, seen: &mut Seen) {
        let (since, until, page) = (told::spelled(look.since), told::spelled(look.until), PAGE.to_string());
        let branch = look.known.repository.branch.as_str();
        let query = [("sha", branch), ("since", &*since), ("until", &until), ("per_page", &page)];
        let all = self.list(look, seen, "commits", "commits", &query).await;
        seen.take(told::committed(&all, look));
        seen.cut(&all, look, "older commits", |last| told::moment(last, "/commit/committer/date"));
    }

    async fn deployed(&self, look: &Look<'_>, seen: &mut Seen, began: i64) {
        let page = PAGE.to_string();
        let all = self.list(look, seen, "deployments", "deployments", &[("per_page", &page)]).await;
        let recent = told::recent_deployments(&all, look);
        seen.cut(&all, look, "older deployments", |last| told::moment(last, "/created_at"));
        let left_out = recent.len().saturating_sub(DEPLOYMENTS);
        if left_out > 0 {
            let what = format!("{left_out} more deployments of {}", look.known.full_name);
            seen.gaps.push(Gap { what, why: format!("one look reads the newest {DEPLOYMENTS}; ask for fewer hours") });
        }
        for deployment in recent.into_iter().take(DEPLOYMENTS).filter(|_| self.clock.now().0 - began < PATIENCE) {
            let Some(id) = deployment.get("id").and_then(Value::as_u64) else { continue };
            let rest = format!("deployments/{id}/statuses");
            let statuses = self.list(look, seen, &format!("what became of deployment {id}"), &rest, &[]).await;
            let (changes, lines) = told::became(deployment, &statuses, look);
            seen.take(changes);
            seen.runs.extend(lines);
        }
    }

    async fn ran(&self, look: &Look<'_>, seen: &mut Seen) {
        let created = format!("{}..{}", told::spelled(look.since), told::spelled(look.until));
        let branch = look.known.repository.branch.as_str();
        let page = PAGE.to_string();
        let query =
            [("branch", branch), ("created", &*created), ("exclude_pull_requests", "true"), ("per_page", &page)];
        let all = self.list(look, seen, "workflow runs", "actions/runs", &query).await;
        seen.runs.extend(told::ran(&all, look));
    }

    /// Which paths the newest commits before the onset touched.
    async fn detailed(&self, look: &Look<'_>, seen: &mut Seen, began: i64) {
        let near = |change: &&Change| change.touched.is_empty() && told::is_hash(&change.reference);
        let mut wanted: Vec<(Timestamp, String)> =
            seen.changes.iter().filter(near).map(|change| (change.at, change.reference.clone())).collect();
        // What came before the onset first, the newest of it first.
        wanted.sort_by_key(|(at, _)| (*at > look.onset.plus_seconds(60), std::cmp::Reverse(*at)));
        let mut asked = BTreeSet::new();
        wanted.retain(|(_, hash)| asked.insert(hash.clone()));
        for (_, hash) in wanted.into_iter().take(DETAILED).filter(|_| self.clock.now().0 - began < PATIENCE) {
            let rest = format!("commits/{hash}");
            let what = format!("the paths of {}", hash.chars().take(10).collect::<String>());
            let details = self.list(look, seen, &what, &rest, &[("per_page", "50")]).await;
            let touched = told::touched(&details);
            seen.changes
                .iter_mut()
                .filter(|change| change.reference == hash)
                .for_each(|change| change.touched.clone_from(&touched));
        }
    }
}

impl Seen {
    /// Adds what is not known yet: a merge is a commit as well, and is told as the merge.
    fn take(&mut self, changes: Vec<Change>) {
        for change in changes {
            let same = |other: &Change| {
                other.reference == change.reference
                    && other.kind == change.kind
                    && (change.kind == "commit" || other.summary == change.summary)
            };
            if self.changes.len() < CHANGES && !self.changes.iter().any(same) {
                self.changes.push(change);
            }
        }
    }

    /// A gap if a list is a full page and its last entry is still of the time that was asked for.
    fn cut(&mut self, all: &Value, look: &Look<'_>, what: &str, at: impl Fn(&Value) -> Option<Timestamp>) {
        let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
        if all.len() >= PAGE && all.last().and_then(at).is_some_and(|at| at >= look.since) {
            let why = format!("only the newest {PAGE} were read; ask for fewer hours");
            self.gaps.push(Gap { what: format!("{what} of {}", look.known.full_name), why });
        }
    }
}

impl Tool for GitHub {
    fn name(&self) -> &str {
        "github"
    }

    fn describe(&self) -> &str {
        "reads at GitHub what a registered repository went through near a time: merged pull requests, commits of its branch, \
         deployments and what became of them, workflow runs; args: repo (its id), onset (RFC 3339, default now), hours (before \
         the onset, default 24)"
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let by_id = case.signal.repo_id.as_deref().and_then(|id| self.known(|known| known.repository.id == id));
        let by_name = || {
            let name = label(case, &["repository", "repo"])?;
            self.known(|known| known.full_name.eq_ignore_ascii_case(name))
        };
        let by_service = || {
            let service = label(case, &["service", "app", "deployment", "job"])?;
            self.known(|known| known.repository.subject.rsplit('/').next() == Some(service))
        };
        let question = |known: Known| Question {
            tool: self.name().to_owned(),
            args: BTreeMap::from([
                ("repo".to_owned(), known.repository.id),
                ("onset".to_owned(), case.signal.occurred_at.to_string()),
            ]),
            why: "what was merged, deployed or built shortly before?".to_owned(),
        };
        by_id.or_else(by_name).or_else(by_service).map(question).into_iter().collect()
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async { self.ask.check().await.map(Some) })
    }
}

impl std::fmt::Debug for GitHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitHub").field("web", &self.web).finish_non_exhaustive()
    }
}
