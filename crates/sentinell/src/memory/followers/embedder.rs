//! Gives records the vectors of the model that is configured now: those that came without one, and all of them again after
//! a change of the model. Until then they are found by their words.

use super::{Follower, Progress, said};
use crate::store::{Record, Store};
use sentinell_core::ports::{BoxFuture, Meaning};
use std::sync::Arc;

/// Records of one batch.
const BATCH: u32 = 64;

/// One who gives meaning.
pub struct Embedder {
    store: Store,
    meaning: Arc<dyn Meaning>,
    progress: Progress,
}

impl Embedder {
    /// Gives the records of this store the vectors of this model.
    pub fn new(store: Store, meaning: Arc<dyn Meaning>) -> Self {
        let progress = Progress::new(store.clone(), Self::source(meaning.model()));
        Self { store, meaning, progress }
    }

    /// The name that its progress is kept under.
    pub(super) fn source(model: &str) -> String {
        format!("meaning {model}")
    }

    async fn batch(&self) -> Result<bool, String> {
        let model = self.meaning.model();
        let from = self.progress.position().await?;
        let (due, to) = self.store.without_meaning(from, model, BATCH).await.map_err(said)?;
        if due.is_empty() {
            if to > from {
                self.store.followed(&self.progress.source, from, to).await.map_err(said)?;
            }
            return Ok(false);
        }
        let texts: Vec<String> = due.iter().map(|due| Record::whole(&due.record)).collect();
        let vectors = self.meaning.embed(&texts).await?;
        if vectors.len() != due.len() {
            return Err(format!("{} vectors came for {} texts", vectors.len(), due.len()));
        }
        let given = due.into_iter().zip(vectors).collect();
        self.store.give_meaning(&self.progress.source, from, to, model, given).await.map_err(said)?;
        Ok(true)
    }
}

impl Follower for Embedder {
    fn name(&self) -> &'static str {
        "meaning"
    }

    fn step(&self) -> BoxFuture<'_, Result<bool, String>> {
        Box::pin(self.batch())
    }
}
