use super::case::{action, args, clock, warrant_for};
use sentinell_adapters::actuators::command::{CommandSpec, Commands, ParamKind};
use sentinell_adapters::process::Program;
use sentinell_core::action::{Action, ActionDraft, BlastRadius, Deed, Expectation, Verification};
use sentinell_core::evidence::Query;
use sentinell_core::ports::{ActError, Actuator, Applied, ToolError};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const KIND: &str = "command.mark";

/// A runbook that makes a folder, and takes it away again.
fn spec(folder: &Path) -> CommandSpec {
    let path = |text: &str| format!("{}/{text}", folder.display());
    let query =
        Query { id: "v1".into(), tool: "log_file".into(), args: args(&[("source", "{name}")]), why: String::new() };
    CommandSpec {
        name: "mark".into(),
        description: "makes a mark".into(),
        target: "host/one".into(),
        program: Program::at("/bin/mkdir").unwrap(),
        args: vec!["--mode={mode}".into(), path("{name}")],
        params: BTreeMap::from([
            ("name".into(), ParamKind::Identifier { max: 20 }),
            ("mode".into(), ParamKind::OneOf(vec!["700".into(), "755".into()])),
        ]),
        environment: "test".into(),
        undo: None,
        undo_if_unhelpful: false,
        check: Some((Program::at("/usr/bin/test").unwrap(), vec!["-d".into(), path("{name}")])),
        verification: Verification {
            queries: vec![query],
            expect: Expectation::FindingsGone { subject: "service/one".into() },
            hold_seconds: 1,
            every_seconds: 1,
            within_seconds: 10,
        },
        blast_radius: BlastRadius { objects: 1, description: "one folder".into() },
        timeout: Duration::from_secs(10),
    }
}

fn draft(pairs: &[(&str, &str)]) -> ActionDraft {
    let (because, why) = ("h1".into(), String::new());
    ActionDraft { kind: KIND.into(), target: "host/one".into(), params: args(pairs), because, why }
}

const GOOD: [(&str, &str); 2] = [("name", "here"), ("mode", "700")];

async fn planned(hands: &Commands, pairs: &[(&str, &str)]) -> Action {
    action(KIND, "host/one", pairs, hands.plan(&draft(pairs)).await.unwrap())
}

#[tokio::test]
async fn a_declared_command_is_planned_exactly_done_once_and_seen_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Commands::new(vec![spec(folder.path())], clock()).unwrap();
    let action = planned(&hands, &GOOD).await;
    let place = folder.path().join("here").display().to_string();
    assert_eq!(action.plan.deed, Deed::Argv(vec!["/bin/mkdir".into(), "--mode=700".into(), place]));
    assert_eq!(action.plan.verification.queries[0].args["source"], "here");
    assert_eq!(hands.was_applied(&action).await, Ok(Applied::No));
    hands.apply(&action, warrant_for(&action, 60)).await.unwrap();
    assert!(folder.path().join("here").is_dir());
    assert_eq!(hands.was_applied(&action).await, Ok(Applied::Yes));
    let again = hands.apply(&action, warrant_for(&action, 60)).await;
    assert!(matches!(again, Err(ActError::Failed(text)) if text.contains("exit code 1")));
}

#[tokio::test]
async fn a_command_is_told_which_deed_it_is_run_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut telling = spec(folder.path());
    (telling.program, telling.args, telling.params) = (Program::at("/usr/bin/env").unwrap(), vec![], BTreeMap::new());
    telling.verification.queries[0].args.clear();
    telling.check = None;
    let hands = Commands::new(vec![telling], clock()).unwrap();
    let action = planned(&hands, &[]).await;
    let told = hands.apply(&action, warrant_for(&action, 60)).await.unwrap();
    assert_eq!(told, format!("SENTINELL_ACTION={}", action.hash()), "the deed's hash, and nothing else");
}

#[tokio::test]
async fn a_parameter_cannot_become_an_option_a_path_or_another_parameter() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Commands::new(vec![spec(folder.path())], clock()).unwrap();
    for name in ["-p", "../x", "a b", "", "$(id)", "{mode}", "ä", "aaaaaaaaaaaaaaaaaaaaa"] {
        assert!(
            matches!(hands.plan(&draft(&[("name", name), ("mode", "700")])).await, Err(ToolError::BadQuery(_))),
            "{name}"
        );
    }
    for pairs in
        [&[("name", "x")][..], &[("name", "x"), ("mode", "777")], &[("name", "x"), ("mode", "700"), ("z", "1")]]
    {
        assert!(hands.plan(&draft(pairs)).await.is_err());
    }
}

#[tokio::test]
async fn without_the_right_warrant_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Commands::new(vec![spec(folder.path())], clock()).unwrap();
    let shown = planned(&hands, &GOOD).await;
    let other = planned(&hands, &[("name", "elsewhere"), ("mode", "700")]).await;
    let late = warrant_for(&shown, 0);
    assert!(matches!(hands.apply(&shown, late).await, Err(ActError::NotStarted(text)) if text.contains("ran out")));
    assert!(matches!(hands.apply(&shown, warrant_for(&other, 60)).await, Err(ActError::NotStarted(_))));
    let mut forged = shown.clone();
    forged.plan.deed = Deed::Argv(vec!["/bin/rmdir".into(), "x".into()]);
    let warrant = warrant_for(&forged, 60);
    assert!(
        matches!(hands.apply(&forged, warrant).await, Err(ActError::NotStarted(text)) if text.contains("declared"))
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn at_the_warrants_end_the_program_is_stopped_and_the_outcome_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let mut slow = spec(folder.path());
    (slow.program, slow.args, slow.params) = (Program::at("/bin/sleep").unwrap(), vec!["60".into()], BTreeMap::new());
    (slow.check, slow.verification.queries[0].args) = (None, BTreeMap::new());
    let hands = Commands::new(vec![slow], clock()).unwrap();
    let action = planned(&hands, &[]).await;
    let outcome = hands.apply(&action, warrant_for(&action, 1)).await;
    assert!(matches!(outcome, Err(ActError::Unknown(text)) if text.contains("stopped")));
    assert_eq!(hands.was_applied(&action).await, Ok(Applied::Unknown));
}

#[test]
fn every_problem_of_the_declarations_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut bad = spec(folder.path());
    bad.args = vec!["{nmae}".into()];
    (bad.check, bad.verification.queries) = (None, vec![]);
    let problems = Commands::new(vec![bad, spec(folder.path())], clock()).unwrap_err();
    for expected in ["`{nmae}`", "parameter `name`", "parameter `mode`", "no verification", "declared twice"] {
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
    }
}
