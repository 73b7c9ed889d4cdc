//! Log files and log text given by value (standard input, say): their newest lines.

use crate::text::{arg, known_args, log_lines, one_line};
use sentinell_core::evidence::{Gap, LogLine, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Question, Tool, ToolError};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The newest lines of a stream that are kept.
pub const MAX_LINES: usize = 20_000;
/// The newest bytes of a stream that are read.
pub const MAX_BYTES: u64 = 16 << 20;

/// Where a stream's lines are.
#[derive(Debug, Clone)]
pub enum LogContent {
    /// In a file, read anew at each look.
    File(PathBuf),
    /// Here.
    Text(String),
}

/// One stream that the operator named.
#[derive(Debug, Clone)]
pub struct LogSource {
    /// Its name in questions.
    pub name: String,
    /// Who writes it, for the engine (`service/cart`, a file name).
    pub subject: String,
    /// The lines under suspicion.
    pub content: LogContent,
    /// Lines of a quiet time to compare with.
    pub baseline: Option<LogContent>,
}

/// The tool `log_file`: reads the streams it was given and no others.
#[derive(Debug)]
pub struct LogFile {
    sources: Vec<LogSource>,
    describe: String,
}

impl LogFile {
    /// An eye for these streams.
    pub fn new(sources: Vec<LogSource>) -> Self {
        let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        let describe = format!("reads the newest lines of a log; args: source (one of: {})", names.join(", "));
        Self { sources, describe }
    }
}

impl Tool for LogFile {
    fn name(&self) -> &str {
        "log_file"
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, _case: &Investigation) -> Vec<Question> {
        let question = |source: &LogSource| Question {
            tool: self.name().to_owned(),
            args: BTreeMap::from([("source".to_owned(), source.name.clone())]),
            why: format!("what does {} say?", source.name),
        };
        self.sources.iter().map(question).collect()
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(async move {
            known_args(&query.args, &["source"]).map_err(ToolError::BadQuery)?;
            let name = arg(&query.args, "source").unwrap_or_default();
            let source = self.sources.iter().find(|source| source.name == name).cloned();
            let source = source.ok_or_else(|| ToolError::BadQuery(format!("no log `{}`", one_line(name, 80))))?;
            let read = tokio::task::spawn_blocking(move || look(&source)).await;
            read.map_err(|error| ToolError::Retry(error.to_string()))?
        })
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            for source in &self.sources {
                if let LogContent::File(path) = &source.content {
                    let opened = std::fs::File::open(path).and_then(|file| file.metadata());
                    opened.map_err(|error| ToolError::Denied(format!("{}: {error}", path.display())))?;
                }
            }
            Ok(Some(format!("{} log files can be read", self.sources.len())))
        })
    }
}

fn look(source: &LogSource) -> Result<Observation, ToolError> {
    let mut gaps = vec![];
    let lines = lines(&source.content, &mut gaps)?;
    let baseline = match &source.baseline {
        Some(content) => match self::lines(content, &mut gaps) {
            Ok(lines) => lines,
            Err(error) => {
                gaps.push(Gap { what: format!("baseline of {}", source.name), why: error.to_string() });
                vec![]
            }
        },
        None => vec![],
    };
    let (place, call) = match &source.content {
        LogContent::File(path) => (path.display().to_string(), format!("tail -n {MAX_LINES} {}", path.display())),
        LogContent::Text(_) => (source.name.clone(), format!("the text given as {}", source.name)),
    };
    let telemetry = vec![Telemetry::Logs { subject: source.subject.clone(), source: place, lines, baseline }];
    Ok(Observation { telemetry, gaps, call })
}

fn lines(content: &LogContent, gaps: &mut Vec<Gap>) -> Result<Vec<LogLine>, ToolError> {
    let (text, cut) = match content {
        LogContent::Text(text) => tail_of(text),
        LogContent::File(path) => read_tail(path, MAX_BYTES).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => ToolError::Denied(format!("{}: {error}", path.display())),
            std::io::ErrorKind::NotFound => ToolError::BadQuery(format!("{}: {error}", path.display())),
            _ => ToolError::Retry(format!("{}: {error}", path.display())),
        })?,
    };
    let lines = log_lines(&text, MAX_LINES);
    if cut || lines.len() == MAX_LINES {
        let why =
            format!("only the newest {} lines were read (at most {MAX_LINES} lines, {MAX_BYTES} bytes)", lines.len());
        gaps.push(Gap { what: "older log lines".into(), why });
    }
    Ok(lines)
}

/// The last bytes of a text and whether something was cut off.
fn tail_of(text: &str) -> (String, bool) {
    let mut start = text.len().saturating_sub(usize::try_from(MAX_BYTES).unwrap_or(usize::MAX));
    while !text.is_char_boundary(start) {
        start += 1;
    }
    (text[start..].to_owned(), start > 0)
}

/// The last `max` bytes of a regular file, lossily decoded, from the beginning of a line; and whether there was more.
///
/// # Errors
/// If it cannot be read or is not a regular file.
pub(crate) fn read_tail(path: &Path, max: u64) -> std::io::Result<(String, bool)> {
    let data = std::fs::metadata(path)?;
    if !data.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "not a regular file"));
    }
    let mut file = std::fs::File::open(path)?;
    let start = data.len().saturating_sub(max);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    // The first line is probably not whole.
    let from = if start > 0 { bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) } else { 0 };
    Ok((String::from_utf8_lossy(&bytes[from..]).into_owned(), start > 0))
}
