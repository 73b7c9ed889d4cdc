//! Hands on what Terraform (or OpenTofu) declares: the plan is made and saved when the action is planned, its rendered text is what a
//! person approves, and exactly that file, known by its SHA-256, is applied. Nothing is ever destroyed unless the operator allows it.

mod saved;

use crate::process::{Ended, Limits, Program, RunError};
use crate::text::{arg, clip, head_and_tail, known_args, one_line};
use saved::{Changes, Plans};
use sentinell_core::action::{Action, ActionDraft, BlastRadius, Deed, Plan, Verification};
use sentinell_core::approval::Warrant;
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, ToolError};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const APPLY: &str = "terraform.apply";
/// Time that a plan may take.
const PLANNING: Duration = Duration::from_secs(300);
/// Characters of the rendered plan that are shown; a longer one is refused, since nobody could approve what is left out.
const SHOWN: usize = 12_000;
/// What stands before and after the state's serial number in a precondition.
const SERIAL: (&str, &str) =
    ("the state's serial number is ", " (Terraform checks it: a saved plan is stale after any change)");

/// One folder of configuration that may be applied.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Its name in targets: `terraform/<name>`.
    pub name: String,
    /// Where `terraform init` was run.
    pub folder: PathBuf,
    /// production, staging, …
    pub environment: String,
    /// Addresses that may be replaced by name; a `*` at the end matches any rest.
    pub replace: Vec<String>,
    /// Whether a plan that destroys something may be proposed.
    pub may_destroy: bool,
    /// How one will know that it helped.
    pub verification: Verification,
}

/// What the operator configures.
#[derive(Debug, Clone)]
pub struct TerraformHandsSettings {
    /// The folders.
    pub workspaces: Vec<Workspace>,
    /// Where saved plans are kept: they may hold secrets, so that only our user may enter.
    pub plans: PathBuf,
}

/// The hands for `terraform.apply`.
pub struct TerraformHands {
    terraform: Program,
    settings: TerraformHandsSettings,
    plans: Plans,
    clock: Arc<dyn Clock>,
}

impl TerraformHands {
    /// Hands with this program, under a guard and with the variables that its providers need.
    pub fn new(terraform: Program, settings: TerraformHandsSettings, clock: Arc<dyn Clock>) -> Self {
        let plans = Plans::new(settings.plans.clone());
        Self { terraform, settings, plans, clock }
    }

