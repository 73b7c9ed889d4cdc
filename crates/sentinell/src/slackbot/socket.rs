//! Socket Mode: Slack's events and presses over a connection that we open, for servers that Slack cannot reach.
//!
//! <https://docs.slack.dev/apis/events-api/using-socket-mode/>. What is acknowledged is on disk; what is not, Slack sends again.

use crate::api::AppState;
use crate::api::signals::slack::{Envelope, hear, presses};
use futures::{SinkExt, StreamExt};
use sentinell_adapters::slack::Slack;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

/// Bytes of a frame; Slack's largest payloads are far smaller.
const FRAME: usize = 1 << 20;
/// Slack pings every few seconds; a silence of this length is a dead connection.
const SILENCE: Duration = Duration::from_secs(60);
/// How long to wait before the next connection, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// One frame.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    envelope_id: Option<String>,
    #[serde(default, borrow)]
    payload: Option<&'a RawValue>,
}

/// How a connection ended.
enum Ended {
    /// We stop.
    Stopped,
    /// Slack asked for a new one, or it broke after it had worked.
    Worked,
    /// It never worked.
    Failed(String),
}

/// Listens until `stop`, on one connection after the other. `slack` has the app's token (`xapp-…`).
pub async fn listen(app: AppState, slack: Slack, stop: CancellationToken) {
    let mut pause = PAUSES.0;
    loop {
        match connection(&app, &slack, &stop).await {
            Ended::Stopped => return,
            Ended::Worked => pause = PAUSES.0,
            Ended::Failed(why) => {
                tracing::warn!(why, "no connection to Slack; trying again in {} s", pause.as_secs());
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSES.1),
                }
            }
        }
    }
}

async fn connection(app: &AppState, slack: &Slack, stop: &CancellationToken) -> Ended {
    let url = match slack.open_connection().await {
        Ok(url) => url,
        Err(error) => return Ended::Failed(error.to_string()),
    };
    let limits = WebSocketConfig::default().max_message_size(Some(FRAME)).max_frame_size(Some(FRAME));
    let mut socket = match connect_async_with_config(url, Some(limits), true).await {
        Ok((socket, _)) => socket,
        Err(error) => return Ended::Failed(error.to_string()),
    };
    let mut worked = false;
    loop {
        let frame = tokio::select! {
            () = stop.cancelled() => {
                // The connection goes away with us, whether it takes our goodbye or not.
                let _ = socket.close(None).await;
                return Ended::Stopped;
            }
            frame = tokio::time::timeout(SILENCE, socket.next()) => frame,
        };
        let answer = match frame {
            Ok(Some(Ok(Message::Text(text)))) => match understand(app, &text).await {
                Heard::Answer(answer) => answer.map(|answer| Message::text(answer.to_string())),
                Heard::Over => return Ended::Worked,
            },
            Ok(Some(Ok(Message::Ping(data)))) => Some(Message::Pong(data)),
            Ok(Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed)) | None) | Err(_) => {
                return ended(worked, "it was closed");
            }
            Ok(Some(Err(error))) => return ended(worked, &error.to_string()),
            Ok(Some(Ok(_))) => None,
        };
        worked = true;
        if let Some(answer) = answer
            && let Err(error) = socket.send(answer).await
        {
            return ended(worked, &error.to_string());
        }
    }
}

fn ended(worked: bool, why: &str) -> Ended {
    if worked { Ended::Worked } else { Ended::Failed(why.to_owned()) }
}

/// What a frame asks for.
enum Heard {
    /// An acknowledgement, or nothing: then Slack sends it again.
    Answer(Option<serde_json::Value>),
    /// Slack closes this connection; there is another one to be had.
    Over,
}

async fn understand(app: &AppState, text: &str) -> Heard {
    let Ok(frame) = serde_json::from_str::<Frame<'_>>(text) else { return Heard::Answer(None) };
    let payload = frame.payload.map(RawValue::get).unwrap_or_default();
    let taken = match frame.kind.as_str() {
        "disconnect" => return Heard::Over,
        "events_api" => match serde_json::from_str::<Envelope>(payload) {
            Ok(envelope) => hear(app, envelope, Sha256::digest(payload).into()).await.map(drop),
            // What we do not understand is none of our business, however often it is sent.
            Err(_) => Ok(()),
        },
        "interactive" => presses::take(app, payload.as_bytes()).await,
        _ => Ok(()),
    };
    if let Err(error) = &taken {
        tracing::warn!(why = error.detail(), "Slack's frame was not taken");
        // What is wrong stays wrong; what cannot be stored now is sent again.
        if error.status().is_server_error() {
            return Heard::Answer(None);
        }
    }
    Heard::Answer(frame.envelope_id.map(|id| json!({ "envelope_id": id })))
}
