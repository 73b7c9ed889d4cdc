//! The memory's connections: what gives meaning, who follows the records, who is asked what is near.

use crate::config::Config;
use crate::memory::followers::{Embedder, Follower, Mirror, Near, follow};
use crate::memory::search::Sense;
use crate::store::{Nearness, Store};
use anyhow::anyhow;
use sentinell_adapters::context::{
    Embeddings, EmbeddingsSettings, PINECONE, Pinecone, PineconeSettings, StaticMeaning,
};
use sentinell_core::ports::{Clock, Meaning};
use std::sync::Arc;
use std::time::Duration;

/// The dimensions of the table inside the binary.
const TABLE: usize = 128;

/// What gives texts their meaning.
///
/// # Errors
/// An address or a key that cannot be used.
pub fn meaning(config: &Config) -> anyhow::Result<Arc<dyn Meaning>> {
    let Some(wanted) = &config.memory.embeddings else { return Ok(Arc::new(StaticMeaning::new())) };
    let settings = EmbeddingsSettings {
        url: wanted.url.clone(),
        key: wanted.key.as_ref().map(|key| key.expose().to_owned()),
        model: wanted.model.clone(),
        dimensions: wanted.dimensions,
        timeout: Duration::from_secs(u64::from(wanted.timeout_seconds)),
    };
    Ok(Arc::new(Embeddings::new(settings).map_err(|why| anyhow!("memory.embeddings: {why}"))?))
}

/// The index elsewhere.
///
/// # Errors
/// An address or a key that cannot be used.
pub fn pinecone(config: &Config) -> anyhow::Result<Option<Arc<Pinecone>>> {
    let Some(wanted) = &config.memory.pinecone else { return Ok(None) };
    let settings = PineconeSettings {
        control: wanted.control_url.clone().unwrap_or_else(|| PINECONE.to_owned()),
        key: wanted.key.expose().to_owned(),
        index: wanted.index.clone(),
        cloud: wanted.cloud.clone(),
        region: wanted.region.clone(),
        dimension: wanted.dimension,
    };
    Ok(Some(Arc::new(Pinecone::new(settings).map_err(|why| anyhow!("memory.pinecone: {why}"))?)))
}

/// What questions are asked with.
///
/// # Errors
/// As [`meaning`] and [`pinecone`].
pub fn sense(config: &Config) -> anyhow::Result<Sense> {
    Ok(Sense::from(meaning(config)?).with_pinecone(pinecone(config)?))
}

/// Makes the store ready to look nearness up in the database, where it can; whether it does.
pub async fn nearness(config: &Config, store: &Store) -> bool {
    if !config.memory.pgvector {
        return false;
    }
    let dimensions = config.memory.embeddings.as_ref().map_or(TABLE, |wanted| wanted.dimensions);
    match store.prepare_nearness(dimensions).await {
        Nearness::Indexed(version) => {
            tracing::info!(version, dimensions, "pgvector looks up what is near in meaning");
            true
        }
        Nearness::NoServer => false,
        Nearness::Missing(why) => {
            tracing::warn!(why, "pgvector cannot be used; meaning ranks what words and time bring (docs/memory.md)");
            false
        }
    }
}

/// Everything that follows the memory.
pub struct Followers {
    store: Store,
    clock: Arc<dyn Clock>,
    meaning: Arc<dyn Meaning>,
    pinecone: Option<Arc<Pinecone>>,
    config: Config,
}

impl Followers {
    /// What the configuration names; what is half set up is said once.
    ///
    /// # Errors
    /// As [`meaning`] and [`pinecone`].
    pub fn new(config: &Config, store: &Store, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        if let Some(missing) = &config.memory.missing {
            tracing::warn!("{missing}; until then the memory works with what is inside the binary");
        }
        let (meaning, pinecone) = (meaning(config)?, pinecone(config)?);
        Ok(Self { store: store.clone(), clock: clock.clone(), meaning, pinecone, config: config.clone() })
    }

    /// Follows until dropped.
    pub async fn follow(self) {
        let model = self.meaning.model().to_owned();
        let mut all: Vec<Arc<dyn Follower>> = vec![Arc::new(Embedder::new(self.store.clone(), self.meaning))];
        if nearness(&self.config, &self.store).await {
            all.push(Arc::new(Near::new(self.store.clone(), &model)));
        }
        if let Some(pinecone) = self.pinecone {
            all.push(Arc::new(Mirror::new(self.store.clone(), pinecone, &model)));
        }
        let all = all.into_iter().map(|one| follow(self.store.clone(), self.clock.clone(), one));
        futures::future::join_all(all).await;
    }
}
