//! A workspace that takes what Slack's Web API takes, as the official client and bare JSON send it, and shows what a channel
//! would show.

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

pub const TOKEN: &str = "xoxb-a-token-of-the-mill";

/// What stands in the channels, by channel and ts.
#[derive(Default)]
pub struct Board {
    pub messages: BTreeMap<(String, String), Value>,
    pub whispers: Vec<Value>,
    /// The next answers, instead of the true ones.
    pub moods: Vec<(StatusCode, &'static str)>,
    /// Where Socket Mode is spoken.
    socket: String,
    /// What goes to the next connections, one list each.
    pub frames: VecDeque<Vec<Value>>,
    /// What was acknowledged.
    pub acknowledged: Vec<Value>,
    calls: u64,
}

pub struct Workspace {
    pub board: Arc<Mutex<Board>>,
    pub url: String,
}

impl Workspace {
    pub async fn open() -> Self {
        let board = Arc::new(Mutex::new(Board::default()));
        let router = Router::new().route("/api/{method}", axum::routing::post(call)).route("/socket", any(socket));
        let router = router.with_state(board.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}/api");
        board.lock().unwrap().socket = format!("ws://{address}/socket");
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { board, url }
    }

    pub fn shown(&self) -> Vec<Value> {
        self.board.lock().unwrap().messages.values().cloned().collect()
    }

    /// The one message that has buttons.
    pub fn asking(&self) -> Option<Value> {
        self.shown().into_iter().find(|message| buttons(message).next().is_some())
    }
}

pub fn buttons(message: &Value) -> impl Iterator<Item = &Value> {
    let blocks = message["blocks"].as_array().into_iter().flatten();
    blocks
        .filter(|block| block["type"] == "actions")
        .flat_map(|block| block["elements"].as_array().into_iter().flatten())
}

async fn socket(State(board): State<Arc<Mutex<Board>>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let hello = json!({"type": "hello", "num_connections": 1});
        let frames = board.lock().unwrap().frames.pop_front().unwrap_or_default();
        for frame in std::iter::once(hello).chain(frames) {
            let answered = frame["envelope_id"].is_string();
            socket.send(Message::text(frame.to_string())).await.unwrap();
            if answered && let Some(Ok(Message::Text(text))) = socket.recv().await {
                board.lock().unwrap().acknowledged.push(serde_json::from_str(&text).unwrap());
            }
        }
        while let Some(Ok(_)) = socket.recv().await {}
    })
}

async fn call(
    State(board): State<Arc<Mutex<Board>>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut board = board.lock().unwrap();
    board.calls += 1;
    if let Some((status, error)) = board.moods.pop() {
        let retry = (status == StatusCode::TOO_MANY_REQUESTS).then_some([("retry-after", "7")]);
        return (status, retry.unwrap_or([("x-fake", "1")]), json!({"ok": false, "error": error}).to_string())
            .into_response();
    }
    let answer =
        answer(&mut board, &method, &headers, &body).unwrap_or_else(|error| json!({"ok": false, "error": error}));
    ([("content-type", "application/json")], answer.to_string()).into_response()
}

fn answer(board: &mut Board, method: &str, headers: &HeaderMap, body: &[u8]) -> Result<Value, &'static str> {
    let word = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = read(word("content-type"), body)?;
    let bearer = word("authorization").strip_prefix("Bearer ").or(said["token"].as_str());
    if bearer != Some(TOKEN) {
        return Err("invalid_auth");
    }
    if method == "apps.connections.open" {
        return Ok(json!({"ok": true, "url": board.socket}));
    }
    if method == "auth.test" {
        return Ok(json!({"ok": true, "team": "mill", "user": "sentinell", "team_id": "T1", "user_id": "U0"}));
    }
    let channel = said["channel"].as_str().ok_or("channel_not_found")?.to_owned();
    judge(&said)?;
    match method {
        "chat.postMessage" => {
            let ts = format!("1795348800.{:06}", board.calls);
            let message = json!({"text": said["text"], "blocks": said["blocks"], "thread_ts": said["thread_ts"], "ts": ts, "channel": channel});
            board.messages.insert((channel.clone(), ts.clone()), message.clone());
            Ok(json!({"ok": true, "channel": channel, "ts": ts, "message": message}))
        }
        "chat.update" => {
            let ts = said["ts"].as_str().ok_or("message_not_found")?.to_owned();
            let message = board.messages.get_mut(&(channel.clone(), ts.clone())).ok_or("message_not_found")?;
            (message["text"], message["blocks"]) = (said["text"].clone(), said["blocks"].clone());
            Ok(json!({"ok": true, "channel": channel, "ts": ts, "text": said["text"]}))
        }
        "chat.postEphemeral" => {
            let user = said["user"].as_str().ok_or("user_not_in_channel")?;
            board.whispers.push(json!({"user": user, "text": said["text"], "thread_ts": said["thread_ts"]}));
            Ok(json!({"ok": true, "message_ts": "1795348800.000001"}))
        }
        _ => Err("unknown_method"),
    }
}

/// JSON, or a form whose lists and objects are JSON, as the official client sends it.
fn read(kind: &str, body: &[u8]) -> Result<Value, &'static str> {
    if kind.starts_with("application/json") {
        return serde_json::from_slice(body).map_err(|_| "invalid_json");
    }
    let field = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        let value = match value.starts_with(['[', '{']) {
            true => serde_json::from_str(&value).unwrap_or(Value::Null),
            false => json!(value),
        };
        (name.into_owned(), value)
    };
    Ok(Value::Object(form_urlencoded::parse(body).map(field).collect()))
}

/// The limits of Block Kit that a bot can run into.
fn judge(said: &Value) -> Result<(), &'static str> {
    let blocks = said["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    if blocks.is_empty() && said["text"].as_str().unwrap_or_default().is_empty() {
        return Err("no_text");
    }
    let known = ["section", "context", "actions", "rich_text", "header", "divider"];
    let fits = |block: &Value| {
        let text = block["text"]["text"].as_str();
        let short = text.is_none_or(|text| (1..=3000).contains(&text.chars().count()));
        let elements = block["elements"].as_array().map_or(0, Vec::len);
        let needs = !matches!(block["type"].as_str(), Some("context" | "actions" | "rich_text"))
            || (1..=25).contains(&elements);
        block["type"].as_str().is_some_and(|kind| known.contains(&kind)) && short && needs
    };
    let values = || blocks.iter().flat_map(|block| block["elements"].as_array().into_iter().flatten());
    let small = values().all(|element| element["value"].as_str().is_none_or(|value| value.len() <= 2000));
    if blocks.len() > 50 || !blocks.iter().all(fits) || !small { Err("invalid_blocks") } else { Ok(()) }
}
