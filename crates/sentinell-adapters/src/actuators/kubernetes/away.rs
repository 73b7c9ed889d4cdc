//! Deeds that send pods away: delete one (by its identity, so that a newer pod of that name stays), drain a node (behind a guard).

use super::KubernetesHands;
use super::target::{self, Target};
use crate::kubectl::argv;
use crate::text::{arg, known_args};
use sentinell_core::action::{Action, ActionDraft, Deed, Plan};
use sentinell_core::ports::{Applied, ToolError};
use serde_json::Value;

pub(super) const DELETE: &str = "kubernetes.delete_pod";
pub(super) const DRAIN: &str = "kubernetes.drain";
/// What each takes.
pub(super) const DELETE_HELP: &str = "target pod/<namespace>/<name>; its controller makes another";
pub(super) const DRAIN_HELP: &str = "target node/<name>; service=<namespace>/<name> whose health tells whether it helped; evicts its pods, disruption budgets are kept";
/// So long evictions are tried, seconds.
const PATIENCE: u32 = 60;

impl KubernetesHands {
    pub(super) async fn plan_delete(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let refuse = |why: String| Err(ToolError::BadQuery(why));
        known_args(&draft.params, &[]).map_err(ToolError::BadQuery)?;
        let target = Target::pod(&draft.target).map_err(ToolError::BadQuery)?;
        let pod = self.kubectl.json(&get_pod(&target)).await?;
        let uid = pod["metadata"]["uid"].as_str().filter(|uid| is_uid(uid)).unwrap_or_default();
        if uid.is_empty() || !pod["metadata"]["deletionTimestamp"].is_null() {
            return refuse(format!("{} is on its way out already", target.name));
        }
        let Some((kind, owner)) = controller(&pod) else {
            return refuse(format!("{} has no controller: nobody would make another", target.name));
        };
        let deed = delete(&target, uid);
        self.try_delete(&deed).await?;
        // `cart-7d9f8b6c5` is the ReplicaSet of the Deployment `cart`.
        let service = match kind {
            "ReplicaSet" => owner.rsplit_once('-').map_or(owner, |(name, _)| name),
            _ => owner,
        };
        let text = format!("the pod {} is deleted; its {kind} {owner} makes another", target.name);
        let precondition = format!("the pod is still the one with the uid {uid} (the API server checks it)");
        Ok(self.plan_of(deed, (&target.namespace, service), 1, text, precondition))
    }

    /// A raw request has no `--dry-run`; the API takes it as a parameter.
    async fn try_delete(&self, deed: &Deed) -> Result<(), ToolError> {
        let mut words = deed.argv().unwrap_or_default().get(1..).unwrap_or_default().to_vec();
        if let Some(last) = words.last_mut() {
            last.push_str("&dryRun=All");
        }
        let ended = self.kubectl.read(&words).await?;
        if ended.code == Some(0) { Ok(()) } else { Err(crate::kubectl::complaint(&ended.stderr)) }
    }

    pub(super) async fn plan_drain(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let refuse = |why: String| Err(ToolError::BadQuery(why));
        known_args(&draft.params, &["service"]).map_err(ToolError::BadQuery)?;
        let name = target::node(&draft.target).map_err(ToolError::BadQuery)?;
        let max = self.settings.max_drained_pods;
        if max == 0 {
            return Err(ToolError::Denied(
                "no node is drained until kubernetes.max_drained_pods says how many pods".into(),
            ));
        }
        let service = arg(&draft.params, "service").and_then(|text| text.split_once('/'));
        let Some(service) = service else {
            return refuse("service=<namespace>/<name>: whose health would tell whether it helped".into());
        };
        let others = self.open_nodes(name).await?;
        if others == 0 {
            return refuse(format!("{name} is the last node that takes pods"));
        }
        let pods = self.evictable(name).await?;
        if pods as u64 > max {
            return refuse(format!("{pods} pods would have to go, more than the {max} that are allowed"));
        }
        let deed = drain(name);
        self.try_out(&deed).await?;
        let text = format!(
            "the node {name} is cordoned and its {pods} pods are evicted, as far as their disruption budgets allow; {others} \
             other nodes take them"
        );
        let precondition = "disruption budgets are kept (the API server checks each eviction)".to_owned();
        let mut plan = self.plan_of(deed, service, pods as u64, text, precondition);
        plan.environment = self.settings.environment.clone();
        Ok(plan)
    }

