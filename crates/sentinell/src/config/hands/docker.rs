//! `[docker.acting]`: an engine whose containers may be touched.

use super::{RawWatch, Watch, environment};
use crate::config::DockerAt;
use crate::config::eyes::docker_at;
use serde::Deserialize;
use std::path::PathBuf;

/// The section as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawDockerHands {
    pub socket: Option<PathBuf>,
    pub url: Option<String>,
    pub containers: Vec<String>,
    pub environment: Option<String>,
    pub max_memory_mib: Option<u64>,
    pub max_cpus: Option<u32>,
    pub hold_seconds: Option<u32>,
    pub every_seconds: Option<u32>,
    pub within_seconds: Option<u32>,
}

/// What may be done to containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerHands {
    /// How the engine is reached.
    pub at: DockerAt,
    /// Names that may be touched; a `*` at the end matches any rest.
    pub containers: Vec<String>,
    /// production, staging, …
    pub environment: String,
    /// More memory than this is never given to one container, MiB.
    pub max_memory_mib: u64,
    /// More processors than this are never given to one container.
    pub max_cpus: u32,
    /// How one watches whether it helped.
    pub watch: Watch,
}

impl DockerHands {
    /// For people.
    pub(super) fn line(&self) -> String {
        format!("{} ({})", self.containers.join(", "), self.environment)
    }
}

impl RawDockerHands {
    pub(super) fn check(self, problems: &mut Vec<String>) -> Option<DockerHands> {
        let section = "docker.acting";
        if self.containers.is_empty() || self.containers.iter().any(|name| name.trim().is_empty()) {
            problems.push(format!("{section}.containers: name those that may be touched, such as [\"till-*\"]"));
        }
        let (memory, cpus) = (self.max_memory_mib.unwrap_or(4096), self.max_cpus.unwrap_or(4));
        if !(6..=1 << 22).contains(&memory) {
            problems.push(format!("{section}.max_memory_mib: {memory} is out of range; 6 to {}", 1 << 22));
        }
        if !(1..=1024).contains(&cpus) {
            problems.push(format!("{section}.max_cpus: {cpus} is out of range; 1 to 1024"));
        }
        let watch = RawWatch {
            hold_seconds: self.hold_seconds,
            every_seconds: self.every_seconds,
            within_seconds: self.within_seconds,
        };
        Some(DockerHands {
            environment: environment(section, self.environment, problems),
            watch: watch.check(section, problems),
            at: docker_at(section, self.socket, self.url, problems)?,
            containers: self.containers,
            max_memory_mib: memory,
            max_cpus: cpus,
        })
    }
}
