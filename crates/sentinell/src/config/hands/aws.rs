//! `[aws.acting]` below `[[aws]]`: what may be touched in a region, and as whom.

use super::{RawWatch, Watch, environment};
use crate::config::{AwsIdentity, Secret};
use serde::Deserialize;
use std::path::PathBuf;

/// The section as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawAwsHands {
    pub access_key_id: Option<Secret>,
    pub secret_access_key: Option<Secret>,
    pub session_token: Option<Secret>,
    pub profile: Option<String>,
    pub credentials_file: Option<PathBuf>,
    pub targets: Vec<String>,
    pub max_capacity: Option<u64>,
    pub environment: Option<String>,
    pub hold_seconds: Option<u32>,
    pub every_seconds: Option<u32>,
    pub within_seconds: Option<u32>,
}

/// What may be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsHands {
    /// Who acts.
    pub identity: AwsIdentity,
    /// Targets; a `*` at the end matches any rest.
    pub targets: Vec<String>,
    /// More tasks or machines than this are never asked for.
    pub max_capacity: u64,
    /// production, staging, …
    pub environment: String,
    /// How one watches whether it helped.
    pub watch: Watch,
}

impl AwsHands {
    /// For people; no key is in it.
    pub fn line(&self) -> String {
        format!("{} ({})", self.targets.join(", "), self.environment)
    }
}

impl RawAwsHands {
    pub(in crate::config) fn check(self, name: &str, identity: AwsIdentity, problems: &mut Vec<String>) -> AwsHands {
        let section = format!("aws `{name}`: acting");
        let known = ["ecs/", "asg/", "ec2/", "lambda/"];
        if self.targets.is_empty()
            || !self.targets.iter().all(|target| known.iter().any(|kind| target.starts_with(kind)))
        {
            problems.push(format!(
                "{section}.targets: name them, such as [\"ecs/fair/till\", \"asg/till\", \"lambda/till/live\"]"
            ));
        }
        let max_capacity = self.max_capacity.unwrap_or(20);
        if !(1..=10_000).contains(&max_capacity) {
            problems.push(format!("{section}.max_capacity: {max_capacity} is out of range; 1 to 10000"));
        }
        let watch = RawWatch {
            hold_seconds: self.hold_seconds,
            every_seconds: self.every_seconds,
            within_seconds: self.within_seconds,
        };
        AwsHands {
            identity,
            targets: self.targets,
            max_capacity,
            environment: environment(&section, self.environment, problems),
            watch: watch.check(&section, problems),
        }
    }
}
