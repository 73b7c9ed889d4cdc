//! Alertmanager's webhook, version 4, and Grafana's, which is built on it: each alert of a notification is a signal of its
//! own (<https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>,
//! <https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/>).

use super::{Incoming, LABELS_LIMIT, Receipt, TITLE_LIMIT, severity, text};
use sentinell_core::alert::fingerprint;
use sentinell_core::signal::{SignalState, SignalType};
use sentinell_core::time::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A notification as Alertmanager posts it; fields that are not listed are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Notification {
    /// The alerts of one group.
    pub alerts: Vec<Alert>,
    /// The receiver's name.
    #[serde(default)]
    pub receiver: Option<String>,
    /// Where Alertmanager itself is.
    #[serde(default, rename = "externalURL")]
    pub external_url: Option<String>,
    /// How many alerts Alertmanager left out of this notification.
    #[serde(default, rename = "truncatedAlerts")]
    pub truncated: Option<f64>,
}

/// One alert.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Alert {
    /// Firing or resolved.
    pub status: AlertStatus,
    /// What it is about; makes it the same alert.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What a person should know.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Since when.
    #[serde(default, rename = "startsAt")]
    pub starts_at: Option<String>,
    /// Until when; `0001-01-01T00:00:00Z` while it is firing.
    #[serde(default, rename = "endsAt")]
    pub ends_at: Option<String>,
    /// Where its rule can be looked up.
    #[serde(default, rename = "generatorURL")]
    pub generator_url: Option<String>,
    /// What the rule saw, as Grafana tells it.
    #[serde(default)]
    pub values: Option<BTreeMap<String, serde_json::Value>>,
    /// The panel that Grafana watches.
    #[serde(default, rename = "panelURL")]
    pub panel_url: Option<String>,
}

/// What Alertmanager says of an alert.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// It is happening.
    Firing,
    /// It is over.
    Resolved,
}

/// Maps one alert of `source`. The same labels are the same alert.
pub fn incoming(source: &str, alert: Alert, receipt: Receipt) -> Incoming {
    let parts = alert.labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let fingerprint = fingerprint(std::iter::once(source).chain(parts));
    let note = |name: &str| alert.annotations.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let name = alert.labels.get("alertname").map_or("alert", String::as_str);
    let title = note("summary").map_or_else(|| name.to_owned(), |summary| format!("{name}: {summary}"));
    let body = note("description").or(note("message")).or(note("summary")).unwrap_or(name);
    let mut signal = receipt.signal(SignalType::Alert, source, &title, body);
    signal.state = match alert.status {
        AlertStatus::Firing => SignalState::Firing,
        AlertStatus::Resolved => SignalState::Resolved,
    };
    signal.severity = severity(alert.labels.get("severity").map_or("", String::as_str));
    let moment = match alert.status {
        AlertStatus::Firing => &alert.starts_at,
        AlertStatus::Resolved => &alert.ends_at,
    };
    // A sender's strange clock is no reason to lose its alert.
    signal.occurred_at = moment.as_deref().and_then(|at| Timestamp::parse(at).ok()).unwrap_or(signal.received_at);
    signal.source_ref = alert.generator_url.as_deref().map(|url| text::line(url, TITLE_LIMIT));
    let label = |(name, value): (&String, &String)| (text::line(name, TITLE_LIMIT), text::line(value, TITLE_LIMIT));
    signal.labels = alert.labels.iter().take(LABELS_LIMIT).map(label).collect();
    let runbook = note("runbook_url").map(|url| text::line(url, TITLE_LIMIT));
    let mut metadata = json!({ "starts_at": alert.starts_at, "ends_at": alert.ends_at, "runbook_url": runbook });
    if let Some(panel) = &alert.panel_url {
        metadata["panel_url"] = json!(text::line(panel, TITLE_LIMIT));
    }
    if let Some(values) = alert.values {
        let seen = values
            .into_iter()
            .take(LABELS_LIMIT)
            .filter_map(|(name, value)| Some((text::line(&name, TITLE_LIMIT), value.as_f64()?)));
        metadata["values"] = seen.collect::<BTreeMap<_, _>>().into_iter().collect();
    }
    signal.metadata = metadata;
    Incoming { signal, fingerprint }
}
