//! The never-rules of ARCHITECTURE.md, read off the sources. Each rule says why, and carries one line that it must catch:
//! a rule that catches nothing would be a decoration.

use std::fs;
use std::path::{Path, PathBuf};

/// A thing that must not stand in some files.
struct Rule {
    why: &'static str,
    /// Whether the rule is about this file (a path from the project's root).
    about: fn(&str) -> bool,
    /// Whether this line of production code breaks it.
    breaks: fn(&str) -> bool,
    /// A file and a line that must be caught.
    offender: (&'static str, &'static str),
}

fn any(line: &str, words: &[&str]) -> bool {
    words.iter().any(|word| line.contains(word))
}

fn within(path: &str, room: &str) -> bool {
    path.strip_prefix(room).is_some_and(|rest| rest.starts_with(['/', '.']))
}

fn pure(path: &str) -> bool {
    path.starts_with("crates/sentinell-core/") || path.starts_with("crates/sentinell-evidence/src")
}

const HALL: &str = "crates/sentinell/src/";

fn rules() -> Vec<Rule> {
    let mut rules = directions();
    rules.extend(directions_in_the_hall());
    rules.extend(single_places());
    rules.extend(manners());
    rules
}

fn directions() -> Vec<Rule> {
    vec![
        Rule {
            why: "core and evidence are arithmetic: no runtime, clock, chance, environment, files or network",
            about: pure,
            breaks: |line| {
                any(
                    line,
                    &[
                        "tokio",
                        "reqwest",
                        "sqlx",
                        "std::fs",
                        "std::env",
                        "std::net",
                        "std::process",
                        "SystemTime",
                        "Instant::now",
                        "Utc::now",
                    ],
                )
            },
            offender: ("crates/sentinell-core/src/triage.rs", "let now = std::time::SystemTime::now();"),
        },
        Rule {
            why: "evidence has never heard of an incident: it knows no other room",
            about: |path| path.starts_with("crates/sentinell-evidence/src"),
            breaks: |line| any(line, &["sentinell_core", "sentinell_adapters", "sentinell_sim"]),
            offender: ("crates/sentinell-evidence/src/rank.rs", "use sentinell_core::ids::IncidentId;"),
        },
        Rule {
            why: "an adapter knows the core and its neighbour outside, nobody else inside",
            about: |path| path.starts_with("crates/sentinell-adapters/src"),
            breaks: |line| any(line, &["sentinell_evidence", "sentinell_sim", "use sentinell::", "axum"]),
            offender: ("crates/sentinell-adapters/src/tools/git.rs", "use sentinell_evidence::case::Case;"),
        },
        Rule {
            why: "SQL is asked of the operator's databases in one place only; our own tables are the store's",
            about: |path| {
                path.starts_with("crates/sentinell-adapters/src")
                    && !within(path, "crates/sentinell-adapters/src/tools/postgres")
            },
            breaks: |line| any(line, &["sqlx"]),
            offender: ("crates/sentinell-adapters/src/tools/git.rs", "use sqlx::PgConnection;"),
        },
        Rule {
            why: "the town implements the core's ports and shares nothing with the engine it tests",
            about: |path| path.starts_with("crates/sentinell-sim/src"),
            breaks: |line| {
                any(line, &["sentinell_evidence", "sentinell_adapters", "use sentinell::", "reqwest", "sqlx"])
            },
            offender: ("crates/sentinell-sim/src/lib.rs", "use sentinell_evidence::finding::Fault;"),
        },
    ]
}

