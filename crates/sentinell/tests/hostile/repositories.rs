//! Repositories of somebody who means harm: their addresses, their branches, and what is in them.

use super::outgoing::{fetches, query, scribe};
use super::{calm, rows};
use crate::api::{House, OPERATOR};
use sentinell::clock::SystemClock;
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::git::{Git, GitRepository, GitRules, GitSource, Names};
use sentinell_core::evidence::Telemetry;
use sentinell_core::ports::{BoxFuture, Tool};
use serde_json::{Value, json};
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Every name is on the open internet.
struct Outside;

impl Names for Outside {
    fn look_up<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, Result<Vec<IpAddr>, String>> {
        Box::pin(async { Ok(vec!["93.184.216.34".parse().unwrap()]) })
    }
}

fn repository(url: &str, branch: &str) -> GitRepository {
    GitRepository { id: "r".into(), subject: "s".into(), source: GitSource::Https(url.into()), branch: branch.into() }
}

#[tokio::test]
async fn no_hostile_address_or_branch_reaches_git() {
    let Some(rows) = rows("git_hostile.jsonl") else { return };
    assert_eq!(rows.len(), 164);
    let hosts = ["github.com", "gitlab.example.com"].map(str::to_owned).to_vec();
    let house = House::with(|config| config.repo_hosts = hosts.clone()).await;
    let (mut taken, mut fetched, mut refused) = (vec![], 0, 0);
    for row in rows.iter().filter(|row| row["kind"] != "repository-content") {
        let (value, accept) = (row["value"].as_str().unwrap(), row["expect"] == "accept");
        let (url, branch) = if row["kind"] == "url" { (value, "main") } else { ("https://github.com/o/r", value) };
        let body = json!({"name": "n", "repo_url": url, "default_branch": branch});
        let answer = house.post_as(OPERATOR, "/api/repos", &body).await;
        calm(&answer, value);
        if answer.status.is_success() && !accept {
            taken.push(value);
        }
        assert!(answer.status.is_success() || !accept, "{value}: {}", answer.text);
        // The eye judges by itself, whatever stands in the registry, and with every host of the list allowed.
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        let rules = GitRules { hosts: hosts.clone(), cache: Some(cache.clone()), ..GitRules::default() };
        let git = Git::new(scribe(folder.path()), rules, Arc::new(SystemClock)).with_names(Arc::new(Outside));
        git.register(vec![repository(url, branch)]);
        let _ = git.observe(&query("git", &[("repo", "r")])).await;
        let fetches = fetches(folder.path());
        assert_eq!(fetches.len(), usize::from(accept), "{value}: {fetches:?}");
        if accept {
            fetched += 1;
            let spec = format!("--end-of-options {url} +refs/heads/{branch}:refs/heads/{branch} ");
            assert!(fetches[0].ends_with(&spec), "{fetches:?}");
            assert!(fetches[0].contains(&format!("-C {}", cache.display())), "below the cache: {fetches:?}");
        } else {
            refused += 1;
            assert!(!folder.path().join("started").exists(), "{value}: no program at all is started");
        }
    }
    eprintln!("git: {fetched} controls fetched, {refused} hostile started nothing, registered all the same: {taken:?}");
    assert_eq!(taken, Vec::<&str>::new());
}

/// Runs git as whoever makes the hostile repository.
fn git(folder: &Path, args: &[&str], input: &[u8]) -> String {
    use std::io::Write;
    let mut child = Command::new("git")
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder)
        .args([
            "-c",
            "user.name=Eve",
            "-c",
            "user.email=eve@example.org",
            "-c",
            "core.protectHFS=false",
            "-c",
            "core.protectNTFS=false",
        ])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8_lossy(&ended.stdout).trim().to_owned()
}

/// A program that leaves a mark, for every setting that names one.
fn trap(folder: &Path) -> String {
    let trap = folder.join("trap");
    fs::write(&trap, format!("#!/bin/sh\ntouch '{}/sprung'\n", folder.display())).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    trap.display().to_string()
}

/// A tree object with these entries, whatever they are called: git itself would refuse to add them.
fn tree(folder: &Path, entries: &[(&str, &[u8], &str)]) -> String {
    let mut raw = vec![];
    for (mode, name, hash) in entries {
        raw.extend_from_slice(mode.as_bytes());
        raw.push(b' ');
        raw.extend_from_slice(name);
        raw.push(0);
        raw.extend((0..20).map(|n| u8::from_str_radix(&hash[2 * n..2 * n + 2], 16).unwrap()));
    }
    git(folder, &["hash-object", "-t", "tree", "-w", "--stdin", "--literally"], &raw)
}

