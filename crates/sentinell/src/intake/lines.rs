//! Log lines by the thousand, as collectors and files bring them: those that are bad enough become one signal for each kind
//! of line, through the same template as a single log message; the others are counted and let go.

use super::{Incoming, LABELS_LIMIT, Receipt, TITLE_LIMIT, logs, text};
use sentinell_core::ids::Fingerprint;
use sentinell_core::redact::redact;
use sentinell_core::signal::{Severity, SignalType};
use sentinell_core::time::Timestamp;
use sentinell_evidence::case::Level;
use sentinell_evidence::logs::{Form, Forms};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Kinds of lines that one delivery may tell of; lines of further kinds are turned away.
pub const KINDS: usize = 512;
/// A sender's clock that is further ahead than this is not believed.
const AHEAD_MILLIS: i64 = 5 * 60 * 1000;
/// What is older than this is told as of now: it was late, or its clock is wrong.
const BEHIND_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Who wrote the lines that follow: one resource, one stream, one file.
#[derive(Debug, Clone, Default)]
pub struct Place {
    labels: BTreeMap<String, String>,
    repo_id: Option<String>,
    /// Told apart within one delivery.
    number: u32,
}

/// One line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Line<'a> {
    /// The message.
    pub text: &'a str,
    /// How loud it is, where its sender or its text tells.
    pub level: Option<Level>,
    /// When it was written, Unix milliseconds.
    pub at: Option<i64>,
    /// The trace that it was written in, as hexadecimal digits.
    pub trace: &'a str,
    /// What belongs to the message and stands elsewhere, as a stack trace does.
    pub more: &'a str,
}

/// Lines of one kind.
#[derive(Debug)]
struct Kind {
    fingerprint: Fingerprint,
    template: String,
    labels: BTreeMap<String, String>,
    repo_id: Option<String>,
    place: u32,
    level: Level,
    message: String,
    trace: String,
    lines: u64,
    first: Option<i64>,
    last: Option<i64>,
}

/// What a delivery brought, by kind.
#[derive(Debug)]
pub struct Lines {
    threshold: Level,
    kinds: Vec<Kind>,
    /// By what makes lines one kind, whoever wrote them.
    known: HashMap<String, usize>,
    forms: Forms,
    /// The same for lines of one place, without a word of text.
    seen: HashMap<(u32, Form), usize>,
    places: u32,
    /// Lines below the threshold.
    pub below: u64,
    /// Lines that belong to a kind.
    pub told: u64,
    /// Lines that were one kind too many.
    pub rejected: u64,
}

impl Lines {
    /// Nothing yet; lines below `threshold` will only be counted.
    pub fn new(threshold: Level) -> Self {
        Self {
            threshold,
            kinds: vec![],
            known: HashMap::new(),
            forms: Forms::default(),
            seen: HashMap::new(),
            places: 0,
            below: 0,
            told: 0,
            rejected: 0,
        }
    }

