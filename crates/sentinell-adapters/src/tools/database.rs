//! What the eyes on databases have in common: which one is meant, and how its figures become telemetry.

use crate::text::{LINE_CHARS, arg, head_and_tail, known_args, label, one_line};
use sentinell_core::evidence::{LogLine, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{Question, ToolError};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;

/// Figures of one look that are kept.
const MAX_FIGURES: usize = 300;
/// Lines of one look that are kept.
const MAX_LINES: usize = 100;

/// One database that the operator named.
#[derive(Clone)]
pub struct DatabaseSettings {
    /// Its name in questions.
    pub name: String,
    /// Where it is and who asks; never shown.
    pub url: String,
    /// Whose it is (`service/fair/till-db`).
    pub subject: String,
    /// The services that use it (`service/fair/till`): their incidents look at it, and it is known that they call it.
    pub used_by: Vec<String>,
}

impl DatabaseSettings {
    /// The question about it.
    pub(super) fn question(&self, tool: &str) -> Query {
        let args = BTreeMap::from([("database".to_owned(), self.name.clone())]);
        Query { id: "check".into(), tool: tool.to_owned(), args, why: String::new() }
    }

    /// What an answer to it says about the way to it.
    pub(super) fn checked(&self, seen: Result<Observation, ToolError>) -> Result<String, ToolError> {
        let seen = seen.map_err(|error| match error {
            ToolError::Denied(why) => ToolError::Denied(format!("{}: {why}", self.name)),
            ToolError::Retry(why) => ToolError::Retry(format!("{}: {why}", self.name)),
            ToolError::BadQuery(why) => ToolError::BadQuery(format!("{}: {why}", self.name)),
        })?;
        let down = seen.telemetry.iter().find_map(|one| match one {
            Telemetry::Metric { name, labels, points, .. } if name.ends_with("_up") => {
                let why = labels.get("failed")?;
                points.iter().any(|(_, value)| *value == 0.0).then(|| why.clone())
            }
            _ => None,
        });
        match (down, seen.gaps.first()) {
            (Some(why), _) => Err(ToolError::Retry(format!("{}: {why}", self.name))),
            (None, Some(gap)) => Err(ToolError::Denied(format!("{}: {}: {}", self.name, gap.what, gap.why))),
            (None, None) => Ok(format!("{} answers", self.name)),
        }
    }

    /// Whether the case is about it or about who uses it.
    fn concerns(&self, case: &Investigation) -> bool {
        let service = label(case, &["service", "service_name", "app", "deployment", "job", "container"]);
        let place = label(case, &["namespace"]);
        let same = |subject: &String| {
            let mut parts = subject.trim_start_matches("service/").rsplitn(2, '/');
            let (name, namespace) = (parts.next(), parts.next());
            name == service && (namespace.is_none() || place.is_none() || namespace == place)
        };
        service.is_some() && (service == Some(&self.name) || self.used_by.iter().chain([&self.subject]).any(same))
    }
}

impl std::fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseSettings").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The questions about the databases that a case concerns.
pub(super) fn first_look(tool: &str, all: &[DatabaseSettings], case: &Investigation) -> Vec<Question> {
    let question = |one: &DatabaseSettings| Question {
        tool: tool.to_owned(),
        args: BTreeMap::from([("database".to_owned(), one.name.clone())]),
        why: format!("does {} answer, and who waits for what in it?", one.name),
    };
    all.iter().filter(|one| one.concerns(case)).take(3).map(question).collect()
}

/// The database that a question means; it may be left out where there is one only.
pub(super) fn meant<'d>(all: &'d [DatabaseSettings], query: &Query) -> Result<&'d DatabaseSettings, ToolError> {
    known_args(&query.args, &["database"]).map_err(ToolError::BadQuery)?;
    match (arg(&query.args, "database"), all) {
        (None, [only]) => Ok(only),
        (name, _) => {
            let name = name.unwrap_or_default();
            let found = all.iter().find(|one| one.name == name);
            found.ok_or_else(|| ToolError::BadQuery(format!("no database `{}`", one_line(name, 80))))
        }
    }
}

/// What one look brings, all of one moment.
pub(super) struct Reading<'d> {
    of: &'d DatabaseSettings,
    at: Timestamp,
    source: String,
    figures: Vec<Telemetry>,
    lines: Vec<LogLine>,
}

impl<'d> Reading<'d> {
    pub(super) fn new(of: &'d DatabaseSettings, kind: &str, at: Timestamp) -> Self {
        Self { of, at, source: format!("{kind} {}", of.name), figures: vec![], lines: vec![] }
    }

    /// A figure with its labels.
    pub(super) fn figure(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        if !value.is_finite() || self.figures.len() >= MAX_FIGURES {
            return;
        }
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), one_line(value, 200))).collect();
        let (subject, source) = (self.of.subject.clone(), self.source.clone());
        let points = vec![(self.at.0, value)];
        self.figures.push(Telemetry::Metric { subject, name: name.to_owned(), labels, source, points });
    }

    /// Something that is said in words; `at` is now unless the database tells.
    pub(super) fn line(&mut self, at: Option<Timestamp>, level: &str, text: &str) {
        if self.lines.len() < MAX_LINES {
            let text = head_and_tail(&one_line(text, LINE_CHARS), 1000);
            self.lines.push(LogLine { at: Some(at.unwrap_or(self.at)), level: Some(level.into()), text, trace: None });
        }
    }

    pub(super) fn finish(mut self) -> Observation {
        let mut telemetry = self.figures;
        if !self.lines.is_empty() {
            self.lines.sort_by_key(|line| line.at);
            let (subject, source) = (self.of.subject.clone(), self.source.clone());
            telemetry.push(Telemetry::Logs { subject, source, lines: self.lines, baseline: vec![] });
        }
        let call = |user: &String| Telemetry::Call { caller: user.clone(), callee: self.of.subject.clone() };
        telemetry.extend(self.of.used_by.iter().map(call));
        Observation { telemetry, gaps: vec![], call: self.source }
    }
}
