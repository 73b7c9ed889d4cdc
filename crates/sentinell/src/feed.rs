//! The stream: what happened, as it happens, to anybody who may read. Replay and live are the same thing: entries after a
//! position, read from the store, so that nothing is missed, doubled or buffered; the store's hint only makes it quick.

mod nodes;
mod partial;
pub mod socket;
pub mod sse;

use crate::api::problem::ApiError;
use crate::store::{Store, Stored};
use axum::http::StatusCode;
use sentinell_core::ids::IncidentId;
use serde::Deserialize;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

/// Entries read at once; also the most that wait for one reader.
const BATCH: u32 = 200;
/// How often the store is asked for what other processes appended.
const POLL: Duration = Duration::from_millis(200);

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
    incident: Option<IncidentId>,
    after: u64,
    hint: watch::Receiver<u64>,
    read: VecDeque<Stored>,
}

impl Feed {
    async fn start(store: &Store, incident: Option<IncidentId>, after: Option<u64>) -> Result<Self, ApiError> {
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
        Ok(Self { store: store.clone(), incident, after, hint, read: VecDeque::new() })
    }

    /// The next entry, as soon as there is one. May be dropped while it waits.
    async fn next(&mut self) -> Stored {
        loop {
            if let Some(stored) = self.read.pop_front() {
                self.after = stored.position;
                return stored;
            }
            self.hint.borrow_and_update();
            match self.store.entries_after(self.after, self.incident.as_ref(), BATCH).await {
                Ok(found) if found.is_empty() => self.wait().await,
                Ok(found) => self.read = found.into(),
                Err(error) => {
                    tracing::warn!(%error, "the stream cannot be read; trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
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
