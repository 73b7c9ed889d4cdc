//! The REST interface: parse, submit, answer. Handlers meet the rest of the house in the store and never call a model, a
//! tool or an actuator; the one exception, a repository's check, goes through the port [`RepoChecks`].

pub mod ask;
pub mod audit;
pub mod commands;
pub mod docs;
pub mod extract;
pub mod health;
pub mod idempotency;
pub mod incidents;
pub mod journal;
pub mod log_sources;
pub mod outbox;
pub mod paging;
pub mod policies;
pub mod problem;
pub mod regroup;
pub mod repo_urls;
pub mod repos;
mod routes;
pub mod search;
mod shed;
pub mod signals;
pub mod silences;
pub mod simulate;
pub mod slack_channels;
pub mod tokens;
pub mod usage;
pub mod views;

pub use routes::{openapi, router};

use crate::audit::Notary;
use crate::auth::secret;
use crate::config::{Secret, Senders};
use crate::feed::tail::Tail;
use crate::memory::search::Sense;
use crate::metrics::Metrics;
use crate::slackbot::Desk;
use crate::store::{Store, StoreError};
use crate::telemetry::Seldom;
use problem::ApiError;
use sentinell_core::ports::{BoxFuture, Clock};
use sentinell_core::time::Timestamp;
use sentinell_evidence::case::Level;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// What the API needs to know; filled from the configuration.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where the server listens; requests for other hosts are refused.
    pub listen: SocketAddr,
    /// Names besides `localhost` and the address that this server answers to.
    pub allowed_hosts: Vec<String>,
    /// Origins (`https://sentinell.example`) of pages besides our own that may speak to it.
    pub allowed_origins: Vec<String>,
    /// Whether anybody on loopback may read and post signals. Without effect on any other address.
    pub open_reading_on_loopback: bool,
    /// The operator's own tokens; each has the role admin.
    pub operators: Vec<OperatorToken>,
    /// How senders of signals prove who they are.
    pub senders: Senders,
    /// Log lines of collectors that are less bad than this are only counted.
    pub log_threshold: Level,
    /// Who signs the audit's heads.
    pub notary: Option<Arc<Notary>>,
    /// The bot in Slack.
    pub slack: Option<Desk>,
    /// Hosts whose repositories may be registered; empty: any public host.
    pub repo_hosts: Vec<String>,
    /// What gives a search its meaning; without it words alone are searched for.
    pub sense: Sense,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long one frame of the stream may wait for its reader before that reader counts as lagged.
    pub stream_patience: Duration,
    /// How often an open stream's token or session is looked at again, in case another process took it back.
    pub judged_again: Duration,
    /// How long a worker may be silent before the server is not ready.
    pub worker_silence: Duration,
    /// How old the oldest due wake-up may be before the server is not ready.
    pub queue_lag: Duration,
}

impl ApiConfig {
    /// What fits one machine: loopback, reading open, limits as documented.
    pub fn on(listen: SocketAddr) -> Self {
        Self {
            listen,
            allowed_hosts: vec![],
            allowed_origins: vec![],
            open_reading_on_loopback: true,
            operators: vec![],
            senders: Senders::default(),
            log_threshold: Level::Error,
            notary: None,
            slack: None,
            repo_hosts: vec![],
            sense: Sense::default(),
            request_timeout: Duration::from_secs(30),
            stream_patience: Duration::from_secs(5),
            judged_again: Duration::from_secs(15),
            worker_silence: Duration::from_secs(60),
            queue_lag: Duration::from_secs(120),
        }
    }
}

/// A token from the operator's configuration.
#[derive(Debug, Clone)]
pub struct OperatorToken {
    /// The actor of what it does.
    pub name: String,
    /// SHA-256 of the token, lower-case hex.
    pub token_sha256: String,
}

impl OperatorToken {
    /// Keeps only the hash of a token.
    pub fn new(name: &str, token: &Secret) -> Self {
        Self { name: name.to_owned(), token_sha256: secret::hash(token.expose()) }
    }
}

/// How a repository's check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOutcome {
    /// The program's exit code; none if it was stopped.
    pub exit_code: Option<i32>,
    /// What it printed, bounded.
    pub stdout: String,
    /// What it printed to standard error, bounded.
    pub stderr: String,
}

