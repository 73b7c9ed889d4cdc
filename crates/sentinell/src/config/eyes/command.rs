//! `[command]`: programs that may be run where they only read.

use sentinell_core::command::{is_known, names};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The section as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawCommands {
    pub programs: Vec<String>,
    pub folders: Vec<PathBuf>,
    pub names: Vec<String>,
}

/// What may be run, and where it may look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadCommands {
    /// Names of programs that the grammar knows.
    pub programs: Vec<String>,
    /// Below these folders files may be read.
    pub folders: Vec<PathBuf>,
    /// These names, and those below them, may be looked up outside. Lower case.
    pub names: Vec<String>,
}

impl ReadCommands {
    /// For people.
    pub(super) fn line(&self) -> String {
        self.programs.join(", ")
    }
}

impl RawCommands {
    pub(super) fn check(self, base: &Path, problems: &mut Vec<String>) -> ReadCommands {
        if self.programs.is_empty() {
            problems.push(format!("command.programs: name those that may be run; there are {}", names()));
        }
        for odd in self.programs.iter().filter(|name| !is_known(name)) {
            problems.push(format!("command.programs: there is no grammar for `{odd}`; there are {}", names()));
        }
        let folders: Vec<PathBuf> = self.folders.iter().map(|folder| base.join(folder)).collect();
        for folder in folders.iter().filter(|folder| !folder.is_dir()) {
            problems.push(format!("command.folders: `{}` is not a folder; correct the path", folder.display()));
        }
        let clean = |name: &String| name.trim_matches('.').to_ascii_lowercase();
        let plain =
            |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
        let looked_up: Vec<String> = self.names.iter().map(clean).collect();
        for odd in looked_up.iter().filter(|name| !plain(name)) {
            problems.push(format!("command.names: `{odd}`: write a name such as example.com, without patterns"));
        }
        ReadCommands { programs: self.programs, folders, names: looked_up }
    }
}
