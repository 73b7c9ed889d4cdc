//! Documents as log lines.

use super::fields::{Fields, HOST, NAMESPACE, POD, SERVICE};
use crate::tools::gathered::{Gathered, Part, line};
use crate::tools::whose::subject;
use serde_json::Value;

/// Adds the documents of an answer; how many there were.
///
/// # Errors
/// If the answer is of another shape altogether.
pub(super) fn lines(answer: &Value, fields: &Fields, part: Part, gathered: &mut Gathered) -> Result<usize, String> {
    let hits = answer["hits"]["hits"].as_array().ok_or("the answer is none of Elasticsearch's")?;
    for hit in hits {
        let get = |name: &str| first(&hit["fields"], name);
        let any = |names: &[String]| names.iter().find_map(|name| get(name));
        let Some(text) = any(&fields.text) else { continue };
        let owner = subject(|name| {
            let usual: &[&str] = match name {
                "service_name" => &SERVICE,
                "namespace" => &NAMESPACE,
                "pod" => &POD,
                "host" => &HOST,
                _ => &[],
            };
            usual.iter().find_map(|field| get(field))
        });
        let owner = owner.unwrap_or_else(|| "log/elasticsearch".to_owned());
        let at = hit["fields"][&fields.time][0].as_str().and_then(millis).or_else(|| hit["sort"][0].as_i64());
        gathered.add(&owner, part, line(at, any(&fields.level), text, any(&fields.trace)));
    }
    Ok(hits.len())
}

/// The first text of a field; the cluster answers with lists.
fn first<'v>(fields: &'v Value, name: &str) -> Option<&'v str> {
    fields[name][0].as_str().filter(|text| !text.trim().is_empty())
}

/// `epoch_millis` as the cluster spells it; nanoseconds come as a fraction.
fn millis(text: &str) -> Option<i64> {
    text.split('.').next()?.parse().ok()
}
