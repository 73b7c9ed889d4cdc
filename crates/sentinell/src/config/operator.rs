//! The first operator's token: minted at the first start into a file that only its owner may read.

use super::{Config, Secret, Surroundings};
use anyhow::{Context, anyhow};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where the minted token lies: `operator-token` beside the user's configuration.
pub fn token_file(around: &Surroundings) -> Option<PathBuf> {
    around.user_folder().map(|folder| folder.join("operator-token"))
}

/// The token that the server accepts for the first operator: the configured one, or the one in the file, minted if there
/// is none yet. Answers with the file when a new one was minted.
///
/// # Errors
/// When there is no home folder, or the file cannot be written or is readable by others.
pub fn ensure(config: &Config, around: &Surroundings) -> anyhow::Result<(Secret, Option<PathBuf>)> {
    if let Some(token) = &config.auth.operator_token {
        return Ok((token.clone(), None));
    }
    let path = token_file(around).ok_or_else(|| {
        anyhow!("there is no home folder to keep the operator's token in; set SENTINELL_OPERATOR_TOKEN or HOME")
    })?;
    let (token, minted) = kept(&path, mint)?;
    Ok((token, minted.then_some(path)))
}

/// The secret in a file that only its owner may read, minted if there is none yet; whether it was minted now.
pub(super) fn kept(path: &Path, mint: fn() -> anyhow::Result<Secret>) -> anyhow::Result<(Secret, bool)> {
    let minted = mint_into(path, mint)?;
    let secret = read(path)?.ok_or_else(|| anyhow!("{} vanished; start again", path.display()))?;
    Ok((secret, minted))
}

/// The token that a client command uses: from the environment, else from the file; none if there is neither.
///
/// # Errors
/// When the file is readable by others or cannot be read.
pub fn find(around: &Surroundings) -> anyhow::Result<Option<Secret>> {
    if let Some(token) = around.get("SENTINELL_OPERATOR_TOKEN") {
        return Ok(Some(Secret::new(token)));
    }
    token_file(around).map_or(Ok(None), |path| read(&path))
}

/// 256 bits of chance as text.
///
/// # Errors
/// When the machine has no chance to give.
pub fn mint() -> anyhow::Result<Secret> {
    Ok(Secret::new(format!("sop_{}", random()?)))
}

/// 256 bits of chance as hex.
pub(super) fn random() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 32];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(&mut bytes).map_err(|_| anyhow!("the machine's random source does not answer"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a new secret unless the file is there; whether it did.
fn mint_into(path: &Path, mint: fn() -> anyhow::Result<Secret>) -> anyhow::Result<bool> {
    if let Some(folder) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot create {}", folder.display()))?;
    }
    // Written aside and linked into place: of two servers starting at once one wins and nobody reads half a token.
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let written = write_aside(&aside, mint).and_then(|()| match std::fs::hard_link(&aside, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    });
    let _ = std::fs::remove_file(&aside);
    written
}

fn write_aside(aside: &Path, mint: fn() -> anyhow::Result<Secret>) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(aside);
    let mut file = opened.with_context(|| format!("cannot write {}", aside.display()))?;
    writeln!(file, "{}", mint()?.expose())?;
    Ok(file.sync_all()?)
}

fn read(path: &Path) -> anyhow::Result<Option<Secret>> {
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("cannot read {}", path.display()))?,
    };
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(anyhow!("{0} is readable by others; run `chmod 600 {0}`", path.display()));
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(anyhow!("{} is empty; delete it, the next start of the server mints a new one", path.display()));
    }
    Ok(Some(Secret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Surroundings) {
        let home = tempfile::tempdir().unwrap();
        let variables = [("HOME".to_owned(), home.path().display().to_string())].into();
        let around = Surroundings { variables, folder: home.path().to_owned() };
        (home, around)
    }

    #[test]
    fn the_first_start_mints_a_private_token_that_the_client_finds() {
        let (_home, around) = home();
        let config = Config::load(&around, super::super::Habit::OneShot, None, Default::default()).unwrap();
        let (first, minted) = ensure(&config, &around).unwrap();
        let file = minted.unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(ensure(&config, &around).unwrap(), (first.clone(), None), "the second start keeps it");
        assert_eq!(find(&around).unwrap(), Some(first));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(find(&around).unwrap_err().to_string().contains("chmod 600"));
    }
}
