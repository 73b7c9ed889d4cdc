//! `[docker]`: an engine whose containers are looked at.

use serde::Deserialize;
use std::path::PathBuf;

/// The engine as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawDocker {
    pub socket: Option<PathBuf>,
    pub url: Option<String>,
    pub host: String,
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
        let http = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        let at = match (self.socket, self.url) {
            (None, None) => DockerAt::Socket("/var/run/docker.sock".into()),
            (Some(socket), None) if socket.is_absolute() => DockerAt::Socket(socket),
            (None, Some(url)) if http(&url) && !url.contains('@') => DockerAt::Url(url),
            (Some(_), Some(_)) => {
                problems.push("docker: socket or url, not both".to_owned());
                return None;
            }
            (Some(_), None) => {
                problems.push("docker.socket: must be an absolute path".to_owned());
                return None;
            }
            (None, Some(_)) => {
                let why = "docker.url: must begin with http:// or https:// and carry no name or password";
                problems.push(why.to_owned());
                return None;
            }
        };
        Some(Docker { at, host: self.host.trim().to_owned() })
    }
}
