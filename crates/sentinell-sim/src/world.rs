//! What is so at a moment: a fold of the changes that others made and of the deeds done so far.

use crate::cast::Role;
use crate::rng::SplitMix64;
use crate::scene::Scene;
use crate::trouble::{Effect, Trouble};
use sentinell_core::evidence::Change;
use sentinell_core::ids::{ActionHash, ActionId, IncidentId};
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One deed that took effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneDeed {
    /// When.
    pub at: Timestamp,
    /// The action's hash.
    pub hash: ActionHash,
    /// Its incident.
    pub incident: IncidentId,
    /// Its id.
    pub action: ActionId,
    /// What was run.
    pub argv: Vec<String>,
}

/// What a deed does, read from its argument vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub verb: Verb,
    pub role: Role,
    pub if_revision: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    RolloutUndo,
    RolloutTo(u32),
    Restart,
    RevertConfig,
    SetConfig(u32),
    RenewCertificate,
    ScaleTo(u32),
}

impl Order {
    /// Reads `town <verb> <subject> [--to N] [--if-revision N]`.
    pub(crate) fn parse(scene: &Scene, argv: &[String]) -> Result<Self, String> {
        let (verb, subject, flags) = match argv {
            [program, verb, subject, flags @ ..] if program == "town" => (verb.as_str(), subject, flags),
            _ => return Err("expected `town <verb> <service> …`".into()),
        };
        let mut values = BTreeMap::new();
        for pair in flags.chunks(2) {
            let [flag, value] = pair else { return Err("a flag has no value".into()) };
            let value: u32 = value.parse().map_err(|_| format!("{flag} expects a number"))?;
            values.insert(flag.as_str(), value);
        }
        let verb = match (verb, values.get("--to")) {
            ("rollout-undo", None) => Verb::RolloutUndo,
            ("rollout-to", Some(to)) => Verb::RolloutTo(*to),
            ("restart", None) => Verb::Restart,
            ("revert-config", None) => Verb::RevertConfig,
            ("set-config", Some(to)) => Verb::SetConfig(*to),
            ("renew-certificate", None) => Verb::RenewCertificate,
            ("scale-to", Some(to)) => Verb::ScaleTo(*to),
            _ => return Err(format!("the town does not know how to `{verb}` like this")),
        };
        let role = scene.cast.role(subject).ok_or_else(|| format!("there is no {subject}"))?;
        Ok(Self { verb, role, if_revision: values.get("--if-revision").copied() })
    }
}

/// What a service is made of at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceState {
    /// Goes up by one with everything that is done to it.
    pub revision: u32,
    /// The release that runs.
    pub release: u32,
    /// The releases before, newest last.
    pub earlier: Vec<u32>,
    /// The configuration that is in force.
    pub config: u32,
    /// When it was last restarted by a deed.
    pub restarted_at: Option<Timestamp>,
    /// When its certificate was last renewed by a deed.
    pub renewed_at: Option<Timestamp>,
    /// How many copies are wanted.
    pub replicas: u32,
    /// When its pods started.
    pub started_at: Timestamp,
}

/// A scene and the deeds done in it.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub scene: Scene,
    pub deeds: Vec<DoneDeed>,
}

impl World {
    /// A service at a moment.
    pub(crate) fn service(&self, role: Role, now: Timestamp) -> ServiceState {
        let first =
            3 + u32::try_from(SplitMix64::keyed(self.scene.seed, &[7, role.index() as u64]).below(9)).unwrap_or(0);
        let started_at = self.scene.epoch.plus_seconds(-86_400);
        let mut state = ServiceState {
            revision: first,
            release: first,
            earlier: vec![first - 1],
            config: 1,
            restarted_at: None,
            renewed_at: None,
            replicas: role.replicas(),
            started_at,
        };
        let mut changes: Vec<&Change> =
            self.scene.changes.iter().filter(|(whose, _)| *whose == role).map(|(_, change)| change).collect();
        changes.sort_by_key(|change| change.at);
        for change in changes.into_iter().filter(|change| change.at <= now) {
            state.change(&change.kind, change.at);
        }
        for deed in self.deeds.iter().filter(|deed| deed.at <= now) {
            match Order::parse(&self.scene, &deed.argv) {
                Ok(order) if order.role == role => state.obey(order.verb, deed.at),
                _ => {}
            }
        }
        state
    }

    /// Since when the trouble lasts, if it does.
    pub(crate) fn trouble(&self, now: Timestamp) -> Option<(Trouble, Timestamp)> {
        let (trouble, onset) = (self.scene.story.trouble?, self.scene.onset);
        if now < onset {
            return None;
        }
        let (then, state) = (self.service(trouble.role(), onset), self.service(trouble.role(), now));
        let lasts = match trouble {
            Trouble::BadDeploy => state.release == then.release,
            Trouble::SlowDatabase => state.config == then.config,
            Trouble::LostDependency | Trouble::MemoryLeak | Trouble::NoisyNeighbour => {
                state.restarted_at.is_none_or(|at| at < onset)
            }
            Trouble::ExpiredCertificate => state.renewed_at.is_none_or(|at| at < onset),
            Trouble::WrongScale => state.replicas == 0,
            Trouble::FullDisk => true,
        };
        lasts.then_some((trouble, onset))
    }

    /// How a service differs from normal; none: it does not.
    pub(crate) fn effect(&self, role: Role, now: Timestamp) -> Option<Effect> {
        self.trouble(now).map(|(trouble, since)| trouble.effect(role, now.millis_since(since)))
    }
}

impl ServiceState {
    fn change(&mut self, kind: &str, at: Timestamp) {
        self.revision += 1;
        match kind {
            "config" => self.config += 1,
            "scale" => self.replicas = 0,
            _ => {
                self.earlier.push(self.release);
                self.release = self.revision;
                self.started_at = at;
            }
        }
    }

    fn obey(&mut self, verb: Verb, at: Timestamp) {
        self.revision += 1;
        match verb {
            Verb::RolloutUndo => {
                if let Some(earlier) = self.earlier.pop() {
                    self.earlier.push(self.release);
                    self.release = earlier;
                }
                self.started_at = at;
            }
            Verb::RolloutTo(release) => {
                self.earlier.push(self.release);
                self.release = release;
                self.started_at = at;
            }
            Verb::Restart => {
                self.restarted_at = Some(at);
                self.started_at = at;
            }
            Verb::RevertConfig => self.config = self.config.saturating_sub(1).max(1),
            Verb::SetConfig(config) => self.config = config,
            Verb::RenewCertificate => self.renewed_at = Some(at),
            Verb::ScaleTo(replicas) => {
                self.replicas = replicas;
                self.started_at = at;
            }
        }
    }
}
