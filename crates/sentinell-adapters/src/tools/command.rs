//! One program with arguments, where no other eye looks: a line that the grammar of `sentinell_core::command` knows as a read,
//! of a program that the operator allows by name. The vector that was judged is what runs, byte for byte: pinned program, listed
//! environment, no shell, no standard input, a time and an end of output.

mod reach;

pub use reach::Reach;

use crate::process::{Ended, Limits, Program, RunError};
use crate::text::{LINE_CHARS, arg, clip, head_and_tail, known_args, one_line};
use sentinell_core::command::{Command, read};
use sentinell_core::evidence::{Gap, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Question, Tool, ToolError};
use std::collections::BTreeMap;
use tokio::sync::Semaphore;

/// Seconds until a command is stopped.
const SECONDS: u64 = 20;
/// Bytes of output that are kept.
const OUTPUT: usize = 256 << 10;
/// Lines of it that are told on.
const LINES: usize = 2000;
/// Commands at once, of all investigations.
const AT_ONCE: usize = 4;
/// What every program finds around it besides what the operator's own programs find: no pager, no prompt, nobody called home,
/// and git without what a repository's configuration could start.
const AROUND: [(&str, &str); 26] = [
    ("LC_ALL", "C.UTF-8"),
    ("PAGER", "cat"),
    ("SYSTEMD_PAGER", "cat"),
    ("SYSTEMD_COLORS", "0"),
    ("AWS_PAGER", ""),
    ("AZURE_CORE_COLLECT_TELEMETRY", "0"),
    ("CHECKPOINT_DISABLE", "1"),
    ("CLOUDSDK_CORE_DISABLE_PROMPTS", "1"),
    ("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "1"),
    ("DOCKER_CLI_HINTS", "false"),
    ("GH_NO_UPDATE_NOTIFIER", "1"),
    ("GH_PROMPT_DISABLED", "1"),
    ("GIT_ALLOW_PROTOCOL", ""),
    ("GIT_CONFIG_COUNT", "4"),
    ("GIT_CONFIG_KEY_0", "core.fsmonitor"),
    ("GIT_CONFIG_VALUE_0", "false"),
    ("GIT_CONFIG_KEY_1", "core.hooksPath"),
    ("GIT_CONFIG_VALUE_1", "/dev/null"),
    ("GIT_CONFIG_KEY_2", "gpg.program"),
    ("GIT_CONFIG_VALUE_2", "/bin/false"),
    ("GIT_CONFIG_KEY_3", "diff.ignoreSubmodules"),
    ("GIT_CONFIG_VALUE_3", "all"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
];

/// The tool `command`.
pub struct Commands {
    programs: BTreeMap<String, Program>,
    reach: Reach,
    room: Semaphore,
    describe: String,
}

/// A command on its way: exactly what is started.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The program, pinned, with its environment.
    pub program: Program,
    /// Its arguments.
    pub args: Vec<String>,
}

impl Commands {
    /// An eye through these programs, by the names that the grammar has for them.
    pub fn new(programs: BTreeMap<String, Program>, reach: Reach) -> Self {
        let around =
            |program: Program| AROUND.iter().fold(program, |program, (name, value)| program.with_var(name, value));
        let programs: BTreeMap<String, Program> =
            programs.into_iter().map(|(name, program)| (name, around(program))).collect();
        let names: Vec<&str> = programs.keys().map(String::as_str).collect();
        let describe = format!(
            "runs one program that only reads, without a shell (no pipes, no patterns, no variables); args: command (a line such as \
             `{} -h`); programs: {}; {}",
            names.first().copied().unwrap_or("df"),
            names.join(", "),
            reach.describe()
        );
        Self { programs, reach, room: Semaphore::new(AT_ONCE), describe }
    }

    /// Judges a line and prepares what it starts.
    ///
    /// # Errors
    /// [`ToolError::BadQuery`] for what is no read, [`ToolError::Denied`] for what the operator would have to allow.
    pub fn prepare(&self, line: &str) -> Result<(Command, Prepared), ToolError> {
        let command = read(line, |name| self.programs.contains_key(name)).map_err(ToolError::BadQuery)?;
        let (name, args) =
            command.argv().split_first().ok_or_else(|| ToolError::BadQuery("nothing to run".to_owned()))?;
        let program = self.programs.get(name).ok_or_else(|| ToolError::Denied(format!("`{name}` is not allowed")))?;
        let program = self.reach.allows(&command, program.clone())?;
        let args = args.to_vec();
        Ok((command, Prepared { program, args }))
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        known_args(&query.args, &["command"]).map_err(ToolError::BadQuery)?;
        let line = arg(&query.args, "command").ok_or_else(|| ToolError::BadQuery("command: which one?".to_owned()))?;
        let (command, Prepared { program, args }) = self.prepare(line)?;
        let _room = self.room.acquire().await.map_err(|error| ToolError::Retry(error.to_string()))?;
        let limits = Limits { stdout: OUTPUT, ..Limits::seconds(SECONDS) };
        let ended = program.run(&args, limits).await.map_err(|error| match error {
            RunError::NotStarted(why) => ToolError::Denied(why),
            RunError::Unfinished(why) => ToolError::BadQuery(format!("{why}; ask for something that ends")),
        })?;
        Ok(told(&command, &ended))
    }
}

/// What a command printed, and how it ended where that says something.
fn told(command: &Command, ended: &Ended) -> Observation {
    let call = command.line();
    let mut lines: Vec<String> = ended.stdout.lines().map(|line| head_and_tail(line.trim_end(), LINE_CHARS)).collect();
    let mut gaps = vec![];
    if ended.truncated || lines.len() > LINES {
        let why = format!("one look keeps {} KiB and {LINES} lines; ask more narrowly", OUTPUT >> 10);
        gaps.push(Gap { what: format!("the rest of `{}`", clip(&call, 100)), why });
        if let Some(left_out) = lines.len().checked_sub(LINES).filter(|more| *more > 0) {
            let told = [format!("… {left_out} lines left out …")];
            drop(lines.splice(LINES / 2..LINES / 2 + left_out, told));
        }
    }
    if ended.code != Some(0) {
        let code = ended.code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
        lines.push(format!("{code}: {}", one_line(&ended.stderr, 600)).trim_end_matches([' ', ':']).to_owned());
    }
    let subject = command.argv().first().cloned().unwrap_or_default();
    Observation { telemetry: vec![Telemetry::Text { subject, source: call.clone(), lines }], gaps, call }
}

impl Tool for Commands {
    fn name(&self) -> &str {
        "command"
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, _: &Investigation) -> Vec<Question> {
        vec![]
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let names: Vec<&str> = self.programs.keys().map(String::as_str).collect();
            Ok(Some(format!("{} may be run where they only read; {}", names.join(", "), self.reach.describe())))
        })
    }
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commands").field("programs", &self.programs.keys()).finish_non_exhaustive()
    }
}
