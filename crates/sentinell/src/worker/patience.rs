//! Waiting for a store that does not take writes now: a full disk, a database that restarts.
//!
//! What a claim has in hand (an answer that was read or paid for, the outcome of a deed) is kept meanwhile and written
//! when there is room again. Nobody else can take the incident over in that time without the same store.

use super::LetGo;
use crate::store::StoreError;
use std::time::{Duration, Instant};

/// The longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(2);
/// How long it is borne.
const LIMIT: Duration = Duration::from_secs(600);

/// How much longer one write is tried.
pub(super) struct Patience {
    since: Instant,
    pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { since: Instant::now(), pause: Duration::from_millis(50) }
    }
}

impl Patience {
    /// Waits a while if trying again may help.
    pub(super) async fn bear(&mut self, error: StoreError) -> Result<(), LetGo> {
        let passing = matches!(error, StoreError::Busy | StoreError::Unavailable(_));
        if !passing || self.since.elapsed() > LIMIT {
            return Err(error.into());
        }
        tokio::time::sleep(self.pause).await;
        self.pause = LONGEST.min(self.pause * 2);
        Ok(())
    }
}