/// Why a repository's check did not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The operator's configuration has no check for this repository (400).
    #[error(
        "no check is configured for this repository; add `check = [\"/path/to/program\", …]` under `[repos.\"{0}\"]`"
    )]
    NotConfigured(String),
    /// It could not be started or did not end in time.
    #[error("the check did not run: {0}")]
    Failed(String),
}

/// Runs the check command that the operator's file declares for a repository.
pub trait RepoChecks: Send + Sync {
    /// Runs the check of the repository with this registered name and URL.
    fn run<'a>(&'a self, name: &'a str, repo_url: &'a str) -> BoxFuture<'a, Result<CheckOutcome, CheckError>>;
}

/// What every handler can reach. A clone is one more count: every layer of the router makes some for every request.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// What all clones of [`AppState`] share.
pub struct Shared {
    /// Where everything is kept.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the API needs to know.
    pub config: ApiConfig,
    /// The checks of repositories.
    pub checks: Arc<dyn RepoChecks>,
    /// Counters of this process.
    pub metrics: Arc<Metrics>,
    /// The newest entries, for everybody who follows.
    pub tail: Arc<Tail>,
    /// Held while the policy is changed: one change at a time.
    pub policy_turn: tokio::sync::Mutex<()>,
    /// Changes when a token or session is taken back: who is connected is judged again.
    pub access: tokio::sync::watch::Sender<()>,
    /// Turns true when the server stops: streams say goodbye.
    pub stopping: tokio::sync::watch::Receiver<bool>,
}

impl AppState {
    /// A server's state over a store.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        config: ApiConfig,
        checks: Arc<dyn RepoChecks>,
        stopping: tokio::sync::watch::Receiver<bool>,
    ) -> Self {
        let (metrics, policy_turn) = (Arc::default(), tokio::sync::Mutex::default());
        let tail = Arc::new(Tail::new(store.clone()));
        let access = tokio::sync::watch::Sender::default();
        Self(Arc::new(Shared { store, tail, clock, config, checks, metrics, policy_turn, access, stopping }))
    }

    /// Says that a token or session was taken back.
    pub(crate) fn access_changed(&self) {
        self.access.send_replace(());
    }

    /// Whether a caller without a token may read and post signals.
    pub fn is_open(&self) -> bool {
        self.config.open_reading_on_loopback && self.config.listen.ip().is_loopback()
    }

    /// Demands that a repository is registered, where one is named.
    pub(crate) async fn known_repo(&self, id: Option<&str>) -> Result<(), ApiError> {
        let Some(id) = id else { return Ok(()) };
        match self.store.repo(id).await? {
            Some(_) => Ok(()),
            None => Err(ApiError::not_found("repository (`repo_id`)")),
        }
    }

    /// The repository that a Slack channel is about.
    pub(crate) async fn repo_of_channel(&self, team: &str, channel: &str) -> Result<Option<String>, ApiError> {
        Ok(self.store.slack_channel(team, channel).await?.and_then(|channel| channel.repo_id))
    }

    /// The registered repository that GitHub calls `owner/name`.
    pub(crate) async fn repo_by_full_name(&self, full_name: &str) -> Result<Option<String>, ApiError> {
        let suffix = format!("/{full_name}");
        let ours = |url: &str| url.trim_end_matches('/').trim_end_matches(".git").ends_with(&suffix);
        Ok(self.store.repos().await?.into_iter().find(|repo| ours(&repo.repo_url)).map(|repo| repo.id))
    }

    /// A new id with this prefix.
    pub(crate) fn new_id(&self, prefix: &str) -> (String, Timestamp) {
        let now = self.clock.now();
        (views::new_id(prefix, now), now)
    }
}

static AWAY: Seldom = Seldom::new();

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Busy => Self::unavailable("too much is waiting; try again in a moment", 1),
            StoreError::Unavailable(cause) => {
                if let Some(held_back) = AWAY.line() {
                    tracing::error!(%cause, held_back, "the store is not available");
                }
                Self::unavailable("the database does not answer or does not take writes now; try again", 5)
            }
            StoreError::Conflict(_) => Self::conflict(format!("{error}; read it again and repeat")),
            StoreError::BadCursor | StoreError::Unstorable => Self::bad_request(error.to_string()),
            StoreError::NotFound(what) => {
                Self::new(axum::http::StatusCode::NOT_FOUND, format!("there is no such thing: {what}"))
            }
            _ => Self::internal(&error),
        }
    }
}
