//! `[memory]`: where meaning comes from besides the table inside the binary, and where vectors are kept besides the database.

use super::Secret;
use serde::Deserialize;

/// Where vectors are asked for unless another address is configured.
const HOME: &str = "https://api.openai.com/v1";
/// The model there, and how long its vectors are.
const MODEL: &str = "text-embedding-3-large";
const DIMENSIONS: usize = 1_024;
/// The longest vectors that a model may have.
const LONGEST: usize = 16_000;

/// The memory's connections.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// A server of embeddings; none: the table inside the binary.
    pub embeddings: Option<Embeddings>,
    /// Where vectors are kept besides.
    pub pinecone: Option<Pinecone>,
    /// Whether pgvector is used where the database has it.
    pub pgvector: bool,
    /// What is half set up and therefore off, and what is missing.
    pub missing: Option<String>,
}

/// A server that speaks OpenAI's `/embeddings`.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// Its base URL.
    pub url: String,
    /// Its key.
    pub key: Option<Secret>,
    /// The model, as it is called there.
    pub model: String,
    /// How long its vectors are.
    pub dimensions: usize,
    /// The longest that one request may take, seconds.
    pub timeout_seconds: u32,
}

/// An index at Pinecone.
#[derive(Debug, Clone, PartialEq)]
pub struct Pinecone {
    /// The key.
    pub key: Secret,
    /// The index.
    pub index: String,
    /// Where a missing index is made.
    pub cloud: String,
    /// And its region.
    pub region: String,
    /// How long its vectors are; the same as those of the embeddings.
    pub dimension: usize,
    /// The control plane; none: Pinecone's own.
    pub control_url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawMemory {
    embeddings: RawEmbeddings,
    pinecone: RawPinecone,
    pgvector: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawEmbeddings {
    url: Option<String>,
    model: Option<String>,
    dimensions: Option<usize>,
    api_key: Option<Secret>,
    timeout_seconds: Option<u32>,
    #[serde(skip)]
    openai: Option<Secret>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawPinecone {
    api_key: Option<Secret>,
    index: Option<String>,
    cloud: Option<String>,
    region: Option<String>,
    dimension: Option<usize>,
    control_url: Option<String>,
}

impl RawMemory {
    /// Lays environment variables over the file.
    pub(super) fn lay_environment(&mut self, get: impl Fn(&str) -> Option<String>, problems: &mut Vec<String>) {
        let secret = |name: &str| get(name).map(Secret::new);
        self.embeddings.api_key = secret("SENTINELL_EMBEDDINGS_KEY").or(self.embeddings.api_key.take());
        self.embeddings.openai = secret("OPENAI_API_KEY");
        self.pinecone.api_key = secret("PINECONE_API_KEY").or(self.pinecone.api_key.take());
        self.pinecone.index = get("PINECONE_INDEX").or(self.pinecone.index.take());
        self.pinecone.region = get("PINECONE_ENV").or(self.pinecone.region.take());
        if let Some(text) = get("PINECONE_DIMENSION") {
            match text.parse() {
                Ok(number) => self.pinecone.dimension = Some(number),
                Err(_) => problems.push("PINECONE_DIMENSION: expected a number".into()),
            }
        }
    }

    /// Names every problem.
    pub(super) fn check(self, problems: &mut Vec<String>) -> Memory {
        let pgvector = self.pgvector.unwrap_or(true);
        let wanted = self.embeddings.url.is_some() || self.embeddings.model.is_some();
        let with_index = self.pinecone.api_key.is_some();
        let dimension = self.pinecone.dimension;
        let embeddings = match wanted || with_index {
            true => self.embeddings.check(dimension, problems),
            false => None,
        };
        if with_index && embeddings.is_none() {
            let missing = "PINECONE_API_KEY is set and nothing gives vectors: set OPENAI_API_KEY or memory.embeddings";
            return Memory { embeddings, pinecone: None, pgvector, missing: Some(missing.into()) };
        }
        let pinecone = embeddings.as_ref().and_then(|embeddings| self.pinecone.check(embeddings, problems));
        let missing = (wanted && embeddings.is_none()).then(|| {
            "memory.embeddings is configured without a key: set OPENAI_API_KEY or SENTINELL_EMBEDDINGS_KEY".into()
        });
        Memory { embeddings, pinecone, pgvector, missing }
    }
}

impl RawEmbeddings {
    /// None without the key that OpenAI's own server asks for.
    fn check(self, dimension: Option<usize>, problems: &mut Vec<String>) -> Option<Embeddings> {
        let url = self.url.unwrap_or_else(|| HOME.to_owned());
        if !url.starts_with("http://") && !url.starts_with("https://") {
            // The address is not repeated: it may carry a password.
            problems.push("memory.embeddings.url: must begin with http:// or https://".into());
        }
        let at_home = url.starts_with("https://api.openai.com/");
        let model = self.model.unwrap_or_else(|| MODEL.to_owned());
        if model.trim().is_empty() || model.len() > 200 || model.contains(char::is_control) {
            problems.push("memory.embeddings.model: 1 to 200 printable characters".into());
        }
        let usual = model.starts_with("text-embedding-3").then_some(DIMENSIONS);
        let dimensions = self.dimensions.or(dimension).or(usual).unwrap_or_else(|| {
            problems
                .push(format!("memory.embeddings.dimensions: missing; say how long the vectors of `{model:.60}` are"));
            DIMENSIONS
        });
        if dimensions == 0 || dimensions > LONGEST {
            problems.push(format!("memory.embeddings.dimensions: {dimensions} is out of range; 1 to {LONGEST}"));
        }
        let timeout_seconds = self.timeout_seconds.unwrap_or(30);
        if !(1..=300).contains(&timeout_seconds) {
            problems.push("memory.embeddings.timeout_seconds: out of range; 1 to 300".into());
        }
        // OpenAI's key goes to OpenAI and to nobody else.
        let key = self.api_key.or(self.openai.filter(|_| at_home));
        if at_home && key.is_none() {
            return None;
        }
        Some(Embeddings { url, key, model, dimensions, timeout_seconds })
    }
}

impl RawPinecone {
    fn check(self, embeddings: &Embeddings, problems: &mut Vec<String>) -> Option<Pinecone> {
        let index = self.index.unwrap_or_else(|| "sentinell-context".into());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if index.is_empty() || index.len() > 45 || !index.chars().all(plain) {
            problems.push("memory.pinecone.index (PINECONE_INDEX): 1 to 45 lower-case letters, digits and `-`".into());
        }
        let dimension = self.dimension.unwrap_or(embeddings.dimensions);
        if dimension != embeddings.dimensions {
            problems.push(format!(
                "memory.pinecone.dimension (PINECONE_DIMENSION): {dimension}, and the vectors have {} (memory.embeddings.dimensions); they must be the same",
                embeddings.dimensions
            ));
        }
        let control_url = self.control_url;
        let loopback = |url: &str| {
            ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"].iter().any(|start| url.starts_with(start))
        };
        if control_url.as_deref().is_some_and(|url| !url.starts_with("https://") && !loopback(url)) {
            problems.push("memory.pinecone.control_url: expected https://…; leave it out for Pinecone itself".into());
        }
        Some(Pinecone {
            key: self.api_key?,
            index,
            cloud: self.cloud.unwrap_or_else(|| "aws".into()),
            region: self.region.unwrap_or_else(|| "us-east-1".into()),
            dimension,
            control_url,
        })
    }
}
