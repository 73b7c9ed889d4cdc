//! `sentinell policy test`.

use super::{NOT_ENOUGH, out};
use crate::clock::SystemClock;
use crate::config::{Config, Habit, Overrides, Surroundings, read_rules};
use crate::report::Paint;
use crate::report::paint::plain;
use anyhow::{Context, anyhow, bail};
use sentinell_core::policy::cedar::CedarRules;
use sentinell_core::policy::{Explained, Policy as Rules, Question, Ruling};
use sentinell_core::ports::Clock;
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  sentinell policy test                        # the rules that `serve` would use from this folder
  sentinell policy test policy.cedar           # this file of rules, in place of the configured one
  sentinell policy test --ask 'kind=kubernetes.rollout_restart, target=deployment/shop/cart, environment=staging'
Every Cedar rule is held to its own @match and @no_match examples. A question may name: kind, target, namespace, service,
environment, reversible, is_undo, objects, confidence, evidence_trusted, at, hour, weekday, frozen, deeds_last_hour,
deeds_last_hour_service, deeds_last_hour_kind, objects_under_way. What it leaves out has a harmless value; the time is now.
Nothing is done and no server is asked. Exit code 1 if a rule is wrong, 3 if a question is answered otherwise than --expect.";

/// Tries the house rules.
#[derive(Debug, clap::Subcommand)]
pub enum Policy {
    /// Hold every rule to its examples, and say what would be ruled
    #[command(after_help = EXAMPLES)]
    Test {
        /// A file of rules in Cedar, in place of the configured one
        file: Option<PathBuf>,
        /// What would be ruled for this; may be repeated
        #[arg(long, value_name = "QUESTION")]
        ask: Vec<String>,
        /// What every question has to be answered with
        #[arg(long, value_name = "VERDICT", requires = "ask", value_parser = ["allow", "ask", "deny"])]
        expect: Option<String>,
        /// Read this file instead of ./sentinell.toml or the user's own
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(super) fn run(args: Policy, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let Policy::Test { file, ask, expect, config } = args;
    let configured = Config::load(around, Habit::Server, config.as_deref(), Overrides::default())?.policy;
    let rules = match &file {
        Some(file) => {
            let cedar = read_rules(&around.folder.join(file)).map_err(|why| anyhow!(why))?;
            Rules { cedar, ..configured }
        }
        None => configured,
    };
    let problems = rules.problems();
    if !problems.is_empty() {
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("  - {}", plain(&problem.to_string(), 600))).collect();
        bail!("the rules have {} problem(s):\n{}", lines.len(), lines.join("\n"));
    }
    let paint = Paint::for_stdout(around);
    out::print(&tried(&rules, paint)?)?;
    let mut otherwise = false;
    for text in &ask {
        let base = Question::default().when(SystemClock.now());
        let question = Question::read(text, &base).map_err(|why| anyhow!(why)).context("--ask")?;
        let explained = rules.explain(&question);
        otherwise |= expect.as_deref().is_some_and(|expected| expected != verdict(&explained.ruling).0);
        out::print(&told(text, &explained, paint))?;
    }
    Ok(if otherwise { ExitCode::from(NOT_ENOUGH) } else { ExitCode::SUCCESS })
}

/// The rules with their examples, all of which hold.
fn tried(rules: &Rules, paint: Paint) -> anyhow::Result<String> {
    let cedar = CedarRules::read(&rules.cedar).map_err(|_| anyhow!("the rules changed while they were read"))?;
    let mut text = String::new();
    for rule in &rules.rules {
        text += &format!("{} {}\n", paint.green("ok"), plain(&rule.name, 200));
    }
    for rule in cedar.rules() {
        let (good, bad): (Vec<_>, Vec<_>) = rule.examples.iter().partition(|(wanted, ..)| *wanted);
        let name = plain(&rule.name, 200);
        text += &format!("{} {name}: matches {}, does not match {}\n", paint.green("ok"), good.len(), bad.len());
    }
    let (plain_rules, in_cedar) = (rules.rules.len(), cedar.rules().len());
    text += &format!("{plain_rules} plain rule(s) and {in_cedar} in Cedar; every example holds\n");
    Ok(text)
}

fn told(question: &str, explained: &Explained, paint: Paint) -> String {
    let (word, why) = verdict(&explained.ruling);
    let shown = match word {
        "allow" => paint.green(word),
        "ask" => paint.yellow(word),
        _ => paint.red(word),
    };
    let mut text = format!("\n{}\n  {shown}: {}\n", plain(question, 400), plain(why, 400));
    if let Ruling::Ask { approvals, role, .. } = &explained.ruling {
        let role = serde_json::to_value(role).unwrap_or_default();
        text += &format!("  approvals: {approvals}, role: {} or higher\n", role.as_str().unwrap_or_default());
    }
    let autonomy = serde_json::to_value(explained.autonomy).unwrap_or_default();
    text += &format!("  autonomy: {}\n", autonomy.as_str().unwrap_or_default());
    for hit in &explained.hits {
        let effect = serde_json::to_value(hit.effect).unwrap_or_default();
        text += &format!("  matches: {} ({})\n", plain(&hit.rule, 200), effect.as_str().unwrap_or_default());
    }
    text
}

fn verdict(ruling: &Ruling) -> (&'static str, &str) {
    match ruling {
        Ruling::Allow { why } => ("allow", why),
        Ruling::Ask { why, .. } => ("ask", why),
        Ruling::Deny { why } => ("deny", why),
    }
}
