//! kubectl's hands on Deployments, pods and nodes, under an acting identity of their own.

mod away;
mod change;
mod deed;
mod rollout;
mod swap;
mod target;
mod world;

use crate::kubectl::{Kubectl, complaint};
use crate::process::{Limits, RunError};
use crate::text::{clip, one_line};
use deed::KubeDeed;
use sentinell_core::action::{Action, ActionDraft, BlastRadius, Deed, Expectation, Plan, Verification};
use sentinell_core::approval::Warrant;
use sentinell_core::evidence::Query;
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, ToolError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use target::Target;
use world::look;

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
    /// How images may begin besides those of the repository that a container uses already.
    pub images: Vec<String>,
    /// Environment variables whose value may be changed.
    pub variables: Vec<String>,
    /// No node with more pods than this is drained; 0: none is.
    pub max_drained_pods: u64,
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
            images: vec![],
            variables: vec![],
            max_drained_pods: 0,
            hold_seconds: 10,
            every_seconds: 2,
            within_seconds: 120,
        }
    }
}

/// The hands for `kubernetes.*`.
pub struct KubernetesHands {
    kubectl: Kubectl,
    settings: KubernetesHandsSettings,
    clock: Arc<dyn Clock>,
}

impl KubernetesHands {
    /// Hands with an acting identity, which should not be the reading one.
    pub fn new(kubectl: Kubectl, settings: KubernetesHandsSettings, clock: Arc<dyn Clock>) -> Self {
        Self { kubectl, settings, clock }
    }

    async fn make_plan(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        match draft.kind.as_str() {
            UNDO | RESTART | SCALE => self.plan_rollout(draft).await,
            away::DELETE => self.plan_delete(draft).await,
            away::DRAIN => self.plan_drain(draft).await,
            kind if change::KINDS.iter().any(|(known, _)| *known == kind) => self.plan_change(draft).await,
            other => Err(ToolError::BadQuery(format!("no action `{}`", one_line(other, 80)))),
        }
    }

    fn plan_of(
        &self,
        deed: Deed,
        (namespace, name): (&str, &str),
        objects: u64,
        text: String,
        precondition: String,
    ) -> Plan {
        let environment = self.settings.environments.get(namespace).unwrap_or(&self.settings.environment);
        let query = Query {
            id: "v1".into(),
            tool: "kubernetes".into(),
            args: BTreeMap::from([("namespace".into(), namespace.to_owned()), ("logs".into(), "none".into())]),
            why: format!("is {name} well?"),
        };
        Plan {
            deed,
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
        match action.kind.as_str() {
            UNDO | RESTART | SCALE => {
                let (target, deed) = read(action).map_err(ActError::NotStarted)?;
                self.still_right(action, &target, &deed).await.map_err(ActError::NotStarted)?;
            }
            away::DELETE | away::DRAIN => away::read(action).map_err(ActError::NotStarted)?,
            _ => drop(change::read(action).map_err(ActError::NotStarted)?),
        }
        let words = action.plan.deed.argv().unwrap_or_default();
        let permit = warrant.redeem(&action.hash(), self.clock.now()).map_err(ActError::NotStarted)?;
        let limits = Limits { time: Duration::from_millis(permit.millis_left), ..Limits::seconds(0) };
        match self.kubectl.run(words.get(1..).unwrap_or_default(), limits).await {
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
        match action.kind.as_str() {
            UNDO | RESTART | SCALE => {}
            away::DELETE | away::DRAIN => return self.pods_show(action).await,
            _ => return self.change_shows(action).await,
        }
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
        let drains = (self.settings.max_drained_pods > 0).then_some((away::DRAIN, away::DRAIN_HELP));
        let more = change::KINDS.into_iter().chain([(away::DELETE, away::DELETE_HELP)]).chain(drains);
        kinds.into_iter().chain(more).map(|(kind, text)| (kind.to_owned(), text.to_owned())).collect()
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

impl std::fmt::Debug for KubernetesHands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubernetesHands").field("settings", &self.settings).finish_non_exhaustive()
    }
}
