//! The mouth: takes notices out of the outbox and tells them, each destination at its own pace.
//!
//! At least once: a crash between sending and writing that down sends again when the lease has lapsed, under the same id.

use crate::store::{Attempt, Letter, Store, StoreError};
use sentinell_core::notice::after_failure;
use sentinell_core::ports::{Clock, Notifier, NotifyError};
use sentinell_core::redact::redact;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a delivery is one worker's: longer than the slowest receiver may take.
const LEASE: Duration = Duration::from_secs(90);
/// Receivers of one destination are told this many notices side by side.
const SIDE_BY_SIDE: usize = 4;
/// News of this process are not looked at more often than this.
const BREATH: Duration = Duration::from_millis(100);
/// How often to look for notices of other processes.
const POLL: Duration = Duration::from_secs(1);
/// How often what is too old is given up, and how old that is, milliseconds (three days).
const SWEEP: Duration = Duration::from_secs(60);
const TOO_OLD: i64 = 72 * 60 * 60 * 1000;

/// Everything that telling needs, handed in from outside.
pub struct Mouth {
    store: Store,
    notifiers: Vec<Arc<dyn Notifier>>,
    clock: Arc<dyn Clock>,
    chance: fn() -> u32,
}

/// The low bits of a fresh id are chance.
fn chance() -> u32 {
    u32::try_from(uuid::Uuid::now_v7().as_u128() & u128::from(u32::MAX)).unwrap_or_default()
}

impl Mouth {
    /// Over these destinations.
    pub fn new(store: Store, notifiers: Vec<Arc<dyn Notifier>>, clock: Arc<dyn Clock>) -> Self {
        Self { store, notifiers, clock, chance }
    }

    /// Tells until `stop`, then lets what is being told come to its end.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut speaking = JoinSet::new();
        for notifier in &self.notifiers {
            speaking.spawn(Arc::clone(&self).speak(Arc::clone(notifier), stop.clone()));
        }
        if !self.notifiers.is_empty() {
            speaking.spawn(Arc::clone(&self).sweep(stop));
        }
        while speaking.join_next().await.is_some() {}
    }

    async fn speak(self: Arc<Self>, notifier: Arc<dyn Notifier>, stop: CancellationToken) {
        let mut news = self.store.subscribe();
        let mut telling = JoinSet::new();
        while !stop.is_cancelled() {
            if telling.len() < SIDE_BY_SIDE {
                match self.take(notifier.as_ref()).await {
                    Ok(Some(letter)) => {
                        telling.spawn(Arc::clone(&self).tell(Arc::clone(&notifier), letter));
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, destination = notifier.name(), "the outbox does not answer"),
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(POLL) => {}
                Some(_) = telling.join_next() => {}
                changed = news.changed() => match changed {
                    Ok(()) => tokio::time::sleep(BREATH).await,
                    Err(_) => break,
                },
            }
        }
        while telling.join_next().await.is_some() {}
    }

    /// Tells one notice that is due there; whether there was one.
    ///
    /// # Errors
    /// If the outbox cannot be read. What cannot be written down is told again when its lease has lapsed.
    pub async fn tell_next(self: &Arc<Self>, notifier: &Arc<dyn Notifier>) -> Result<bool, StoreError> {
        let Some(letter) = self.take(notifier.as_ref()).await? else { return Ok(false) };
        Arc::clone(self).tell(Arc::clone(notifier), letter).await;
        Ok(true)
    }

    async fn take(&self, notifier: &dyn Notifier) -> Result<Option<Letter>, StoreError> {
        let lease = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
        self.store.take_letter(notifier.name(), self.clock.now(), lease).await
    }

    async fn tell(self: Arc<Self>, notifier: Arc<dyn Notifier>, letter: Letter) {
        let told = notifier.notify(&letter.notice).await;
        let ended = self.judge(notifier.name(), &letter, told);
        let written = self.store.end_letter(&letter, notifier.name(), ended, self.clock.now()).await;
        if let Err(error) = written {
            let notice = &letter.notice.id;
            tracing::warn!(%error, destination = notifier.name(), notice, "what became of a notice was not written down");
        }
    }

    fn judge(&self, name: &str, letter: &Letter, told: Result<(), NotifyError>) -> Attempt {
        let Err(error) = told else { return Attempt::Arrived };
        let now = self.clock.now();
        // What a receiver says is text from outside.
        let why = redact(&error.to_string()).into_owned();
        let then = after_failure(&error, letter.attempts, letter.made_at, now, (self.chance)());
        let (notice, attempts) = (&letter.notice.id, letter.attempts);
        match error {
            NotifyError::Gone(_) => {
                tracing::error!(
                    destination = name,
                    notice,
                    why,
                    "the destination wants nothing any more; it is closed"
                );
                Attempt::Closed { why }
            }
            NotifyError::Retry { after_millis, .. } => {
                tracing::warn!(destination = name, notice, attempts, why, ?then, "a notice did not arrive");
                let hold = after_millis.map(|millis| now.plus_millis(i64::try_from(millis).unwrap_or(i64::MAX)));
                Attempt::Failed {
                    why,
                    away: true,
                    then,
                    hold: hold.map(|until| until.min(now.plus_seconds(24 * 60 * 60))),
                }
            }
            NotifyError::Refused(_) => {
                tracing::warn!(destination = name, notice, attempts, why, ?then, "a notice was refused");
                Attempt::Failed { why, away: false, then, hold: None }
            }
        }
    }

    async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let now = self.clock.now();
            match self.store.sweep_outbox(now.plus_millis(-TOO_OLD), now).await {
                Ok(0) => {}
                Ok(given_up) => tracing::error!(given_up, "notices waited for three days and were given up"),
                Err(error) => tracing::warn!(%error, "the outbox could not be swept"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
    }
}
