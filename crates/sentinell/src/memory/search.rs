//! Asking the memory: the question gets its meaning, the store finds.

use super::followers::namespace;
use crate::store::{Found, Kind, Recall, Store, StoreError};
use sentinell_adapters::context::Pinecone;
use sentinell_core::ids::{Fingerprint, IncidentId};
use sentinell_core::ports::Meaning;
use sentinell_core::signal::Signal;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a question waits for its meaning before it is asked by words alone.
const PATIENCE: Duration = Duration::from_secs(3);
/// Characters of an incident that are asked with.
const QUESTION: usize = 1_500;

/// How long a source that failed is not asked again by questions.
const REST: Duration = Duration::from_secs(20);
/// Records that a store of vectors elsewhere is asked for, of each namespace.
const TOLD: usize = 60;

/// What gives a question its meaning, and who else is asked what is near; nothing where none is set up.
#[derive(Clone, Default)]
pub struct Sense {
    meaning: Option<Arc<dyn Meaning>>,
    pinecone: Option<Arc<Pinecone>>,
    resting: Arc<Mutex<Option<(Instant, String)>>>,
}

impl std::fmt::Debug for Sense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.meaning.as_ref().map_or("none", |meaning| meaning.model()))
    }
}

impl From<Arc<dyn Meaning>> for Sense {
    fn from(meaning: Arc<dyn Meaning>) -> Self {
        Self { meaning: Some(meaning), ..Self::default() }
    }
}

impl Sense {
    /// The same; an index at Pinecone is asked what is near.
    pub fn with_pinecone(self, pinecone: Option<Arc<Pinecone>>) -> Self {
        Self { pinecone, ..self }
    }

    /// The vector of a question, or why there is none. A source that failed rests for a while: meanwhile questions are
    /// asked by their words at once.
    async fn of(&self, text: &str, gaps: &mut Vec<String>) -> Option<(String, Vec<f32>)> {
        let meaning = self.meaning.as_ref().filter(|_| !text.trim().is_empty())?;
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let embedded = match resting.filter(|(since, _)| since.elapsed() < REST) {
            Some((_, why)) => Err(why),
            None => {
                let texts = [text.to_owned()];
                let embedded = match tokio::time::timeout(PATIENCE, meaning.embed(&texts)).await {
                    Ok(embedded) => embedded,
                    Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
                };
                let failed = embedded.as_ref().err().map(|why| (Instant::now(), why.clone()));
                *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = failed;
                embedded
            }
        };
        match embedded {
            Ok(vectors) => {
                let vector = vectors.into_iter().next().filter(|vector| !vector.is_empty())?;
                Some((meaning.model().to_owned(), vector))
            }
            Err(why) => {
                gaps.push(format!("asked by words alone: the question's meaning could not be had ({why:.200})"));
                None
            }
        }
    }

    /// What the index elsewhere says is near.
    async fn told(&self, recall: &Recall, gaps: &mut Vec<String>) -> Vec<(String, f64)> {
        let (Some(pinecone), Some((_, vector))) = (&self.pinecone, &recall.vector) else { return vec![] };
        let (filter, spaces) = (filter(recall), namespaces(&recall.kinds));
        let asked = spaces.into_iter().map(|space| pinecone.query(space, vector, TOLD, &filter));
        let answers = match tokio::time::timeout(PATIENCE, futures::future::join_all(asked)).await {
            Ok(answers) => answers,
            Err(_) => vec![Err(format!("no answer within {} s", PATIENCE.as_secs()))],
        };
        let mut told = vec![];
        for answer in answers {
            match answer {
                Ok(found) => told.extend(found),
                Err(why) if gaps.iter().any(|gap| gap.contains(&why)) => {}
                Err(why) => gaps.push(format!("Pinecone could not be asked ({why:.200})")),
            }
        }
        told
    }
}

