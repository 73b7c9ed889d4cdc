//! What the hand asks of GitHub and what the fake answers, before GitHub's own OpenAPI description.

use super::*;
use std::io::Write;

#[tokio::test]
#[ignore = "needs GitHub's OpenAPI description and node: scripts/test.sh github"]
async fn github_itself_would_take_what_the_hand_sends() {
    let Some(fair) = Fair::open() else { return };
    let hands = fair.hands();
    hands.check().await.unwrap();
    let shown = fair.planned().await;
    hands.apply(&shown, warrant_for(&shown, 120)).await.unwrap();
    let issue = hands.plan(&issue::draft()).await.unwrap();
    let params: Vec<_> = params("").into_iter().filter(|(name, _)| *name != "commit").collect();
    let issue = action("github.issue", "repository/till", &params, issue);
    hands.apply(&issue, warrant_for(&issue, 120)).await.unwrap();
    assert_eq!(hands.was_applied(&issue).await, Ok(Applied::Yes));
    // A second pull request of the same branch is refused as GitHub does it.
    fair.hub.world().pulls[0]["head"]["label"] = json!("elsewhere");
    assert!(
        matches!(hands.apply(&shown, warrant_for(&shown, 120)).await, Err(ActError::Failed(why)) if why.contains("already exists"))
    );
    fair.hub.world().pulls[0]["head"]["label"] = json!(format!("acme:{}", branch_of(&shown)));
    let said: Vec<Value> = fair
        .hub
        .world()
        .calls
        .iter()
        .map(|call| {
            let sent: Value = serde_json::from_str(&call.sent).unwrap_or_default();
            json!({"method": call.method, "path": call.path, "query": call.query, "sent": sent, "status": call.status, "body": call.body})
        })
        .collect();
    assert!(said.iter().filter(|call| call["method"] == "POST").count() >= 3);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/main/github/judge.mjs");
    let mut judge =
        std::process::Command::new("node").arg(script).stdin(std::process::Stdio::piped()).spawn().expect("node");
    judge.stdin.take().unwrap().write_all(json!(said).to_string().as_bytes()).unwrap();
    assert!(judge.wait().unwrap().success());
}
