//! What GitHub's documents say that somebody changed, in the shape of the git eye's and the webhooks' changes.

use super::Look;
use crate::text::{clip, one_line};
use sentinell_core::evidence::{Change, LogLine, Telemetry};
use sentinell_core::time::Timestamp;
use serde_json::Value;

/// Characters of a title.
const TITLE: usize = 200;
/// Paths of one commit that are kept.
const PATHS: usize = 50;

/// The time at a pointer.
pub(super) fn moment(value: &Value, pointer: &str) -> Option<Timestamp> {
    Timestamp::parse(value.pointer(pointer)?.as_str()?).ok()
}

/// A time without its fraction, as GitHub's searches read it.
pub(super) fn spelled(at: Timestamp) -> String {
    format!("{}Z", at.to_string().chars().take(19).collect::<String>())
}

/// Whether a reference is a commit's hash.
pub(super) fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn word(value: &Value, pointer: &str, max: usize) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    Some(one_line(text.lines().find(|line| !line.trim().is_empty())?, max))
}

fn entries(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn hash(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().filter(|text| is_hash(text)).map(str::to_owned)
}

fn within(look: &Look<'_>, at: Timestamp) -> bool {
    (look.since..=look.until).contains(&at)
}

fn change(look: &Look<'_>, kind: &str, at: Timestamp, summary: &str, reference: String) -> Change {
    Change {
        at,
        kind: kind.to_owned(),
        subject: look.known.repository.subject.clone(),
        summary: clip(summary, TITLE),
        reference,
        touched: vec![],
        author: None,
    }
}

/// Pull requests that were merged in time; closed ones changed nothing.
pub(super) fn merged(all: &Value, look: &Look<'_>) -> Vec<Change> {
    let one = |pull: &Value| {
        let at = moment(pull, "/merged_at").filter(|at| within(look, *at))?;
        let number = pull.get("number").and_then(Value::as_u64)?;
        let title = format!("#{number} {}", word(pull, "/title", TITLE).unwrap_or_default());
        let author = word(pull, "/user/login", 100);
        Some(Change { author, ..change(look, "commit", at, title.trim_end(), hash(pull, "/merge_commit_sha")?) })
    };
    entries(all).filter_map(one).collect()
}

/// Commits of the branch.
pub(super) fn committed(all: &Value, look: &Look<'_>) -> Vec<Change> {
    let one = |commit: &Value| {
        let at = moment(commit, "/commit/committer/date").filter(|at| within(look, *at))?;
        let title = word(commit, "/commit/message", TITLE).unwrap_or_default();
        let author = word(commit, "/author/login", 100).or_else(|| word(commit, "/commit/author/name", 100));
        Some(Change { author, ..change(look, "commit", at, &title, hash(commit, "/sha")?) })
    };
    entries(all).filter_map(one).collect()
}

/// The paths that a commit touched.
pub(super) fn touched(details: &Value) -> Vec<String> {
    let files = details.get("files").map(entries).into_iter().flatten();
    files.filter_map(|file| word(file, "/filename", TITLE)).take(PATHS).collect()
}

/// Deployments of the time, newest first: made then, or told of then.
pub(super) fn recent_deployments<'v>(all: &'v Value, look: &Look<'_>) -> Vec<&'v Value> {
    let recent = |deployment: &&Value| {
        let updated = moment(deployment, "/updated_at").or_else(|| moment(deployment, "/created_at"));
        let made = moment(deployment, "/created_at").is_some_and(|at| at <= look.until);
        made && updated.is_some_and(|at| at >= look.since)
    };
    entries(all).filter(recent).collect()
}

/// What became of a deployment: that it succeeded, or was still going on at the onset, is a change; that it failed is told as
/// a line.
pub(super) fn became(deployment: &Value, statuses: &Value, look: &Look<'_>) -> (Vec<Change>, Option<Telemetry>) {
    let what = word(deployment, "/ref", 100).unwrap_or_default();
    let place = word(deployment, "/environment", 100).unwrap_or_default();
    let Some(reference) = hash(deployment, "/sha") else { return (vec![], None) };
    let author = word(deployment, "/creator/login", 100);
    let deploy = |at: Timestamp, words: &str| {
        let summary = format!("{what} {words} {place}");
        Change { author: author.clone(), ..change(look, "deploy", at, &summary, reference.clone()) }
    };
    let told: Vec<(&str, Timestamp, &Value)> = entries(statuses)
        .filter_map(|one| Some((one.get("state")?.as_str()?, moment(one, "/created_at")?, one)))
        .filter(|(_, at, _)| within(look, *at))
        .collect();
    let failed = told.iter().find(|(state, ..)| matches!(*state, "failure" | "error")).map(|(_, at, status)| {
        let why = word(status, "/description", 200).map(|why| format!(": {why}")).unwrap_or_default();
        let text = format!("deployment of {what} to {place} failed{why}");
        lines(look, "deployments", vec![(*at, true, text)])
    });
    let first =
        |wanted: &str| told.iter().filter(|(state, ..)| *state == wanted).map(|(_, at, _)| *at).min_by_key(|at| at.0);
    let ended = told.iter().any(|(state, ..)| matches!(*state, "success" | "failure" | "error" | "inactive"));
    let change = match (first("success"), first("in_progress")) {
        (Some(at), _) => Some(deploy(at, "deployed to")),
        (None, Some(at)) if !ended => Some(deploy(at, "being deployed to")),
        _ => None,
    };
    (change.into_iter().collect(), failed)
}

/// How the workflows of the branch ended, as lines of a stream of their own: they tell of the building, not of the service.
pub(super) fn ran(all: &Value, look: &Look<'_>) -> Option<Telemetry> {
    let one = |run: &Value| {
        let at = moment(run, "/updated_at").filter(|at| within(look, *at))?;
        let end = run.get("conclusion")?.as_str()?;
        let failed = matches!(end, "failure" | "timed_out" | "startup_failure");
        let name = word(run, "/name", 100).unwrap_or_else(|| "workflow".to_owned());
        let branch = word(run, "/head_branch", 100).unwrap_or_default();
        let commit: String = hash(run, "/head_sha")?.chars().take(10).collect();
        Some((at, failed, format!("workflow {name} on {branch}: {} at commit {commit}", one_line(end, 40))))
    };
    let runs: Vec<_> = entries(all.get("workflow_runs")?).filter_map(one).collect();
    (!runs.is_empty()).then(|| lines(look, "workflow runs", runs))
}

fn lines(look: &Look<'_>, what: &str, mut told: Vec<(Timestamp, bool, String)>) -> Telemetry {
    told.sort();
    let began = look.onset.plus_seconds(-super::JUST_BEFORE);
    let line = |(at, failed, text): (Timestamp, bool, String)| LogLine {
        at: Some(at),
        level: Some(if failed { "error" } else { "info" }.to_owned()),
        text,
        trace: None,
    };
    let (lines, baseline): (Vec<LogLine>, Vec<LogLine>) =
        told.into_iter().map(line).partition(|line| line.at.is_some_and(|at| at >= began));
    let stream = format!("GitHub {what} of {}", look.known.full_name);
    Telemetry::Logs { subject: stream.clone(), source: stream, lines, baseline }
}
