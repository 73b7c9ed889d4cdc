//! `[docker]`: an engine whose containers are looked at.

use crate::config::hands::RawDockerHands;
use serde::Deserialize;
use std::path::PathBuf;

/// The engine as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawDocker {
    pub socket: Option<PathBuf>,
    pub url: Option<String>,
    pub host: String,
    pub acting: Option<RawDockerHands>,
}

/// How it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerAt {
    /// Its socket.
    Socket(PathBuf),
    /// A proxy before it.
    Url(String),
}

/// An engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    /// How it is reached.
    pub at: DockerAt,
    /// What signals call the machine that it runs on; empty: only services are looked for.
    pub host: String,
}

impl Docker {
    /// For people.
    pub(super) fn line(&self) -> String {
        match &self.at {
            DockerAt::Socket(path) => path.display().to_string(),
            DockerAt::Url(url) => url.clone(),
        }
    }
}

impl RawDocker {
    pub(super) fn check(self, problems: &mut Vec<String>) -> Option<Docker> {
        let at = docker_at("docker", self.socket, self.url, problems)?;
        Some(Docker { at, host: self.host.trim().to_owned() })
    }
}

/// An engine's address of a section; the usual socket if none was typed.
pub(in crate::config) fn docker_at(
    section: &str,
    socket: Option<PathBuf>,
    url: Option<String>,
    problems: &mut Vec<String>,
) -> Option<DockerAt> {
    let http = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    let why = match (socket, url) {
        (None, None) => return Some(DockerAt::Socket("/var/run/docker.sock".into())),
        (Some(socket), None) if socket.is_absolute() => return Some(DockerAt::Socket(socket)),
        (None, Some(url)) if http(&url) && !url.contains('@') => return Some(DockerAt::Url(url)),
        (Some(_), Some(_)) => ": socket or url, not both",
        (Some(_), None) => ".socket: must be an absolute path",
        (None, Some(_)) => ".url: must begin with http:// or https:// and carry no name or password",
    };
    problems.push(format!("{section}{why}"));
    None
}
