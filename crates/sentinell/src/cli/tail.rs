//! `sentinell tail`: journals live over the WebSocket, resumed by position when the line breaks.

use super::client::{Client, Server};
use super::{block_on, out};
use crate::config::Surroundings;
use crate::report::Paint;
use crate::report::timeline::{Frame, is_last, lines};
use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use std::process::ExitCode;
use std::time::Duration;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A frame larger than this is refused.
const LARGEST_FRAME: usize = 16 << 20;
/// How often in a row a broken line is taken up again before giving up.
const TRIES: u32 = 8;

const EXAMPLES: &str = "\
Examples:
  sentinell tail                          # everything, as it happens
  sentinell tail 0199c0de-…               # one incident from its beginning to its end
  sentinell tail --after 4711             # resume behind a position, without gap or duplicate
  sentinell tail --json | jq .type        # one frame a line";

/// Follows journals live.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only this incident, from its beginning; ends when it comes to rest
    incident: Option<String>,
    /// Resume behind this position
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// Stay when the incident has come to rest
    #[arg(long)]
    follow: bool,
    /// Print frames as they come, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(args: Args, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server, around)?;
    let paint = Paint::for_stdout(around);
    let from = args.after.or(args.incident.as_ref().map(|_| 0));
    block_on(follow(&client, args.incident.as_deref(), from, |frame, raw| {
        let line = if args.json { raw.to_owned() } else { lines(frame, paint) };
        out::print(&(line + "\n"))?;
        Ok(args.incident.is_some() && !args.follow && is_last(&frame.kind))
    }))?;
    Ok(ExitCode::SUCCESS)
}

/// Hands every frame and its text to `each` until that answers true.
///
/// # Errors
/// When the server refuses, or cannot be reached several times in a row, or `each` fails.
pub(super) async fn follow(
    client: &Client,
    incident: Option<&str>,
    mut after: Option<u64>,
    mut each: impl FnMut(&Frame, &str) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut failures = 0;
    loop {
        let ended = once(client, incident, &mut after, &mut failures, &mut each).await;
        match ended {
            Ok(true) => return Ok(()),
            Ok(false) => failures += 1,
            Err(error) if failures + 1 >= TRIES || error.is::<Refused>() => return Err(error),
            Err(_) => failures += 1,
        }
        if failures >= TRIES {
            bail!("the stream from {} ended again and again", client.base());
        }
        tokio::time::sleep(Duration::from_millis(100 << failures.min(6))).await;
    }
}

/// The server said no; asking again would not help.
#[derive(Debug, thiserror::Error)]
#[error("the server refuses the stream: {0}")]
struct Refused(String);

/// One connection; true when `each` has enough.
async fn once(
    client: &Client,
    incident: Option<&str>,
    after: &mut Option<u64>,
    failures: &mut u32,
    each: &mut impl FnMut(&Frame, &str) -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let request = request(client, incident, *after)?;
    let limits = WebSocketConfig::default().max_message_size(Some(LARGEST_FRAME)).max_frame_size(Some(LARGEST_FRAME));
    let (mut socket, _) = match connect_async_with_config(request, Some(limits), true).await {
        Err(Error::Http(answer)) if answer.status().is_client_error() => {
            return Err(Refused(answer.status().to_string()).into());
        }
        other => {
            other.with_context(|| format!("no stream from {}; is `sentinell serve` running there?", client.base()))?
        }
    };
    while let Some(message) = socket.next().await {
        let text = match message? {
            Message::Text(text) => text,
            Message::Ping(data) => {
                socket.send(Message::Pong(data)).await?;
                continue;
            }
            Message::Close(_) => return Ok(false),
            _ => continue,
        };
        let frame: Frame = serde_json::from_str(&text).context("the server sent a frame that makes no sense")?;
        *failures = 0;
        if frame.kind == "lagged" {
            *after = frame.resume_after.or(*after);
            return Ok(false);
        }
        *after = frame.position.or(*after);
        if each(&frame, &text)? {
            let _ = socket.close(None).await;
            return Ok(true);
        }
    }
    Ok(false)
}

fn request(
    client: &Client,
    incident: Option<&str>,
    after: Option<u64>,
) -> anyhow::Result<tokio_tungstenite::tungstenite::handshake::client::Request> {
    let mut url = client.url(&["stream"])?;
    let scheme = match url.scheme() {
        "http" => "ws",
        _ => bail!("tail speaks plain WebSocket only; for a server behind https read {}api/stream", client.base()),
    };
    url.set_scheme(scheme).map_err(|()| anyhow::anyhow!("{} cannot be a stream's address", client.base()))?;
    let position = after.map(|after| after.to_string());
    url.query_pairs_mut()
        .extend_pairs(incident.map(|incident| ("incident", incident)))
        .extend_pairs(position.as_deref().map(|after| ("after", after)));
    let mut request = url.as_str().into_client_request()?;
    if let Some(token) = client.token() {
        let bearer =
            format!("Bearer {token}").parse().context("the token holds characters that no header may carry")?;
        request.headers_mut().insert("authorization", bearer);
    }
    Ok(request)
}
