//! A log line that somebody's pipeline thought worth sending.

use super::{Incoming, Receipt, labels_of, text};
use sentinell_core::alert::fingerprint;
use sentinell_core::ids::Fingerprint;
use sentinell_core::signal::{Severity, SignalType};
use sentinell_core::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// One message.
#[derive(Debug, Clone)]
pub struct LogMessage {
    /// The text.
    pub message: String,
    /// The registered repository it belongs to.
    pub repo_id: Option<String>,
    /// The registered log source it came through.
    pub source_id: Option<String>,
    /// Its level, in the sender's words.
    pub level: Option<String>,
    /// When, by the sender's clock; none: now.
    pub occurred_at: Option<Timestamp>,
    /// The sender's data.
    pub metadata: Value,
}

/// The same message of the same service is the same alert, whatever its numbers.
pub fn incoming(log: LogMessage, receipt: Receipt) -> Incoming {
    let labels = labels_of(&log.metadata);
    let template = text::template(&log.message);
    let fingerprint = fingerprint_of(log.repo_id.as_deref(), log.source_id.as_deref(), &labels, &template);
    let mut signal = receipt.signal(SignalType::Log, "logs", &log.message, &log.message);
    signal.labels = labels;
    signal.severity = Severity::from_level(log.level.as_deref().unwrap_or_default());
    signal.repo_id = log.repo_id;
    signal.source_ref = log.source_id.map(|id| text::line(&id, super::TITLE_LIMIT));
    signal.occurred_at = log.occurred_at.unwrap_or(signal.received_at);
    signal.metadata = text::value(log.metadata);
    Incoming { signal, fingerprint }
}

/// Of a kind of message: where it was written, by whom, and what is constant in it. However it reached us.
pub(super) fn fingerprint_of(
    repo_id: Option<&str>,
    source_id: Option<&str>,
    labels: &BTreeMap<String, String>,
    template: &str,
) -> Fingerprint {
    let whose = |name: &str| labels.get(name).map_or("", String::as_str);
    let place = [repo_id.unwrap_or(""), source_id.unwrap_or("")];
    fingerprint(["logs", place[0], place[1], whose("service"), whose("namespace"), template])
}

/// A text that somebody wants looked into: an incident of its own, whatever was seen before.
pub fn investigation(text: &str, receipt: Receipt) -> Incoming {
    let fingerprint = fingerprint(["stream", receipt.id.as_str()]);
    let mut signal = receipt.signal(SignalType::Log, "stream", text, text);
    signal.severity = Severity::High;
    Incoming { signal, fingerprint }
}
