//! What the evidence engine makes of the town, asked as the hall asks: query by query, then ranked as a whole.

use crate::{EPOCH, ready, scene, town};
use sentinell_core::evidence::{Observation, Query, Telemetry};
use sentinell_core::hypothesis::Hypothesis;
use sentinell_core::ids::QueryId;
use sentinell_core::investigation::{Entry, Event, Investigation};
use sentinell_core::policy::Budget;
use sentinell_core::ports::{Question, Tool};
use sentinell_core::runbook::Runbook;
use sentinell_core::signal::Signal;
use sentinell_evidence::case::{self, Case, KubernetesRead, Level, LogStream, Series};
use sentinell_evidence::diagnose::diagnose;
use sentinell_evidence::finding::{Entity, EntityKind, Ranking};
use sentinell_evidence::rank::rank;
use sentinell_sim::{NAMESPACE, Scene, Town, runbooks, stories};

fn entity(text: &str) -> Entity {
    let name = text.strip_prefix("service/town/").unwrap_or(text);
    Entity::new(EntityKind::Service, name).in_namespace(NAMESPACE)
}

fn line(line: &sentinell_core::evidence::LogLine) -> case::LogLine {
    let level = match line.level.as_deref() {
        Some("WARN") => Level::Warn,
        Some("ERROR") => Level::Error,
        _ => Level::Info,
    };
    case::LogLine { at_ms: line.at.map(|at| at.0), level: Some(level), text: line.text.clone(), trace: None }
}

fn add(case: &mut Case, telemetry: Telemetry) {
    match telemetry {
        Telemetry::Logs { subject, source, lines, baseline } => {
            let (lines, baseline) = (lines.iter().map(line).collect(), baseline.iter().map(line).collect());
            case.logs.push(LogStream { subject: entity(&subject), source, lines, baseline });
        }
        Telemetry::Metric { subject, name, labels, source, points } => {
            case.metrics.push(Series { subject: entity(&subject), name, labels, source, points });
        }
        Telemetry::KubernetesJson { object } => case.kubernetes.push(KubernetesRead::Json(object)),
        Telemetry::KubernetesText { argv, output } => case.kubernetes.push(KubernetesRead::Text { argv, output }),
        Telemetry::Traces { .. } | Telemetry::Precedent { .. } | Telemetry::Text { .. } => {}
        Telemetry::Change { change } => case.changes.push(case::Change {
            at_ms: change.at.0,
            subject: entity(&change.subject),
            kind: change.kind,
            summary: change.summary,
            reference: change.reference,
            touched: change.touched,
            members: Vec::new(),
        }),
        Telemetry::Call { caller, callee } => case.calls.push((entity(&caller), entity(&callee))),
    }
}

/// Everything that the town's eyes bring at first about an alert.
fn first_look(town: &Town, signal: &Signal) -> Vec<Observation> {
    let opened = Event::Opened { signal: Box::new(signal.clone()), fingerprint: "f".into(), budget: Budget::default() };
    let entry = Entry { incident: "i1".into(), seq: 1, at: signal.received_at, event: opened };
    let case = Investigation::replay([&entry]).unwrap();
    let read = |tool: &dyn Tool, question: Question| {
        let Question { tool: name, args, why } = question;
        ready(tool.observe(&Query { id: QueryId("q1".into()), tool: name, args, why })).ok()
    };
    let tools = town.tools();
    tools.iter().flat_map(|tool| tool.first_look(&case).into_iter().filter_map(|q| read(tool, q))).collect()
}

fn ranking(scene: &Scene) -> Ranking {
    let cue = scene.cues().remove(0);
    let (town, _) = town(scene, cue.at.plus_seconds(1));
    let empty = Case {
        onset_ms: Some(cue.signal.occurred_at.0),
        suspects: vec![entity(&cue.signal.labels["service"])],
        ..Case::default()
    };
    let (mut findings, mut calls) = (vec![], vec![]);
    for observation in first_look(&town, &cue.signal) {
        let mut case = empty.clone();
        observation.telemetry.into_iter().for_each(|telemetry| add(&mut case, telemetry));
        findings.extend(diagnose(&case).findings);
        calls.append(&mut case.calls);
    }
    rank(&findings, &Case { calls, ..empty })
}

#[test]
fn the_engine_finds_the_true_component_and_fault_of_every_story() {
    let mut failures = vec![];
    for mut story in stories() {
        story.mischief.busy.clear();
        let wrong = (0..10).filter_map(|seed| {
            let scene = story.stage(seed, EPOCH);
            let first = ranking(&scene).hypotheses.into_iter().next();
            let first = first.map(|h| (h.component.to_string(), h.fault.word()));
            let truth = scene.truth().map(|truth| (truth.component, truth.fault.to_owned()));
            let right = truth == first;
            (!right).then(|| format!("{} with seed {seed}: {first:?} instead of {truth:?}", story.name))
        });
        let wrong: Vec<String> = wrong.collect();
        if wrong.len() > 1 {
            failures.extend(wrong);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// What the first runbook that applies makes of the best hypothesis that one applies to.
fn proposal(scene: &Scene) -> Option<(String, String)> {
    let runbooks: Vec<Runbook> = runbooks().iter().map(|(_, text)| Runbook::parse(text).unwrap()).collect();
    let believed = ranking(scene).hypotheses.into_iter().map(|found| Hypothesis {
        id: "h1".into(),
        component: found.component.to_string(),
        fault: found.fault.word(),
        confidence: found.confidence,
        statement: found.statement,
        supports: vec![],
        contradicts: vec![],
    });
    let mut applies =
        believed.filter_map(|belief| Some(runbooks.iter().find(|book| book.applies_to(&belief))?.draft(&belief)));
    // A runbook without an action is advice for a person, and no reason to try the next best.
    applies.next()?.map(|draft| (draft.kind, draft.target))
}

#[test]
fn the_runbooks_propose_the_cure_and_nothing_where_nothing_is_wrong() {
    let plain = ["bad_deploy", "lost_dependency", "memory_leak", "slow_database", "blindfold", "whisper"];
    let short = ["full_disk", "noisy_neighbour", "expired_certificate", "wrong_scale"];
    for name in plain.into_iter().chain(short) {
        let cured = (0..10).filter(|seed| {
            let scene = scene(name, *seed);
            proposal(&scene) == scene.truth().and_then(|truth| Some((truth.cure?.to_owned(), truth.target)))
        });
        assert!(cured.count() >= 9, "{name}");
    }
    for seed in 0..10 {
        assert_eq!(proposal(&scene("nothing_wrong", seed)), None, "seed {seed}");
    }
}
