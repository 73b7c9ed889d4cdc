//! Fields as ECS, OpenTelemetry, Fluent Bit and plain applications name them, and questions made of those that are there.

use crate::text::{arg, one_line};
use sentinell_core::evidence::Gap;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TIME: [&str; 5] = ["@timestamp", "timestamp", "time", "ts", "observedTimestamp"];
const TEXT: [&str; 6] = ["message", "msg", "body", "body.text", "log", "event.original"];
const LEVEL: [&str; 7] = ["log.level", "level", "severity_text", "severity.text", "severity", "loglevel", "lvl"];
const TRACE: [&str; 4] = ["trace.id", "trace_id", "traceId", "traceID"];
pub(super) const SERVICE: [&str; 13] = [
    "service.name",
    "resource.attributes.service.name",
    "resource.service.name",
    "kubernetes.labels.app",
    "kubernetes.labels.app_kubernetes_io/name",
    "kubernetes.deployment.name",
    "kubernetes.container.name",
    "kubernetes.container_name",
    "container.name",
    "service",
    "app",
    "application",
    "job",
];
pub(super) const NAMESPACE: [&str; 5] = [
    "kubernetes.namespace",
    "kubernetes.namespace_name",
    "resource.attributes.k8s.namespace.name",
    "service.namespace",
    "namespace",
];
pub(super) const POD: [&str; 5] =
    ["kubernetes.pod.name", "kubernetes.pod_name", "resource.attributes.k8s.pod.name", "pod", "pod_name"];
pub(super) const HOST: [&str; 3] = ["host.name", "hostname", "host"];
/// Types of whole values.
const WHOLE: [&str; 4] = ["keyword", "constant_keyword", "wildcard", "ip"];

/// What is there of all that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    /// When a document was written.
    pub(super) time: String,
    /// What it says; the first that a document has.
    pub(super) text: Vec<String>,
    /// How loud.
    pub(super) level: Vec<String>,
    /// In which trace.
    pub(super) trace: Vec<String>,
    /// Everything else that is there, with how it is asked for.
    known: BTreeMap<String, Way>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As a whole value.
    Term,
    /// As a whole value in its sub-field `keyword`.
    Keyword,
    /// As words after one another.
    Phrase,
}

impl Fields {
    /// What to ask for.
    pub(super) fn usual() -> impl Iterator<Item = String> {
        let plain = TIME.iter().chain(&TEXT).chain(&LEVEL).chain(&TRACE).map(|name| (*name).to_owned());
        plain.chain(owners().flat_map(|name| [name.to_owned(), format!("{name}.keyword")]))
    }

    /// Of an answer of `_field_caps`.
    pub(super) fn of(answer: &Value) -> Result<Self, String> {
        let fields = answer["fields"].as_object().ok_or("the answer is none of Elasticsearch's")?;
        let is = |name: &str, types: &[&str]| {
            fields
                .get(name)
                .and_then(Value::as_object)
                .is_some_and(|found| found.keys().any(|kind| types.contains(&kind.as_str())))
        };
        let any =
            |name: &str| fields.get(name).and_then(Value::as_object).is_some_and(|found| !found.contains_key("object"));
        let there =
            |names: &[&str]| names.iter().filter(|name| any(name)).map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let time = TIME.iter().find(|name| is(name, &["date", "date_nanos"]));
        let time = time.ok_or_else(|| format!("no field of type date among {}", TIME.join(", ")))?;
        let text = there(&TEXT);
        if text.is_empty() {
            return Err(format!("no field with the text among {}", TEXT.join(", ")));
        }
        let way = |name: &str| {
            let ways = [
                (is(name, &WHOLE), Way::Term),
                (is(&format!("{name}.keyword"), &WHOLE), Way::Keyword),
                (is(name, &["text", "match_only_text"]), Way::Phrase),
            ];
            ways.into_iter().find(|(there, _)| *there).map(|(_, way)| way)
        };
        let known = owners().filter_map(|name| Some((name.to_owned(), way(name)?))).collect();
        Ok(Self { time: (*time).to_owned(), text, level: there(&LEVEL), trace: there(&TRACE), known })
    }

