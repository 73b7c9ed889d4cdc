//! `sentinell approve` and `sentinell reject`: a person's word on exactly what is shown.

use super::client::{Client, Server};
use super::incidents::list_in;
use super::{block_on, out};
use crate::config::Surroundings;
use crate::report::Paint;
use crate::report::paint::plain;
use crate::report::timeline::request;
use anyhow::{Context, anyhow, bail};
use sentinell_core::action::Deed;
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

const APPROVE: &str = "\
Examples:
  sentinell approve 0199c0de-…                      # shows the deed, its undo and its check, then asks
  sentinell approve 0199c0de-… --hash 4f1d…         # for scripts: approve exactly the action with this hash
  sentinell incidents --phase awaiting_approval     # what waits for a person
What is approved is the hash over everything shown. Should the action differ by then, the server refuses.";

const REJECT: &str = "\
Examples:
  sentinell reject 0199c0de-… --comment 'the release is needed, roll forward'";

/// Approves a proposed action, exactly as it is shown.
#[derive(Debug, clap::Args)]
#[command(after_help = APPROVE)]
pub struct Approve {
    /// The incident
    incident: String,
    /// Which action, if several wait
    #[arg(long)]
    action: Option<String>,
    /// Approve without asking, but only the action with this hash
    #[arg(long, value_name = "SHA256")]
    hash: Option<String>,
    /// For the journal
    #[arg(long, default_value = "")]
    comment: String,
    #[command(flatten)]
    server: Server,
}

/// Rejects a proposed action.
#[derive(Debug, clap::Args)]
#[command(after_help = REJECT)]
pub struct Reject {
    /// The incident
    incident: String,
    /// Which action, if several wait
    #[arg(long)]
    action: Option<String>,
    /// For the journal
    #[arg(long, default_value = "")]
    comment: String,
    #[command(flatten)]
    server: Server,
}

pub(super) fn approve(args: Approve, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server, around)?;
    let paint = Paint::for_stdout(around);
    block_on(async {
        let action = waiting(&client, &args.incident, args.action.as_deref()).await?;
        let hash = action["hash"].as_str().context("the server showed no hash")?;
        out::print(&shown(&action, paint))?;
        match &args.hash {
            Some(wanted) if wanted == hash => {}
            Some(_) => bail!("the action that waits has another hash; look at it again"),
            None => ask()?,
        }
        let body = json!({"action_id": action["id"], "hash": hash, "comment": args.comment});
        client.post(&["api", "incidents", &args.incident, "approve"], &body).await?;
        out::print(&format!("{}\n", paint.green("approved")))
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn reject(args: Reject, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server, around)?;
    block_on(async {
        let action = waiting(&client, &args.incident, args.action.as_deref()).await?;
        let body = json!({"action_id": action["id"], "hash": action["hash"], "comment": args.comment});
        client.post(&["api", "incidents", &args.incident, "reject"], &body).await?;
        out::print("rejected\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The action that waits for a person.
async fn waiting(client: &Client, incident: &str, wanted: Option<&str>) -> anyhow::Result<Value> {
    let actions = client.get(&["api", "incidents", incident, "actions"], &[]).await?;
    let mut waiting = list_in(&actions, "actions")
        .iter()
        .filter(|action| action["state"] == "awaiting_approval" && wanted.is_none_or(|id| action["id"] == id));
    let first = waiting.next().ok_or_else(|| anyhow!("no action of {incident} waits for a person"))?;
    if waiting.next().is_some() {
        bail!("several actions of {incident} wait; choose one with --action");
    }
    Ok(first.clone())
}

/// Everything that the hash covers, for a person.
fn shown(action: &Value, paint: Paint) -> String {
    let text = |name: &str| plain(action[name].as_str().unwrap_or_default(), 200);
    let spelled = |deed: &Value| match serde_json::from_value(deed.clone()) {
        Ok(Deed::Argv(words)) => {
            let quoted = |word: String| plain(&Value::String(word).to_string(), 160);
            words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
        }
        Ok(Deed::Http(deed)) => request(&deed),
        Err(_) if deed.is_null() => "none".to_owned(),
        // A newer server knows deeds that this client does not: shown as they came.
        Err(_) => plain(&deed.to_string(), 600),
    };
    let check = &action["verification"];
    let evidence: Vec<&str> = action["evidence"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut shown = format!("{} {} on {}\n", paint.bold(&text("id")), text("kind"), text("target"));
    for (label, line) in [
        ("do", paint.bold(&spelled(&action["deed"]))),
        ("undo", spelled(&action["undo"])),
        ("check", plain(&check.to_string(), 300)),
        ("where", text("environment")),
        ("reach", plain(action["blast_radius"]["description"].as_str().unwrap_or_default(), 200)),
        ("because", plain(&evidence.join(" "), 120)),
        ("until", text("expires_at")),
        ("hash", paint.dim(&text("hash"))),
    ] {
        shown.push_str(&format!("  {label:<8} {line}\n"));
    }
    shown
}

fn ask() -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to ask; name what you approve with --hash");
    }
    eprint!("Do exactly this? Type yes: ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "yes" => Ok(()),
        _ => bail!("not approved"),
    }
}
