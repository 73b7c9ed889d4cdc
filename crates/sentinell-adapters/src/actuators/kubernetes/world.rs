//! A Deployment and its history, as the cluster shows them now.

use super::deed::{KubeDeed, RESTARTED};
use super::target::Target;
use crate::kubectl::{Kubectl, argv};
use sentinell_core::ports::{Applied, ToolError};
use serde_json::Value;

/// The annotation that numbers a ReplicaSet's, and the Deployment's current, revision.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// The annotation that keeps the numbers a ReplicaSet had before it was used again.
const HISTORY: &str = "deployment.kubernetes.io/revision-history";

/// One revision that still exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revision {
    pub number: u64,
    /// Numbers it had before it was used again.
    pub earlier_numbers: Vec<u64>,
    /// Pods of it that are ready now.
    pub ready: u64,
    /// The first container's images, for a person.
    pub images: String,
    /// The generation that the restart which made it was planned against.
    pub restarted_from: Option<u64>,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct World {
    /// The current revision.
    pub revision: u64,
    pub generation: u64,
    /// Whether the controller has seen the newest specification.
    pub settled: bool,
    pub paused: bool,
    pub replicas: u64,
    /// Whether the template has annotations.
    pub annotated: bool,
    /// The template's restart mark.
    pub restarted_from: Option<u64>,
    /// Newest first, the current one included.
    pub revisions: Vec<Revision>,
}

/// Looks.
pub(super) async fn look(kubectl: &Kubectl, target: &Target) -> Result<World, ToolError> {
    let namespace = target.namespace.as_str();
    let deployment = argv(&["get", "deployments.apps", &target.name, "-n", namespace, "-o", "json"]);
    let sets = argv(&["get", "replicasets.apps", "-n", namespace, "-o", "json"]);
    let (deployment, sets) = futures::join!(kubectl.json(&deployment), kubectl.json(&sets));
    read(&deployment?, &sets?).ok_or_else(|| ToolError::Retry(format!("{} has no revision yet", target.name)))
}