    /// Somebody who writes. Labels are cleaned and bounded here.
    pub fn place<'a>(
        &mut self,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        repo_id: Option<String>,
    ) -> Place {
        self.places = self.places.saturating_add(1);
        let clean = |(name, value): (&str, &str)| (text::line(name, TITLE_LIMIT), text::line(value, TITLE_LIMIT));
        let labels = labels.into_iter().take(LABELS_LIMIT).map(clean);
        let labels = labels.filter(|(name, value)| !name.is_empty() && !value.is_empty()).collect();
        Place { labels, repo_id, number: self.places }
    }

    /// Whether a line of this level would be told; where it is not known the text has to be looked at.
    pub fn wants(&self, level: Option<Level>) -> bool {
        level.is_none_or(|level| level >= self.threshold)
    }

    /// Counts a line that is not worth looking at.
    pub fn let_go(&mut self) {
        self.below += 1;
    }

    /// Takes a line in.
    pub fn add(&mut self, place: &Place, line: Line<'_>) {
        let level = line.level.or_else(|| sentinell_evidence::logs::level::level_of(line.text));
        let Some(level) = level.filter(|level| *level >= self.threshold) else { return self.let_go() };
        let first = text::first_line(line.text);
        let first = redact(&first);
        let form = (place.number, self.forms.of(&first));
        if let Some(kind) = self.seen.get(&form).and_then(|index| self.kinds.get_mut(*index)) {
            kind.again(place, level, line.at);
            self.told += 1;
            return;
        }
        let template = self.forms.text(&first);
        match self.index_of(place, level, line, template) {
            Some(index) => {
                self.seen.insert(form, index);
                self.told += 1;
            }
            None => self.rejected += 1,
        }
    }

    /// The kind of a line, which it counts in or begins; none if that would be one too many.
    fn index_of(&mut self, place: &Place, level: Level, line: Line<'_>, template: String) -> Option<usize> {
        let whose = |name: &str| place.labels.get(name).map_or("", String::as_str);
        let (service, namespace) = (whose("service"), whose("namespace"));
        let key = format!("{}\u{1f}{service}\u{1f}{namespace}\u{1f}{template}", place.repo_id.as_deref().unwrap_or(""));
        if let Some(index) = self.known.get(&key).copied() {
            self.kinds.get_mut(index)?.again(place, level, line.at);
            return Some(index);
        }
        let index = self.kinds.len();
        if index >= KINDS {
            return None;
        }
        let fingerprint = logs::fingerprint_of(place.repo_id.as_deref(), None, &place.labels, &template);
        self.known.insert(key, index);
        self.kinds.push(Kind::new(place, level, line, template, fingerprint));
        Some(index)
    }

    /// How many signals it makes.
    pub fn kinds(&self) -> usize {
        self.kinds.len()
    }

    /// The signals, each with the number of lines it stands for; `receipt` tells of the arrival of the one with this number.
    pub fn into_signals<E>(
        self,
        source: &str,
        mut receipt: impl FnMut(usize) -> Result<Receipt, E>,
    ) -> Result<Vec<(Incoming, u64)>, E> {
        let signal = |(index, kind): (usize, Kind)| Ok((kind.lines, kind.incoming(source, receipt(index)?)));
        self.kinds.into_iter().enumerate().map(signal).map(|done| done.map(|(lines, signal)| (signal, lines))).collect()
    }
}

impl Kind {
    fn new(place: &Place, level: Level, line: Line<'_>, template: String, fingerprint: Fingerprint) -> Self {
        let message = match line.more {
            "" => text::block(line.text, super::TEXT_LIMIT),
            more => text::block(&format!("{}\n{more}", line.text), super::TEXT_LIMIT),
        };
        Self {
            fingerprint,
            template,
            labels: place.labels.clone(),
            repo_id: place.repo_id.clone(),
            place: place.number,
            level,
            message,
            trace: text::line(line.trace, 64),
            lines: 1,
            first: line.at,
            last: line.at,
        }
    }

    /// One more line. What only some of its writers have is no label of the kind.
    fn again(&mut self, place: &Place, level: Level, at: Option<i64>) {
        self.lines += 1;
        self.level = self.level.max(level);
        self.first = self.first.into_iter().chain(at).min();
        self.last = self.last.into_iter().chain(at).max();
        if self.place != place.number {
            self.place = place.number;
            self.labels.retain(|name, value| place.labels.get(name) == Some(value));
        }
    }

    fn incoming(self, source: &str, receipt: Receipt) -> Incoming {
        let mut signal = receipt.signal(SignalType::Log, source, &self.message, &self.message);
        signal.severity = severity(self.level);
        signal.labels = self.labels;
        signal.repo_id = self.repo_id;
        let now = signal.received_at.0;
        let believed = |at: &i64| (now - BEHIND_MILLIS..=now + AHEAD_MILLIS).contains(at);
        signal.occurred_at = self.first.filter(believed).map_or(signal.received_at, Timestamp);
        let time = |at: Option<i64>| at.filter(|at| (0..=MOST_MILLIS).contains(at)).map(|at| Timestamp(at).to_string());
        let mut told = json!({"lines": self.lines, "template": self.template});
        for (name, value) in [("first_at", time(self.first)), ("last_at", time(self.last))] {
            if let (Some(value), Some(told)) = (value, told.as_object_mut()) {
                told.insert(name.into(), Value::String(value));
            }
        }
        if let (false, Some(told)) = (self.trace.is_empty(), told.as_object_mut()) {
            told.insert("trace_id".into(), Value::String(self.trace));
        }
        signal.metadata = told;
        Incoming { signal, fingerprint: self.fingerprint }
    }
}

