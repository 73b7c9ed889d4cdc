//! The hall of Sentinell: everything meets here, nothing is decided here.

pub mod config;
pub mod eval;
pub mod report;
pub mod store;
pub mod telemetry;
