//! The history of a registered repository near the onset, as changes. Reads a local clone, or keeps a bare clone of an
//! https repository in a cache folder. The repository's own configuration runs nothing: no hooks, no helpers, no pager.

mod names;

pub use names::{Names, System};

use crate::git::HarmlessGit;
use crate::process::{Limits, Program, RunError};
use crate::text::{arg, clip, known_args, label, one_line};
use sentinell_core::evidence::{Change, Gap, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use sentinell_core::repository::{clone_url, is_branch};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Commits of one look.
const MAX_COMMITS: usize = 200;
/// Paths of one commit that are kept.
const MAX_PATHS: usize = 50;
/// Hours before the onset that are looked at.
const HOURS: i64 = 24;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitSource {
    /// A clone on this machine.
    Local(PathBuf),
    /// An https URL without credentials; cloned into the cache folder on first use.
    Https(String),
}

/// One registered repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRepository {
    /// Its id in questions (the registration's id).
    pub id: String,
    /// Whose code it is, for the engine (`service/shop/cart`, or just a name).
    pub subject: String,
    /// Where it is.
    pub source: GitSource,
    /// The branch that is deployed.
    pub branch: String,
}

/// What the operator allows.
#[derive(Debug, Clone, Default)]
pub struct GitRules {
    /// Folders under which local clones may be; empty: none.
    pub roots: Vec<PathBuf>,
    /// Hosts that may be cloned from (`host`, or `host:port` where the port is not 443); empty: none.
    pub hosts: Vec<String>,
    /// Those of them that may be at addresses that are not public. Names that are never public ones may always.
    pub private: Vec<String>,
    /// Where clones are kept; without it https repositories cannot be read.
    pub cache: Option<PathBuf>,
}

/// How long a clone or fetch may take.
const FETCH: Duration = Duration::from_secs(120);

/// The tool `git`.
pub struct Git {
    program: HarmlessGit,
    rules: GitRules,
    names: Arc<dyn Names>,
    patience: Duration,
    clock: Arc<dyn Clock>,
    repositories: RwLock<BTreeMap<String, GitRepository>>,
    /// One clone or fetch at a time: two would meet in the same folder.
    fetching: tokio::sync::Mutex<()>,
}

impl Git {
    /// An eye on repositories, none at first. The program's environment is extended by what keeps git harmless.
    pub fn new(program: Program, rules: GitRules, clock: Arc<dyn Clock>) -> Self {
        let program = HarmlessGit::new(program);
        let names = Arc::new(System);
        let (repositories, fetching) = (RwLock::default(), tokio::sync::Mutex::default());
        Self { program, rules, names, patience: FETCH, clock, repositories, fetching }
    }

    /// The same, asking somebody else where hosts are.
    #[must_use]
    pub fn with_names(self, names: Arc<dyn Names>) -> Self {
        Self { names, ..self }
    }

    /// The same, which waits no longer than this for a fetch.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Replaces the registered repositories; those that the operator's rules do not allow are left out and returned with
    /// the reason.
    pub fn register(&self, repositories: Vec<GitRepository>) -> Vec<(GitRepository, String)> {
        let (mut allowed, mut refused) = (BTreeMap::new(), vec![]);
        for repository in repositories {
            match self.rules.check(&repository) {
                Ok(()) => drop(allowed.insert(repository.id.clone(), repository)),
                Err(why) => refused.push((repository, why)),
            }
        }
        *self.repositories.write().unwrap_or_else(PoisonError::into_inner) = allowed;
        refused
    }

