use super::case::{ask, case, clock, first_look};
use super::probe::tls_server;
use sentinell_adapters::process::{Limits, Program};
use sentinell_adapters::tools::git::{Git, GitRepository, GitRules, GitSource};
use sentinell_core::evidence::{Change, Telemetry};
use sentinell_core::ports::ToolError;
use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

fn program() -> Program {
    Program::find("git", OsStr::new(PATH)).unwrap()
}

async fn run(folder: &Path, at: &str, args: &[&str]) {
    let env = [("PATH", PATH), ("GIT_COMMITTER_DATE", at), ("GIT_AUTHOR_DATE", at), ("GIT_CONFIG_GLOBAL", "/dev/null")];
    let program = program().with_env(env.map(|(name, value)| (name.to_owned(), value.to_owned()))).in_directory(folder);
    let mut argv = vec!["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
    argv.extend(args);
    let ended = program.run(&argv, Limits::seconds(20)).await.unwrap();
    assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
}

async fn commit(folder: &Path, at: &str, path: &str, title: &str) {
    std::fs::write(folder.join(path), title).unwrap();
    run(folder, at, &["add", "."]).await;
    run(folder, at, &["commit", "-q", "-m", title]).await;
}

fn tool(root: &Path, folder: &Path) -> Git {
    let rules = GitRules { roots: vec![root.to_owned()], ..GitRules::default() };
    let git = Git::new(program().with_var("PATH", PATH), rules, clock());
    let source = GitSource::Local(folder.to_owned());
    let refused = git.register(vec![GitRepository {
        id: "r1".into(),
        subject: "service/shop/cart".into(),
        source,
        branch: "main".into(),
    }]);
    assert_eq!(refused, vec![]);
    git
}

fn changes(telemetry: &[Telemetry]) -> Vec<&Change> {
    telemetry
        .iter()
        .filter_map(|one| if let Telemetry::Change { change } = one { Some(change) } else { None })
        .collect()
}

#[tokio::test]
async fn the_commits_shortly_before_the_onset_are_changes() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cart");
    std::fs::create_dir(&folder).unwrap();
    run(&folder, "", &["init", "-q", "-b", "main"]).await;
    commit(&folder, "2026-11-01T10:00:00Z", "old.txt", "long ago").await;
    commit(&folder, "2026-11-22T13:50:00Z", "config ü.yaml", "raise the limit\x1b[31m").await;
    commit(&folder, "2026-11-22T18:00:00Z", "later.txt", "after the fact").await;
    let git = tool(root.path(), &folder);
    let seen = ask(&git, &[("repo", "r1"), ("onset", "2026-11-22T14:00:00Z")]).await.unwrap();
    let found = changes(&seen.telemetry);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].summary.as_str(), found[0].subject.as_str()), ("raise the limit [31m", "service/shop/cart"));
    assert_eq!((found[0].touched.as_slice(), found[0].reference.len()), (["config ü.yaml".to_owned()].as_slice(), 40));
    assert_eq!(first_look(&git, &case(&[])).await.len(), 1, "the signal names its repository");
    assert!(matches!(ask(&git, &[("repo", "../x")]).await, Err(ToolError::BadQuery(_))));
}

#[tokio::test]
async fn a_hostile_repository_runs_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("cart");
    std::fs::create_dir(&folder).unwrap();
    run(&folder, "", &["init", "-q", "-b", "main"]).await;
    commit(&folder, "2026-11-22T13:50:00Z", "a.txt", "harmless").await;
    let trap = root.path().join("trap");
    std::fs::write(&trap, format!("#!/bin/sh\ntouch {}/sprung\n", root.path().display())).unwrap();
    run(&folder, "", &["config", "core.fsmonitor", trap.to_str().unwrap()]).await;
    for setting in ["core.pager", "gpg.program", "diff.external", "core.sshCommand", "alias.log"] {
        run(&folder, "", &["config", setting, &format!("!{}", trap.display())]).await;
    }
    run(&folder, "", &["config", "log.showSignature", "true"]).await;
    run(&folder, "", &["config", "core.hooksPath", root.path().to_str().unwrap()]).await;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&trap, mode).unwrap();
    let seen = ask(&tool(root.path(), &folder), &[("repo", "r1"), ("onset", "2026-11-22T14:00:00Z")]).await.unwrap();
    assert_eq!(seen.telemetry.len(), 1);
    assert!(!root.path().join("sprung").exists());
}

#[tokio::test]
async fn a_clone_outside_the_allowed_roots_is_refused() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let git = Git::new(program(), GitRules { roots: vec![root.path().into()], ..GitRules::default() }, clock());
    std::os::unix::fs::symlink(elsewhere.path(), root.path().join("link")).unwrap();
    for path in [elsewhere.path().to_owned(), root.path().join("link")] {
        let source = GitSource::Local(path);
        let repository = GitRepository { id: "r1".into(), subject: "cart".into(), source, branch: "main".into() };
        assert!(git.register(vec![repository])[0].1.contains("allowed git roots"));
    }
}

/// The processes that run with this in their arguments.
fn running(word: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(word)).collect()
}

#[tokio::test]
async fn a_host_that_hangs_before_or_after_its_handshake_costs_a_fetch_and_leaves_no_process() {
    if Program::at("/usr/lib/git-core/git-remote-https").is_err() {
        eprintln!("SKIPPED: this git has no git-remote-https");
        return;
    }
    // Takes connections, and says nothing to anybody.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (greets, authority) = tls_server(3).await;
    for (what, port) in [("no handshake", mute.local_addr().unwrap().port()), ("a handshake and then nothing", greets)]
    {
        let root = tempfile::tempdir().unwrap();
        let pem = root.path().join("authority.pem");
        std::fs::write(&pem, &authority).unwrap();
        let host = format!("localhost:{port}");
        let rules =
            GitRules { hosts: vec![host.clone()], cache: Some(root.path().join("cache")), ..GitRules::default() };
        let git = program().with_var("PATH", PATH).with_var("GIT_SSL_CAINFO", pem.to_str().unwrap());
        let git = Git::new(git, rules, clock()).with_patience(Duration::from_secs(3));
        let source = GitSource::Https(format!("https://{host}/a/cart"));
        let (id, subject) = ("r1".to_owned(), "service/cart".to_owned());
        assert_eq!(git.register(vec![GitRepository { id, subject, source, branch: "main".into() }]), vec![]);
        let begun = Instant::now();
        let failed = ask(&git, &[("repo", "r1")]).await;
        assert!(
            matches!(&failed, Err(ToolError::Retry(why)) if why.contains("stopped after 3.0 s")),
            "{what}: {failed:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        let mut left = running(&host);
        for _ in 0..50 {
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            left = running(&host);
        }
        assert!(left.is_empty(), "{what}: {left:?}");
    }
}
