//! `/stream`: the stream over a WebSocket.

use super::nodes::Steps;
use super::partial::Whispers;
use super::tail::Told;
use super::{Feed, Format, Wanted};
use crate::api::AppState;
use crate::api::extract::Query;
use crate::api::problem::ApiError;
use crate::api::signals::{accept, investigate};
use crate::auth::{Caller, session};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use sentinell_core::approval::Role;
use sentinell_core::ids::IncidentId;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The largest frame that a client may send, bytes.
const CLIENT_FRAME: usize = 1 << 20;
/// What is read at once of what a client sends, bytes: clients say little, and there may be thousands of them.
const READ_BUFFER: usize = 4096;
/// How often a quiet connection is asked whether it lives, and how often it may say nothing.
const PING: Duration = Duration::from_secs(20);
const SILENT_PINGS: u32 = 3;
/// How long a reader that has stopped reading is kept at all.
const GIVE_UP: Duration = Duration::from_secs(30);

const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;
const TRY_AGAIN: u16 = 1013;

/// Follows the stream over a WebSocket: one JSON text frame per journal entry.
#[utoipa::path(get, path = "/stream", tag = "stream", params(Wanted),
    responses((status = 101, description = "One JSON text frame per journal entry"),
        (status = 426, description = "Not a WebSocket upgrade", body = crate::api::problem::Problem,
            content_type = "application/problem+json")))]
pub async fn stream(
    State(app): State<AppState>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let caller = match &wanted.ticket {
        Some(ticket) => session::redeem_stream_ticket(&app, ticket).await?,
        None => caller,
    };
    caller.require_open(Role::Viewer)?;
    let upgrade = upgrade.map_err(|_| {
        let detail = "this is a WebSocket; connect with one, or read GET /api/stream";
        let error = ApiError::new(StatusCode::UPGRADE_REQUIRED, detail);
        error.with(header::UPGRADE, HeaderValue::from_static("websocket"))
    })?;
    let nodes = wanted.format == Some(Format::Nodes);
    let incident = wanted.incident.map(IncidentId);
    let followed = incident.clone();
    let feed = match (&incident, nodes) {
        // Which investigation it will be is for the client to say.
        (None, true) => None,
        (_, true) => Some(Feed::start(&app, incident, Some(0)).await?),
        (_, false) => Some(Feed::start(&app, incident, wanted.after).await?),
    };
    let after = wanted.after.unwrap_or_default();
    let whispers = (!nodes).then(|| Whispers::of(&app.store, followed));
    let upgrade = upgrade.max_message_size(CLIENT_FRAME).max_frame_size(CLIENT_FRAME).read_buffer_size(READ_BUFFER);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let counted = app.metrics.stream();
        let (sink, stream) = socket.split();
        let connection = Connection { app, caller, feed, whispers, steps: nodes.then(Steps::default), after, sink };
        connection.run(stream).await;
        drop(counted);
    }))
}

/// What a client may send.
#[derive(Debug, Deserialize)]
struct Request {
    logs: Option<String>,
}

struct Connection {
    app: AppState,
    caller: Caller,
    feed: Option<Feed>,
    whispers: Option<Whispers>,
    steps: Option<Steps>,
    /// Steps up to this position have been seen already.
    after: u64,
    sink: SplitSink<WebSocket, Message>,
}

