//! An incident that came out of Slack is answered in its thread, and a deed approved there by somebody who may.

mod workspace;

use super::{House, OPERATOR, request};
use axum::body::Body;
use hmac::{Hmac, KeyInit, Mac};
use sentinell::config::{Secret, Slack, SlackPerson};
use sentinell::mouth::Mouth;
use sentinell::slackbot::{self, Desk, SlackBot};
use sentinell::store::Destination;
use sentinell_adapters::http::Url;
use sentinell_core::approval::Role;
use sentinell_core::ids::IncidentId;
use sentinell_core::ports::{Clock, Notifier};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::Arc;
use workspace::{TOKEN, Workspace, buttons};

const SECRET: &str = "a-signing-secret";
const FORM: &str = "application/x-www-form-urlencoded";

/// A server with a bot, in a workspace where only ann may decide.
struct Mill {
    house: House,
    slack: Workspace,
    bot: Arc<dyn Notifier>,
}

impl Mill {
    async fn open() -> Self {
        let slack = Workspace::open().await;
        let person = |name: &str, role| SlackPerson { name: name.into(), role };
        let settings = Slack {
            token: Secret::new(TOKEN),
            app_token: None,
            api: Url::parse(&slack.url).unwrap(),
            channel: Some("C9".into()),
            people: [("U1".into(), person("ann", Role::Operator)), ("U2".into(), person("bob", Role::Responder))]
                .into(),
        };
        let destination = Destination { name: slackbot::NAME.into(), wanted: slackbot::wanted() };
        let house = House::telling_with(vec![destination], |config| {
            config.senders.slack = Some(Secret::new(SECRET));
            config.slack = Some(Desk::new(&settings, None).unwrap());
        })
        .await;
        let public = Some(Url::parse("https://sentinell.example").unwrap());
        let bot = Arc::new(SlackBot::new(house.state.store.clone(), &settings, public).unwrap());
        house.post_as(OPERATOR, "/api/slack/channels", &json!({"team_id": "T1", "channel_id": "C1"})).await.ok(201);
        Self { house, slack, bot }
    }

    async fn tell(&self) {
        let mouth =
            Arc::new(Mouth::new(self.house.state.store.clone(), vec![self.bot.clone()], self.house.clock.clone()));
        while mouth.tell_next(&self.bot).await.unwrap() {}
    }

