//! A bare repository of our own, in which a commit is taken back without a checkout: git's merge machinery works on trees, so that
//! no file of the repository is written, and nothing that it brings along (hooks, filters, drivers) is ever at its place.

use super::guard::Touched;
use super::words::visible;
use crate::git::{HarmlessGit, is_hash};
use crate::process::{Ended, Limits, RunError};
use crate::text::one_line;
use sentinell_core::ports::ToolError;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a fetch may take.
const FETCH: Duration = Duration::from_secs(180);
/// Larger files are not fetched; what needs one is refused.
const BLOB: &str = "--filter=blob:limit=20971520";
/// A tree without anything: attributes are read from it, and so from nowhere.
const NOWHERE: &str = "attr.tree=4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/// Harmless sins of old commits, which nobody can mend.
const FORGIVEN: [&str; 4] = [
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.missingSpaceBeforeEmail=ignore",
    "fetch.fsck.badTimezone=ignore",
];
/// Who makes our commits.
const NAME: &str = "Sentinell";
const EMAIL: &str = "noreply@sentinell.invalid";
/// Bytes of a diff that are read.
const DIFF: usize = 64 << 10;
/// Commits of the base's own line in which a merge is looked for.
const LINE: &str = "--max-count=50000";

/// A repository's scratch copy.
pub(super) struct Scratch {
    git: HarmlessGit,
    /// The bare repository.
    pub folder: PathBuf,
    /// Where it is fetched from and pushed to.
    url: String,
    /// The only protocol that is spoken to it.
    protocol: &'static str,
    /// The header that says who we are, and to whom alone it is sent.
    secret: Option<(String, String)>,
}

/// A commit that takes another one back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reverted {
    /// The commit that is made.
    pub commit: String,
    /// What it holds.
    pub tree: String,
    /// What it stands on.
    pub base: String,
    /// The first line of what is taken back, as its author wrote it.
    pub title: String,
    /// What changes.
    pub touched: Vec<Touched>,
    /// How, for people.
    pub diff: String,
}

impl Scratch {
    pub fn new(git: HarmlessGit, folder: PathBuf, url: String, secret: Option<(String, String)>) -> Self {
        let protocol = if url.starts_with("https:") { "https" } else { "http" };
        // Not the user's home: curl looks there for passwords.
        let git = git.with_var("HOME", &folder.display().to_string());
        Self { git, folder, url, protocol, secret }
    }

    /// One call inside; how it ended.
    async fn ended(&self, git: &HarmlessGit, args: &[&str], limits: Limits) -> Result<Ended, ToolError> {
        let place = format!("--git-dir={}", self.folder.display());
        let mut argv = vec!["-c", NOWHERE, "-c", "core.protectHFS=true", "-c", "core.protectNTFS=true", &place];
        argv.extend(args);
        git.run(&argv, "", limits).await.map_err(not_ended)
    }

    /// The same; what it printed, if all is well.
    async fn said(&self, args: &[&str]) -> Result<String, ToolError> {
        let limits = Limits { stdout: 8 << 20, ..Limits::seconds(30) };
        let ended = self.ended(&self.git, args, limits).await?;
        if ended.code == Some(0) && !ended.truncated { Ok(ended.stdout) } else { Err(complaint(&ended)) }
    }

    /// One call that speaks to the repository at GitHub.
    async fn spoken(&self, args: &[&str], time: Duration) -> Result<Ended, RunError> {
        let place = format!("--git-dir={}", self.folder.display());
        let mut argv = vec!["-c", "fetch.fsckObjects=true"];
        argv.extend(FORGIVEN.iter().flat_map(|sin| ["-c", sin]));
        argv.push(&place);
        argv.extend(args);
        let git = match &self.secret {
            None => self.git.clone(),
            Some((key, value)) => self
                .git
                .clone()
                .with_var("GIT_CONFIG_COUNT", "1")
                .with_var("GIT_CONFIG_KEY_0", key)
                .with_var("GIT_CONFIG_VALUE_0", value),
        };
        git.run(&argv, self.protocol, Limits { time, ..Limits::seconds(0) }).await
    }

