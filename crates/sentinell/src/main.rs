//! The one executable.

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// An SRE agent that one may trust with the pager.
#[derive(Debug, Parser)]
#[command(name = "sentinell", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the evidence engine on a public benchmark
    Eval(sentinell::eval::EvalArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Eval(args) => sentinell::eval::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