/// The year 2100.
const MOST_MILLIS: i64 = 4_102_444_800_000;

fn severity(level: Level) -> Severity {
    match level {
        Level::Fatal => Severity::Critical,
        Level::Error => Severity::High,
        Level::Warn => Severity::Medium,
        Level::Info | Level::Debug => Severity::Low,
    }
}

/// A word for a level as loggers write it.
pub fn level_word(word: &str) -> Option<Level> {
    match word.trim().to_ascii_lowercase().as_str() {
        "trace" | "debug" | "dbg" | "trace2" | "debug2" | "finest" | "finer" | "fine" => Some(Level::Debug),
        "info" | "information" | "informational" | "notice" | "inf" | "config" => Some(Level::Info),
        "warn" | "warning" | "wrn" => Some(Level::Warn),
        "error" | "err" | "eror" | "severe" | "failure" => Some(Level::Error),
        "fatal" | "critical" | "crit" | "alert" | "emerg" | "emergency" | "panic" | "dpanic" => Some(Level::Fatal),
        _ => None,
    }
}

/// A line that is a JSON object, as loggers write it.
#[derive(Debug, Default)]
pub struct Structured {
    /// The message; the whole line if none is told.
    pub message: Option<String>,
    /// Its level.
    pub level: Option<Level>,
    /// When it was written, Unix milliseconds.
    pub at: Option<i64>,
    /// A stack trace that stands beside the message.
    pub more: String,
    /// Its trace.
    pub trace: String,
}

/// Reads a line that is a JSON object; none if it is no such line.
pub fn structured(line: &str) -> Option<Structured> {
    let line = line.trim();
    if !line.starts_with('{') || !line.ends_with('}') {
        return None;
    }
    let body: Value = serde_json::from_str(line).ok()?;
    Some(fields(&body))
}

