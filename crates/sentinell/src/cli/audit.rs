//! `sentinell audit`.

use super::client::{Client, Server};
use super::{block_on, out};
use crate::audit::is_signed;
use crate::config::Surroundings;
use crate::report::Paint;
use crate::report::paint::plain;
use anyhow::{Context, bail};
use sentinell_core::audit::{Auditor, Findings, Head, Line};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXPORT: &str = "\
Examples:
  sentinell audit export > audit.jsonl                # everything, the last line is a head made now
  sentinell audit export --head >> anchors.jsonl      # only that head: keep it where the database's owner cannot reach it
Needs the operator's own token, or one with the role admin.";

const VERIFY: &str = "\
Examples:
  sentinell audit verify audit.jsonl
  sentinell audit verify audit.jsonl --anchors anchors.jsonl --key 3f0c…    # what you kept elsewhere, and the key you trust
  sentinell audit export | sentinell audit verify -
Reads the export alone: every journal's chain, the system stream's, every head over them and its signature. Without anchors a
clean cut at an older head cannot be told from an older export. Exit code 0: everything holds; 1: something does not.";

/// Who did what, verifiable without the server.
#[derive(Debug, clap::Subcommand)]
pub enum Audit {
    /// Write everything as JSON lines to standard output
    #[command(after_help = EXPORT)]
    Export {
        /// Only the newest head, to keep elsewhere
        #[arg(long)]
        head: bool,
        #[command(flatten)]
        server: Server,
    },
    /// Recompute an export's chains and check its signatures
    #[command(after_help = VERIFY)]
    Verify {
        /// The export; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// A public key to trust, in hex (repeatable); default: those that signed, which are shown
        #[arg(long, value_name = "HEX")]
        key: Vec<String>,
        /// Heads kept elsewhere, as `audit export --head` wrote them: each has to be part of the export
        #[arg(long, value_name = "FILE")]
        anchors: Option<PathBuf>,
    },
}

pub(super) fn run(args: Audit, around: &Surroundings) -> anyhow::Result<ExitCode> {
    match args {
        Audit::Export { head, server } => {
            let client = Client::new(&server, around)?;
            let query: &[(&str, &str)] = if head { &[("head", "true")] } else { &[] };
            let mut stdout = std::io::stdout().lock();
            let take = |piece: &[u8]| stdout.write_all(piece).context("standard output");
            block_on(client.stream(&["api", "audit", "export"], query, take))?;
            Ok(ExitCode::SUCCESS)
        }
        Audit::Verify { file, key, anchors } => {
            let anchors = anchors.map(|file| heads(&file)).transpose()?.unwrap_or_default();
            let found = verify(opened(&file)?, &key, anchors)?;
            out::print(&shown(&found, &key, Paint::for_stdout(around)))?;
            Ok(if found.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn opened(file: &Path) -> anyhow::Result<Box<dyn Read>> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    Ok(Box::new(File::open(file).with_context(|| format!("cannot read {}", file.display()))?))
}

/// The heads in a file of anchors.
fn heads(file: &Path) -> anyhow::Result<Vec<Head>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let read = |(number, line): (usize, &str)| match serde_json::from_str(line) {
        Ok(Line::Head(head)) => Ok(head),
        Ok(_) => {
            bail!("{}, line {number}: not a head; write them with `sentinell audit export --head`", file.display())
        }
        Err(error) => bail!("{}, line {number}: {error}", file.display()),
    };
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).map(read).collect()
}

/// Reads an export to its end.
fn verify(export: impl Read, keys: &[String], anchors: Vec<Head>) -> anyhow::Result<Findings> {
    let trusted = |key: &str, digest: &[u8], signature: &str| {
        (keys.is_empty() || keys.iter().any(|known| known.eq_ignore_ascii_case(key)))
            && is_signed(key, digest, signature)
    };
    let mut auditor = Auditor::with_anchors(anchors);
    for (number, line) in (1..).zip(BufReader::new(export).lines()) {
        match serde_json::from_str::<Line>(&line.context("the export cannot be read")?) {
            Ok(line) => auditor.read(&line, &trusted),
            Err(error) => auditor.unreadable(number, &error.to_string()),
        }
    }
    Ok(auditor.finish())
}

fn shown(found: &Findings, keys: &[String], paint: Paint) -> String {
    let Findings { entries, dropped, system_events, heads, .. } = found;
    let mut text = format!(
        "{entries} journal entries ({dropped} of them dropped by retention), {system_events} system events, {heads} heads\n"
    );
    if let Some(last) = &found.last {
        text += &format!("last head: {} of {}, digest {}\n", last.number, last.at, plain(&last.digest, 64));
    }
    for key in &found.keys {
        let how = if keys.is_empty() { "signed by (compare with the key you know)" } else { "signed by" };
        text += &format!("{how}: {}\n", plain(key, 64));
    }
    for what in &found.broken {
        text += &format!("{} {}\n", paint.red("BROKEN"), plain(what, 300));
    }
    text += if found.broken.is_empty() { "everything holds\n" } else { "this is not what was written\n" };
    text
}
