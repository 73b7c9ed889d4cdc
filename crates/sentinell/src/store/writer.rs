//! The one writer of this process: it takes whatever is queued, runs it in one transaction, commits once, and only then
//! answers everybody.

use super::db::{Conn, Target, on, run};
use super::error::{Result, StoreError};
use super::intake::{self, Arrival, Receipt};
use super::journal::{self, Growth};
use super::queue::{self, Lease};
use crate::telemetry::Seldom;
use futures::FutureExt;
use futures::future::BoxFuture;
use sentinell_core::investigation::Investigation;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long a group waits for another process's transaction before its callers are told to come back.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How long a caller inside this process waits for a place in the queue.
const QUEUE_PATIENCE: Duration = Duration::from_secs(5);

static ROLLED_BACK: Seldom = Seldom::new();

/// What a job says when it has run, before the commit.
enum Ran {
    /// Keep what it wrote.
    Kept,
    /// It failed by itself; the others go on.
    Undone,
    /// The connection is in doubt: nobody's writes may be kept.
    Broken(StoreError),
}

/// Tells the caller, after the commit (`None`) or after it failed.
type Answer = Box<dyn FnOnce(Option<StoreError>) + Send>;
/// One command; handed an error instead of a connection, it passes that on.
type Command = Box<dyn for<'c> FnOnce(Result<&'c mut Conn>) -> BoxFuture<'c, (Ran, Answer)> + Send>;

/// What waits for the writer.
enum Job {
    /// Runs by itself, in its turn.
    Command(Command),
    /// Runs with all others of its kind in the group, after its commands.
    Grown(Asked<Growth, Investigation>),
    Taken(Asked<Arrival, Receipt>),
    LetGo(Asked<Lease, ()>),
}

/// What somebody wants, and where the answer goes.
struct Asked<I, O> {
    what: Box<I>,
    answer: oneshot::Sender<Result<O>>,
}

impl<I, O> Asked<I, O> {
    fn new(what: I) -> (Self, oneshot::Receiver<Result<O>>) {
        let (answer, answered) = oneshot::channel();
        (Self { what: Box::new(what), answer }, answered)
    }
}

/// Those of a group that run together, by kind.
#[derive(Default)]
struct Together {
    grown: Vec<Asked<Growth, Investigation>>,
    taken: Vec<Asked<Arrival, Receipt>>,
    let_go: Vec<Asked<Lease, ()>>,
}

impl Together {
    /// Puts a job to its kind; a command is given back.
    fn sort(&mut self, job: Job) -> Option<Command> {
        match job {
            Job::Command(command) => return Some(command),
            Job::Grown(asked) => self.grown.push(asked),
            Job::Taken(asked) => self.taken.push(asked),
            Job::LetGo(asked) => self.let_go.push(asked),
        }
        None
    }
}

/// What the writer did so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Transactions committed.
    pub(super) commits: AtomicU64,
    /// Commands in them.
    pub(super) commands: AtomicU64,
    /// Transactions rolled back.
    pub(super) failures: AtomicU64,
}

/// The door to the writer.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    closing: Arc<Notify>,
    pub(super) tally: Arc<Tally>,
}

impl Writer {
    /// Starts the writer: at most `queue` commands wait, at most `group` share a commit. `committed` learns the newest
    /// position.
    pub(super) fn start(
        target: Target,
        conn: Conn,
        queue: usize,
        group: usize,
        committed: watch::Sender<u64>,
    ) -> (Self, JoinHandle<()>) {
        let (jobs, queued) = mpsc::channel(queue.max(1));
        let tally = Arc::new(Tally::default());
        let closing = Arc::new(Notify::new());
        let task = Task { target, conn: Some(conn), group: group.max(1), committed, tally: tally.clone() };
        (Self { jobs, closing: closing.clone(), tally }, tokio::spawn(task.run(queued, closing)))
    }

