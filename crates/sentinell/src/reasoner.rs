//! The minds: the engine's ranking and the runbooks by themselves, or a language model in front of them.

mod cited;
mod deterministic;
mod gate;
mod model;
mod voice;

pub use cited::{Cited, KINDS};
pub use deterministic::Deterministic;
pub use model::{Settings, Thinking};