fn directions_in_the_hall() -> Vec<Rule> {
    vec![
        Rule {
            why: "api and worker meet in the store: a handler never calls a worker, a tool or an actuator",
            about: |path| ["api", "auth", "intake"].iter().any(|room| within(path, &format!("{HALL}{room}"))),
            breaks: |line| {
                any(
                    line,
                    &[
                        "crate::worker",
                        "crate::mouth",
                        "crate::wire",
                        "Actuator",
                        "Notifier",
                        "dyn Tool",
                        "dyn Reasoner",
                        "sentinell_adapters::",
                    ],
                )
            },
            offender: ("crates/sentinell/src/api/approve.rs", "use crate::worker::Worker;"),
        },
        Rule {
            why: "the worker does not know who asks",
            about: |path| within(path, &format!("{HALL}worker")),
            breaks: |line| any(line, &["crate::api", "crate::auth", "crate::ui", "axum"]),
            offender: ("crates/sentinell/src/worker.rs", "use crate::api::views::ActionView;"),
        },
        Rule {
            why: "the store is asked by both and asks nobody",
            about: |path| within(path, &format!("{HALL}store")),
            breaks: |line| {
                any(line, &["crate::api", "crate::worker", "crate::cli", "crate::wire", "axum", "sentinell_adapters"])
            },
            offender: ("crates/sentinell/src/store/journal.rs", "use crate::worker::Lease;"),
        },
    ]
}

fn single_places() -> Vec<Rule> {
    vec![
        Rule {
            why: "only wire.rs names concrete adapters; everybody else sees a port",
            about: |path| path.starts_with(HALL) && !within(path, "crates/sentinell/src/wire"),
            breaks: |line| {
                any(
                    line,
                    &[
                        "sentinell_adapters::tools",
                        "sentinell_adapters::actuators",
                        "sentinell_adapters::notifiers",
                        "sentinell_adapters::{",
                    ],
                )
            },
            offender: ("crates/sentinell/src/worker.rs", "use sentinell_adapters::tools::prometheus::Prometheus;"),
        },
        Rule {
            why: "only http.rs builds HTTP clients: limits, redirects and proxies are decided once",
            about: |path| {
                path.starts_with("crates/") && path.contains("/src/") && path != "crates/sentinell-adapters/src/http.rs"
            },
            breaks: |line| {
                any(line, &["reqwest::Client", "Client::builder(", "ClientBuilder", "reqwest::get", "reqwest::{"])
            },
            offender: ("crates/sentinell/src/cli/client.rs", "let client = reqwest::Client::new();"),
        },
        Rule {
            why: "only config.rs reads the environment; everybody else gets values",
            about: |path| path.contains("/src/") && !within(path, "crates/sentinell/src/config"),
            breaks: |line| {
                any(line, &["env::var", "env::current", "env::set_", "env::home", "env::temp", "std::env;", "dotenvy"])
            },
            offender: ("crates/sentinell-adapters/src/kubectl.rs", "let home = std::env::var(\"HOME\");"),
        },
        Rule {
            why: "only process.rs starts programs: argv, pinned program, clean environment, own process group, limits",
            about: |path| path.contains("/src/") && path != "crates/sentinell-adapters/src/process.rs",
            breaks: |line| any(line, &["process::Command", "Command::new("]),
            offender: ("crates/sentinell/src/api/repos.rs", "tokio::process::Command::new(\"git\")"),
        },
        Rule {
            why: "permission comes out of a journal in one place, the live loop",
            about: |path| {
                !path.starts_with("crates/sentinell-core/")
                    && path.contains("/src/")
                    && !within(path, "crates/sentinell/src/worker")
            },
            breaks: |line| any(line, &[".authorize(", "into_warrant"]),
            offender: ("crates/sentinell/src/api/approve.rs", "let intent = case.authorize(&policy, now)?;"),
        },
    ]
}

fn manners() -> Vec<Rule> {
    vec![
        Rule {
            why: "no shell stands between us and a program",
            about: |path| path.contains("/src/"),
            breaks: |line| {
                any(
                    line,
                    &["\"sh\", \"-c\"", "\"bash\", \"-c\"", "\"sh -c", "new(\"sh\")", "new(\"bash\")", "\"/bin/sh\""],
                )
            },
            offender: ("crates/sentinell-adapters/src/actuators/command.rs", "let argv = vec![\"sh\", \"-c\", line];"),
        },
        Rule {
            why: "a stub is not there: what is not built is not written down as if it were",
            about: |path| path.contains("/src/"),
            breaks: |line| any(line, &["todo!(", "unimplemented!("]),
            offender: ("crates/sentinell/src/digest.rs", "todo!()"),
        },
    ]
}

