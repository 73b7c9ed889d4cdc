//! Standard output, written in one place.

use std::io::{ErrorKind, IsTerminal, Write};

/// Writes text to standard output. A reader that went away (`| head`) is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// Writes a value as indented JSON with a line break.
pub fn print_json(value: &serde_json::Value) -> anyhow::Result<()> {
    print(&format!("{value:#}\n"))
}

/// A passing remark on standard error while something takes time; only where a person watches.
pub fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("… {text}");
    }
}