    fn repository(&self, id: &str) -> Option<GitRepository> {
        self.repositories.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The only repository whose code this service is; none if there are several.
    fn repository_of(&self, service: &str) -> Option<GitRepository> {
        let repositories = self.repositories.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = repositories.values().filter(|one| one.subject.rsplit('/').next() == Some(service));
        found.next().filter(|_| found.next().is_none()).cloned()
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        known_args(&query.args, &["repo", "onset", "hours"]).map_err(ToolError::BadQuery)?;
        let id = arg(&query.args, "repo").unwrap_or_default();
        let repository = self.repository(id);
        let repository =
            repository.ok_or_else(|| ToolError::BadQuery(format!("no repository `{}`", one_line(id, 80))))?;
        let onset = arg(&query.args, "onset").map(Timestamp::parse).transpose().map_err(ToolError::BadQuery)?;
        let onset = onset.unwrap_or_else(|| self.clock.now());
        let hours = arg(&query.args, "hours").map_or(Some(HOURS), |text| text.parse().ok());
        let hours = hours.filter(|hours| matches!(hours, 1..=720));
        let hours = hours.ok_or_else(|| ToolError::BadQuery("hours must be a number from 1 to 720".into()))?;
        let folder = match &repository.source {
            GitSource::Local(path) => path.clone(),
            GitSource::Https(url) => self.fetched(url, &repository.branch, "https").await?,
        };
        // Commits made while the incident began count: clocks differ, and a bad push may come just after the first alert.
        let (since, until) = (onset.plus_seconds(-hours * 3600), onset.plus_seconds(900));
        self.log(&folder, &repository, since, until).await
    }

    async fn log(
        &self,
        folder: &Path,
        repo: &GitRepository,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Observation, ToolError> {
        let call = [
            "log".to_owned(),
            "--no-color".into(),
            "--no-show-signature".into(),
            "--no-ext-diff".into(),
            "--no-textconv".into(),
            "--no-mailmap".into(),
            "--name-only".into(),
            "--no-renames".into(),
            "-z".into(),
            "--format=%x01%H%x02%cI%x02%an%x02%s%x02".into(),
            format!("--max-count={}", MAX_COMMITS + 1),
            format!("--since={since}"),
            format!("--until={until}"),
        ];
        let mut args = vec!["-C".to_owned(), folder.display().to_string()];
        args.extend(call);
        let branch = self.branch(folder, &repo.branch).await?;
        args.extend(["--end-of-options".to_owned(), branch, "--".to_owned()]);
        let printed = self.git(&args, "", Limits { stdout: 4 << 20, ..Limits::seconds(20) }).await?;
        let mut changes: Vec<Change> = printed.split('\u{1}').filter_map(|text| change(text, repo)).collect();
        let mut gaps = vec![];
        if changes.len() > MAX_COMMITS {
            changes.truncate(MAX_COMMITS);
            gaps.push(Gap { what: "older commits".into(), why: format!("only the newest {MAX_COMMITS} were read") });
        }
        let call = format!("git log --since={since} --until={until} {}", repo.branch);
        Ok(Observation {
            telemetry: changes.into_iter().map(|change| Telemetry::Change { change }).collect(),
            gaps,
            call,
        })
    }

    /// The commit that the branch points to, here or (in a clone) at its origin.
    async fn branch(&self, folder: &Path, branch: &str) -> Result<String, ToolError> {
        let mut tried = Err(ToolError::BadQuery(format!("no branch `{branch}`")));
        for place in ["refs/heads", "refs/remotes/origin"] {
            let name = format!("{place}/{branch}^{{commit}}");
            let args =
                ["-C", &folder.display().to_string(), "rev-parse", "--verify", "--quiet", "--end-of-options", &name];
            match self.git(&args.map(str::to_owned), "", Limits::seconds(10)).await {
                Ok(text) => return Ok(text.trim().trim_start_matches("--end-of-options").trim().to_owned()),
                Err(ToolError::BadQuery(text)) if text.is_empty() => {}
                Err(error) => tried = Err(error),
            }
        }
        tried
    }

    /// A bare clone of `url`, up to date.
    async fn fetched(&self, url: &str, branch: &str, protocol: &str) -> Result<PathBuf, ToolError> {
        let cache =
            self.rules.cache.as_ref().ok_or_else(|| ToolError::Denied("no cache folder is configured".into()))?;
        let name: String = url.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(150).collect();
        let folder = cache.join(format!(
            "{name}-{}.git",
            url.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
        ));
        let spec = format!("+refs/heads/{branch}:refs/heads/{branch}");
        let pin = match protocol {
            "https" => names::pin(&*self.names, url, &self.rules.private).await?,
            _ => None,
        };
        let _alone = self.fetching.lock().await;
        let path = folder.display().to_string();
        if !folder.join("HEAD").exists() {
            tokio::fs::create_dir_all(cache)
                .await
                .map_err(|error| ToolError::Denied(format!("{}: {error}", cache.display())))?;
            let init = ["init", "--quiet", "--bare", "--template=", "--end-of-options", &path];
            self.git(&init.map(str::to_owned), "", Limits::seconds(10)).await?;
        }
        let mut args: Vec<String> = pin.into_iter().flat_map(|pin| ["-c".to_owned(), pin]).collect();
        let fetch = [
            "-C",
            &path,
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--filter=blob:none",
            "--end-of-options",
            url,
            &spec,
        ];
        args.extend(fetch.map(str::to_owned));
        self.git(&args, protocol, Limits { time: self.patience, ..Limits::seconds(0) }).await?;
        Ok(folder)
    }

    /// Runs git with a configuration that makes it harmless; `protocol` is the only one it may speak (none: stay here).
    async fn git(&self, args: &[String], protocol: &str, limits: Limits) -> Result<String, ToolError> {
        let ended = self.program.run(args, protocol, limits).await.map_err(|error| match error {
            RunError::NotStarted(why) => ToolError::Denied(why),
            RunError::Unfinished(why) => ToolError::Retry(format!("git: {why}")),
        })?;
        if ended.code == Some(0) {
            return Ok(ended.stdout);
        }
        let text = one_line(&ended.stderr, 300);
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        Err(
            if has(&[
                "dubious ownership",
                "Permission denied",
                "could not read Username",
                "Authentication failed",
                "403",
                "not allowed",
            ]) {
                ToolError::Denied(text)
            } else if has(&[
                "Could not resolve",
                "Failed to connect",
                "timed out",
                "early EOF",
                "500",
                "502",
                "503",
                "504",
            ]) {
                ToolError::Retry(text)
            } else {
                ToolError::BadQuery(text)
            },
        )
    }
}

impl Tool for Git {
    fn name(&self) -> &str {
        "git"
    }

    fn describe(&self) -> &str {
        "reads the commits of a registered repository near a time; args: repo (its id), onset (RFC 3339, default now), hours \
         (before the onset, default 24)"
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let named = case.signal.repo_id.as_deref().and_then(|id| self.repository(id));
        let known = named.or_else(|| self.repository_of(label(case, &["service", "app", "deployment", "job"])?));
        let question = |repository: GitRepository| Question {
            tool: self.name().to_owned(),
            args: BTreeMap::from([
                ("repo".to_owned(), repository.id),
                ("onset".to_owned(), case.signal.occurred_at.to_string()),
            ]),
            why: "what was changed shortly before?".to_owned(),
        };
        known.map(question).into_iter().collect()
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }
}

impl GitRules {
    /// Whether a repository may be read.
    ///
    /// # Errors
    /// A sentence that names the setting that would allow it.
    pub fn check(&self, repository: &GitRepository) -> Result<(), String> {
        if !is_branch(&repository.branch) {
            return Err(format!("`{}` is not a branch name", one_line(&repository.branch, 80)));
        }
        match &repository.source {
            GitSource::Local(path) => {
                let real = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
                let below = |root: &PathBuf| root.canonicalize().is_ok_and(|root| real.starts_with(root));
                if self.roots.iter().any(below) {
                    return Ok(());
                }
                Err(format!("{} is not below any of the allowed git roots", path.display()))
            }
            GitSource::Https(text) => {
                let url = clone_url(text)?;
                if !url.secure {
                    return Err("only https URLs can be cloned".into());
                }
                if url.is_one_of(&self.hosts) {
                    return Ok(());
                }
                let host = format!("{}:{}", url.host, url.port_or_default());
                Err(format!("{host} is not among the allowed git hosts"))
            }
        }
    }
}

impl std::fmt::Debug for Git {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Git").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// `hash 02 time 02 author 02 title 02 NUL path NUL path …`
fn change(text: &str, repository: &GitRepository) -> Option<Change> {
    let mut parts = text.splitn(5, '\u{2}');
    let (hash, at, author, title) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let paths = parts.next().unwrap_or_default();
    let paths = paths.split(['\0', '\n']).filter(|path| !path.is_empty()).take(MAX_PATHS);
    Some(Change {
        at: Timestamp::parse(at).ok()?,
        kind: "commit".into(),
        subject: repository.subject.clone(),
        summary: one_line(title, 200),
        reference: clip(hash, 64),
        touched: paths.map(|path| one_line(path, 300)).collect(),
        author: Some(one_line(author, 100)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp::parse("2026-11-22T12:00:00Z").unwrap_or_default()
        }
    }

    #[tokio::test]
    async fn a_clone_follows_its_origin_and_speaks_no_other_protocol() {
        let root = tempfile::tempdir().unwrap();
        let program = Program::find("git", "/usr/local/bin:/usr/bin:/bin".as_ref()).unwrap();
        let program = program.with_var("PATH", "/usr/local/bin:/usr/bin:/bin");
        let rules = GitRules { cache: Some(root.path().join("cache")), ..GitRules::default() };
        let git = Git::new(program, rules, Arc::new(Noon));
        let origin = root.path().join("origin").display().to_string();
        let url = format!("file://{origin}");
        let run = async |args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            git.git(&args, "", Limits::seconds(10)).await.unwrap()
        };
        let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-C", &origin];
        run(&["init", "-q", "-b", "main", &origin]).await;
        let commit = async |title: &str| {
            let args = [&who[..], &["commit", "-q", "--allow-empty", "-m", title]].concat();
            run(&args).await
        };
        let repo = GitRepository {
            id: "r".into(),
            subject: "s".into(),
            source: GitSource::Https(url.clone()),
            branch: "main".into(),
        };
        let (since, until) = (Timestamp(1_000_000_000_000), Timestamp(4_000_000_000_000));
        for count in 1..=2 {
            commit(&format!("commit {count}")).await;
            let folder = git.fetched(&url, "main", "file").await.unwrap();
            assert_eq!(git.log(&folder, &repo, since, until).await.unwrap().telemetry.len(), count);
        }
        assert!(matches!(git.fetched(&url, "main", "https").await, Err(ToolError::Denied(_))));
        let asked = ["ls-remote".to_owned(), url];
        let refused = git.git(&asked, "https", Limits::seconds(10)).await;
        assert!(matches!(&refused, Err(ToolError::Denied(text)) if text.contains("not allowed")), "{refused:?}");
    }

    #[test]
    fn only_what_the_operator_allows_can_be_registered() {
        let rules = GitRules { hosts: vec!["git.example.org".into()], ..GitRules::default() };
        let https = |url: &str, branch: &str| {
            let source = GitSource::Https(url.into());
            rules.check(&GitRepository { id: "r".into(), subject: "s".into(), source, branch: branch.into() })
        };
        assert_eq!(https("https://git.example.org/shop/cart.git", "main"), Ok(()));
        for bad in
            ["http://git.example.org/a", "ssh://git.example.org/a", "https://u:p@git.example.org/a", "ext::sh -c x"]
        {
            assert!(https(bad, "main").is_err(), "{bad}");
        }
        assert!(https("https://elsewhere.example.org/a", "main").unwrap_err().contains("allowed git hosts"));
        for bad in ["--upload-pack=x", "a..b", "a b", "", "^main", "@{u}"] {
            assert!(https("https://git.example.org/a", bad).is_err(), "{bad}");
        }
    }
}
