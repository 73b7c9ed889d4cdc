//! `sentinell completions`.

use super::{Cli, out};
use clap::CommandFactory;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  sentinell completions bash > ~/.local/share/bash-completion/completions/sentinell
  sentinell completions zsh  > ~/.zfunc/_sentinell
  sentinell completions fish > ~/.config/fish/completions/sentinell.fish";

/// Prints a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Which shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sentinell", &mut script);
    out::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