/// What narrows a question to the index elsewhere.
fn filter(recall: &Recall) -> Value {
    let mut filter = Map::new();
    let mut is = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            filter.insert(name.to_owned(), json!({ "$eq": value }));
        }
    };
    is("repo_id", &recall.repo_id);
    is("service", &recall.service);
    let mut time = Map::new();
    if let Some(since) = recall.since {
        time.insert("$gte".to_owned(), json!(since.0.div_euclid(1_000)));
    }
    if let Some(until) = recall.until {
        time.insert("$lte".to_owned(), json!(until.0.div_euclid(1_000)));
    }
    if !time.is_empty() {
        filter.insert("timestamp_epoch".to_owned(), Value::Object(time));
    }
    Value::Object(filter)
}

fn namespaces(kinds: &[Kind]) -> BTreeSet<&'static str> {
    let all = [Kind::Signal, Kind::Slack, Kind::Commit];
    let kinds = if kinds.is_empty() { &all } else { kinds };
    kinds.iter().filter_map(|kind| namespace(*kind)).collect()
}

/// What was found, and what could not be asked.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The best first.
    pub found: Vec<Found>,
    /// What is missing from the answer and why.
    pub gaps: Vec<String>,
}

/// Searches the memory for what `recall` says, by words and by meaning.
///
/// # Errors
/// If the store cannot be read.
pub async fn search(store: &Store, sense: &Sense, recall: Recall) -> Result<Answer, StoreError> {
    let mut gaps = vec![];
    let vector = sense.of(&recall.words, &mut gaps).await;
    let recall = Recall { vector, ..recall };
    let told = sense.told(&recall, &mut gaps).await;
    let found = store.recall(&Recall { told, ..recall }).await?;
    Ok(Answer { found, gaps })
}

/// What is like an incident: incidents before it, and runbooks.
#[derive(Debug, Clone, Default)]
pub struct Alike {
    /// Past incidents, the most alike first.
    pub incidents: Vec<Found>,
    /// Runbooks.
    pub runbooks: Vec<Found>,
    /// What is missing from the answer and why.
    pub gaps: Vec<String>,
}

/// Looks for what is like this.
#[derive(Debug, Clone)]
pub struct Like {
    /// Not this one itself.
    pub incident: IncidentId,
    /// Its alert.
    pub fingerprint: Option<Fingerprint>,
    /// What is known of it.
    pub text: String,
    /// How many of each at most.
    pub limit: usize,
}

impl Like {
    /// What a signal says of an incident.
    pub fn signal(incident: IncidentId, signal: &Signal, more: &str, limit: usize) -> Self {
        let text = format!("{}\n{}\n{more}", signal.title, signal.text).chars().take(QUESTION).collect();
        Self { incident, fingerprint: None, text, limit }
    }
}

/// Past incidents and runbooks that are like one incident.
///
/// # Errors
/// If the store cannot be read.
pub async fn alike(store: &Store, sense: &Sense, like: &Like) -> Result<Alike, StoreError> {
    let mut gaps = vec![];
    let recall = Recall {
        words: like.text.clone(),
        vector: sense.of(&like.text, &mut gaps).await,
        kinds: vec![Kind::Incident],
        fingerprint: like.fingerprint.as_ref().map(ToString::to_string),
        except: Some(like.incident.clone()),
        limit: like.limit,
        ..Recall::default()
    };
    let incidents = store.recall(&recall).await?;
    let runbooks =
        store.recall(&Recall { kinds: vec![Kind::Runbook], except: None, fingerprint: None, ..recall }).await?;
    Ok(Alike { incidents, runbooks, gaps })
}

/// Why something was found, in a few words.
pub fn why(found: &Found) -> String {
    let mut why = vec![];
    if found.same_alert {
        why.push("the same alert".to_owned());
    }
    if !found.words.is_empty() {
        let words: Vec<&str> = found.words.iter().take(6).map(String::as_str).collect();
        why.push(format!("words in common: {}", words.join(", ")));
    }
    if let Some(near) = found.meaning.filter(|near| *near >= 0.3) {
        why.push(format!("meaning {:.0} % alike", near * 100.0));
    }
    why.join("; ")
}
