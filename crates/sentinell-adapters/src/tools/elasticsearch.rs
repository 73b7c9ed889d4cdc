//! Elasticsearch (7.10 or newer) and OpenSearch: the log documents of a service around the onset and of a calm stretch
//! before it. <https://www.elastic.co/guide/en/elasticsearch/reference/current/search-search.html>
//!
//! Houses name their fields differently, so they are looked up first: which of the usual names exist, and of what type.

mod fields;
mod hits;

use super::gathered::{Gathered, Part};
use crate::http::{Credentials, Http, HttpLimits, Url, base_url, under};
use crate::text::{arg, known_args, label, one_line};
use crate::window::{self, Stretch, Window, spelled};
use fields::Fields;
use sentinell_core::evidence::{Gap, Observation, Query};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Documents of each stretch of time that are asked for.
const MAX_HITS: usize = 1000;
/// Documents of one shard that a search may touch.
const MAX_TOUCHED: usize = 1_000_000;
/// How long the cluster may search.
const PATIENCE: &str = "10s";
/// Bytes of a query text that a question may bring.
const MAX_QUERY: usize = 1000;
/// Arguments.
const ARGS: [&str; 5] = ["service", "namespace", "pod", "contains", "query"];
/// What an index pattern may leave out without being an error.
const LENIENT: [(&str, &str); 2] = [("ignore_unavailable", "true"), ("allow_no_indices", "true")];

/// Where a cluster is and who asks.
#[derive(Debug, Clone, Default)]
pub struct ElasticsearchSettings {
    /// Its base URL (`https://127.0.0.1:9200`, a path prefix is kept).
    pub url: String,
    /// Who we are to it.
    pub who: Credentials,
    /// The indices, data streams or patterns to search, comma separated.
    pub index: String,
}

/// The tool `elasticsearch`.
pub struct Elasticsearch {
    http: Http,
    base: Url,
    who: Credentials,
    index: String,
    clock: Arc<dyn Clock>,
    describe: String,
}

impl Elasticsearch {
    /// An eye on one cluster.
    ///
    /// # Errors
    /// If the URL or the index pattern makes no sense; the URL is not repeated.
    pub fn new(settings: ElasticsearchSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let index = settings.index.trim().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,*:".contains(c);
        // An underscore first would be another part of the API.
        if index.is_empty() || index.starts_with(['_', '-']) || !index.chars().all(plain) {
            return Err("an index pattern is letters, digits and `-_.,*:`, such as logs-*,filebeat-*".to_owned());
        }
        let describe = format!(
            "reads log documents from Elasticsearch or OpenSearch ({index}), finding the fields itself; args: service, namespace, \
             pod (what to look for), contains (a phrase), query (words in simple query string syntax), {}; brings the newest {MAX_HITS}",
            window::HELP
        );
        let limits = HttpLimits { body: 24 << 20, ..HttpLimits::default() };
        let (base, http) = (base_url(&settings.url)?, Http::new(limits)?);
        Ok(Self { http, base, who: settings.who, index, clock, describe })
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        let args = &query.args;
        let known: Vec<&str> = ARGS.iter().chain(&window::ARGS).copied().collect();
        known_args(args, &known).map_err(ToolError::BadQuery)?;
        if !ARGS.iter().any(|name| arg(args, name).is_some()) {
            return Err(ToolError::BadQuery(format!("say what to look for: {}", ARGS.join(", "))));
        }
        if args.values().any(|value| value.len() > MAX_QUERY) {
            return Err(ToolError::BadQuery(format!("an argument of more than {MAX_QUERY} bytes")));
        }
        let window = Window::of(args, self.clock.now()).map_err(ToolError::BadQuery)?;
        let fields = self.fields().await?;
        let call = format!("search {}", self.index);
        let filters = match fields.filters(args) {
            Ok(filters) => filters,
            Err(gap) => return Ok(Observation { gaps: vec![gap], call, ..Observation::default() }),
        };
        let calm = async {
            match window.calm {
                Some(calm) => self.search(&fields, &filters, calm).await.map(Some),
                None => Ok(None),
            }
        };
        let (calm, trouble) = futures::join!(calm, self.search(&fields, &filters, window.trouble));
        let mut seen = Observation { call: format!("{call} {}", json!(filters)), ..Observation::default() };
        let mut gathered = Gathered::default();
        let trouble = trouble?;
        self.take(&fields, &trouble, (Part::Trouble, window.trouble), &mut gathered, &mut seen.gaps)?;
        match (calm, window.calm) {
            (Ok(Some(answer)), Some(stretch)) => {
                self.take(&fields, &answer, (Part::Calm, stretch), &mut gathered, &mut seen.gaps)?;
            }
            // What is there now is worth more than what it is compared with.
            (Err(error), _) => {
                seen.gaps
                    .push(Gap { what: format!("{call}: the calm before, to compare with"), why: error.to_string() });
            }
            _ => {}
        }
        let (telemetry, gaps) = gathered.finish(&one_line(&seen.call, 400));
        seen.telemetry = telemetry;
        seen.gaps.extend(gaps);
        Ok(seen)
    }

