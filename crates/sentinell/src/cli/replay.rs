//! `sentinell replay`: folds a journal again, entry by entry, with today's machine.

use super::client::{Client, Server};
use super::incidents::list_in;
use super::{block_on, out};
use crate::config::Surroundings;
use crate::report::Paint;
use crate::report::timeline::{Frame, lines};
use anyhow::{Context, anyhow, bail};
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::{Entry, Investigation};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  sentinell replay 0199c0de-…                 # its timeline, and the state it folds to
  sentinell replay 0199c0de-… --until 12      # the state after the twelfth entry, and the next step from there
  sentinell replay --file journal.json        # an exported journal, without a server
Replaying only folds: nothing is read, nothing is done, no permission comes out of it.";

/// Folds an incident's journal again and shows what the machine made of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The incident
    #[arg(required_unless_present = "file")]
    incident: Option<String>,
    /// Read the journal from this file (as `GET /api/incidents/{id}/journal` answers) instead of a server
    #[arg(long, value_name = "FILE", conflicts_with = "incident")]
    file: Option<PathBuf>,
    /// Stop after this entry
    #[arg(long, value_name = "SEQ")]
    until: Option<u64>,
    /// Print the folded state as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(args: Args, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let paint = Paint::for_stdout(around);
    let mut frames = match (&args.file, &args.incident) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            frames_of(&serde_json::from_str(&text).with_context(|| format!("{} is no journal", file.display()))?)?
        }
        (None, Some(id)) => block_on(fetch(&Client::new(&args.server, around)?, id))?,
        (None, None) => bail!("name an incident or a file"),
    };
    frames.sort_by_key(|frame| frame.seq);
    frames.retain(|frame| args.until.is_none_or(|until| frame.seq <= until));
    let entries = frames.iter().map(entry).collect::<anyhow::Result<Vec<_>>>()?;
    let case = Investigation::replay(&entries).map_err(|illegal| anyhow!("this journal does not fold: {illegal}"))?;
    let next = format!("{:?}", case.next());
    if args.json {
        out::print_json(&json!({"entries": entries.len(), "state": case, "next": next}))?;
        return Ok(ExitCode::SUCCESS);
    }
    for frame in &frames {
        out::print(&(lines(frame, paint) + "\n"))?;
    }
    let next = next.split([' ', '(', '{']).next().unwrap_or_default().to_lowercase();
    let summary = format!("folds to {} after {} entries; next: {next}", case.phase.word(), entries.len());
    out::print(&format!("\n{}\n", paint.bold(&summary)))?;
    Ok(ExitCode::SUCCESS)
}

async fn fetch(client: &Client, id: &str) -> anyhow::Result<Vec<Frame>> {
    let mut frames = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let query: Vec<(&str, &str)> = cursor.iter().map(|cursor| ("cursor", cursor.as_str())).collect();
        let page = client.get(&["api", "incidents", id, "journal"], &query).await?;
        frames.extend(frames_of(&page)?);
        match page["next_cursor"].as_str() {
            Some(next) if cursor.as_deref() != Some(next) => cursor = Some(next.to_owned()),
            _ => return Ok(frames),
        }
    }
}

fn frames_of(page: &Value) -> anyhow::Result<Vec<Frame>> {
    let parse = |value: &Value| serde_json::from_value(value.clone()).context("an entry of the journal makes no sense");
    list_in(page, "entries").iter().map(parse).collect()
}

fn entry(frame: &Frame) -> anyhow::Result<Entry> {
    let event = frame
        .event()
        .ok_or_else(|| anyhow!("entry {} ({}) is of a version that this one does not know", frame.seq, frame.kind))?;
    let at = frame.at.ok_or_else(|| anyhow!("entry {} has no time", frame.seq))?;
    Ok(Entry { incident: IncidentId(frame.incident_id.clone()), seq: frame.seq, at, event })
}