fn read(deployment: &Value, sets: &Value) -> Option<World> {
    let (metadata, spec) = (&deployment["metadata"], &deployment["spec"]);
    let generation = metadata["generation"].as_u64()?;
    let annotations = &spec["template"]["metadata"]["annotations"];
    let owned = |set: &&Value| {
        let owners = set["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        owners.into_iter().any(|owner| owner["uid"] == metadata["uid"] && owner["controller"] == true)
    };
    let items = sets["items"].as_array().into_iter().flatten();
    let mut revisions: Vec<Revision> = items.filter(owned).filter_map(revision).collect();
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    Some(World {
        revision: number(&metadata["annotations"][REVISION])?,
        generation,
        settled: deployment["status"]["observedGeneration"].as_u64()? >= generation,
        paused: spec["paused"] == true,
        replicas: spec["replicas"].as_u64().unwrap_or(1),
        annotated: annotations.as_object().is_some_and(|annotations| !annotations.is_empty()),
        restarted_from: number(&annotations[RESTARTED]),
        revisions,
    })
}

fn revision(set: &Value) -> Option<Revision> {
    let annotations = &set["metadata"]["annotations"];
    let template = &set["spec"]["template"];
    let containers = template["spec"]["containers"].as_array().into_iter().flatten();
    let images: Vec<&str> = containers.filter_map(|container| container["image"].as_str()).take(4).collect();
    let earlier = annotations[HISTORY].as_str().unwrap_or_default().split(',');
    Some(Revision {
        number: number(&annotations[REVISION])?,
        earlier_numbers: earlier.filter_map(|text| text.trim().parse().ok()).collect(),
        ready: set["status"]["readyReplicas"].as_u64().unwrap_or(0),
        images: crate::text::one_line(&images.join(", "), 200),
        restarted_from: number(&template["metadata"]["annotations"][RESTARTED]),
    })
}

fn number(text: &Value) -> Option<u64> {
    text.as_str()?.parse().ok()
}

impl World {
    /// The revision to go back to: the newest earlier one with ready pods, otherwise the one before the current one.
    pub fn healthy_before(&self) -> Option<&Revision> {
        let earlier = || self.revisions.iter().filter(|revision| revision.number < self.revision);
        earlier().find(|revision| revision.ready > 0).or_else(|| earlier().next())
    }

    /// What the world says about a deed. A revision that is used again gets a new number and keeps the old one in its
    /// history; a restart leaves its mark; a number of pods is what it is.
    pub fn shows(&self, deed: &KubeDeed) -> Applied {
        match deed {
            KubeDeed::Undo { to } if self.revisions.iter().any(|one| one.earlier_numbers.contains(to)) => Applied::Yes,
            // The template is changed first and the numbers follow; before that nothing is certain.
            _ if !self.settled && !matches!(deed, KubeDeed::Scale { .. }) => Applied::Unknown,
            KubeDeed::Undo { to } if self.revisions.iter().any(|one| one.number == *to) => Applied::No,
            KubeDeed::Restart { generation, .. } => {
                let marked = |mark: Option<u64>| mark == Some(*generation);
                if marked(self.restarted_from) || self.revisions.iter().any(|one| marked(one.restarted_from)) {
                    Applied::Yes
                } else if self.generation == *generation {
                    Applied::No
                } else {
                    Applied::Unknown
                }
            }
            KubeDeed::Scale { to, .. } if self.replicas == *to => Applied::Yes,
            KubeDeed::Scale { from, .. } if self.replicas == *from => Applied::No,
            KubeDeed::Undo { .. } | KubeDeed::Scale { .. } => Applied::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn world(current: &str, sets: &[(&str, &str, u64)]) -> World {
        let set = |(number, history, ready): &(&str, &str, u64)| {
            json!({"metadata": {"ownerReferences": [{"uid": "u", "controller": true}],
                    "annotations": {REVISION: number, HISTORY: history}}, "status": {"readyReplicas": ready}})
        };
        let foreign = json!({"metadata": {"ownerReferences": [{"uid": "x", "controller": true}],
            "annotations": {REVISION: "99"}}, "status": {"readyReplicas": 9}});
        let sets: Vec<Value> = sets.iter().map(set).chain([foreign]).collect();
        let deployment = json!({"metadata": {"uid": "u", "generation": 4, "annotations": {REVISION: current}},
            "spec": {"replicas": 2}, "status": {"observedGeneration": 4}});
        read(&deployment, &json!({"items": sets})).unwrap()
    }

    #[test]
    fn one_goes_back_to_what_was_healthy_rather_than_to_what_was_last() {
        let before = |world: World| world.healthy_before().map(|revision| revision.number);
        assert_eq!(before(world("5", &[("3", "", 1), ("4", "", 0), ("5", "", 0)])), Some(3));
        assert_eq!(before(world("5", &[("3", "", 0), ("4", "", 0), ("5", "", 0)])), Some(4));
        assert_eq!(before(world("1", &[("1", "", 0)])), None);
    }

    #[test]
    fn the_world_tells_whether_a_revision_was_used_again() {
        let undo = KubeDeed::Undo { to: 4 };
        assert_eq!(world("5", &[("4", "", 1), ("5", "", 0)]).shows(&undo), Applied::No);
        assert_eq!(world("6", &[("6", "2,4", 1), ("5", "", 0)]).shows(&undo), Applied::Yes);
        assert_eq!(world("9", &[("9", "", 1), ("8", "", 0)]).shows(&undo), Applied::Unknown);
        let behind = World { settled: false, ..world("5", &[("4", "", 1), ("5", "", 0)]) };
        assert_eq!(behind.shows(&undo), Applied::Unknown);
    }

    #[test]
    fn the_world_tells_whether_a_restart_or_a_scaling_happened() {
        let restart = KubeDeed::Restart { generation: 4, annotated: false };
        let calm = world("5", &[("5", "", 1)]);
        assert_eq!(calm.shows(&restart), Applied::No);
        assert_eq!(World { restarted_from: Some(4), generation: 5, ..calm.clone() }.shows(&restart), Applied::Yes);
        assert_eq!(World { generation: 5, ..calm.clone() }.shows(&restart), Applied::Unknown);
        assert_eq!(calm.shows(&KubeDeed::Scale { from: 2, to: 3 }), Applied::No);
        assert_eq!(calm.shows(&KubeDeed::Scale { from: 1, to: 2 }), Applied::Yes);
        assert_eq!(calm.shows(&KubeDeed::Scale { from: 1, to: 3 }), Applied::Unknown);
    }
}
