//! `sentinell search`.

use super::client::{Client, Server};
use super::incidents::list_in;
use super::{block_on, out};
use crate::config::Surroundings;
use crate::report::Paint;
use crate::report::paint::plain;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  sentinell search \"connection pool exhausted\"             # by words and by meaning
  sentinell search --kind incident --service till timeout   # narrowed first
  sentinell search --like 0199c0de-…                        # past incidents and runbooks like this one
  sentinell search oom --since 2026-11-01T00:00:00Z --json";

/// Searches what a running server remembers: signals, messages, changes, log templates, incidents, runbooks.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to look for
    words: Vec<String>,
    /// Past incidents and runbooks that are like this incident
    #[arg(long, value_name = "INCIDENT", conflicts_with_all = ["words", "kind", "service", "repo_id", "since", "until"])]
    like: Option<String>,
    /// Only this kind: signal, slack, commit, template, incident, postmortem, runbook
    #[arg(long)]
    kind: Option<String>,
    /// Only this service
    #[arg(long)]
    service: Option<String>,
    /// Only this registered repository
    #[arg(long)]
    repo_id: Option<String>,
    /// At or after this moment (RFC 3339)
    #[arg(long)]
    since: Option<String>,
    /// Before this moment (RFC 3339)
    #[arg(long)]
    until: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(args: Args, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server, around)?;
    let (limit, words) = (args.limit.to_string(), args.words.join(" "));
    let mut query = vec![("limit", limit.as_str())];
    let path = match &args.like {
        Some(id) => vec!["api", "incidents", id, "similar"],
        None => vec!["api", "search"],
    };
    let narrow = [("kind", &args.kind), ("service", &args.service), ("repo_id", &args.repo_id), ("since", &args.since)];
    query.extend(
        narrow.into_iter().chain([("until", &args.until)]).filter_map(|(name, value)| Some((name, value.as_deref()?))),
    );
    if !words.is_empty() {
        query.push(("q", &words));
    }
    let answer = block_on(client.get(&path, &query))?;
    let paint = Paint::for_stdout(around);
    let text = |value: &serde_json::Value, limit| plain(value.as_str().unwrap_or_default(), limit);
    let shown = if args.json {
        format!("{answer:#}\n")
    } else {
        let rows = ["results", "incidents", "runbooks"].into_iter().flat_map(|name| match &answer[name] {
            serde_json::Value::Array(_) => list_in(&answer, name),
            _ => &[],
        });
        let row = |found: &serde_json::Value| {
            let outcome = text(&found["facts"]["outcome"], 200);
            let outcome = if outcome.is_empty() { outcome } else { format!("    {outcome}\n") };
            format!(
                "{}  {:<10}  {:<16}  {}\n{outcome}    {}\n",
                paint.dim(&text(&found["at"], 19)),
                text(&found["kind"], 10),
                text(&found["service"], 16),
                paint.bold(&text(&found["title"], 120)),
                paint.dim(&text(&found["why"], 160)),
            )
        };
        let rows: String = rows.map(row).collect();
        let gaps =
            list_in(&answer, "gaps").iter().map(|gap| format!("{}\n", paint.dim(&format!("gap: {}", text(gap, 300)))));
        let gaps: String = gaps.collect();
        if rows.is_empty() { format!("nothing found\n{gaps}") } else { rows + &gaps }
    };
    out::print(&shown)?;
    Ok(ExitCode::SUCCESS)
}
