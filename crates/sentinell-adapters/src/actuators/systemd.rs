//! Hands on units of systemd that the operator allows by name: start one that ended, restart one. `systemctl` with a fixed list of
//! words; whether the user who runs us may do it is polkit's to say.

use super::{Watch, query};
use crate::process::{Ended, Limits, Program, RunError};
use crate::text::{clip, known_args, one_line};
use sentinell_core::action::{Action, ActionDraft, BlastRadius, Deed, Plan};
use sentinell_core::approval::Warrant;
use sentinell_core::evidence::Query;
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, ToolError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const RESTART: &str = "systemd.restart";
const START: &str = "systemd.start";
/// What is read of a unit.
const PROPERTIES: &str =
    "--property=Id,LoadState,ActiveState,SubState,InvocationID,NRestarts,Job,CanStart,RefuseManualStart";
/// What stands before and after the invocation in a precondition.
const INVOCATION: (&str, &str) = ("the unit's newest invocation is ", " (looked at right before)");
/// How often to look again while systemd is still at it.
const LOOKS: u32 = 10;

/// One unit that may be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its whole name: `till.service`.
    pub name: String,
    /// Whose health tells whether it helped: `service/till`.
    pub subject: String,
}

/// What the operator configures.
#[derive(Debug, Clone)]
pub struct SystemdHandsSettings {
    /// The units that may be touched.
    pub units: Vec<Unit>,
    /// production, staging, …
    pub environment: String,
    /// How one watches whether it helped.
    pub watch: Watch,
}

/// The hands for `systemd.restart` and `systemd.start`.
pub struct SystemdHands {
    systemctl: Program,
    settings: SystemdHandsSettings,
    clock: Arc<dyn Clock>,
}

/// How a unit is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    /// `active`, `failed`, …
    state: String,
    /// `running`, `auto-restart`, …
    sub: String,
    /// Empty: it was never started since the machine was.
    invocation: String,
    /// How often systemd itself has started it again since somebody did.
    restarts: u32,
    /// Whether systemd is at work on it.
    busy: bool,
    loaded: bool,
    may_start: bool,
}

impl SystemdHands {
    /// Hands on this machine's units; `systemctl` as a pinned program, under a guard.
    pub fn new(systemctl: Program, settings: SystemdHandsSettings, clock: Arc<dyn Clock>) -> Self {
        Self { systemctl, settings, clock }
    }

    fn unit(&self, target: &str) -> Result<&Unit, ToolError> {
        let Some(name) = target.strip_prefix("unit/") else {
            let why = format!("`{}` is not a target such as unit/till.service", one_line(target, 100));
            return Err(ToolError::BadQuery(why));
        };
        let found = self.settings.units.iter().find(|unit| unit.name == name);
        found.ok_or_else(|| {
            ToolError::Denied(format!("{} is not among the units that may be touched", one_line(name, 100)))
        })
    }

    async fn look(&self, unit: &Unit) -> Result<Seen, ToolError> {
        let args = ["show", "--no-pager", PROPERTIES, "--", &unit.name];
        let ended = self.systemctl.run(&args, Limits::seconds(10)).await;
        match ended {
            Ok(Ended { code: Some(0), stdout, .. }) => Ok(Seen::of(&stdout)),
            Ok(ended) => Err(ToolError::Retry(format!("systemctl show: {}", one_line(&ended.stderr, 300)))),
            Err(RunError::NotStarted(why)) => Err(ToolError::Denied(why)),
            Err(RunError::Unfinished(why)) => Err(ToolError::Retry(format!("systemctl show: {why}"))),
        }
    }

