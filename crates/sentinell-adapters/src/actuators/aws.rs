//! Hands on Amazon's services, under an acting identity of their own: new tasks or another number of them (ECS), another capacity
//! (Auto Scaling), a reboot (EC2), another version behind an alias (Lambda). Only targets that the operator allows are touched.

mod deed;

use super::{Watch, is_allowed, query, send};
use crate::aws::{AwsIdentity, Caller, refusal, tagged};
use crate::text::{arg, known_args, one_line};
use deed::{AwsDeed, EC2, Target};
use sentinell_core::action::{Action, ActionDraft, BlastRadius, Plan};
use sentinell_core::approval::Warrant;
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, ToolError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const REDEPLOY: &str = "aws.ecs_redeploy";
const TASKS: &str = "aws.ecs_scale";
const CAPACITY: &str = "aws.asg_scale";
const REBOOT: &str = "aws.ec2_reboot";
const ROLLBACK: &str = "aws.lambda_rollback";
/// How long Amazon may take to answer.
const ANSWER: Duration = Duration::from_secs(15);

/// What the operator configures.
#[derive(Debug, Clone)]
pub struct AwsHandsSettings {
    /// The region.
    pub region: String,
    /// Where to ask instead of Amazon's own addresses.
    pub endpoint: Option<String>,
    /// Who acts.
    pub identity: AwsIdentity,
    /// Targets that may be touched; a `*` at the end matches any rest.
    pub targets: Vec<String>,
    /// More tasks or machines than this are never asked for.
    pub max_capacity: u64,
    /// production, staging, …
    pub environment: String,
    /// The name of the eye that tells whether it helped.
    pub eye: String,
    /// How one watches whether it helped.
    pub watch: Watch,
}

/// The hands for `aws.*`.
pub struct AwsHands {
    caller: Caller,
    settings: AwsHandsSettings,
    clock: Arc<dyn Clock>,
}

/// What was seen of a target, by name.
type Seen = BTreeMap<String, String>;

impl AwsHands {
    /// Hands in one region.
    ///
    /// # Errors
    /// If the region or the endpoint makes no sense.
    pub fn new(settings: AwsHandsSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let (region, identity) = (settings.region.clone(), settings.identity.clone());
        let caller = Caller::new(region, settings.endpoint.as_deref(), identity, clock.clone())?;
        Ok(Self { caller, settings, clock })
    }

    fn target(&self, text: &str) -> Result<Target, ToolError> {
        let target = Target::parse(text).map_err(ToolError::BadQuery)?;
        let allowed = is_allowed(&self.settings.targets, text);
        allowed.then_some(target).ok_or_else(|| {
            ToolError::Denied(format!("{} is not among the targets that may be touched", one_line(text, 100)))
        })
    }

    async fn look(&self, target: &Target) -> Result<Seen, ToolError> {
        let (service, operation, request) = deed::look(target);
        let said = self.caller.ask(service, operation, request).await?;
        let text = String::from_utf8_lossy(&said);
        let json: Value = serde_json::from_slice(&said).unwrap_or_default();
        let missing = || ToolError::BadQuery(format!("{operation}: there is no such thing"));
        let word = |value: &Value| value.as_str().map(|text| one_line(text, 300));
        let seen = match target {
            Target::Service { .. } => of_service(&json["services"][0]),
            Target::Group(_) => ["DesiredCapacity", "MinSize", "MaxSize"]
                .into_iter()
                .zip(["desired", "min", "max"])
                .map(|(tag, name)| Some((name.to_owned(), one_line(tagged(&text, tag)?, 20))))
                .collect(),
            Target::Instance(_) => tagged(&text, "instanceState")
                .and_then(|state| tagged(state, "name"))
                .map(|state| Seen::from([("state".to_owned(), one_line(state, 40))])),
            Target::Alias { .. } => {
                word(&json["FunctionVersion"]).zip(word(&json["RevisionId"])).map(|(version, revision)| {
                    Seen::from([("version".to_owned(), version), ("revision".to_owned(), revision)])
                })
            }
        };
        seen.ok_or_else(missing)
    }

    async fn make_plan(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let known: &[&str] = match draft.kind.as_str() {
            REDEPLOY | REBOOT => &[],
            TASKS => &["desired"],
            CAPACITY => &["desired", "service"],
            ROLLBACK => &["version"],
            other => return Err(ToolError::BadQuery(format!("no action `{}`", one_line(other, 80)))),
        };
        known_args(&draft.params, known).map_err(ToolError::BadQuery)?;
        let target = self.target(&draft.target)?;
        if !fits(&draft.kind, &target) {
            return Err(ToolError::BadQuery(format!("{} is not done to {}", draft.kind, draft.target)));
        }
        let seen = self.look(&target).await?;
        match draft.kind.as_str() {
            REDEPLOY => {
                let tasks = number(&seen, "desired");
                let text = format!("{tasks} tasks are replaced by new ones of the same definition");
                self.plan(draft, &target, &AwsDeed::Redeploy, &["deployment", "task_definition"], &seen, (tasks, text))
            }
            TASKS | CAPACITY => self.plan_count(draft, &target, &seen),
            REBOOT => self.plan_reboot(draft, &target, &seen).await,
            _ => self.plan_rollback(draft, &target, &seen),
        }
    }

