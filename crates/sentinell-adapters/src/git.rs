//! git, started so that nothing runs but git itself: no hooks, no helpers, no pager, no prompt, none of the machine's or the
//! user's settings. What the eye and the hand on repositories share.

use crate::process::{Ended, Limits, Program, RunError};

/// What every call is given, whatever the repository's own configuration says.
const SETTINGS: [&str; 13] = [
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.symlinks=false",
    "protocol.ext.allow=never",
    "http.followRedirects=false",
    "credential.helper=",
    "log.showSignature=false",
    "gpg.program=/bin/false",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// The program with what keeps it harmless.
#[derive(Clone)]
pub(crate) struct HarmlessGit {
    program: Program,
}

impl HarmlessGit {
    /// The program's environment is extended by what keeps git harmless.
    pub fn new(program: Program) -> Self {
        let program = program
            .with_var("GIT_TERMINAL_PROMPT", "0")
            .with_var("GIT_CONFIG_NOSYSTEM", "1")
            .with_var("GIT_CONFIG_GLOBAL", "/dev/null")
            .with_var("GIT_ATTR_NOSYSTEM", "1")
            .with_var("GIT_NO_LAZY_FETCH", "1")
            .with_var("GIT_NO_REPLACE_OBJECTS", "1")
            .with_var("GIT_OPTIONAL_LOCKS", "0")
            .with_var("LC_ALL", "C.UTF-8");
        Self { program }
    }

    /// One more variable.
    #[must_use]
    pub fn with_var(self, name: &str, value: &str) -> Self {
        Self { program: self.program.with_var(name, value) }
    }

    /// Runs it; `protocol` is the only one it may speak (empty: it stays here).
    ///
    /// # Errors
    /// [`RunError`]; an exit code other than 0 is not an error here.
    pub async fn run<S: AsRef<str>>(&self, args: &[S], protocol: &str, limits: Limits) -> Result<Ended, RunError> {
        let mut argv = vec!["--no-pager"];
        argv.extend(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        argv.extend(args.iter().map(AsRef::as_ref));
        let program = self.program.clone().with_var("GIT_ALLOW_PROTOCOL", protocol);
        program.run(&argv, limits).await
    }
}

/// Whether this is the whole name of an object, in lower-case hex.
pub(crate) fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
