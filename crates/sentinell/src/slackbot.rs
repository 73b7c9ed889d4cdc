//! The bot's voice in Slack: notices of an incident in one thread, the message that asks with two buttons.
//!
//! At least once, as every mouth: after a crash between saying and writing down where, a thing may be said twice.

mod desk;
pub mod socket;

pub use desk::Desk;

use crate::config;
use crate::store::{Store, StoreError, Thread};
use sentinell_adapters::http::Url;
use sentinell_adapters::slack::{Place, Slack, blocks};
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::Investigation;
use sentinell_core::notice::{Notice, NoticeKind, Wanted};
use sentinell_core::ports::{BoxFuture, Notifier, NotifyError};
use sentinell_core::signal::{Severity, SignalType};
use tokio::sync::Mutex;

/// The destination's name in the outbox.
pub const NAME: &str = "slack";

/// Everything: whoever mapped a channel wants to read along.
pub fn wanted() -> Wanted {
    Wanted { kinds: NoticeKind::ALL.into_iter().collect(), at_least: Severity::Low }
}

/// Says a test notice in the configured channel.
///
/// # Errors
/// What Slack said.
pub async fn greet(settings: &config::Slack, notice: &Notice) -> Result<(), NotifyError> {
    let Some(channel) = settings.channel.clone() else {
        return Err(NotifyError::Refused("no channel to try it in: set slack.channel".into()));
    };
    let slack = Slack::new(settings.token.expose(), settings.api.clone()).map_err(NotifyError::Refused)?;
    slack.post(&Place { channel, thread: None }, &blocks::reply(notice, None)).await.map(drop)
}

/// The page of an incident.
pub fn page(public_url: Option<&Url>, id: &IncidentId) -> Option<String> {
    public_url.map(|base| format!("{}/#{id}", base.as_str().trim_end_matches('/')))
}

/// The workspace's bot as a mouth.
pub struct SlackBot {
    store: Store,
    slack: Slack,
    channel: Option<String>,
    public_url: Option<Url>,
    /// One thing after the other: a thread is begun once, and Slack wants about one message a second in a channel.
    turn: Mutex<()>,
}

impl SlackBot {
    /// Over a workspace.
    ///
    /// # Errors
    /// As [`Slack::new`].
    pub fn new(store: Store, settings: &config::Slack, public_url: Option<Url>) -> Result<Self, String> {
        let slack = Slack::new(settings.token.expose(), settings.api.clone())?;
        Ok(Self { store, slack, channel: settings.channel.clone(), public_url, turn: Mutex::default() })
    }

    async fn tell(&self, notice: &Notice) -> Result<(), NotifyError> {
        let _turn = self.turn.lock().await;
        let id = &notice.incident.id;
        let link = page(self.public_url.as_ref(), id);
        let mut thread = match self.store.slack_thread(id).await.map_err(away)? {
            Some(thread) => thread,
            None => match self.begin(notice, link.as_deref()).await? {
                Some(thread) => thread,
                // Nobody mapped a channel for it.
                None => return Ok(()),
            },
        };
        let new = thread.ours && notice.kind == NoticeKind::Opened;
        if !new {
            let place = Place { channel: thread.channel.clone(), thread: Some(thread.ts.clone()) };
            let said = self.slack.post(&place, &blocks::reply(notice, link.as_deref())).await?;
            self.settle(&mut thread, notice, said).await?;
        }
        if thread.ours {
            self.slack.update(&thread.channel, &thread.ts, &blocks::root(notice, link.as_deref())).await?;
        }
        Ok(())
    }

    /// What was asked before is asked no more; what is asked now is remembered.
    async fn settle(&self, thread: &mut Thread, notice: &Notice, said: String) -> Result<(), NotifyError> {
        let asks = notice.kind == NoticeKind::ApprovalWanted;
        let rests = asks || notice.kind.needs_a_person() || notice.kind == NoticeKind::Resolved;
        let before = thread.asked.take_if(|_| rests);
        if let Some(asked) = &before {
            let over = blocks::answer(&format!("No longer asked. {}", notice.summary), None);
            self.slack.update(&thread.channel, asked, &over).await?;
        }
        if asks {
            thread.asked = Some(said);
        }
        if asks || before.is_some() {
            self.store.put_slack_thread(&notice.incident.id, thread).await.map_err(away)?;
        }
        Ok(())
    }

    /// The thread that an incident came out of, or a new one in the channel of its repository; none if there is no channel.
    async fn begin(&self, notice: &Notice, link: Option<&str>) -> Result<Option<Thread>, NotifyError> {
        let id = &notice.incident.id;
        let case = self.store.load(id).await.map_err(away)?;
        let thread = match case.as_ref().and_then(origin) {
            Some(thread) => thread,
            None => {
                let Some(channel) = self.channel_of(notice.incident.repo_id.as_deref()).await? else { return Ok(None) };
                let root = blocks::root(notice, link);
                let ts = self.slack.post(&Place { channel: channel.clone(), thread: None }, &root).await?;
                Thread { channel, ts, ours: true, asked: None }
            }
        };
        self.store.put_slack_thread(id, &thread).await.map_err(away)?;
        Ok(Some(thread))
    }

    async fn channel_of(&self, repo_id: Option<&str>) -> Result<Option<String>, NotifyError> {
        let Some(repo_id) = repo_id else { return Ok(self.channel.clone()) };
        let channels = self.store.slack_channels().await.map_err(away)?;
        let mapped = channels.into_iter().find(|channel| channel.repo_id.as_deref() == Some(repo_id));
        Ok(mapped.map(|channel| channel.channel_id).or_else(|| self.channel.clone()))
    }
}

/// The thread of the message that opened an incident.
fn origin(case: &Investigation) -> Option<Thread> {
    let signal = Some(&case.signal).filter(|signal| signal.signal_type == SignalType::Slack)?;
    let label = |name: &str| signal.labels.get(name).cloned();
    let ts = label("slack_thread").or_else(|| label("slack_ts"))?;
    Some(Thread { channel: label("slack_channel")?, ts, ours: false, asked: None })
}

fn away(error: StoreError) -> NotifyError {
    NotifyError::Retry { why: error.to_string(), after_millis: None }
}

impl Notifier for SlackBot {
    fn name(&self) -> &str {
        NAME
    }

    fn wanted(&self) -> &Wanted {
        static WANTED: std::sync::LazyLock<Wanted> = std::sync::LazyLock::new(wanted);
        &WANTED
    }

    fn notify<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), NotifyError>> {
        Box::pin(self.tell(notice))
    }
}
