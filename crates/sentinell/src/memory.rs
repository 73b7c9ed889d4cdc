//! What the house remembers: eyes that read its own store, and the index that they search.

mod changes;
pub mod followers;
mod index;
mod log_sources;
mod records;
pub mod search;
mod similar;

pub use changes::Changes;
pub use index::Indexer;
pub use log_sources::{Configured, LogSources};
pub use similar::Memory;
