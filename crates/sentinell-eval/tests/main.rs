//! The engine knows no benchmark by heart: no name of a component, case or label of the public sets stands in its sources.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Fields of the indexes whose values are names.
const NAMES: [&str; 10] = [
    "system",
    "namespace",
    "changes",
    "target_node",
    "truth_service",
    "truth_object",
    "truth_pod",
    "truth_node",
    "truth_root_cause",
    "truth_inner",
];

/// A word that nobody uses by chance: long, or joined of several.
fn is_distinctive(word: &str) -> bool {
    let plain = word.bytes().skip(1).all(|b| b.is_ascii_lowercase());
    word.len() >= if plain { 9 } else { 6 } && word.bytes().any(|b| b.is_ascii_alphabetic())
}

fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let name = text.split_once('/').map_or(text.as_str(), |(_, name)| name);
            found.extend([name, text].into_iter().filter(|word| is_distinctive(word)).map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        _ => {}
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The names of an index that stand in a text as words of their own.
fn quoted<'a>(text: &'a str, names: &'a BTreeSet<String>) -> impl Iterator<Item = &'a String> {
    let inner = |c: char| c.is_ascii_alphanumeric();
    names.iter().filter(move |name| {
        text.match_indices(name.as_str())
            .any(|(at, found)| !text[..at].ends_with(inner) && !text[at + found.len()..].starts_with(inner))
    })
}

#[test]
fn the_engine_knows_no_benchmark_by_heart() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var("SENTINELL_SHARED").map_or_else(|_| root.join("../shared"), PathBuf::from);
    let Ok(folder) = std::fs::read_dir(shared.join("data")) else {
        eprintln!("SKIPPED: the public sets are not at hand (SENTINELL_SHARED)");
        return;
    };
    let mut names = BTreeSet::new();
    for path in
        folder.map(|entry| entry.unwrap().path()).filter(|path| path.to_string_lossy().ends_with(".cases.jsonl"))
    {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            NAMES.iter().filter_map(|name| line.get(name)).for_each(|value| texts(value, &mut names));
        }
    }
    assert!(names.len() > 100, "only {} names were read", names.len());
    let mut files = vec![];
    sources(&root.join("crates/sentinell-evidence"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let known: Vec<_> = quoted(&text, &names).collect();
        assert!(known.is_empty(), "{} knows {known:?}", file.display());
    }
}

#[test]
fn a_name_is_found_where_it_stands_alone() {
    let names = BTreeSet::from(["ts-kiosk-service".to_owned()]);
    assert_eq!(quoted("if name == \"ts-kiosk-service\" {", &names).count(), 1);
    assert_eq!(quoted("ts-kiosk-services", &names).count(), 0);
    assert!(is_distinctive("PetSite") && is_distinctive("cart_pod_1") && !is_distinctive("Payment"));
}
