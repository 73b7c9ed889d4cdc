//! The hall of Sentinell: everything meets here, nothing is decided here.

pub mod cli;
pub mod clock;
pub mod config;
pub mod digest;
pub mod eval;
pub mod reasoner;
pub mod report;
pub mod runbooks;
pub mod store;
pub mod telemetry;
pub mod wire;
pub mod worker;
