//! `[[mcp]]`: servers of other people whose tools may be asked, by name.

use super::super::Secret;
use sentinell_adapters::http::Url;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A server as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawMcp {
    pub name: String,
    pub about: String,
    pub command: Vec<String>,
    pub env: BTreeMap<String, Secret>,
    pub pass_env: Vec<String>,
    pub url: Option<Secret>,
    pub token: Option<Secret>,
    pub private: Option<bool>,
    pub tools: Vec<String>,
    pub logs: Vec<String>,
    pub ask: Vec<McpQuestion>,
    pub timeout_seconds: Option<u32>,
    pub calls_per_minute: Option<u32>,
    /// What `pass_env` names and the environment does not have.
    #[serde(skip)]
    missing: Vec<String>,
}

/// A question for the first look.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpQuestion {
    /// The tool.
    pub tool: String,
    /// Its arguments; `{label}` in their texts stands for a label of the incident.
    #[serde(default)]
    pub args: Map<String, Value>,
    /// Labels that the incident must have; `*` is any value.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// Why it is asked.
    #[serde(default)]
    pub why: String,
}

/// How a server is reached. Its `Debug` form shows the place only.
#[derive(Clone, PartialEq, Eq)]
pub enum McpAt {
    /// A program, started when it is first asked.
    Program {
        /// An absolute path.
        path: PathBuf,
        /// Its arguments.
        args: Vec<String>,
        /// Variables besides those that every program gets.
        env: BTreeMap<String, Secret>,
    },
    /// An address.
    Url {
        /// Where.
        url: Url,
        /// Whether that may be an address that is not public.
        private: bool,
        /// A bearer token.
        token: Option<Secret>,
    },
}

/// A server.
#[derive(Debug, Clone, PartialEq)]
pub struct Mcp {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// How it is reached.
    pub at: McpAt,
    /// The tools that may be called.
    pub tools: BTreeSet<String>,
    /// Those whose answers are log lines.
    pub logs: BTreeSet<String>,
    /// What is asked first.
    pub asks: Vec<McpQuestion>,
    /// How long a start and a call may take, seconds.
    pub timeout_seconds: u32,
    /// Calls in a minute.
    pub calls_per_minute: u32,
}

impl std::fmt::Debug for McpAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Program { path, .. } => write!(f, "{}", path.display()),
            Self::Url { url, .. } => f.write_str(&url.origin().ascii_serialization()),
        }
    }
}

impl Mcp {
    /// For people.
    pub(super) fn line(&self) -> String {
        format!("{}: {:?}, {} tool(s) allowed", self.name, self.at, self.tools.len())
    }
}

impl RawMcp {
    /// Takes from the environment what the file says stands there.
    pub(in crate::config) fn lay_environment(&mut self, variables: &BTreeMap<String, String>) {
        let get = |name: &str| variables.get(name).filter(|value| !value.is_empty()).map(Secret::new);
        self.token = get(&self.variable()).or(self.token.take());
        for name in &self.pass_env {
            match get(name) {
                Some(value) => drop(self.env.insert(name.clone(), value)),
                None => self.missing.push(name.clone()),
            }
        }
    }

    /// The variable that its token may come from instead.
    fn variable(&self) -> String {
        format!("SENTINELL_MCP_{}_TOKEN", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    fn at(&self) -> Result<McpAt, String> {
        let means_nothing = |key: &str| Err(format!("{key} means nothing here; remove the line"));
        match (self.command.split_first(), &self.url) {
            (Some((path, args)), None) => {
                let path = PathBuf::from(path);
                if !path.is_absolute() || !path.is_file() {
                    return Err("command: begin with the absolute path of a program that is there".to_owned());
                }
                if self.token.is_some() {
                    return means_nothing("token");
                }
                if self.private.is_some() {
                    return means_nothing("private");
                }
                Ok(McpAt::Program { path, args: args.to_vec(), env: self.env.clone() })
            }
            (None, Some(_)) if !self.env.is_empty() => means_nothing("env"),
            (None, Some(url)) => {
                let private = self.private.unwrap_or(false);
                let url = address(url.expose(), private)?;
                Ok(McpAt::Url { url, private, token: self.token.clone() })
            }
            _ => Err("command (a program and its arguments) or url, one of them".to_owned()),
        }
    }

    fn check(self, names: &mut BTreeSet<String>, problems: &mut Vec<String>) -> Option<Mcp> {
        let mut problem = |why: String| problems.push(format!("mcp `{}`: {why}", self.name));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) || !names.insert(self.name.clone()) {
            problem("a name is letters, digits, `_` and `-`, and used once".to_owned());
        }
        let at = self.at().map_err(&mut problem).ok();
        if self.tools.is_empty() {
            problem("tools: name those that may be called; without a name none is".to_owned());
        }
        let word = |name: &&String| {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
            name.is_empty() || name.len() > 128 || !name.chars().all(fits)
        };
        for odd in self.tools.iter().filter(word) {
            problem(format!("tools: `{odd}` is no tool's name; `sentinell doctor` lists the server's"));
        }
        for stranger in self.logs.iter().chain(self.ask.iter().map(|ask| &ask.tool)) {
            if !self.tools.contains(stranger) {
                problem(format!("`{stranger}` is asked for and not among its tools"));
            }
        }
        for name in &self.missing {
            problem(format!("pass_env: {name} is not set"));
        }
        let (timeout_seconds, calls_per_minute) =
            (self.timeout_seconds.unwrap_or(20), self.calls_per_minute.unwrap_or(30));
        if !(1..=120).contains(&timeout_seconds) {
            problem(format!("timeout_seconds: {timeout_seconds} is out of range; 1 to 120"));
        }
        if !(1..=600).contains(&calls_per_minute) {
            problem(format!("calls_per_minute: {calls_per_minute} is out of range; 1 to 600"));
        }
        Some(Mcp {
            at: at?,
            name: self.name,
            about: self.about,
            tools: self.tools.into_iter().collect(),
            logs: self.logs.into_iter().collect(),
            asks: self.ask,
            timeout_seconds,
            calls_per_minute,
        })
    }
}

/// Plain http goes to machines of one's own only: a token and what is read could be seen on the way. The text is not
/// repeated: it may carry a key.
fn address(url: &str, private: bool) -> Result<Url, String> {
    let url = Url::parse(url).map_err(|_| "url: not a URL; write https://host/mcp".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url: carries a name or password; write token beside it".to_owned());
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if url.has_host() && private => Ok(url),
        "http" => Err("url: plain http is for private addresses; use https, or say `private = true`".to_owned()),
        _ => Err("url: must begin with https://".to_owned()),
    }
}

/// Checks all of them.
pub(super) fn check(raw: Vec<RawMcp>, problems: &mut Vec<String>) -> Vec<Mcp> {
    let mut names = BTreeSet::new();
    raw.into_iter().filter_map(|server| server.check(&mut names, problems)).collect()
}
