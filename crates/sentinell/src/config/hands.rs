//! What may be touched besides the cluster and the declared commands: `[docker.acting]`, `[systemd]`, `[aws.acting]`,
//! `[terraform]`, `[github.acting]`, `[[http_actions]]`.

mod aws;
mod docker;
mod github;
mod http;
mod systemd;
mod terraform;

pub use aws::AwsHands;
pub use docker::DockerHands;
pub use github::{GitHubHands, ProposedTo};
pub use http::{HttpAction, HttpCall, HttpCheck};
pub use systemd::{SystemdHands, Unit};
pub use terraform::{TerraformHands, Workspace};

pub(super) use aws::RawAwsHands;
pub(super) use docker::RawDockerHands;
pub(super) use github::RawGitHubHands;
pub(super) use http::RawHttpAction;
pub(super) use systemd::RawSystemd;
pub(super) use terraform::RawTerraform;

use super::Eyes;
use serde::Deserialize;
use std::path::Path;

/// All of them as they were typed.
#[derive(Debug, Default)]
pub(super) struct RawHands {
    pub docker: Option<RawDockerHands>,
    pub systemd: Option<RawSystemd>,
    pub terraform: Option<RawTerraform>,
    pub github: Option<RawGitHubHands>,
    pub http: Vec<RawHttpAction>,
}

/// What may be touched.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hands {
    /// Containers; none: no container is touched.
    pub docker: Option<DockerHands>,
    /// Units of this machine; none: no unit is touched.
    pub systemd: Option<SystemdHands>,
    /// Declared infrastructure; none: none is applied.
    pub terraform: Option<TerraformHands>,
    /// Repositories at GitHub; none: nothing is proposed there.
    pub github: Option<GitHubHands>,
    /// Declared requests.
    pub http: Vec<HttpAction>,
}

/// How one watches whether a deed helped, as it was typed.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawWatch {
    pub hold_seconds: Option<u32>,
    pub every_seconds: Option<u32>,
    pub within_seconds: Option<u32>,
}

/// How one watches whether a deed helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// For how long it must stay well, seconds.
    pub hold_seconds: u32,
    /// How often to look, seconds.
    pub every_seconds: u32,
    /// How long to wait for it at most, seconds.
    pub within_seconds: u32,
}

impl RawWatch {
    fn check(self, section: &str, problems: &mut Vec<String>) -> Watch {
        let mut within = |key: &str, value: u32, low: u32, high: u32| {
            if !(low..=high).contains(&value) {
                problems.push(format!("{section}.{key}: {value} is out of range; {low} to {high}"));
            }
            value
        };
        Watch {
            hold_seconds: within("hold_seconds", self.hold_seconds.unwrap_or(10), 1, 3600),
            every_seconds: within("every_seconds", self.every_seconds.unwrap_or(2), 1, 600),
            within_seconds: within("within_seconds", self.within_seconds.unwrap_or(120), 5, 7200),
        }
    }
}

impl RawHands {
    /// Checks all of them; relative paths are meant from `base`.
    pub(super) fn check(self, base: &Path, eyes: &Eyes, problems: &mut Vec<String>) -> Hands {
        Hands {
            docker: self.docker.and_then(|raw| raw.check(problems)),
            systemd: self.systemd.map(|raw| raw.check(eyes, problems)),
            terraform: self.terraform.and_then(|raw| raw.check(base, problems)),
            github: self.github.and_then(|raw| raw.check(eyes.github.as_ref(), problems)),
            http: http::check(self.http, base, problems),
        }
    }
}

impl Hands {
    /// One line a hand, kind and what it may touch, for people; secrets are not in it.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![];
        lines.extend(self.docker.iter().map(|docker| ("docker", docker.line())));
        lines.extend(self.systemd.iter().map(|systemd| ("systemd", systemd.line())));
        lines.extend(self.terraform.iter().map(|terraform| ("terraform", terraform.line())));
        lines.extend(self.github.iter().map(|github| ("github", github.line())));
        lines.extend(self.http.iter().map(|action| ("http", action.line())));
        lines
    }
}

/// The environment that approvals and rules are about; never empty.
fn environment(section: &str, typed: Option<String>, problems: &mut Vec<String>) -> String {
    let text = typed.map_or_else(|| "default".to_owned(), |text| text.trim().to_owned());
    if text.is_empty() || text.len() > 60 || text.chars().any(char::is_control) {
        problems.push(format!("{section}.environment: write a word such as staging or production"));
    }
    text
}
