//! How a container is now, as far as a deed on it depends on that.

use super::deed::{Bounds, DockerDeed};
use crate::docker::{Engine, service};
use crate::text::one_line;
use sentinell_core::ports::{Applied, ToolError};
use sentinell_core::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a deed on a container's life expects.
pub(super) const LIFE: [&str; 4] = ["container", "service", "state", "started"];
/// What a deed on its limits expects.
pub(super) const LIMITS: [&str; 5] = ["container", "service", "memory", "memory_swap", "nano_cpus"];

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct World {
    pub name: String,
    pub service: String,
    pub state: String,
    /// When it was started last, as the engine writes it.
    pub started: String,
    pub bounds: Bounds,
    /// Whether the engine removes it once it ends.
    pub fleeting: bool,
    /// Whether its processors are bounded in a way that the hand does not speak (quota and period).
    pub quota: bool,
}

/// What happened to a container, and when (Unix milliseconds).
pub(super) struct Happened {
    at: i64,
    what: String,
}

impl World {
    /// Looks; none: there is no such container any more.
    pub async fn look(engine: &Engine, id: &str) -> Result<Option<Self>, ToolError> {
        match engine.json(&format!("containers/{id}/json"), &[]).await {
            Ok(details) => Ok(Some(Self::of(&details))),
            Err(ToolError::BadQuery(why)) if why.starts_with("404") => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn of(details: &Value) -> Self {
        let (state, host) = (&details["State"], &details["HostConfig"]);
        let text = |value: &Value| one_line(value.as_str().unwrap_or_default(), 300);
        let number = |name: &str| host[name].as_i64().unwrap_or_default();
        let name = text(&details["Name"]).trim_start_matches('/').to_owned();
        Self {
            service: service(&details["Config"]["Labels"], &name),
            name,
            state: text(&state["Status"]),
            started: text(&state["StartedAt"]),
            bounds: Bounds { memory: number("Memory"), swap: number("MemorySwap"), cpus: number("NanoCpus") },
            fleeting: host["AutoRemove"] == true,
            quota: number("CpuQuota") > 0,
        }
    }

    pub fn runs(&self) -> bool {
        self.state == "running"
    }

    /// Whether a deed may expect something of this name.
    pub fn knows(name: &str) -> bool {
        LIFE.contains(&name) || LIMITS.contains(&name)
    }

    fn value(&self, name: &str) -> String {
        match name {
            "container" => self.name.clone(),
            "service" => self.service.clone(),
            "state" => self.state.clone(),
            "started" => self.started.clone(),
            "memory" => self.bounds.memory.to_string(),
            "memory_swap" => self.bounds.swap.to_string(),
            "nano_cpus" => self.bounds.cpus.to_string(),
            _ => String::new(),
        }
    }

    /// These of its properties, as a deed expects them.
    pub fn expecting(&self, names: &[&str]) -> BTreeMap<String, String> {
        names.iter().map(|name| ((*name).to_owned(), self.value(name))).collect()
    }

    /// What is not as it was expected.
    pub fn differs(&self, expect: &BTreeMap<String, String>) -> Option<String> {
        let other = expect.iter().find(|(name, value)| self.value(name) != **value);
        other.map(|(name, value)| format!("{name} is not {value} any more but {}", self.value(name)))
    }

    /// What the world says about a deed that was planned when `expect` held. Only a restart over the API is told as one, so that a
    /// container that its own policy started again is not taken for the deed's work.
    pub fn shows(&self, deed: &DockerDeed, expect: &BTreeMap<String, String>, happened: &[Happened]) -> Applied {
        let expected = |name: &str| expect.get(name).is_some_and(|value| *value == self.value(name));
        let first = |what: &str, after: i64| happened.iter().find(|one| one.what == what && one.at > after);
        let started = expect.get("started").and_then(|text| Timestamp::parse(text).ok()).map_or(0, |at| at.0);
        match deed {
            DockerDeed::Update(bounds) => match () {
                () if bounds.held_by(self.bounds) => Applied::Yes,
                () if ["memory", "memory_swap", "nano_cpus"].into_iter().all(expected) => Applied::No,
                () => Applied::Unknown,
            },
            DockerDeed::Start if !expect.contains_key("started") => Applied::Unknown,
            DockerDeed::Start => {
                if expected("started") {
                    Applied::No
                } else {
                    Applied::Yes
                }
            }
            DockerDeed::Stop if first("stop", started).is_some() => Applied::Yes,
            DockerDeed::Restart if expected("started") && self.runs() => Applied::No,
            DockerDeed::Stop if expected("started") && self.runs() => Applied::No,
            // It was not running when the restart was planned, and nobody has started it.
            DockerDeed::Restart if expected("started") && expected("state") => Applied::No,
            DockerDeed::Restart => {
                let ended = first("die", started).map(|one| one.at);
                let again = ended.and_then(|at| first("restart", at));
                if again.is_some() { Applied::Yes } else { Applied::Unknown }
            }
            DockerDeed::Stop => Applied::Unknown,
        }
    }
}

impl Bounds {
    /// Whether these limits are in force; what was left out is not asked about.
    fn held_by(self, now: Self) -> bool {
        let pairs = [(self.memory, now.memory), (self.swap, now.swap), (self.cpus, now.cpus)];
        pairs.into_iter().all(|(wanted, held)| wanted == 0 || wanted == held)
    }
}

/// What the engine remembers of a container's ends and starts by its API, oldest first.
pub(super) async fn happened(engine: &Engine, id: &str, now: Timestamp) -> Result<Vec<Happened>, ToolError> {
    let filters = format!(r#"{{"type":["container"],"container":["{id}"],"event":["die","stop","restart"]}}"#);
    let until = (now.0 / 1000 + 1).to_string();
    let events = engine.documents("events", &[("since", "0"), ("until", &until), ("filters", &filters)]).await?;
    let one = |event: &Value| {
        let at = event["timeNano"].as_i64().map(|nanos| nanos / 1_000_000)?;
        Some(Happened { at, what: event["Action"].as_str()?.to_owned() })
    };
    Ok(events.iter().filter_map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "2026-11-23T12:00:00.000Z";
    const LATER: &str = "2026-11-23T13:00:00.000Z";

    fn world(state: &str, started: &str) -> World {
        let bounds = Bounds { memory: 64, swap: 128, cpus: 0 };
        let (name, started) = ("till-1".into(), started.into());
        let service = "till".into();
        World { name, service, state: state.into(), started, bounds, fleeting: false, quota: false }
    }

    fn events(told: &[(&str, &str)]) -> Vec<Happened> {
        let one = |(what, at): &(&str, &str)| Happened { at: Timestamp::parse(at).unwrap().0, what: (*what).into() };
        told.iter().map(one).collect()
    }

    #[test]
    fn a_container_that_its_own_policy_started_again_was_not_restarted_by_us() {
        let expect = world("running", FIRST).expecting(&LIFE);
        let shows = |now: &World, told: &[(&str, &str)]| now.shows(&DockerDeed::Restart, &expect, &events(told));
        assert_eq!(shows(&world("running", FIRST), &[]), Applied::No);
        let again = world("running", LATER);
        assert_eq!(shows(&again, &[("die", LATER)]), Applied::Unknown);
        assert_eq!(shows(&again, &[("die", LATER), ("restart", "2026-11-23T13:00:00.100Z")]), Applied::Yes);
        // The restart that brought about what was seen when it was planned.
        assert_eq!(shows(&world("running", FIRST), &[("restart", "2026-11-23T12:00:00.050Z")]), Applied::No);
        assert_eq!(shows(&world("exited", FIRST), &[("die", LATER)]), Applied::Unknown, "in the middle, or it ended");
    }

    #[test]
    fn a_container_that_ended_by_itself_was_not_stopped_by_us() {
        let expect = world("running", FIRST).expecting(&LIFE);
        let shows = |now: &World, told: &[(&str, &str)]| now.shows(&DockerDeed::Stop, &expect, &events(told));
        assert_eq!(shows(&world("running", FIRST), &[]), Applied::No);
        assert_eq!(shows(&world("exited", FIRST), &[("die", LATER)]), Applied::Unknown);
        assert_eq!(shows(&world("exited", FIRST), &[("die", LATER), ("stop", LATER)]), Applied::Yes);
    }

    #[test]
    fn limits_are_what_they_are() {
        let now = world("running", FIRST);
        let old = Bounds { memory: 32, ..now.bounds };
        let expect = World { bounds: old, ..now.clone() }.expecting(&LIMITS);
        let update = |memory| DockerDeed::Update(Bounds { memory, swap: 128, cpus: 0 });
        assert_eq!(now.shows(&update(64), &expect, &[]), Applied::Yes);
        assert_eq!(World { bounds: old, ..now.clone() }.shows(&update(64), &expect, &[]), Applied::No);
        assert_eq!(now.shows(&update(96), &expect, &[]), Applied::Unknown);
        assert!(now.differs(&expect).unwrap().contains("memory is not 32 any more but 64"));
    }
}