    async fn make_plan(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let refuse = |why: String| Err(ToolError::BadQuery(why));
        if ![RESTART, START].contains(&draft.kind.as_str()) {
            return refuse(format!("no action `{}`", one_line(&draft.kind, 80)));
        }
        known_args(&draft.params, &[]).map_err(ToolError::BadQuery)?;
        let unit = self.unit(&draft.target)?;
        let seen = self.look(unit).await?;
        if !seen.loaded {
            return refuse(format!("systemd knows no unit {}", unit.name));
        }
        if !seen.may_start {
            return refuse(format!("{} may not be started by hand, as its file says", unit.name));
        }
        if seen.busy {
            return Err(ToolError::Retry(format!("systemd is at work on {} just now ({})", unit.name, seen.sub)));
        }
        let starts = draft.kind == START;
        if starts && seen.state == "active" {
            return refuse(format!("{} is active already; systemd.restart starts it anew", unit.name));
        }
        let reads = vec![
            query(1, "machine", &[("what", "unit"), ("unit", &unit.name)], "does the unit run?"),
            Query {
                id: "v2".into(),
                ..query(2, "machine", &[("what", "journal"), ("unit", &unit.name)], "what does it write?")
            },
        ];
        let what = if starts { "is started" } else { "is stopped and started again, as its unit says" };
        Ok(Plan {
            deed: deed(&draft.kind, unit),
            undo: None,
            undo_if_unhelpful: false,
            environment: self.settings.environment.clone(),
            verification: self.settings.watch.until_well(reads, unit.subject.clone()),
            blast_radius: BlastRadius {
                objects: 1,
                description: format!("{} ({}, {}) {what}; so is what requires it", unit.name, seen.state, seen.sub),
            },
            precondition: format!("{}{}{}", INVOCATION.0, spelled(&seen.invocation), INVOCATION.1),
        })
    }

    async fn act(&self, action: &Action, warrant: Warrant) -> Result<String, ActError> {
        let unit = self.read(action).map_err(ActError::NotStarted)?;
        let seen = self.look(unit).await.map_err(|error| ActError::NotStarted(error.to_string()))?;
        let planned = planned(action).ok_or_else(|| ActError::NotStarted("it names no invocation".into()))?;
        if seen.busy || planned != spelled(&seen.invocation) {
            let why = format!("{} is another invocation by now, or systemd is at work on it", unit.name);
            return Err(ActError::NotStarted(why));
        }
        let words = action.plan.deed.argv().unwrap_or_default();
        let permit = warrant.redeem(&action.hash(), self.clock.now()).map_err(ActError::NotStarted)?;
        let limits = Limits { time: Duration::from_millis(permit.millis_left), ..Limits::seconds(0) };
        match self.systemctl.run(words.get(1..).unwrap_or_default(), limits).await {
            Ok(ended) if ended.code == Some(0) => Ok(format!("systemd did it to {}", unit.name)),
            Ok(ended) => Err(ActError::Failed(clip(ended.stderr.trim(), 2000))),
            Err(RunError::NotStarted(why)) => Err(ActError::NotStarted(why)),
            // systemd goes on with a job that nobody waits for.
            Err(RunError::Unfinished(why)) => Err(ActError::Unknown(why)),
        }
    }

