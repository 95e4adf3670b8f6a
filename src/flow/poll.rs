//! Polls what is due: the most urgent first, a bounded number at a time. Results are written in groups meanwhile.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Flow;
use super::poll_upstream::{Observed, poll_upstream, work_out};
use crate::domain::event::Step;
use crate::ledger::{self, DepositWrite, LeasedDeposit, QueueCursor, QueueEntry, Recorded, Requeue};
use crate::upstream::Priority;

/// This many polls are written in one transaction while others are under way.
const GROUP: usize = 1024;
/// The most polls in one transaction.
const MOST: usize = 2048;
/// At most this many polls wait to be written; then the pollers wait for the disk.
const UNWRITTEN: usize = 4096;
/// Results are written after this time at the latest. A change is written at once.
const LINGER: Duration = Duration::from_millis(50);
/// How often a run that waits for the upstream shows that it is alive.
const BEAT: Duration = Duration::from_secs(5);

/// What a run over the queue did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct PollRound {
    /// Polls that were answered.
    pub answered: u64,
    /// Polls that changed a deposit.
    pub moved: u64,
    /// Polls without a readable answer.
    pub failed: u64,
    /// Polls of a deposit that had changed meanwhile.
    pub conflicts: u64,
}

/// A poll that is done: what to write, and whether the upstream answered.
struct PolledDeposit {
    entry: QueueEntry,
    seen: PollNews,
    answered: bool,
}

/// What a poll has brought.
enum PollNews {
    /// Nothing new.
    Unchanged(Requeue),
    /// A change.
    Changed(Box<DepositWrite>),
}

/// What the pollers and the writer share.
struct PollShared {
    flow: Flow,
    stop: CancellationToken,
    state: Mutex<PollState>,
    /// Notified when there is something to write, or little left to poll.
    changed: Notify,
}

#[derive(Default)]
struct PollState {
    /// To be polled, in order.
    ready: VecDeque<LeasedDeposit>,
    /// With fewer ready than this, more should be fetched.
    low: usize,
    /// Polled, not yet written.
    done: Vec<PolledDeposit>,
    /// Given up before anything was asked, or not to be written.
    dropped: Vec<QueueEntry>,
    /// Something among `done` changes a deposit.
    news: bool,
}

impl PollShared {
    fn state(&self) -> MutexGuard<'_, PollState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<LeasedDeposit> {
        let mut state = self.state();
        if self.stop.is_cancelled() || state.done.len() >= UNWRITTEN {
            return None;
        }
        let taken = state.ready.pop_front();
        if state.ready.len() == state.low {
            self.changed.notify_one();
        }
        taken
    }

    fn give(&self, entry: QueueEntry, polled: Option<PolledDeposit>) {
        let mut state = self.state();
        match polled {
            None => state.dropped.push(entry),
            Some(polled) => {
                state.news |= matches!(polled.seen, PollNews::Changed(_));
                state.done.push(polled);
            }
        }
        let first = state.done.len().saturating_add(state.dropped.len()) == 1;
        if state.news || first || state.done.len() == GROUP {
            self.changed.notify_one();
        }
    }
}

/// Polls one deposit after the other, until none is left.
async fn poller(shared: Arc<PollShared>) {
    while let Some(taken) = shared.take() {
        let entry = taken.entry;
        let polled = poll_one(&shared, taken).await;
        shared.give(entry, polled);
    }
}

/// Polls everything that is due, until nothing is or `stop` is asked for. Polls under way are finished first.
///
/// # Errors
/// Whatever the ledger says; what was not written is due still.
pub async fn poll_due(flow: &Flow, stop: &CancellationToken) -> ledger::Result<PollRound> {
    let low = usize::try_from(flow.settings.poll_batch).unwrap_or(usize::MAX).div_euclid(2);
    let state = Mutex::new(PollState { low, ..PollState::default() });
    let shared =
        Arc::new(PollShared { flow: flow.clone(), stop: stop.clone(), state, changed: Notify::new() });
    let mut run = Run {
        shared,
        pollers: JoinSet::new(),
        busy: HashSet::new(),
        page: QueueCursor::default(),
        dry: false,
        done: PollRound::default(),
    };
    run.finish().await?;
    Ok(run.done)
}

