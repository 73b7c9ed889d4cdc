//! The hall of Sentinell: everything meets here, nothing is decided here.

pub mod config;
pub mod report;
pub mod store;
pub mod telemetry;
