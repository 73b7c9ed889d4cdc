//! Rules on their way in: over REST, from a file, by the command line.

use crate::api::{House, OPERATOR};
use sentinell_core::approval::Role;
use sentinell_core::investigation::Event;
use sentinell_core::policy::Ruling;
use serde_json::{Value, json};
use std::fs::write;
use std::process::{Command, Output};

const RULES: &str = r#"@id("restarts in staging")
@match("kind=kubernetes.rollout_restart, environment=staging")
@no_match("environment=production")
permit (principal, action == Action::"kubernetes.rollout_restart", resource)
when { resource.environment == "staging" };
"#;

fn automatic(cedar: &str) -> Value {
    json!({"policy": {"autonomy": "automatic", "cedar": cedar}, "why": "a test"})
}

#[tokio::test]
async fn a_rule_set_that_is_wrong_is_refused_with_its_place() {
    let house = House::open().await;
    house.post_as(OPERATOR, "/api/policies", &automatic(RULES)).await.ok(201);
    for (from, to, expected) in [
        ("resource.environment", "resource.enviroment", "line 5, column"),
        ("==", "=", "line 4, column"),
        ("staging\" }", "stage\" }", "does not match its @match example"),
        ("@no_match(\"environment=production\")\n", "", "it needs @match"),
    ] {
        let answer = house.post_as(OPERATOR, "/api/policies", &automatic(&RULES.replace(from, to))).await;
        let detail = answer.problem(422);
        assert!(detail.contains(expected), "{expected}: {detail}");
        assert_eq!(answer.body["errors"][0]["pointer"], "/policy/cedar");
    }
    let freeze = json!({"policy": {"freezes": [{"name": "f", "from": "25:00", "minutes": 1}]}, "why": "w"});
    let answer = house.post_as(OPERATOR, "/api/policies", &freeze).await;
    answer.problem(422);
    assert_eq!(answer.body["errors"][0]["pointer"], "/policy/freezes/0");
    let newest = house.get("/api/policies?limit=1").await;
    assert_eq!(newest.ok(200)["policies"][0]["policy"]["cedar"], RULES, "nothing of that came into force");
}

#[tokio::test]
async fn what_would_be_ruled_is_told_by_the_policy_in_force_or_by_one_to_try() {
    let house = House::open().await;
    house.post_as(OPERATOR, "/api/policies", &automatic(RULES)).await.ok(201);
    let ask = async |body: Value| house.post_as(OPERATOR, "/api/policies/simulate", &body).await;
    let staging = "kind=kubernetes.rollout_restart, environment=staging";
    let told = ask(json!({"questions": [staging, "kind=kubernetes.rollout_restart"]})).await;
    let rulings = &told.ok(200)["rulings"];
    assert_eq!((&rulings[0]["ruling"]["verdict"], &rulings[1]["ruling"]["verdict"]), (&json!("allow"), &json!("ask")));
    assert_eq!(rulings[0]["rules"], json!([{"name": "restarts in staging", "effect": "allow"}]));
    assert_eq!((&told.body["version"], &rulings[0]["facts"]["resource"]["service"]), (&json!(1), &json!("shop/cart")));
    let other = ask(json!({"questions": [staging], "policy": {"autonomy": "suggest"}})).await;
    assert_eq!(other.ok(200)["rulings"][0]["ruling"]["verdict"], "deny");
    assert_eq!(other.body["version"], Value::Null);
    let wrong = ask(json!({"questions": [staging, "kin=x"]})).await;
    wrong.problem(422);
    assert_eq!(wrong.body["errors"][0]["pointer"], "/questions/1");
    ask(json!({"questions": []})).await.problem(422);
    ask(json!({"questions": [staging], "policy": {"cedar": "permit ("}})).await.problem(422);
}

#[tokio::test]
async fn two_people_with_the_right_role_approve_over_rest() {
    let house = House::open().await;
    let issue = json!({"title": "cart is down", "description": "since noon"});
    let id = house.post("/api/issues", &issue).await.body["id"].as_str().unwrap().to_owned();
    let ruling = Ruling::Ask { why: "dangerous".into(), approvals: 2, role: Role::Admin };
    let hash = house.ask_with(&id, ruling).await;
    let path = format!("/api/incidents/{id}/approve");
    let body = json!({"action_id": "a1", "hash": hash});
    let (pat, ann, bob) = (
        house.token("pat", Role::Operator).await,
        house.token("ann", Role::Admin).await,
        house.token("bob", Role::Admin).await,
    );
    assert!(house.post_as(&pat, &path, &body).await.problem(403).contains("role admin"));
    assert_eq!(house.post_as(&ann, &path, &body).await.ok(200)["state"], "awaiting_approval");
    assert!(house.post_as(&ann, &path, &body).await.problem(409).contains("different people"));
    let done = house.post_as(&bob, &path, &body).await;
    assert_eq!((&done.ok(200)["state"], &done.body["decided_by"]), (&json!("authorized"), &json!("ann, bob")));
    let journal = house.state.store.journal(&sentinell_core::ids::IncidentId(id), 0, 100).await.unwrap();
    let granted = journal.iter().filter(|stored| matches!(stored.entry.event, Event::ApprovalGranted { .. }));
    assert_eq!(granted.count(), 2);
}

fn sentinell(folder: &std::path::Path, args: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sentinell"));
    let output = command.args(args).current_dir(folder).env_clear().env("HOME", folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, said)
}

#[test]
fn the_command_line_tries_rules_and_questions_and_a_server_does_not_start_with_wrong_ones() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "autonomy = \"automatic\"\n[policy]\nfile = \"rules.cedar\"\n";
    write(folder.path().join("sentinell.toml"), settings).unwrap();
    write(folder.path().join("rules.cedar"), RULES).unwrap();
    let (tried, said) = sentinell(folder.path(), &["policy", "test"]);
    assert!(tried.status.success() && said.contains("restarts in staging: matches 1, does not match 1"), "{said}");
    let staging = "kind=kubernetes.rollout_restart, environment=staging";
    let (asked, said) = sentinell(folder.path(), &["policy", "test", "--ask", staging, "--expect", "allow"]);
    assert!(asked.status.success() && said.contains("allow: rule `restarts in staging` allows it"), "{said}");
    let (other, _) = sentinell(folder.path(), &["policy", "test", "--ask", "objects=1", "--expect", "allow"]);
    assert_eq!(other.status.code(), Some(3));
    write(folder.path().join("new.cedar"), RULES.replace("== \"staging\"", "== \"stage\"")).unwrap();
    let (wrong, said) = sentinell(folder.path(), &["policy", "test", "new.cedar"]);
    let place = "line 1, column 1: rule `restarts in staging`: it does not match its @match example";
    assert!(wrong.status.code() == Some(1) && said.contains(place), "{said}");
    write(folder.path().join("rules.cedar"), "permit (principal, action, resource)").unwrap();
    for args in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let (refused, said) = sentinell(folder.path(), args);
        assert!(refused.status.code() == Some(1) && said.contains("rules.cedar: line 1, column"), "{args:?}: {said}");
    }
}
