//! `[systemd]`: units of this machine that may be started and restarted.

use super::{RawWatch, Watch, environment};
use crate::config::Eyes;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The section as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawSystemd {
    pub units: Vec<String>,
    pub services: BTreeMap<String, String>,
    pub systemctl: Option<PathBuf>,
    pub environment: Option<String>,
    pub hold_seconds: Option<u32>,
    pub every_seconds: Option<u32>,
    pub within_seconds: Option<u32>,
}

/// One unit that may be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its whole name.
    pub name: String,
    /// Whose health tells whether it helped: `service/till`.
    pub subject: String,
}

/// What may be done to units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemdHands {
    /// The units that may be touched.
    pub units: Vec<Unit>,
    /// The program, an absolute path; none: the first one in the search path.
    pub systemctl: Option<PathBuf>,
    /// production, staging, …
    pub environment: String,
    /// How one watches whether it helped.
    pub watch: Watch,
}

impl SystemdHands {
    /// For people.
    pub(super) fn line(&self) -> String {
        let names: Vec<&str> = self.units.iter().map(|unit| unit.name.as_str()).collect();
        format!("{} ({})", names.join(", "), self.environment)
    }
}

impl RawSystemd {
    pub(super) fn check(self, eyes: &Eyes, problems: &mut Vec<String>) -> SystemdHands {
        let mut problem = |why: String| problems.push(format!("systemd.{why}"));
        if self.units.is_empty() {
            problem("units: name those that may be started and restarted, such as [\"till.service\"]".into());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:\\".contains(c);
        let mut names = BTreeSet::new();
        for unit in &self.units {
            let odd = unit.starts_with('-') || unit.len() > 200 || !unit.chars().all(plain) || !unit.contains('.');
            if odd || !names.insert(unit) {
                problem(format!("units: `{unit}`: write a unit's whole name, such as till.service, once"));
            }
        }
        for unit in self.services.keys().filter(|unit| !names.contains(unit)) {
            problem(format!("services: `{unit}` is not among the units"));
        }
        // Without an eye on it nobody would know whether it helped.
        match &eyes.machine {
            None => problem("units: nobody sees whether it helped; add [machine], which looks at units".into()),
            Some(machine) => {
                let blind = |unit: &&String| !machine.units.is_empty() && !machine.units.contains(unit);
                for unit in self.units.iter().filter(blind) {
                    problem(format!(
                        "units: `{unit}` is not among machine.units, so nobody would see whether it helped"
                    ));
                }
            }
        }
        if self.systemctl.as_ref().is_some_and(|path| !path.is_absolute() || !path.is_file()) {
            problem("systemctl: must be the absolute path of a program that is there".into());
        }
        let watch = RawWatch {
            hold_seconds: self.hold_seconds,
            every_seconds: self.every_seconds,
            within_seconds: self.within_seconds,
        };
        let unit = |name: &String| {
            let usual = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            let service = self.services.get(name).map_or(usual, String::as_str);
            Unit { name: name.clone(), subject: format!("service/{service}") }
        };
        SystemdHands {
            units: self.units.iter().map(unit).collect(),
            systemctl: self.systemctl.clone(),
            environment: environment("systemd", self.environment, problems),
            watch: watch.check("systemd", problems),
        }
    }
}
