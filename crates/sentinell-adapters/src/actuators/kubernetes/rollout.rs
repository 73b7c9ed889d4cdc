//! Plans for a Deployment's rollouts: back to an earlier revision, a restart, another number of pods.

use super::deed::KubeDeed;
use super::target::Target;
use super::world::{World, look};
use super::{KubernetesHands, RESTART, SCALE, UNDO};
use crate::text::{arg, known_args, one_line};
use sentinell_core::action::{ActionDraft, Plan};
use sentinell_core::ports::ToolError;

/// One right that a deed needs: verb and resource.
type Right = (&'static str, &'static str);
const SEE: [Right; 2] = [("get", "deployments.apps"), ("list", "replicasets.apps")];

impl KubernetesHands {
    pub(super) async fn plan_rollout(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let target = Target::parse(&draft.target).map_err(ToolError::BadQuery)?;
        let known: &[&str] = match draft.kind.as_str() {
            UNDO => &["to_revision"],
            RESTART => &[],
            _ => &["replicas"],
        };
        known_args(&draft.params, known).map_err(ToolError::BadQuery)?;
        self.check_rights(&draft.kind, &target).await?;
        let world = look(&self.kubectl, &target).await?;
        if !world.settled {
            return Err(ToolError::Retry(format!("the cluster has not yet taken in the newest {}", target.name)));
        }
        match draft.kind.as_str() {
            UNDO => self.plan_undo(draft, &target, &world),
            RESTART => self.plan_restart(&target, &world),
            _ => self.plan_scale(draft, &target, &world),
        }
    }

    /// Asks the cluster whether the acting identity may do all of it, and says exactly what is missing.
    async fn check_rights(&self, kind: &str, target: &Target) -> Result<(), ToolError> {
        let mut rights = SEE.to_vec();
        match kind {
            SCALE => rights.extend([("get", "deployments.apps/scale"), ("update", "deployments.apps/scale")]),
            _ => rights.push(("patch", "deployments.apps")),
        }
        let asked = rights.iter().map(|(verb, resource)| self.kubectl.may(verb, resource, &target.namespace));
        let answers = futures::future::join_all(asked).await;
        let mut missing = vec![];
        for (right, may) in rights.iter().zip(answers) {
            if !may? {
                missing.push(*right);
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(ToolError::Denied(denial(kind, target, &missing))) }
    }

    fn plan_undo(&self, draft: &ActionDraft, target: &Target, world: &World) -> Result<Plan, ToolError> {
        let refuse = |why: String| Err(ToolError::BadQuery(why));
        if world.paused {
            return refuse(format!("the rollout of {} is paused; kubectl does not undo a paused one", target.name));
        }
        let chosen = match arg(&draft.params, "to_revision") {
            None => world.healthy_before(),
            Some(text) => {
                let wanted = text.parse::<u64>().ok();
                let found = world.revisions.iter().find(|revision| Some(revision.number) == wanted);
                if found.is_none_or(|revision| revision.number == world.revision) {
                    return refuse(format!(
                        "to_revision={} is no other revision of {}",
                        one_line(text, 20),
                        target.name
                    ));
                }
                found
            }
        };
        let Some(back) = chosen else {
            return refuse(format!("{} has no earlier revision to go back to", target.name));
        };
        let current = world.revisions.iter().find(|revision| revision.number == world.revision);
        let images = current.map_or("?", |revision| revision.images.as_str());
        let description = format!(
            "{} pods of {} go from revision {} ({images}) back to revision {} ({})",
            world.replicas, target.name, world.revision, back.number, back.images
        );
        let (deed, undo) = (KubeDeed::Undo { to: back.number }, KubeDeed::Undo { to: world.revision });
        let precondition =
            format!("revision {} is current and revision {} is in the history", world.revision, back.number);
        let mut plan = self.plan_for(target, &deed, world.replicas, description, precondition);
        plan.undo = Some(undo.deed(target));
        // Back to a revision of which not one pod ran would make nothing better.
        plan.undo_if_unhelpful = current.is_some_and(|revision| revision.ready > 0);
        Ok(plan)
    }

    fn plan_restart(&self, target: &Target, world: &World) -> Result<Plan, ToolError> {
        if world.paused || world.replicas == 0 {
            let why = if world.paused { "its rollout is paused" } else { "it is scaled to 0" };
            return Err(ToolError::BadQuery(format!("{} cannot be restarted: {why}", target.name)));
        }
        let deed = KubeDeed::Restart { generation: world.generation, annotated: world.annotated };
        let description = format!("{} pods of {} are replaced one by one", world.replicas, target.name);
        let precondition = format!("generation {} is current (the API server checks it)", world.generation);
        Ok(self.plan_for(target, &deed, world.replicas, description, precondition))
    }

    fn plan_scale(&self, draft: &ActionDraft, target: &Target, world: &World) -> Result<Plan, ToolError> {
        let (from, max) = (world.replicas, self.settings.max_replicas);
        let wanted = arg(&draft.params, "replicas").and_then(|text| text.parse::<u64>().ok());
        let wanted = wanted.filter(|wanted| *wanted >= 1 && *wanted <= max);
        let to = wanted.ok_or_else(|| ToolError::BadQuery(format!("replicas must be a number from 1 to {max}")))?;
        if to == from {
            return Err(ToolError::BadQuery(format!("{} has {from} replicas already", target.name)));
        }
        let description = format!("{} goes from {from} to {to} pods", target.name);
        let precondition = format!("it has {from} replicas (kubectl checks it)");
        let deed = KubeDeed::Scale { from, to };
        let mut plan = self.plan_for(target, &deed, from.abs_diff(to), description, precondition);
        plan.undo = Some(KubeDeed::Scale { from: to, to: from }.deed(target));
        plan.undo_if_unhelpful = true;
        Ok(plan)
    }

    fn plan_for(&self, target: &Target, deed: &KubeDeed, objects: u64, text: String, precondition: String) -> Plan {
        self.plan_of(deed.deed(target), (&target.namespace, &target.name), objects, text, precondition)
    }
}

fn denial(kind: &str, target: &Target, missing: &[Right]) -> String {
    let what: Vec<String> = missing.iter().map(|(verb, resource)| format!("{verb} {resource}")).collect();
    let rule = |(verb, resource): &Right| {
        let resource = resource.replace(".apps", "");
        format!("{{apiGroups: [\"apps\"], resources: [\"{resource}\"], verbs: [\"{verb}\"]}}")
    };
    let rules: Vec<String> = missing.iter().map(rule).collect();
    format!(
        "{kind} on {}: the acting identity may not {} in namespace {}; a Role there with these rules, bound to it, would \
         allow it: {}",
        target.name,
        what.join(", "),
        target.namespace,
        rules.join(", ")
    )
}
