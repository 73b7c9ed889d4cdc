//! An issue where there is no safe fix.

use super::*;

fn wanted() -> Vec<(&'static str, &'static str)> {
    params("").into_iter().filter(|(name, _)| *name != "commit").collect()
}

pub fn draft() -> ActionDraft {
    ActionDraft { kind: "github.issue".into(), params: args(&wanted()), ..super::draft("") }
}

#[tokio::test]
async fn an_issue_tells_what_was_found_and_is_opened_once() {
    let Some(fair) = Fair::open() else { return };
    let hands = fair.hands();
    let shown = action("github.issue", "repository/till", &wanted(), hands.plan(&draft()).await.unwrap());
    let text = request(&shown);
    let (title, body) = (text["title"].as_str().unwrap(), text["body"].as_str().unwrap());
    assert!(
        title.starts_with("Incident i1: the till cannot be built") && body.contains("| e1 commit Raise the limit"),
        "{text}"
    );
    assert!(!title.contains("#3") && !body.contains("#3") && !body.contains("@acme"), "{text}");
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::No));
    let mut bent = shown.clone();
    if let Deed::Http(deed) = &mut bent.plan.deed {
        deed.body = Some(json!({"title": title, "body": body, "assignees": ["ann"]}).to_string());
    }
    assert!(matches!(hands.apply(&bent, warrant_for(&bent, 60)).await, Err(ActError::NotStarted(_))));
    fair.hub.world().forgets_to_answer = true;
    assert!(matches!(hands.apply(&shown, warrant_for(&shown, 60)).await, Err(ActError::Unknown(_))));
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::Yes));
    let said = hands.apply(&shown, warrant_for(&shown, 60)).await.unwrap();
    assert_eq!(said, format!("{}/acme/till/issues/7 waits for people", fair.hub.url));
    let again = hands.plan(&draft()).await;
    assert!(matches!(&again, Err(ToolError::BadQuery(why)) if why.contains("issues/7")), "{again:?}");
    assert_eq!((fair.hub.world().issues.len(), fair.started().as_str()), (1, ""), "no git is needed for it");
}
