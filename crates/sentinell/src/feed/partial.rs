//! Text of a model as it is being written, for whoever follows now: frames without a position, never replayed.

use crate::store::{Partial, Store};
use sentinell_core::ids::IncidentId;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// The pieces of one incident, or of all.
pub(super) struct Whispers {
    pieces: Receiver<Partial>,
    incident: Option<IncidentId>,
}

impl Whispers {
    pub(super) fn of(store: &Store, incident: Option<IncidentId>) -> Self {
        Self { pieces: store.listen(), incident }
    }

    /// The next piece as a frame. What a slow reader missed is gone. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            match self.pieces.recv().await {
                Ok(piece) if self.incident.as_ref().is_none_or(|id| *id == piece.incident) => return frame(&piece),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

fn frame(piece: &Partial) -> Value {
    json!({
        "type": "partial",
        "incident_id": piece.incident,
        "at": piece.at,
        "node": "reason",
        "data": { "by": piece.by, "text": piece.text },
    })
}
