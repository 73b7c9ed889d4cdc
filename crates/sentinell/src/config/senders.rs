//! How senders of signals prove who they are, and the mappings of those that have a form of their own.

use super::{Secret, Sns};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What senders sign with. None: that sender's webhooks are refused, and the answer names the setting.
#[derive(Debug, Clone, Default)]
pub struct Senders {
    /// GitHub's webhook secret.
    pub github: Option<Secret>,
    /// Slack's signing secret.
    pub slack: Option<Secret>,
    /// PagerDuty's secret of the webhook subscription.
    pub pagerduty: Option<Secret>,
    /// The client secret of Sentry's integration.
    pub sentry: Option<Secret>,
    /// For senders that sign as Standard Webhooks says and have no secret of their own in their mapping.
    pub standard: Option<Secret>,
    /// Topics of Amazon SNS.
    pub sns: Option<Sns>,
    /// Senders with a form of their own, by name.
    pub generic: BTreeMap<String, Mapping>,
}

/// Where a sender's JSON has what an alert needs, as JSON pointers (RFC 6901).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Its name: it posts to `/api/signals/generic/<name>`.
    pub name: String,
    /// What it signs with, as Standard Webhooks says; otherwise `STANDARD_WEBHOOKS_SECRET`, otherwise it needs a token.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// The list of alerts, where several come at once; all other pointers are then meant within one of them.
    #[serde(default)]
    pub each: Option<String>,
    /// One line.
    pub title: String,
    /// The whole story; the title if left out.
    #[serde(default)]
    pub text: Option<String>,
    /// What makes two alerts the same alert; the title if left out.
    #[serde(default)]
    pub key: Vec<String>,
    /// Whether it begins or ends.
    #[serde(default)]
    pub state: Option<String>,
    /// The words of `state` that end it; the usual ones (resolved, ok, closed, recovered, …) if left out.
    #[serde(default)]
    pub resolved: Vec<String>,
    /// How bad it is.
    #[serde(default)]
    pub severity: Option<String>,
    /// When: RFC 3339, or seconds or milliseconds since 1970.
    #[serde(default)]
    pub at: Option<String>,
    /// Where a person can look.
    #[serde(default)]
    pub link: Option<String>,
    /// Labels by name: `service`, `namespace`, `host` and `repo` are used to find out more.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl Mapping {
    /// What is wrong with it, each in a sentence.
    pub(super) fn problems(&self) -> Vec<String> {
        let place = format!("generic `{}`", self.name);
        let mut problems = vec![];
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if self.name.is_empty() || self.name.len() > 40 || !self.name.chars().all(plain) {
            problems.push(format!("{place}.name: 1 to 40 small letters, digits, - or _"));
        }
        let singles = [&self.each, &self.text, &self.state, &self.severity, &self.at, &self.link];
        let all = std::iter::once(&self.title).chain(singles.into_iter().flatten()).chain(&self.key);
        for pointer in all.chain(self.labels.values()) {
            if !pointer.starts_with('/') {
                problems.push(format!("{place}: `{pointer}` is no JSON pointer; write it as /field or /outer/field"));
            }
        }
        problems
    }
}
