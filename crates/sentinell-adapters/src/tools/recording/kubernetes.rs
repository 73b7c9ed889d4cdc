//! Recorded cluster state: JSON, YAML, or the printed answers of kubectl calls.

use super::gap;
use sentinell_core::evidence::{Gap, Telemetry};
use serde_json::Value;

/// Calls or documents of one file.
const MAX_PARTS: usize = 1000;
/// Words of one call.
const MAX_WORDS: usize = 40;

pub(super) fn read(text: &str, path: &str) -> (Vec<Telemetry>, Vec<Gap>) {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("json") => match serde_json::from_str(text) {
            Ok(object) => (vec![Telemetry::KubernetesJson { object }], vec![]),
            Err(error) => (vec![], vec![gap(path, &format!("not JSON: {error}"))]),
        },
        Some("txt") => printed(text, path),
        _ => yaml(text, path),
    }
}

/// Documents between lines of `---`; a broken one does not spoil its neighbours.
fn yaml(text: &str, path: &str) -> (Vec<Telemetry>, Vec<Gap>) {
    let (mut found, mut gaps) = (vec![], vec![]);
    let mut documents = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" && documents.len() < MAX_PARTS {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    for (number, document) in documents.iter().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        match serde_saphyr::from_str::<Value>(document) {
            Ok(Value::Null) => {}
            Ok(object) => found.push(Telemetry::KubernetesJson { object }),
            Err(error) => gaps.push(gap(&format!("{path} document {}", number + 1), &format!("not YAML: {error}"))),
        }
    }
    (found, gaps)
}

/// Each answer stands below a line `$ kubectl get pods -n shop -o wide`.
fn printed(text: &str, path: &str) -> (Vec<Telemetry>, Vec<Gap>) {
    let mut found: Vec<(Vec<String>, String)> = vec![];
    let mut stray = false;
    for line in text.lines() {
        match line.strip_prefix("$ kubectl ") {
            Some(_) if found.len() >= MAX_PARTS => break,
            Some(call) => found.push((words(call), String::new())),
            None => match found.last_mut() {
                Some((_, output)) => {
                    output.push_str(line);
                    output.push('\n');
                }
                None => stray |= !line.trim().is_empty(),
            },
        }
    }
    let gaps = if stray { vec![gap(path, "text before the first line `$ kubectl …` was not read")] } else { vec![] };
    (found.into_iter().map(|(argv, output)| Telemetry::KubernetesText { argv, output }).collect(), gaps)
}

/// Words between blanks; quotes hold blanks together and are taken off. Never run, only read.
fn words(call: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut inside) = (vec![], String::new(), None, false);
    for c in call.chars().take(2000) {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => {
                quote = Some(c);
                inside = true;
            }
            None if c.is_whitespace() => {
                if inside {
                    words.push(std::mem::take(&mut word));
                }
                inside = false;
            }
            _ => {
                word.push(c);
                inside = true;
            }
        }
    }
    if inside {
        words.push(word);
    }
    words.truncate(MAX_WORDS);
    words
}
