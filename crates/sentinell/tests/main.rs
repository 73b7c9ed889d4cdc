//! Tests of the whole: one binary, one module a subject.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop, and say where")]

mod api;
mod backtest;
mod cluster;
mod crash;
mod database;
mod golden;
mod hostile;
mod memory;
mod models;
mod notices;
mod operations;
mod poison;
mod policy;
mod postgres;
mod seeds;
mod storage;
mod stories;
mod tidy;

use sentinell::store::{Options, Store};
