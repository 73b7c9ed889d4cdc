//! One connection to a server: a child's standard streams, or requests over HTTP.

use super::message::{Heard, Trouble, bounded, heard, refusal, request};
use crate::http::sse::Events;
use crate::http::{HeaderMap, Incoming, Lost, StreamLimits, Streams, Url};
use crate::process::{Dialogue, Program, RunError, Silence};
use sentinell_core::address::is_public;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Bytes of one message.
const MESSAGE: usize = 2 << 20;
/// Messages that answer nothing, on the way to one answer.
const STRAYS: usize = 1000;
/// Bytes of a refusal that are read.
const REFUSAL: usize = 4 << 10;
/// Bytes of a session's id.
const SESSION: usize = 512;

/// How a server is reached.
#[derive(Clone)]
pub enum McpReach {
    /// A program of this machine, with its arguments.
    Child(Program, Vec<String>),
    /// An address.
    Http {
        /// Where.
        url: Url,
        /// Whether it may be at an address that is not public.
        private: bool,
        /// A bearer token.
        token: Option<String>,
    },
}

/// A connection. Whoever stops waiting for an answer drops it.
pub(super) struct Line {
    way: Way,
    id: u64,
    modern: bool,
    /// Whether the server said that its tools have changed.
    pub changed: bool,
}

enum Way {
    Child(Box<Dialogue>),
    Http(Box<Http>),
}

struct Http {
    streams: Streams,
    url: Url,
    token: Option<String>,
    session: Option<String>,
    version: Option<String>,
}

impl Line {
    /// Starts the program, or looks the address up.
    pub(super) async fn open(reach: &McpReach, patience: Duration) -> Result<Self, Trouble> {
        let way = match reach {
            McpReach::Child(program, args) => {
                let child = program.talk(args).map_err(|error| match error {
                    RunError::NotStarted(why) | RunError::Unfinished(why) => Trouble::Gone(why),
                })?;
                Way::Child(Box::new(child))
            }
            McpReach::Http { url, private, token } => {
                let streams = streams(url, *private, patience).await?;
                let (url, token) = (url.clone(), token.clone());
                Way::Http(Box::new(Http { streams, url, token, session: None, version: None }))
            }
        };
        Ok(Self { way, id: 0, modern: false, changed: false })
    }

    /// From now on every request says who asks.
    pub(super) fn go_modern(&mut self) {
        self.modern = true;
        self.agree(super::message::MODERN);
    }

    /// From now on requests name this version.
    pub(super) fn agree(&mut self, version: &str) {
        if let Way::Http(http) = &mut self.way {
            http.version = Some(version.to_owned());
        }
    }

    /// Whether requests say who asks.
    pub(super) fn is_modern(&self) -> bool {
        self.modern
    }

    /// Asks and waits for the answer, whatever else the server says meanwhile. Not bounded in time.
    pub(super) async fn ask(&mut self, method: &str, params: Value) -> Result<Value, Trouble> {
        self.id += 1;
        let message = request(self.id, method, params, self.modern);
        match &mut self.way {
            Way::Child(child) => ask_child(child, self.id, &message, &mut self.changed).await,
            Way::Http(http) => http.ask(self.id, &message, self.modern, &mut self.changed).await,
        }
    }

    /// Says something that is not answered.
    pub(super) async fn tell(&mut self, method: &str) -> Result<(), Trouble> {
        let message = json!({ "jsonrpc": "2.0", "method": method });
        match &mut self.way {
            Way::Child(child) => say(child, &message).await,
            Way::Http(http) => http.post(&message, &Value::Null, false).await.map(|_| ()),
        }
    }

    /// Ends it; what the program complained about last.
    pub(super) async fn stop(self) -> String {
        match self.way {
            Way::Child(child) => child.stop().await,
            Way::Http(_) => String::new(),
        }
    }
}

async fn say(child: &mut Dialogue, message: &Value) -> Result<(), Trouble> {
    let said = child.say(message.to_string().as_bytes()).await;
    said.map_err(|error| Trouble::Gone(format!("it does not listen: {error}")))
}

async fn ask_child(child: &mut Dialogue, id: u64, message: &Value, changed: &mut bool) -> Result<Value, Trouble> {
    say(child, message).await?;
    for _ in 0..STRAYS {
        let line = child.hear(MESSAGE).await.map_err(|silence| match silence {
            Silence::Ended => Trouble::Gone("it ended".to_owned()),
            Silence::TooLong => Trouble::Gone(format!("it sent a message of more than {MESSAGE} bytes")),
        })?;
        match heard(&line, id) {
            Heard::Answer(answer) => return Ok(answer),
            Heard::Refused(why) => return Err(why),
            Heard::Asks(reply) => say(child, &reply).await?,
            Heard::Changed => *changed = true,
            Heard::Other => {}
        }
    }
    Err(strays())
}

