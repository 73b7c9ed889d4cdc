//! Which tools there are, and which call of the REST interface each of them is.

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

/// The longest text of an argument, bytes.
const TEXT: usize = 20_000;

/// A call of the REST interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The parts of the path, not escaped.
    pub path: Vec<String>,
    /// The query, not escaped.
    pub query: Vec<(String, String)>,
    /// The body of a POST; a GET has none.
    pub body: Option<Value>,
}

impl Call {
    /// A GET without a query.
    pub fn get(path: &[&str]) -> Self {
        Self { path: path.iter().map(|part| (*part).to_owned()).collect(), query: vec![], body: None }
    }
}

/// A tool as it is offered.
#[derive(Debug)]
pub struct Offer {
    /// Its name.
    pub name: &'static str,
    /// For the model that chooses it.
    pub about: &'static str,
    /// Whether it changes nothing.
    pub reads: bool,
    /// The path; `{incident_id}` is filled in.
    path: &'static str,
    /// Its arguments: those that it needs come first.
    arguments: &'static [Argument],
}

/// An argument of a tool.
#[derive(Debug)]
struct Argument {
    name: &'static str,
    kind: Kind,
    needed: bool,
    about: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Texts,
    Count,
    Word(&'static [&'static str]),
}

const fn needs(name: &'static str, about: &'static str) -> Argument {
    Argument { name, kind: Kind::Text, needed: true, about }
}

const fn may(name: &'static str, kind: Kind, about: &'static str) -> Argument {
    Argument { name, kind, needed: false, about }
}

const ID: Argument = needs("incident_id", "The incident's id, as list_incidents gives it");
const LIMIT: Argument = may("limit", Kind::Count, "At most so many (default 20)");
const CURSOR: Argument = may("cursor", Kind::Text, "`next_cursor` of the page before");
const REPO: Argument = may("repo_id", Kind::Text, "Only this registered repository");
const SINCE: Argument = may("since", Kind::Text, "At or after this moment, RFC 3339");
const UNTIL: Argument = may("until", Kind::Text, "Before this moment, RFC 3339");
const SEVERITIES: Kind = Kind::Word(&["low", "medium", "high", "critical"]);

/// Every tool.
pub const TOOLS: &[Offer] = &[
    Offer {
        name: "list_incidents",
        about: "Lists incidents, newest first.",
        reads: true,
        path: "/api/incidents",
        arguments: &[
            may("status", Kind::Word(&["queued", "processing", "resolved"]), "Only with this status"),
            may("severity", SEVERITIES, "Only of this severity"),
            may("q", Kind::Text, "Words of the title or description"),
            REPO,
            SINCE,
            UNTIL,
            LIMIT,
            CURSOR,
        ],
    },
    Offer {
        name: "get_incident",
        about: "One incident: what it is, how bad, and where its investigation stands.",
        reads: true,
        path: "/api/incidents/{incident_id}",
        arguments: &[ID],
    },
    Offer {
        name: "get_evidence",
        about: "What was found out about an incident, and what could not be read. Other answers cite it by id.",
        reads: true,
        path: "/api/incidents/{incident_id}/evidence",
        arguments: &[ID],
    },
    Offer {
        name: "get_hypotheses",
        about: "What may have caused an incident: component, fault, confidence, the evidence for and against.",
        reads: true,
        path: "/api/incidents/{incident_id}/hypotheses",
        arguments: &[ID],
    },
    Offer {
        name: "get_journal",
        about: "Every step of an investigation in its order, one page at a time.",
        reads: true,
        path: "/api/incidents/{incident_id}/journal",
        arguments: &[ID, LIMIT, CURSOR],
    },
    Offer {
        name: "why",
        about: "Answers a question about an incident from its journal and evidence alone, citing them.",
        reads: true,
        path: "/api/incidents/{incident_id}/ask",
        arguments: &[ID, needs("question", "In your words, such as: why do you think it is the database?")],
    },
    Offer {
        name: "similar_incidents",
        about: "Past incidents and runbooks that are like this incident, with how they ended.",
        reads: true,
        path: "/api/incidents/{incident_id}/similar",
        arguments: &[ID, LIMIT],
    },
    Offer {
        name: "investigate",
        about: "Opens an incident, which is investigated at once. Nothing is changed anywhere unless a person approves it.",
        reads: false,
        path: "/api/issues",
        arguments: &[
            needs("title", "What is wrong, in one line"),
            needs("description", "What is known: symptoms, since when, log lines, names of services"),
            may("severity", SEVERITIES, "How bad (default medium)"),
            may("repo_id", Kind::Text, "The registered repository that it is about"),
            may("tags", Kind::Texts, "Words to find it by"),
        ],
    },
    Offer {
        name: "search_memory",
        about: "Searches past incidents, postmortems, signals, messages, changes, log templates and runbooks by words and by \
                meaning.",
        reads: true,
        path: "/api/search",
        arguments: &[
            may("q", Kind::Text, "What to look for; the newest records if left out"),
            may(
                "kind",
                Kind::Word(&["signal", "slack", "commit", "template", "incident", "postmortem", "runbook"]),
                "Only this kind",
            ),
            may("service", Kind::Text, "Only this service"),
            REPO,
            SINCE,
            UNTIL,
            LIMIT,
        ],
    },
    Offer {
        name: "runbooks",
        about: "Lists the runbooks.",
        reads: true,
        path: "/api/runbooks",
        arguments: &[LIMIT, CURSOR],
    },
];

