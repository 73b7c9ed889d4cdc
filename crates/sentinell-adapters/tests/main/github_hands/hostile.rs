//! Repositories, branches and paths of somebody who means harm. The public lists are no part of this project; without them what needs
//! them is skipped, loudly.

use super::*;
use std::path::Path;

/// The rows of a list; none, loudly, where it is not at hand.
fn rows(name: &str) -> Option<Vec<Value>> {
    let shared = std::env::var_os("SENTINELL_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let archive = shared.join("data/security.tar.xz");
    if !archive.is_file() {
        eprintln!("SKIPPED: no {} (set SENTINELL_SHARED)", archive.display());
        return None;
    }
    let member = format!("security/badinput/{name}");
    let unpacked = std::process::Command::new("tar").arg("-xJOf").arg(&archive).arg(member).output().unwrap();
    let text = String::from_utf8(unpacked.stdout).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[tokio::test]
async fn no_hostile_branch_or_commit_reaches_git() {
    let (Some(fair), Some(rows)) = (Fair::open(), rows("git_hostile.jsonl")) else { return };
    let hands = fair.hands();
    let (mut hostile, mut controls) = (0, 0);
    for row in rows.iter().filter(|row| row["kind"] == "ref") {
        let value = row["value"].as_str().unwrap();
        let as_commit = hands.plan(&super::draft(value)).await;
        assert!(matches!(as_commit, Err(ToolError::BadQuery(_))), "{value}");
        assert_eq!(fair.started(), "", "{value}: as a commit it starts nothing");
        fair.hub.world().default_branch = value.to_owned();
        let answer = hands.plan(&super::draft(&fair.bad)).await;
        if row["expect"] == "accept" {
            controls += 1;
            assert!(
                fair.started().contains(&format!("+refs/heads/{value}:refs/heads/{value}")),
                "{value}: {}",
                fair.started()
            );
            let _ = std::fs::remove_file(fair.hub.folder.path().join("argv"));
        } else {
            hostile += 1;
            assert!(answer.is_err(), "{value}");
            assert_eq!(fair.started(), "", "{value}: as a branch it starts nothing");
        }
    }
    eprintln!("{hostile} hostile names started no program, {controls} controls were fetched");
    assert_eq!((hostile, controls), (42, 5));
}

/// A tree with one file at a path, whatever that is; git itself would refuse to add it.
fn literal(folder: &Path, path: &str) -> String {
    let blob = git(folder, &["hash-object", "-w", "--stdin"], b"x\n");
    let mut inner = ("100644", blob);
    for part in path.split('/').rev() {
        let mut raw = format!("{} ", inner.0).into_bytes();
        raw.extend_from_slice(part.as_bytes());
        raw.push(0);
        raw.extend((0..20).map(|n| u8::from_str_radix(&inner.1[2 * n..2 * n + 2], 16).unwrap()));
        inner = ("40000", git(folder, &["hash-object", "-t", "tree", "-w", "--stdin", "--literally"], &raw));
    }
    inner.1
}

#[tokio::test]
async fn no_hostile_path_is_proposed_or_written() {
    let (Some(mut fair), Some(rows)) = (Fair::open(), rows("paths.jsonl")) else { return };
    fair.repository.check = None;
    let (hands, folder) = (fair.hands(), fair.clone_of());
    let empty = git(&folder, &["mktree"], b"");
    let (mut refused, mut harmless, mut impossible) = (0, vec![], 0);
    for row in &rows {
        let path = row["value"].as_str().unwrap();
        if path.contains('\0') || path.split('/').count() > 64 {
            impossible += 1;
            continue;
        }
        let base = fair.git(&["commit-tree", "-m", "base", &empty]);
        let bad = fair.git(&["commit-tree", "-m", "bad", "-p", &base, &literal(&folder, path)]);
        let head = fair.git(&["commit-tree", "-m", "head", "-p", &bad, &literal(&folder, path)]);
        // Straight into the hub's store: a careful server would not take it.
        let objects = folder.join(".git/objects").display().to_string();
        std::fs::write(fair.hub.bare().join("objects/info/alternates"), format!("{objects}\n")).unwrap();
        fair.hub.git(&["update-ref", "refs/heads/main", &head]);
        match hands.plan(&super::draft(&bad)).await {
            Err(_) => refused += 1,
            Ok(plan) => {
                assert!(plan.blast_radius.description.contains(path), "what is touched is shown");
                harmless.push(path);
            }
        }
    }
    eprintln!(
        "{refused} paths refused, {impossible} cannot stand in a tree here, taken as the plain names that they are: {harmless:?}"
    );
    assert!(
        harmless.iter().all(|path| ["con", "nul"].contains(path) || path.bytes().all(|byte| byte == b'a')),
        "{harmless:?}"
    );
    assert_eq!(refused + harmless.len() + impossible, 50);
}

/// A program that leaves a mark.
fn trap(folder: &Path) -> String {
    let trap = folder.join("trap");
    std::fs::write(&trap, format!("#!/bin/sh\ntouch '{}/sprung'\n", folder.display())).unwrap();
    std::fs::set_permissions(&trap, std::fs::Permissions::from_mode(0o755)).unwrap();
    trap.display().to_string()
}

/// Settings that start a program, where the user's and the system's git would read them.
fn settings(folder: &Path, trap: &str) {
    let text = format!(
        "[core]\n\thooksPath = {0}\n\tfsmonitor = {1}\n\tsshCommand = {1}\n\tpager = {1}\n[filter \"trap\"]\n\tsmudge = {1}\n\tclean = {1}\n\t\
         required = true\n[merge \"trap\"]\n\tdriver = {1}\n[diff \"trap\"]\n\ttextconv = {1}\n\tcommand = {1}\n[credential]\n\thelper = {1}\n\
         [gpg]\n\tprogram = {1}\n[commit]\n\tgpgSign = true\n[diff]\n\texternal = {1}\n",
        folder.join("hooks").display(),
        trap
    );
    std::fs::create_dir_all(folder.join("xdg/git")).unwrap();
    std::fs::write(folder.join("xdg/git/config"), &text).unwrap();
    std::fs::write(folder.join(".gitconfig"), text).unwrap();
    std::fs::create_dir_all(folder.join("hooks")).unwrap();
    for hook in [
        "post-checkout",
        "pre-push",
        "reference-transaction",
        "post-index-change",
        "commit-msg",
        "pre-commit",
        "post-merge",
    ] {
        std::fs::copy(trap, folder.join("hooks").join(hook)).unwrap();
    }
}

#[tokio::test]
async fn a_repository_full_of_traps_is_mended_and_none_of_them_springs() {
    let Some(mut fair) = Fair::open() else { return };
    let home = fair.hub.folder.path().to_owned();
    let trap = trap(&home);
    settings(&home, &trap);
    fair.commit(
        ".gitattributes",
        "* filter=trap merge=trap diff=trap ident export-subst\nsrc/* -diff -text\n",
        "attributes",
    );
    fair.commit(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:9/x\n", "lfs");
    fair.commit(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = https://example.org/x\n", "modules");
    std::os::unix::fs::symlink("/etc/passwd", fair.clone_of().join("passwd")).unwrap();
    std::os::unix::fs::symlink(&home, fair.clone_of().join("out")).unwrap();
    std::fs::create_dir_all(fair.clone_of().join("hooks")).unwrap();
    std::fs::copy(&trap, fair.clone_of().join("hooks/post-checkout")).unwrap();
    fair.commit("src/-x \u{1b}[31m.c", "int x;\n", "\u{1b}]0;title\u{7} \u{202e}evil");
    fair.push();
    // The check sees links as plain files: nothing outside can be read or written through them.
    let script = home.join("check");
    let text = "#!/bin/sh\nset -e\ntest ! -L passwd\ntest ! -L out\ntest ! -e .git\nrmdir \"$HOME\"\ncat passwd\nexec cc -o /dev/null src/till.c\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = Program::at(script).unwrap().with_var("PATH", PATH);
    fair.repository.check = Some(RepositoryCheck { program, args: vec![], time: Duration::from_secs(60) });
    let settings = GitHubHandsSettings {
        url: format!("{}/api/v3", fair.hub.url),
        token: TOKEN.into(),
        git: fair
            .scribe()
            .with_var("HOME", &home.display().to_string())
            .with_var("XDG_CONFIG_HOME", &home.join("xdg").display().to_string()),
        folder: home.join("scratch"),
        repositories: vec![fair.repository.clone()],
    };
    let hands = GitHubHands::new(settings, clock()).unwrap();
    let shown = proposal(&fair.bad, hands.plan(&super::draft(&fair.bad)).await.unwrap());
    assert!(shown.plan.blast_radius.description.contains("+int limit(void) { return 10; }"), "attributes hide nothing");
    let body = request(&shown)["body"].as_str().unwrap().to_owned();
    assert!(body.contains("| /etc/passwd") && !body.contains("root:"), "{body}");
    hands.apply(&shown, warrant_for(&shown, 120)).await.unwrap();
    assert!(!home.join("sprung").exists(), "something ran that is not ours");
    let left = std::fs::read_dir(home.join("scratch/till.git")).unwrap().filter_map(Result::ok);
    assert!(
        left.filter(|one| one.file_name().to_string_lossy().starts_with("check-")).count() == 0,
        "nothing is left behind"
    );
}

#[tokio::test]
async fn what_rules_the_repository_is_not_taken_back_without_permission() {
    let Some(mut fair) = Fair::open() else { return };
    fair.repository.check = None;
    let hands = fair.hands();
    for path in [
        ".github/workflows/ci.yml",
        "Cargo.lock",
        "web/package-lock.json",
        "CODEOWNERS",
        ".gitmodules",
        ".gitattributes",
    ] {
        let error = fair.refused(path, "x\n", "").await;
        assert!(matches!(&error, ToolError::Denied(why) if why.contains("guarded")), "{path}: {error}");
    }
    std::os::unix::fs::symlink("/etc", fair.clone_of().join("etc")).unwrap();
    let link = fair.commit("other.txt", "x\n", "a link");
    std::fs::set_permissions(fair.clone_of().join("README.md"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mode = fair.commit("another.txt", "x\n", "a mode");
    fair.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", fair.bad)]);
    fair.git(&["commit", "-q", "-m", "a submodule"]);
    let module = fair.git(&["rev-parse", "HEAD"]);
    fair.push();
    for (commit, why) in [(link, "a symbolic link"), (module, "a submodule")] {
        let error = hands.plan(&super::draft(&commit)).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    assert!(
        hands.plan(&super::draft(&mode)).await.unwrap().blast_radius.description.contains("old mode 100755"),
        "it is shown"
    );
    let workflow = fair.git(&["rev-list", "-1", "HEAD", "--", ".github/workflows/ci.yml"]);
    fair.repository.guarded = vec![".github/workflows/ci.yml".into()];
    assert!(fair.hands().plan(&super::draft(&workflow)).await.is_ok(), "the operator allows it by name");
    fair.repository.paths = vec!["docs/*".into()];
    let outside = fair.hands().plan(&super::draft(&fair.bad)).await.unwrap_err();
    assert!(outside.to_string().contains("outside of `paths`"), "{outside}");
    fair.repository.protected = vec!["sentinell/*".into()];
    let protected = fair.hands().plan(&super::draft(&workflow)).await.unwrap_err();
    assert!(protected.to_string().contains("is protected"), "{protected}");
}

#[tokio::test]
async fn a_fetch_that_brings_folders_of_gits_is_refused() {
    let Some(fair) = Fair::open() else { return };
    let folder = fair.clone_of();
    for path in [".git/config", ".GIT/hooks/x", "GIT~1/config", "a/../x"] {
        let head = fair.git(&["commit-tree", "-m", "bad", "-p", "HEAD", &literal(&folder, path)]);
        let objects = folder.join(".git/objects").display().to_string();
        std::fs::write(fair.hub.bare().join("objects/info/alternates"), format!("{objects}\n")).unwrap();
        fair.hub.git(&["update-ref", "refs/heads/main", &head]);
        let error = fair.hands().plan(&super::draft(&head)).await.unwrap_err();
        assert!(matches!(error, ToolError::BadQuery(_) | ToolError::Denied(_)), "{path}: {error}");
    }
    assert!(!fair.hub.folder.path().join("scratch/till.git/hooks").exists());
}