    /// Makes the bare repository, where there is none yet.
    async fn ready(&self) -> Result<(), ToolError> {
        if self.folder.join("HEAD").exists() {
            return Ok(());
        }
        let made = std::fs::create_dir_all(&self.folder);
        made.map_err(|error| ToolError::Denied(format!("{}: {error}", self.folder.display())))?;
        let place = self.folder.display().to_string();
        let init = ["init", "--quiet", "--bare", "--template=", "--end-of-options", &place];
        let ended = self.git.run(&init, "", Limits::seconds(10)).await.map_err(not_ended)?;
        if ended.code == Some(0) { Ok(()) } else { Err(complaint(&ended)) }
    }

    /// Brings a branch up to date; its commit.
    pub async fn fetch(&self, branch: &str) -> Result<String, ToolError> {
        self.ready().await?;
        let spec = format!("+refs/heads/{branch}:refs/heads/{branch}");
        let args = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            BLOB,
            "--end-of-options",
            &self.url,
            &spec,
        ];
        let ended = self.spoken(&args, FETCH).await.map_err(not_ended)?;
        if ended.code != Some(0) {
            return Err(complaint(&ended));
        }
        self.commit(&format!("refs/heads/{branch}")).await
    }

    async fn commit(&self, name: &str) -> Result<String, ToolError> {
        let name = format!("{name}^{{commit}}");
        let hash = self.said(&["rev-parse", "--verify", "--quiet", "--end-of-options", &name]).await?;
        let hash = hash.lines().last().unwrap_or_default().trim().to_owned();
        if is_hash(&hash) {
            Ok(hash)
        } else {
            Err(ToolError::BadQuery(format!("`{}` is no commit", one_line(&name, 100))))
        }
    }

    /// What a branch at GitHub points to.
    pub async fn remote(&self, branch: &str) -> Result<Option<String>, ToolError> {
        self.ready().await?;
        let name = format!("refs/heads/{branch}");
        let ended = self
            .spoken(&["ls-remote", "--refs", "--end-of-options", &self.url, &name], Duration::from_secs(30))
            .await
            .map_err(not_ended)?;
        if ended.code != Some(0) {
            return Err(complaint(&ended));
        }
        let exact = ended.stdout.lines().filter_map(|line| line.split_once('\t')).find(|(_, there)| *there == name);
        Ok(exact.map(|(hash, _)| hash.to_owned()).filter(|hash| is_hash(hash)))
    }

    /// Pushes a commit to a branch that is new there, or ahead of what is there; nothing is ever forced.
    ///
    /// # Errors
    /// As the program ended.
    pub async fn push(&self, commit: &str, branch: &str, time: Duration) -> Result<Ended, RunError> {
        let spec = format!("{commit}:refs/heads/{branch}");
        let args = [
            "push",
            "--quiet",
            "--porcelain",
            "--no-verify",
            "--no-follow-tags",
            "--recurse-submodules=no",
            "--end-of-options",
            &self.url,
            &spec,
        ];
        self.spoken(&args, time).await
    }

    /// The commit that takes `bad` back on top of `base`. The same two, incident and title make the same commit everywhere: its
    /// author is a constant and its time that of the base.
    pub async fn revert(&self, bad: &str, base: &str, message: impl Fn(&str) -> String) -> Result<Reverted, ToolError> {
        let bad = self
            .commit(bad)
            .await
            .map_err(|_| ToolError::BadQuery(format!("there is no commit {bad} on the branch")))?;
        if !self.is_ancestor(&bad, base).await? {
            return Err(ToolError::BadQuery(format!("{bad} is not part of the default branch")));
        }
        let parent = self.parent(&bad, base).await?;
        let before = self.said(&["rev-parse", "--verify", "--end-of-options", &format!("{parent}^{{tree}}")]).await?;
        let before = before.lines().last().unwrap_or_default().trim().to_owned();
        let date = self.said(&["show", "--no-patch", "--format=%ct", "--end-of-options", base, "--"]).await?;
        let date = date.trim().parse::<i64>().unwrap_or_default().clamp(1, 4_102_444_800);
        let backwards = self.made(&before, &bad, "backwards", date).await?;
        let tree = self.merged(base, &backwards).await?;
        let title = self.said(&["show", "--no-patch", "--format=%s", "--end-of-options", &bad, "--"]).await?;
        let title = one_line(&title, 200);
        let touched = self.touched(base, &tree).await?;
        if touched.is_empty() {
            return Err(ToolError::BadQuery(format!("nothing of {bad} is left: it was taken back already")));
        }
        let commit = self.made(&tree, base, &message(&title), date).await?;
        let diff = self.diff(base, &tree).await?;
        Ok(Reverted { commit, tree, base: base.to_owned(), title, touched, diff })
    }

    pub async fn is_ancestor(&self, one: &str, other: &str) -> Result<bool, ToolError> {
        let ended = self
            .ended(&self.git, &["merge-base", "--is-ancestor", "--end-of-options", one, other], Limits::seconds(30))
            .await?;
        match ended.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(complaint(&ended)),
        }
    }

    /// What stood before a commit. Of a merge that is its first parent, if the merge is one of the branch's own commits: there
    /// everybody means the same by taking it back.
    async fn parent(&self, commit: &str, base: &str) -> Result<String, ToolError> {
        let listed = self.said(&["rev-list", "--parents", "--max-count=1", "--end-of-options", commit]).await?;
        let all: Vec<&str> = listed.split_whitespace().skip(1).collect();
        match all[..] {
            [only] => Ok(only.to_owned()),
            [] => Err(ToolError::BadQuery(format!("{commit} is the first commit; nothing stood before it"))),
            [first, _] => {
                let line = self.said(&["rev-list", "--first-parent", LINE, "--end-of-options", base]).await?;
                if line.lines().any(|one| one == commit) {
                    return Ok(first.to_owned());
                }
                Err(ToolError::BadQuery(format!(
                    "{commit} merges into a side branch: which of its parents is meant is unclear"
                )))
            }
            _ => Err(ToolError::BadQuery(format!("{commit} merges several branches at once"))),
        }
    }

    /// The tree of a merge without conflicts.
    async fn merged(&self, ours: &str, theirs: &str) -> Result<String, ToolError> {
        let args =
            ["merge-tree", "--write-tree", "--no-messages", "--name-only", "-z", "--end-of-options", ours, theirs];
        let ended = self.ended(&self.git, &args, Limits { stdout: 1 << 20, ..Limits::seconds(60) }).await?;
        let mut parts = ended.stdout.split('\0');
        let tree = parts.next().unwrap_or_default().trim().to_owned();
        match ended.code {
            Some(0) if is_hash(&tree) => Ok(tree),
            Some(1) => {
                let names: Vec<String> =
                    parts.filter(|name| !name.is_empty()).take(5).map(|name| one_line(name, 80)).collect();
                Err(ToolError::BadQuery(format!(
                    "it cannot be taken back cleanly; later commits changed the same lines: {}",
                    names.join(", ")
                )))
            }
            _ => Err(complaint(&ended)),
        }
    }

    async fn made(&self, tree: &str, parent: &str, message: &str, date: i64) -> Result<String, ToolError> {
        let date = format!("{date} +0000");
        let mut git = self.git.clone();
        for role in ["AUTHOR", "COMMITTER"] {
            for (what, value) in [("NAME", NAME), ("EMAIL", EMAIL), ("DATE", &*date)] {
                git = git.with_var(&format!("GIT_{role}_{what}"), value);
            }
        }
        let args = ["commit-tree", "--no-gpg-sign", "-p", parent, "-m", message, tree];
        let ended = self.ended(&git, &args, Limits::seconds(30)).await?;
        let hash = ended.stdout.trim();
        if ended.code == Some(0) && is_hash(hash) { Ok(hash.to_owned()) } else { Err(complaint(&ended)) }
    }

    async fn touched(&self, before: &str, after: &str) -> Result<Vec<Touched>, ToolError> {
        let raw = self.said(&["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", before, after]).await?;
        // `:mode mode hash hash status NUL path NUL`
        let mut parts = raw.split('\0');
        let mut touched = vec![];
        while let Some((head, path)) = parts.next().filter(|head| !head.is_empty()).zip(parts.next()) {
            let mut modes = head.trim_start_matches(':').split(' ').map(str::to_owned);
            let Some(modes) = modes.next().zip(modes.next()) else { break };
            touched.push(Touched { path: path.to_owned(), modes: modes.into() });
        }
        Ok(touched)
    }

    /// The whole difference, as people read it. What they cannot read is refused.
    async fn diff(&self, before: &str, after: &str) -> Result<String, ToolError> {
        let numbers = self.said(&["diff-tree", "-r", "-z", "--numstat", "--no-renames", before, after]).await?;
        if let Some(binary) = numbers.split('\0').find_map(|line| line.strip_prefix("-\t-\t")) {
            return Err(ToolError::BadQuery(format!(
                "`{}` is no text: nobody could see what changes",
                one_line(binary, 120)
            )));
        }
        let args = [
            "diff-tree",
            "-r",
            "-p",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            "--no-indent-heuristic",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            before,
            after,
        ];
        let ended = self.ended(&self.git, &args, Limits { stdout: DIFF, ..Limits::seconds(30) }).await?;
        match (ended.code, ended.truncated) {
            (Some(0), false) => Ok(visible(ended.stdout.trim_end())),
            (_, true) => {
                Err(ToolError::BadQuery(format!("the change is longer than {DIFF} bytes: nobody could approve that")))
            }
            _ => Err(complaint(&ended)),
        }
    }

    /// Writes a tree's files into a folder, links as plain files. Nothing of ours is beside them.
    pub async fn write(&self, tree: &str, into: &Path, limits: &TreeLimits) -> Result<(), ToolError> {
        let listed = self
            .ended(
                &self.git,
                &["ls-tree", "-r", "-l", "-z", "--full-tree", tree],
                Limits { stdout: 32 << 20, ..Limits::seconds(30) },
            )
            .await?;
        if listed.truncated {
            return Err(ToolError::BadQuery("the repository has too many files to be checked".into()));
        }
        if listed.code != Some(0) {
            return Err(complaint(&listed));
        }
        let sizes = listed
            .stdout
            .split('\0')
            .filter_map(|line| line.split_once('\t')?.0.split_whitespace().nth(3)?.parse::<u64>().ok());
        let (count, bytes) = sizes.fold((0_usize, 0_u64), |(count, sum), size| (count + 1, sum.saturating_add(size)));
        if count > limits.files || bytes > limits.bytes {
            return Err(ToolError::BadQuery(format!(
                "the repository has {count} files of {bytes} bytes: too much to be checked"
            )));
        }
        let place = into.display().to_string();
        let index = into.with_extension("index").display().to_string();
        let git = self.git.clone().with_var("GIT_INDEX_FILE", &index).with_var("GIT_WORK_TREE", &place);
        for args in [&["read-tree", tree][..], &["checkout-index", "--all", "--force", "--quiet"]] {
            let ended = self.ended(&git, args, Limits::seconds(120)).await?;
            if ended.code != Some(0) {
                return Err(complaint(&ended));
            }
        }
        Ok(())
    }
}

/// How much of a repository is written for its check.
pub(super) struct TreeLimits {
    /// Files.
    pub files: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

fn not_ended(error: RunError) -> ToolError {
    match error {
        RunError::NotStarted(why) => ToolError::Denied(why),
        RunError::Unfinished(why) => ToolError::Retry(format!("git: {why}")),
    }
}

/// Why git refused; its words hold no secret, since none is among its arguments.
pub(super) fn complaint(ended: &Ended) -> ToolError {
    let text = one_line(&visible(&ended.stderr), 300);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["could not read Username", "Authentication failed", "403", "not allowed", "Permission", "denied"]) {
        return ToolError::Denied(text);
    }
    if has(&[
        "Could not resolve",
        "Failed to connect",
        "timed out",
        "early EOF",
        "unable to access",
        "cannot lock ref",
        ".lock",
    ]) {
        return ToolError::Retry(text);
    }
    ToolError::BadQuery(text)
}
