//! One log file that grows, is rotated by renaming, is truncated in place, or is not there for a while; read from where it
//! was left, in pieces of bounded size.

use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes read at once.
const PIECE: usize = 1 << 20;
/// A longer line is cut; the rest of it is passed over.
pub const LONGEST_LINE: usize = 64 << 10;
/// Bytes at the beginning by which a file is known again.
const HEAD: usize = 64;
/// Rotated files that are looked through for the one that was being read.
const ROTATED: usize = 200;

/// How far a file has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The file's device and inode.
    pub file: (u64, u64),
    /// Bytes that have been read of it.
    pub offset: u64,
    /// Its first bytes, which change when it is truncated and written anew.
    pub head: Vec<u8>,
}

/// A piece of a file: whole lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The lines, without line ends; what is no UTF-8 in them is replaced.
    pub lines: Vec<String>,
    /// Where the piece begins.
    pub begin: Mark,
    /// Where to go on once these lines are taken.
    pub end: Mark,
}

/// Reads one file.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    open: Option<File>,
    mark: Option<Mark>,
    /// Whether a file that was never seen is read from its beginning.
    whole: bool,
    /// Whether the rest of a line that was too long is being passed over.
    skipping: bool,
}

impl Follower {
    /// Goes on at `mark`; without one, at the end of the file, or at its beginning if it is to be read `whole`.
    pub fn new(path: PathBuf, mark: Option<Mark>, whole: bool) -> Self {
        Self { path, open: None, mark, whole, skipping: false }
    }

    /// The next lines; none while there are none. A file that is not there is none yet, not an error.
    ///
    /// # Errors
    /// If the file may not be read.
    pub fn more(&mut self) -> io::Result<Option<Piece>> {
        if self.open.is_none() && !self.find()? {
            return Ok(None);
        }
        self.restart_if_truncated()?;
        if let Some(piece) = self.read(false)? {
            return Ok(Some(piece));
        }
        // At its end: is it still the file that others write to?
        match std::fs::metadata(&self.path) {
            Ok(now) if Some(identity(&now)) == self.mark.as_ref().map(|mark| mark.file) => Ok(None),
            Ok(now) if now.is_file() => {
                // What was written between the last look and the rotation, and a last line without an end.
                let rest = self.read(true)?;
                if rest.is_none() {
                    self.open = None;
                    self.mark = Some(Mark { file: identity(&now), ..Mark::default() });
                }
                Ok(rest)
            }
            _ => Ok(None),
        }
    }

    /// Says that these lines are taken, so that the next ones are read.
    pub fn taken(&mut self, piece: &Piece) {
        self.mark = Some(piece.end.clone());
    }

    /// Where reading goes on.
    pub fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// Opens the file to read from: the one that was left, wherever it has been moved to, or the present one.
    fn find(&mut self) -> io::Result<bool> {
        let Some(now) = known(std::fs::metadata(&self.path))? else {
            // One that comes later has no past.
            self.whole = true;
            return Ok(false);
        };
        if !now.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        match &self.mark {
            None => {
                let offset = if self.whole { 0 } else { now.len() };
                self.mark = Some(Mark { file: identity(&now), offset, head: vec![] });
            }
            Some(mark) if mark.file != identity(&now) => match self.rotated(mark.file) {
                Some(moved) => {
                    self.open = Some(File::open(moved)?);
                    return Ok(true);
                }
                None => self.mark = Some(Mark { file: identity(&now), ..Mark::default() }),
            },
            Some(_) => {}
        }
        self.open = Some(File::open(&self.path)?);
        self.remember_head()?;
        Ok(true)
    }