    async fn look_whether(&self, action: &Action) -> Result<Applied, ToolError> {
        let unit = self.read(action).map_err(ToolError::BadQuery)?;
        let Some(planned) = planned(action) else { return Ok(Applied::Unknown) };
        for _ in 1..LOOKS {
            let seen = self.look(unit).await?;
            if !seen.busy {
                return Ok(seen.shows(&action.kind, planned));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(Applied::Unknown)
    }

    /// The unit, if the deed is exactly what this hand itself would have written for it.
    fn read(&self, action: &Action) -> Result<&Unit, String> {
        let unit = self.unit(&action.target).map_err(|error| error.to_string())?;
        let known = [RESTART, START].contains(&action.kind.as_str()) && action.undoes.is_none();
        let ours = known && deed(&action.kind, unit) == action.plan.deed;
        if ours { Ok(unit) } else { Err(format!("the deed is none that this hand does to {}", action.target)) }
    }
}

/// What is run: the words of the kind and the unit's name, which cannot be an option.
fn deed(kind: &str, unit: &Unit) -> Deed {
    let verb = if kind == START { "start" } else { "restart" };
    Deed::Argv(["systemctl", verb, "--no-ask-password", "--", &unit.name].map(str::to_owned).to_vec())
}

fn spelled(invocation: &str) -> &str {
    if invocation.is_empty() { "none" } else { invocation }
}

/// The invocation that an action was planned against.
fn planned(action: &Action) -> Option<&str> {
    action.plan.precondition.strip_prefix(INVOCATION.0)?.strip_suffix(INVOCATION.1)
}

impl Seen {
    fn of(text: &str) -> Self {
        let fields: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let field = |name: &str| one_line(fields.get(name).copied().unwrap_or_default(), 100);
        let state = field("ActiveState");
        let job = !matches!(field("Job").as_str(), "" | "0");
        Self {
            busy: job
                || matches!(state.as_str(), "activating" | "deactivating" | "reloading")
                    && field("SubState") != "auto-restart",
            state,
            sub: field("SubState"),
            invocation: field("InvocationID"),
            restarts: field("NRestarts").parse().unwrap_or_default(),
            loaded: field("LoadState") == "loaded",
            may_start: field("CanStart") != "no" && field("RefuseManualStart") != "yes",
        }
    }

    /// What the world says. Another invocation since tells that it was started; one that systemd started by itself is counted, and
    /// then it does not tell whether somebody else had started it before.
    fn shows(&self, kind: &str, planned: &str) -> Applied {
        match spelled(&self.invocation) == planned {
            true => Applied::No,
            false if kind == START || self.restarts == 0 => Applied::Yes,
            false => Applied::Unknown,
        }
    }
}

impl Actuator for SystemdHands {
    fn kinds(&self) -> Vec<(String, String)> {
        let names: Vec<&str> = self.settings.units.iter().map(|unit| unit.name.as_str()).collect();
        let help = |what: &str| format!("target unit/<name>, one of {}; {what}", names.join(", "));
        vec![
            (RESTART.to_owned(), help("stops the unit and starts it again")),
            (START.to_owned(), help("starts a unit that is not active")),
        ]
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
            let mut states = vec![];
            for unit in &self.settings.units {
                let seen = self.look(unit).await?;
                if !seen.loaded {
                    return Err(ToolError::BadQuery(format!("systemd knows no unit {}", unit.name)));
                }
                states.push(format!("{} is {}", unit.name, seen.state));
            }
            Ok(Some(states.join(", ")))
        })
    }
}

impl std::fmt::Debug for SystemdHands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemdHands").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_systemd_started_again_by_itself_was_not_restarted_by_us() {
        let seen = |invocation: &str, restarts: u32| {
            Seen::of(&format!(
                "ActiveState=active\nSubState=running\nInvocationID={invocation}\nNRestarts={restarts}\n"
            ))
        };
        assert_eq!(seen("a1", 0).shows(RESTART, "a1"), Applied::No);
        assert_eq!(seen("b2", 0).shows(RESTART, "a1"), Applied::Yes);
        assert_eq!(seen("b2", 1).shows(RESTART, "a1"), Applied::Unknown);
        assert_eq!(seen("b2", 1).shows(START, "a1"), Applied::Yes, "it was started, whatever came then");
        assert_eq!(seen("", 0).shows(START, "none"), Applied::No);
    }

    #[test]
    fn a_unit_that_systemd_is_at_work_on_is_busy_and_one_that_waits_to_be_tried_again_is_not() {
        let seen = |state: &str, sub: &str, job: &str| {
            Seen::of(&format!("ActiveState={state}\nSubState={sub}\nJob={job}\nLoadState=loaded\nCanStart=yes")).busy
        };
        assert!(seen("deactivating", "stop-sigterm", "") && seen("active", "running", "417"));
        assert!(!seen("activating", "auto-restart", "") && !seen("failed", "failed", "0"));
    }
}
