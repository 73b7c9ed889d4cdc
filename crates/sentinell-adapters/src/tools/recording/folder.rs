//! A folder from outside: only regular files directly in it or in its known subfolders, no links, bounded in number and
//! size. What is left out is a gap.

use super::gap;
use crate::tools::recording::Gap;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Files of one subfolder.
const MAX_FILES: usize = 2000;
/// Bytes of one file; of a log the newest.
const MAX_FILE: u64 = 16 << 20;
/// Bytes of one look.
const MAX_TOTAL: u64 = 256 << 20;

/// The folder and what could not be read of it.
pub(super) struct Folder {
    pub root: PathBuf,
    pub gaps: Vec<Gap>,
    left: u64,
}

impl Folder {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), gaps: vec![], left: MAX_TOTAL }
    }

    pub fn gap(&mut self, what: &str, why: &str) {
        // A file of nothing but nonsense must not fill the journal.
        if self.gaps.len() < 200 {
            self.gaps.push(gap(what, why));
        }
    }

    /// The names of files with one of these endings in a subfolder, in order; none if there is no such subfolder.
    pub fn names(&mut self, subfolder: &str, endings: &[&str]) -> Vec<String> {
        let path = self.root.join(subfolder);
        match std::fs::symlink_metadata(&path) {
            Ok(data) if data.is_dir() => {}
            Ok(_) => {
                self.gap(subfolder, "not a folder (links are not followed)");
                return vec![];
            }
            Err(_) => return vec![],
        }
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) => {
                self.gap(subfolder, &error.to_string());
                return vec![];
            }
        };
        let names = entries.flatten().take(10 * MAX_FILES).filter_map(|entry| entry.file_name().into_string().ok());
        let fits =
            |name: &String| name.rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && endings.contains(&end));
        let mut names: Vec<String> = names.filter(fits).collect();
        names.sort();
        if names.len() > MAX_FILES {
            self.gap(subfolder, &format!("{} files; only the first {MAX_FILES} were read", names.len()));
            names.truncate(MAX_FILES);
        }
        names
    }

    /// Whether there is anything at this path.
    pub fn has(&self, path: &str) -> bool {
        std::fs::symlink_metadata(self.root.join(path)).is_ok()
    }

    /// A whole file; none (and a gap, unless it is simply not there) if it cannot be read or is too large.
    pub fn text(&mut self, path: &str) -> Option<String> {
        if !self.has(path) {
            return None;
        }
        self.read(path, false)
    }

    /// The newest part of a file.
    pub fn tail(&mut self, path: &str) -> Option<String> {
        self.read(path, true)
    }

    fn read(&mut self, path: &str, newest: bool) -> Option<String> {
        match self.try_read(path, newest) {
            Ok(text) => Some(text),
            Err(why) => {
                self.gap(path, &why);
                None
            }
        }
    }

    fn try_read(&mut self, path: &str, newest: bool) -> Result<String, String> {
        let (mut file, size) = open(&self.root, path).map_err(|error| error.to_string())?;
        if size > MAX_FILE && !newest {
            return Err(format!("{size} bytes; files are read up to {MAX_FILE}"));
        }
        let start = size.saturating_sub(MAX_FILE);
        let want = size - start;
        self.left = self.left.checked_sub(want).ok_or(format!("more than {MAX_TOTAL} bytes in one recording"))?;
        file.seek(SeekFrom::Start(start)).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        file.take(want).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if start > 0 {
            self.gap(path, &format!("only the newest {MAX_FILE} of {size} bytes were read"));
            let whole = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            bytes.drain(..whole);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Opens a regular file below `root`, following no link on the way down, and says how large it is.
fn open(root: &Path, path: &str) -> std::io::Result<(File, u64)> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut folder: OwnedFd = File::open(root)?.into();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let refused = |why: &str| std::io::Error::new(std::io::ErrorKind::InvalidInput, why.to_owned());
        let kind = FileType::from_raw_mode(statat(&folder, part, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
        if kind == FileType::Symlink {
            return Err(refused("links are not followed"));
        }
        let last = parts.peek().is_none();
        let expected = if last { FileType::RegularFile } else { FileType::Directory };
        if kind != expected {
            return Err(refused("not a regular file"));
        }
        folder = openat(&folder, part, flags, Mode::empty())?;
    }
    let file = File::from(folder);
    let data = file.metadata()?;
    Ok((file, data.len()))
}
