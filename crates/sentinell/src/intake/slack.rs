//! A message in a mapped channel.

use super::{Incoming, Receipt, labels_of, text};
use sentinell_core::alert::fingerprint;
use sentinell_core::signal::{Severity, SignalType};
use sentinell_core::time::Timestamp;
use serde_json::{Value, json};

/// One message.
#[derive(Debug, Clone)]
pub struct SlackMessage {
    /// The workspace.
    pub team_id: String,
    /// The channel.
    pub channel_id: String,
    /// Slack's own name of the message.
    pub message_ts: String,
    /// The thread it belongs to, if it does.
    pub thread_ts: Option<String>,
    /// The text.
    pub text: String,
    /// Who wrote it.
    pub user: Option<String>,
    /// The registered repository it belongs to.
    pub repo_id: Option<String>,
    /// When; none: now.
    pub occurred_at: Option<Timestamp>,
    /// The sender's data.
    pub metadata: Value,
}

/// A thread is one conversation, so one alert.
pub fn incoming(message: SlackMessage, mut receipt: Receipt) -> Incoming {
    let (team_id, channel_id, message_ts) = (&message.team_id, &message.channel_id, &message.message_ts);
    let thread = message.thread_ts.as_deref().unwrap_or(message_ts);
    let fingerprint = fingerprint(["slack", team_id, channel_id, thread]);
    let reference = text::line(&format!("{team_id}/{channel_id}/{message_ts}"), super::TITLE_LIMIT);
    receipt.delivery_id.get_or_insert_with(|| format!("{team_id}/{channel_id}/{message_ts}"));
    let mut signal = receipt.signal(SignalType::Slack, "slack", &message.text, &message.text);
    signal.severity = Severity::High;
    signal.source_ref = Some(reference);
    signal.labels = labels_of(&message.metadata);
    signal.repo_id = message.repo_id;
    signal.occurred_at = message.occurred_at.unwrap_or(signal.received_at);
    signal.metadata = text::value(message.metadata);
    signal.labels.insert("slack_channel".into(), text::line(channel_id, super::TITLE_LIMIT));
    signal.labels.insert("slack_ts".into(), text::line(message_ts, super::TITLE_LIMIT));
    if let Some(thread) = &message.thread_ts {
        signal.labels.insert("slack_thread".into(), text::line(thread, super::TITLE_LIMIT));
    }
    if let Some(user) = &message.user {
        signal.labels.insert("slack_user".into(), text::line(user, super::TITLE_LIMIT));
    }
    if signal.metadata.is_null() {
        signal.metadata = json!({});
    }
    Incoming { signal, fingerprint }
}