    /// Everything that is read of a document, the time apart.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        let lists = [&self.text, &self.level, &self.trace].into_iter().flatten();
        lists.chain(self.known.keys()).map(String::as_str)
    }

    /// What a document must fulfil; a gap if no field is there by which that could be asked.
    pub(super) fn filters(&self, args: &BTreeMap<String, String>) -> Result<Vec<Value>, Gap> {
        let mut filters = vec![];
        for (name, fields) in [("service", &SERVICE[..]), ("namespace", &NAMESPACE[..]), ("pod", &POD[..])] {
            let Some(value) = arg(args, name) else { continue };
            let mut should: Vec<Value> = fields.iter().filter_map(|field| self.equals(field, value)).collect();
            if name == "service" {
                should.extend(POD.iter().filter_map(|field| self.begins(field, &format!("{value}-"))));
            }
            // Documents without a namespace at all are nobody's: a filter that nothing can pass would hide everything.
            if should.is_empty() && name == "namespace" {
                continue;
            }
            if should.is_empty() {
                let there: Vec<&str> = self.known.keys().map(String::as_str).collect();
                let why = format!("no field there tells a {name}; there are: {}", there.join(", "));
                return Err(Gap { what: format!("log documents of {name} {}", one_line(value, 80)), why });
            }
            filters.push(json!({"bool": {"should": should, "minimum_should_match": 1}}));
        }
        if let Some(text) = arg(args, "contains") {
            let phrases: Vec<Value> = self.text.iter().map(|field| json!({"match_phrase": {field: text}})).collect();
            filters.push(json!({"bool": {"should": phrases, "minimum_should_match": 1}}));
        }
        if let Some(words) = arg(args, "query") {
            let query = json!({"query": words, "default_operator": "and", "lenient": true, "flags": "AND|OR|NOT|PHRASE|PREFIX|PRECEDENCE|ESCAPE|WHITESPACE"});
            filters.push(json!({"simple_query_string": query}));
        }
        Ok(filters)
    }

    fn equals(&self, field: &str, value: &str) -> Option<Value> {
        Some(match self.known.get(field)? {
            Way::Term => json!({"term": {field: {"value": value}}}),
            Way::Keyword => json!({"term": {format!("{field}.keyword"): {"value": value}}}),
            Way::Phrase => json!({"match_phrase": {field: value}}),
        })
    }

    fn begins(&self, field: &str, value: &str) -> Option<Value> {
        Some(match self.known.get(field)? {
            Way::Term => json!({"prefix": {field: {"value": value}}}),
            Way::Keyword => json!({"prefix": {format!("{field}.keyword"): {"value": value}}}),
            Way::Phrase => json!({"match_phrase_prefix": {field: value}}),
        })
    }
}

fn owners() -> impl Iterator<Item = &'static str> {
    SERVICE.iter().chain(&NAMESPACE).chain(&POD).chain(&HOST).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(caps: &Value) -> Fields {
        Fields::of(&json!({ "fields": caps })).unwrap()
    }

    #[test]
    fn a_field_is_asked_for_by_its_type() {
        let found = fields(&json!({
            "timestamp": {"date": {"type": "date"}}, "log": {"text": {}}, "service": {"object": {}},
            "service.name": {"keyword": {}}, "app": {"text": {}}, "app.keyword": {"keyword": {}}, "job": {"text": {}}}));
        assert_eq!((found.time.as_str(), found.text.as_slice()), ("timestamp", &["log".to_owned()][..]));
        let args = BTreeMap::from([("service".to_owned(), "a\"},{\"match_all\":{}".to_owned())]);
        let filters = found.filters(&args).unwrap();
        let value = &args["service"];
        let should = json!([{"term": {"service.name": {"value": value}}}, {"term": {"app.keyword": {"value": value}}},
            {"match_phrase": {"job": value}}]);
        assert_eq!(filters, [json!({"bool": {"should": should, "minimum_should_match": 1}})]);
    }

    #[test]
    fn what_cannot_be_asked_is_a_gap_and_an_index_without_time_is_refused() {
        let found = fields(&json!({"@timestamp": {"date": {}}, "message": {"text": {}}, "host.name": {"keyword": {}}}));
        let args = BTreeMap::from([("service".to_owned(), "till".to_owned())]);
        assert!(found.filters(&args).unwrap_err().why.contains("host.name"));
        assert!(Fields::of(&json!({"fields": {"message": {"text": {}}}})).unwrap_err().contains("date"));
        assert!(Fields::of(&json!({"fields": {"@timestamp": 7}})).is_err() && Fields::of(&json!([])).is_err());
    }
}
