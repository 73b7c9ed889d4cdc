//! The hands on a real Docker engine, and on a fake where a real one cannot be made to do it.

use super::case::{action, args, ask, clock, warrant_for};
use super::docker::Engine;
use super::fake::Fake;
use sentinell_adapters::actuators::Watch;
use sentinell_adapters::actuators::docker::{DockerHands, DockerHandsSettings};
use sentinell_adapters::docker::DockerAt;
use sentinell_adapters::tools::docker::{Docker, DockerSettings};
use sentinell_core::action::{Action, ActionDraft, Deed, HttpDeed};
use sentinell_core::ports::{ActError, Actuator, Applied, ToolError};
use std::time::Duration;

const MIB: i64 = 1 << 20;

fn hands(at: DockerAt) -> DockerHands {
    let settings = DockerHandsSettings {
        at,
        containers: vec!["till-*".into(), "booth".into()],
        environment: "staging".into(),
        max_memory_mib: 256,
        max_cpus: 2,
        watch: Watch::default(),
    };
    DockerHands::new(settings, clock()).unwrap()
}

fn draft(kind: &str, target: &str, pairs: &[(&str, &str)]) -> ActionDraft {
    ActionDraft {
        kind: kind.into(),
        target: target.into(),
        params: args(pairs),
        because: "h1".into(),
        why: String::new(),
    }
}

async fn planned(hands: &DockerHands, kind: &str, target: &str, pairs: &[(&str, &str)]) -> Action {
    action(kind, target, pairs, hands.plan(&draft(kind, target, pairs)).await.unwrap())
}

fn request(deed: &Deed) -> &HttpDeed {
    deed.http().unwrap()
}

struct Booth {
    engine: Engine,
    hands: DockerHands,
}

impl Booth {
    fn run(&self, name: &str, more: &[&str]) {
        let base = ["run", "-d", "--network", "host", "--name", name];
        self.engine.docker(&[&base[..], more, &["till:1", "/bin/sleep", "600"]].concat());
    }

    fn read(&self, name: &str, what: &str) -> String {
        let format = format!("{{{{{what}}}}}");
        self.engine.try_docker(&["inspect", "-f", &format, name]).unwrap().trim().to_owned()
    }

    async fn does(&self, action: &Action) -> Result<String, ActError> {
        self.hands.apply(action, warrant_for(action, 60)).await
    }
}

#[tokio::test]
async fn a_real_engine_is_acted_on_exactly_as_shown_and_once() {
    let Some(engine) = Engine::start() else { return };
    engine.image();
    let hands = hands(DockerAt::Socket(engine.socket()));
    let booth = Booth { engine, hands };
    who_may_be_touched(&booth).await;
    a_restart_happens_once_and_is_told_from_one_by_policy(&booth).await;
    what_is_stopped_can_be_started_again(&booth).await;
    limits_go_up_and_come_back(&booth).await;
    the_eye_sees_that_it_is_well_again(&booth).await;
}

async fn who_may_be_touched(booth: &Booth) {
    booth.run("till-1", &["--label", "com.docker.compose.service=till", "-m", "32m"]);
    booth.run("swing", &[]);
    let refused = async |kind: &str, target: &str, pairs: &[(&str, &str)]| {
        booth.hands.plan(&draft(kind, target, pairs)).await.unwrap_err()
    };
    assert!(matches!(refused("docker.restart", "container/swing", &[]).await, ToolError::Denied(_)));
    for target in ["swing", "container/", "container/../images", "container/nobody", "service/till", "container/a/b"] {
        assert!(matches!(refused("docker.restart", target, &[]).await, ToolError::BadQuery(_)), "{target}");
    }
    assert!(matches!(refused("docker.rm", "container/till-1", &[]).await, ToolError::BadQuery(_)));
    assert!(matches!(
        refused("docker.restart", "container/till-1", &[("signal", "KILL")]).await,
        ToolError::BadQuery(_)
    ));
    assert!(
        matches!(refused("docker.start", "container/till-1", &[]).await, ToolError::BadQuery(why) if why.contains("already"))
    );
    let by_service = planned(&booth.hands, "docker.restart", "container/till", &[]).await;
    assert_eq!(request(&by_service.plan.deed).expect["container"], "till-1", "the only container of the service");
    booth.run("till-2", &["--label", "com.docker.compose.service=till"]);
    let which = refused("docker.restart", "container/till", &[]).await;
    assert!(
        matches!(&which, ToolError::BadQuery(why) if why.contains("till-1") && why.contains("till-2")),
        "{which:?}"
    );
    assert_eq!(booth.hands.check().await.unwrap().unwrap(), "2 of 3 containers may be touched");
    booth.engine.docker(&["rm", "-f", "till-2"]);
}