    /// The headers that prove that Slack sent a body, and the body.
    fn sign(&self, kind: &'static str, body: String, secret: &str) -> (Vec<(&'static str, String)>, String) {
        let at = self.house.clock.now().0 / 1000;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("v0:{at}:{body}").as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let signed = [("x-slack-request-timestamp", at.to_string()), ("x-slack-signature", format!("v0={hex}"))];
        ([("content-type", kind.to_owned())].into_iter().chain(signed).collect(), body)
    }

    async fn send(&self, path: &str, (headers, body): (Vec<(&'static str, String)>, String)) -> super::Answer {
        let posted = request("POST", path, None);
        let posted = headers.into_iter().fold(posted, |posted, (name, value)| posted.header(name, value));
        self.house.send(posted.body(Body::from(body)).unwrap()).await
    }

    fn event(&self, kind: &str, ts: &str, thread: Option<&str>, text: &str) -> String {
        let mut event = json!({"type": kind, "channel": "C1", "ts": ts, "text": text, "user": "U7"});
        if let Some(thread) = thread {
            event["thread_ts"] = json!(thread);
        }
        json!({"type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event": event}).to_string()
    }

    async fn says(&self, kind: &str, ts: &str, thread: Option<&str>, text: &str) -> super::Answer {
        let body = self.event(kind, ts, thread, text);
        self.send("/api/signals/slack/events", self.sign("application/json", body, SECRET)).await
    }

    /// What Slack posts when somebody presses a button of a message.
    fn pressed(&self, user: &str, message: &Value, id: &str) -> String {
        let button = buttons(message).find(|button| button["action_id"] == id).unwrap();
        let payload = json!({"type": "block_actions", "user": {"id": user}, "channel": {"id": "C1"}, "message": message,
            "actions": [{"action_id": id, "value": button["value"], "type": "button"}], "team": {"id": "T1"}});
        form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish()
    }

    async fn press(&self, user: &str, message: &Value, id: &str, secret: &str) -> super::Answer {
        let body = self.pressed(user, message, id);
        self.send("/api/signals/slack/interactions", self.sign(FORM, body, secret)).await
    }

    async fn state(&self, incident: &str) -> Value {
        self.house.get(&format!("/api/incidents/{incident}/actions")).await.ok(200)["actions"][0].clone()
    }

    /// Answers are said behind the back of the request.
    async fn until(&self, what: &str, holds: impl Fn(&Workspace) -> bool) {
        for _ in 0..500 {
            if holds(&self.slack) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("never: {what}; {:#?}", self.slack.shown());
    }
}

fn whispers(slack: &Workspace) -> usize {
    slack.board.lock().unwrap().whispers.len()
}

#[tokio::test]
async fn a_thread_becomes_an_incident_and_a_press_by_the_right_person_an_approval() {
    let mill = Mill::open().await;
    let heard = mill.says("message", "1795348790.000100", None, "the wheel jams").await;
    let id = heard.ok(200)["incident_id"].as_str().unwrap().to_owned();
    mill.house.ask(&id).await;
    mill.tell().await;
    assert!(
        mill.slack.shown().iter().all(|message| message["thread_ts"] == "1795348790.000100"),
        "{:#?}",
        mill.slack.shown()
    );
    let asking = mill.slack.asking().expect("somebody is asked");
    assert!(asking["blocks"].to_string().contains("kubectl"), "{asking:#}");
    assert!(asking["blocks"].to_string().contains("https://sentinell.example/#inc_"), "{asking:#}");

    mill.press("U1", &asking, "sentinell_approve", "forged").await.problem(403);
    for (user, told) in [("U7", 1), ("U2", 2)] {
        mill.press(user, &asking, "sentinell_approve", SECRET).await.ok(200);
        mill.until("they are told why not", |slack| whispers(slack) == told).await;
        assert_eq!(mill.state(&id).await["state"], "awaiting_approval", "{user} may not");
    }
    mill.press("U1", &asking, "sentinell_approve", SECRET).await.ok(200);
    assert_eq!(mill.state(&id).await["state"], "authorized");
    assert_eq!(mill.state(&id).await["decided_by"], "ann");
    mill.until("the buttons are gone", |slack| slack.asking().is_none()).await;
    mill.press("U1", &asking, "sentinell_reject", SECRET).await.ok(200);
    mill.until("ann is told that it is too late", |slack| whispers(slack) == 3).await;
    assert_eq!(mill.state(&id).await["state"], "authorized");
}

#[tokio::test]
async fn a_press_for_another_deed_than_the_one_that_waits_does_nothing() {
    let mill = Mill::open().await;
    let heard = mill.says("message", "1795348790.000100", None, "the wheel jams").await;
    let id = heard.ok(200)["incident_id"].as_str().unwrap().to_owned();
    mill.house.ask(&id).await;
    mill.tell().await;
    let mut asking = mill.slack.asking().unwrap();
    let blocks = asking["blocks"].as_array_mut().unwrap();
    let actions = blocks.iter_mut().find(|block| block["type"] == "actions").unwrap();
    let mut shown: Value = serde_json::from_str(actions["elements"][0]["value"].as_str().unwrap()).unwrap();
    shown["hash"] = json!("0".repeat(64));
    actions["elements"][0]["value"] = json!(shown.to_string());
    mill.press("U1", &asking, "sentinell_approve", SECRET).await.ok(200);
    mill.until("ann is told", |slack| whispers(slack) == 1).await;
    assert_eq!(mill.state(&id).await["state"], "awaiting_approval");
}

#[tokio::test]
async fn a_question_in_the_thread_is_answered_and_opens_nothing() {
    let mill = Mill::open().await;
    let heard = mill.says("message", "1795348790.000100", None, "the wheel jams").await;
    let id = heard.ok(200)["incident_id"].clone();
    mill.tell().await;
    let said = mill.slack.shown().len();
    let asked = mill.says("app_mention", "1795348795.000100", Some("1795348790.000100"), "<@U0> why?").await;
    assert_eq!(asked.ok(200)["incident_id"], id);
    mill.until("it is answered", |slack| slack.shown().len() == said + 1).await;
    let path = format!("/api/incidents/{}/ask", id.as_str().unwrap());
    let over_rest = mill.house.post(&path, &json!({"question": "why?"})).await;
    assert!(over_rest.ok(200)["text"].as_str().unwrap().starts_with("No cause has a name yet"));
    mill.house.post(&path, &json!({"question": ""})).await.problem(422);
    let answer = mill.slack.shown().pop().unwrap();
    assert!(answer["blocks"].to_string().contains("No cause has a name yet"), "{answer:#}");
    assert_eq!(mill.house.get("/api/incidents").await.ok(200)["incidents"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_came_from_elsewhere_gets_one_thread_in_the_house_channel_that_shows_how_it_stands() {
    let mill = Mill::open().await;
    mill.slack.board.lock().unwrap().moods = vec![(axum::http::StatusCode::OK, "internal_error")];
    let (id, _) = mill.house.waiting().await;
    mill.tell().await;
    mill.house.clock.advance(120);
    mill.tell().await;
    mill.house.post_as(OPERATOR, &format!("/api/incidents/{id}/resolve"), &json!({"reason": "by hand"})).await.ok(200);
    mill.tell().await;
    let shown = mill.slack.shown();
    let roots: Vec<&Value> = shown.iter().filter(|message| message["thread_ts"].is_null()).collect();
    assert_eq!(roots.len(), 1, "{shown:#?}");
    assert_eq!(roots[0]["channel"], "C9");
    assert!(roots[0]["blocks"].to_string().contains("person"), "it shows how it ended: {:#}", roots[0]);
    assert!(mill.slack.asking().is_none(), "nobody is asked any more: {shown:#?}");
    let thread = mill.house.state.store.slack_thread(&IncidentId(id)).await.unwrap().unwrap();
    assert_eq!((thread.ours, thread.asked), (true, None));
}

#[tokio::test]
async fn what_slack_cannot_deliver_is_fetched_over_a_connection_of_ours() {
    let mill = Mill::open().await;
    let event = |n: u32| {
        let payload = mill.event("message", &format!("1795348790.00010{n}"), None, &format!("wheel {n} jams"));
        json!({"type": "events_api", "envelope_id": format!("e{n}"), "payload": serde_json::from_str::<Value>(&payload).unwrap()})
    };
    let strange = json!({"type": "slash_commands", "envelope_id": "e9", "payload": {"text": "?"}});
    let over = json!({"type": "disconnect", "reason": "refresh_requested"});
    mill.slack.board.lock().unwrap().frames = [vec![event(1), strange, over], vec![event(1), event(2)]].into();
    let slack = sentinell_adapters::slack::Slack::new(TOKEN, Url::parse(&mill.slack.url).unwrap()).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let listening = tokio::spawn(slackbot::socket::listen(mill.house.state.clone(), slack, stop.clone()));
    mill.until("all is acknowledged", |slack| slack.board.lock().unwrap().acknowledged.len() == 4).await;
    let acknowledged: Vec<Value> = ["e1", "e9", "e1", "e2"].map(|id| json!({"envelope_id": id})).into();
    assert_eq!(mill.slack.board.lock().unwrap().acknowledged, acknowledged);
    let incidents = mill.house.get("/api/incidents").await;
    assert_eq!(
        incidents.ok(200)["incidents"].as_array().unwrap().len(),
        2,
        "a delivery counts once: {}",
        incidents.text
    );
    stop.cancel();
    listening.await.unwrap();
}

/// Slack's own libraries find that the workspace answers as Slack does, and take the events and presses made here for Slack's.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Slack's libraries: a stage of its own"]
async fn judged_by_slacks_own_libraries() {
    let mill = Mill::open().await;
    let mut judge = Judge::call(&mill.slack.url);
    assert_eq!((&judge.found["team"], &judge.found["refused"]), (&json!("mill"), &json!("no_text")));
    assert_eq!(judge.found["stranger"], "invalid_auth");
    mill.slack.board.lock().unwrap().messages.clear();
    // Theirs looks at the clock on the wall.
    mill.house.clock.advance((chrono::Utc::now().timestamp_millis() - mill.house.clock.now().0) / 1000);

    let heard = mill.says("message", "1795348790.000100", None, "the wheel jams").await;
    mill.house.ask(heard.ok(200)["incident_id"].as_str().unwrap()).await;
    mill.tell().await;
    let asking = mill.slack.asking().unwrap();
    let mention = mill.event("app_mention", "1795348795.000100", Some("1795348790.000100"), "<@U0> why?");
    let (press, forged) =
        (mill.pressed("U1", &asking, "sentinell_approve"), mill.pressed("U1", &asking, "sentinell_reject"));
    assert_eq!(judge.hears(mill.sign("application/json", mention, SECRET)).await, 200);
    assert_eq!(judge.hears(mill.sign(FORM, press, SECRET)).await, 200);
    assert_eq!(judge.hears(mill.sign(FORM, forged, "forged")).await, 401);
    let seen = judge.verdict();
    assert_eq!(seen["events"], json!(["<@U0> why?"]));
    assert_eq!(seen["presses"].as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(seen["presses"][0]["value"], buttons(&asking).next().unwrap()["value"]);
    assert!(mill.slack.shown().iter().any(|message| message["text"] == "an answer"), "their app can answer there too");
}

/// A program with Slack's libraries in it.
struct Judge {
    child: std::process::Child,
    lines: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
    found: Value,
}

impl Judge {
    fn call(api: &str) -> Self {
        use std::io::BufRead;
        use std::process::{Command, Stdio};
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/slackbot/judge.mjs");
        let mut child = Command::new("node")
            .args([script, api, TOKEN, SECRET])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node, and SENTINELL_SLACK_JUDGE: run scripts/test.sh slack");
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let found = serde_json::from_str(&lines.next().expect("the judge said nothing").unwrap()).unwrap();
        Self { child, lines, found }
    }

    async fn hears(&self, (headers, body): (Vec<(&'static str, String)>, String)) -> u16 {
        let url = format!("http://127.0.0.1:{}/slack/events", self.found["port"]);
        let request = reqwest::Client::new().post(url).body(body);
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send().await.unwrap().status().as_u16()
    }

    fn verdict(&mut self) -> Value {
        drop(self.child.stdin.take());
        let seen = self.lines.next().expect("the judge said nothing more").unwrap();
        self.child.wait().unwrap();
        serde_json::from_str(&seen).unwrap()
    }
}
