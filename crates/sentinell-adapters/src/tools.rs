//! The eyes, one file per neighbour. Each only reads, bounds what it reads, and says what it could not see.

pub mod cloudwatch;
pub mod command;
pub mod database;
pub mod docker;
pub mod elasticsearch;
mod gathered;
pub mod git;
pub mod github;
pub mod kubernetes;
pub mod log_file;
pub mod loki;
pub mod machine;
pub mod mcp;
mod otlp;
pub mod postgres;
pub mod probe;
pub mod prometheus;
pub mod recording;
pub mod redis;
pub mod traces;
mod whose;