async fn a_restart_happens_once_and_is_told_from_one_by_policy(booth: &Booth) {
    let restart = planned(&booth.hands, "docker.restart", "container/till-1", &[]).await;
    let (deed, id) = (request(&restart.plan.deed), booth.read("till-1", ".Id"));
    assert_eq!(
        (deed.method.as_str(), deed.url.as_str()),
        ("POST", format!("http://docker/containers/{id}/restart?t=10").as_str())
    );
    assert_eq!((restart.plan.environment.as_str(), restart.plan.blast_radius.objects), ("staging", 1));
    assert_eq!(booth.hands.was_applied(&restart).await, Ok(Applied::No));
    let mut elsewhere = restart.clone();
    elsewhere.target = "container/booth".into();
    let answer = booth.does(&elsewhere).await;
    assert!(matches!(&answer, Err(ActError::NotStarted(why)) if why.contains("another container")), "{answer:?}");
    let before = booth.read("till-1", ".State.StartedAt");
    booth.does(&restart).await.unwrap();
    assert_ne!(booth.read("till-1", ".State.StartedAt"), before);
    assert_eq!(booth.hands.was_applied(&restart).await, Ok(Applied::Yes));
    let sleeper = booth.does(&restart).await;
    assert!(matches!(&sleeper, Err(ActError::NotStarted(why)) if why.contains("started is not")), "{sleeper:?}");
    let again = planned(&booth.hands, "docker.restart", "container/till-1", &[]).await;
    assert_eq!(booth.hands.was_applied(&again).await, Ok(Applied::No), "the restart before it is another");

    booth.engine.docker(&[
        "run",
        "-d",
        "--network",
        "host",
        "--name",
        "booth",
        "--restart",
        "always",
        "till:1",
        "/bin/sh",
        "-c",
        "sleep 3",
    ]);
    let by_us = planned(&booth.hands, "docker.restart", "container/booth", &[]).await;
    let mut applied = Applied::No;
    for _ in 0..60 {
        applied = booth.hands.was_applied(&by_us).await.unwrap();
        if applied != Applied::No && booth.read("booth", ".RestartCount") != "0" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(applied, Applied::Unknown, "its own policy started it again, not we");
    booth.engine.docker(&["rm", "-f", "booth"]);
    assert_eq!(booth.hands.was_applied(&by_us).await, Ok(Applied::Unknown), "it is gone");
    let gone = booth.does(&by_us).await;
    assert!(matches!(&gone, Err(ActError::NotStarted(why)) if why.contains("gone")), "{gone:?}");
}

async fn what_is_stopped_can_be_started_again(booth: &Booth) {
    let blind = booth.hands.plan(&draft("docker.stop", "container/till-1", &[])).await;
    assert!(matches!(blind, Err(ToolError::BadQuery(why)) if why.contains("recovery")));
    let stop = planned(&booth.hands, "docker.stop", "container/till-1", &[("service", "swing")]).await;
    assert_eq!(booth.hands.was_applied(&stop).await, Ok(Applied::No));
    booth.does(&stop).await.unwrap();
    assert_eq!(
        (booth.hands.was_applied(&stop).await, booth.read("till-1", ".State.Status").as_str()),
        (Ok(Applied::Yes), "exited")
    );
    let undo = stop.undo("a2".into(), stop.expires_at).unwrap();
    assert_eq!(booth.hands.was_applied(&undo).await, Ok(Applied::No));
    booth.does(&undo).await.unwrap();
    assert_eq!(
        (booth.hands.was_applied(&undo).await, booth.read("till-1", ".State.Status").as_str()),
        (Ok(Applied::Yes), "running")
    );

    booth.engine.docker(&["kill", "till-1"]);
    let start = planned(&booth.hands, "docker.start", "container/till-1", &[]).await;
    assert_eq!(booth.hands.was_applied(&start).await, Ok(Applied::No));
    booth.does(&start).await.unwrap();
    assert_eq!(booth.hands.was_applied(&start).await, Ok(Applied::Yes));
    let sleeper = booth.does(&start).await;
    assert!(matches!(&sleeper, Err(ActError::NotStarted(_))), "{sleeper:?}");
}

async fn limits_go_up_and_come_back(booth: &Booth) {
    for odd in [
        &[][..],
        &[("memory_mib", "5")],
        &[("memory_mib", "999")],
        &[("memory_mib", "32")],
        &[("cpus", "99")],
        &[("cpus", "x")],
    ] {
        let answer = booth.hands.plan(&draft("docker.update", "container/till-1", odd)).await;
        assert!(matches!(answer, Err(ToolError::BadQuery(_))), "{odd:?}: {answer:?}");
    }
    let more = planned(&booth.hands, "docker.update", "container/till-1", &[("memory_mib", "64")]).await;
    assert!(more.plan.blast_radius.description.contains("from 32 MiB to 64 MiB"), "{:?}", more.plan.blast_radius);
    assert_eq!(booth.hands.was_applied(&more).await, Ok(Applied::No));
    booth.does(&more).await.unwrap();
    assert_eq!(booth.read("till-1", ".HostConfig.Memory"), (64 * MIB).to_string());
    assert_eq!(booth.hands.was_applied(&more).await, Ok(Applied::Yes));
    assert!(matches!(booth.does(&more).await, Err(ActError::NotStarted(_))));
    let undo = more.undo("a2".into(), more.expires_at).unwrap();
    assert_eq!(booth.hands.was_applied(&undo).await, Ok(Applied::No));
    booth.does(&undo).await.unwrap();
    assert_eq!(booth.read("till-1", ".HostConfig.Memory"), (32 * MIB).to_string());
    assert_eq!(
        (booth.hands.was_applied(&undo).await, booth.hands.was_applied(&more).await),
        (Ok(Applied::Yes), Ok(Applied::No))
    );
    let first = planned(&booth.hands, "docker.update", "container/till-1", &[("cpus", "0.5")]).await;
    assert!(first.plan.undo.is_none() && first.plan.blast_radius.description.contains("cannot go back to none"));
    booth.does(&first).await.unwrap();
    assert_eq!(booth.read("till-1", ".HostConfig.NanoCpus"), "500000000");
    let second =
        planned(&booth.hands, "docker.update", "container/till-1", &[("cpus", "1"), ("memory_mib", "48")]).await;
    booth.does(&second).await.unwrap();
    let undo = second.undo("a2".into(), second.expires_at).unwrap();
    booth.does(&undo).await.unwrap();
    let bounds = [".HostConfig.NanoCpus", ".HostConfig.Memory"].map(|what| booth.read("till-1", what));
    assert_eq!(bounds, ["500000000".to_owned(), (32 * MIB).to_string()]);
}

async fn the_eye_sees_that_it_is_well_again(booth: &Booth) {
    let (at, host) = (DockerAt::Socket(booth.engine.socket()), String::new());
    let eye = Docker::new(DockerSettings { at, host }, clock()).unwrap();
    let restart = planned(&booth.hands, "docker.restart", "container/till-1", &[]).await;
    let query = &restart.plan.verification.queries[0];
    let pairs: Vec<(&str, &str)> = query.args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let seen = format!("{:?}", ask(&eye, &pairs).await.unwrap());
    assert!(seen.contains("state=running") && seen.contains("\"service/till\""), "{seen}");
    assert_eq!(
        restart.plan.verification.expect,
        sentinell_core::action::Expectation::FindingsGone { subject: "service/till".into() }
    );
}

/// A fake engine with one container; the verb is answered with this.
fn fake(status: u16) -> (Fake, String) {
    let id = "0123456789abcdef".repeat(4);
    let listed = format!(r#"[{{"Id":"{id}","Names":["/till-1"],"Image":"till:1","State":"running","Status":"Up"}}]"#);
    let fake = Fake::serve(move |request| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/containers/json") => (200, listed.clone()),
        ("GET", path) if path.ends_with("/json") => (
            200,
            r#"{"Name":"/till-1","State":{"Status":"running","StartedAt":"2026-11-23T12:00:00Z"},"HostConfig":{}}"#
                .into(),
        ),
        ("GET", "/events") => (200, String::new()),
        _ => (status, r#"{"message":"no"}"#.into()),
    });
    (fake, id)
}

#[tokio::test]
async fn what_a_fake_engine_answers_is_told_truthfully() {
    for (status, expected) in
        [(204, "done"), (304, "failed"), (403, "failed"), (500, "failed"), (502, "unknown"), (0, "unknown")]
    {
        let (engine, _) = fake(status);
        let hands = hands(DockerAt::Url(engine.url.clone()));
        let restart = planned(&hands, "docker.restart", "container/till-1", &[]).await;
        let answer = match hands.apply(&restart, warrant_for(&restart, 60)).await {
            Ok(_) => "done",
            Err(ActError::Failed(_)) => "failed",
            Err(ActError::Unknown(_)) => "unknown",
            Err(ActError::NotStarted(_)) => "not started",
        };
        assert_eq!(answer, expected, "{status}");
        assert_eq!(engine.seen().iter().filter(|one| one.method == "POST").count(), 1);
    }
    let (engine, _) = fake(204);
    let hands = hands(DockerAt::Url(engine.url.clone()));
    let restart = planned(&hands, "docker.restart", "container/till-1", &[]).await;
    let late = hands.apply(&restart, warrant_for(&restart, 0)).await;
    assert!(matches!(late, Err(ActError::NotStarted(why)) if why.contains("ran out")));
    assert!(engine.seen().iter().all(|one| one.method == "GET"));
}
