//! Units of systemd as it tells of them: a line of the form `unit=NAME state=WORD key=value …`, in streams that come from
//! `systemctl show`. What a unit writes itself is never read here.

use crate::case::{Case, LogStream};
use crate::finding::{Fault, Finding};
use crate::kubernetes::report::Report;
use std::collections::BTreeMap;

/// How the source of such a stream begins.
const SOURCE: &str = "systemctl show ";

pub(crate) fn analyze(case: &Case) -> Vec<Finding> {
    let mut report = Report::default();
    for stream in case.logs.iter().filter(|stream| stream.source.starts_with(SOURCE)) {
        // The newest state is the state.
        if let Some(line) = stream.lines.last() {
            judge(stream, &line.text, &mut report);
        }
    }
    report.findings
}

fn judge(stream: &LogStream, text: &str, report: &mut Report) {
    let fields: BTreeMap<&str, &str> = text.split(' ').filter_map(|field| field.split_once('=')).collect();
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    let (unit, source) = (field("unit"), stream.source.as_str());
    let how = match field("result") {
        "" | "success" => String::new(),
        "exit-code" => format!(" (exit code {})", field("status")),
        "signal" | "core-dump" => format!(" (signal {})", field("status")),
        other => format!(" ({other})"),
    };
    if field("sub") == "auto-restart" {
        let say = format!("{unit} ends again and again{how}, systemd has started it {} times", field("restarts"));
        report.symptom(stream.subject.clone(), Some(Fault::CrashLoop), (0.85, 7), &say, source, "");
    } else if field("result") == "oom-kill" && field("state") != "active" {
        let say = format!("{unit} was killed for want of memory and does not run");
        report.quoted(stream.subject.clone(), Fault::OutOfMemory, (0.9, 9), &say, source, "oom-kill");
    } else if field("state") == "failed" {
        let say = format!("{unit} has failed{how} and does not run");
        report.symptom(stream.subject.clone(), Some(Fault::Down), (0.85, 7), &say, source, "");
    } else if field("state") == "inactive" {
        // A unit may rest because somebody wanted it to.
        let say = format!("{unit} is stopped");
        report.symptom(stream.subject.clone(), Some(Fault::Down), (0.8, 5), &say, source, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::LogLine;
    use crate::finding::{Entity, EntityKind};

    fn leading(source: &str, text: &str) -> Option<(Fault, String)> {
        let lines = vec![LogLine { at_ms: Some(1), level: None, text: text.to_owned(), trace: None }];
        let subject = Entity::new(EntityKind::Service, "oven");
        let logs = vec![LogStream { subject, source: source.to_owned(), lines, baseline: vec![] }];
        let ranking = crate::diagnose(&Case { logs, onset_ms: Some(1), ..Case::default() }).ranking;
        ranking.hypotheses.first().map(|first| (first.fault, first.statement.clone()))
    }

    #[test]
    fn a_unit_that_does_not_run_is_named_with_how_it_ended() {
        let told = |rest: &str| leading("systemctl show oven.service", &format!("unit=oven.service {rest}"));
        let (fault, say) = told("state=failed sub=failed result=exit-code code=1 status=3 restarts=0").unwrap();
        assert!(fault == Fault::Down && say.contains("exit code 3"), "{say}");
        let (fault, say) = told("state=activating sub=auto-restart result=signal status=11 restarts=7").unwrap();
        assert!(fault == Fault::CrashLoop && say.contains("signal 11") && say.contains("7 times"), "{say}");
        assert_eq!(
            told("state=failed sub=failed result=oom-kill restarts=0").map(|told| told.0),
            Some(Fault::OutOfMemory)
        );
        assert_eq!(told("state=inactive sub=dead result=success restarts=0").map(|told| told.0), Some(Fault::Down));
        assert_eq!(told("state=active sub=running result=success restarts=3"), None);
        let written = "unit=oven.service state=failed sub=failed result=exit-code status=3";
        assert_eq!(leading("journalctl --unit=oven.service", written), None, "what it writes itself is no proof");
    }
}
