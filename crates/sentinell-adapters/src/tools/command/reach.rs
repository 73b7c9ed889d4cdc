//! Where commands may look: below which folders, and which names outside they may look up.

use crate::process::Program;
use crate::text::one_line;
use sentinell_core::address::is_public;
use sentinell_core::command::Command;
use sentinell_core::ports::ToolError;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What a repository's configuration may not hold if git is to run in it: every key that can name a program or another file.
/// Of submodules there is another configuration, which is not looked at here.
const PROGRAMS: [&str; 12] = [
    "[filter",
    "[diff",
    "[include",
    "[gpg",
    "[submodule",
    "fsmonitor",
    "hookspath",
    "sshcommand",
    "textconv",
    "external",
    "worktree",
    "attributesfile",
];

/// What the operator allows.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    folders: Vec<PathBuf>,
    names: Vec<String>,
}

impl Reach {
    /// Folders below which files may be read, and names below which (`example.com`) names may be looked up.
    ///
    /// # Errors
    /// A folder that is not there, or is the machine's own.
    pub fn new(folders: &[PathBuf], names: Vec<String>) -> Result<Self, String> {
        let real = |folder: &PathBuf| {
            let real = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
            let own = ["/proc", "/sys", "/dev"].iter().any(|own| real.starts_with(own));
            if own || real == Path::new("/") || !real.is_dir() {
                return Err(format!("{}: name a folder of files, not all of the machine", folder.display()));
            }
            Ok(real)
        };
        Ok(Self { folders: folders.iter().map(real).collect::<Result<_, _>>()?, names })
    }

    /// In words.
    pub fn describe(&self) -> String {
        let folders: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
        let or_none = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        format!("folders: {}; names: {}", or_none(&folders), or_none(&self.names))
    }

    /// Whether a command stays within this reach; answers with the program as it has to be started.
    ///
    /// # Errors
    /// [`ToolError::Denied`] for what the operator would have to list, [`ToolError::BadQuery`] for a path that is another one.
    pub(super) fn allows(&self, command: &Command, program: Program) -> Result<Program, ToolError> {
        let paths = command.files().iter().map(|file| self.file(file)).collect::<Result<Vec<_>, _>>()?;
        for name in command.names() {
            if !self.is_named(name) {
                return Err(ToolError::Denied(format!("{} is not below any of command.names", one_line(name, 100))));
            }
        }
        match command.argv().first().map(String::as_str) {
            Some("git") => repository(paths.first(), program),
            _ => Ok(program),
        }
    }

    /// A file below one of the folders, under its real name: what is judged is what will be opened.
    fn file(&self, file: &str) -> Result<PathBuf, ToolError> {
        let path = Path::new(file);
        if !self.folders.iter().any(|folder| path.starts_with(folder)) {
            return Err(ToolError::Denied(format!("{} is not below any of command.folders", one_line(file, 200))));
        }
        let real =
            path.canonicalize().map_err(|error| ToolError::BadQuery(format!("{}: {error}", one_line(file, 200))))?;
        let kind = real.metadata().map(|data| data.is_file() || data.is_dir());
        if real.as_os_str() != path.as_os_str() || !matches!(kind, Ok(true)) {
            let why = format!("{}: write the path of a file or folder itself, without links", one_line(file, 200));
            return Err(ToolError::BadQuery(why));
        }
        Ok(real)
    }

    fn is_named(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Ok(address) = name.parse::<IpAddr>() {
            return !is_public(address) || self.names.contains(&name);
        }
        let below = |known: &String| {
            name.strip_suffix(known.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.names.iter().any(below)
    }
}

/// git in exactly this repository, if its configuration starts nothing.
fn repository(folder: Option<&PathBuf>, program: Program) -> Result<Program, ToolError> {
    let Some(folder) = folder else { return Err(ToolError::BadQuery("git: name the repository with -C".to_owned())) };
    let place = [folder.join(".git"), folder.clone()].into_iter().find(|place| place.join("HEAD").is_file());
    let place = place.ok_or_else(|| ToolError::BadQuery("git: -C names no repository of its own".to_owned()))?;
    let config = std::fs::read_to_string(place.join("config"));
    let config =
        config.map_err(|error| ToolError::Denied(format!("git: its configuration: {error}")))?.to_ascii_lowercase();
    let real = place.canonicalize().is_ok_and(|real| real == place);
    match PROGRAMS.iter().find(|word| config.contains(*word)) {
        Some(word) => Err(ToolError::Denied(format!(
            "git: the repository's configuration holds `{word}`, which can start programs"
        ))),
        None if !real => Err(ToolError::Denied("git: the repository is a link".to_owned())),
        None => Ok(program.with_var("GIT_DIR", &place.display().to_string())),
    }
}
