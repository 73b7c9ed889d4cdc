//! One program with arguments that only reads: from a line to an argument vector, and from the vector to a verdict.
//!
//! Whatever is not understood is refused. No shell ever sees a line: what a shell would do to it (pipes, redirections,
//! substitutions, globs, assignments) is refused rather than taken for text, because whoever wrote it meant it. What programs
//! there are and which of their options only read stands in [`catalogue`], in the language of [`rules`].

mod catalogue;
mod judge;
mod paths;
mod rules;
mod sql;
mod values;
mod words;

pub use catalogue::{is_known, names};
pub use judge::judge;
pub use words::split;

/// A command that only reads, as far as its grammar tells. There is no other way to one than [`judge()`]: what was judged is
/// what runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    argv: Vec<String>,
    files: Vec<String>,
    names: Vec<String>,
}

impl Command {
    /// The program's name as the catalogue has it, then its arguments, byte for byte as they run.
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// As a line that reads as this command again, here and in a shell.
    pub fn line(&self) -> String {
        let quoted = |word: &String| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._:/=,@%+-".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', "'\"'\"'"))
            }
        };
        self.argv.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }

    /// Paths that it reads, none of them a known secret's. Whoever runs it has to see that they may be read.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Names that it looks up outside. Whoever runs it has to see that they may be: a name can carry a message.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// Reads a line and judges it: `enabled` says which programs of the catalogue may be used.
///
/// # Errors
/// A sentence for whoever wrote the line: what is refused, and why.
pub fn read(line: &str, enabled: impl Fn(&str) -> bool) -> Result<Command, String> {
    let argv = split(line)?;
    match argv.first() {
        Some(program) if is_known(program) && !enabled(program) => {
            Err(format!("`{program}` is not among the programs that the operator allows (command.programs)"))
        }
        _ => judge(argv),
    }
}
