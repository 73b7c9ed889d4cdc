//! What things are, and what follows from what: the pure heart of Sentinell.
//!
//! No runtime, no clock, no chance, no environment, no files, no network. Time and configuration come in as values; the
//! outside world is the traits of [`ports`].

pub mod action;
pub mod address;
pub mod alert;
pub mod answer;
pub mod approval;
pub mod audit;
pub mod canonical;
pub mod command;
pub mod evidence;
pub mod hypothesis;
pub mod ids;
pub mod incident;
pub mod investigation;
pub mod model;
pub mod notice;
pub mod policy;
pub mod ports;
pub mod postmortem;
pub mod price;
pub mod prompt;
pub mod redact;
pub mod repository;
pub mod runbook;
pub mod signal;
pub mod silence;
pub mod time;
pub mod topology;
pub mod triage;
