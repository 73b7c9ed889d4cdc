//! `sentinell config check`.

use super::out;
use crate::config::{
    Config as Settings, Habit, Model, Overrides, Problems, Senders, Surroundings, operator, settings_file,
};
use crate::wire::server::declared_problems;
use sentinell_core::policy::Policy;
use sentinell_core::policy::cedar::CedarRules;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  sentinell config check                        # what `serve` would use from this folder
  sentinell config check --config /etc/sentinell.toml
Every problem is named at once, with what to do; secrets are hidden. Exit code 1 if there is any.";

/// Names of the environment that other versions use and this one does not.
const UNUSED: [&str; 6] = [
    "PINECONE_API_KEY",
    "PINECONE_INDEX",
    "GITHUB_TOKEN",
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
];

/// Looks at the configuration.
#[derive(Debug, clap::Subcommand)]
pub enum Config {
    /// Name every problem of the configuration at once
    #[command(after_help = EXAMPLES)]
    Check {
        /// Read this file instead of ./sentinell.toml or the user's own
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(super) fn run(args: Config, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let Config::Check { config } = args;
    let file = settings_file(around, Habit::Server, config.as_deref());
    let settings = Settings::load(around, Habit::Server, config.as_deref(), Overrides::default())?;
    // What only the hands themselves know to be wrong: placeholders, addresses, headers.
    let problems = declared_problems(&settings);
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    let mut text = String::new();
    let source = file.map_or_else(|| "no file (defaults and environment)".into(), |file| file.display().to_string());
    writeln!(text, "configuration ok: {source}")?;
    writeln!(text, "  listen      {}", settings.listen)?;
    writeln!(text, "  database    {}", settings.database)?;
    let token = match (&settings.auth.operator_token, operator::token_file(around)) {
        (Some(_), _) => "configured (hidden)".to_owned(),
        (None, Some(file)) if file.exists() => format!("in {}", file.display()),
        (None, Some(file)) => format!("will be minted into {}", file.display()),
        (None, None) => "none: set SENTINELL_OPERATOR_TOKEN or HOME".to_owned(),
    };
    writeln!(text, "  token       {token}")?;
    let reading = if settings.auth.required { "needs a token" } else { "open on loopback" };
    writeln!(text, "  reading     {reading}")?;
    text += &senders(&settings.auth.senders)?;
    let autonomy = serde_json::to_value(settings.policy.autonomy)?;
    let autonomy = autonomy.as_str().unwrap_or_default();
    writeln!(text, "  autonomy    {autonomy}, {}", rules(&settings.policy))?;
    writeln!(
        text,
        "  worker      lease {} s, {} at a time",
        settings.worker.lease_seconds, settings.worker.concurrency
    )?;
    writeln!(text, "  model       {}", mind(settings.model.as_ref()))?;
    match &settings.kubernetes {
        None => writeln!(text, "  kubernetes  not configured")?,
        Some(cluster) => {
            let hands = cluster
                .acting
                .as_ref()
                .map_or("none: nothing is ever changed".into(), |id| id.kubeconfig.display().to_string());
            writeln!(text, "  kubernetes  reads with {}, acts with {hands}", cluster.reading.kubeconfig.display())?;
        }
    }
    for server in &settings.prometheus {
        writeln!(text, "  prometheus  {}: {}", server.name, without_password(&server.url))?;
    }
    for (kind, place) in settings.eyes.lines() {
        writeln!(text, "  {kind:<11} {place}")?;
    }
    for file in &settings.log_files {
        writeln!(text, "  log file    {}: {}", file.service, file.path.display())?;
    }
    ears(&mut text, &settings)?;
    hands(&mut text, &settings)?;
    mouths(&mut text, &settings)?;
    for name in UNUSED.iter().filter(|name| around.get(name).is_some()) {
        writeln!(text, "  note        {name} is set; this version does not use it")?;
    }
    out::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What may be touched.
fn hands(text: &mut String, settings: &Settings) -> std::fmt::Result {
    let regions = settings.eyes.aws.iter().filter_map(|aws| Some(("aws", aws.acting.as_ref()?.line())));
    for (kind, what) in settings.hands.lines().into_iter().chain(regions) {
        writeln!(text, "  {:<11} {what}", format!("{kind} hand"))?;
    }
    for command in &settings.commands {
        writeln!(text, "  command     {}: {}", command.name, command.description)?;
    }
    Ok(())
}

/// How many rules, levels and freezes there are.
fn rules(policy: &Policy) -> String {
    let cedar = CedarRules::read(&policy.cedar).map_or(0, |cedar| cedar.rules().len());
    let (plain, levels, freezes) = (policy.rules.len(), policy.levels.len(), policy.freezes.len());
    format!("{plain} rule(s), {cedar} in Cedar, {levels} level(s), {freezes} freeze(s)")
}

/// What is listened to besides what is posted, and when it is not.
fn ears(text: &mut String, settings: &Settings) -> std::fmt::Result {
    for tail in &settings.tails {
        writeln!(text, "  tail        {}: {}", tail.service.as_deref().unwrap_or("(syslog)"), tail.path.display())?;
    }
    for window in &settings.windows {
        writeln!(text, "  maintenance {}", window.name)?;
    }
    if !settings.dependencies.told.is_empty() {
        let (calls, seconds) = (settings.dependencies.told.len(), settings.dependencies.within_seconds);
        writeln!(text, "  topology    {calls} calls; callers and callees gather within {seconds} s")?;
    }
    if settings.worker.auto_poll {
        let checks = settings.checked_repos().count();
        writeln!(text, "  checks      {checks}, every {} s", settings.worker.poll_interval_seconds)?;
    }
    Ok(())
}

/// Where notices go and what their links begin with.
fn mouths(text: &mut String, settings: &Settings) -> std::fmt::Result {
    if let Some(url) = &settings.public_url {
        writeln!(text, "  public url  {url}")?;
    }
    for hook in &settings.webhooks {
        let kinds: Vec<_> = hook.wanted.kinds.iter().map(|kind| kind.word()).collect();
        writeln!(text, "  webhook     {}: {} ({})", hook.name, hook.place(), kinds.join(", "))?;
    }
    Ok(())
}

/// Who thinks, and what that may cost.
fn mind(model: Option<&Model>) -> String {
    let Some(model) = model else { return "none: the deterministic reasoner (no key, no server)".into() };
    let sceptic = if model.sceptic.is_some() { ", with a second look" } else { "" };
    let dollars = model.daily_micro_usd as f64 / 1e6;
    format!("{} ({:?}), at most {dollars:.2} USD a day{sceptic}", model.name, model.provider)
}

/// A URL without the name and password that may stand in it.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.split_once('@')) {
        (Some((scheme, rest)), Some((_, host))) if rest.contains('@') => format!("{scheme}://<hidden>@{host}"),
        _ => url.to_owned(),
    }
}

/// Who may send signals, and what proves it.
fn senders(senders: &Senders) -> anyhow::Result<String> {
    let mut text = String::new();
    for (sender, secret, variable) in [
        ("github", &senders.github, "GITHUB_WEBHOOK_SECRET"),
        ("pagerduty", &senders.pagerduty, "PAGERDUTY_WEBHOOK_SECRET"),
        ("sentry", &senders.sentry, "SENTRY_CLIENT_SECRET"),
    ] {
        let signed = if secret.is_some() { "signed (secret hidden)".into() } else { format!("refused: no {variable}") };
        writeln!(text, "  {sender:<11} {signed}")?;
    }
    for topic in senders.sns.iter().flat_map(|sns| &sns.topics) {
        writeln!(text, "  cloudwatch  {topic}")?;
    }
    for mapping in senders.generic.values() {
        let signed = mapping.secret.is_some() || senders.standard.is_some();
        let proof = if signed { "signed (secret hidden)" } else { "by token" };
        writeln!(text, "  generic     {} at /api/signals/generic/{}, {proof}", mapping.name, mapping.name)?;
    }
    Ok(text)
}
