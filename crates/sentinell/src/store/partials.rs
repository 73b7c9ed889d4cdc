//! Text of a model as it is being written: told to whoever listens in this process, kept nowhere.

use super::Store;
use sentinell_core::ids::IncidentId;
use sentinell_core::time::Timestamp;
use tokio::sync::broadcast;

/// Pieces that wait for a listener; who is slower misses some.
const WAITING: usize = 256;

/// A piece of text, redacted and bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// About which incident.
    pub incident: IncidentId,
    /// When.
    pub at: Timestamp,
    /// Which model writes.
    pub by: String,
    /// What came since the last piece.
    pub text: String,
}

#[derive(Clone)]
pub(super) struct Partials(broadcast::Sender<Partial>);

impl Default for Partials {
    fn default() -> Self {
        Self(broadcast::channel(WAITING).0)
    }
}

impl Store {
    /// Tells a piece to whoever listens now. Never waits.
    pub fn tell(&self, partial: Partial) {
        // Nobody listening is no trouble.
        let _ = self.partials.0.send(partial);
    }

    /// Hears pieces from now on. Who is slow misses some.
    pub fn listen(&self) -> broadcast::Receiver<Partial> {
        self.partials.0.subscribe()
    }
}
