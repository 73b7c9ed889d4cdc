//! The hands on a real systemd (`SENTINELL_SYSTEMCTL` is a program that speaks to it as `systemctl` does, with the units
//! `till.service`, which does not start again by itself, and `swing.service`, which does), and on a fake that notes its arguments.

use super::case::{action, args, ask, clock, warrant_for};
use sentinell_adapters::actuators::Watch;
use sentinell_adapters::actuators::systemd::{SystemdHands, SystemdHandsSettings, Unit};
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::machine::{Machine, MachineSettings};
use sentinell_core::action::{Action, ActionDraft, Deed};
use sentinell_core::evidence::Telemetry;
use sentinell_core::ports::{ActError, Actuator, Applied, ToolError};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

fn hands(systemctl: Program) -> SystemdHands {
    let unit = |name: &str| Unit { name: format!("{name}.service"), subject: format!("service/fair/{name}") };
    let units = vec![unit("till"), unit("swing"), unit("nobody")];
    let settings = SystemdHandsSettings { units, environment: "staging".into(), watch: Watch::default() };
    SystemdHands::new(systemctl, settings, clock())
}

fn draft(kind: &str, target: &str) -> ActionDraft {
    let (because, why) = ("h1".into(), String::new());
    ActionDraft { kind: kind.into(), target: target.into(), params: args(&[]), because, why }
}

async fn planned(hands: &SystemdHands, kind: &str, target: &str) -> Action {
    let plan = hands.plan(&draft(kind, target)).await;
    action(kind, target, &[], plan.unwrap_or_else(|error| panic!("{kind} {target}: {error}")))
}

async fn does(hands: &SystemdHands, action: &Action) -> Result<String, ActError> {
    hands.apply(action, warrant_for(action, 60)).await
}

async fn state(systemctl: &Program) -> String {
    let settings = MachineSettings {
        host: "booth-1".into(),
        units: vec!["till.service".into()],
        journalctl: None,
        systemctl: Some(systemctl.clone()),
    };
    let seen = ask(&Machine::new(settings, clock()), &[("what", "unit"), ("unit", "till")]).await.unwrap();
    let Telemetry::Logs { subject, lines, .. } = &seen.telemetry[0] else { panic!("{seen:?}") };
    assert_eq!(subject, "service/till");
    lines[0].text.clone()
}

#[tokio::test]
async fn a_real_systemd_starts_and_restarts_a_unit_exactly_as_shown_and_once() {
    let Ok(path) = std::env::var("SENTINELL_SYSTEMCTL") else {
        eprintln!("SKIPPED: SENTINELL_SYSTEMCTL is not set; no real systemd was acted on (scripts/test.sh systemd)");
        return;
    };
    let systemctl = Program::at(&path).unwrap().with_var("PATH", "/usr/bin:/bin");
    let run = |words: &[&str]| assert!(Command::new(&path).args(words).status().unwrap().success(), "{words:?}");
    let hands = hands(systemctl.clone());
    run(&["start", "till.service"]);
    let restart = planned(&hands, "systemd.restart", "unit/till.service").await;
    let words = restart.plan.deed.argv().unwrap().join(" ");
    assert_eq!(words, "systemctl restart --no-ask-password -- till.service");
    assert_eq!(hands.was_applied(&restart).await, Ok(Applied::No));
    does(&hands, &restart).await.unwrap();
    assert_eq!(hands.was_applied(&restart).await, Ok(Applied::Yes));
    let sleeper = does(&hands, &restart).await;
    assert!(matches!(&sleeper, Err(ActError::NotStarted(why)) if why.contains("another invocation")), "{sleeper:?}");
    assert!(state(&systemctl).await.contains("state=active sub=running result=success"));

    run(&["kill", "--signal=KILL", "till.service"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(state(&systemctl).await.contains("state=failed sub=failed result=signal"), "{}", state(&systemctl).await);
    let start = planned(&hands, "systemd.start", "unit/till.service").await;
    assert_eq!(hands.was_applied(&start).await, Ok(Applied::No));
    does(&hands, &start).await.unwrap();
    assert_eq!(hands.was_applied(&start).await, Ok(Applied::Yes));
    let again = hands.plan(&draft("systemd.start", "unit/till.service")).await;
    assert!(matches!(&again, Err(ToolError::BadQuery(why)) if why.contains("active already")), "{again:?}");

    run(&["start", "swing.service"]);
    let by_us = planned(&hands, "systemd.restart", "unit/swing.service").await;
    run(&["kill", "--signal=KILL", "swing.service"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(hands.was_applied(&by_us).await, Ok(Applied::Unknown), "systemd started it again, not we");
    let late = does(&hands, &by_us).await;
    assert!(matches!(&late, Err(ActError::NotStarted(_))), "{late:?}");
    let nobody = hands.plan(&draft("systemd.restart", "unit/nobody.service")).await;
    assert!(matches!(&nobody, Err(ToolError::BadQuery(why)) if why.contains("knows no unit")), "{nobody:?}");
}

/// Answers `show` as systemd does for a unit that has failed, and notes what it is asked.
fn fake(folder: &std::path::Path) -> Program {
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> {}/asked\n[ \"$1\" = show ] && printf 'LoadState=loaded\\nActiveState=failed\\nSubState=failed\\nInvocationID=ab12\\nNRestarts=0\\nCanStart=yes\\n'\nexit 0\n",
        folder.display()
    );
    let path = folder.join("systemctl");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Program::at(path).unwrap().with_var("PATH", "/usr/bin:/bin")
}

#[tokio::test]
async fn a_fake_systemctl_is_told_nothing_but_what_was_shown() {
    let folder = tempfile::tempdir().unwrap();
    let hands = hands(fake(folder.path()));
    let start = planned(&hands, "systemd.start", "unit/till.service").await;
    let bends: [fn(&mut Vec<String>); 4] = [
        |words| words[1] = "stop".into(),
        |words| words[4] = "swing.service".into(),
        |words| words.insert(2, "--force".into()),
        |words| words[4] = "poweroff.target".into(),
    ];
    for bend in bends {
        let mut bent = start.clone();
        if let Deed::Argv(words) = &mut bent.plan.deed {
            bend(words);
        }
        assert!(matches!(does(&hands, &bent).await, Err(ActError::NotStarted(_))));
    }
    let mut other = start.clone();
    other.plan.precondition = other.plan.precondition.replace("ab12", "cd34");
    assert!(matches!(does(&hands, &other).await, Err(ActError::NotStarted(_))), "another invocation");
    for target in ["unit/ssh.service", "unit/--force", "till.service", "unit/"] {
        assert!(hands.plan(&draft("systemd.restart", target)).await.is_err(), "{target}");
    }
    let asked = || std::fs::read_to_string(folder.path().join("asked")).unwrap();
    assert!(asked().lines().all(|line| line.starts_with("show ")));
    does(&hands, &start).await.unwrap();
    assert_eq!(asked().lines().last(), Some("start --no-ask-password -- till.service"));
}
