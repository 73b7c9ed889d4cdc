//! `[slack]`: the bot that speaks there, and who its people are here.

use super::Secret;
use sentinell_adapters::http::Url;
use sentinell_core::approval::Role;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The bot.
#[derive(Debug, Clone)]
pub struct Slack {
    /// Its token (`xoxb-…`).
    pub token: Secret,
    /// The app's token (`xapp-…`): Slack is listened to over a connection of ours (Socket Mode).
    pub app_token: Option<Secret>,
    /// The Web API.
    pub api: Url,
    /// The channel for incidents that belong to no mapped one; none: nothing is said of those.
    pub channel: Option<String>,
    /// Who presses buttons, by Slack's id of the user.
    pub people: BTreeMap<String, SlackPerson>,
}

/// Somebody of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackPerson {
    /// The actor of what they do.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// As it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSlack {
    pub bot_token: Option<Secret>,
    pub app_token: Option<Secret>,
    pub api_url: Option<String>,
    pub channel: Option<String>,
    pub people: BTreeMap<String, SlackPerson>,
}

/// Names every problem; none without a token.
pub(super) fn check(raw: RawSlack, problems: &mut Vec<String>) -> Option<Slack> {
    let plain =
        |id: &str| (2..=40).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    for (id, person) in &raw.people {
        if !plain(id) {
            problems.push(format!(
                "slack.people.{id:.40}: expected a user's id, such as U012ABCDEF (profile, ⋮, Copy member ID)"
            ));
        }
        if person.name.trim().is_empty() || person.name.len() > 100 {
            problems.push(format!("slack.people.{id:.40}.name: 1 to 100 characters"));
        }
    }
    if raw.channel.as_deref().is_some_and(|channel| !plain(channel)) {
        problems.push("slack.channel: expected a channel's id, such as C012ABCDEF (its details, at the bottom)".into());
    }
    let text = raw.api_url.as_deref().unwrap_or("https://slack.com/api");
    let loopback = |url: &Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let api = Url::parse(text).ok().filter(|url| url.scheme() == "https" || (url.scheme() == "http" && loopback(url)));
    if api.is_none() {
        problems.push("slack.api_url: expected https://…; leave it out for Slack itself".into());
    }
    let Some(token) = raw.bot_token else {
        if raw.channel.is_some() || !raw.people.is_empty() || raw.api_url.is_some() || raw.app_token.is_some() {
            problems.push(
                "slack.bot_token: missing; set SLACK_BOT_TOKEN to the bot's token (docs/connect/slack.md)".into(),
            );
        }
        return None;
    };
    Some(Slack { token, app_token: raw.app_token, api: api?, channel: raw.channel, people: raw.people })
}