    /// Takes a signal in with the next group; answers after the commit. A full queue is [`StoreError::Busy`] at once.
    pub(super) async fn take_in(&self, arrival: Arrival) -> Result<Receipt> {
        let (asked, answer) = Asked::new(arrival);
        self.jobs.try_send(Job::Taken(asked)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Lets a journal grow with the next group.
    pub(super) async fn grow(&self, growth: Growth) -> Result<Investigation> {
        let (asked, answer) = Asked::new(growth);
        self.queue((Job::Grown(asked), answer)).await
    }

    /// Gives an incident back with the next group.
    pub(super) async fn let_go(&self, lease: Lease) -> Result<()> {
        let (asked, answer) = Asked::new(lease);
        self.queue((Job::LetGo(asked), answer)).await
    }

    /// Runs `work` in the next group, waiting a while for a place in the queue: for callers that are not the outside
    /// world. Answers after the commit; should `work` fail, none of its writes are kept.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        self.queue(job(|conn| Box::pin(savepoint(conn, work)))).await
    }

    /// The same for `work` that sees to it itself that a failure leaves nothing behind: it fails before its first write,
    /// or each of its statements stands for itself, or it [`StoreError::spoils_group`]. It goes without a savepoint where
    /// a failed statement does not spoil its transaction.
    pub(super) async fn write_bare<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        self.queue(job(|conn| if conn.spoils() { Box::pin(savepoint(conn, work)) } else { work(conn) })).await
    }

    async fn queue<T>(&self, (job, answer): (Job, oneshot::Receiver<Result<T>>)) -> Result<T> {
        self.jobs.send_timeout(job, QUEUE_PATIENCE).await.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => StoreError::Busy,
            mpsc::error::SendTimeoutError::Closed(_) => closed(),
        })?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Lets the writer finish what is queued and end.
    pub(super) fn stop(&self) {
        self.closing.notify_one();
    }

    /// Whether no more can wait.
    pub(super) fn is_full(&self) -> bool {
        self.jobs.capacity() == 0
    }

    /// Commands waiting for the next group.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed, or the group was given up".into())
}

fn job<T, F>(work: F) -> (Job, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T>> + Send + 'static,
{
    let (sender, answer) = oneshot::channel();
    let job: Command = Box::new(move |conn| {
        Box::pin(async move {
            let result = match conn {
                Ok(conn) => AssertUnwindSafe(work(conn))
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|_| Err(StoreError::Unavailable("a defect: a write panicked".into()))),
                Err(error) => Err(error),
            };
            let ran = match &result {
                Ok(_) => Ran::Kept,
                Err(error) if error.spoils_group() => Ran::Broken(error.clone()),
                Err(_) => Ran::Undone,
            };
            let answer: Answer = Box::new(move |failed: Option<StoreError>| {
                // A caller that went away does not want to know.
                let _ = sender.send(failed.map_or(result, Err));
            });
            (ran, answer)
        })
    });
    (Job::Command(job), answer)
}

/// Runs `work` so that, should it fail, none of its writes are kept while those of the others are.
pub(super) async fn savepoint<T, F>(conn: &mut Conn, work: F) -> Result<T>
where
    F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T>>,
{
    run!(conn, "SAVEPOINT command");
    let result = work(conn).await;
    match &result {
        // The whole group goes. A disk that is full or fails has rolled back the transaction by itself, so that there may
        // be none any more: saying that instead would hide the reason, and go on without one.
        Err(error) if error.spoils_group() => return result,
        Err(_) => {
            run!(conn, "ROLLBACK TO command");
        }
        Ok(_) => {}
    }
    run!(conn, "RELEASE command");
    result
}

struct Task {
    target: Target,
    /// None after a failure: the next group opens a new one.
    conn: Option<Conn>,
    group: usize,
    committed: watch::Sender<u64>,
    tally: Arc<Tally>,
}

impl Task {
    async fn run(mut self, mut queued: mpsc::Receiver<Job>, closing: Arc<Notify>) {
        let mut group = Vec::with_capacity(self.group);
        loop {
            tokio::select! {
                taken = queued.recv_many(&mut group, self.group) => match taken {
                    0 => break,
                    _ => self.commit(group.drain(..)).await,
                },
                // A closed queue still gives out what is in it.
                () = closing.notified() => queued.close(),
            }
        }
        if let Some(conn) = self.conn.take() {
            conn.close().await;
        }
    }

