//! What a verification's reads mean: the same eyes, the same engine, only what came after the deed.

use super::{suspects, translate};
use sentinell_core::action::{Action, Expectation};
use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::investigation::{Health, Investigation, Reading};
use sentinell_core::time::Timestamp;
use sentinell_evidence::diagnose::diagnose;
use sentinell_evidence::finding::{Finding, FindingKind};
use sentinell_evidence::logs::parse_timestamp;
use serde_json::Value;

/// Findings weaker than this are noise for a verification.
const NOISE: f64 = 0.3;
/// A component that has been done to may take this long until its telemetry is of the new state, milliseconds.
const SETTLING: i64 = 2_000;

/// What the reads of an action's verification show. `since` is the end of the deed; none before it.
pub fn evaluate(
    case: &Investigation,
    action: &Action,
    observations: &[Observation],
    since: Option<Timestamp>,
) -> Reading {
    if observations.iter().all(|observation| observation.telemetry.is_empty()) {
        let gaps = observations.iter().flat_map(|observation| &observation.gaps);
        let why: Vec<_> = gaps.take(3).map(|gap| format!("{}: {}", gap.what, gap.why)).collect();
        return Reading { health: Health::Unknown, note: format!("nothing could be read ({})", why.join("; ")) };
    }
    match &action.plan.verification.expect {
        Expectation::FindingsGone { subject } => findings_gone(case, action, subject, observations, since),
        Expectation::LastValue { metric, at_least, at_most } => {
            last_value(metric, *at_least, *at_most, observations, since)
        }
    }
}

fn findings_gone(
    case: &Investigation,
    action: &Action,
    subject: &str,
    observations: &[Observation],
    since: Option<Timestamp>,
) -> Reading {
    let onset = onset(case, action);
    let engine_case = match since {
        None => translate::case(observations, Some(onset), &suspects(case)),
        Some(since) => {
            let fresh: Vec<Observation> =
                observations.iter().map(|observation| without_the_outage(observation, onset, since)).collect();
            translate::case(&fresh, Some(since), &suspects(case))
        }
    };
    let component = translate::entity(subject);
    let complains = |finding: &&Finding| {
        let about = finding.subject == component
            || (finding.subject.namespace == component.namespace
                && finding.subject.name.starts_with(&format!("{}-", component.name)));
        about && finding.strength >= NOISE && !matches!(finding.kind, FindingKind::Healthy | FindingKind::Change)
    };
    let diagnosis = diagnose(&engine_case);
    let mut complaints = diagnosis.findings.iter().filter(complains);
    match complaints.next() {
        None => Reading { health: Health::Healthy, note: format!("nothing wrong with {subject}") },
        Some(finding) => {
            let more = complaints.count();
            let note =
                format!("{}{}", finding.summary, if more > 0 { format!(" (and {more} more)") } else { String::new() });
            Reading { health: Health::Unhealthy, note }
        }
    }
}

/// When the trouble began: the earliest window of the evidence that the action rests on, or the alert.
fn onset(case: &Investigation, action: &Action) -> Timestamp {
    let cited = case.evidence.iter().filter(|evidence| action.evidence.contains(&evidence.id));
    let starts = cited.filter_map(|evidence| evidence.finding.get("window")?.get("start_ms")?.as_i64().map(Timestamp));
    starts.chain([case.signal.occurred_at]).min().unwrap_or(case.signal.occurred_at)
}