    /// Where a file of this identity is now, among those whose name begins as ours does.
    fn rotated(&self, file: (u64, u64)) -> Option<PathBuf> {
        let (folder, name) = (self.path.parent()?, self.path.file_name()?.to_str()?);
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let kin = std::fs::read_dir(folder)
            .ok()?
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(|other| other.starts_with(name)));
        let same = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|seen| seen.is_file() && identity(&seen) == file);
        kin.take(ROTATED).map(|entry| entry.path()).find(same)
    }

    /// A file that is shorter than what was read of it, or begins otherwise, was truncated: it is read from its beginning.
    fn restart_if_truncated(&mut self) -> io::Result<()> {
        let (Some(mark), Some(file)) = (&mut self.mark, &mut self.open) else { return Ok(()) };
        let now = file.metadata()?;
        let other = now.len() >= mark.head.len() as u64 && head(file, mark.head.len())? != mark.head;
        if now.len() < mark.offset || other {
            *mark = Mark { file: mark.file, ..Mark::default() };
            self.skipping = false;
        }
        Ok(())
    }

    fn remember_head(&mut self) -> io::Result<()> {
        if let (Some(mark), Some(file)) = (&mut self.mark, &mut self.open)
            && mark.head.is_empty()
            && mark.offset > 0
        {
            let length = usize::try_from(mark.offset).unwrap_or(HEAD).min(HEAD);
            mark.head = head(file, length)?;
        }
        Ok(())
    }

    /// Reads whole lines; with `last`, also one that does not end.
    fn read(&mut self, last: bool) -> io::Result<Option<Piece>> {
        let (Some(mark), Some(file)) = (&self.mark, &mut self.open) else { return Ok(None) };
        let mut bytes = vec![];
        file.seek(SeekFrom::Start(mark.offset))?;
        file.take(PIECE as u64).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut used = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // A line without an end is taken when nothing will be added to it, or when it is too long to wait for.
        let endless = bytes.len() - used > LONGEST_LINE || (used == 0 && bytes.len() > LONGEST_LINE);
        if (last && bytes.len() < PIECE) || endless {
            used = bytes.len();
        }
        if used == 0 {
            return Ok(None);
        }
        let mut lines = vec![];
        let mut skipping = self.skipping;
        for line in bytes[..used].split_inclusive(|byte| *byte == b'\n') {
            let ends = line.ends_with(b"\n");
            if !std::mem::replace(&mut skipping, !ends) {
                let text = &line[..line.len().min(LONGEST_LINE)];
                lines.push(String::from_utf8_lossy(text).trim_end_matches(['\n', '\r']).to_owned());
            }
        }
        let mut end = Mark { offset: mark.offset + used as u64, ..mark.clone() };
        if end.head.is_empty() {
            end.head = head(file, usize::try_from(end.offset).unwrap_or(HEAD).min(HEAD))?;
        }
        // What begins after the last line of a file is a line of its own.
        self.skipping = skipping && !last;
        Ok(Some(Piece { lines, begin: mark.clone(), end }))
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn head(file: &mut File, length: usize) -> io::Result<Vec<u8>> {
    let mut head = vec![];
    file.seek(SeekFrom::Start(0))?;
    file.take(length as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn known<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{OpenOptions, rename, write};
    use std::io::Write;

    fn append(path: &Path, text: &str) {
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Everything that is there now, as if it were taken.
    fn all(follower: &mut Follower) -> Vec<String> {
        let (mut lines, mut calm) = (vec![], 0);
        while calm < 3 {
            match follower.more().unwrap() {
                Some(piece) => {
                    follower.taken(&piece);
                    lines.extend(piece.lines);
                }
                None => calm += 1,
            }
        }
        lines
    }

    #[test]
    fn rotation_and_restarts_lose_nothing_and_repeat_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (log, old) = (folder.path().join("mill.log"), folder.path().join("mill.log.1"));
        let mut follower = Follower::new(log.clone(), None, false);
        assert_eq!(all(&mut follower), Vec::<String>::new(), "not there yet");
        append(&log, "before\n");
        let mut follower = Follower::new(log.clone(), None, false);
        assert_eq!(all(&mut follower), Vec::<String>::new(), "the past is not told");
        append(&log, "one\ntw");
        assert_eq!(all(&mut follower), ["one"]);
        append(&log, "o\nthree");
        assert_eq!(all(&mut follower), ["two"]);
        // Renamed while its writer goes on for a moment.
        rename(&log, &old).unwrap();
        append(&old, " and a half\nfour");
        append(&log, "five\n");
        assert_eq!(all(&mut follower), ["three and a half", "four", "five"]);
        // Rotated while nobody read.
        append(&log, "six\n");
        let kept = follower.mark().unwrap().clone();
        drop(follower);
        rename(&log, folder.path().join("mill.log.2")).unwrap();
        append(&log, "seven\n");
        let mut follower = Follower::new(log.clone(), Some(kept), false);
        assert_eq!(all(&mut follower), ["six", "seven"]);
        std::fs::remove_file(&log).unwrap();
        assert_eq!(all(&mut follower), Vec::<String>::new(), "it went away");
        append(&log, "eight\n");
        assert_eq!(all(&mut follower), ["eight"]);
    }

    #[test]
    fn a_truncated_file_is_read_from_its_beginning_however_fast_it_grows_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("mill.log");
        append(&log, "one\ntwo\n");
        let mut follower = Follower::new(log.clone(), None, true);
        assert_eq!(all(&mut follower), ["one", "two"]);
        write(&log, "3\n").unwrap();
        assert_eq!(all(&mut follower), ["3"]);
        write(&log, "4\nfive, which is longer\n").unwrap();
        assert_eq!(all(&mut follower), ["4", "five, which is longer"]);
    }

    #[test]
    fn a_line_without_an_end_is_cut_and_memory_stays_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("mill.log");
        append(&log, &"x".repeat(3 * PIECE));
        append(&log, "\nafter\n\u{fffd}\n");
        let mut follower = Follower::new(log, None, true);
        let lines = all(&mut follower);
        assert_eq!((lines.len(), lines[0].len(), lines[1].as_str()), (3, LONGEST_LINE, "after"));
    }
}
