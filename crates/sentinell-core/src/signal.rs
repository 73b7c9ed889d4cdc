//! What comes in from outside, after authentication, bounding and redaction, before anybody interprets it.

use crate::ids::SignalId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Which kind of sender a signal came from (the contract's `signal_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalType {
    /// A person reported it.
    Manual,
    /// A message in a mapped channel.
    Slack,
    /// A log line somebody's pipeline thought worth sending.
    Log,
    /// A GitHub webhook.
    Github,
    /// An alerting system.
    Alert,
}

/// How bad, in the contract's words; ordered from mild to grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Can wait.
    Low,
    /// Within the day.
    Medium,
    /// Now.
    High,
    /// Wake somebody.
    Critical,
}

impl Severity {
    /// A log level in a sender's words: debug, info → low; warn(ing) → medium; error → high; critical, fatal → critical;
    /// anything else → medium.
    pub fn from_level(level: &str) -> Self {
        match level.trim().to_ascii_lowercase().as_str() {
            "debug" | "info" => Self::Low,
            "error" => Self::High,
            "critical" | "fatal" => Self::Critical,
            _ => Self::Medium,
        }
    }
}

/// Whether a signal says that something began, goes on, or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalState {
    /// It is happening.
    Firing,
    /// Its sender says that it is over.
    Resolved,
}

/// One accepted signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Ours.
    pub id: SignalId,
    /// What kind of sender.
    pub signal_type: SignalType,
    /// Which sender (`logs`, `slack`, `github`, `alertmanager`, a name from configuration); scope of `delivery_id`.
    pub source: String,
    /// The sender's own id of this delivery, if it gave one.
    pub delivery_id: Option<String>,
    /// Firing or resolved.
    pub state: SignalState,
    /// How bad the sender thinks it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// The text, bounded and redacted.
    pub text: String,
    /// What it is about, as labels (`service`, `namespace`, `alertname`, `environment`, …).
    pub labels: BTreeMap<String, String>,
    /// The registered repository it belongs to.
    pub repo_id: Option<String>,
    /// Where it can be looked up at its sender.
    pub source_ref: Option<String>,
    /// When it happened, by its sender's clock.
    pub occurred_at: Timestamp,
    /// When we received it, by ours.
    pub received_at: Timestamp,
    /// Free words of the sender, given back as they came.
    pub tags: Vec<String>,
    /// Free data of the sender, given back as it came.
    pub metadata: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_become_severities_as_the_contract_says() {
        let of = |level: &str| Severity::from_level(level);
        assert_eq!([of("debug"), of("INFO")], [Severity::Low; 2]);
        assert_eq!([of("warn"), of("warning"), of("notice"), of("")], [Severity::Medium; 4]);
        assert_eq!(of("error"), Severity::High);
        assert_eq!([of("critical"), of("fatal")], [Severity::Critical; 2]);
    }
}
