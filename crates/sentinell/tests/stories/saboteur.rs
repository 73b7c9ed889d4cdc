//! A disk that fails at a call of one's choosing. Nothing in the store knows of it: SQLite itself is told to give up, by
//! its progress handler (at the end of a statement, so that a commit fails after it has happened) and its commit hook
//! (so that it fails before).

use sentinell::store::OnConnect;
use sqlx::SqliteConnection;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};

/// Statements that have ended, of all connections: between two of them a connection begins a new one.
static ENDED: AtomicU64 = AtomicU64::new(0);

/// Counts the statements that sqlx says have ended.
struct Counter;

impl tracing::Subscriber for Counter {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("sqlx::query")
    }
    fn event(&self, _: &tracing::Event<'_>) {
        ENDED.fetch_add(1, Ordering::SeqCst);
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// When a commit that is struck fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// Before it happens: nothing is kept.
    Refused,
    /// After it happened: everything is kept, and nobody is told.
    Unknown,
}

struct Plan {
    calls: AtomicU64,
    armed: AtomicBool,
    first: AtomicU64,
    length: AtomicU64,
    struck: AtomicU64,
    unknown: AtomicBool,
}

/// Strikes a window of the store's calls: begins, statements, commits, reads and new connections alike.
#[derive(Clone)]
pub struct Saboteur(Arc<Plan>);

impl Saboteur {
    /// Strikes `length` calls from the `first` (1 is the first after [`Saboteur::arm`]).
    pub fn striking(first: u64, length: u64, commits: Commits) -> Self {
        static COUNTING: Once = Once::new();
        COUNTING.call_once(|| drop(tracing::subscriber::set_global_default(Counter)));
        let saboteur = Self(Arc::new(Plan {
            calls: AtomicU64::new(0),
            armed: AtomicBool::new(false),
            first: AtomicU64::new(0),
            length: AtomicU64::new(0),
            struck: AtomicU64::new(0),
            unknown: AtomicBool::new(false),
        }));
        saboteur.strike(first, length, commits);
        saboteur
    }

    /// Counts the calls and strikes none.
    pub fn idle() -> Self {
        Self::striking(0, 0, Commits::Refused)
    }

    /// Strikes `length` calls, the `first` of those that are to come.
    pub fn strike(&self, first: u64, length: u64, commits: Commits) {
        self.0.first.store(self.calls() + first, Ordering::SeqCst);
        self.0.unknown.store(commits == Commits::Unknown, Ordering::SeqCst);
        self.0.length.store(length, Ordering::SeqCst);
    }

    /// From now on calls count.
    pub fn arm(&self) {
        self.0.armed.store(true, Ordering::SeqCst);
    }

    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub fn struck(&self) -> u64 {
        self.0.struck.load(Ordering::SeqCst)
    }

    /// One more call; whether it fails.
    fn call(&self) -> bool {
        if !self.0.armed.load(Ordering::SeqCst) {
            return false;
        }
        let call = self.0.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let first = self.0.first.load(Ordering::SeqCst);
        let fails = (first..first.saturating_add(self.0.length.load(Ordering::SeqCst))).contains(&call);
        self.0.struck.fetch_add(u64::from(fails), Ordering::SeqCst);
        fails
    }

    /// What the store does with every new connection.
    pub fn hook(&self) -> OnConnect {
        let saboteur = self.clone();
        OnConnect(Arc::new(move |conn: &mut SqliteConnection| {
            let saboteur = saboteur.clone();
            Box::pin(async move {
                if saboteur.call() {
                    return Err(sqlx::Error::Io(std::io::Error::other("the town's disk is away")));
                }
                let statement = Arc::new(Mutex::new((u64::MAX, false)));
                let fails = {
                    let saboteur = saboteur.clone();
                    move || {
                        let mut statement = statement.lock().unwrap();
                        let ended = ENDED.load(Ordering::SeqCst);
                        if statement.0 != ended {
                            *statement = (ended, saboteur.call());
                        }
                        statement.1
                    }
                };
                let mut handle = conn.lock_handle().await?;
                let progress = fails.clone();
                handle.set_progress_handler(1, move || !progress());
                handle.set_commit_hook(move || !fails() || saboteur.0.unknown.load(Ordering::SeqCst));
                Ok(())
            })
        }))
    }
}