/// Rooms and the crates that their manifests must not name.
const CLOSED_DOORS: &[(&str, &[&str])] = &[
    ("crates/sentinell-core", &["tokio", "axum", "reqwest", "sqlx", "sentinell-", "rand", "tracing"]),
    ("crates/sentinell-evidence", &["tokio", "axum", "reqwest", "sqlx", "sentinell-", "rand", "chrono"]),
    ("crates/sentinell-adapters", &["sentinell-evidence", "sentinell-sim", "axum"]),
    (
        "crates/sentinell-eval",
        &["tokio", "axum", "reqwest", "sqlx", "sentinell-core", "sentinell-adapters", "sentinell-sim"],
    ),
    ("crates/sentinell-sim", &["sentinell-evidence", "sentinell-adapters", "sqlx", "axum", "reqwest"]),
];

/// Production lines a file may have.
const LONGEST_FILE: usize = 400;

#[test]
fn every_rule_catches_its_offender() {
    for rule in rules() {
        let (path, line) = rule.offender;
        assert!((rule.about)(path) && (rule.breaks)(line), "this rule catches nothing: {}", rule.why);
    }
    assert!(breaks_a_door("[dependencies]\ntokio.workspace = true\n", &["tokio"]).is_some());
    assert!(breaks_a_door("[dependencies]\nserde = \"1\"\n[dev-dependencies]\ntokio = \"1\"\n", &["tokio"]).is_none());
}

#[test]
fn every_file_keeps_the_rules() {
    let rules = rules();
    let mut broken = Vec::new();
    for file in sources() {
        let path = relative(&file);
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in production(&path, &text) {
            for rule in rules.iter().filter(|rule| (rule.about)(&path) && (rule.breaks)(line)) {
                broken.push(format!("{path}:{number}: {}\n    rule: {}", line.trim(), rule.why));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn rooms_keep_their_doors_shut() {
    for (room, banned) in CLOSED_DOORS {
        let manifest = fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        if let Some(line) = breaks_a_door(&manifest, banned) {
            panic!("{room} must not depend on `{line}`");
        }
    }
}

#[test]
fn files_fit_in_one_sitting_and_modules_have_names() {
    let mut broken = Vec::new();
    for file in sources() {
        let path = relative(&file);
        let text = fs::read_to_string(&file).unwrap();
        let lines = production(&path, &text).len();
        if lines > LONGEST_FILE {
            broken.push(format!("{path} has {lines} production lines; split it by subject"));
        }
        if path.ends_with("/mod.rs") {
            broken.push(format!("{path}: name the file after its subject"));
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

fn breaks_a_door<'m>(manifest: &'m str, banned: &[&str]) -> Option<&'m str> {
    let dependencies = manifest.split_once("[dependencies]")?.1;
    let mut lines = dependencies.lines().take_while(|line| !line.starts_with('['));
    lines.find(|line| banned.iter().any(|name| line.starts_with(name)))
}

/// The numbered lines of a file that are production code: no comments, no tests.
fn production<'t>(path: &str, text: &'t str) -> Vec<(usize, &'t str)> {
    if path.ends_with("/tests.rs") || path.contains("/tests/") {
        return vec![];
    }
    let code = text.split("\n#[cfg(test)]").next().unwrap_or(text);
    let numbered = code.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//")).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn relative(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

/// Every Rust file in a `src` folder of the project.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root().join("crates")).unwrap().map(|room| room.unwrap().path().join("src")).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => folders.push(entry),
                false if entry.extension().is_some_and(|extension| extension == "rs") => files.push(entry),
                false => {}
            }
        }
    }
    assert!(files.len() > 30, "the sources were not found");
    files.sort();
    files
}