    /// Pods of a node that a drain would send away.
    async fn evictable(&self, node: &str) -> Result<usize, ToolError> {
        let field = format!("--field-selector=spec.nodeName={node}");
        let pods = self.kubectl.json(&argv(&["get", "pods", "-A", &field, "-o", "json"])).await?;
        let goes = |pod: &&Value| {
            let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
            let mirror = pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some();
            !ended && !mirror && controller(pod).is_none_or(|(kind, _)| kind != "DaemonSet")
        };
        Ok(pods["items"].as_array().into_iter().flatten().filter(goes).count())
    }

    pub(super) async fn pods_show(&self, action: &Action) -> Result<Applied, ToolError> {
        read(action).map_err(ToolError::BadQuery)?;
        if action.kind == DRAIN {
            let name = target::node(&action.target).map_err(ToolError::BadQuery)?;
            let node = self.kubectl.json(&argv(&["get", "nodes", name, "-o", "json"])).await?;
            let closed = node["spec"]["unschedulable"] == true;
            return Ok(match (closed, self.evictable(name).await?) {
                (true, 0) => Applied::Yes,
                (false, _) => Applied::No,
                // Some have gone, or somebody else has cordoned it.
                (true, _) => Applied::Unknown,
            });
        }
        let target = Target::pod(&action.target).map_err(ToolError::BadQuery)?;
        let uid = planned_uid(action).ok_or_else(|| ToolError::BadQuery("the deed names no pod".into()))?;
        let mut args = get_pod(&target);
        args.push("--ignore-not-found".to_owned());
        let ended = self.kubectl.read(&args).await?;
        if ended.code != Some(0) {
            return Err(crate::kubectl::complaint(&ended.stderr));
        }
        let pod: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
        let gone = pod["metadata"]["uid"] != uid || !pod["metadata"]["deletionTimestamp"].is_null();
        Ok(if gone { Applied::Yes } else { Applied::No })
    }
}

/// Whether the deed is exactly what this hand itself would have written for that target.
pub(super) fn read(action: &Action) -> Result<(), String> {
    let ours = match action.kind.as_str() {
        DRAIN => drain(target::node(&action.target)?),
        _ => delete(&Target::pod(&action.target)?, planned_uid(action).unwrap_or_default()),
    };
    let fits = ours == action.plan.deed && action.undoes.is_none();
    if fits { Ok(()) } else { Err(format!("the deed is none that this hand does to {}", action.target)) }
}

fn get_pod(target: &Target) -> Vec<String> {
    argv(&["get", "pods", &target.name, "-n", &target.namespace, "-o", "json"])
}

/// kubectl's own `delete` knows no precondition; the API takes the identity as a parameter.
fn delete(target: &Target, uid: &str) -> Deed {
    let path = format!("/api/v1/namespaces/{}/pods/{}?uid={uid}", target.namespace, target.name);
    Deed::Argv(argv(&["kubectl", "delete", "--raw", &path]))
}

/// The API for evictions, which keeps disruption budgets; no pod without a controller, none with data that would be lost.
fn drain(node: &str) -> Deed {
    Deed::Argv(argv(&["kubectl", "drain", node, "--ignore-daemonsets", &format!("--timeout={PATIENCE}s")]))
}

fn planned_uid(action: &Action) -> Option<&str> {
    let (_, uid) = action.plan.deed.argv()?.last()?.split_once("?uid=")?;
    is_uid(uid).then_some(uid)
}

fn is_uid(text: &str) -> bool {
    (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// The kind and name of what made a pod and would make another.
fn controller(pod: &Value) -> Option<(&str, &str)> {
    let owners = pod["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    Some((owner["kind"].as_str()?, owner["name"].as_str()?))
}
