//! What an operator relies on: telemetry, metrics and dashboards, retention, backups, and a disk that is full.

mod collector;
mod dashboards;
mod serve;
mod telemetry;
