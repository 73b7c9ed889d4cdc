//! The log sources that people registered for a repository, read by the eyes that the operator configured.
//!
//! Whoever registers a source names an address; only the operator's configuration decides which addresses are asked, and as
//! whom. A source elsewhere is a gap that says what to add.

use crate::store::{LogSource, Store};
use futures::future::join_all;
use sentinell_core::evidence::{Gap, Observation, Query};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Question, Tool, ToolError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sources of one repository that are asked.
const SOURCES: usize = 5;
/// What a source's metadata may say about where its lines are, as the eyes call it.
const ARGS: [&str; 8] = ["query", "service", "namespace", "pod", "container", "job", "instance", "contains"];

/// An eye that the operator configured.
pub struct Configured {
    /// loki or elasticsearch.
    pub source_type: &'static str,
    /// Its base URL.
    pub url: String,
    /// The eye.
    pub eye: Arc<dyn Tool>,
}

/// An eye on registered log sources.
pub struct LogSources {
    store: Store,
    configured: Vec<Configured>,
}

impl LogSources {
    /// Reads the registry of this store through these eyes.
    pub fn new(store: Store, configured: Vec<Configured>) -> Self {
        Self { store, configured }
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        if let Some(name) = query.args.keys().find(|name| !matches!(name.as_str(), "repo" | "onset")) {
            return Err(ToolError::BadQuery(format!("no argument `{name:.40}`; there are repo and onset")));
        }
        let repo = query.args.get("repo").ok_or_else(|| ToolError::BadQuery("say which repo, by its id".into()))?;
        let kept = |error: crate::store::StoreError| ToolError::Retry(error.to_string());
        let sources = self.store.log_sources_of(repo).await.map_err(kept)?;
        let service = self.store.repo(repo).await.map_err(kept)?.map(|repo| repo.name);
        let asked = sources.iter().take(SOURCES).map(|source| self.ask(source, service.as_deref(), query));
        let mut seen = Observation::default();
        let mut calls = vec![];
        for (source, answer) in sources.iter().zip(join_all(asked).await) {
            match answer {
                Ok(answer) => {
                    seen.telemetry.extend(answer.telemetry);
                    seen.gaps.extend(answer.gaps);
                    calls.push(format!("{}: {}", source.name, answer.call));
                }
                Err(why) => seen.gaps.push(Gap { what: format!("the log source `{:.60}`", source.name), why }),
            }
        }
        if sources.len() > SOURCES {
            let why = format!("{} are registered for this repository; the newest {SOURCES} were read", sources.len());
            seen.gaps.push(Gap { what: "older log sources".into(), why });
        }
        seen.call = if calls.is_empty() { "no registered log source".to_owned() } else { calls.join("  ·  ") };
        Ok(seen)
    }

    async fn ask(&self, source: &LogSource, service: Option<&str>, query: &Query) -> Result<Observation, String> {
        let eye = self.eye(source)?;
        let named = |name: &&str| Some(((*name).to_owned(), source.metadata.get(*name)?.as_str()?.to_owned()));
        let mut args: BTreeMap<String, String> = ARGS.iter().filter_map(named).collect();
        if args.is_empty() {
            args.extend(service.map(|service| ("service".to_owned(), service.to_owned())));
        }
        args.extend(query.args.get("onset").map(|onset| ("onset".to_owned(), onset.clone())));
        let asked = Query { tool: eye.name().to_owned(), args, ..query.clone() };
        eye.observe(&asked).await.map_err(|error| error.to_string())
    }

    /// The configured eye at a source's address; without one, the only eye of its kind.
    fn eye(&self, source: &LogSource) -> Result<&Arc<dyn Tool>, String> {
        let kind = source.source_type.as_str();
        let mut of_kind = self.configured.iter().filter(|one| one.source_type == kind);
        let found = match &source.endpoint {
            Some(endpoint) => of_kind.find(|one| one.url.trim_end_matches('/') == endpoint.trim_end_matches('/')),
            None => of_kind.next().filter(|_| of_kind.next().is_none()),
        };
        found.map(|one| &one.eye).ok_or_else(|| match (&source.endpoint, kind) {
            (Some(endpoint), "loki" | "elasticsearch") => {
                format!("the operator has not configured its address; add [[{kind}]] with url = \"{endpoint:.200}\"")
            }
            (None, "loki" | "elasticsearch") => {
                "it has no endpoint, and not exactly one server of its kind is set up".into()
            }
            _ => format!("sources of the kind {kind} are read from the configuration only"),
        })
    }
}

