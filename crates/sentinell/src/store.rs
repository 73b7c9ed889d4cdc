//! What is kept: signals, journals, wake-ups and everything that people register, in one database.
//!
//! The API and the worker meet here and nowhere else. An answer to a write only ever comes after its commit; reads use
//! connections of their own and see whole commits.

mod access;
mod audit;
mod backup;
mod bulk;
mod chain;
mod commands;
mod context;
mod copy;
mod counters;
mod db;
mod deeds;
mod error;
mod holds;
mod idempotency;
mod incidents;
mod intake;
mod journal;
mod look;
mod observations;
mod outbox;
mod partials;
mod policies;
mod queue;
mod registry;
mod regroup;
mod retention;
mod signals;
mod silences;
mod threads;
mod topology;
mod totals;
mod turns;
mod writer;

#[cfg(test)]
mod pace;
#[cfg(test)]
#[path = "../tests/database.rs"]
mod place;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod tests;

pub use access::{Holder, NewToken, Proof, Session, Token};
pub use audit::{By, Whose};
pub use backup::{BackupError, Manifest, backup, manifest_of, restore};
pub use chain::ChainReport;
pub use commands::CommandError;
pub use context::{Due, Found, Kind, Marked, Nearness, Read, Recall, Record};
pub use copy::{Moved, Told, copy};
pub use counters::{Counters, DaySpent};
pub use db::{Db, OnConnect};
pub use deeds::{Basis, House};
pub use error::{Result, StoreError};
pub use idempotency::{Reserved, StoredAnswer};
pub use incidents::{AlertRow, Filter};
pub use intake::{Accept, Receipt};
pub use journal::Stored;
pub use look::Look;
pub use observations::{KeptObservation, Raw};
pub use outbox::{Attempt, Destination, Letter, OutboxCount, OutboxRow};
pub use partials::Partial;
pub use policies::PolicyVersion;
pub use queue::{Lease, WorkerSeen};
pub use registry::{LogSource, Repo, SlackChannel};
pub use regroup::SplitOff;
pub use retention::{Dropped, Expiry, Retention};
pub use signals::TakenSignal;
pub use silences::{MOST_SILENCES, When, Window};
pub use threads::Thread;
pub use topology::Dependencies;
pub use totals::{Disk, Spent, Totals};

use db::{Conn, Target};
use futures::future::BoxFuture;
use sentinell_core::time::Timestamp;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use writer::Writer;

/// Numbers of a store; the defaults fit one machine.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections that read.
    pub readers: u32,
    /// Commands that may wait for the writer; more are answered [`StoreError::Busy`].
    pub queue: usize,
    /// Commands that may share one commit.
    pub group: usize,
    /// What is done with every newly opened connection to SQLite.
    pub on_connect: Option<OnConnect>,
    /// Where notices go; the same in every process, or what one of them appends is told by its list alone.
    pub destinations: Vec<Destination>,
    /// When what is not to open incidents; the same in every process that takes signals in.
    pub windows: Vec<Window>,
    /// What gathers alerts of services that call each other; the same in every process that takes signals in.
    pub dependencies: Dependencies,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 6,
            queue: 4096,
            group: 512,
            on_connect: None,
            destinations: vec![],
            windows: vec![],
            dependencies: Dependencies::default(),
        }
    }
}

/// The store. Clones share its connections.
#[derive(Clone)]
pub struct Store {
    db: Db,
    writer: Writer,
    newest: watch::Receiver<u64>,
    destinations: Arc<[Destination]>,
    quiet: Arc<silences::Quiet>,
    beside: Arc<topology::Beside>,
    partials: partials::Partials,
    budget: policies::Remembered,
    near: Arc<AtomicUsize>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("db", &self.db).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database that `url` names (`sqlite://path`, which is made if it is missing, or
    /// `postgres://user@host/database`) and brings its tables up to date. Several processes may open the same one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it cannot be opened or migrated.
    pub async fn open(url: &str, options: Options) -> Result<Self> {
        let target = Target::parse(url, &options)?;
        target.prepare().await?;
        let conn = target.writer().await?;
        let db = target.readers(options.readers).await?;
        let (committed, newest) = watch::channel(0);
        target.listen(committed.clone());
        let (writer, task) = Writer::start(target, conn, options.queue, options.group, committed.clone());
        let store = Self {
            db,
            writer,
            newest,
            destinations: options.destinations.into(),
            quiet: Arc::new(silences::Quiet::new(options.windows)),
            beside: Arc::new(topology::Beside::new(options.dependencies)),
            partials: partials::Partials::default(),
            budget: Arc::default(),
            near: Arc::default(),
            task: Arc::new(Mutex::new(Some(task))),
        };
        let position = store.last_position().await?;
        committed.send_modify(|known| *known = position.max(*known));
        Ok(store)
    }

    /// Learns the newest committed position of this process, and as a hint, where the database can give one, of others.
    /// What other processes append is found by polling [`Store::last_position`].
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.clone()
    }

    /// Runs short statements that append to no journal and that stand each for itself. SQLite has one writer, whose next
    /// group they join; on a server they pass by the appenders, and each statement is a transaction of its own.
    async fn aside<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        match self.db.lend().await? {
            None => self.writer.write_bare(work).await,
            Some(mut conn) => work(&mut conn).await,
        }
    }

    /// Proves that the database can be read and written now.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn check(&self, now: Timestamp) -> Result<()> {
        self.last_position().await?;
        self.writer.write(move |conn| Box::pin(queue::beat(conn, "readiness".into(), now))).await
    }

    /// Writes waiting for the next commit, and how many may.
    pub fn pressure(&self) -> usize {
        self.writer.waiting()
    }

    /// Whether as many commands wait as may: one more would be [`StoreError::Busy`].
    pub fn is_full(&self) -> bool {
        self.writer.is_full()
    }

    /// Commits what is queued, then closes this process's connections. Every clone becomes useless.
    pub async fn close(&self) {
        self.writer.stop();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = task.await;
        }
        self.db.close().await;
    }
}

/// A count or a number of milliseconds as databases keep it.
fn to_db(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The same, read back.
fn from_db(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The word that serde writes for a plain enum (`self_recovered`).
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// Reads such a word back.
fn read_word<T: serde::de::DeserializeOwned>(word: &str) -> Result<T> {
    Ok(serde_json::from_value(serde_json::Value::String(word.to_owned()))?)
}
