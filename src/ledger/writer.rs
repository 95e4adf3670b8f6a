//! The one task that writes: jobs in order, never cancelled halfway, records of many callers in one commit.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use crate::clock::{Clock as _, Stopwatch, SystemClock};
use crate::ledger::batch::{AccountEvent, DepositWrite, Recorded, Requeue};
use crate::ledger::error::{Error, Result};
use crate::ledger::identity::Identity;
use crate::ledger::lock::LedgerLock;
use crate::ledger::shared::LedgerState;
use crate::ledger::sql::rollback;

/// The most steps in one transaction; more only adds latency.
const GROUP: usize = 256;
/// The most jobs that wait before callers do.
const QUEUE: usize = 1024;
/// How often, and how far apart, the file is asked to be one whole file again while readers come and go.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

type Work = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<()>> + Send>;

enum Job {
    Record(Batch),
    Run(Run),
    Close(oneshot::Sender<Result<()>>),
}

/// One caller's own transaction.
struct Run {
    work: Work,
    /// Whether anybody may be told of it.
    is_told: bool,
    reply: oneshot::Sender<Result<()>>,
}

/// The way to the writing task.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

/// Why the file cannot be trusted any more, once that is known. Nothing is written from then on, whatever the file
/// looks like later: only a new start reads it afresh.
#[derive(Debug, Default)]
struct IntegrityFault(OnceLock<String>);

impl IntegrityFault {
    fn check(&self) -> Result<()> {
        self.0.get().map_or(Ok(()), |why| Err(Error::Untrusted(why.clone())))
    }

    fn note<T>(&self, outcome: &Result<T>) {
        if let Err(Error::Untrusted(why)) = outcome {
            // The first reason stays.
            let _ = self.0.set(why.clone());
        }
    }
}

impl Writer {
    /// Starts the task on `connection`, which keeps `lock` until it is closed.
    pub(super) fn start(
        connection: SqliteConnection,
        lock: LedgerLock,
        shared: Arc<LedgerState>,
    ) -> Result<Self> {
        let identity = Identity::of(&lock)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        tokio::spawn(work((connection, lock), queue, shared, identity));
        Ok(Self { jobs })
    }

    /// Writes in one transaction, perhaps together with other callers' writes.
    pub(super) async fn record(
        &self,
        writes: Vec<DepositWrite>,
        notices: Vec<AccountEvent>,
    ) -> Result<Vec<Recorded>> {
        self.write(writes, notices, Vec::new()).await
    }

    /// Puts deposits back into the queue, perhaps together with other callers' writes.
    pub(super) async fn put_back(&self, again: Vec<Requeue>) -> Result<()> {
        self.write(Vec::new(), Vec::new(), again).await.map(|_| ())
    }

    async fn write(
        &self,
        writes: Vec<DepositWrite>,
        notices: Vec<AccountEvent>,
        again: Vec<Requeue>,
    ) -> Result<Vec<Recorded>> {
        let (reply, answer) = oneshot::channel();
        let batch = Batch { writes, notices, again, reply };
        self.jobs.send(Job::Record(batch)).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Runs `work` on the writing connection; it completes even if the caller goes away.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        self.run_as(true, work).await
    }

    /// The same for work of which nobody is ever told.
    pub(super) async fn run_untold<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        self.run_as(false, work).await
    }

    async fn run_as<T, F>(&self, is_told: bool, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        let (give, mut taken) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            Box::pin(async move { work(connection).await.map(|value| drop(give.send(value))) })
        });
        self.run_boxed(is_told, work).await?;
        taken.try_recv().map_err(|_| Error::Closed)
    }

    /// The same, compiled once for all kinds of work.
    async fn run_boxed(&self, is_told: bool, work: Work) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Run(Run { work, is_told, reply })).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Whether the path still leads to the file that was opened, and the file still ends where this program left it.
    pub(super) async fn check(&self) -> Result<()> {
        self.record(Vec::new(), Vec::new()).await.map(|_| ())
    }

    /// Finishes what is queued and closes the file.
    pub(super) async fn close(self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        if self.jobs.send(Job::Close(reply)).await.is_err() {
            return Ok(());
        }
        answer.await.unwrap_or(Ok(()))
    }
}

