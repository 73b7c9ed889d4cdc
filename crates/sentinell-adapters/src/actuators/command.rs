//! Runbook commands that the operator declared: a pinned program, an argument vector with typed parameters, how to take it
//! back, how to see whether it happened. Never a shell.

use super::params::{self, fill};
use crate::process::{Limits, Program, RunError};
use crate::text::{clip, one_line};
use sentinell_core::action::{Action, ActionDraft, BlastRadius, Deed, Plan, Verification};
use sentinell_core::approval::Warrant;
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, ToolError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use super::params::ParamKind;

/// One declared command, `command.<name>`.
#[derive(Debug, Clone)]
pub struct CommandSpec {
    /// The last part of its kind.
    pub name: String,
    /// One line for a reasoner and for people.
    pub description: String,
    /// What it acts on, exactly as drafts must name it.
    pub target: String,
    /// What runs.
    pub program: Program,
    /// Its arguments; `{param}` stands for a parameter, alone or within an argument.
    pub args: Vec<String>,
    /// Every parameter; all of them are required.
    pub params: BTreeMap<String, ParamKind>,
    /// production, staging, …
    pub environment: String,
    /// Arguments of the same program that take it back.
    pub undo: Option<Vec<String>>,
    /// Whether to take it back when it did not help.
    pub undo_if_unhelpful: bool,
    /// A program and arguments that tell whether it was done: exit code 0 yes, 1 no, anything else unknown.
    pub check: Option<(Program, Vec<String>)>,
    /// How one will know that it helped; `{param}` works in the queries' arguments.
    pub verification: Verification,
    /// How far it reaches.
    pub blast_radius: BlastRadius,
    /// Time until it is killed.
    pub timeout: Duration,
}

/// The hands for all declared commands.
pub struct Commands {
    specs: BTreeMap<String, CommandSpec>,
    clock: Arc<dyn Clock>,
}

impl Commands {
    /// Hands for these commands.
    ///
    /// # Errors
    /// Every problem at once: double or odd names, placeholders without a parameter, parameters without a use, commands
    /// without a verification.
    pub fn new(specs: Vec<CommandSpec>, clock: Arc<dyn Clock>) -> Result<Self, Vec<String>> {
        let mut problems: Vec<String> = specs.iter().flat_map(CommandSpec::problems).collect();
        let mut known = BTreeMap::new();
        for spec in specs {
            let name = spec.name.clone();
            if known.insert(format!("command.{name}"), spec).is_some() {
                problems.push(format!("command `{name}` is declared twice"));
            }
        }
        if problems.is_empty() { Ok(Self { specs: known, clock }) } else { Err(problems) }
    }

    fn spec(&self, kind: &str, target: &str) -> Result<&CommandSpec, String> {
        let spec = self.specs.get(kind).ok_or_else(|| format!("no action `{}`", one_line(kind, 80)))?;
        if spec.target != target {
            return Err(format!("{kind} acts on {}, not on {}", spec.target, one_line(target, 100)));
        }
        Ok(spec)
    }

    fn make_plan(&self, draft: &ActionDraft) -> Result<Plan, String> {
        let spec = self.spec(&draft.kind, &draft.target)?;
        spec.check_params(&draft.params)?;
        let mut verification = spec.verification.clone();
        for query in &mut verification.queries {
            query.args.values_mut().for_each(|value| *value = fill(value, &draft.params));
        }
        Ok(Plan {
            deed: spec.deed(&spec.args, &draft.params),
            undo: spec.undo.as_ref().map(|args| spec.deed(args, &draft.params)),
            undo_if_unhelpful: spec.undo_if_unhelpful && spec.undo.is_some(),
            environment: spec.environment.clone(),
            verification,
            blast_radius: spec.blast_radius.clone(),
            precondition: "none that the program checks".into(),
        })
    }

    /// The declaration behind an action, if its deed is exactly what the declaration says.
    fn declared(&self, action: &Action) -> Result<&CommandSpec, String> {
        let spec = self.spec(&action.kind, &action.target)?;
        spec.check_params(&action.params)?;
        let args = if action.undoes.is_some() { spec.undo.as_ref() } else { Some(&spec.args) };
        let fits = args.is_some_and(|args| spec.deed(args, &action.params) == action.plan.deed);
        if fits { Ok(spec) } else { Err(format!("the deed is not what {} is declared as", action.kind)) }
    }

