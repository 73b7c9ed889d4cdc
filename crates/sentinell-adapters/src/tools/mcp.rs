//! Tools of other people's servers, over the Model Context Protocol: those that the operator allows by name, and no others.
//!
//! What a server says of itself decides nothing: not that a tool only reads, not what it is for. Names, arguments and the
//! time to ask are the operator's; a model may ask an allowed tool with arguments that fit the schema of the server's start.
//! Answers are a stranger's words.

mod answer;
mod ask;
mod line;
mod message;
mod schema;
mod session;

use crate::text::{arg, known_args, one_line};
use answer::{Asked, read};
use sentinell_core::evidence::{Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use serde_json::{Map, Value};
use session::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

pub use ask::McpAsk;
pub use line::McpReach;

/// Questions of one incident that are asked first.
const FIRST: usize = 8;
/// Bytes of the arguments of one call.
const ARGUMENTS: usize = 16 << 10;

/// One server, as the operator allows it.
#[derive(Clone)]
pub struct McpSettings {
    /// Its name; the eye is called `mcp.<name>`.
    pub name: String,
    /// How it is reached.
    pub reach: McpReach,
    /// The tools that may be called.
    pub tools: BTreeSet<String>,
    /// Those of them whose answers are log lines of who was asked about.
    pub logs: BTreeSet<String>,
    /// What is asked first.
    pub asks: Vec<McpAsk>,
    /// What it is for, in the operator's words.
    pub about: String,
    /// How long a start and a call may take.
    pub patience: Duration,
    /// Calls that are made in a minute.
    pub calls_per_minute: usize,
}

/// The tool `mcp.<name>`. One question at a time; the server is started at the first.
pub struct Mcp {
    settings: McpSettings,
    name: String,
    describe: String,
    session: Mutex<Session>,
    clock: Arc<dyn Clock>,
}

impl Mcp {
    /// An eye through one server.
    pub fn new(settings: McpSettings, clock: Arc<dyn Clock>) -> Self {
        let tools: Vec<&str> = settings.tools.iter().map(String::as_str).collect();
        let about = if settings.about.is_empty() { String::new() } else { format!(" ({})", settings.about) };
        let describe = format!(
            "asks the MCP server {}{about}; args: tool (one of: {}), arguments (a JSON object, as text), about (whom it is \
             about, such as service/shop/cart); without tool: lists the tools and their arguments",
            settings.name,
            tools.join(", ")
        );
        let name = format!("mcp.{}", settings.name);
        Self { settings, name, describe, session: Mutex::default(), clock }
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        known_args(&query.args, &["tool", "arguments", "about"]).map_err(ToolError::BadQuery)?;
        let Some(tool) = arg(&query.args, "tool") else { return self.menu().await };
        if !self.settings.tools.contains(tool) {
            let tool = one_line(tool, 80);
            return Err(ToolError::BadQuery(format!("`{tool}` is not among the tools that the operator allows")));
        }
        let args = arguments(arg(&query.args, "arguments"))?;
        let mut session = self.session().await?;
        session.ready(&self.settings, self.clock.now()).await?;
        let known = session.tool(tool);
        let known = known.ok_or_else(|| ToolError::BadQuery(format!("the server has no tool `{tool}`")))?;
        if let Some(why) = &known.trouble {
            return Err(ToolError::Denied(format!("`{tool}` is not asked: {why}")));
        }
        schema::check(&known.schema, &args).map_err(|why| {
            ToolError::BadQuery(format!("{why}; the arguments of {tool}: {}", schema::spelled(&known.schema)))
        })?;
        let answer = session.call(&self.settings, tool, &args, self.clock.now()).await?;
        drop(session);
        let source = format!("{} {tool}", self.name);
        let subject = arg(&query.args, "about").map_or_else(|| self.name.clone(), |about| one_line(about, 200));
        let call = format!("{source} {}", one_line(&Value::Object(args).to_string(), 500));
        let asked = Asked { subject, logs: self.settings.logs.contains(tool), source: &source, call };
        read(&answer, asked).map_err(ToolError::BadQuery)
    }

    /// The tools as the server describes them: its words, quoted as such wherever they are shown.
    async fn menu(&self) -> Result<Observation, ToolError> {
        let mut session = self.session().await?;
        session.ready(&self.settings, self.clock.now()).await?;
        let line = |name: &String| match session.tool(name) {
            None => format!("{name}: the server does not have it"),
            Some(known) => match &known.trouble {
                Some(why) => format!("{name}: not asked: {why}"),
                None => {
                    let args = schema::spelled(&known.schema);
                    format!("{name}; arguments: {args}; the server says: {}", known.about)
                }
            },
        };
        let lines = self.settings.tools.iter().map(line).collect();
        let (subject, source) = (self.name.clone(), format!("{} tools", self.name));
        let telemetry = vec![Telemetry::Text { subject, source: source.clone(), lines }];
        Ok(Observation { telemetry, gaps: vec![], call: source })
    }

    async fn session(&self) -> Result<MutexGuard<'_, Session>, ToolError> {
        let waited = timeout(self.settings.patience, self.session.lock()).await;
        waited.map_err(|_| ToolError::Retry("other questions to it are not answered yet".to_owned()))
    }

    async fn examine(&self) -> Result<String, ToolError> {
        let mut session = self.session().await?;
        session.ready(&self.settings, self.clock.now()).await?;
        let names = session.names.join(", ");
        let missing: Vec<&str> =
            self.settings.tools.iter().filter(|name| session.tool(name).is_none()).map(String::as_str).collect();
        if !missing.is_empty() {
            let why = format!("it has no tool {}; it has: {names}; correct `tools`", missing.join(", "));
            return Err(ToolError::Denied(why));
        }
        let troubled = self.settings.tools.iter().find_map(|name| Some((name, session.tool(name)?.trouble.as_ref()?)));
        if let Some((name, why)) = troubled {
            return Err(ToolError::Denied(format!("`{name}` is not asked: {why}")));
        }
        for ask in &self.settings.asks {
            let names = session.tool(&ask.tool).and_then(|known| schema::unknown(&known.schema, &ask.args));
            if let Some(why) = names {
                return Err(ToolError::Denied(format!("an `ask` of `{}`: {why}", ask.tool)));
            }
        }
        Ok(format!("{}; {} tools, of which {} may be asked", session.who, session.count, self.settings.tools.len()))
    }
}