    fn workspace(&self, target: &str) -> Result<&Workspace, ToolError> {
        let name = target.strip_prefix("terraform/");
        let found = self.settings.workspaces.iter().find(|workspace| Some(workspace.name.as_str()) == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.settings.workspaces.iter().map(|one| one.name.as_str()).collect();
            let (target, names) = (one_line(target, 100), names.join(", terraform/"));
            ToolError::BadQuery(format!("`{target}` is no target; there are terraform/{names}"))
        })
    }

    /// Runs one call in a folder; its standard output.
    async fn call(&self, workspace: &Workspace, args: &[&str], time: Duration) -> Result<Ended, ToolError> {
        let chdir = format!("-chdir={}", workspace.folder.display());
        let args: Vec<&str> = [chdir.as_str()].into_iter().chain(args.iter().copied()).collect();
        let limits = Limits { time, stdout: 8 << 20, stderr: 64 << 10 };
        self.terraform.run(&args, limits).await.map_err(|error| match error {
            RunError::NotStarted(why) => ToolError::Denied(why),
            RunError::Unfinished(why) => ToolError::Retry(why),
        })
    }

    async fn said(&self, workspace: &Workspace, args: &[&str]) -> Result<String, ToolError> {
        let ended = self.call(workspace, args, PLANNING).await?;
        if ended.code == Some(0) && !ended.truncated { Ok(ended.stdout) } else { Err(complaint(&ended)) }
    }

    async fn serial(&self, workspace: &Workspace) -> Result<u64, ToolError> {
        let state = self.said(workspace, &["state", "pull"]).await?;
        // Where nothing was ever applied there is no state.
        let state: Value = serde_json::from_str(&state).unwrap_or_default();
        Ok(state["serial"].as_u64().unwrap_or_default())
    }

    async fn make_plan(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let refuse = |why: String| Err(ToolError::BadQuery(why));
        if draft.kind != APPLY {
            return refuse(format!("no action `{}`", one_line(&draft.kind, 80)));
        }
        known_args(&draft.params, &["replace"]).map_err(ToolError::BadQuery)?;
        let workspace = self.workspace(&draft.target)?;
        let replace = match arg(&draft.params, "replace") {
            Some(address) if super::is_allowed(&workspace.replace, address) => Some(format!("-replace={address}")),
            Some(address) => {
                let address = one_line(address, 100);
                return Err(ToolError::Denied(format!("{address} is not among the addresses that may be replaced")));
            }
            None => None,
        };
        let serial = self.serial(workspace).await?;
        let draft_file = self.plans.draft(self.clock.now()).map_err(ToolError::Denied)?;
        let out = format!("-out={}", draft_file.display());
        let mut args = vec!["plan", "-input=false", "-no-color", "-lock-timeout=10s", "-detailed-exitcode", &out];
        args.extend(replace.as_deref());
        let ended = self.call(workspace, &args, PLANNING).await?;
        match ended.code {
            Some(0) => {
                self.plans.forget(&draft_file);
                return refuse("nothing differs from what is declared: there is nothing to apply".into());
            }
            Some(2) => {}
            _ => {
                self.plans.forget(&draft_file);
                return Err(complaint(&ended));
            }
        }
        let file = self.plans.keep(&draft_file).map_err(ToolError::Retry)?;
        let place = file.display().to_string();
        let json = self.said(workspace, &["show", "-json", &place]).await?;
        let text = self.said(workspace, &["show", "-no-color", &place]).await?;
        let changes = Changes::of(&json).map_err(ToolError::BadQuery)?;
        if changes.destroyed > 0 && !workspace.may_destroy {
            let why =
                format!("it would destroy {} objects, which is not allowed: {}", changes.destroyed, changes.named);
            return refuse(why);
        }
        let text = text.trim();
        if text.chars().count() > SHOWN {
            return refuse(format!("the plan is too long to be approved: {}", head_and_tail(text, 600)));
        }
        Ok(Plan {
            deed: deed(workspace, &place),
            undo: None,
            undo_if_unhelpful: false,
            environment: workspace.environment.clone(),
            verification: workspace.verification.clone(),
            blast_radius: BlastRadius { objects: changes.count, description: text.to_owned() },
            precondition: format!("{}{serial}{}", SERIAL.0, SERIAL.1),
        })
    }

    async fn act(&self, action: &Action, warrant: Warrant) -> Result<String, ActError> {
        let (workspace, file) = self.read(action).map_err(ActError::NotStarted)?;
        self.plans.check(&file).map_err(ActError::NotStarted)?;
        let words = action.plan.deed.argv().unwrap_or_default();
        let permit = warrant.redeem(&action.hash(), self.clock.now()).map_err(ActError::NotStarted)?;
        let limits = Limits { time: Duration::from_millis(permit.millis_left), ..Limits::seconds(0) };
        match self.terraform.run(words.get(1..).unwrap_or_default(), limits).await {
            Ok(ended) if ended.code == Some(0) => {
                self.plans.forget(&file);
                Ok(format!("{}: {}", workspace.name, clip(ended.stdout.trim(), 3000)))
            }
            // It refuses a stale plan before it touches anything; any other failure may have come in the middle.
            Ok(ended) if ended.stderr.contains("Saved plan is stale") => {
                Err(ActError::NotStarted("the state has changed since: the saved plan is stale".to_owned()))
            }
            Ok(ended) => Err(ActError::Failed(complaint(&ended).to_string())),
            Err(RunError::NotStarted(why)) => Err(ActError::NotStarted(why)),
            Err(RunError::Unfinished(why)) => Err(ActError::Unknown(why)),
        }
    }

    /// The state's number stands still until something is applied. When it has gone on, nothing that differs any more tells that it
    /// was this plan, and anything else tells nothing.
    async fn look_whether(&self, action: &Action) -> Result<Applied, ToolError> {
        let (workspace, _) = self.read(action).map_err(ToolError::BadQuery)?;
        let planned = action.plan.precondition.strip_prefix(SERIAL.0).and_then(|rest| rest.strip_suffix(SERIAL.1));
        let Some(planned) = planned.and_then(|text| text.parse::<u64>().ok()) else { return Ok(Applied::Unknown) };
        if self.serial(workspace).await? == planned {
            return Ok(Applied::No);
        }
        let args = ["plan", "-input=false", "-no-color", "-lock=false", "-detailed-exitcode"];
        let ended = self.call(workspace, &args, PLANNING).await?;
        Ok(if ended.code == Some(0) { Applied::Yes } else { Applied::Unknown })
    }

    /// The folder and the saved plan, if the deed is exactly what this hand itself would have written.
    fn read(&self, action: &Action) -> Result<(&Workspace, PathBuf), String> {
        let workspace = self.workspace(&action.target).map_err(|error| error.to_string())?;
        let file = action.plan.deed.argv().and_then(|words| words.last()).map(PathBuf::from).unwrap_or_default();
        let ours = action.kind == APPLY
            && action.undoes.is_none()
            && self.plans.is_ours(&file)
            && deed(workspace, &file.display().to_string()) == action.plan.deed;
        if ours {
            Ok((workspace, file))
        } else {
            Err(format!("the deed is none that this hand does to {}", action.target))
        }
    }
}

/// What is run: exactly that file, which is named by what it holds.
fn deed(workspace: &Workspace, file: &str) -> Deed {
    let chdir = format!("-chdir={}", workspace.folder.display());
    Deed::Argv(["terraform", &chdir, "apply", "-input=false", "-no-color", file].map(str::to_owned).to_vec())
}

fn complaint(ended: &Ended) -> ToolError {
    let said = if ended.stderr.trim().is_empty() { &ended.stdout } else { &ended.stderr };
    let said: String = said.chars().filter(|c| !matches!(c, '│' | '╷' | '╵')).collect();
    let text = one_line(&said.split_whitespace().collect::<Vec<_>>().join(" "), 600);
    let busy = ["Error acquiring the state lock", "timeout", "connection"].iter().any(|word| text.contains(word));
    if busy { ToolError::Retry(text) } else { ToolError::BadQuery(text) }
}

impl Actuator for TerraformHands {
    fn kinds(&self) -> Vec<(String, String)> {
        let names: Vec<String> = self.settings.workspaces.iter().map(|one| format!("terraform/{}", one.name)).collect();
        let help = format!(
            "target one of {}; replace=<an address that may be replaced> (optional): makes what is there what is declared",
            names.join(", ")
        );
        vec![(APPLY.to_owned(), help)]
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
            for workspace in &self.settings.workspaces {
                self.serial(workspace).await?;
            }
            Ok(Some(format!("the state of {} folders can be read", self.settings.workspaces.len())))
        })
    }
}

impl std::fmt::Debug for TerraformHands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TerraformHands").field("settings", &self.settings).finish_non_exhaustive()
    }
}
