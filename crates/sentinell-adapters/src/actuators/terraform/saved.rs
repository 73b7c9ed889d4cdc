//! Saved plans, each in a file that is called by its SHA-256, in a folder that nobody else may enter.

use crate::text::one_line;
use sentinell_core::time::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the name of a kept plan ends.
const END: &str = ".tfplan";

/// The folder.
pub(super) struct Plans {
    folder: PathBuf,
    drafts: AtomicU64,
}

impl Plans {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, drafts: AtomicU64::new(0) }
    }

    /// A place for a plan in the making.
    pub fn draft(&self, now: Timestamp) -> Result<PathBuf, String> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|error| format!("{}: {error}", self.folder.display()))?;
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        Ok(self.folder.join(format!("draft-{}-{}-{number}", std::process::id(), now.0)))
    }

    /// Gives a finished draft the name of what it holds.
    pub fn keep(&self, draft: &Path) -> Result<PathBuf, String> {
        let file = self.folder.join(format!("{}{END}", hash(draft)?));
        fs::rename(draft, &file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(file)
    }

    pub fn forget(&self, file: &Path) {
        let _ = fs::remove_file(file);
    }

    /// Whether this is where a kept plan would be.
    pub fn is_ours(&self, file: &Path) -> bool {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let hex = name.strip_suffix(END).unwrap_or_default();
        let named = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        named && file.parent() == Some(&self.folder)
    }

    /// Whether a kept plan still holds what it is called by.
    pub fn check(&self, file: &Path) -> Result<(), String> {
        let now = format!("{}{END}", hash(file)?);
        let same = file.file_name().is_some_and(|name| name == now.as_str());
        if same { Ok(()) } else { Err("the saved plan is not what was approved".to_owned()) }
    }
}

fn hash(file: &Path) -> Result<String, String> {
    let bytes = fs::read(file).map_err(|error| format!("the saved plan {}: {error}", file.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What a plan would change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changes {
    pub count: u32,
    pub destroyed: usize,
    /// The first addresses that would be destroyed.
    pub named: String,
}

impl Changes {
    /// Of `terraform show -json`.
    pub fn of(json: &str) -> Result<Self, String> {
        let plan: Value = serde_json::from_str(json).map_err(|error| format!("the plan cannot be read: {error}"))?;
        let all = plan["resource_changes"].as_array().cloned().unwrap_or_default();
        let does = |change: &Value, what: &str| {
            change["change"]["actions"].as_array().is_some_and(|actions| actions.iter().any(|action| action == what))
        };
        let count = all.iter().filter(|change| ["create", "update", "delete"].iter().any(|what| does(change, what)));
        let gone: Vec<String> = all
            .iter()
            .filter(|change| does(change, "delete") && !does(change, "create"))
            .map(|change| one_line(change["address"].as_str().unwrap_or_default(), 100))
            .collect();
        let named = gone.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        Ok(Self { count: u32::try_from(count.count()).unwrap_or(u32::MAX), destroyed: gone.len(), named })
    }
}