async fn work(
    (mut connection, lock): (SqliteConnection, LedgerLock),
    mut queue: mpsc::Receiver<Job>,
    shared: Arc<LedgerState>,
    identity: Identity,
) {
    let mistrust = IntegrityFault::default();
    let mut closing = None;
    let mut next = queue.recv().await;
    while let Some(job) = next.take() {
        match job {
            Job::Run(run) => {
                shared.commits.next_is_told(run.is_told);
                run_alone(&mut connection, &mistrust, run).await;
            }
            Job::Close(reply) => {
                closing = Some(reply);
                break;
            }
            Job::Record(batch) => {
                let mut group = vec![batch];
                let mut steps = group.iter().map(|batch| batch.writes.len()).sum::<usize>();
                while steps < GROUP {
                    match queue.try_recv() {
                        Ok(Job::Record(batch)) => {
                            steps = steps.saturating_add(batch.writes.len()).saturating_add(1);
                            group.push(batch);
                        }
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                let writing = Writing { shared: &shared, identity, mistrust: &mistrust };
                shared.commits.next_is_told(group.iter().any(Batch::is_told));
                write_group(&mut connection, writing, group).await;
            }
        }
        shared.commits.end();
        if next.is_none() {
            next = queue.recv().await;
        }
    }
    let trusted = mistrust.check().and_then(|()| identity.check(&shared));
    let closed = match trusted {
        Ok(()) => close(connection, lock).await,
        // SQLite would write to it, and remove what lies beside it by name: that may be another ledger's now.
        Err(_) => {
            abandon(connection, lock);
            Ok(())
        }
    };
    // With it went the lock: whoever hears that the ledger is closed may open it again.
    if let Some(reply) = closing {
        // Nobody listens where the daemon is already gone.
        let _ = reply.send(closed);
    }
}

async fn run_alone(connection: &mut SqliteConnection, mistrust: &IntegrityFault, run: Run) {
    let outcome = match mistrust.check() {
        Ok(()) => (run.work)(connection).await,
        Err(error) => Err(error),
    };
    mistrust.note(&outcome);
    if outcome.is_err() {
        rollback(connection).await;
    }
    // The caller may be gone; the work is done all the same.
    let _ = run.reply.send(outcome);
}

/// One caller's records.
struct Batch {
    writes: Vec<DepositWrite>,
    notices: Vec<AccountEvent>,
    again: Vec<Requeue>,
    reply: oneshot::Sender<Result<Vec<Recorded>>>,
}

impl Batch {
    /// Whether anybody may be told of it.
    fn is_told(&self) -> bool {
        !(self.writes.is_empty() && self.notices.is_empty())
    }
}

/// What every write is held against.
#[derive(Clone, Copy)]
struct Writing<'a> {
    shared: &'a LedgerState,
    identity: Identity,
    mistrust: &'a IntegrityFault,
}

/// Several callers' records in one transaction. If that fails each is written by itself, so that one bad record
/// spoils nobody else's.
async fn write_group(connection: &mut SqliteConnection, writing: Writing<'_>, group: Vec<Batch>) {
    let alone = group.len() == 1;
    match write_batches(connection, writing, &group).await {
        Err(_) if !alone => {
            for batch in group {
                let one = [batch];
                let outcome = match write_batches(connection, writing, &one).await {
                    Err(error) => write_singly(connection, writing, &one, error).await,
                    written => written,
                };
                answer(one, outcome, writing.shared);
            }
        }
        Err(error) => {
            let outcome = write_singly(connection, writing, &group, error).await;
            answer(group, outcome, writing.shared);
        }
        written => answer(group, written, writing.shared),
    }
}

/// Where a rule of the ledger forbids a step, the steps it came with are written without it. Any other error is the
/// disk's, and everybody's.
async fn write_singly(
    connection: &mut SqliteConnection,
    writing: Writing<'_>,
    batches: &[Batch],
    error: Error,
) -> Result<Vec<Recorded>> {
    let writes: Vec<&DepositWrite> = batches.iter().flat_map(|batch| &batch.writes).collect();
    if !is_forbidden(&error) || writes.is_empty() {
        return Err(error);
    }
    let mut recorded = Vec::with_capacity(writes.len());
    for write in writes {
        let outcome = crate::ledger::commit::write(connection, writing.shared, &[write], &[], &[]).await;
        writing.mistrust.note(&outcome);
        if outcome.is_err() {
            rollback(connection).await;
        }
        match outcome {
            Ok(outcome) => recorded.extend(outcome),
            Err(error) if is_forbidden(&error) => recorded.push(Recorded::Forbidden(error.chain())),
            Err(error) => return Err(error),
        }
    }
    Ok(recorded)
}

/// True where a constraint or a trigger said no (SQLITE_CONSTRAINT and its extended codes).
fn is_forbidden(error: &Error) -> bool {
    matches!(error, Error::Database { source, .. } if Error::code(source).is_some_and(|code| code & 0xff == 19))
}

async fn write_batches(
    connection: &mut SqliteConnection,
    writing: Writing<'_>,
    batches: &[Batch],
) -> Result<Vec<Recorded>> {
    writing.mistrust.check()?;
    let outcome = write_trusting(connection, writing, batches).await;
    writing.mistrust.note(&outcome);
    if outcome.is_err() {
        rollback(connection).await;
    }
    outcome
}

#[tracing::instrument(name = "ledger.commit", level = "debug", skip_all, fields(calls = batches.len()))]
async fn write_trusting(
    connection: &mut SqliteConnection,
    writing: Writing<'_>,
    batches: &[Batch],
) -> Result<Vec<Recorded>> {
    let begun = Stopwatch::start();
    writing.identity.check(writing.shared)?;
    let writes: Vec<&DepositWrite> = batches.iter().flat_map(|batch| &batch.writes).collect();
    let notices: Vec<&AccountEvent> = batches.iter().flat_map(|batch| &batch.notices).collect();
    let again: Vec<&Requeue> = batches.iter().flat_map(|batch| &batch.again).collect();
    let written = crate::ledger::commit::write(connection, writing.shared, &writes, &notices, &again).await?;
    if !(writes.is_empty() && notices.is_empty() && again.is_empty()) {
        writing.shared.metrics.written(begun.elapsed());
    }
    Ok(written)
}

/// Gives each caller its part; an error goes to the only caller there is then. Callers may be gone.
fn answer(batches: impl IntoIterator<Item = Batch>, outcome: Result<Vec<Recorded>>, shared: &LedgerState) {
    match outcome {
        Ok(recorded) => {
            let mut recorded = recorded.into_iter();
            for batch in batches {
                let count = batch.writes.len();
                shared.poll_queue.finish([], batch.again);
                let _ = batch.reply.send(Ok(recorded.by_ref().take(count).collect()));
            }
        }
        Err(error) => {
            if let Some(batch) = batches.into_iter().next() {
                let _ = batch.reply.send(Err(error));
            }
        }
    }
}

/// Leaves one whole file without sidecars, so that a user who may only read it can, and lets go of the lock.
///
/// A reader that has it open just now keeps the sidecars in place. Then the connection is not closed at all, and they
/// stay, as after a kill: the last one to close a log removes it, and leaves a file that none but a writer can open.
pub(super) async fn close(mut connection: SqliteConnection, lock: LedgerLock) -> Result<()> {
    rollback(&mut connection).await;
    let clock = SystemClock::new();
    for _ in 0..TRIES {
        let mode = sqlx::query_scalar::<_, String>("PRAGMA journal_mode = DELETE");
        match mode.fetch_one(&mut connection).await {
            Ok(mode) if mode == "delete" => {
                let closed = connection.close().await.map_err(Error::database("closed"));
                drop(lock);
                return closed;
            }
            Ok(mode) => tracing::debug!(mode, "the ledger keeps its log"),
            Err(error) => tracing::debug!(%error, "a reader holds the ledger"),
        }
        clock.sleep(PAUSE).await;
    }
    tracing::debug!("the ledger's sidecar files stay");
    abandon(connection, lock);
    Ok(())
}

/// Leaves the file as a kill would: SQLite does nothing more to it, and the kernel closes it with the process.
fn abandon(connection: SqliteConnection, lock: LedgerLock) {
    std::mem::forget(connection);
    lock.let_go();
}