fn strays() -> Trouble {
    Trouble::Gone(format!("it sent {STRAYS} messages that answer nothing"))
}

/// A client for an address that was looked up once and judged; HTTP asks for it under no other.
async fn streams(url: &Url, private: bool, patience: Duration) -> Result<Streams, Trouble> {
    let limits =
        StreamLimits { connect: patience, first_byte: patience, between: patience, total: patience, body: MESSAGE };
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(443);
    let found: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
        Ok(address) => vec![(address, port).into()],
        Err(_) => {
            let looked = tokio::net::lookup_host((bare, port)).await;
            looked.map_err(|error| Trouble::Gone(format!("{host} is not found: {error}")))?.take(16).collect()
        }
    };
    if let Some(inside) = found.iter().find(|address| !private && !is_public(address.ip())) {
        let why = format!("{host} is at {}, which is not a public address; `private = true` allows it", inside.ip());
        return Err(Trouble::Denied(why));
    }
    Streams::pinned(limits, host, &found).map_err(Trouble::Gone)
}

impl Http {
    async fn ask(&mut self, id: u64, message: &Value, modern: bool, changed: &mut bool) -> Result<Value, Trouble> {
        let mut answer = self.post(message, message, modern).await?;
        self.keep_session(&answer);
        let kind = answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
            let mut body = vec![];
            while let Some(piece) = answer.next().await.map_err(lost)? {
                body.extend_from_slice(&piece);
            }
            return match heard(&body, id) {
                Heard::Answer(answer) => Ok(answer),
                Heard::Refused(why) => Err(why),
                _ => Err(Trouble::Gone(format!("its answer is none: {}", said(&body)))),
            };
        }
        let (mut events, mut ready, mut strays_left) = (Events::default(), vec![], STRAYS);
        loop {
            let piece = answer.next().await.map_err(lost)?;
            match &piece {
                Some(piece) => events.take(piece, &mut ready).map_err(|why| Trouble::Gone(format!("it sent {why}")))?,
                None => ready.extend(events.end()),
            }
            for event in ready.drain(..) {
                strays_left = strays_left.checked_sub(1).ok_or_else(strays)?;
                match heard(event.data.as_bytes(), id) {
                    Heard::Answer(answer) => return Ok(answer),
                    Heard::Refused(why) => return Err(why),
                    Heard::Asks(reply) => drop(self.post(&reply, &Value::Null, false).await?),
                    Heard::Changed => *changed = true,
                    Heard::Other => {}
                }
            }
            if piece.is_none() {
                return Err(Trouble::Gone("its answer ended before it was one".to_owned()));
            }
        }
    }

    /// Posts a message; answers when the server took it. `about` is the request that the modern version's headers repeat.
    async fn post(&self, message: &Value, about: &Value, modern: bool) -> Result<Incoming, Trouble> {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = value.parse() {
                headers.insert(name, value);
            }
        };
        set("accept", "application/json, text/event-stream");
        if let Some(token) = &self.token {
            set("authorization", &format!("Bearer {token}"));
        }
        if let Some(session) = &self.session {
            set("mcp-session-id", session);
        }
        if let Some(version) = &self.version {
            set("mcp-protocol-version", version);
        }
        if modern {
            set("mcp-method", about["method"].as_str().unwrap_or_default());
            if let Some(name) = about["params"]["name"].as_str() {
                set("mcp-name", name);
            }
        }
        let answer = self.streams.post(self.url.clone(), headers, message).await.map_err(lost)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.head(REFUSAL).await;
        // A server that was started again knows our session no more: a new one has to be begun, as the protocol says.
        let over = status.as_u16() == 404 && self.session.is_some();
        // Any other refusal may be one of the protocol's own, under any status but those that want somebody else.
        if let Some(refused) = refusal(&body).filter(|_| !over && !matches!(status.as_u16(), 401 | 403)) {
            return Err(refused);
        }
        let why = format!("{}: {}", status.as_u16(), said(&body));
        Err(match status.as_u16() {
            401 | 403 => Trouble::Denied(why),
            _ => Trouble::Gone(why),
        })
    }

    fn keep_session(&mut self, answer: &Incoming) {
        let session = answer.headers().get("mcp-session-id").and_then(|value| value.to_str().ok());
        if let Some(session) = session.filter(|session| session.len() <= SESSION) {
            self.session = Some(session.to_owned());
        }
    }
}

fn said(body: &[u8]) -> String {
    bounded(&String::from_utf8_lossy(&body[..body.len().min(REFUSAL)]))
}

fn lost(lost: Lost) -> Trouble {
    match lost {
        Lost::Away(why) | Lost::TooLarge(why) => Trouble::Gone(why),
    }
}
