//! Backup and restore of a database while others write to it.
//!
//! A backup is one SQLite file, a consistent picture of one moment, and beside it a manifest: what is in it and the
//! SHA-256 of the file. Both are readable by their owner only and never replace anything. A backup counts once its
//! manifest is there. That of a server's database is the same kind of file, so either restores into either.

use super::chain;
use super::copy::copy;
use super::db::{Db, newest_migration};
use super::error::StoreError;
use super::{Options, Store};
use sentinell_core::ids::{Actor, IncidentId};
use sentinell_core::policy::KillSwitch;
use sentinell_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, SqliteConnection, SqlitePool};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// How manifests are written; older ones are read.
const FORMAT: u32 = 1;
/// Tables whose rows the manifest counts.
const COUNTED: [&str; 7] = ["incidents", "entries", "signals", "observations", "policies", "repos", "tokens"];

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this description.
    pub format: u32,
    /// Of the program that made it.
    pub version: String,
    /// The newest change of tables in it.
    pub migration: i64,
    /// When it was made.
    pub made_at: Timestamp,
    /// The newest position in it.
    pub position: u64,
    /// Everything up to this position may be incomplete, because retention dropped some of it.
    pub horizon: u64,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
}

/// Why there is no backup, or nothing was restored. Nothing half-done is left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It would replace something, or does not fit; what to do is said.
    #[error("{0}")]
    Refused(String),
    /// What is in the file is not what was put there.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file failed.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

type Result<T> = std::result::Result<T, BackupError>;

/// The manifest's place beside a backup: its name with `.json` at the end.
pub fn manifest_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// Backs the database that `url` names up into `file` while others write to it, looks at every journal's hash chain in
/// the copy, and writes the manifest.
///
/// # Errors
/// [`BackupError::Refused`] if `file` or its manifest exists, or if there is no such database;
/// [`BackupError::Damaged`] if the copy does not hold together.
pub async fn backup(url: &str, file: &Path, now: Timestamp) -> Result<Manifest> {
    let source = sqlite(url)?;
    if let Some(missing) = source.as_ref().map(SqliteConnectOptions::get_filename).filter(|path| !path.exists()) {
        return Err(BackupError::Refused(format!("there is no database {}", missing.display())));
    }
    let manifest_file = manifest_of(file);
    if manifest_file.exists() {
        return Err(BackupError::Refused(format!("{} exists; choose another name", manifest_file.display())));
    }
    create(file)?;
    let made = copy_of(source, url, file, now).await.and_then(|manifest| {
        let text = format!("{:#}\n", serde_json::to_value(&manifest).unwrap_or_default());
        let mut beside = create(&manifest_file)?;
        let written = beside.write_all(text.as_bytes()).and_then(|()| beside.sync_all());
        written.and_then(|()| sync_folder(file)).map_err(in_file(&manifest_file))?;
        Ok(manifest)
    });
    if made.is_err() {
        // What was made a moment ago and is of no use; a failure to remove it changes nothing about that.
        let _ = fs::remove_file(file);
        let _ = fs::remove_file(&manifest_file);
    }
    made
}

async fn copy_of(source: Option<SqliteConnectOptions>, url: &str, file: &Path, now: Timestamp) -> Result<Manifest> {
    // One read transaction in either case: writers go on, and the copy has what was committed before it began.
    match source {
        Some(source) => {
            let mut conn = SqliteConnection::connect_with(&source.create_if_missing(false).read_only(true)).await?;
            sqlx::query("VACUUM INTO $1").bind(text_of(file)?).execute(&mut conn).await?;
            conn.close().await?;
        }
        None => drop(copy(url, &url_of(file)?, &|_, _, _| ()).await?),
    }
    fs::File::open(file).and_then(|file| file.sync_all()).map_err(in_file(file))?;
    let mut manifest = inspect(file).await?;
    (manifest.sha256, manifest.bytes) = digest(file)?;
    manifest.made_at = now;
    Ok(manifest)
}

