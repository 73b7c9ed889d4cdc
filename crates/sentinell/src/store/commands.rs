//! People's commands: checked against the newest state, appended, and the wake-up committed before the answer.

use super::Store;
use super::error::StoreError;
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::{Command, Investigation, Refusal};
use sentinell_core::time::Timestamp;

/// How often a command is checked again because a worker appended in between.
const TRIES: u32 = 8;

/// Why a command was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// No such incident.
    #[error("there is no such incident")]
    NotFound,
    /// It does not fit; the kind decides the answer's status.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Carries out what a person says and answers the state after it. A worker's append in between is no refusal: the
    /// command is judged again on the newer state.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn command(
        &self,
        incident: &IncidentId,
        command: Command,
        at: Timestamp,
    ) -> Result<Investigation, CommandError> {
        let mut tries = 0;
        loop {
            let case = self.load(incident).await?.ok_or(CommandError::NotFound)?;
            let events = case.decide(command.clone(), at)?;
            match self.append(&case, events, at, None).await {
                Err(StoreError::Conflict(_)) if tries < TRIES => tries += 1,
                done => return Ok(done?),
            }
        }
    }
}
