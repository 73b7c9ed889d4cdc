//! What an operator relies on: telemetry, metrics and dashboards, retention, backups, and a disk that is full.

mod backup;
mod collector;
mod dashboards;
mod ears;
mod full_disk;
mod github;
mod retention;
pub mod serve;
mod telemetry;
