//! What is stored outlives us: journals of earlier versions fold for ever, and the step chosen after each prefix is a
//! snapshot, so that a change in the agent's mind shows up in review as a diff.
//!
//! `tests/journals/*.jsonl` were written by the town's stories of the version they are named after, with
//! `cargo nextest run -p sentinell --test main --run-ignored only golden::record`; they are only ever added to.

use crate::stories::tell;
use sentinell_core::investigation::{Effect, Entry, Investigation, Step};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/journals")
}

fn entries(text: &str) -> Vec<Entry> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// One line per prefix: what happened, where that leads, what comes next.
fn steps(journal: &[Entry]) -> String {
    let mut text = String::new();
    for length in 1..=journal.len() {
        let case = Investigation::replay(&journal[..length]).unwrap();
        let next = match case.next() {
            Step::Do(Effect::Observe(queries)) => format!("observe {}", queries.len()),
            Step::Do(Effect::Reason { conclude }) => format!("reason{}", if conclude { " and conclude" } else { "" }),
            Step::Do(Effect::Doubt) => "take a second look".to_owned(),
            Step::Do(Effect::Ask(action)) => format!("ask about {}", action.id),
            Step::Do(Effect::Act(action)) => format!("act: {}", action.id),
            Step::Do(Effect::Reconcile(action)) => format!("reconcile {}", action.id),
            Step::Do(Effect::Verify(action)) => format!("verify {}", action.id),
            Step::Wait { until, why } => format!("wait {} for {why}", until.map_or("open-ended", |_| "until a time")),
            Step::Done => "done".to_owned(),
        };
        writeln!(text, "{length:>3} {:<20} {:<18} {next}", journal[length - 1].event.name(), case.phase.word())
            .unwrap();
    }
    text
}

#[test]
fn journals_of_every_version_fold_and_lead_where_they_led() {
    let mut journals: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    journals.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    journals.sort();
    assert!(journals.len() >= 4, "golden journals are missing");
    for path in journals {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let journal = entries(&fs::read_to_string(&path).unwrap());
        insta::with_settings!({ snapshot_path => folder(), prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, steps(&journal));
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the golden journals of this version"]
async fn record() {
    for story in ["bad_deploy", "in_doubt", "late_approval", "flapping"] {
        let journal = tell(story, 1).await;
        let lines: Vec<String> = journal.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
        let path = folder().join(format!("{}-{story}.jsonl", env!("CARGO_PKG_VERSION")));
        assert!(!path.exists(), "{} is there already; a stored journal is never edited", path.display());
        fs::create_dir_all(folder()).unwrap();
        fs::write(path, lines.join("\n") + "\n").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the golden journal of a thinking model"]
async fn record_a_thinking_model() {
    let journal = crate::models::tell().await;
    let lines: Vec<String> = journal.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
    let path = folder().join(format!("{}-thinking.jsonl", env!("CARGO_PKG_VERSION")));
    assert!(!path.exists(), "{} is there already; a stored journal is never edited", path.display());
    fs::write(path, lines.join("\n") + "\n").unwrap();
}
