//! Mirrors signals, shapes of log lines, messages and changes to an index at Pinecone: what was written here since, and what
//! was forgotten here. Nothing waits for it, and what could not be sent is sent later.

use super::{Embedder, Follower, Progress, said};
use crate::store::{Due, Kind, Record, Store};
use sentinell_adapters::context::{Pinecone, PineconeItem};
use sentinell_core::ports::BoxFuture;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Records of one batch, and ids that are taken away at once.
const BATCH: u32 = 100;
/// Characters of a text and of other fields; an item's metadata may have 40 KiB.
const TEXT: usize = 8_000;
const FIELD: usize = 1_000;
/// Fields that come from the facts at most.
const EXTRAS: usize = 24;

/// One who mirrors.
pub struct Mirror {
    store: Store,
    pinecone: Arc<Pinecone>,
    model: String,
    progress: Progress,
}

/// The namespace of a kind; none for what is not mirrored.
pub(in crate::memory) fn namespace(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Signal | Kind::Template => Some("logs"),
        Kind::Slack => Some("slack"),
        Kind::Commit => Some("commits"),
        Kind::Incident | Kind::Postmortem | Kind::Runbook => None,
    }
}

/// What is known of a record, as Pinecone takes it: a flat object without nulls. The system's fields are laid last, so that
/// nothing that came with a record can stand in their place.
fn metadata(record: &Record) -> Value {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let mut fields = Map::new();
    for (name, value) in record.facts.as_object().into_iter().flatten().take(EXTRAS) {
        let value = match value {
            Value::String(text) => json!(cut(text, FIELD)),
            Value::Number(_) | Value::Bool(_) => value.clone(),
            _ => continue,
        };
        fields.insert(cut(name, 60), value);
    }
    let mut system = |name: &str, value: Option<Value>| match value {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
    let text = |text: &Option<String>| text.as_deref().map(|text| json!(cut(text, FIELD)));
    // Callers of the first version look for an empty one and not for none.
    system("repo_id", Some(text(&record.repo_id).unwrap_or_else(|| json!(""))));
    system("timestamp", Some(json!(record.at.to_string())));
    system("timestamp_epoch", Some(json!(record.at.0 / 1_000)));
    system("source_type", Some(json!(record.kind)));
    system("text", Some(json!(cut(&record.whole(), TEXT))));
    system("title", Some(json!(cut(&record.title, FIELD))));
    system("service", text(&record.service));
    system("incident_id", record.incident.as_ref().map(|id| json!(id.as_str())));
    system("reference", text(&record.reference));
    Value::Object(fields)
}

fn item(due: &Due) -> Option<(&'static str, PineconeItem)> {
    let namespace = namespace(due.record.kind)?;
    let length = due.vector.iter().map(|x| f32::from(*x) * f32::from(*x)).sum::<f32>().sqrt();
    if length <= 0.0 {
        return None;
    }
    let values = due.vector.iter().map(|x| f32::from(*x) / length).collect();
    Some((namespace, PineconeItem { id: due.record.id.clone(), values, metadata: metadata(&due.record) }))
}

impl Mirror {
    /// Mirrors the vectors of this model.
    pub fn new(store: Store, pinecone: Arc<Pinecone>, model: &str) -> Self {
        let progress = Progress::new(store.clone(), format!("mirror {} {model}", pinecone.index()));
        Self { store, pinecone, model: model.to_owned(), progress }
    }

    async fn batch(&self) -> Result<bool, String> {
        let from = self.progress.position().await?;
        let taken_away = self.take_away().await?;
        let there = self.store.remembered(&Embedder::source(&self.model)).await.map_err(said)?;
        let (due, to) = self.store.with_meaning(from, there, &self.model, BATCH).await.map_err(said)?;
        let mut items: BTreeMap<&str, Vec<PineconeItem>> = BTreeMap::new();
        for (namespace, item) in due.iter().filter_map(item) {
            items.entry(namespace).or_default().push(item);
        }
        for (namespace, items) in &items {
            self.pinecone.upsert(namespace, items).await?;
        }
        if to > from {
            self.store.followed(&self.progress.source, from, to).await.map_err(said)?;
        }
        Ok(taken_away || !due.is_empty())
    }

    /// What was forgotten here is forgotten there.
    async fn take_away(&self) -> Result<bool, String> {
        let gone = self.store.forgotten(BATCH).await.map_err(said)?;
        if gone.is_empty() {
            return Ok(false);
        }
        let ids: Vec<&str> = gone.iter().map(|(id, _)| id.as_str()).collect();
        let still = self.store.still_remembered(&ids).await.map_err(said)?;
        let mut away: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (id, kind) in gone.iter().filter(|(id, _)| !still.contains(id)) {
            if let Some(namespace) = namespace(*kind) {
                away.entry(namespace).or_default().push(id.clone());
            }
        }
        for (namespace, ids) in &away {
            self.pinecone.delete(namespace, ids).await?;
        }
        self.store.settle_forgotten(gone.into_iter().map(|(id, _)| id).collect()).await.map_err(said)?;
        Ok(true)
    }
}

impl Follower for Mirror {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn step(&self) -> BoxFuture<'_, Result<bool, String>> {
        Box::pin(self.batch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_core::time::Timestamp;

    #[test]
    fn what_came_with_a_record_never_stands_in_the_place_of_what_the_system_knows() {
        let record = Record {
            id: "a".into(),
            kind: Kind::Slack,
            at: Timestamp(1_790_000_000_123),
            taken_at: Timestamp(0),
            repo_id: None,
            service: None,
            incident: None,
            title: "lamp".into(),
            text: "x".repeat(100_000),
            reference: None,
            facts: json!({"repo_id": "forged", "timestamp_epoch": 1, "source_type": "commit", "text": "forged",
                "service": "forged", "incident_id": "forged", "severity": "high", "none": null, "deep": {"a": 1}}),
        };
        let seen = metadata(&record);
        assert_eq!(
            (&seen["repo_id"], &seen["source_type"], &seen["severity"]),
            (&json!(""), &json!("slack"), &json!("high"))
        );
        assert_eq!(seen["timestamp_epoch"], 1_790_000_000);
        assert!(seen.get("service").is_none() && seen.get("incident_id").is_none(), "{seen}");
        assert!(seen.as_object().unwrap().values().all(|value| !value.is_null() && !value.is_object()));
        assert!(seen.to_string().len() < 12_000 && !seen.to_string().contains("forged"));
    }
}
