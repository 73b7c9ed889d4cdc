//! The hall of Sentinell: everything meets here, nothing is decided here.

pub mod api;
pub mod audit;
pub mod auth;
pub mod backtest;
pub mod cli;
pub mod clock;
pub mod config;
pub mod digest;
pub mod doctor;
pub mod ears;
pub mod feed;
pub mod intake;
pub mod mcp;
pub mod memory;
pub mod metrics;
pub mod mouth;
pub mod reasoner;
pub mod report;
pub mod runbooks;
pub mod server;
pub mod slackbot;
pub mod store;
pub mod telemetry;
pub mod ui;
pub mod wire;
pub mod worker;

/// Journals are many small values made on one thread and dropped on another, which is where the C library's allocator is
/// slow: an investigation takes a fifth to a third less processor time with this one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
