//! What a person reports.

use super::{Incoming, Receipt, labels_of, text};
use sentinell_core::alert::fingerprint;
use sentinell_core::signal::{Severity, SignalType};
use serde_json::Value;

/// A report in a person's words.
#[derive(Debug, Clone)]
pub struct Report {
    /// One line.
    pub title: String,
    /// The whole story.
    pub description: String,
    /// The registered repository it belongs to.
    pub repo_id: Option<String>,
    /// How bad they think it is.
    pub severity: Severity,
    /// Who reports, in their own words (never who is authenticated).
    pub reporter: Option<String>,
    /// Their tags.
    pub tags: Vec<String>,
    /// Their data.
    pub metadata: Value,
}

/// Every report is an incident of its own: two people may mean different things by the same words.
pub fn incoming(report: Report, receipt: Receipt) -> Incoming {
    let fingerprint = fingerprint(["manual", receipt.id.as_str()]);
    let mut signal = receipt.signal(SignalType::Manual, "issues", &report.title, &report.description);
    // A person's title comes back as it was written, however long their lines are.
    signal.title = text::block(&report.title, super::TEXT_LIMIT);
    signal.labels = labels_of(&report.metadata);
    signal.severity = report.severity;
    signal.repo_id = report.repo_id;
    signal.tags = report.tags.iter().map(|tag| text::block(tag, super::TITLE_LIMIT)).collect();
    signal.metadata = text::value(report.metadata);
    if let Some(reporter) = report.reporter {
        signal.labels.insert("reporter".into(), text::line(&reporter, super::TITLE_LIMIT));
    }
    Incoming { signal, fingerprint }
}
