//! What a proposal may touch, and where it may be pushed to.

use super::words::hides;
use crate::actuators::is_allowed;
use crate::text::one_line;
use sentinell_core::repository::is_branch;

/// Branches that nobody but people changes, whatever the configuration says; the repository's default branch besides.
const PROTECTED: [&str; 4] = ["main", "master", "release/*", "releases/*"];
/// How every branch of ours begins.
const OURS: &str = "sentinell/";

/// Folders that say what runs when something is pushed, reviewed or built.
const FOLDERS: [&str; 12] = [
    ".github",
    ".gitlab",
    ".gitea",
    ".forgejo",
    ".circleci",
    ".buildkite",
    ".azure-pipelines",
    ".azuredevops",
    ".teamcity",
    ".woodpecker",
    ".husky",
    ".cargo",
];
/// Files that do, by how their names begin.
const BEGINNINGS: [&str; 17] = [
    ".gitlab-ci",
    ".travis",
    ".appveyor",
    "appveyor",
    "jenkinsfile",
    "azure-pipelines",
    "bitbucket-pipelines",
    ".drone",
    ".woodpecker",
    ".cirrus",
    "cloudbuild",
    "buildspec",
    ".pre-commit-config",
    "lefthook",
    "codeship",
    ".semaphore",
    ".env",
];
/// Files that say who must look, or what exactly is fetched.
const NAMES: [&str; 17] = [
    "codeowners",
    "owners",
    ".gitmodules",
    ".gitattributes",
    ".lfsconfig",
    "npm-shrinkwrap.json",
    "go.sum",
    "bun.lockb",
    "gradle.lockfile",
    "package.resolved",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    "pnpm-lock.yaml",
    "packages.lock.json",
    ".terraform.lock.hcl",
    "verification-metadata.xml",
];
/// How names of lock files end.
const ENDS: [&str; 4] = [".lock", "-lock.json", "-lock.yaml", "-lock.yml"];

/// One path that would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Touched {
    /// The path, as git tells it.
    pub path: String,
    /// Its mode before and after, six octal digits.
    pub modes: [String; 2],
}

/// What the operator allows besides what is always refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed<'a> {
    /// Paths that may change; a `*` at the end matches any rest. Empty: all that are not guarded.
    pub paths: &'a [String],
    /// Guarded paths that may change all the same.
    pub guarded: &'a [String],
}

/// Whether these paths may change.
///
/// # Errors
/// The first that may not, and the setting that would allow it.
pub(super) fn judge(touched: &[Touched], allowed: Allowed<'_>) -> Result<(), String> {
    touched.iter().try_for_each(|one| judge_one(one, allowed))
}

fn judge_one(one: &Touched, allowed: Allowed<'_>) -> Result<(), String> {
    let shown = one_line(&one.path, 120);
    if !is_plain(&one.path) {
        return Err(format!("it touches `{shown}`, which is no plain path"));
    }
    // 000000: not there on that side.
    if let Some(mode) = one.modes.iter().find(|mode| !["000000", "100644", "100755"].contains(&mode.as_str())) {
        let what = match mode.as_str() {
            "120000" => "a symbolic link",
            "160000" => "a submodule",
            _ => "no plain file",
        };
        return Err(format!("it touches `{shown}`, {what}"));
    }
    if is_guarded(&one.path) && !is_allowed(allowed.guarded, &one.path) {
        let why = "a workflow, a lock file or a rule of the repository itself; name it in `guarded` to allow that";
        return Err(format!("it touches `{shown}`: {why}"));
    }
    let inside =
        allowed.paths.is_empty() || is_allowed(allowed.paths, &one.path) || is_allowed(allowed.guarded, &one.path);
    if inside { Ok(()) } else { Err(format!("it touches `{shown}`, which is outside of `paths`")) }
}

/// Whether a path is one everywhere, and the same one: no way up, no folder of git's under any spelling, nothing hidden.
pub(super) fn is_plain(path: &str) -> bool {
    // Besides what file systems forbid: escapes of URLs, and dots that only look like some.
    let odd = |c: char| {
        c.is_control()
            || hides(c)
            || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%' | '‥' | '…' | '．' | '。' | '\u{fffd}')
    };
    let part = |part: &str| {
        let folded = part.trim_end_matches(['.', ' ']).to_lowercase();
        // `GIT~1` is how old file systems of Windows call `.git`.
        let short = folded.split_once('~').is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
        !part.is_empty()
            && !part.starts_with(['-', ' ', '~', '$'])
            && !part.starts_with("..")
            && folded.len() == part.len()
            && folded != ".git"
            && !short
    };
    (1..=1000).contains(&path.len()) && !path.chars().any(odd) && path.split('/').all(part)
}

