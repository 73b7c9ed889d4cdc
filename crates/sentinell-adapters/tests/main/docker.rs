//! The Docker eye against a real engine, started by hand with an image of nothing but busybox; and against a fake.

use super::case::{ask, case, clock, first_look};
use super::fake::{Fake, hostile};
use sentinell_adapters::tools::docker::{Docker, DockerAt, DockerSettings};
use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::ports::{Tool, ToolError};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An engine of its own. Dropped, it and its containers are gone.
pub struct Engine {
    folder: tempfile::TempDir,
    child: Child,
}

impl Drop for Engine {
    fn drop(&mut self) {
        let all = self.try_docker(&["ps", "-aq"]).unwrap_or_default();
        let _ = self.try_docker(&["rm", "-f"].into_iter().chain(all.split_whitespace()).collect::<Vec<_>>());
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.child.wait();
    }
}

impl Engine {
    /// None where there is no engine, or where we may not start one.
    pub fn start() -> Option<Self> {
        let there = |name: &str| ["/usr/bin", "/usr/sbin", "/bin"].iter().any(|dir| Path::new(dir).join(name).exists());
        let missing = ["dockerd", "docker", "containerd", "busybox", "tar"].into_iter().find(|name| !there(name));
        let root = is_root();
        if missing.is_some() || !root {
            let why = missing.map_or_else(|| "not root".to_owned(), |name| format!("no {name}"));
            eprintln!("SKIPPED: {why}; no real Docker engine was asked (scripts/test.sh docker)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("dockerd")
            .args(["-H", &format!("unix://{}", at("socket")), "--data-root", &at("root"), "--exec-root", &at("exec")])
            .args([
                "--pidfile",
                &at("pid"),
                "--bridge=none",
                "--iptables=false",
                "--ip-masq=false",
                "--ip-forward=false",
            ])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let engine = Self { folder, child };
        for _ in 0..150 {
            if engine.try_docker(&["ps"]).is_some() {
                return Some(engine);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let log = std::fs::read_to_string(engine.folder.path().join("log")).unwrap_or_default();
        eprintln!("SKIPPED: no Docker engine can be started here: {}", log.lines().last().unwrap_or_default());
        None
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub fn try_docker(&self, args: &[&str]) -> Option<String> {
        let host = format!("unix://{}", self.socket().display());
        let done = Command::new("docker").args(["-H", &host]).args(args).output().ok()?;
        done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
    }

    pub fn docker(&self, args: &[&str]) {
        assert!(self.try_docker(args).is_some(), "docker {args:?}");
    }

    pub fn image(&self) {
        let tree = self.folder.path().join("tree");
        std::fs::create_dir_all(tree.join("bin")).unwrap();
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists()).unwrap();
        std::fs::copy(busybox, tree.join("bin/busybox")).unwrap();
        for name in ["sh", "sleep", "tail"] {
            std::os::unix::fs::symlink("busybox", tree.join("bin").join(name)).unwrap();
        }
        let tar = self.folder.path().join("tree.tar").display().to_string();
        assert!(
            Command::new("tar").args(["-C", &tree.display().to_string(), "-cf", &tar, "."]).status().unwrap().success()
        );
        self.docker(&["import", &tar, "till:1"]);
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|data| std::os::unix::fs::MetadataExt::uid(&data) == 0)
}

fn eye(at: DockerAt) -> Docker {
    Docker::new(DockerSettings { at, host: "booth-1".into() }, clock()).unwrap()
}

/// The lines of this kind of source, one text.
fn said(seen: &Observation, source: &str) -> String {
    let mut text = String::new();
    for telemetry in &seen.telemetry {
        if let Telemetry::Logs { source: from, lines, baseline, .. } = telemetry
            && from.starts_with(source)
        {
            lines.iter().chain(baseline).for_each(|line| text.push_str(&format!("{}\n", line.text)));
        }
    }
    text
}

#[tokio::test]
async fn a_real_engine_tells_who_was_killed_for_memory_who_ended_and_what_they_wrote_but_no_environment() {
    let Some(mut engine) = Engine::start() else { return };
    engine.image();
    let run = ["run", "-d", "--network", "host", "-e", "TOKEN=hunter2"];
    let labels =
        ["--label", "com.docker.compose.service=till", "-m", "32m", "--restart", "on-failure", "--name", "till-1"];
    let hog = ["till:1", "/bin/sh", "-c", "echo sold a ticket; echo ERROR no change >&2; sleep 1; /bin/tail /dev/zero"];
    engine.docker(&[&run[..], &labels, &hog].concat());
    engine.docker(&[&run[..], &["--name", "booth", "till:1", "/bin/sh", "-c", "exit 3"]].concat());
    engine.docker(&[&run[..], &["--name", "swing", "till:1", "/bin/sleep", "600"]].concat());
    let tool = eye(DockerAt::Socket(engine.socket()));
    let mut seen = Observation::default();
    for _ in 0..60 {
        seen = first_look(&tool, &case(&[("service", "till"), ("namespace", "fair")])).await.remove(0);
        if said(&seen, "docker inspect").contains("event=oom") && said(&seen, "docker inspect").contains("event=die") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let state = said(&seen, "docker inspect till-1");
    assert!(state.contains("event=oom") && state.contains("event=die exit_code=137"), "{state}");
    assert!(state.contains("memory_limit=33554432"), "{state}");
    let lines = said(&seen, "docker logs");
    assert!(lines.contains("sold a ticket\n") && lines.contains("ERROR no change\n"), "{lines}");
    assert!(seen.telemetry.iter().all(|one| match one {
        Telemetry::Logs { subject, .. } | Telemetry::Metric { subject, .. } => subject == "service/fair/till",
        Telemetry::Change { change } => change.summary.contains("till-1 made of till:1"),
        _ => true,
    }));
    assert!(seen.telemetry.iter().any(|one| matches!(one, Telemetry::Change { .. })));
    assert!(!format!("{seen:?}").contains("hunter2"), "the environment was told");

    let unwell = ask(&tool, &[]).await.unwrap();
    assert!(said(&unwell, "docker inspect booth").contains("state=exited exit_code=3"), "{unwell:?}");
    assert!(said(&unwell, "docker inspect swing").is_empty(), "who is well was looked at");
    let swing = ask(&tool, &[("container", "swing")]).await.unwrap();
    let memory = |one: &Telemetry| matches!(one, Telemetry::Metric { name, points, .. } if name.contains("working_set") && points[0].1 > 0.0);
    assert!(swing.telemetry.iter().any(memory), "{swing:?}");
    let nobody = ask(&tool, &[("service", "wheel")]).await.unwrap();
    assert!(nobody.telemetry.is_empty() && nobody.gaps[0].why.contains("booth"), "{nobody:?}");
    assert!(tool.check().await.unwrap().unwrap().contains("3 containers"));

    engine.docker(&["rm", "-f", "till-1", "swing", "booth"]);
    engine.child.kill().unwrap();
    engine.child.wait().unwrap();
    assert!(matches!(ask(&tool, &[("service", "till")]).await, Err(ToolError::Retry(_))));
}

#[tokio::test]
async fn a_proxy_that_lets_only_reads_through_is_sent_nothing_else() {
    let id = "0123456789abcdef";
    let fake = Fake::serve(move |request| match request.path.as_str() {
        "/proxy/containers/json" => {
            (200, format!(r#"[{{"Id":"{id}","Names":["/till-1"],"Image":"till:1","State":"running","Status":"Up"}}]"#))
        }
        path if path.ends_with("/json") => (200, r#"{"State":{"Status":"running","Running":true}}"#.into()),
        path if path.ends_with("/logs") && request.param("tail") == "2000" => (200, "x".repeat(9 << 20)),
        path if path.ends_with("/logs") => (200, "2026-11-23T12:00:00.000000000Z no change\n".into()),
        "/proxy/events" => (403, r#"{"message":"not allowed"}"#.into()),
        _ => (500, String::new()),
    });
    let tool = eye(DockerAt::Url(format!("{}/proxy", fake.url)));
    let seen = ask(&tool, &[("service", "till")]).await.unwrap();
    assert!(
        said(&seen, "docker logs").contains("no change"),
        "what is too long is asked for in smaller pieces: {seen:?}"
    );
    let whats: Vec<&str> = seen.gaps.iter().map(|gap| gap.what.as_str()).collect();
    assert!(whats.contains(&"what happened to the containers"), "{whats:?}");
    assert!(whats.iter().any(|what| what.contains("memory and processes")), "{whats:?}");
    assert!(fake.seen().iter().all(|one| one.method == "GET"));
    let pod = case(&[("service", "till"), ("pod", "till-5c-x1")]);
    assert!(tool.first_look(&pod).is_empty(), "the kubelet knows more");
    assert_eq!(tool.first_look(&case(&[("instance", "booth-1:9100")])).len(), 1);
    assert!(tool.first_look(&case(&[("instance", "booth-2:9100")])).is_empty());
    assert!(ask(&tool, &[("exec", "ls")]).await.is_err());
}

#[tokio::test]
async fn an_answer_that_no_engine_gives_is_an_error_or_nothing_and_never_the_end() {
    for (status, body) in hostile() {
        let fake = Fake::serve(move |_| (status, body.clone()));
        let answer = ask(&eye(DockerAt::Url(fake.url.clone())), &[("service", "till")]).await;
        assert!(answer.is_err() || answer.is_ok_and(|seen| seen.telemetry.is_empty()));
    }
}