impl Offer {
    /// The JSON Schema of its arguments.
    pub fn schema(&self) -> Value {
        let describe = |argument: &Argument| {
            let mut schema = match argument.kind {
                Kind::Text => json!({"type": "string", "maxLength": TEXT}),
                Kind::Texts => json!({"type": "array", "items": {"type": "string"}, "maxItems": 50}),
                Kind::Count => json!({"type": "integer", "minimum": 1, "maximum": 100}),
                Kind::Word(words) => json!({"type": "string", "enum": words}),
            };
            schema["description"] = json!(argument.about);
            (argument.name.to_owned(), schema)
        };
        let properties: Map<String, Value> = self.arguments.iter().map(describe).collect();
        let needed: Vec<&str> = self.arguments.iter().filter(|it| it.needed).map(|it| it.name).collect();
        json!({"type": "object", "properties": properties, "required": needed, "additionalProperties": false})
    }

    /// The call that it stands for.
    ///
    /// # Errors
    /// Which argument is missing, unknown or of the wrong kind.
    pub fn call(&self, given: &JsonObject) -> Result<Call, String> {
        if let Some(odd) = given.keys().find(|name| self.arguments.iter().all(|argument| argument.name != *name)) {
            let known: Vec<&str> = self.arguments.iter().map(|argument| argument.name).collect();
            return Err(format!("no argument `{odd:.60}`; there are {}", known.join(", ")));
        }
        let (mut query, mut body, mut id) = (vec![], Map::new(), None);
        for argument in self.arguments {
            let Some(value) = given.get(argument.name).filter(|value| !value.is_null()) else {
                if argument.needed {
                    return Err(format!("the argument `{}` is missing", argument.name));
                }
                continue;
            };
            let text = argument.text(value)?;
            if argument.name == "incident_id" {
                id = Some(text);
            } else {
                query.push((argument.name.to_owned(), text));
                body.insert(argument.name.to_owned(), value.clone());
            }
        }
        if self.arguments.iter().any(|argument| argument.name == "limit") && !given.contains_key("limit") {
            query.push(("limit".into(), "20".into()));
        }
        let parts = self.path.trim_start_matches('/').split('/');
        let fill = |part: &str| if part == "{incident_id}" { id.clone().unwrap_or_default() } else { part.to_owned() };
        let path: Vec<String> = parts.map(fill).collect();
        if path.iter().any(|part| matches!(part.as_str(), "" | "." | "..")) {
            return Err("`incident_id` is no id".into());
        }
        let posts = matches!(self.name, "why" | "investigate");
        Ok(Call { path, query: if posts { vec![] } else { query }, body: posts.then_some(Value::Object(body)) })
    }
}

impl Argument {
    fn text(&self, value: &Value) -> Result<String, String> {
        let wrong = |what: &str| Err(format!("the argument `{}` is {what}", self.name));
        match (self.kind, value) {
            (Kind::Text, Value::String(text)) if text.len() <= TEXT => Ok(text.clone()),
            (Kind::Text, Value::String(_)) => wrong("longer than 20000 bytes"),
            (Kind::Text, _) => wrong("a text"),
            (Kind::Texts, Value::Array(_)) => Ok(String::new()),
            (Kind::Texts, _) => wrong("a list of texts"),
            (Kind::Count, value) => match value.as_u64() {
                Some(count @ 1..=100) => Ok(count.to_string()),
                _ => wrong("a number from 1 to 100"),
            },
            (Kind::Word(words), Value::String(word)) if words.contains(&word.as_str()) => Ok(word.clone()),
            (Kind::Word(words), _) => wrong(&format!("one of {}", words.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, given: Value) -> Result<Call, String> {
        let Value::Object(given) = given else { panic!("{given}") };
        TOOLS.iter().find(|tool| tool.name == name).unwrap().call(&given)
    }

    #[test]
    fn a_tool_is_one_call_of_the_rest_interface() {
        let read = call("get_journal", json!({"incident_id": "inc/../x", "cursor": "c"})).unwrap();
        assert_eq!(read.path, ["api", "incidents", "inc/../x", "journal"], "one part, whatever is in it");
        assert_eq!(read.query, [("cursor".to_owned(), "c".to_owned()), ("limit".to_owned(), "20".to_owned())]);
        assert_eq!(read.body, None);
        let opened = call("investigate", json!({"title": "a", "description": "b", "tags": ["c"]})).unwrap();
        assert_eq!(opened.body, Some(json!({"title": "a", "description": "b", "tags": ["c"]})));
        for (name, given) in [
            ("get_incident", json!({})),
            ("get_incident", json!({"incident_id": 7})),
            ("get_incident", json!({"incident_id": ".."})),
            ("get_incident", json!({"incident_id": ""})),
            ("list_incidents", json!({"limit": 101})),
            ("list_incidents", json!({"severity": "awful"})),
            ("list_incidents", json!({"path": "/api/tokens"})),
        ] {
            assert!(call(name, given.clone()).is_err(), "{name} {given}");
        }
    }

    #[test]
    fn nothing_is_approved_or_configured_here() {
        let words = ["approve", "reject", "action", "polic", "token", "switch", "silence", "repos", "resolve", "hint"];
        for tool in TOOLS {
            assert!(words.iter().all(|word| !tool.path.contains(word)), "{tool:?}");
            assert_eq!(tool.reads, tool.name != "investigate");
        }
    }
}