/// Whether a path is of those that nobody touches without explicit permission.
pub(super) fn is_guarded(path: &str) -> bool {
    let lower = path.to_lowercase();
    let mut parts = lower.split('/').rev();
    let name = parts.next().unwrap_or_default();
    parts.any(|folder| FOLDERS.contains(&folder))
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || NAMES.contains(&name)
        || ENDS.iter().any(|end| name.ends_with(end))
}

/// The branch of a revert: whoever proposes it for this incident means the same one.
pub(super) fn branch(commit: &str, incident: &str) -> String {
    format!("{OURS}revert-{}-{incident}", commit.get(..12).unwrap_or(commit))
}

/// Whether we may push to a branch.
///
/// # Errors
/// Why not.
pub(super) fn may_push(branch: &str, default: &str, protected: &[String]) -> Result<(), String> {
    let always = PROTECTED.map(str::to_owned);
    if !is_branch(branch) || !branch.starts_with(OURS) {
        return Err(format!("`{}` is no name for a branch of ours", one_line(branch, 100)));
    }
    if branch == default || is_allowed(&always, branch) || is_allowed(protected, branch) {
        return Err(format!("{branch} is protected"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(path: &str, modes: [&str; 2], paths: &[&str], guarded: &[&str]) -> Result<(), String> {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (paths, guarded) = (own(paths), own(guarded));
        let one = Touched { path: path.into(), modes: modes.map(str::to_owned) };
        judge(&[one], Allowed { paths: &paths, guarded: &guarded })
    }

    const FILE: [&str; 2] = ["100644", "100644"];

    #[test]
    fn what_rules_a_repository_needs_explicit_permission() {
        for path in [
            ".github/workflows/ci.yml",
            ".github/CODEOWNERS",
            "CODEOWNERS",
            "docs/codeowners",
            "Cargo.lock",
            "web/package-lock.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "go.sum",
            ".gitmodules",
            "sub/.gitattributes",
            ".gitlab-ci.yml",
            "Jenkinsfile.prod",
            ".GitHub/workflows/x.yml",
            "a/.husky/pre-push",
            ".pre-commit-config.yaml",
            ".lfsconfig",
            "uv.lock",
            "flake.lock",
        ] {
            assert!(says(path, FILE, &[], &[]).is_err_and(|why| why.contains("guarded")), "{path}");
            assert_eq!(says(path, FILE, &["src/*"], &[path]), Ok(()), "{path}");
        }
        for path in
            ["src/main.rs", "README.md", "config/limits.toml", "deploy/ünïcode file.yaml", "github/x", "lock.rs"]
        {
            assert_eq!(says(path, FILE, &[], &[]), Ok(()), "{path}");
        }
        assert!(says("deploy/x", FILE, &["src/*"], &[]).is_err_and(|why| why.contains("outside")));
    }

    #[test]
    fn links_submodules_and_paths_that_are_none_are_refused_whatever_is_allowed() {
        for modes in [["120000", "100644"], ["000000", "120000"], ["160000", "000000"], ["040000", "100644"]] {
            assert!(says("src/x", modes, &["*"], &["*"]).is_err());
        }
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../x",
            "a//b",
            ".git/config",
            "a/.GIT/config",
            "GIT~1/config",
            ".git./config",
            ".git /x",
            "-x",
            "a/--output=x",
            "..%2fx",
            "．．/x",
            "...",
            "~root/x",
            "$HOME/x",
            "a\nb",
            "a\u{202e}b",
            ".git\u{200c}/config",
            "a\\b",
            "C:x",
            "nul\u{fffd}",
            "a/. ",
            "a\u{1b}[31m",
        ] {
            assert!(says(path, FILE, &["*"], &["*"]).is_err(), "{path:?}");
        }
        assert!(!is_plain(&"x".repeat(4096)));
    }

    #[test]
    fn only_a_branch_of_ours_is_pushed_to() {
        let ours = branch(&"0123456789abcdef".repeat(3)[..40], "i1");
        assert_eq!(ours, "sentinell/revert-0123456789ab-i1");
        assert_eq!(may_push(&ours, "main", &[]), Ok(()));
        for (name, default) in
            [("main", "trunk"), ("release/1", "main"), ("x", "main"), ("sentinell/a..b", "main"), (&*ours, &*ours)]
        {
            assert!(may_push(name, default, &[]).is_err(), "{name}");
        }
        assert!(may_push(&ours, "main", &["sentinell/*".into()]).is_err());
    }
}
