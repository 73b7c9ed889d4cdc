//! The outcome of a repository's check.

use super::{Incoming, Receipt, text};
use sentinell_core::alert::fingerprint;
use sentinell_core::signal::{Severity, SignalState, SignalType};

/// One run of a check.
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    /// The registered repository.
    pub repo_id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What the program ended with; none if it was stopped.
    pub exit_code: Option<i32>,
    /// What it printed.
    pub stdout: &'a str,
    /// What it printed to standard error.
    pub stderr: &'a str,
}

/// The check of one repository is one alert.
pub fn incoming(check: &Check<'_>, receipt: Receipt) -> Incoming {
    let fingerprint = fingerprint(["check", check.repo_id]);
    let end = check.exit_code.map_or_else(|| "was stopped".to_owned(), |code| format!("ended with {code}"));
    let title = format!("the check of {} {end}", check.name);
    let output = format!("{}\n{}", check.stderr, check.stdout);
    let mut signal = receipt.signal(SignalType::Log, "check", &title, output.trim());
    signal.state = if check.exit_code == Some(0) { SignalState::Resolved } else { SignalState::Firing };
    signal.severity = Severity::High;
    signal.repo_id = Some(check.repo_id.to_owned());
    signal.labels.insert("repository".into(), text::line(check.name, super::TITLE_LIMIT));
    Incoming { signal, fingerprint }
}