/// Restores a backup into an empty or missing database. Leases, sessions, tickets and half-answered requests are left
/// out, and the kill switch is pressed: the world has gone on since, and a deed that is ready in the backup may have
/// been done. Deeds under way are looked at, as after a crash.
///
/// # Errors
/// [`BackupError::Refused`] if the target holds something, the manifest is missing or a newer program made it;
/// [`BackupError::Damaged`] if the file is not what its manifest describes.
pub async fn restore(file: &Path, into: &str, now: Timestamp) -> Result<Manifest> {
    let manifest = checked(file).await?;
    if let Some(target) = sqlite(into)? {
        fill(file, target, into, &manifest, now).await?;
        return Ok(manifest);
    }
    // A server gets a copy that has been settled.
    let beside = PathBuf::from(format!("{}.restoring", file.display()));
    let settled = url_of(&beside)?;
    let target = SqliteConnectOptions::from_str(&settled).map_err(StoreError::from)?;
    fill(file, target, &settled, &manifest, now).await?;
    let copied = copy(&settled, into, &|_, _, _| ()).await;
    for ending in ["", "-wal", "-shm"] {
        // Of no use any more; what the copy said counts.
        let _ = fs::remove_file(format!("{}{ending}", beside.display()));
    }
    copied?;
    Ok(manifest)
}

/// Makes an empty or missing SQLite file what the backup holds.
async fn fill(file: &Path, target: SqliteConnectOptions, url: &str, manifest: &Manifest, now: Timestamp) -> Result<()> {
    let path = target.get_filename().to_owned();
    let log = PathBuf::from(format!("{}-wal", path.display()));
    if [&path, &log].iter().any(|path| fs::metadata(path).is_ok_and(|data| data.len() > 0)) {
        let path = path.display();
        return Err(BackupError::Refused(format!("{path} holds something; restore into a new file, then use that")));
    }
    let _ = fs::remove_file(&path);
    let mut copy = create(&path)?;
    let filled = fs::File::open(file).and_then(|mut from| io::copy(&mut from, &mut copy)).and_then(|_| copy.sync_all());
    let done = match filled.and_then(|()| sync_folder(&path)) {
        Ok(()) => settle(target, url, manifest, now).await,
        Err(error) => Err(BackupError::File(path.clone(), error)),
    };
    if done.is_err() {
        // Nothing half-restored stays; a failure to remove it is not worth more than the first failure.
        let _ = fs::remove_file(&path);
    }
    done
}

/// Lets go of what belonged to processes that are no more, and stops deeds.
async fn settle(target: SqliteConnectOptions, url: &str, manifest: &Manifest, now: Timestamp) -> Result<()> {
    let mut conn = SqliteConnection::connect_with(&target).await?;
    let letting_go = [
        "UPDATE wakeups SET holder = NULL, token = NULL, lease_until = NULL, attempts = 0, seq_at_claim = 0",
        "DELETE FROM wakeups WHERE due_at IS NULL",
        "UPDATE outbox SET lease_until = NULL, token = NULL",
        "DELETE FROM sessions",
        "DELETE FROM tickets",
        "DELETE FROM holds",
        "DELETE FROM workers",
        "DELETE FROM idempotency WHERE status IS NULL",
    ];
    for sql in letting_go {
        sqlx::query(sql).execute(&mut conn).await?;
    }
    conn.close().await?;
    let store = Store::open(url, Options::default()).await?;
    let why = format!("restored from a backup of {}; look at what is under way, then release it", manifest.made_at);
    let (_, mut policy) = store.policy().await?;
    policy.kill_switch = Some(KillSwitch { by: "restore".into(), why: why.clone(), at: now });
    let stopped = store.set_policy(policy, &Actor("restore".into()), &why, now).await;
    store.close().await;
    stopped?;
    Ok(())
}

