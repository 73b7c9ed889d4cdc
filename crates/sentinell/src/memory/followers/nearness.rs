//! Puts vectors where the database itself looks nearness up (pgvector).

use super::{Embedder, Follower, Progress, said};
use crate::store::Store;
use sentinell_core::ports::BoxFuture;

/// Records of one batch.
const BATCH: u32 = 200;

/// One who keeps the table of nearness.
pub struct Near {
    store: Store,
    model: String,
    progress: Progress,
}

impl Near {
    /// Keeps it for this model.
    pub fn new(store: Store, model: &str) -> Self {
        let progress = Progress::new(store.clone(), format!("near {model}"));
        Self { store, progress, model: model.to_owned() }
    }

    async fn batch(&self) -> Result<bool, String> {
        let from = self.progress.position().await?;
        let there = self.store.remembered(&Embedder::source(&self.model)).await.map_err(said)?;
        let (due, to) = self.store.with_meaning(from, there, &self.model, BATCH).await.map_err(said)?;
        let more = !due.is_empty();
        if to > from {
            self.store.keep_near(&self.progress.source, from, to, &self.model, due).await.map_err(said)?;
        }
        Ok(more)
    }
}

impl Follower for Near {
    fn name(&self) -> &'static str {
        "near"
    }

    fn step(&self) -> BoxFuture<'_, Result<bool, String>> {
        Box::pin(self.batch())
    }
}