/// What a structured message says, under the names that loggers use.
pub(super) fn fields(body: &Value) -> Structured {
    let said = super::payload::Payload(body);
    let first = |pointers: &[&str]| Some(said.first(pointers)).filter(|text| !text.is_empty()).map(str::to_owned);
    let level =
        said.first(&["/level", "/severity", "/log.level", "/log/level", "/levelname", "/lvl", "/severity_text"]);
    let time = ["/time", "/timestamp", "/@timestamp", "/ts", "/t", "/asctime"].iter().find_map(|name| said.time(name));
    let pino = |number: u64| match number {
        ..30 => Level::Debug,
        30..40 => Level::Info,
        40..50 => Level::Warn,
        50..60 => Level::Error,
        60.. => Level::Fatal,
    };
    let number = body.get("level").and_then(Value::as_u64).filter(|number| (10..=60).contains(number)).map(pino);
    let text = |pointers: &[&str]| said.first(pointers).to_owned();
    Structured {
        message: first(&["/msg", "/message", "/event", "/log", "/body", "/error", "/err", "/error/message"]),
        level: level_word(level).or(number),
        at: time.map(|at| at.0),
        more: text(&["/stack", "/stack_trace", "/stacktrace", "/exc_info", "/exception", "/error/stack", "/err/stack"]),
        trace: text(&["/trace_id", "/traceId", "/trace.id", "/traceid"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Line<'_> {
        Line { text, level: Some(Level::Error), ..Line::default() }
    }

    fn signals(lines: Lines) -> Vec<(Incoming, u64)> {
        lines.into_signals("otlp", |_| Ok::<_, ()>(crate::intake::tests::receipt())).unwrap()
    }

    #[test]
    fn lines_of_a_kind_are_one_signal_that_says_how_many() {
        let mut lines = Lines::new(Level::Error);
        let east = lines.place([("service", "mill"), ("pod", "mill-1")], None);
        let west = lines.place([("service", "mill"), ("pod", "mill-2")], None);
        for (n, place) in [&east, &west, &east].into_iter().enumerate() {
            let at = Some(1_795_348_800_000 + n as i64);
            lines.add(place, Line { at, ..error(&format!("wheel {n} jams after {n}7 ms")) });
        }
        lines.add(&east, Line { level: Some(Level::Fatal), ..error("the weir broke") });
        lines.add(&east, Line { level: Some(Level::Warn), ..error("the water is low") });
        lines.add(&east, Line { level: None, ..error("12:00 all is well") });
        lines.add(&east, Line { level: None, ..error("level=error msg=\"no grain\"") });
        assert_eq!((lines.told, lines.below, lines.rejected), (5, 2, 0));
        let signals = signals(lines);
        let (wheel, count) = &signals[0];
        assert_eq!((signals.len(), *count, wheel.signal.severity), (3, 3, Severity::High));
        assert_eq!(wheel.signal.labels, [("service".to_owned(), "mill".to_owned())].into(), "pods differ");
        assert_eq!(wheel.signal.occurred_at.0, 1_795_348_800_000);
        assert_eq!(wheel.signal.metadata["lines"], 3);
        assert_eq!(signals[1].0.signal.severity, Severity::Critical);
    }

    #[test]
    fn a_collected_line_is_the_same_alert_as_a_posted_one_and_keeps_no_secret() {
        let mut lines = Lines::new(Level::Error);
        let place = lines.place([("service", "mill"), ("namespace", "valley")], None);
        lines.add(&place, error("login failed with password=hunter2-hunter2 after 3 tries"));
        lines.add(&place, error("login failed with password=another-Secret9 after 4 tries"));
        let signals = signals(lines);
        assert_eq!(signals.len(), 1, "a secret makes no other kind");
        let kept = serde_json::to_string(&signals[0].0.signal).unwrap();
        assert!(!kept.contains("hunter2"), "{kept}");
        let log = logs::LogMessage {
            message: "login failed with password=a-third-Secret7 after 5 tries".into(),
            repo_id: None,
            source_id: None,
            level: None,
            occurred_at: None,
            metadata: json!({"service": "mill", "namespace": "valley"}),
        };
        assert_eq!(signals[0].0.fingerprint, logs::incoming(log, crate::intake::tests::receipt()).fingerprint);
    }

    #[test]
    fn one_delivery_tells_of_so_many_kinds_and_no_more() {
        let mut lines = Lines::new(Level::Error);
        let place = lines.place([], None);
        let word =
            |n: usize| -> String { (0..4).map(|at| char::from(b'g' + (n / 13_usize.pow(at) % 13) as u8)).collect() };
        for n in 0..KINDS + 100 {
            lines.add(&place, error(&word(n)));
        }
        assert_eq!((lines.kinds(), lines.rejected), (KINDS, 100));
    }

    #[test]
    fn loggers_name_things_differently() {
        for (line, message, level) in [
            (r#"{"level":"error","msg":"no grain","time":"2026-11-22T12:00:00Z"}"#, "no grain", Some(Level::Error)),
            (r#"{"severity":"CRITICAL","message":"no grain"}"#, "no grain", Some(Level::Fatal)),
            (r#"{"level":50,"msg":"no grain","stack":"at mill"}"#, "no grain", Some(Level::Error)),
            (r#"{"log":{"level":"warn"},"message":"no grain"}"#, "no grain", Some(Level::Warn)),
        ] {
            let read = structured(line).unwrap();
            assert_eq!((read.message.as_deref(), read.level), (Some(message), level), "{line}");
        }
        assert!(structured("[1]").is_none() && structured("{nonsense}").is_none());
    }
}