    fn plan_count(&self, draft: &ActionDraft, target: &Target, seen: &Seen) -> Result<Plan, ToolError> {
        let (from, max) = (number(seen, "desired"), self.settings.max_capacity);
        let bounds = match target {
            Target::Group(_) => (number(seen, "min").max(1), number(seen, "max").min(max)),
            _ => (1, max),
        };
        let wanted = arg(&draft.params, "desired").and_then(|text| text.parse::<u64>().ok());
        let to = wanted.filter(|to| (bounds.0..=bounds.1).contains(to) && *to != from).ok_or_else(|| {
            let (low, high) = bounds;
            ToolError::BadQuery(format!(
                "desired must be a number from {low} to {high}, other than the {from} that are there"
            ))
        })?;
        let what = if matches!(target, Target::Group(_)) { "machines" } else { "tasks" };
        let text = format!("{} goes from {from} to {to} {what}", draft.target);
        let mut plan = self.plan(draft, target, &AwsDeed::Count(to), &["desired"], seen, (from.abs_diff(to), text))?;
        let after = Seen::from([("desired".to_owned(), to.to_string())]);
        plan.undo = Some(AwsDeed::Count(from).deed(target, &self.caller, after)?);
        plan.undo_if_unhelpful = true;
        Ok(plan)
    }

    async fn plan_reboot(&self, draft: &ActionDraft, target: &Target, seen: &Seen) -> Result<Plan, ToolError> {
        let Target::Instance(id) = target else { return Err(ToolError::BadQuery("that is no machine".into())) };
        if seen.get("state").is_none_or(|state| state != "running") {
            return Err(ToolError::BadQuery(format!("{id} does not run")));
        }
        // EC2 says by an error that it would have done it.
        match self.caller.ask(EC2, "RebootInstances", deed::try_reboot(id)).await {
            Err(error) if error.to_string().contains("DryRunOperation") => {}
            Err(error) => return Err(error),
            Ok(_) => return Err(ToolError::BadQuery("the trial of the reboot was not answered as one".into())),
        }
        let text = format!("the machine {id} is rebooted; what runs on it is away meanwhile");
        self.plan(draft, target, &AwsDeed::Reboot, &["state"], seen, (1, text))
    }

    fn plan_rollback(&self, draft: &ActionDraft, target: &Target, seen: &Seen) -> Result<Plan, ToolError> {
        let from = seen.get("version").map_or("", String::as_str);
        let digits =
            |text: &&str| !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
        let version = arg(&draft.params, "version").filter(digits).filter(|version| *version != from);
        let version = version.ok_or_else(|| {
            ToolError::BadQuery(format!("version must be a published one (a number), other than {from}"))
        })?;
        let text = format!("{} goes from version {} to version {version}", draft.target, one_line(from, 20));
        let to = AwsDeed::Version { version: version.to_owned(), revision: seen.get("revision").cloned() };
        let mut plan = self.plan(draft, target, &to, &["version"], seen, (1, text))?;
        plan.precondition.push_str("; its revision is still the same (Lambda checks it)");
        let back = AwsDeed::Version { version: from.to_owned(), revision: None };
        let after = Seen::from([("version".to_owned(), version.to_owned())]);
        plan.undo = Some(back.deed(target, &self.caller, after)?);
        plan.undo_if_unhelpful = true;
        Ok(plan)
    }

    fn plan(
        &self,
        draft: &ActionDraft,
        target: &Target,
        deed: &AwsDeed,
        expected: &[&str],
        seen: &Seen,
        (objects, text): (u64, String),
    ) -> Result<Plan, ToolError> {
        let expect: Seen =
            expected.iter().filter_map(|name| Some(((*name).to_owned(), seen.get(*name)?.clone()))).collect();
        let (args, subject) = match target {
            Target::Service { service, .. } => (("service", service.clone()), format!("service/{service}")),
            Target::Instance(id) => (("instance", id.clone()), format!("host/{id}")),
            Target::Alias { function, .. } => (("service", function.clone()), format!("service/{function}")),
            Target::Group(_) => {
                let named = arg(&draft.params, "service").filter(|name| !name.contains('/') && name.len() <= 100);
                let named = named.ok_or_else(|| {
                    ToolError::BadQuery("service=<name>: whose health would tell whether it helped".to_owned())
                })?;
                (("service", named.to_owned()), format!("service/{named}"))
            }
        };
        let queries = vec![query(1, &self.settings.eye, &[(args.0, &args.1)], "is it well?")];
        let spelled: Vec<String> = expect.iter().map(|(name, value)| format!("{name} {value}")).collect();
        Ok(Plan {
            deed: deed.deed(target, &self.caller, expect)?,
            undo: None,
            undo_if_unhelpful: false,
            environment: self.settings.environment.clone(),
            verification: self.settings.watch.until_well(queries, subject),
            blast_radius: BlastRadius { objects: u32::try_from(objects).unwrap_or(u32::MAX), description: text },
            precondition: format!("it is as it was: {}", spelled.join(", ")),
        })
    }

