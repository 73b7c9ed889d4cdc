//! The only place that starts programs: an argument vector, a pinned absolute path, an environment that was listed, a
//! process group of its own that dies as a whole at the deadline, bounded output, no standard input. Who is talked to line
//! by line is a [`Dialogue`].

mod dialogue;

pub use dialogue::{Dialogue, Silence};

use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// How long to wait for the pipes to close after the program itself has ended, before what it left behind is killed.
const LINGER: Duration = Duration::from_secs(1);

/// A program that may be started: where it is and everything it will find around it.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    env: BTreeMap<String, String>,
    directory: PathBuf,
    guard: Option<PathBuf>,
}

/// What one run may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time until the whole process group is killed.
    pub time: Duration,
    /// Bytes kept of its standard output; the rest is read and dropped.
    pub stdout: usize,
    /// Bytes kept of its standard error.
    pub stderr: usize,
}

impl Limits {
    /// A limit in seconds, 64 KiB of output and 16 KiB of errors.
    pub fn seconds(seconds: u64) -> Self {
        Self { time: Duration::from_secs(seconds), stdout: 64 << 10, stderr: 16 << 10 }
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed, lossily decoded.
    pub stdout: String,
    /// What it complained about, lossily decoded.
    pub stderr: String,
    /// Whether some of its standard output was dropped.
    pub truncated: bool,
}

/// Why there is no ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunError {
    /// The program never ran.
    NotStarted(String),
    /// It was killed at the deadline, or its end could not be learned.
    Unfinished(String),
}

impl Program {
    /// A program at an absolute path, with an empty environment, in `/`.
    ///
    /// # Errors
    /// If the path is not absolute or is not a file that can be executed.
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, String> {
        let path = path.into();
        if !path.is_absolute() {
            return Err(format!("{} is not an absolute path", path.display()));
        }
        if !is_executable(&path) {
            return Err(format!("{} is not a program", path.display()));
        }
        Ok(Self { path, env: BTreeMap::new(), directory: PathBuf::from("/"), guard: None })
    }

    /// Looks a name up once in a search path (`PATH`'s value); afterwards it is pinned.
    ///
    /// # Errors
    /// If no absolute folder of the search path holds such a program.
    pub fn find(name: &str, search_path: &OsStr) -> Result<Self, String> {
        if name.contains('/') {
            return Self::at(name);
        }
        let folders = std::env::split_paths(search_path).filter(|folder| folder.is_absolute());
        let found = folders.map(|folder| folder.join(name)).find(|path| is_executable(path));
        Self::at(found.ok_or_else(|| format!("no program `{name}` in the search path"))?)
    }

    /// Exactly these variables and no others.
    #[must_use]
    pub fn with_env(mut self, env: impl IntoIterator<Item = (String, String)>) -> Self {
        self.env = env.into_iter().collect();
        self
    }

