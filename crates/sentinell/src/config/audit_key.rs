//! The key that signs the audit's heads. It lies outside the database, so that whoever bends the one does not hold the other.

use super::{Config, Secret, Surroundings, operator};
use std::path::PathBuf;

/// Where the minted key lies: `audit-key` beside the user's configuration.
pub fn file(around: &Surroundings) -> Option<PathBuf> {
    around.user_folder().map(|folder| folder.join("audit-key"))
}

/// The configured key, or the one in the file, minted if there is none yet; none where there is no home folder to keep it
/// in. With the file when a new one was minted.
///
/// # Errors
/// When the file cannot be written or is readable by others.
pub fn ensure(config: &Config, around: &Surroundings) -> anyhow::Result<Option<(Secret, Option<PathBuf>)>> {
    if let Some(key) = &config.auth.audit_key {
        return Ok(Some((key.clone(), None)));
    }
    let Some(path) = file(around) else { return Ok(None) };
    let (key, minted) = operator::kept(&path, || Ok(Secret::new(operator::random()?)))?;
    Ok(Some((key, minted.then_some(path))))
}
