//! `sentinell investigate`: one look, without a server and without anything to set up.

use super::{NOT_ENOUGH, block_on, out};
use crate::clock::SystemClock;
use crate::config::{Config, Habit, Overrides, Programs, Surroundings};
use crate::digest;
use crate::report::{Paint, Report};
use crate::wire::oneshot::{self, Eye, Log, Series};
use anyhow::{Context, bail};
use sentinell_core::evidence::{Gap, Observation, Query, Telemetry};
use sentinell_core::ids::QueryId;
use sentinell_core::ports::{Clock, Question, Tool, ToolError};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Bytes of standard input that are read.
const LONGEST_INPUT: u64 = 64 << 20;

const EXAMPLES: &str = "\
Examples:
  sentinell investigate app.log                             # what is new or different in this log?
  sentinell investigate app.log --baseline yesterday.log    # compared with a quiet day
  journalctl -u shop --since -2h | sentinell investigate -
  sentinell investigate ./incident-folder                   # recorded telemetry, see docs/recording-format.md
  sentinell investigate --kubeconfig ~/.kube/config --namespace shop
  sentinell investigate --prometheus http://127.0.0.1:9090 --service cart --since 30m
  sentinell investigate app.log --json | jq -r '.hypotheses[0].statement'

Exit codes: 0 a cause is named · 3 not enough evidence to name one · 1 an error · 2 wrong usage.
Everything is only read. Secrets of known shapes are blackened before anything looks at them. Without `--since` the
engine finds the onset by itself. What could not be read stands in the report under NOT SEEN.";

/// Looks once at a log, a folder, a cluster or a Prometheus server and names the cause, if the evidence does.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("source").required(true).multiple(true).args(["paths", "kubeconfig", "prometheus"])))]
pub struct Args {
    /// Log files, folders of recorded telemetry, or `-` for standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Lines of a quiet time to compare the log with
    #[arg(long, value_name = "FILE", requires = "paths")]
    baseline: Option<PathBuf>,
    /// Look at the cluster of this kubeconfig (kubectl reads it)
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Which context of the kubeconfig
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
    /// Namespaces to look at [default: default]; for Prometheus a label
    #[arg(long, short)]
    namespace: Vec<String>,
    /// Look at this Prometheus server
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
    /// PromQL to plot besides
    #[arg(long, value_name = "PROMQL", requires = "prometheus")]
    query: Vec<String>,
    /// The service under suspicion, or that writes the log
    #[arg(long)]
    service: Option<String>,
    /// When it began, as far as you know: 90s, 30m, 2h, 1d or 2026-11-22T14:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Answer as JSON, with everything that was seen
    #[arg(long)]
    json: bool,
}

/// What was asked for, before it was looked at.
#[derive(Default)]
struct Look {
    eyes: Vec<Eye>,
    names: Vec<String>,
    onset: Option<Timestamp>,
    suspects: Vec<String>,
}

pub(super) fn run(args: Args, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let config = Config::load(around, Habit::OneShot, None, Overrides::default())?;
    let mut look = open(&args, &config.programs, around)?;
    let began = Instant::now();
    let (observations, calls) = block_on(observe(std::mem::take(&mut look.eyes)))?;
    let diagnosis = digest::diagnose_observations(&observations, look.onset, &look.suspects);
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let report = Report { what: look.names.join(", "), calls, diagnosis, millis };
    match args.json {
        true => out::print_json(&report.for_machines())?,
        false => out::print(&report.for_people(Paint::for_stdout(around)))?,
    }
    Ok(if report.names_a_cause() { ExitCode::SUCCESS } else { ExitCode::from(NOT_ENOUGH) })
}

fn open(args: &Args, programs: &Programs, around: &Surroundings) -> anyhow::Result<Look> {
    let onset = args.since.as_deref().map(|text| moment(text, SystemClock.now())).transpose()?;
    let mut look = Look { onset, ..Look::default() };
    look.suspects.extend(args.service.as_ref().map(|service| format!("service/{service}")));
    for path in &args.paths {
        open_path(&mut look, path, args, around)?;
    }
    if let Some(kubeconfig) = &args.kubeconfig {
        let kubeconfig = around.folder.join(kubeconfig);
        if !kubeconfig.is_file() {
            bail!("--kubeconfig: no such file: {}", kubeconfig.display());
        }
        let default = vec!["default".to_owned()];
        let namespaces = if args.namespace.is_empty() { &default } else { &args.namespace };
        look.names.push(format!("cluster, namespace {}", namespaces.join(", ")));
        look.eyes.push(oneshot::cluster(&kubeconfig, args.context.as_deref(), namespaces, programs)?);
    }
    if let Some(url) = &args.prometheus {
        let mut labels = BTreeMap::new();
        labels.extend(args.service.iter().map(|service| ("service".to_owned(), service.clone())));
        labels.extend(args.namespace.first().map(|namespace| ("namespace".to_owned(), namespace.clone())));
        let series = Series { labels, queries: args.query.clone(), onset };
        look.eyes.push(oneshot::prometheus(url, &series)?);
        look.names.push("Prometheus".to_owned());
    }
    Ok(look)
}

