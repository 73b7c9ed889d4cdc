//! A program that is talked to: lines in, lines out, for as long as it lives.

use super::{Group, LINGER};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

/// Bytes of its last complaints that are kept.
const COMPLAINTS: usize = 2 << 10;

/// A running program with its standard streams. Dropped, it and everything that it started is killed.
pub struct Dialogue {
    group: Group,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    complaints: Arc<Mutex<Vec<u8>>>,
    listening: JoinHandle<()>,
}

/// Why no line came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It says nothing more: it has ended or closed its output.
    Ended,
    /// A line longer than allowed.
    TooLong,
}

impl Dialogue {
    pub(super) fn with(mut group: Group) -> Option<Self> {
        let (input, output) = (group.child.stdin.take()?, group.child.stdout.take()?);
        let errors = group.child.stderr.take()?;
        let complaints = Arc::new(Mutex::new(vec![]));
        let listening = tokio::spawn(listen(errors, Arc::clone(&complaints)));
        Some(Self { group, input, output: BufReader::new(output), complaints, listening })
    }

    /// Says one line.
    ///
    /// # Errors
    /// When it no longer listens.
    pub async fn say(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.input.write_all(line).await?;
        self.input.write_all(b"\n").await?;
        self.input.flush().await
    }

    /// The next line, of at most `max` bytes, without its end.
    ///
    /// # Errors
    /// [`Silence`]; after a line that was too long it cannot be followed any more.
    pub async fn hear(&mut self, max: usize) -> Result<Vec<u8>, Silence> {
        let mut line = vec![];
        loop {
            let piece = self.output.fill_buf().await.map_err(|_| Silence::Ended)?;
            if piece.is_empty() {
                return Err(Silence::Ended);
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(piece.len());
            if line.len() + taken > max {
                return Err(Silence::TooLong);
            }
            line.extend_from_slice(&piece[..taken]);
            self.output.consume(end.map_or(taken, |end| end + 1));
            if end.is_some() {
                return Ok(line);
            }
        }
    }

    /// Stops it; what it complained about last, lossily decoded.
    pub async fn stop(mut self) -> String {
        self.group.kill();
        let _ = tokio::time::timeout(LINGER, self.group.child.wait()).await;
        let _ = tokio::time::timeout(LINGER, &mut self.listening).await;
        let said = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Reads complaints as long as there are any, so that nobody waits for a full pipe, and keeps the last.
async fn listen(mut errors: ChildStderr, complaints: Arc<Mutex<Vec<u8>>>) {
    let mut piece = vec![0; 4 << 10];
    while let Ok(count @ 1..) = errors.read(&mut piece).await {
        let mut kept = complaints.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&piece[..count]);
        let old = kept.len().saturating_sub(COMPLAINTS);
        kept.drain(..old);
    }
}
