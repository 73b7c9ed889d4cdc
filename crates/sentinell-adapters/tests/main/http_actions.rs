//! Declared requests against a receiver that keeps flags, and one that hangs up in the middle.

use super::case::{action, args, clock, warrant_for};
use super::fake::{Fake, Headed};
use sentinell_adapters::actuators::ParamKind;
use sentinell_adapters::actuators::http::{Check, HttpActionSpec, HttpActions, HttpCall, SecretHeaders};
use sentinell_core::action::{Action, ActionDraft, BlastRadius, Deed, Expectation, Verification};
use sentinell_core::evidence::Query;
use sentinell_core::ports::{ActError, Actuator, Applied, ToolError};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

const KIND: &str = "http.flag";
const TARGET: &str = "service/fair/till";
const TOKEN: &str = "Bearer opensesame-0123";

/// A flag that is switched off, and on again to take it back.
fn spec(base: &str) -> HttpActionSpec {
    let call = |enabled: bool| HttpCall {
        method: "PATCH".into(),
        url: format!("{base}/flags/{{flag}}"),
        body: Some(format!(r#"{{"enabled": {enabled}, "note": {{"by": "sentinell"}}}}"#)),
        status: vec![],
        headers: BTreeMap::from([("Content-Type".into(), "application/json".into())]),
    };
    let query = Query { id: "v1".into(), tool: "probe".into(), args: args(&[("target", "till")]), why: String::new() };
    HttpActionSpec {
        name: "flag".into(),
        description: "switches a feature off".into(),
        target: TARGET.into(),
        params: BTreeMap::from([("flag".into(), ParamKind::OneOf(vec!["new-till".into(), "dark".into()]))]),
        call: call(false),
        undo: Some(call(true)),
        undo_if_unhelpful: true,
        check: Some(Check {
            url: format!("{base}/flags/{{flag}}"),
            pointer: Some("/enabled".into()),
            done: "false".into(),
            undone: "true".into(),
        }),
        if_match: true,
        secret: SecretHeaders(BTreeMap::from([("authorization".into(), TOKEN.into())])),
        authorities: None,
        environment: "staging".into(),
        verification: Verification {
            queries: vec![query],
            expect: Expectation::FindingsGone { subject: TARGET.into() },
            hold_seconds: 1,
            every_seconds: 1,
            within_seconds: 10,
        },
        blast_radius: BlastRadius { objects: 1, description: "one feature".into() },
        timeout: Duration::from_secs(5),
    }
}

/// Keeps one flag with a version; takes a change of the version that is current only, from who may.
fn flags() -> Fake {
    let kept = Mutex::new((true, 1));
    Fake::serve_headed(move |request| -> Headed {
        if request.header("authorization") != TOKEN {
            return (401, vec![], "who is it?".into());
        }
        let mut kept = kept.lock().unwrap();
        match request.method.as_str() {
            _ if request.path != "/flags/new-till" => (404, vec![], "{}".into()),
            "GET" => (200, vec![("ETag", format!("\"{}\"", kept.1))], format!(r#"{{"enabled":{}}}"#, kept.0)),
            "PATCH" => {
                let tag = request.header("if-match");
                if !tag.is_empty() && tag != format!("\"{}\"", kept.1) {
                    return (412, vec![], "somebody was here".into());
                }
                *kept = (request.body.contains("\"enabled\": true"), kept.1 + 1);
                (200, vec![], format!("you said {}", request.header("authorization")))
            }
            _ => (405, vec![], String::new()),
        }
    })
}

fn hands(spec: HttpActionSpec) -> HttpActions {
    HttpActions::new(vec![spec], clock()).unwrap()
}

fn draft(flag: &str) -> ActionDraft {
    let params = args(&[("flag", flag)]);
    ActionDraft { kind: KIND.into(), target: TARGET.into(), params, because: "h1".into(), why: String::new() }
}

async fn planned(hands: &HttpActions) -> Action {
    action(KIND, TARGET, &[("flag", "new-till")], hands.plan(&draft("new-till")).await.unwrap())
}

#[tokio::test]
async fn a_flag_is_switched_off_once_seen_to_be_off_and_switched_on_again() {
    let fake = flags();
    let hands = hands(spec(&fake.url));
    let shown = planned(&hands).await;
    let deed = shown.plan.deed.http().unwrap();
    assert_eq!((deed.method.as_str(), deed.url.clone()), ("PATCH", format!("{}/flags/new-till", fake.url)));
    assert_eq!(deed.headers, args(&[("content-type", "application/json"), ("if-match", "\"1\"")]));
    assert!(!serde_json::to_string(&shown).unwrap().contains("opensesame"), "who we are is in no plan");
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::No));
    let said = hands.apply(&shown, warrant_for(&shown, 60)).await.unwrap();
    assert!(said.starts_with("200") && !said.contains("opensesame"), "what is answered is searched for it: {said}");
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::Yes));
    let sent = fake.seen().into_iter().find(|one| one.method == "PATCH").unwrap();
    assert_eq!(
        (sent.header("idempotency-key"), sent.body.clone()),
        (shown.hash().0.as_str(), deed.body.clone().unwrap())
    );

    let sleeper = hands.apply(&shown, warrant_for(&shown, 60)).await;
    assert!(matches!(&sleeper, Err(ActError::Failed(why)) if why.contains("412")), "{sleeper:?}");
    assert!(matches!(hands.plan(&draft("new-till")).await, Err(ToolError::BadQuery(why)) if why.contains("already")));
    let undo = shown.undo("a2".into(), shown.expires_at).unwrap();
    assert_eq!(hands.was_applied(&undo).await, Ok(Applied::No));
    hands.apply(&undo, warrant_for(&undo, 60)).await.unwrap();
    assert_eq!(hands.was_applied(&undo).await, Ok(Applied::Yes));
}

