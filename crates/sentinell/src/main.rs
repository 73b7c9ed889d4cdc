//! The one executable of Sentinell.

use std::process::ExitCode;

fn main() -> ExitCode {
    sentinell::cli::main()
}