/// The arguments of a call: a JSON object, or nothing.
fn arguments(text: Option<&str>) -> Result<Map<String, Value>, ToolError> {
    let Some(text) = text else { return Ok(Map::new()) };
    let wrong = || ToolError::BadQuery("`arguments` must be a JSON object, as text, of at most 16 KiB".to_owned());
    let small = Some(text).filter(|text| text.len() <= ARGUMENTS).ok_or_else(wrong)?;
    serde_json::from_str(small).map_err(|_| wrong())
}

impl Tool for Mcp {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let question = |ask: &McpAsk| {
            let arguments = Value::Object(ask.about(case)?).to_string();
            let mut args = BTreeMap::from([("tool".to_owned(), ask.tool.clone()), ("arguments".to_owned(), arguments)]);
            args.extend(ask::subject(case).map(|subject| ("about".to_owned(), subject)));
            let why = if ask.why.is_empty() { format!("what does {} say of it?", ask.tool) } else { ask.why.clone() };
            Some(Question { tool: self.name.clone(), args, why })
        };
        self.settings.asks.iter().filter_map(question).take(FIRST).collect()
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async { self.examine().await.map(Some) })
    }
}

impl std::fmt::Debug for Mcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The way to the server may hold tokens.
        f.debug_struct("Mcp").field("name", &self.name).field("tools", &self.settings.tools).finish_non_exhaustive()
    }
}
