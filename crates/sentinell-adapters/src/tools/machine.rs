//! The machine that the worker runs on, where the operator allows it: its systemd journal, and load, memory, disks and the
//! busiest processes as `/proc` tells.

mod journal;
mod proc;
mod unit;

use crate::process::Program;
use crate::text::{arg, known_args, label, one_line};
use crate::window::{self, Window};
use sentinell_core::evidence::{Observation, Query};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels of a signal that may name the machine.
const HOSTS: [&str; 5] = ["instance", "host", "hostname", "node", "nodename"];
/// Labels of a signal that may name a unit.
const SERVICES: [&str; 5] = ["unit", "service", "app", "name", "job"];

/// What may be looked at.
#[derive(Debug, Clone)]
pub struct MachineSettings {
    /// What signals call this machine.
    pub host: String,
    /// The units whose journal may be read, by their whole names; empty: any.
    pub units: Vec<String>,
    /// The journal's reader; none: the journal is not read.
    pub journalctl: Option<Program>,
    /// What tells the state of units (`systemctl`); none: it is not looked at.
    pub systemctl: Option<Program>,
}

/// The tool `machine`.
#[derive(Clone)]
pub struct Machine {
    settings: MachineSettings,
    clock: Arc<dyn Clock>,
    describe: String,
}

impl Machine {
    /// An eye on this machine.
    pub fn new(settings: MachineSettings, clock: Arc<dyn Clock>) -> Self {
        let units = if settings.units.is_empty() { "any".to_owned() } else { settings.units.join(", ") };
        let journal = match settings.journalctl {
            Some(_) => format!(
                ", what=journal (its systemd journal) with unit ({units}; none: errors of all), {}",
                window::HELP
            ),
            None => String::new(),
        };
        let unit = settings.systemctl.as_ref().map_or("", |_| ", what=unit (how a systemd unit is) with unit");
        let describe = format!(
            "reads the machine {}: args: what=state (load, memory, disks, busiest processes now){journal}{unit}",
            settings.host
        );
        Self { settings, clock, describe }
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        let args = &query.args;
        let known: Vec<&str> = ["what", "unit"].iter().chain(&window::ARGS).copied().collect();
        known_args(args, &known).map_err(ToolError::BadQuery)?;
        match arg(args, "what").unwrap_or("state") {
            "state" => {
                let (host, at) = (self.settings.host.clone(), self.clock.now());
                let read = tokio::task::spawn_blocking(move || proc::state(&host, at)).await;
                read.map_err(|error| ToolError::Retry(error.to_string()))
            }
            "journal" => {
                let program = self.settings.journalctl.as_ref();
                let program =
                    program.ok_or_else(|| ToolError::Denied("the journal is not among what may be read".into()))?;
                let unit = arg(args, "unit").map(|unit| self.unit(unit)).transpose()?;
                let window = Window::of(args, self.clock.now()).map_err(ToolError::BadQuery)?;
                journal::read(program, &self.settings.host, unit.as_deref(), window).await
            }
            "unit" => {
                let program = self.settings.systemctl.as_ref();
                let program = program.ok_or_else(|| ToolError::Denied("there is no systemctl to ask".into()))?;
                let name = arg(args, "unit").ok_or_else(|| ToolError::BadQuery("unit=<name> is missing".into()))?;
                unit::read(program, &self.unit(name)?, self.clock.now()).await
            }
            other => Err(ToolError::BadQuery(format!("what is state, journal or unit, not `{}`", one_line(other, 40)))),
        }
    }

    /// A unit's whole name, if it may be read.
    fn unit(&self, name: &str) -> Result<String, ToolError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:\\".contains(c);
        if name.starts_with('-') || name.len() > 200 || !name.chars().all(plain) {
            return Err(ToolError::BadQuery("that is no name of a unit".to_owned()));
        }
        let whole = if name.contains('.') { name.to_owned() } else { format!("{name}.service") };
        if self.settings.units.is_empty() || self.settings.units.contains(&whole) {
            return Ok(whole);
        }
        Err(ToolError::Denied(format!("`{whole}` is not among the units that may be read")))
    }

    /// Whether a signal is about this machine.
    fn is_here(&self, case: &Investigation) -> bool {
        let labels = &case.signal.labels;
        let mut named = HOSTS.iter().filter_map(|name| labels.get(*name)).map(|value| value.trim());
        named.any(|value| {
            let host = value.rsplit_once(':').map_or(value, |(host, _)| host);
            host.eq_ignore_ascii_case(&self.settings.host) || matches!(host, "localhost" | "127.0.0.1" | "[::1]")
        })
    }
}

impl Tool for Machine {
    fn name(&self) -> &str {
        "machine"
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let service = label(case, &SERVICES).and_then(|name| self.unit(name).ok());
        // Without a list of units a service's name alone does not say that it runs here.
        let unit = service.filter(|unit| self.settings.units.contains(unit));
        let here = self.is_here(case);
        let question = |what: &str, more: Option<(&str, String)>, why: &str| {
            let mut args = BTreeMap::from([("what".to_owned(), what.to_owned())]);
            args.extend(more.map(|(name, value)| (name.to_owned(), value)));
            if what == "journal" {
                args.insert("onset".to_owned(), case.signal.occurred_at.to_string());
            }
            Question { tool: self.name().to_owned(), args, why: why.to_owned() }
        };
        let mut questions = vec![];
        if here || unit.is_some() {
            questions.push(question("state", None, "is the machine itself out of something?"));
        }
        if let (Some(_), Some(unit)) = (&self.settings.systemctl, &unit) {
            questions.push(question("unit", Some(("unit", unit.clone())), "does the unit run?"));
        }
        if self.settings.journalctl.is_some() && (here || unit.is_some()) {
            let unit = unit.map(|unit| ("unit", unit));
            questions.push(question("journal", unit, "what does it write that it did not write before?"));
        }
        questions
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let Some(program) = &self.settings.journalctl else { return Ok(Some("/proc can be read".to_owned())) };
            let window = Window::of(&BTreeMap::new(), self.clock.now()).map_err(ToolError::BadQuery)?;
            let seen = journal::read(program, &self.settings.host, None, window).await?;
            let errors = if seen.telemetry.is_empty() { "no errors" } else { "errors" };
            Ok(Some(format!("/proc and the journal can be read; {errors} in the last hour")))
        })
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("settings", &self.settings).finish_non_exhaustive()
    }
}
