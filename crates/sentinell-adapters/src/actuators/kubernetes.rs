//! kubectl's hands on Deployments: roll back, restart, scale, under an acting identity of their own.

mod deed;
mod target;
mod world;

use crate::kubectl::{Kubectl, complaint};
use crate::process::{Limits, RunError};
use crate::text::{arg, clip, known_args, one_line};
use deed::KubeDeed;
use sentinell_core::action::{Action, ActionDraft, BlastRadius, Deed, Expectation, Plan, Verification};
use sentinell_core::approval::Warrant;
use sentinell_core::evidence::Query;
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, ToolError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use target::Target;
use world::{World, look};

const UNDO: &str = "kubernetes.rollout_undo";
const RESTART: &str = "kubernetes.rollout_restart";
const SCALE: &str = "kubernetes.scale";
/// How often to look again while the cluster has not caught up with its newest specification.
const LOOKS: u32 = 10;

/// What the operator configures.
#[derive(Debug, Clone)]
pub struct KubernetesHandsSettings {
    /// Namespace → environment (production, staging, …).
    pub environments: BTreeMap<String, String>,
    /// The environment of every other namespace.
    pub environment: String,
    /// More pods than this are never asked for.
    pub max_replicas: u64,
    /// For how long it must stay well, seconds.
    pub hold_seconds: u32,
    /// How often to look, seconds.
    pub every_seconds: u32,
    /// How long to wait for it at most, seconds.
    pub within_seconds: u32,
}

impl Default for KubernetesHandsSettings {
    fn default() -> Self {
        Self {
            environments: BTreeMap::new(),
            environment: "default".into(),
            max_replicas: 50,
            hold_seconds: 10,
            every_seconds: 2,
            within_seconds: 120,
        }
    }
}

/// The hands for `kubernetes.rollout_undo`, `kubernetes.rollout_restart` and `kubernetes.scale`.
pub struct KubernetesHands {
    kubectl: Kubectl,
    settings: KubernetesHandsSettings,
    clock: Arc<dyn Clock>,
}

/// One right that a deed needs: verb and resource.
type Right = (&'static str, &'static str);
const SEE: [Right; 2] = [("get", "deployments.apps"), ("list", "replicasets.apps")];

impl KubernetesHands {
    /// Hands with an acting identity, which should not be the reading one.
    pub fn new(kubectl: Kubectl, settings: KubernetesHandsSettings, clock: Arc<dyn Clock>) -> Self {
        Self { kubectl, settings, clock }
    }

