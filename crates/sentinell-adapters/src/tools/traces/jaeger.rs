//! Jaeger's query API, the one its own user interface uses.

use super::{Found, MAX_TRACES, Server};
use crate::text::one_line;
use crate::window::Stretch;
use sentinell_core::evidence::{Gap, Span};
use sentinell_core::ports::ToolError;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) async fn services(server: &Server) -> Result<BTreeSet<String>, ToolError> {
    let answer = server.get("api/services", &[]).await?;
    Ok(answer["data"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

pub(super) async fn search(server: &Server, service: &str, (from, to): Stretch) -> Result<Found, ToolError> {
    let (from, to, limit) = (format!("{from}000"), format!("{to}000"), MAX_TRACES.to_string());
    let query = [("service", service), ("start", &from), ("end", &to), ("limit", &limit)];
    found(&server.get("api/traces", &query).await?)
}

pub(super) async fn one(server: &Server, id: &str) -> Result<Found, ToolError> {
    found(&server.get(&format!("api/traces/{id}"), &[]).await?)
}

fn found(answer: &Value) -> Result<Found, ToolError> {
    let traces = answer["data"].as_array();
    let traces = traces.ok_or_else(|| ToolError::BadQuery("the answer is none of Jaeger's".to_owned()))?;
    let (mut spans, mut odd) = (vec![], 0_usize);
    for trace in traces {
        for one in trace["spans"].as_array().into_iter().flatten() {
            match span(one, &trace["processes"]) {
                Some(span) => spans.push(span),
                None => odd += 1,
            }
        }
    }
    let what = format!("{odd} spans");
    let gaps = (odd > 0).then(|| Gap { what, why: "they tell neither a service nor a time".to_owned() });
    Ok(Found { spans, traces: traces.len(), gaps: gaps.into_iter().collect() })
}

fn span(span: &Value, processes: &Value) -> Option<Span> {
    let text = |value: &Value| value.as_str().map(|text| one_line(text, 200)).filter(|text| !text.is_empty());
    let process = match &span["process"] {
        Value::Null => &processes[span["processID"].as_str()?],
        inline => inline,
    };
    let service = text(&process["serviceName"])?;
    let places = ["k8s.namespace.name", "service.namespace", "namespace"];
    let place = places.iter().find_map(|name| text(tag(&process["tags"], name)?));
    let failed = tag(&span["tags"], "error").is_some_and(|value| *value == true || *value == "true")
        || tag(&span["tags"], "otel.status_code").is_some_and(|value| *value == "ERROR");
    let references = span["references"].as_array().into_iter().flatten();
    let parent = references.filter(|one| one["refType"] == "CHILD_OF").find_map(|one| text(&one["spanID"]));
    Some(Span {
        trace: text(&span["traceID"])?,
        id: text(&span["spanID"])?,
        parent,
        subject: place.map_or_else(|| format!("service/{service}"), |place| format!("service/{place}/{service}")),
        operation: text(&span["operationName"]).unwrap_or_default(),
        start_us: span["startTime"].as_i64()?,
        duration_us: span["duration"].as_i64()?.max(0),
        failed,
    })
}

fn tag<'v>(tags: &'v Value, key: &str) -> Option<&'v Value> {
    tags.as_array()?.iter().find(|tag| tag["key"] == key).map(|tag| &tag["value"])
}