    /// Which of the usual fields are there.
    async fn fields(&self) -> Result<Fields, ToolError> {
        let url = under(&self.base, &format!("{}/_field_caps", self.index));
        let names = Fields::usual().collect::<Vec<_>>().join(",");
        let query = [("fields", names.as_str()), LENIENT[0], LENIENT[1]];
        let answer = self.http.get_json(url, &query, &self.who).await?;
        Fields::of(&answer).map_err(|why| ToolError::BadQuery(format!("{}: {why}", self.index)))
    }

    async fn search(&self, fields: &Fields, filters: &[Value], (from, to): Stretch) -> Result<Value, ToolError> {
        let time = &fields.time;
        let range = json!({"range": {time: {"gte": from, "lt": to, "format": "epoch_millis"}}});
        let filters: Vec<&Value> = filters.iter().chain([&range]).collect();
        let wanted = fields.all().map(|field| json!({"field": field}));
        let wanted: Vec<Value> = wanted.chain([json!({"field": time, "format": "epoch_millis"})]).collect();
        let body = json!({
            "size": MAX_HITS,
            "track_total_hits": false,
            "timeout": PATIENCE,
            "terminate_after": MAX_TOUCHED,
            "sort": [{time: {"order": "desc", "unmapped_type": "date"}}],
            "_source": false,
            "fields": wanted,
            "query": {"bool": {"filter": filters}},
        });
        self.http.post_json(under(&self.base, &format!("{}/_search", self.index)), &LENIENT, &body, &self.who).await
    }

    fn take(
        &self,
        fields: &Fields,
        answer: &Value,
        (part, stretch): (Part, Stretch),
        gathered: &mut Gathered,
        gaps: &mut Vec<Gap>,
    ) -> Result<(), ToolError> {
        let count = hits::lines(answer, fields, part, gathered).map_err(ToolError::BadQuery)?;
        let cut = ["timed_out", "terminated_early"].iter().find(|name| answer[**name] == true);
        let failed = answer["_shards"]["failed"].as_u64().filter(|failed| *failed > 0);
        let why = match (count >= MAX_HITS, cut, failed) {
            (true, ..) => Some(format!("one look brings the newest {MAX_HITS} documents; ask more narrowly")),
            (_, Some(name), _) => Some(format!("the cluster stopped searching ({name}); ask more narrowly")),
            (_, _, Some(failed)) => Some(format!("{failed} shards did not answer")),
            _ => None,
        };
        gaps.extend(why.map(|why| Gap { what: format!("more documents of {} {}", self.index, spelled(stretch)), why }));
        Ok(())
    }
}

impl Tool for Elasticsearch {
    fn name(&self) -> &str {
        "elasticsearch"
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let mut args = BTreeMap::new();
        let mut take = |name: &str, labels: &[&str]| {
            let value = label(case, labels).map(|value| value.chars().take(200).collect());
            args.extend(value.map(|value: String| (name.to_owned(), value)));
        };
        take("service", &["service", "service_name", "app", "deployment", "container", "job"]);
        take("pod", &["pod"]);
        // A namespace alone is everybody's lines.
        if args.is_empty() {
            return vec![];
        }
        args.extend(
            label(case, &["namespace"]).map(|value| ("namespace".to_owned(), value.chars().take(200).collect())),
        );
        args.insert("onset".to_owned(), case.signal.occurred_at.to_string());
        let why = "what does it write that it did not write before?".to_owned();
        vec![Question { tool: self.name().to_owned(), args, why }]
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let fields = self.fields().await?;
            Ok(Some(format!("{}: times in {}, texts in {}", self.index, fields.time, fields.text.join(", "))))
        })
    }
}

impl std::fmt::Debug for Elasticsearch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Elasticsearch")
            .field("host", &self.base.host_str())
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
