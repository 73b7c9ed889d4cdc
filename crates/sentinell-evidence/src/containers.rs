//! Containers as their engine tells of them: lines of the form `container=NAME state=WORD key=value …` and `container=NAME
//! event=WORD …`, in streams that come from `docker inspect`. What a container writes itself is never read here.

use crate::case::{Case, LogStream};
use crate::finding::{Fault, Finding};
use crate::kubernetes::report::Report;
use std::collections::BTreeMap;

/// How the source of such a stream begins.
const SOURCE: &str = "docker inspect ";
/// So many bad ends in the time under suspicion are a habit.
const AGAIN: usize = 2;
/// What `docker stop` brings: SIGTERM, then SIGKILL.
const STOPPED: [i64; 3] = [0, 137, 143];

/// What is known of one container.
#[derive(Default)]
struct Told<'c> {
    state: &'c str,
    health: &'c str,
    error: &'c str,
    exit_code: i64,
    restarts: i64,
    memory_limit: u64,
    ooms: usize,
    /// Exit codes of its ends, oldest first.
    ends: Vec<i64>,
    stopped: bool,
}

pub(crate) fn analyze(case: &Case) -> Vec<Finding> {
    let mut report = Report::default();
    for stream in case.logs.iter().filter(|stream| stream.source.starts_with(SOURCE)) {
        let mut all: BTreeMap<&str, Told<'_>> = BTreeMap::new();
        for line in &stream.lines {
            read(&line.text, &mut all);
        }
        for (name, told) in &all {
            judge(stream, name, told, &mut report);
        }
    }
    report.findings
}

fn read<'c>(text: &'c str, all: &mut BTreeMap<&'c str, Told<'c>>) {
    // The error is the rest of its line.
    let (text, error) = text.split_once(" error=").unwrap_or((text, ""));
    let fields: BTreeMap<&str, &str> = text.split(' ').filter_map(|field| field.split_once('=')).collect();
    let Some(name) = fields.get("container") else { return };
    let told = all.entry(name).or_default();
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<i64>().ok());
    match fields.get("event").copied() {
        Some("oom") => told.ooms += 1,
        Some("die") => told.ends.push(number("exit_code").unwrap_or_default()),
        Some("stop") => told.stopped = true,
        Some("start") => told.stopped = false,
        Some(_) => {}
        None => {
            told.state = fields.get("state").copied().unwrap_or_default();
            told.health = fields.get("health").copied().unwrap_or_default();
            told.exit_code = number("exit_code").unwrap_or_default();
            told.restarts = number("restarts").unwrap_or_default();
            told.memory_limit = number("memory_limit").and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
            told.ooms += usize::from(fields.get("OOMKilled") == Some(&"true"));
            told.error = error;
        }
    }
}

