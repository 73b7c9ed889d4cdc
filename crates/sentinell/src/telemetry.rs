//! What the process says about itself: lines for a person on a terminal, JSON for a machine otherwise. Always on standard
//! error, so that answers on standard output stay clean.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging with a filter as `tracing` spells it (`info`, `warn,sentinell=debug`). A second call does nothing.
///
/// # Errors
/// A sentence saying what is wrong with the filter.
pub fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("log: `{filter}` is no filter ({error}); write info, or warn,sentinell=debug"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Somebody who started logging before (a test, an embedding program) keeps it.
    let _ = match std::io::stderr().is_terminal() {
        true => lines.with_target(false).try_init(),
        false => lines.json().flatten_event(true).with_current_span(false).try_init(),
    };
    Ok(())
}