    /// One more variable.
    #[must_use]
    pub fn with_var(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The folder it starts in.
    #[must_use]
    pub fn in_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Run under `guard` (coreutils' `timeout`), which keeps the deadline even if this process is killed meanwhile: a
    /// deed must be over when somebody else looks whether it was done.
    #[must_use]
    pub fn with_guard(mut self, guard: &Self) -> Self {
        self.guard = Some(guard.path.clone());
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs it to its end or to the deadline; the program is started when this is first polled. Dropping the future kills
    /// the process group.
    ///
    /// # Errors
    /// [`RunError`]; an exit code other than 0 is not an error here.
    pub async fn run<S: AsRef<OsStr>>(&self, args: &[S], limits: Limits) -> Result<Ended, RunError> {
        let mut group = self.start(args, limits.time, Stdio::null()).map_err(|error| self.not_started(&error))?;
        let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
        match tokio::time::timeout(limits.time, group.finish(stdout, stderr, limits)).await {
            Ok(ended) => ended.map_err(|error| RunError::Unfinished(format!("its end is unknown: {error}"))),
            Err(_) => {
                group.kill();
                let _ = tokio::time::timeout(LINGER, group.child.wait()).await;
                Err(RunError::Unfinished(format!("it was stopped after {:.1} s", limits.time.as_secs_f64())))
            }
        }
    }

    /// Starts it to be talked to; it lives until the dialogue is dropped.
    ///
    /// # Errors
    /// [`RunError::NotStarted`].
    pub fn talk<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Dialogue, RunError> {
        let group = self.start(args, Duration::MAX, Stdio::piped()).map_err(|error| self.not_started(&error))?;
        Dialogue::with(group)
            .ok_or_else(|| RunError::NotStarted(format!("{} has no standard streams", self.path.display())))
    }

    fn not_started(&self, error: &std::io::Error) -> RunError {
        RunError::NotStarted(format!("{} could not be started: {error}", self.path.display()))
    }

    fn start<S: AsRef<OsStr>>(&self, args: &[S], time: Duration, input: Stdio) -> std::io::Result<Group> {
        let mut command = Command::new(self.guard.as_ref().unwrap_or(&self.path));
        if self.guard.is_some() {
            command.args(["--signal=KILL", &format!("{:.3}", time.as_secs_f64())]).arg(&self.path);
        }
        command.args(args).env_clear().envs(&self.env).current_dir(&self.directory).process_group(0);
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = command.spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Group { child, id })
    }
}

/// A running program with everything it starts. Dropped, it is killed.
struct Group {
    child: Child,
    /// None once the group is known to be gone: its number may belong to somebody else by then.
    id: Option<Pid>,
}

impl Group {
    async fn finish(
        &mut self,
        stdout: Option<impl AsyncRead + Unpin>,
        stderr: Option<impl AsyncRead + Unpin>,
        limits: Limits,
    ) -> std::io::Result<Ended> {
        let (mut out, mut err) = (Kept::new(limits.stdout), Kept::new(limits.stderr));
        let status = {
            let reading = async { tokio::join!(out.read(stdout), err.read(stderr)) };
            tokio::pin!(reading);
            tokio::select! {
                _ = &mut reading => self.child.wait().await?,
                status = self.child.wait() => {
                    // Something it started may hold the pipes open; the group still exists in that case only.
                    if tokio::time::timeout(LINGER, &mut reading).await.is_err() {
                        self.kill();
                        let _ = tokio::time::timeout(LINGER, &mut reading).await;
                    }
                    status?
                }
            }
        };
        self.id = None;
        let truncated = out.dropped;
        Ok(Ended { code: status.code(), stdout: out.text(), stderr: err.text(), truncated })
    }

    fn kill(&mut self) {
        if let Some(id) = self.id.take() {
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The first bytes of a stream.
struct Kept {
    bytes: Vec<u8>,
    max: usize,
    dropped: bool,
}

impl Kept {
    fn new(max: usize) -> Self {
        Self { bytes: vec![], max, dropped: false }
    }

    async fn read(&mut self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        let mut buffer = vec![0; 32 << 10];
        // A broken pipe ends the output like its end does.
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            let room = count.min(self.max - self.bytes.len());
            self.bytes.extend_from_slice(&buffer[..room]);
            self.dropped |= room < count;
        }
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_guarded_deed_does_not_outlive_its_deadline_even_if_nobody_is_there_to_stop_it() {
        let guard = Program::at("/usr/bin/timeout").unwrap();
        let deed = Program::at("/bin/sleep").unwrap().with_guard(&guard);
        let group = deed.start(&["60"], Duration::from_millis(200), Stdio::null()).unwrap();
        let pid = group.child.id().unwrap();
        // As good as a killed worker: nobody waits, nobody kills.
        std::mem::forget(group);
        let ended = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat.contains(") Z"),
            Err(_) => true,
        };
        for _ in 0..100 {
            if ended() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the deed goes on");
    }
}
