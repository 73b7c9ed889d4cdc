//! The bot as the API needs it: it answers who asks and who presses, behind the back of the request.

use super::page;
use crate::config::{self, SlackPerson};
use sentinell_adapters::http::Url;
use sentinell_adapters::slack::{Place, Slack, blocks};
use sentinell_core::ids::IncidentId;
use sentinell_core::ports::NotifyError;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Answers on their way: more than these are not begun, so that nobody can make us speak without end.
const SPEAKING: usize = 8;

/// A workspace and who its people are here.
#[derive(Debug, Clone)]
pub struct Desk {
    slack: Slack,
    people: Arc<BTreeMap<String, SlackPerson>>,
    public_url: Option<Url>,
    speaking: Arc<Semaphore>,
}

impl Desk {
    /// Over a workspace.
    ///
    /// # Errors
    /// As [`Slack::new`].
    pub fn new(settings: &config::Slack, public_url: Option<Url>) -> Result<Self, String> {
        let slack = Slack::new(settings.token.expose(), settings.api.clone())?;
        let (people, speaking) = (Arc::new(settings.people.clone()), Arc::new(Semaphore::new(SPEAKING)));
        Ok(Self { slack, people, public_url, speaking })
    }

    /// Who a user of the workspace is here.
    pub fn person(&self, user: &str) -> Option<&SlackPerson> {
        self.people.get(user)
    }

    /// What one of our buttons says: yes or no; none for another one.
    pub fn meant(&self, action_id: &str) -> Option<bool> {
        match action_id {
            blocks::APPROVE => Some(true),
            blocks::REJECT => Some(false),
            _ => None,
        }
    }

    /// Answers a question in a thread.
    pub fn answer(&self, channel: &str, thread: &str, incident: &IncidentId, text: &str) {
        let place = Place { channel: channel.to_owned(), thread: Some(thread.to_owned()) };
        let message = blocks::answer(text, page(self.public_url.as_ref(), incident).as_deref());
        self.speak(move |slack| async move { slack.post(&place, &message).await.map(drop) });
    }

    /// Tells one person why nothing was done.
    pub fn whisper(&self, channel: &str, thread: Option<&str>, user: &str, text: &str) {
        let place = Place { channel: channel.to_owned(), thread: thread.map(str::to_owned) };
        let (user, text) = (user.to_owned(), blocks::escape(text));
        self.speak(move |slack| async move { slack.whisper(&place, &user, &text).await });
    }

    /// Takes the buttons off the message that asked, and says who decided.
    pub fn decided(&self, channel: &str, message: &Value, line: &str, user: &str) {
        let Some(ts) = message["ts"].as_str().map(str::to_owned) else { return };
        let (channel, message) = (channel.to_owned(), blocks::decided(&message["blocks"], line, Some(user)));
        self.speak(move |slack| async move { slack.update(&channel, &ts, &message).await });
    }

    fn speak<F>(&self, say: impl FnOnce(Slack) -> F)
    where
        F: Future<Output = Result<(), NotifyError>> + Send + 'static,
    {
        let Ok(permit) = Arc::clone(&self.speaking).try_acquire_owned() else {
            tracing::warn!("too much to say in Slack at once; one answer was left out");
            return;
        };
        let saying = say(self.slack.clone());
        tokio::spawn(async move {
            if let Err(error) = saying.await {
                tracing::warn!(%error, "Slack did not take an answer");
            }
            drop(permit);
        });
    }
}
