//! The public files, unpacked from the archive that `SENTINELL_SHARED` names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One public log.
pub struct File {
    pub name: String,
    pub lines: Vec<String>,
}

/// All files of the archive by name, or nothing (said aloud) where there is no archive.
#[expect(clippy::disallowed_methods, reason = "a test reads its data from outside the engine")]
pub fn files() -> Option<Vec<File>> {
    let shared = std::env::var("SENTINELL_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let archive = shared.join("data/loghub2k-dev.tar.xz");
    if !archive.is_file() {
        eprintln!("SKIPPED: no {} (set SENTINELL_SHARED)", archive.display());
        return None;
    }
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("sentinell-loghub-{}-{turn}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let unpacked = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(&folder).status().unwrap();
    assert!(unpacked.success(), "tar could not read {}", archive.display());
    let mut files = Vec::new();
    collect(&folder, &mut files);
    std::fs::remove_dir_all(&folder).unwrap();
    files.sort_by(|a: &File, b| a.name.cmp(&b.name));
    assert!(!files.is_empty(), "no log in {}", archive.display());
    Some(files)
}

#[expect(clippy::disallowed_methods, reason = "a test reads its data from outside the engine")]
fn collect(folder: &Path, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "log") {
            let bytes = std::fs::read(&path).unwrap();
            let lines = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
            files.push(File { name: path.file_stem().unwrap().to_string_lossy().into_owned(), lines });
        }
    }
}
