//! What makes texts comparable by meaning, and stores of vectors elsewhere.

mod embeddings;
mod pinecone;
mod table;

pub use embeddings::{Embeddings, EmbeddingsSettings};
pub use pinecone::{HOME as PINECONE, Pinecone, PineconeItem, PineconeSettings};
pub use table::StaticMeaning;