impl Tool for LogSources {
    fn name(&self) -> &str {
        "log_sources"
    }

    fn describe(&self) -> &str {
        "Lines of the log sources that are registered for a repository. Arguments: repo (its id), onset (RFC 3339, default now)."
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let question = |repo: &String| Question {
            tool: self.name().to_owned(),
            args: BTreeMap::from([
                ("repo".to_owned(), repo.clone()),
                ("onset".to_owned(), case.signal.occurred_at.to_string()),
            ]),
            why: "what do the log sources of this repository say?".to_owned(),
        };
        case.signal.repo_id.iter().map(question).collect()
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{By, Options, Repo};
    use sentinell_core::time::Timestamp;
    use serde_json::{Value, json};
    use std::sync::Mutex;

    /// Answers nothing and remembers what it was asked.
    struct Eye(Mutex<Vec<BTreeMap<String, String>>>);

    impl Tool for Eye {
        fn name(&self) -> &str {
            "loki"
        }

        fn describe(&self) -> &str {
            ""
        }

        fn first_look(&self, _: &Investigation) -> Vec<Question> {
            vec![]
        }

        fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
            self.0.lock().unwrap().push(query.args.clone());
            Box::pin(async { Ok(Observation { call: "asked".into(), ..Observation::default() }) })
        }
    }

    fn source(id: &str, endpoint: Option<&str>, metadata: Value) -> LogSource {
        let text = json!({"id": id, "name": id, "repo_id": "r1", "source_type": "loki", "endpoint": endpoint,
            "metadata": metadata, "created_at": Timestamp(1), "updated_at": Timestamp(1)});
        serde_json::from_value(text).unwrap()
    }

    fn by() -> By {
        By { actor: "ann".into(), at: Timestamp(1) }
    }

    #[tokio::test]
    async fn a_registered_source_is_asked_where_the_operator_says_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("s.db").display());
        let store = Store::open(&url, Options::default()).await.unwrap();
        let repo = json!({"id": "r1", "name": "mill", "repo_url": "https://github.com/town/mill", "default_branch": "main",
            "created_at": Timestamp(1), "updated_at": Timestamp(1)});
        store.put_repo(&serde_json::from_value::<Repo>(repo).unwrap(), by()).await.unwrap();
        for one in [
            source("known", Some("http://loki.town:3100/"), json!({})),
            source("picky", None, json!({"query": "{app=\"mill\"}", "odd": 1})),
            source("elsewhere", Some("http://169.254.169.254/"), json!({})),
        ] {
            store.put_log_source(&one, by()).await.unwrap();
        }
        let eye = Arc::new(Eye(Mutex::default()));
        let configured = Configured {
            source_type: "loki",
            url: "http://loki.town:3100".into(),
            eye: Arc::clone(&eye) as Arc<dyn Tool>,
        };
        let sources = LogSources::new(store, vec![configured]);
        let query: Query = serde_json::from_value(
            json!({"id": "q1", "tool": "log_sources", "args": {"repo": "r1", "onset": "2026-11-22T12:00:00Z"}, "why": ""}),
        )
        .unwrap();
        let seen = sources.observe(&query).await.unwrap();
        let asked = eye.0.lock().unwrap().clone();
        let services: Vec<_> = asked.iter().filter_map(|args| args.get("service")).collect();
        let queries: Vec<_> = asked.iter().filter_map(|args| args.get("query")).collect();
        assert_eq!((services, queries), (vec![&"mill".to_owned()], vec![&"{app=\"mill\"}".to_owned()]));
        assert!(asked.iter().all(|args| args["onset"] == "2026-11-22T12:00:00Z"));
        assert_eq!(seen.gaps.len(), 1);
        assert!(seen.gaps[0].why.contains("[[loki]]"), "{:?}", seen.gaps);
    }
}
