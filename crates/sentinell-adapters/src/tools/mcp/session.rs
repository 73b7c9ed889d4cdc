//! One server over time: started when it is first asked, listened to, stopped when it misbehaves, and started again later.

use super::McpSettings;
use super::line::Line;
use super::message::{HANDSHAKE, MODERN, Trouble, bounded, hello};
use sentinell_core::canonical;
use sentinell_core::ports::ToolError;
use sentinell_core::time::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use tokio::time::timeout;

/// Versions with a handshake that are spoken here.
const SPOKEN: [&str; 4] = [HANDSHAKE, "2025-06-18", "2025-03-26", "2024-11-05"];
/// Pause after the first failure, seconds; each further one doubles it.
const PAUSE: i64 = 5;
/// Longest pause, seconds.
const LONGEST_PAUSE: i64 = 300;
/// The list of tools is read again before a call when it is older than this, milliseconds: not every server tells.
const LIST_AGE: i64 = 60_000;
/// Pages of a list.
const PAGES: usize = 20;
/// Tools of a list.
const TOOLS: usize = 1000;
/// Bytes of one tool's schema.
const SCHEMA: usize = 64 << 10;
/// Names of tools that are told when one is missing.
const NAMED: usize = 30;
/// A minute, milliseconds.
const MINUTE: i64 = 60_000;

/// A tool as the server described it first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    /// The server's words, bounded.
    pub about: String,
    /// What its arguments must be.
    pub schema: Value,
    /// Why it is not asked: the server has changed it since, takes it back, or describes it twice.
    pub trouble: Option<String>,
    /// That it was changed is not forgotten, even if it is changed back.
    changed: Option<String>,
    prints: [Vec<u8>; 3],
}

/// A server.
#[derive(Default)]
pub(super) struct Session {
    line: Option<Line>,
    /// Name, version and protocol, as the server says.
    pub who: String,
    known: BTreeMap<String, Known>,
    /// Names of its first tools, bounded.
    pub names: Vec<String>,
    /// How many tools it lists.
    pub count: usize,
    listed: Timestamp,
    failures: u32,
    not_before: Timestamp,
    last: String,
    calls: VecDeque<Timestamp>,
}

impl Session {
    /// Makes sure that the server runs and that its list of tools is fresh.
    ///
    /// # Errors
    /// [`ToolError::Retry`] while it is away, [`ToolError::Denied`] where it wants somebody else.
    pub(super) async fn ready(&mut self, server: &McpSettings, now: Timestamp) -> Result<(), ToolError> {
        let fresh = self.line.as_ref().is_some_and(|line| !line.changed && now.millis_since(self.listed) < LIST_AGE);
        if fresh {
            return Ok(());
        }
        if self.line.is_none() && now < self.not_before {
            let why = format!("{}; it is asked again from {} on", self.last, self.not_before);
            return Err(ToolError::Retry(why));
        }
        let (line, opened) = match self.line.take() {
            Some(line) => (Some(line), Ok(())),
            None => self.open(server).await,
        };
        let Some(mut line) = line else { return Err(self.failed(None, opened.err(), now).await) };
        let listed = match opened {
            Ok(()) => within(server, list(&mut line)).await,
            Err(trouble) => Err(trouble),
        };
        match listed {
            Ok(tools) => {
                self.compare(server, &tools, line.is_modern(), now);
                (line.changed, self.listed) = (false, now);
                self.line = Some(line);
                Ok(())
            }
            Err(trouble) => Err(self.failed(Some(line), Some(trouble), now).await),
        }
    }

    /// One of the allowed tools, as the server described it first.
    pub(super) fn tool(&self, name: &str) -> Option<&Known> {
        self.known.get(name)
    }