/// Why a connection ends: a close code and a word; none if the other side is gone.
type End = Option<(u16, &'static str)>;

impl Connection {
    async fn run(mut self, mut stream: SplitStream<WebSocket>) {
        let Some((code, reason)) = self.follow(&mut stream).await else { return };
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let _ = timeout(Duration::from_secs(5), self.sink.send(close)).await;
        // The other side answers a close; hanging up before that could lose the last frames.
        let answered = async { while stream.next().await.is_some_and(|message| message.is_ok()) {} };
        let _ = timeout(Duration::from_secs(2), answered).await;
    }

    async fn follow(&mut self, stream: &mut SplitStream<WebSocket>) -> End {
        let mut stopping = self.app.stopping.clone();
        let turned_away = self.caller.clone().turned_away(self.app.clone());
        tokio::pin!(turned_away);
        let mut ping = tokio::time::interval(PING);
        ping.reset();
        let mut silent = 0;
        loop {
            if let Some(end) = self.pause().await {
                return end;
            }
            let done = tokio::select! {
                told = next(&mut self.feed) => self.entry(&told).await,
                frame = whispered(&mut self.whispers) => self.send(Message::Text(frame.to_string().into())).await,
                message = stream.next() => {
                    silent = 0;
                    self.heard(message).await
                }
                _ = ping.tick() => {
                    silent += 1;
                    if silent > SILENT_PINGS { Err(None) } else { self.send(Message::Ping(Vec::new().into())).await }
                }
                () = super::stopped(&mut stopping) => Err(Some((GOING_AWAY, "the server stops"))),
                () = &mut turned_away => Err(Some((POLICY, "the token or session holds no more; sign in again"))),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// One entry: a frame of its own, or part of a step.
    async fn entry(&mut self, told: &Told) -> Result<(), End> {
        let position = told.stored.position;
        match &mut self.steps {
            None => self.frame(position, told.frame()).await,
            Some(steps) => match steps.take(position, &told.stored.entry) {
                Some((last, frame)) if last > self.after => self.frame(last, frame.to_string().into()).await,
                _ => Ok(()),
            },
        }
    }

    /// In the first version's format: ends the step where the investigation pauses, and the stream where it is over.
    async fn pause(&mut self) -> Option<End> {
        let drained = self.feed.as_ref().is_some_and(Feed::is_drained);
        let steps = self.steps.as_mut().filter(|_| drained)?;
        let over = steps.is_over();
        match steps.pause() {
            Some((last, frame)) if last > self.after => {
                if let Err(end) = self.frame(last, frame.to_string().into()).await {
                    return Some(end);
                }
            }
            _ => {}
        }
        over.then_some(Some((NORMAL, "the investigation is over")))
    }

    async fn frame(&mut self, position: u64, text: Utf8Bytes) -> Result<(), End> {
        let began = Instant::now();
        self.send(Message::Text(text)).await?;
        if began.elapsed() > self.app.config.stream_patience {
            // It reads again, but too slowly to be waited for.
            let lagged = json!({ "type": "lagged", "resume_after": position });
            self.send(Message::Text(lagged.to_string().into())).await?;
            return Err(Some((TRY_AGAIN, "too slow; resume by position")));
        }
        Ok(())
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(GIVE_UP, self.sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(None),
        }
    }

    async fn heard(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        match message {
            Some(Ok(Message::Text(text))) => self.asked(&text).await,
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(None),
            Some(Ok(_)) => Ok(()),
        }
    }

    /// A client's frame: `{"logs": "…"}` starts an investigation of that text.
    async fn asked(&mut self, text: &str) -> Result<(), End> {
        let Ok(Request { logs: Some(logs) }) = serde_json::from_str(text) else {
            return self.refuse("expected {\"logs\": \"…\"}").await;
        };
        if let Err(error) = self.caller.require_open(Role::Responder) {
            self.refuse(error.detail()).await?;
            return Err(Some((POLICY, "not allowed")));
        }
        if logs.trim().is_empty() {
            return self.refuse("`logs` is empty").await;
        }
        let raw = Sha256::digest(text.as_bytes()).into();
        let incident = match accept(&self.app, investigate(&self.app, &logs), raw).await {
            Ok(incident) => incident.filter(|_| self.steps.is_some()),
            Err(error) => return self.refuse(error.detail()).await,
        };
        let Some(incident) = incident else { return Ok(()) };
        match Feed::start(&self.app, Some(IncidentId(incident.id)), Some(0)).await {
            Ok(feed) => {
                (self.feed, self.steps, self.after) = (Some(feed), Some(Steps::default()), 0);
                Ok(())
            }
            Err(error) => self.refuse(error.detail()).await,
        }
    }

    async fn refuse(&mut self, detail: &str) -> Result<(), End> {
        let frame = json!({ "type": "error", "detail": detail });
        self.send(Message::Text(frame.to_string().into())).await
    }
}

/// The next piece of a model's text; never, where nobody wants any.
async fn whispered(whispers: &mut Option<Whispers>) -> serde_json::Value {
    match whispers {
        Some(whispers) => whispers.next().await,
        None => std::future::pending().await,
    }
}

/// The next entry; never, while nothing is followed.
async fn next(feed: &mut Option<Feed>) -> Arc<Told> {
    match feed {
        Some(feed) => feed.next().await,
        None => std::future::pending().await,
    }
}