    async fn act(&self, action: &Action, warrant: Warrant) -> Result<String, ActError> {
        let spec = self.declared(action).map_err(ActError::NotStarted)?;
        let words = action.plan.deed.argv().unwrap_or_default();
        let permit = warrant.redeem(&action.hash(), self.clock.now()).map_err(ActError::NotStarted)?;
        let time = spec.timeout.min(Duration::from_millis(permit.millis_left));
        let program = for_deed(&spec.program, action);
        match program.run(&words[1..], Limits { time, ..Limits::seconds(0) }).await {
            Ok(ended) if ended.code == Some(0) => Ok(clip(ended.stdout.trim(), 4000)),
            Ok(ended) => {
                let code = ended.code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
                Err(ActError::Failed(format!("{code}: {}", clip(ended.stderr.trim(), 2000))))
            }
            Err(RunError::NotStarted(why)) => Err(ActError::NotStarted(why)),
            Err(RunError::Unfinished(why)) => Err(ActError::Unknown(why)),
        }
    }

    async fn look_whether(&self, action: &Action) -> Result<Applied, ToolError> {
        let spec = self.declared(action).map_err(ToolError::BadQuery)?;
        let Some((program, args)) = &spec.check else { return Ok(Applied::Unknown) };
        let args: Vec<String> = args.iter().map(|arg| fill(arg, &action.params)).collect();
        let ended = for_deed(program, action).run(&args, Limits::seconds(20)).await;
        let there = match ended.ok().and_then(|ended| ended.code) {
            Some(0) => true,
            Some(1) => false,
            _ => return Ok(Applied::Unknown),
        };
        // The check looks for the deed; its undo is done when the deed's effect is gone.
        Ok(if there != action.undoes.is_some() { Applied::Yes } else { Applied::No })
    }
}

/// The program, told which deed it is run for: an idempotency key for whoever wants to be idempotent.
fn for_deed(program: &Program, action: &Action) -> Program {
    program.clone().with_var("SENTINELL_ACTION", &action.hash().0)
}

impl Actuator for Commands {
    fn kinds(&self) -> Vec<(String, String)> {
        let line = |(kind, spec): (&String, &CommandSpec)| {
            let params = params::help(&spec.params);
            (kind.clone(), format!("{}; target {}{params}", spec.description, spec.target))
        };
        self.specs.iter().map(line).collect()
    }

    fn plan<'a>(&'a self, draft: &'a ActionDraft) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(async move { self.make_plan(draft).map_err(ToolError::BadQuery) })
    }

    fn apply<'a>(&'a self, action: &'a Action, warrant: Warrant) -> BoxFuture<'a, Result<String, ActError>> {
        Box::pin(self.act(action, warrant))
    }

    fn was_applied<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Result<Applied, ToolError>> {
        Box::pin(self.look_whether(action))
    }
}

impl CommandSpec {
    fn deed(&self, args: &[String], params: &BTreeMap<String, String>) -> Deed {
        let program = self.program.path().display().to_string();
        Deed::Argv([program].into_iter().chain(args.iter().map(|arg| fill(arg, params))).collect())
    }

    fn check_params(&self, params: &BTreeMap<String, String>) -> Result<(), String> {
        params::check(&format!("command.{}", self.name), &self.params, params)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = vec![];
        if !(ParamKind::Identifier { max: 60 }).fits(&self.name) {
            problems.push(format!("`{}` is not a name for a command", one_line(&self.name, 80)));
        }
        if self.verification.queries.is_empty() {
            problems.push(format!("command `{}` has no verification: without a check there is no cure", self.name));
        }
        let check = self.check.iter().flat_map(|(_, args)| args);
        let reads = self.verification.queries.iter().flat_map(|query| query.args.values());
        let texts = self.args.iter().chain(self.undo.iter().flatten()).chain(check).chain(reads);
        problems.extend(params::misused(&format!("command `{}`", self.name), &self.params, texts));
        problems
    }
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commands").field("kinds", &self.specs.keys()).finish_non_exhaustive()
    }
}
