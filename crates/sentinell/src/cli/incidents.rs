//! `sentinell incidents`.

use super::client::{Client, Server};
use super::{block_on, out};
use crate::config::Surroundings;
use crate::report::Paint;
use crate::report::chart::bar;
use crate::report::paint::{plain, wrap};
use serde_json::Value;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  sentinell incidents                              # newest first
  sentinell incidents --phase awaiting_approval    # what waits for a person
  sentinell incidents 0199c0de-…                   # one of them: causes, evidence, actions
  sentinell incidents --json | jq '.incidents[0]'";

/// Lists the incidents of a running server, or shows one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Show this one
    incident: Option<String>,
    /// Only this phase
    #[arg(long)]
    phase: Option<String>,
    /// Only this severity
    #[arg(long)]
    severity: Option<String>,
    /// Only those that contain this text
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(args: Args, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server, around)?;
    let paint = Paint::for_stdout(around);
    let shown = match args.incident.clone() {
        Some(id) => block_on(one(&client, &id, args.json, paint))?,
        None => block_on(list(&client, &args, paint))?,
    };
    out::print(&shown)?;
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, args: &Args, paint: Paint) -> anyhow::Result<String> {
    let limit = args.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    for (name, value) in [("phase", &args.phase), ("severity", &args.severity), ("q", &args.q)] {
        query.extend(value.as_deref().map(|value| (name, value)));
    }
    let page = client.get(&["api", "incidents"], &query).await?;
    if args.json {
        return Ok(format!("{page:#}\n"));
    }
    let incidents = page["incidents"].as_array().cloned().unwrap_or_default();
    if incidents.is_empty() {
        return Ok("no incidents\n".into());
    }
    Ok(incidents.iter().map(|incident| row(incident, paint)).collect())
}

fn text(value: &Value, limit: usize) -> String {
    plain(value.as_str().unwrap_or_default(), limit)
}

fn row(incident: &Value, paint: Paint) -> String {
    let title = text(&incident["title"], paint.width.saturating_sub(82).max(24));
    format!(
        "{}  {:<8}  {}  {}  {title}\n",
        paint.cyan(&format!("{:<36}", text(&incident["id"], 40))),
        text(&incident["severity"], 8),
        phase(&text(&incident["phase"], 20), paint),
        paint.dim(&text(&incident["created_at"], 19)),
    )
}

fn phase(word: &str, paint: Paint) -> String {
    let padded = format!("{word:<17}");
    match word {
        "resolved" => paint.green(&padded),
        "awaiting_approval" | "in_doubt" => paint.yellow(&padded),
        "escalated" | "dead_letter" => paint.red(&padded),
        _ => padded,
    }
}

async fn one(client: &Client, id: &str, json: bool, paint: Paint) -> anyhow::Result<String> {
    let incident = client.get(&["api", "incidents", id], &[]).await?;
    let hypotheses = client.get(&["api", "incidents", id, "hypotheses"], &[]).await?;
    let evidence = client.get(&["api", "incidents", id, "evidence"], &[]).await?;
    let actions = client.get(&["api", "incidents", id, "actions"], &[]).await?;
    if json {
        let whole = serde_json::json!({
            "incident": incident, "hypotheses": hypotheses, "evidence": evidence, "actions": actions,
        });
        return Ok(format!("{whole:#}\n"));
    }
    let incident = incident.get("incident").unwrap_or(&incident);
    let mut shown = row(incident, paint);
    for cause in list_in(&hypotheses, "hypotheses") {
        let confidence = cause["confidence"].as_f64().unwrap_or_default();
        let name = format!("{}: {}", text(&cause["component"], 60), text(&cause["fault"], 40));
        shown.push_str(&format!(
            "\n{} {:>3.0} % {}\n",
            paint.cyan(&bar(confidence, 8)),
            confidence * 100.0,
            paint.bold(&name)
        ));
        for line in wrap(&text(&cause["statement"], 400), paint.width.saturating_sub(6)) {
            shown.push_str(&format!("      {line}\n"));
        }
    }
    for found in list_in(&evidence, "evidence") {
        let id = paint.cyan(&text(&found["id"], 8));
        shown.push_str(&format!("  {id} {} {}\n", text(&found["subject"], 40), text(&found["summary"], 120)));
    }
    for action in list_in(&actions, "actions") {
        let state = paint.yellow(&text(&action["state"], 20));
        shown.push_str(&format!(
            "  {} {} {} {state}\n",
            text(&action["id"], 8),
            text(&action["kind"], 40),
            text(&action["target"], 60)
        ));
    }
    Ok(shown)
}

/// The list `name` of an answer.
pub(super) fn list_in<'v>(answer: &'v Value, name: &str) -> &'v [Value] {
    answer[name].as_array().or(answer.as_array()).map_or(&[], Vec::as_slice)
}