fn judge(stream: &LogStream, name: &str, told: &Told<'_>, report: &mut Report) {
    let (subject, source) = (stream.subject.clone(), stream.source.as_str());
    let of = if subject.name == name { String::new() } else { format!(" of {}", subject.name) };
    let restarts = if told.restarts > 0 { format!(" ({} restarts)", told.restarts) } else { String::new() };
    if told.ooms > 0 {
        let limit = match told.memory_limit {
            0 => String::new(),
            bytes => format!(" ({} MiB)", bytes >> 20),
        };
        let say = format!("container {name}{of} exceeded its memory limit{limit} and was killed{restarts}");
        let strength = if told.ooms > 1 || told.state != "running" { 0.95 } else { 0.85 };
        report.quoted(subject.clone(), Fault::OutOfMemory, (strength, 9), &say, source, "OOMKilled");
    }
    let down = matches!(told.state, "exited" | "dead" | "created");
    let bad: Vec<i64> = told.ends.iter().copied().filter(|code| *code != 0).collect();
    let code = bad.last().copied().filter(|_| !down).unwrap_or(told.exit_code);
    if told.stopped && down && STOPPED.contains(&told.exit_code) {
        let say = format!("container {name}{of} was stopped from outside and does not run");
        report.symptom(subject.clone(), Some(Fault::Down), (0.85, 7), &say, source, "");
    } else if told.ooms == 0 && (bad.len() >= AGAIN || told.state == "restarting") {
        let say = format!("container {name}{of} ends again and again with exit code {code}{restarts}");
        report.symptom(subject.clone(), Some(Fault::CrashLoop), (0.8, 5), &say, source, told.error);
    } else if told.ooms == 0 && down && (told.exit_code != 0 || !told.error.is_empty()) {
        let why = if told.error.is_empty() { "" } else { ": it could not be started" };
        let say = format!("container {name}{of} ended with exit code {} and does not run{why}", told.exit_code);
        report.symptom(subject.clone(), Some(Fault::Down), (0.8, 5), &say, source, told.error);
    }
    if told.health == "unhealthy" {
        let say = format!("container {name}{of} fails its health check");
        report.symptom(subject, None, (0.65, 4), &say, source, told.error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::LogLine;
    use crate::finding::{Entity, EntityKind};

    fn leading(source: &str, lines: &[&str]) -> Option<(Fault, String)> {
        let line = |text: &&str| LogLine { at_ms: Some(1), level: None, text: (*text).to_owned(), trace: None };
        let subject = Entity::new(EntityKind::Service, "oven").in_namespace("bakery");
        let lines = lines.iter().map(line).collect();
        let logs = vec![LogStream { subject, source: source.to_owned(), lines, baseline: vec![] }];
        let case = Case { logs, onset_ms: Some(1), ..Case::default() };
        let ranking = crate::diagnose(&case).ranking;
        ranking.hypotheses.first().map(|first| (first.fault, first.statement.clone()))
    }

    #[test]
    fn a_container_that_is_killed_for_memory_is_named_with_its_limit() {
        let lines = [
            "container=oven-1 event=oom",
            "container=oven-1 event=die exit_code=137",
            "container=oven-1 event=start",
            "container=oven-1 state=running exit_code=0 OOMKilled=false restarts=4 memory_limit=67108864",
        ];
        let (fault, statement) = leading("docker inspect oven-1", &lines).unwrap();
        assert_eq!(fault, Fault::OutOfMemory);
        assert!(statement.contains("64 MiB") && statement.contains("4 restarts"), "{statement}");
        assert_eq!(leading("docker logs oven-1", &lines), None, "what a container writes itself is no proof");
    }

    #[test]
    fn a_container_that_ends_is_named_with_its_exit_code_and_one_that_was_stopped_as_such() {
        let named = |lines: &[&str]| leading("docker inspect oven-1", lines);
        let again = ["container=oven-1 event=die exit_code=3"; 2];
        let state = "container=oven-1 state=restarting exit_code=3 OOMKilled=false restarts=9";
        let (fault, statement) = named(&[&again[..], &[state]].concat()).unwrap();
        assert!(fault == Fault::CrashLoop && statement.contains("exit code 3"), "{statement}");
        let once = "container=oven-1 state=exited exit_code=127 OOMKilled=false restarts=0 error=exec: no such file";
        let (fault, statement) = named(&[once]).unwrap();
        assert!(fault == Fault::Down && statement.contains("exit code 127"), "{statement}");
        let stopped = [
            "container=oven-1 event=die exit_code=137",
            "container=oven-1 event=stop",
            "container=oven-1 state=exited exit_code=137 OOMKilled=false restarts=0",
        ];
        let (fault, statement) = named(&stopped).unwrap();
        assert!(fault == Fault::Down && statement.contains("stopped from outside"), "{statement}");
        assert_eq!(named(&["container=oven-1 state=running exit_code=0 OOMKilled=false restarts=0"]), None);
        assert_eq!(named(&["container=oven-1 state=exited exit_code=0 OOMKilled=false restarts=0"]), None);
    }
}