/// The polls that were written, and how each write ended.
type Outcome = (Vec<QueueEntry>, ledger::Result<Vec<Recorded>>);
type Recording = BoxFuture<'static, Outcome>;

struct Run {
    shared: Arc<PollShared>,
    pollers: JoinSet<()>,
    /// Ready, being polled, or not yet written.
    busy: HashSet<QueueEntry>,
    /// How far into the queue it has come.
    page: QueueCursor,
    /// Nothing more was due a moment ago.
    dry: bool,
    done: PollRound,
}

impl Run {
    async fn finish(&mut self) -> ledger::Result<()> {
        let flow = self.shared.flow.clone();
        let shared = Arc::clone(&self.shared);
        let mut recording: Option<Recording> = None;
        let mut linger: Option<BoxFuture<'static, ()>> = None;
        let mut lingered = false;
        loop {
            self.fetch().await?;
            self.start_pollers();
            if recording.is_none() {
                recording = self.writes(lingered);
                lingered = false;
            }
            let unwritten = !shared.state().done.is_empty();
            if recording.is_none() && self.pollers.is_empty() && !unwritten {
                return Ok(());
            }
            let writing = recording.is_some();
            if writing || !unwritten {
                linger = None;
            } else if linger.is_none() {
                linger = Some(flow.clock.sleep(LINGER));
            }
            tokio::select! {
                Some(recorded) = until(&mut recording) => {
                    recording = None;
                    self.recorded(recorded)?;
                }
                Some(ended) = self.pollers.join_next() => {
                    if let Err(error) = ended {
                        // Its deposits are still due, and are polled in the next run.
                        tracing::error!("a poll broke off: {error}");
                    }
                }
                () = shared.changed.notified() => {}
                Some(()) = until(&mut linger) => {
                    linger = None;
                    lingered = true;
                }
                // A slow upstream does not count as a stalled task.
                () = flow.clock.sleep(BEAT) => self.dry = false,
            }
            flow.heartbeats.record("poll", &flow.clock);
        }
    }

    /// Takes more from the queue where little is left.
    async fn fetch(&mut self) -> ledger::Result<()> {
        let flow = &self.shared.flow;
        let enough = {
            let state = self.shared.state();
            state.ready.len() > state.low || state.done.len() >= UNWRITTEN
        };
        if enough || self.dry || self.shared.stop.is_cancelled() {
            return Ok(());
        }
        let batch = usize::try_from(flow.settings.poll_batch).unwrap_or(usize::MAX);
        let (now, policy) = (flow.clock.now(), &flow.policy());
        let mut whole = self.page == QueueCursor::default();
        let taken = loop {
            let mut entries = flow.ledger.due_entries(now, policy, batch, &mut self.page).await?;
            let at_the_end = entries.len() < batch;
            entries.retain(|entry| !self.busy.contains(entry));
            if at_the_end {
                // Entries that have become due meanwhile are found at the next start.
                self.page = QueueCursor::default();
            }
            // Where all of a page are stale, there may be others behind them.
            let taken = flow.ledger.lease(&entries).await?;
            if !taken.is_empty() || (at_the_end && whole) {
                break taken;
            }
            whole |= at_the_end;
        };
        self.dry = taken.is_empty();
        self.busy.extend(taken.iter().map(|taken| taken.entry));
        self.shared.state().ready.extend(taken);
        Ok(())
    }

    fn start_pollers(&mut self) {
        let shared = &self.shared;
        let (ready, full) = {
            let state = shared.state();
            (state.ready.len(), state.done.len() >= UNWRITTEN)
        };
        let most = shared.flow.settings.max_in_flight;
        if !full && !shared.stop.is_cancelled() {
            for _ in self.pollers.len()..most.min(self.pollers.len().saturating_add(ready)) {
                self.pollers.spawn(poller(Arc::clone(shared)).boxed());
            }
        }
    }