fn open_path(look: &mut Look, path: &Path, args: &Args, around: &Surroundings) -> anyhow::Result<()> {
    let baseline = args.baseline.as_ref().map(|baseline| around.folder.join(baseline));
    if let Some(missing) = baseline.as_ref().filter(|path| !path.is_file()) {
        bail!("--baseline: no such file: {}", missing.display());
    }
    let service = args.service.as_deref();
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(LONGEST_INPUT).read_to_end(&mut bytes).context("cannot read standard input")?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        look.eyes.push(oneshot::log("standard input", Log::Text(text), baseline, service));
        look.names.push("standard input".to_owned());
        return Ok(());
    }
    let path = around.folder.join(path);
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    if path.is_dir() {
        let (eye, incident) = oneshot::recording(&path)?;
        look.onset = look.onset.or(incident.onset);
        look.suspects.extend(incident.service.map(|service| match incident.namespace {
            Some(namespace) => format!("service/{namespace}/{service}"),
            None => format!("service/{service}"),
        }));
        look.eyes.push(eye);
    } else if path.is_file() {
        look.eyes.push(oneshot::log(&name, Log::File(path), baseline, service));
    } else {
        bail!("there is no {}", path.display());
    }
    look.names.push(name);
    Ok(())
}

/// Asks every eye; what cannot be read becomes a gap. Answers with what was seen and the calls that were made.
async fn observe(eyes: Vec<Eye>) -> anyhow::Result<(Vec<Observation>, Vec<String>)> {
    let asked: Vec<_> =
        eyes.iter().flat_map(|eye| eye.questions.iter().map(|question| (&eye.tool, question))).collect();
    out::progress(&format!("reading {} source(s)", asked.len()));
    let looks = asked.into_iter().enumerate().map(|(place, (tool, question))| ask(tool.as_ref(), question, place));
    let observations = futures::future::join_all(looks).await;
    out::progress(&format!("{} sample(s) read; diagnosing", observations.iter().map(size).sum::<usize>()));
    let calls = observations.iter().map(|seen| seen.call.clone()).filter(|call| !call.is_empty()).collect();
    Ok((observations, calls))
}

async fn ask(tool: &dyn Tool, question: &Question, place: usize) -> Observation {
    let id = QueryId(format!("q{}", place + 1));
    let query = Query { id, tool: question.tool.clone(), args: question.args.clone(), why: question.why.clone() };
    let mut answer = tool.observe(&query).await;
    if let Err(ToolError::Retry(_)) = answer {
        tokio::time::sleep(Duration::from_millis(500)).await;
        answer = tool.observe(&query).await;
    }
    answer.map(digest::clean).unwrap_or_else(|error| {
        let args: Vec<&str> = question.args.values().map(String::as_str).collect();
        let what = format!("{} {}", question.tool, args.join(" ")).trim().to_owned();
        Observation { gaps: vec![Gap { what, why: error.to_string() }], ..Observation::default() }
    })
}

fn size(seen: &Observation) -> usize {
    let of = |telemetry: &Telemetry| match telemetry {
        Telemetry::Logs { lines, baseline, .. } => lines.len() + baseline.len(),
        Telemetry::Metric { points, .. } => points.len(),
        _ => 1,
    };
    seen.telemetry.iter().map(of).sum()
}

/// `30m` ago, or a time.
fn moment(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let seconds = |unit: char| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    };
    let ago = text
        .chars()
        .last()
        .and_then(seconds)
        .zip(text[..text.len() - text.chars().last().map_or(0, char::len_utf8)].parse::<u32>().ok());
    match ago {
        Some((unit, count)) => Ok(now.plus_seconds(-(unit * i64::from(count)))),
        None => Timestamp::parse(text).map_err(|error| anyhow::anyhow!("--since: {error}, or 30m, 2h, 1d")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_so_long_ago() {
        let now = Timestamp(7_200_000);
        assert_eq!(moment("30m", now).unwrap(), Timestamp(5_400_000));
        assert_eq!(moment("1970-01-01T01:00:00Z", now).unwrap(), Timestamp(3_600_000));
        assert!(moment("soon", now).unwrap_err().to_string().contains("30m"));
        assert!(moment("", now).is_err() && moment("ä", now).is_err());
    }
}
