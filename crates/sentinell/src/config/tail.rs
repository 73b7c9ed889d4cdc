//! Log files that are followed: `[[tail]]`.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// How the lines of a file are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TailFormat {
    /// Each line as it looks.
    #[default]
    Auto,
    /// A JSON object a line.
    Json,
    /// As syslog daemons write it.
    Syslog,
    /// Lines of text.
    Plain,
}

/// A file to follow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tail {
    /// Where it is.
    pub path: PathBuf,
    /// The service that writes it; left out, what syslog calls the program.
    #[serde(default)]
    pub service: Option<String>,
    /// The name of the registered repository that it belongs to.
    #[serde(default)]
    pub repo: Option<String>,
    /// Further labels (`namespace`, `host`, …) of its signals.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How its lines are written.
    #[serde(default)]
    pub format: TailFormat,
    /// Whether a file that was never seen is read from its beginning instead of its end.
    #[serde(default)]
    pub whole: bool,
}

/// Checks them, and has relative paths meant from `base`.
pub(super) fn check(raw: Vec<Tail>, base: &std::path::Path, problems: &mut Vec<String>) -> Vec<Tail> {
    let mut seen = BTreeSet::new();
    for tail in &raw {
        if tail.path.as_os_str().is_empty() {
            problems.push("tail.path: empty; name a file".into());
        }
        if !seen.insert(&tail.path) {
            problems.push(format!("tail: {} is named twice", tail.path.display()));
        }
    }
    raw.iter().map(|tail| Tail { path: base.join(&tail.path), ..tail.clone() }).collect()
}