/// The manifest of a backup that is what it says.
async fn checked(file: &Path) -> Result<Manifest> {
    let place = manifest_of(file);
    let text = fs::read(&place).map_err(|error| {
        BackupError::Refused(format!("{}: {error}; a backup without its manifest was never finished", place.display()))
    })?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| BackupError::Damaged(format!("{}: {error}", place.display())))?;
    if manifest.format > FORMAT || manifest.migration > newest_migration() {
        let version = &manifest.version;
        return Err(BackupError::Refused(format!(
            "version {version} made this backup; restore it with that or a newer one"
        )));
    }
    if digest(file)?.0 != manifest.sha256 {
        return Err(BackupError::Damaged(format!("its SHA-256 is not the one in {}", place.display())));
    }
    let found = inspect(file).await?;
    if (found.position, &found.rows) != (manifest.position, &manifest.rows) {
        return Err(BackupError::Damaged("it does not hold what its manifest says".into()));
    }
    Ok(manifest)
}

/// Reads a file that nobody writes to: whether it holds together, every chain of it, and what is in it.
async fn inspect(file: &Path) -> Result<Manifest> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    let found = inspect_in(&pool).await;
    pool.close().await;
    found
}

async fn inspect_in(pool: &SqlitePool) -> Result<Manifest> {
    let said: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(pool).await?;
    if said != "ok" {
        return Err(BackupError::Damaged(said));
    }
    let mut rows = BTreeMap::new();
    for table in COUNTED {
        let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        let count: i64 = sqlx::query_scalar(sql).fetch_one(pool).await?;
        rows.insert(table.to_owned(), super::from_db(count));
    }
    let migration: i64 = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(pool).await?;
    let sql = "SELECT COALESCE(MAX(e.position), 0), COALESCE((SELECT horizon FROM retention), 0) FROM entries e";
    let (position, horizon): (i64, i64) = sqlx::query_as(sql).fetch_one(pool).await?;
    let sql = "SELECT COUNT(*) FROM entries WHERE position > $1";
    let above: i64 = sqlx::query_scalar(sql).bind(horizon).fetch_one(pool).await?;
    if above != (position - horizon).max(0) {
        return Err(BackupError::Damaged("positions are missing in its journals".into()));
    }
    let (db, mut last) = (Db::Sqlite(pool.clone()), String::new());
    let sql = "SELECT id FROM incidents WHERE id > $1 ORDER BY id LIMIT 1000";
    loop {
        let page: Vec<String> = sqlx::query_scalar(sql).bind(&last).fetch_all(pool).await?;
        let Some(end) = page.last() else { break };
        last.clone_from(end);
        for id in page {
            if let Some(seq) = chain::verify(&db, &IncidentId(id.clone())).await?.broken_at {
                return Err(BackupError::Damaged(format!("the journal of {id} is broken at its entry {seq}")));
            }
        }
    }
    Ok(Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        migration,
        made_at: Timestamp(0),
        position: super::from_db(position),
        horizon: super::from_db(horizon),
        rows,
        bytes: 0,
        sha256: String::new(),
    })
}

/// How a file is opened; none for a server.
fn sqlite(url: &str) -> Result<Option<SqliteConnectOptions>> {
    if !url.starts_with("sqlite:") {
        return Ok(None);
    }
    Ok(Some(SqliteConnectOptions::from_str(url).map_err(StoreError::from)?))
}

fn text_of(file: &Path) -> Result<&str> {
    file.to_str().ok_or_else(|| BackupError::Refused("the file's name is not Unicode".into()))
}

fn url_of(file: &Path) -> Result<String> {
    let spelled = text_of(file)?.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Ok(format!("sqlite://{spelled}"))
}

/// A new file that only its owner may read.
fn create(path: &Path) -> Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            BackupError::Refused(format!("{} exists; nothing is replaced, choose another name", path.display()))
        }
        _ => BackupError::File(path.to_owned(), error),
    })
}

fn in_file(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::File(path, error)
}

fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

/// SHA-256 and size of a file.
fn digest(file: &Path) -> Result<(String, u64)> {
    let mut from = fs::File::open(file).map_err(in_file(file))?;
    let (mut digest, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let count = from.read(&mut buffer).map_err(in_file(file))?;
        if count == 0 {
            return Ok((chain::hex(&digest.finalize()), size));
        }
        digest.update(&buffer[..count]);
        size += count as u64;
    }
}