/// A repository with as many of the list's tricks in it as can stand together.
#[expect(clippy::too_many_lines, reason = "one trick after the other")]
fn hostile(folder: &Path) {
    let trap = trap(folder);
    let repo = folder.join("repo");
    fs::create_dir(&repo).unwrap();
    git(&repo, &["init", "-q", "-b", "main", "."], b"");
    let blob = |text: &[u8]| git(&repo, &["hash-object", "-w", "--stdin"], text);
    let evil = blob(format!("[core]\n\tfsmonitor = {trap}\n\thooksPath = /tmp\n").as_bytes());
    let link = blob(b"/etc/passwd");
    let modules = blob(b"[submodule \"../../x\"]\n\tpath = a\n\turl = ext::sh -c touch% sprung\n");
    let attributes = blob(b"* filter=trap diff=trap export-subst\n");
    let inner = tree(&repo, &[("100644", b"config", &evil)]);
    let (long, odd) = ("n".repeat(4096), "\u{1b}[31mred\u{7}\nnext\u{202e}".to_owned());
    let entries: Vec<(&str, &[u8], &str)> = vec![
        ("40000", b".GIT", &inner),
        ("40000", b".git", &inner),
        ("40000", ".git\u{200c}".as_bytes(), &inner),
        ("100644", b".gitattributes", &attributes),
        ("120000", b".gitmodules", &modules),
        ("100644", b"--output=sprung", &evil),
        ("40000", b"GIT~1", &inner),
        ("120000", b"link", &link),
        ("100644", long.as_bytes(), &evil),
        ("100644", odd.as_bytes(), &evil),
        ("100644", b"..", &evil),
    ];
    let root = tree(&repo, &entries);
    let (mut parent, long) = (None::<String>, "m".repeat(10 << 20));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string();
    for (at, title) in
        [("0", "old"), ("4291747200", "from 2106"), (&*now, &*long), (&*now, "\u{1b}]0;title\u{7} \u{202e}evil")]
    {
        let above = parent.as_ref().map(|hash| format!("parent {hash}\n")).unwrap_or_default();
        let commit = format!(
            "tree {root}\n{above}author Eve <x> \u{1b}[2J<eve@example.org> {at} +0000\ncommitter Eve <eve@example.org> {at} +0000\ngpgsig x\n\n{title}\n"
        );
        parent = Some(git(&repo, &["hash-object", "-t", "commit", "-w", "--stdin", "--literally"], commit.as_bytes()));
    }
    let head = parent.unwrap();
    for name in ["refs/heads/main", "refs/heads/HEAD", "refs/tags/main", "refs/remotes/origin/main"] {
        git(&repo, &["update-ref", name, &head], b"");
    }
    git(&repo, &["replace", &head, &git(&repo, &["rev-parse", "HEAD~1"], b"")], b"");
    for name in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "diff.external",
        "diff.trap.textconv",
        "filter.trap.smudge",
        "filter.trap.clean",
        "gpg.program",
        "credential.helper",
        "alias.log",
        "pager.log",
        "uploadpack.packObjectsHook",
        "core.gitProxy",
        "core.alternateRefsCommand",
    ] {
        let value = if name == "alias.log" { format!("!{trap}") } else { trap.clone() };
        git(&repo, &["config", name, &value], b"");
    }
    for hook in ["post-checkout", "pre-auto-gc", "reference-transaction", "post-index-change", "fsmonitor-watchman"] {
        fs::copy(&trap, repo.join(".git/hooks").join(hook)).unwrap();
    }
    fs::write(repo.join(".git/objects/info/alternates"), "/proc/self/root/var/lib/other/objects\n").unwrap();
}

#[tokio::test]
async fn a_hostile_repository_is_read_and_nothing_of_it_runs() {
    let Some(rows) = rows("git_hostile.jsonl") else { return };
    let kinds: Vec<&Value> = rows.iter().filter(|row| row["kind"] == "repository-content").collect();
    let folder = tempfile::tempdir().unwrap();
    hostile(folder.path());
    let roots = vec![folder.path().to_owned()];
    let program = Program::find("git", "/usr/local/bin:/usr/bin:/bin".as_ref()).unwrap();
    let program =
        program.with_var("PATH", "/usr/local/bin:/usr/bin:/bin").with_var("HOME", &folder.path().display().to_string());
    let eye = Git::new(program, GitRules { roots, ..GitRules::default() }, Arc::new(SystemClock));
    let local =
        |place: &str| GitRepository { source: GitSource::Local(folder.path().join(place)), ..repository("", "main") };
    let refused = eye.register(vec![local("repo")]);
    assert!(refused.is_empty(), "{refused:?}");
    let seen = eye.observe(&query("git", &[("repo", "r")])).await.unwrap();
    assert!(!folder.path().join("sprung").exists(), "something of the repository ran");
    assert!(!seen.telemetry.is_empty(), "what is good in it is told");
    for one in &seen.telemetry {
        let Telemetry::Change { change } = one else { panic!("{one:?}") };
        let texts = [&change.summary, change.author.as_ref().unwrap(), &change.reference];
        for text in texts.into_iter().chain(&change.touched) {
            assert!(text.len() < 1000 && !text.contains(|c: char| c.is_control()), "{text:?}");
        }
    }
    // A link out of the allowed roots is no way out of them.
    std::os::unix::fs::symlink("/", folder.path().join("link")).unwrap();
    assert_eq!(eye.register(vec![local("link/etc")]).len(), 1);
    assert_eq!(eye.register(vec![local("../../etc")]).len(), 1);
    eprintln!("git: {} kinds of content in the list; tricks that can stand in one repository ran nothing", kinds.len());
}