/// What was before the trouble, and what is after the deed; nothing of between.
fn without_the_outage(observation: &Observation, onset: Timestamp, since: Timestamp) -> Observation {
    let settled = since.plus_millis(SETTLING);
    let outside = |at: Timestamp| at < onset || at >= settled;
    let telemetry = observation.telemetry.iter().filter_map(|telemetry| match telemetry {
        Telemetry::Logs { subject, source, lines, baseline } => {
            let (before, after): (Vec<_>, Vec<_>) = lines
                .iter()
                .filter(|line| line.at.is_none_or(outside))
                .cloned()
                .partition(|line| line.at.is_some_and(|at| at < onset));
            let baseline = baseline.iter().cloned().chain(before).collect();
            let (subject, source) = (subject.clone(), source.clone());
            // A quiet log is no sign of trouble: only lines can complain.
            (!after.is_empty()).then_some(Telemetry::Logs { subject, source, lines: after, baseline })
        }
        Telemetry::Metric { subject, name, labels, source, points } => {
            let points: Vec<_> = points.iter().copied().filter(|(at, _)| outside(Timestamp(*at))).collect();
            let (subject, name, labels, source) = (subject.clone(), name.clone(), labels.clone(), source.clone());
            Some(Telemetry::Metric { subject, name, labels, source, points })
        }
        // Changes explain; they do not complain.
        Telemetry::Change { .. } => None,
        Telemetry::KubernetesJson { object } => {
            let mut object = object.clone();
            forget_ends(&mut object, since);
            Some(Telemetry::KubernetesJson { object })
        }
        other => Some(other.clone()),
    });
    Observation { telemetry: telemetry.collect(), gaps: vec![], call: observation.call.clone() }
}

/// Takes out how containers ended before the deed: the API remembers a container's last end for as long as the pod lives,
/// and a pod that the deed did not replace would look ill for ever.
fn forget_ends(value: &mut Value, since: Timestamp) {
    for item in value.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        forget_ends(item, since);
    }
    for list in ["containerStatuses", "initContainerStatuses"] {
        let Some(statuses) = value.pointer_mut(&format!("/status/{list}")).and_then(Value::as_array_mut) else {
            continue;
        };
        for status in statuses {
            let ended = status.pointer("/lastState/terminated/finishedAt").and_then(Value::as_str);
            if ended.and_then(parse_timestamp).is_some_and(|at| at < since.0) {
                let status = status.as_object_mut();
                status.map(|status| status.remove("lastState"));
            }
        }
    }
}

fn last_value(
    metric: &str,
    at_least: Option<f64>,
    at_most: Option<f64>,
    observations: &[Observation],
    since: Option<Timestamp>,
) -> Reading {
    let series =
        observations.iter().flat_map(|observation| &observation.telemetry).filter_map(|telemetry| match telemetry {
            Telemetry::Metric { name, points, .. } if name == metric => points.last().copied(),
            _ => None,
        });
    let newest: Vec<(i64, f64)> = series.filter(|(at, _)| since.is_none_or(|since| *at >= since.0)).collect();
    if newest.is_empty() {
        return Reading { health: Health::Unknown, note: format!("no fresh value of {metric}") };
    }
    let within = |value: f64| at_least.is_none_or(|low| value >= low) && at_most.is_none_or(|high| value <= high);
    match newest.iter().find(|(_, value)| !within(*value)) {
        Some((_, value)) => Reading { health: Health::Unhealthy, note: format!("{metric} is {value}") },
        None => Reading { health: Health::Healthy, note: format!("{metric} is as it should be") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_end_before_the_deed_no_longer_speaks_against_it() {
        let status = |at: &str| json!({ "lastState": { "terminated": { "exitCode": 1, "finishedAt": at } } });
        let pod = |at: &str| json!({ "items": [{ "status": { "containerStatuses": [status(at)] } }] });
        let since = Timestamp(parse_timestamp("2026-03-01T10:00:00Z").expect("a time"));
        let remembered = |at: &str| {
            let mut list = pod(at);
            forget_ends(&mut list, since);
            list.pointer("/items/0/status/containerStatuses/0/lastState/terminated").is_some()
        };
        assert!(!remembered("2026-03-01T09:59:59Z"));
        assert!(remembered("2026-03-01T10:00:01Z"));
        let mut odd = json!("text");
        forget_ends(&mut odd, since);
        assert_eq!(odd, json!("text"), "an answer of another shape is left alone");
    }
}
