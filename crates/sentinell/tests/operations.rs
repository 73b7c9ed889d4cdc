//! What an operator relies on: telemetry, metrics and dashboards, retention, backups, and a disk that is full.

mod backup;
mod collector;
mod dashboards;
mod full_disk;
mod retention;
mod serve;
mod telemetry;
