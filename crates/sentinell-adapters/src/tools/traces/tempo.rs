//! Grafana Tempo: TraceQL finds ids, each trace is read by itself.

use super::{Found, Server};
use crate::text::quoted_label;
use crate::tools::otlp::{self, Export};
use crate::window::Stretch;
use futures::StreamExt;
use sentinell_core::evidence::Gap;
use sentinell_core::ports::ToolError;
use serde_json::Value;
use std::collections::BTreeSet;

/// Traces of one stretch that are read: each is a request of its own.
const MAX_READ: usize = 25;
/// Of them at a time.
const SIDE_BY_SIDE: usize = 4;

pub(super) async fn services(server: &Server) -> Result<BTreeSet<String>, ToolError> {
    let answer = server.get("api/search/tag/service.name/values", &[]).await?;
    let values = answer["tagValues"].as_array();
    Ok(values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

pub(super) async fn search(server: &Server, service: &str, (from, to): Stretch) -> Result<Found, ToolError> {
    let (from, to, limit) = ((from / 1000).to_string(), (to / 1000 + 1).to_string(), MAX_READ.to_string());
    let wanted = format!("{{ resource.service.name = \"{}\" }}", quoted_label(service));
    let query = [("q", wanted.as_str()), ("start", &from), ("end", &to), ("limit", &limit)];
    let answer = server.get("api/search", &query).await?;
    let ids = answer["traces"].as_array().into_iter().flatten().filter_map(|trace| trace["traceID"].as_str());
    // It leaves out zeros at the beginning of an id.
    let plain = |id: &&str| (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ids: Vec<String> = ids.filter(plain).take(MAX_READ).map(|id| format!("{id:0>32}")).collect();
    let reads: Vec<_> = ids.iter().map(|id| one(server, id)).collect();
    let answers: Vec<_> = futures::stream::iter(reads).buffered(SIDE_BY_SIDE).collect().await;
    let mut all = Found { traces: ids.len(), ..Found::default() };
    for (id, answer) in ids.iter().zip(answers) {
        match answer {
            Ok(found) => {
                all.spans.extend(found.spans);
                all.gaps.extend(found.gaps);
            }
            Err(error) => all.gaps.push(Gap { what: format!("trace {id}"), why: error.to_string() }),
        }
    }
    if ids.len() == MAX_READ {
        let why = format!("{MAX_READ} of each stretch are read; ask for less time, or for one by its id");
        all.gaps.push(Gap { what: "more traces of Tempo".to_owned(), why });
    }
    Ok(all)
}

pub(super) async fn one(server: &Server, id: &str) -> Result<Found, ToolError> {
    let mut answer = server.get(&format!("api/traces/{id}"), &[]).await?;
    // The second version of its API wraps it.
    if let Some(inner) = answer.get_mut("trace") {
        answer = inner.take();
    }
    let export: Result<Export, _> = serde_json::from_value(answer);
    let export = export.map_err(|error| ToolError::BadQuery(format!("trace {id} is not OTLP: {error}")))?;
    let mut found = Found { traces: 1, ..Found::default() };
    let odd: usize = export.resource_spans.into_iter().map(|one| otlp::add(&mut found.spans, one, None)).sum();
    let gap = |odd: usize| Gap {
        what: format!("{odd} spans of trace {id}"),
        why: "they tell neither a service nor a time".to_owned(),
    };
    found.gaps.extend((odd > 0).then(|| gap(odd)));
    Ok(found)
}
