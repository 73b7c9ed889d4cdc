//! A repository's check as a signal: failing, it opens or joins an incident; passing, it ends that one.

use super::accept;
use crate::api::problem::ApiError;
use crate::api::{AppState, CheckOutcome};
use crate::intake::{Receipt, check};
use crate::store::Repo;
use sentinell_core::ids::SignalId;
use sentinell_core::time::Timestamp;
use sha2::{Digest, Sha256};

/// Stores the outcome of a check and answers the incident it belongs to.
///
/// # Errors
/// 503 if the store cannot take it now.
pub async fn report(
    app: &AppState,
    repo: &Repo,
    outcome: &CheckOutcome,
    at: Timestamp,
) -> Result<Option<String>, ApiError> {
    let receipt = Receipt { id: SignalId(app.new_id("sig_").0), at, delivery_id: None };
    let checked = check::Check {
        repo_id: &repo.id,
        name: &repo.name,
        exit_code: outcome.exit_code,
        stdout: &outcome.stdout,
        stderr: &outcome.stderr,
    };
    let raw = Sha256::new().chain_update(&outcome.stdout).chain_update(&outcome.stderr).finalize().into();
    let incident = accept(app, check::incoming(&checked, receipt), raw).await?;
    Ok(incident.map(|incident| incident.id))
}
