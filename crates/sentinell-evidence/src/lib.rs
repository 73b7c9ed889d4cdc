//! The evidence engine: telemetry in, findings and ranked hypotheses out.
//!
//! Pure: no clock, no files, no network, no randomness, and it has never heard of an incident.
//! The borders: [`case::Case`] goes in, [`case::Diagnosis`] comes out; each part (logs, metrics, kubernetes,
//! changes) turns its telemetry into [`finding::Finding`]s, and ranking fuses them into hypotheses.

pub mod case;
pub mod changes;
mod containers;
pub mod diagnose;
pub mod finding;
pub mod graph;
pub mod kubernetes;
mod level;
pub mod logs;
pub mod metrics;
mod onset;
mod outright;
pub mod rank;
pub mod text;
pub mod traces;
mod units;

pub use diagnose::diagnose;