    /// Calls a tool. Whoever is dropped meanwhile takes the connection along: nobody knows what stands on it.
    ///
    /// # Errors
    /// [`ToolError::BadQuery`] where the server says no, [`ToolError::Retry`] where it is gone or was asked too often.
    pub(super) async fn call(
        &mut self,
        server: &McpSettings,
        tool: &str,
        args: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Value, ToolError> {
        while self.calls.front().is_some_and(|at| now.millis_since(*at) >= MINUTE) {
            self.calls.pop_front();
        }
        if self.calls.len() >= server.calls_per_minute {
            return Err(ToolError::Retry(format!(
                "its limit of {} calls a minute is reached",
                server.calls_per_minute
            )));
        }
        let Some(mut line) = self.line.take() else { return Err(ToolError::Retry("it is not there".to_owned())) };
        self.calls.push_back(now);
        let params = json!({ "name": tool, "arguments": args });
        match within(server, line.ask("tools/call", params)).await {
            Ok(answer) => {
                (self.line, self.failures) = (Some(line), 0);
                Ok(answer)
            }
            Err(Trouble::Refused { code, why }) => {
                self.line = Some(line);
                Err(ToolError::BadQuery(format!("the server refuses ({code}): {why}")))
            }
            Err(trouble) => Err(self.failed(Some(line), Some(trouble), now).await),
        }
    }

    /// Starts the server and shakes hands, in whichever way it knows.
    async fn open(&mut self, server: &McpSettings) -> (Option<Line>, Result<(), Trouble>) {
        let mut line = match within(server, Line::open(&server.reach, server.patience)).await {
            Ok(line) => line,
            Err(trouble) => return (None, Err(trouble)),
        };
        let greeted = within(server, greet(&mut line)).await;
        let greeted = greeted.map(|who| self.who = who);
        (Some(line), greeted)
    }

    /// Stops what is left of the line and says when the next try is.
    async fn failed(&mut self, line: Option<Line>, trouble: Option<Trouble>, now: Timestamp) -> ToolError {
        let complaint = match line {
            Some(line) => bounded(line.stop().await.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("")),
            None => String::new(),
        };
        let (why, denied) = match trouble {
            Some(Trouble::Denied(why)) => (why, true),
            Some(Trouble::Gone(why)) => (why, false),
            Some(Trouble::Refused { code, why }) => (format!("it refuses ({code}): {why}"), false),
            None => ("it is not there".to_owned(), false),
        };
        let why = if complaint.is_empty() { why } else { format!("{why}; it complained: {complaint}") };
        self.not_before = now.plus_seconds((PAUSE << self.failures.min(6)).min(LONGEST_PAUSE));
        self.failures += 1;
        self.last.clone_from(&why);
        if denied { ToolError::Denied(why) } else { ToolError::Retry(why) }
    }

    /// Takes in what is new, and notices what is not as it was.
    fn compare(&mut self, server: &McpSettings, tools: &[Value], modern: bool, now: Timestamp) {
        self.count = tools.len();
        self.names = tools.iter().take(NAMED).map(|tool| bounded(tool["name"].as_str().unwrap_or("?"))).collect();
        for name in &server.tools {
            let mut described = tools.iter().filter(|tool| tool["name"] == name.as_str());
            let (first, twice) = (described.next(), described.next().is_some());
            let fresh = first.map(|tool| known(tool, modern));
            match (self.known.get_mut(name), fresh) {
                (Some(old), None) => old.trouble = Some(format!("the server took it back ({now})")),
                (Some(old), Some(fresh)) => {
                    old.changed = old.changed.take().or_else(|| difference(&old.prints, &fresh.prints, now));
                    old.trouble = old.changed.clone().or(fresh.trouble);
                }
                (None, Some(fresh)) => drop(self.known.insert(name.clone(), fresh)),
                (None, None) => {}
            }
            if let Some(one) = self.known.get_mut(name).filter(|_| twice) {
                one.trouble = Some("the server describes it twice".to_owned());
            }
        }
    }
}

/// An answer in time, or none.
async fn within<T>(server: &McpSettings, asked: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let late = |_| Err(Trouble::Gone(format!("no answer within {} s", server.patience.as_secs_f32())));
    timeout(server.patience, asked).await.unwrap_or_else(late)
}

/// The handshake; where the server knows none, its introduction. Answers with who it is.
async fn greet(line: &mut Line) -> Result<String, Trouble> {
    let (server, version) = match line.ask("initialize", hello()).await {
        Ok(answer) => (answer["serverInfo"].clone(), answer["protocolVersion"].as_str().unwrap_or("").to_owned()),
        Err(Trouble::Refused { .. }) => (Value::Null, MODERN.to_owned()),
        Err(trouble) => return Err(trouble),
    };
    let server = if version == MODERN {
        line.go_modern();
        let answer = line.ask("server/discover", json!({})).await?;
        if !answer["supportedVersions"].as_array().is_some_and(|all| all.contains(&json!(MODERN))) {
            return Err(Trouble::Gone("it speaks no version of the protocol that is known here".to_owned()));
        }
        if server.is_null() { answer["serverInfo"].clone() } else { server }
    } else if SPOKEN.contains(&version.as_str()) {
        line.agree(&version);
        line.tell("notifications/initialized").await?;
        server
    } else {
        let why = format!("it speaks version {} of the protocol, which is not known here", bounded(&version));
        return Err(Trouble::Gone(why));
    };
    let word = |name: &str| server[name].as_str().map(bounded).unwrap_or_default();
    Ok(format!("{} {}, protocol {version}", word("name"), word("version")).trim_start().to_owned())
}

/// Every tool that it lists, a page at a time.
async fn list(line: &mut Line) -> Result<Vec<Value>, Trouble> {
    let (mut tools, mut params) = (vec![], json!({}));
    for _ in 0..PAGES {
        let mut page = line.ask("tools/list", params).await?;
        let Value::Array(some) = page["tools"].take() else {
            return Err(Trouble::Gone("its list of tools is none".to_owned()));
        };
        tools.extend(some);
        if tools.len() > TOOLS {
            break;
        }
        match page["nextCursor"].as_str() {
            Some(cursor) if cursor.len() <= 4096 => params = json!({ "cursor": cursor }),
            Some(_) => break,
            None => return Ok(tools),
        }
    }
    Err(Trouble::Gone(format!("its list of tools has no end (more than {TOOLS} tools or {PAGES} pages)")))
}

fn known(tool: &Value, modern: bool) -> Known {
    let schema = tool["inputSchema"].clone();
    let spelled = schema.to_string();
    let trouble = if !schema.is_object() || spelled.len() > SCHEMA {
        Some(format!("its arguments are not described, or in more than {SCHEMA} bytes"))
    } else if modern && spelled.contains("\"x-mcp-header\"") {
        Some("it wants arguments as headers, which is not done here".to_owned())
    } else {
        None
    };
    // In the order of names: a server may write its schema in another order each time.
    let print = |value: &Value| Sha256::digest(canonical::to_vec(value).unwrap_or_default()).to_vec();
    let prints = [print(&tool["description"]), print(&schema), print(&tool["annotations"])];
    let about = bounded(tool["description"].as_str().unwrap_or_default());
    Known { about, schema, trouble, changed: None, prints }
}

/// What is not as it was when the tool was first seen.
fn difference(old: &[Vec<u8>; 3], new: &[Vec<u8>; 3], now: Timestamp) -> Option<String> {
    let parts = ["description", "arguments", "hints"];
    let changed = parts.iter().zip(old.iter().zip(new)).filter(|(_, (old, new))| old != new);
    let changed: Vec<&str> = changed.map(|(part, _)| *part).collect();
    let why = "look at what it is now; it is asked again after a restart of Sentinell";
    (!changed.is_empty()).then(|| format!("the server changed its {} ({now}); {why}", changed.join(" and ")))
}