    async fn commit(&mut self, jobs: impl Iterator<Item = Job>) {
        let mut answers = Vec::with_capacity(self.group);
        let failed = match self.transact(jobs, &mut answers).await {
            Ok(position) => {
                self.tally.commits.fetch_add(1, Ordering::Relaxed);
                self.tally.commands.fetch_add(answers.len() as u64, Ordering::Relaxed);
                self.committed.send_if_modified(|newest| {
                    let grew = position > *newest;
                    *newest = position.max(*newest);
                    grew
                });
                None
            }
            Err(error) => {
                if let Some(held_back) = ROLLED_BACK.line() {
                    tracing::error!(%error, commands = answers.len(), held_back, "a group of writes was rolled back");
                }
                self.tally.failures.fetch_add(1, Ordering::Relaxed);
                self.conn = None;
                Some(error)
            }
        };
        answers.into_iter().for_each(|answer: Answer| answer(failed.clone()));
    }

    async fn transact(&mut self, jobs: impl Iterator<Item = Job>, answers: &mut Vec<Answer>) -> Result<u64> {
        let mut failed = self.begin().await.err();
        let mut together = Together::default();
        for job in jobs {
            let Some(command) = together.sort(job) else { continue };
            let conn = match (&failed, self.conn.as_mut()) {
                (None, Some(conn)) => Ok(conn),
                (error, _) => Err(error.clone().unwrap_or_else(closed)),
            };
            let (ran, answer) = command(conn).await;
            answers.push(answer);
            if let Ran::Broken(error) = ran {
                failed = Some(error);
            }
        }
        let Together { grown, taken, let_go } = together;
        failed = self.all(failed, grown, answers, |conn, all| Box::pin(journal::grow_all(conn, all))).await;
        failed = self.all(failed, taken, answers, |conn, all| Box::pin(intake::take_all(conn, all))).await;
        failed = self.all(failed, let_go, answers, |conn, all| Box::pin(queue::let_go(conn, all))).await;
        if let Some(error) = failed {
            return Err(error);
        }
        let Some(conn) = self.conn.as_mut() else { return Err(closed()) };
        let sql = "SELECT COALESCE(MAX(position), 0) FROM entries";
        let position: i64 = on!(conn, c => sqlx::query_scalar(sql).fetch_one(c).await?);
        let grown_to = (position.unsigned_abs() > *self.committed.borrow()).then_some(position);
        conn.commit(grown_to).await?;
        Ok(position.unsigned_abs())
    }

    /// Runs all of one kind of a group, unless something has failed already; answers what has failed then.
    async fn all<I, O, W>(
        &mut self,
        failed: Option<StoreError>,
        asked: Vec<Asked<I, O>>,
        answers: &mut Vec<Answer>,
        work: W,
    ) -> Option<StoreError>
    where
        O: Send + 'static,
        W: for<'c> FnOnce(&'c mut Conn, Vec<I>) -> BoxFuture<'c, Result<Vec<Result<O>>>>,
    {
        if asked.is_empty() {
            return failed;
        }
        let (all, senders): (Vec<I>, Vec<_>) = asked.into_iter().map(|one| (*one.what, one.answer)).unzip();
        let done = match (failed, self.conn.as_mut()) {
            (None, Some(conn)) => AssertUnwindSafe(work(conn, all)).catch_unwind().await,
            (failed, _) => Ok(Err(failed.unwrap_or_else(closed))),
        };
        let done = done.unwrap_or_else(|_| Err(StoreError::Unavailable("a defect: a group of writes panicked".into())));
        let (mut results, failed) = match done.map_err(StoreError::spoiled) {
            Ok(results) => (results.into_iter(), None),
            Err(error) => (vec![].into_iter(), Some(error)),
        };
        for sender in senders {
            // Without results the group has failed, and everybody is told why.
            let result = results.next().unwrap_or_else(|| Err(failed.clone().unwrap_or_else(closed)));
            answers.push(Box::new(move |failed: Option<StoreError>| {
                // A caller that went away does not want to know.
                let _ = sender.send(failed.map_or(result, Err));
            }));
        }
        failed
    }

    /// Takes the write lock, waiting for another process if need be.
    async fn begin(&mut self) -> Result<()> {
        let patience = Instant::now() + LOCK_PATIENCE;
        loop {
            if self.conn.is_none() {
                self.conn = Some(self.target.writer().await?);
            }
            let Some(conn) = self.conn.as_mut() else { return Err(closed()) };
            match conn.begin().await {
                Ok(()) => return Ok(()),
                Err(StoreError::Busy) if Instant::now() < patience => {
                    tokio::time::sleep(Duration::from_millis(5)).await
                }
                Err(error) => return Err(error),
            }
        }
    }
}