    async fn make_plan(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let target = Target::parse(&draft.target).map_err(ToolError::BadQuery)?;
        let known: &[&str] = match draft.kind.as_str() {
            UNDO => &["to_revision"],
            RESTART => &[],
            SCALE => &["replicas"],
            other => return Err(ToolError::BadQuery(format!("no action `{}`", one_line(other, 80)))),
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
        let Target { namespace, name } = target;
        let environment = self.settings.environments.get(namespace).unwrap_or(&self.settings.environment);
        let query = Query {
            id: "v1".into(),
            tool: "kubernetes".into(),
            args: BTreeMap::from([("namespace".into(), namespace.clone()), ("logs".into(), "none".into())]),
            why: format!("is {name} well?"),
        };
        Plan {
            deed: deed.deed(target),
            undo: None,
            undo_if_unhelpful: false,
            environment: environment.clone(),
            verification: Verification {
                queries: vec![query],
                expect: Expectation::FindingsGone { subject: format!("service/{namespace}/{name}") },
                hold_seconds: self.settings.hold_seconds,
                every_seconds: self.settings.every_seconds,
                within_seconds: self.settings.within_seconds,
            },
            blast_radius: BlastRadius { objects: u32::try_from(objects).unwrap_or(u32::MAX), description: text },
            precondition,
        }
    }

    async fn act(&self, action: &Action, warrant: Warrant) -> Result<String, ActError> {
        let (target, deed) = read(action).map_err(ActError::NotStarted)?;
        self.still_right(action, &target, &deed).await.map_err(ActError::NotStarted)?;
        let Deed::Argv(words) = &action.plan.deed;
        let permit = warrant.redeem(&action.hash(), self.clock.now()).map_err(ActError::NotStarted)?;
        let limits = Limits { time: Duration::from_millis(permit.millis_left), ..Limits::seconds(0) };
        match self.kubectl.run(&words[1..], limits).await {
            Ok(ended) if ended.code == Some(0) => Ok(clip(ended.stdout.trim(), 4000)),
            Ok(ended) => Err(failure(&ended.stderr)),
            Err(RunError::NotStarted(why)) => Err(ActError::NotStarted(why)),
            Err(RunError::Unfinished(why)) => Err(ActError::Unknown(why)),
        }
    }

    /// `rollout undo` has no precondition of its own for what is current, so it is looked at just before.
    async fn still_right(&self, action: &Action, target: &Target, deed: &KubeDeed) -> Result<(), String> {
        let KubeDeed::Undo { to } = deed else { return Ok(()) };
        let world = look(&self.kubectl, target).await.map_err(|error| error.to_string())?;
        let planned = action.plan.undo.as_ref().and_then(|undo| KubeDeed::read(undo, target));
        if let Some(KubeDeed::Undo { to: current }) = planned
            && current != world.revision
        {
            return Err(format!("revision {current} is not current any more; {} is", world.revision));
        }
        match world.revisions.iter().any(|revision| revision.number == *to) {
            true => Ok(()),
            false => Err(format!("revision {to} is not in the history any more")),
        }
    }

    async fn look_whether(&self, action: &Action) -> Result<Applied, ToolError> {
        let (target, deed) = read(action).map_err(ToolError::BadQuery)?;
        for _ in 1..LOOKS {
            let world = look(&self.kubectl, &target).await?;
            match world.shows(&deed) {
                Applied::Unknown if !world.settled => tokio::time::sleep(Duration::from_millis(500)).await,
                answer => return Ok(answer),
            }
        }
        Ok(look(&self.kubectl, &target).await?.shows(&deed))
    }
}

impl Actuator for KubernetesHands {
    fn kinds(&self) -> Vec<(String, String)> {
        let kinds = [
            (
                UNDO,
                "target deployment/<namespace>/<name>; to_revision (default: the newest earlier one that was healthy)",
            ),
            (RESTART, "target deployment/<namespace>/<name>; replaces its pods one by one"),
            (SCALE, "target deployment/<namespace>/<name>; replicas=<number>"),
        ];
        kinds.map(|(kind, text)| (kind.to_owned(), text.to_owned())).to_vec()
    }

    fn plan<'a>(&'a self, draft: &'a ActionDraft) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(self.make_plan(draft))
    }

    fn apply<'a>(&'a self, action: &'a Action, warrant: Warrant) -> BoxFuture<'a, Result<String, ActError>> {
        Box::pin(self.act(action, warrant))
    }

    fn was_applied<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Result<Applied, ToolError>> {
        Box::pin(self.look_whether(action))
    }
}

/// The target and the deed, if they are what this hand itself would have written.
fn read(action: &Action) -> Result<(Target, KubeDeed), String> {
    let target = Target::parse(&action.target)?;
    let deed = KubeDeed::read(&action.plan.deed, &target);
    let deed = deed.ok_or_else(|| format!("the deed is none that this hand does to {}", action.target))?;
    let fits = match deed {
        KubeDeed::Undo { .. } => action.kind == UNDO,
        KubeDeed::Restart { .. } => action.kind == RESTART,
        KubeDeed::Scale { .. } => action.kind == SCALE,
    };
    if fits { Ok((target, deed)) } else { Err(format!("the deed is not a {}", action.kind)) }
}

/// What a complaint of the acting kubectl says about the deed: the server's own refusal is an end, a lost connection is not.
fn failure(stderr: &str) -> ActError {
    let (ToolError::Retry(text) | ToolError::BadQuery(text) | ToolError::Denied(text)) = complaint(stderr);
    let lost = ["Unable to connect", "imeout", "timed out", "connection", "EOF", "TLS", "etcdserver", "InternalError"];
    if lost.iter().any(|word| text.contains(word)) { ActError::Unknown(text) } else { ActError::Failed(text) }
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

impl std::fmt::Debug for KubernetesHands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubernetesHands").field("settings", &self.settings).finish_non_exhaustive()
    }
}
