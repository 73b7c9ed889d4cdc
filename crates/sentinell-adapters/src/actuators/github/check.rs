//! The operator's check of a repository, run on the tree that would be proposed.

use super::scratch::{Scratch, TreeLimits};
use super::words::visible;
use crate::process::{Limits, Program, RunError};
use crate::text::head_and_tail;
use sentinell_core::ports::ToolError;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is written for a check.
const LIMITS: TreeLimits = TreeLimits { files: 100_000, bytes: 2 << 30 };
/// Bytes of its output that are read, and lines of its end that are told.
const OUTPUT: usize = 4 << 20;
const LINES: usize = 30;

/// A program that says whether a tree is well. It is started in the tree's root.
#[derive(Debug, Clone)]
pub struct RepositoryCheck {
    /// What runs.
    pub program: Program,
    /// Its arguments.
    pub args: Vec<String>,
    /// How long it may take.
    pub time: Duration,
}

impl RepositoryCheck {
    /// Runs it on a tree; the end of what it printed.
    ///
    /// # Errors
    /// [`ToolError::BadQuery`] if the tree is not well, with the end of what it printed.
    pub(super) async fn run(&self, scratch: &Scratch, tree: &str) -> Result<String, ToolError> {
        let room = Room::make(&scratch.folder)?;
        scratch.write(tree, &room.tree(), &LIMITS).await?;
        let limits = Limits { time: self.time, stdout: OUTPUT, stderr: OUTPUT };
        // It runs the repository's code: the home of our user is none of its business.
        let program = self.program.clone().with_var("HOME", &room.home().display().to_string());
        let ended = program.in_directory(room.tree()).run(&self.args, limits).await;
        let ended = ended.map_err(|error| match error {
            RunError::NotStarted(why) => ToolError::Denied(format!("the repository's check: {why}")),
            RunError::Unfinished(why) => ToolError::BadQuery(format!("the repository's check did not end: {why}")),
        })?;
        // Where it was written is nobody's business.
        let clean = |text: &str| visible(text).replace(&room.tree().display().to_string(), ".");
        let said = end(&format!("{}\n{}", clean(&ended.stdout).trim(), clean(&ended.stderr).trim()));
        match ended.code {
            Some(0) => Ok(said),
            code => {
                let code = code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
                let said = head_and_tail(&said, 600);
                Err(ToolError::BadQuery(format!("the repository's check fails on the reverted tree ({code}): {said}")))
            }
        }
    }
}

/// The last lines of a text.
fn end(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// A folder of our own, gone when dropped.
struct Room(PathBuf);

impl Room {
    fn make(beside: &Path) -> Result<Self, ToolError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = beside.join(format!("check-{}-{number}", std::process::id()));
        // What a killed process left behind under the same number.
        let _ = std::fs::remove_dir_all(&folder);
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        let room = Self(folder);
        let made = made.and_then(|()| std::fs::create_dir(room.tree())).and_then(|()| std::fs::create_dir(room.home()));
        made.map_err(|error| ToolError::Denied(format!("{}: {error}", room.0.display())))?;
        Ok(room)
    }

    /// An empty folder.
    fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    fn tree(&self) -> PathBuf {
        self.0.join("tree")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
