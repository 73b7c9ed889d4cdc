use crate::{EPOCH, look, scene, town};
use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::ports::ToolError;
use sentinell_core::time::Timestamp;
use sentinell_sim::{Scene, Town, stories};

const TOOLS: [&str; 4] = ["town.changes", "town.metrics", "town.cluster", "town.logs"];

fn everything(town: &Town) -> String {
    let all: Vec<Observation> = TOOLS.iter().map(|tool| look(town, tool, &[("service", "*")]).unwrap()).collect();
    serde_json::to_string(&all).unwrap()
}

/// Log lines and points of every service in the minute before `now`, without what anybody changed.
fn last_minute(scene: &Scene, town: Town) -> String {
    let logs = look(&town, "town.logs", &[("service", "*"), ("last_seconds", "60")]).unwrap();
    let metrics = look(&town, "town.metrics", &[("service", "*"), ("minutes", "1")]).unwrap();
    assert!(logs.telemetry.len() == 6 && metrics.telemetry.len() >= 6 * 8, "{}", scene.story.name);
    serde_json::to_string(&(logs, metrics)).unwrap()
}

#[test]
fn the_same_seed_is_the_same_day_and_another_seed_is_another() {
    for story in ["bad_deploy", "lost_dependency", "memory_leak", "slow_database"] {
        let at = |seed| everything(&town(&scene(story, seed), EPOCH.plus_seconds(400)).0);
        assert_eq!(at(1), at(1));
        assert_ne!(at(1), at(2));
    }
}

#[test]
fn what_was_written_stays_written() {
    let scene = scene("memory_leak", 3);
    let (since, later) = (EPOCH.to_string(), EPOCH.plus_seconds(500));
    let lines = |now: Timestamp| {
        let args = [("service", "*"), ("since", since.as_str())];
        let read = look(&town(&scene, now).0, "town.logs", &args).unwrap();
        let lines = read.telemetry.into_iter().flat_map(|telemetry| match telemetry {
            Telemetry::Logs { lines, .. } => lines,
            _ => vec![],
        });
        lines.filter(|line| line.at.unwrap() < EPOCH.plus_seconds(300)).collect::<Vec<_>>()
    };
    assert_eq!(lines(EPOCH.plus_seconds(300)), lines(later));
}

#[test]
fn trouble_shows_while_it_lasts_and_not_before() {
    for story in stories().into_iter().filter(|story| story.trouble.is_some() && !story.mischief.whisper) {
        let mut story = story;
        story.mischief.denied.clear();
        story.mischief.busy.clear();
        for seed in 0..3 {
            let scene = story.stage(seed, EPOCH);
            let differs = |now: Timestamp| {
                let twin = scene.quiet_twin();
                last_minute(&scene, town(&scene, now).0) != last_minute(&twin, town(&twin, now).0)
            };
            assert!(!differs(scene.onset.plus_millis(-1)), "{}: visible before its onset", story.name);
            let alarm = scene.cues()[0].at;
            assert!(differs(alarm), "{}: nobody can see it", story.name);
            assert!(differs(alarm.plus_seconds(1200)), "{}: it went away by itself", story.name);
        }
    }
}

#[test]
fn the_guilty_change_stands_among_innocent_ones() {
    for seed in 0..10 {
        let scene = scene("bad_deploy", seed);
        let (town, _) = town(&scene, scene.cues()[0].at);
        let changes = look(&town, "town.changes", &[]).unwrap().telemetry;
        let subjects: Vec<String> = changes
            .into_iter()
            .filter_map(|telemetry| match telemetry {
                Telemetry::Change { change } => Some(change.subject),
                _ => None,
            })
            .collect();
        let truth = scene.truth().unwrap();
        assert_eq!(subjects.iter().filter(|subject| **subject == truth.component).count(), 1);
        assert!(subjects.len() >= 3, "{subjects:?}");
    }
}

#[test]
fn eyes_are_busy_or_closed_as_the_story_says_and_refuse_nonsense() {
    let (busy, _) = town(&scene("busy_eyes", 1), EPOCH);
    let read = || look(&busy, "town.metrics", &[]);
    assert!(matches!(read(), Err(ToolError::Retry(_))) && matches!(read(), Err(ToolError::Retry(_))));
    assert!(read().is_ok());
    let (blind, _) = town(&scene("blindfold", 1), EPOCH);
    assert!(matches!(look(&blind, "town.logs", &[]), Err(ToolError::Denied(_))));
    assert!(look(&blind, "town.cluster", &[]).is_ok());
    for args in [[("service", "nobody")], [("shell", "ls")], [("minutes", "-1")]] {
        assert!(matches!(look(&blind, "town.metrics", &args), Err(ToolError::BadQuery(_))), "{args:?}");
    }
}
