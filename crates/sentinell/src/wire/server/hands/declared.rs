//! Hands that the operator declares: commands and requests.

use crate::clock::SystemClock;
use crate::config::{self, CommandParam, Config, Programs};
use anyhow::anyhow;
use sentinell_adapters::actuators::ParamKind;
use sentinell_adapters::actuators::command::{CommandSpec, Commands};
use sentinell_adapters::actuators::http::{Check, HttpActionSpec, HttpActions, HttpCall, SecretHeaders};
use sentinell_adapters::process::Program;
use sentinell_core::ports::Clock;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn commands(config: &Config, guard: &Program, clock: &Arc<dyn Clock>) -> anyhow::Result<Commands> {
    let specs =
        config.commands.iter().map(|command| spec(command, &config.programs, guard)).collect::<Result<_, _>>()?;
    Commands::new(specs, clock.clone()).map_err(|problems| anyhow!(problems.join("\n")))
}

pub(super) fn requests(wanted: &[config::HttpAction], clock: &Arc<dyn Clock>) -> anyhow::Result<HttpActions> {
    let specs = wanted.iter().map(request).collect();
    HttpActions::new(specs, clock.clone()).map_err(|problems| anyhow!(problems.join("\n")))
}

/// What is wrong with declared requests; time does not matter for that.
pub(super) fn problems(wanted: &[config::HttpAction]) -> Vec<String> {
    let specs = wanted.iter().map(request).collect();
    HttpActions::new(specs, Arc::new(SystemClock)).err().unwrap_or_default()
}

fn params(wanted: &BTreeMap<String, CommandParam>) -> BTreeMap<String, ParamKind> {
    let kind = |param: &CommandParam| match param {
        CommandParam::Integer { min, max } => ParamKind::Integer { min: *min, max: *max },
        CommandParam::OneOf { words } => ParamKind::OneOf(words.clone()),
        CommandParam::Identifier { max } => ParamKind::Identifier { max: *max },
    };
    wanted.iter().map(|(name, param)| (name.clone(), kind(param))).collect()
}

fn spec(command: &config::Command, programs: &Programs, guard: &Program) -> anyhow::Result<CommandSpec> {
    let pinned = |path: &PathBuf| {
        let program = Program::at(path).map_err(|error| anyhow!("command `{}`: {error}", command.name))?;
        Ok::<_, anyhow::Error>(program.with_env(programs.variables.clone()))
    };
    let check = match command.check.as_deref() {
        Some([program, args @ ..]) => Some((pinned(&PathBuf::from(program))?, args.to_vec())),
        _ => None,
    };
    Ok(CommandSpec {
        name: command.name.clone(),
        description: command.description.clone(),
        target: command.target.clone(),
        program: pinned(&command.program)?.with_guard(guard),
        args: command.args.clone(),
        params: params(&command.params),
        environment: command.environment.clone(),
        undo: command.undo.clone(),
        undo_if_unhelpful: command.undo_if_unhelpful,
        check,
        verification: command.verification.clone(),
        blast_radius: command.blast_radius.clone(),
        timeout: Duration::from_secs(u64::from(command.timeout_seconds)),
    })
}

fn request(action: &config::HttpAction) -> HttpActionSpec {
    let call = |call: &config::HttpCall| HttpCall {
        method: call.method.clone(),
        url: call.url.clone(),
        body: call.body.clone(),
        status: call.status.clone(),
        headers: call.headers.clone(),
    };
    let check = |check: &config::HttpCheck| Check {
        url: check.url.clone(),
        pointer: check.pointer.clone(),
        done: check.done.clone(),
        undone: check.undone.clone(),
    };
    let secret = action.secret_headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    HttpActionSpec {
        name: action.name.clone(),
        description: action.description.clone(),
        target: action.target.clone(),
        params: params(&action.params),
        call: call(&action.call),
        undo: action.undo.as_ref().map(call),
        undo_if_unhelpful: action.undo_if_unhelpful,
        check: action.check.as_ref().map(check),
        if_match: action.if_match,
        secret: SecretHeaders(secret.collect()),
        authorities: action.authorities.clone(),
        environment: action.environment.clone(),
        verification: action.verification.clone(),
        blast_radius: action.blast_radius.clone(),
        timeout: Duration::from_secs(u64::from(action.timeout_seconds)),
    }
}
