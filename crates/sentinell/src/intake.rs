//! From a sender's words to a [`Signal`]: bounded, cleaned and redacted, and given the fingerprint of its alert.
//!
//! Nothing here decides what becomes of a signal; that is triage, in the store's transaction.

pub mod alertmanager;
pub mod check;
pub mod cloudevents;
pub mod cloudwatch;
pub mod datadog;
pub mod generic;
pub mod github;
pub mod issue;
pub mod lines;
pub mod logs;
pub mod loki;
pub mod otlp;
pub mod pagerduty;
mod payload;
mod raw;
pub mod sentry;
pub mod slack;
mod text;
mod wire;

use sentinell_core::alert::fingerprint;
use sentinell_core::ids::{Fingerprint, SignalId};
use sentinell_core::signal::{Severity, Signal, SignalState, SignalType};
use sentinell_core::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The longest text of a signal that is kept, bytes.
pub const TEXT_LIMIT: usize = 64 * 1024;
/// The longest title, bytes.
pub const TITLE_LIMIT: usize = 300;
/// Labels kept of one signal.
pub const LABELS_LIMIT: usize = 64;

/// A signal and what makes it the same alert as another.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// Ready to be stored.
    pub signal: Signal,
    /// Of its alert.
    pub fingerprint: Fingerprint,
}

/// What every mapping needs to know besides the body.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The new signal's id.
    pub id: SignalId,
    /// When it arrived, by our clock.
    pub at: Timestamp,
    /// The sender's id of this delivery, if it gave one.
    pub delivery_id: Option<String>,
}

impl Receipt {
    /// A signal with nothing in it yet but what its arrival tells.
    fn signal(self, signal_type: SignalType, source: &str, title: &str, text: &str) -> Signal {
        Signal {
            id: self.id,
            signal_type,
            source: source.to_owned(),
            delivery_id: self.delivery_id,
            state: SignalState::Firing,
            severity: Severity::Medium,
            title: text::line(title, TITLE_LIMIT),
            text: text::block(text, TEXT_LIMIT),
            labels: BTreeMap::new(),
            repo_id: None,
            source_ref: None,
            occurred_at: self.at,
            received_at: self.at,
            tags: vec![],
            metadata: json!({}),
        }
    }

    /// What is kept and no more: nothing that could ever be over, so nothing that begins; its key is its own.
    fn kept(self, signal_type: SignalType, source: &str, title: &str) -> Incoming {
        let fingerprint = fingerprint([source, self.id.as_str()]);
        let mut signal = self.signal(signal_type, source, title, title);
        signal.state = SignalState::Resolved;
        signal.severity = Severity::Low;
        Incoming { signal, fingerprint }
    }
}

/// A word for how bad it is, as alerting systems use them.
fn severity(word: &str) -> Severity {
    match word.trim().to_ascii_lowercase().as_str() {
        "critical" | "page" | "emergency" | "fatal" | "disaster" | "sev1" | "p1" => Severity::Critical,
        "high" | "error" | "major" | "sev2" | "p2" => Severity::High,
        "low" | "info" | "informational" | "none" | "debug" | "success" | "sev4" | "p4" | "p5" => Severity::Low,
        _ => Severity::Medium,
    }
}

/// Whether a sender's word for the state of an alert says that it has ended.
fn is_over(word: &str) -> bool {
    let over =
        ["resolved", "ok", "closed", "recovered", "recovery", "cleared", "normal", "up", "inactive", "succeeded"];
    over.iter().any(|known| known.eq_ignore_ascii_case(word.trim()))
}

/// Label names that say what a signal is about; taken from metadata where a sender has no labels of its own.
const SUBJECTS: [&str; 14] = [
    "service",
    "namespace",
    "deployment",
    "pod",
    "container",
    "node",
    "host",
    "instance",
    "job",
    "app",
    "component",
    "cluster",
    "environment",
    "region",
];

fn labels_of(metadata: &Value) -> BTreeMap<String, String> {
    let Some(fields) = metadata.as_object() else { return BTreeMap::new() };
    let label = |name: &&str| Some(((*name).to_owned(), text::line(fields.get(*name)?.as_str()?, TITLE_LIMIT)));
    SUBJECTS.iter().filter_map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::Receipt;
    use sentinell_core::time::Timestamp;

    /// A signal that arrives now.
    pub(super) fn receipt() -> Receipt {
        Receipt { id: "sig_1".into(), at: Timestamp(1_795_348_900_000), delivery_id: None }
    }
}