#[tokio::test]
async fn what_is_not_exactly_the_declared_request_is_not_sent() {
    let fake = flags();
    let hands = hands(spec(&fake.url));
    let shown = planned(&hands).await;
    let bend: [fn(&mut sentinell_core::action::HttpDeed); 6] = [
        |deed| deed.url = deed.url.replace("new-till", "dark"),
        |deed| deed.url = "http://127.0.0.1:9/".into(),
        |deed| deed.method = "DELETE".into(),
        |deed| deed.body = Some("{}".into()),
        |deed| drop(deed.headers.insert("x-more".into(), "1".into())),
        |deed| drop(deed.expect.insert("moon".into(), "full".into())),
    ];
    for (number, bend) in bend.into_iter().enumerate() {
        let mut bent = shown.clone();
        if let Deed::Http(deed) = &mut bent.plan.deed {
            bend(deed);
        }
        let answer = hands.apply(&bent, warrant_for(&bent, 60)).await;
        assert!(matches!(&answer, Err(ActError::NotStarted(why)) if why.contains("declared")), "{number}: {answer:?}");
    }
    let other = planned(&hands).await;
    let mut elsewhere = other.clone();
    elsewhere.id = "a9".into();
    assert!(matches!(hands.apply(&shown, warrant_for(&elsewhere, 60)).await, Err(ActError::NotStarted(_))));
    assert!(matches!(hands.apply(&shown, warrant_for(&shown, 0)).await, Err(ActError::NotStarted(_))));
    assert!(fake.seen().iter().all(|one| one.method == "GET"));
    for odd in ["", "../admin", "new-till?x=1", "{flag}", "elsewhere"] {
        assert!(matches!(hands.plan(&draft(odd)).await, Err(ToolError::BadQuery(_))), "{odd}");
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_after_the_request_was_sent_leaves_the_outcome_unknown() {
    let fake = Fake::serve(|request| match request.method.as_str() {
        "GET" => (200, r#"{"enabled":"?"}"#.into()),
        _ => (0, String::new()),
    });
    let hands = hands(spec(&fake.url));
    let shown = planned(&hands).await;
    let answer = hands.apply(&shown, warrant_for(&shown, 60)).await;
    assert!(matches!(answer, Err(ActError::Unknown(_))), "{answer:?}");
    assert_eq!(fake.seen().iter().filter(|one| one.method == "PATCH").count(), 1, "never sent again");
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::Unknown));
    for (status, unknown) in [(500, true), (502, true), (408, true), (409, false), (302, false)] {
        let fake = Fake::serve(move |request| match request.method.as_str() {
            "GET" => (200, r#"{"enabled":true}"#.into()),
            _ => (status, String::new()),
        });
        let hands = self::hands(spec(&fake.url));
        let shown = planned(&hands).await;
        let answer = hands.apply(&shown, warrant_for(&shown, 60)).await;
        assert_eq!(matches!(answer, Err(ActError::Unknown(_))), unknown, "{status}: {answer:?}");
        assert_eq!(matches!(answer, Err(ActError::Failed(_))), !unknown, "{status}: {answer:?}");
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_done() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut alone = spec(&format!("http://127.0.0.1:{port}"));
    (alone.check, alone.if_match) = (None, false);
    let hands = hands(alone);
    let shown = planned(&hands).await;
    let answer = hands.apply(&shown, warrant_for(&shown, 60)).await;
    assert!(matches!(answer, Err(ActError::NotStarted(_))), "{answer:?}");
    assert_eq!(hands.was_applied(&shown).await, Ok(Applied::Unknown), "without a check nobody knows");
}

#[test]
fn every_problem_of_the_declarations_is_said_at_once() {
    let mut bad = spec("http://flags");
    bad.call.url = "http://{flag}.example/x".into();
    bad.call.method = "GET".into();
    bad.call.body = Some(r#"{"on": {stat}}"#.into());
    bad.undo = Some(HttpCall { url: "ftp://x".into(), status: vec![500], ..bad.call.clone() });
    bad.secret.0.insert("Idempotency-Key".into(), "mine".into());
    bad.verification.queries.clear();
    let problems = HttpActions::new(vec![bad, spec("http://flags")], clock()).unwrap_err();
    let expected = [
        "in the host",
        "method is one of",
        "`{stat}`",
        "status 500",
        "Idempotency-Key",
        "no verification",
        "declared twice",
    ];
    for expected in expected {
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
    }
    assert!(!format!("{:?}", spec("http://flags")).contains("opensesame"));
}
