//! `sentinell health`: what a container's health check asks.

use super::client::{Client, Server};
use super::{block_on, out};
use crate::config::Surroundings;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  sentinell health                                  # is the server alive
  sentinell health --ready                          # does it also reach its database, queue and worker
  sentinell health --server http://127.0.0.1:9000
Exit code 0 if so, 1 if not, with the reason on standard error.";

/// Asks a running server how it is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Whether it can work, not only whether it lives
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(args: &Args, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server, around)?;
    let path = if args.ready { "ready" } else { "health" };
    block_on(client.get(&["api", path], &[]))?;
    out::print("ok\n")?;
    Ok(ExitCode::SUCCESS)
}