    /// The polls to write now: changes at once, the others in groups or after a moment.
    fn writes(&mut self, lingered: bool) -> Option<Recording> {
        let mut state = self.shared.state();
        for entry in state.dropped.drain(..) {
            self.busy.remove(&entry);
        }
        let enough = state.news || lingered || state.done.len() >= GROUP || self.pollers.is_empty();
        if state.done.is_empty() || !enough {
            return None;
        }
        state.news = false;
        let count = state.done.len().min(MOST);
        let polls: Vec<PolledDeposit> = state.done.drain(..count).collect();
        state.news = state.done.iter().any(|polled| matches!(polled.seen, PollNews::Changed(_)));
        drop(state);
        let mut entries = Vec::with_capacity(polls.len());
        let (mut writes, mut again) = (Vec::new(), Vec::with_capacity(polls.len()));
        for polled in polls {
            count_in(&mut self.done, &polled);
            entries.push(polled.entry);
            match polled.seen {
                PollNews::Changed(write) => writes.push(*write),
                PollNews::Unchanged(back) => again.push(back),
            }
        }
        let flow = self.shared.flow.clone();
        Some(Box::pin(async move { (entries, record(&flow, writes, again).await) }))
    }

    fn recorded(&mut self, (entries, recorded): Outcome) -> ledger::Result<()> {
        let conflicts = recorded?.iter().filter(|outcome| **outcome == Recorded::Conflict).count();
        self.done.conflicts = self.done.conflicts.saturating_add(u64::try_from(conflicts).unwrap_or(0));
        for entry in entries {
            self.busy.remove(&entry);
        }
        self.dry = false;
        Ok(())
    }
}

async fn record(
    flow: &Flow,
    writes: Vec<DepositWrite>,
    again: Vec<Requeue>,
) -> ledger::Result<Vec<Recorded>> {
    let recorded = if writes.is_empty() { Vec::new() } else { flow.record(writes).await? };
    if !again.is_empty() {
        flow.ledger.requeue(again).await?;
    }
    Ok(recorded)
}

/// What a future that is under way gives; at once `None` where there is none.
async fn until<T>(under_way: &mut Option<BoxFuture<'static, T>>) -> Option<T> {
    match under_way {
        Some(future) => Some(future.await),
        None => None,
    }
}

fn count_in(done: &mut PollRound, polled: &PolledDeposit) {
    if polled.answered {
        done.answered = done.answered.saturating_add(1);
    } else {
        done.failed = done.failed.saturating_add(1);
    }
    if matches!(polled.seen, PollNews::Changed(_)) {
        done.moved = done.moved.saturating_add(1);
    }
}

/// One poll; `None` where it was given up before anything was asked.
async fn poll_one(shared: &PollShared, taken: LeasedDeposit) -> Option<PolledDeposit> {
    let permit = tokio::select! {
        biased;
        permit = shared.flow.upstream.admit(Priority::Poll) => permit,
        () = shared.stop.cancelled() => return None,
    };
    let LeasedDeposit { entry, deposit, fingerprint } = taken;
    let (seen, answered) = match poll_upstream(&shared.flow, &deposit, fingerprint, permit).await? {
        Observed::Unchanged { due, fingerprint, answered } => {
            (PollNews::Unchanged(Requeue { entry, due, deposit, fingerprint }), answered)
        }
        Observed::Polled(observation, evidence) => {
            let write = work_out(&shared.flow, *deposit, observation, &evidence)?;
            let seen = if write.step.events.is_empty() {
                let Step { due, deposit, .. } = write.step;
                PollNews::Unchanged(Requeue { entry, due, deposit: Box::new(deposit), fingerprint: None })
            } else {
                PollNews::Changed(Box::new(DepositWrite { entry: Some(entry), ..write }))
            };
            (seen, true)
        }
    };
    Some(PolledDeposit { entry, seen, answered })
}