    async fn act(&self, action: &Action, warrant: Warrant) -> Result<String, ActError> {
        let refuse = |why: String| ActError::NotStarted(why);
        let (target, deed) = self.read(action).map_err(refuse)?;
        let shown = action.plan.deed.http().ok_or_else(|| refuse("the deed is no request".into()))?;
        let seen = self.look(&target).await.map_err(|error| refuse(error.to_string()))?;
        if let Some((name, value)) = shown.expect.iter().find(|(name, value)| seen.get(*name) != Some(*value)) {
            let now = seen.get(name).map_or("nothing", String::as_str);
            return Err(refuse(format!("{}: {name} is not {value} any more but {now}", action.target)));
        }
        let (service, request) = deed.request(&target).ok_or_else(|| refuse("that is not done to it".into()))?;
        let signed = self.caller.signed(service, &request).await.map_err(|error| refuse(error.to_string()))?;
        match send(self.caller.http(), (action, shown), signed, warrant, (&*self.clock, ANSWER)).await? {
            (200..300, _) => Ok(format!("Amazon took it for {}", action.target)),
            (status @ (408 | 500..), body) => Err(ActError::Unknown(refusal(&action.kind, status, &body).to_string())),
            (status, body) => Err(ActError::Failed(refusal(&action.kind, status, &body).to_string())),
        }
    }

    async fn look_whether(&self, action: &Action) -> Result<Applied, ToolError> {
        let (target, deed) = self.read(action).map_err(ToolError::BadQuery)?;
        let expect = action.plan.deed.http().map(|request| request.expect.clone()).unwrap_or_default();
        Ok(deed.shows(&expect, &self.look(&target).await?))
    }

    /// The target and the deed, if they are what this hand itself would have written.
    fn read(&self, action: &Action) -> Result<(Target, AwsDeed), String> {
        let target = self.target(&action.target).map_err(|error| error.to_string())?;
        let deed = AwsDeed::read(&action.plan.deed, &target, &self.caller);
        let deed = deed.ok_or_else(|| format!("the deed is none that this hand does to {}", action.target))?;
        let kind = match (&deed, &target) {
            (AwsDeed::Redeploy, _) => REDEPLOY,
            (AwsDeed::Count(_), Target::Group(_)) => CAPACITY,
            (AwsDeed::Count(_), _) => TASKS,
            (AwsDeed::Reboot, _) => REBOOT,
            (AwsDeed::Version { .. }, _) => ROLLBACK,
        };
        let undoable = action.undoes.is_none() || matches!(kind, CAPACITY | TASKS | ROLLBACK);
        if kind == action.kind && undoable {
            Ok((target, deed))
        } else {
            Err(format!("the deed is not a {}", action.kind))
        }
    }
}

fn fits(kind: &str, target: &Target) -> bool {
    match kind {
        REDEPLOY | TASKS => matches!(target, Target::Service { .. }),
        CAPACITY => matches!(target, Target::Group(_)),
        REBOOT => matches!(target, Target::Instance(_)),
        _ => matches!(target, Target::Alias { .. }),
    }
}

fn of_service(service: &Value) -> Option<Seen> {
    if service["status"] != "ACTIVE" {
        return None;
    }
    let deployments = service["deployments"].as_array().into_iter().flatten();
    let primary = deployments.into_iter().find(|one| one["status"] == "PRIMARY");
    let mut seen = Seen::from([("desired".to_owned(), service["desiredCount"].as_u64()?.to_string())]);
    seen.insert("task_definition".to_owned(), one_line(service["taskDefinition"].as_str()?, 300));
    let id = primary.and_then(|one| one["id"].as_str());
    seen.extend(id.map(|id| ("deployment".to_owned(), one_line(id, 200))));
    Some(seen)
}

fn number(seen: &Seen, name: &str) -> u64 {
    seen.get(name).and_then(|text| text.parse().ok()).unwrap_or_default()
}

impl Actuator for AwsHands {
    fn kinds(&self) -> Vec<(String, String)> {
        let max = self.settings.max_capacity;
        let kinds = [
            (REDEPLOY, "target ecs/<cluster>/<service>; replaces its tasks by new ones".to_owned()),
            (TASKS, format!("target ecs/<cluster>/<service>; desired=1 to {max} tasks")),
            (CAPACITY, format!("target asg/<group>; desired=1 to {max} machines, service=<name> that it should help")),
            (REBOOT, "target ec2/<instance id>".to_owned()),
            (ROLLBACK, "target lambda/<function>/<alias>; version=<a published version>".to_owned()),
        ];
        kinds.map(|(kind, text)| (kind.to_owned(), text)).to_vec()
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

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let exact = self.settings.targets.iter().filter(|target| !target.ends_with('*'));
            for text in exact {
                self.look(&self.target(text)?).await?;
            }
            Ok(Some(format!("{}: {} may be touched", self.caller.region(), self.settings.targets.join(", "))))
        })
    }
}

impl std::fmt::Debug for AwsHands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsHands").field("region", &self.caller.region()).finish_non_exhaustive()
    }
}
