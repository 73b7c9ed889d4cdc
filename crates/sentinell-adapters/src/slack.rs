//! Slack's Web API, as far as a bot needs it to speak: say, say again, tell one person.
//!
//! <https://docs.slack.dev/apis/web-api/>; limits and errors as `chat.postMessage` documents them.

pub mod blocks;

use crate::http::{Http, HttpLimits, StatusCode, Url};
use crate::text::one_line;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use sentinell_core::ports::NotifyError;
use serde_json::{Value, json};
use std::time::Duration;

/// Bytes of an answer that are read: one brings the whole message back.
const ANSWER: usize = 1 << 20;

/// A message: what is shown, and one line for where blocks cannot be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Escaped for Slack's markup.
    pub text: String,
    /// Block Kit blocks, at most 50.
    pub blocks: Value,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The channel's id.
    pub channel: String,
    /// The first message of the thread; none: into the channel itself.
    pub thread: Option<String>,
}

/// A workspace, as its bot.
#[derive(Debug, Clone)]
pub struct Slack {
    http: Http,
    base: Url,
    headers: HeaderMap,
}

impl Slack {
    /// With the bot's token (`xoxb-…`, scope `chat:write`); `base` is `https://slack.com/api`, or what stands in for it.
    ///
    /// # Errors
    /// A token that cannot stand in a header, or no TLS backend.
    pub fn new(token: &str, base: Url) -> Result<Self, String> {
        let limits = HttpLimits { total: Duration::from_secs(10), body: ANSWER, ..HttpLimits::default() };
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| "the token has odd characters")?;
        bearer.set_sensitive(true);
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        let headers = [(AUTHORIZATION, bearer), (CONTENT_TYPE, json)].into_iter().collect();
        Ok(Self { http: Http::new(limits)?, base, headers })
    }

    /// Says it; answers Slack's name of the message (`ts`).
    ///
    /// # Errors
    /// What Slack said, by what happens next.
    pub async fn post(&self, place: &Place, message: &Message) -> Result<String, NotifyError> {
        let mut body = json!({"channel": place.channel, "text": message.text, "blocks": message.blocks,
            "unfurl_links": false, "unfurl_media": false});
        if let Some(thread) = &place.thread {
            body["thread_ts"] = json!(thread);
        }
        let said = self.call("chat.postMessage", &body).await?;
        let ts = said["ts"].as_str().map(str::to_owned);
        ts.ok_or_else(|| NotifyError::Refused("Slack took the message and did not say its name".into()))
    }

    /// Puts another message in the place of one that was said.
    ///
    /// # Errors
    /// As [`Slack::post`].
    pub async fn update(&self, channel: &str, ts: &str, message: &Message) -> Result<(), NotifyError> {
        let body = json!({"channel": channel, "ts": ts, "text": message.text, "blocks": message.blocks});
        self.call("chat.update", &body).await.map(drop)
    }

    /// Tells one person only; `text` is escaped already.
    ///
    /// # Errors
    /// As [`Slack::post`].
    pub async fn whisper(&self, place: &Place, user: &str, text: &str) -> Result<(), NotifyError> {
        let mut body = json!({"channel": place.channel, "user": user, "text": text});
        if let Some(thread) = &place.thread {
            body["thread_ts"] = json!(thread);
        }
        self.call("chat.postEphemeral", &body).await.map(drop)
    }

    /// Who we are there: `team` and `user` by name.
    ///
    /// # Errors
    /// As [`Slack::post`].
    pub async fn whoami(&self) -> Result<String, NotifyError> {
        let said = self.call("auth.test", &json!({})).await?;
        let word = |name: &str| one_line(said[name].as_str().unwrap_or_default(), 80);
        Ok(format!("{} in {}", word("user"), word("team")))
    }

    /// Where Socket Mode is spoken, once; with the app's token (`xapp-…`, scope `connections:write`).
    ///
    /// # Errors
    /// As [`Slack::post`].
    pub async fn open_connection(&self) -> Result<String, NotifyError> {
        let said = self.call("apps.connections.open", &json!({})).await?;
        let url = said["url"].as_str().and_then(|url| Url::parse(url).ok());
        let loopback = |url: &Url| self.base.scheme() == "http" && url.host() == self.base.host();
        let url = url.filter(|url| url.scheme() == "wss" || (url.scheme() == "ws" && loopback(url)));
        url.map(String::from).ok_or_else(|| NotifyError::Refused("Slack named no address that one may speak to".into()))
    }

    async fn call(&self, method: &str, body: &Value) -> Result<Value, NotifyError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{method}", self.base.path().trim_end_matches('/')));
        let away = |why: String| NotifyError::Retry { why, after_millis: None };
        let body = serde_json::to_vec(body).map_err(|error| NotifyError::Refused(error.to_string()))?;
        let asked = self.http.post_bytes(url, self.headers.clone(), body).await;
        let (status, headers, body) = asked.map_err(|error| away(error.to_string()))?;
        if status == StatusCode::TOO_MANY_REQUESTS {
            let seconds = headers.get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
            let after_millis = Some(seconds.unwrap_or(1).saturating_mul(1000));
            return Err(NotifyError::Retry { why: "Slack wants less at a time".into(), after_millis });
        }
        if !status.is_success() {
            return Err(away(format!("{method}: {status}")));
        }
        let said: Value =
            serde_json::from_slice(&body).map_err(|error| away(format!("{method}: no JSON came back: {error}")))?;
        match said["ok"].as_bool() {
            Some(true) => Ok(said),
            _ => Err(refusal(method, said["error"].as_str().unwrap_or("it did not say why"))),
        }
    }
}

/// What an error of Slack's means, and what to do about it.
fn refusal(method: &str, error: &str) -> NotifyError {
    let error = one_line(error, 80);
    let passes =
        ["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"];
    if passes.contains(&error.as_str()) {
        return NotifyError::Retry { why: format!("{method}: {error}"), after_millis: None };
    }
    let hint = match error.as_str() {
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            "; the token is not, or no longer, that of an installed app (SLACK_BOT_TOKEN, SLACK_APP_TOKEN)"
        }
        "missing_scope" | "no_permission" => "; give the bot the scope chat:write and install it again",
        "channel_not_found" | "not_in_channel" => "; invite the bot into the channel",
        "is_archived" => "; the channel is archived",
        _ => "",
    };
    NotifyError::Refused(format!("{method}: {error}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_whether_to_try_again_and_what_to_do() {
        assert!(matches!(refusal("chat.update", "ratelimited"), NotifyError::Retry { .. }));
        assert!(
            matches!(refusal("chat.update", "not_in_channel"), NotifyError::Refused(why) if why.contains("invite"))
        );
        assert!(
            matches!(refusal("auth.test", "invalid_auth"), NotifyError::Refused(why) if why.contains("SLACK_BOT_TOKEN"))
        );
    }
}
