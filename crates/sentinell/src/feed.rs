//! The stream: what happened, as it happens, to anybody who may read. Replay and live are the same thing: entries after a
//! position, so that nothing is missed, doubled or buffered; the store's hint only makes it quick. What is new is read once
//! for all who follow ([`tail::Tail`]); whoever is further behind reads the store.

mod nodes;
mod partial;
pub mod socket;
pub mod sse;
pub mod tail;

use crate::api::AppState;
use crate::api::problem::ApiError;
use crate::store::Store;
use axum::http::StatusCode;
use sentinell_core::ids::IncidentId;
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tail::{BATCH, POLL, Tail, Told};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

/// What a client wants to follow.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// One incident; all if left out.
    incident: Option<String>,
    /// Everything after this position. Left out: from now on, or, for one incident, from its beginning.
    after: Option<u64>,
    /// `nodes`: the first version's frames, one per finished step of one investigation.
    #[param(inline)]
    format: Option<Format>,
    /// A ticket of `POST /api/stream-ticket`.
    ticket: Option<String>,
}

/// A form of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One frame per journal entry.
    Entries,
    /// The first version's: one frame per finished step.
    Nodes,
}

/// Entries after a position, for ever.
struct Feed {
    store: Store,
    tail: Arc<Tail>,
    incident: Option<IncidentId>,
    /// The last one given out.
    after: u64,
    /// Everything up to here has been looked at.
    seen: u64,
    hint: watch::Receiver<u64>,
    read: VecDeque<Arc<Told>>,
}

impl Feed {
    async fn start(app: &AppState, incident: Option<IncidentId>, after: Option<u64>) -> Result<Self, ApiError> {
        let (store, tail) = (app.store.clone(), Arc::clone(&app.tail));
        let hint = store.subscribe();
        if let Some(id) = &incident {
            store.incident(id).await?.ok_or_else(|| ApiError::not_found("incident"))?;
        }
        let after = match (after, &incident) {
            // Positions are 64-bit signed in every database.
            (Some(after), None) => {
                let horizon = store.horizon().await?;
                if after < horizon {
                    return Err(ApiError::new(
                        StatusCode::GONE,
                        format!(
                            "entries up to position {horizon} are no longer all kept: resume with after={horizon}, and read older incidents one by one"
                        ),
                    ));
                }
                after.min(i64::MAX as u64)
            }
            (Some(after), Some(_)) => after.min(i64::MAX as u64),
            (None, Some(_)) => 0,
            (None, None) => store.last_position().await?,
        };
        Ok(Self { store, tail, incident, after, seen: after, hint, read: VecDeque::new() })
    }

    /// The next entry, as soon as there is one. May be dropped while it waits.
    async fn next(&mut self) -> Arc<Told> {
        loop {
            if let Some(told) = self.read.pop_front() {
                self.after = told.stored.position;
                return told;
            }
            match self.look().await {
                Ok(true) => {}
                Ok(false) => self.wait().await,
                Err(error) => {
                    tracing::warn!(%error, "the stream cannot be read; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Looks for more; whether it got any further.
    async fn look(&mut self) -> crate::store::Result<bool> {
        let hint = *self.hint.borrow_and_update();
        if let Some((found, seen)) = self.tail.after(self.seen, hint).await? {
            let further = seen > self.seen;
            self.seen = seen;
            let wanted = |told: &Arc<Told>| self.incident.as_ref().is_none_or(|id| *id == told.stored.entry.incident);
            self.read.extend(found.into_iter().filter(wanted));
            return Ok(further);
        }
        // Asked for before reading: what is committed meanwhile may be missing in what was read.
        let newest = self.tail.newest(hint).await?;
        let found = self.store.entries_after(self.seen, self.incident.as_ref(), BATCH).await?;
        let all = found.len() < BATCH as usize;
        let last = found.last().map_or(self.seen, |stored| stored.position);
        self.seen = if all { newest.max(last) } else { last };
        self.read.extend(found.into_iter().map(Told::new));
        Ok(true)
    }

    /// Whether everything that was read has been given out.
    fn is_drained(&self) -> bool {
        self.read.is_empty()
    }

    async fn wait(&mut self) {
        let hinted = tokio::time::timeout(POLL, self.hint.changed()).await;
        if matches!(hinted, Ok(Err(_))) {
            // This process's writer is gone; others may still append.
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Returns when the server stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        // Nobody can stop this server in an orderly way any more.
        std::future::pending::<()>().await;
    }
}
