//! Looking at what is due: most urgent first, a bounded number at once, while what was seen is written in groups.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Flow;
use crate::domain::deposit::Deposit;
use crate::domain::event::Step;
use crate::domain::observe::Observation;
use crate::domain::poll::{self, Due, Policy, Urgency};
use crate::domain::time::Timestamp;
use crate::ledger::{
    self, DepositWrite, LeasedDeposit, QueueCursor, QueueEntry, Recorded, Requeue, ResponseFingerprint,
};
use crate::upstream::{self, Priority};

/// So many looks are worth a transaction of their own while others are under way.
const GROUP: usize = 1024;
/// The most looks in one transaction.
const MOST: usize = 2048;
/// So many looks may wait to be written; then the lookers wait for the disk.
const UNWRITTEN: usize = 4096;
/// What was seen is on its way to the disk after this long, however little it is. News do not wait.
const LINGER: Duration = Duration::from_millis(50);
/// How long a final state that got no answer at the end of its watch waits for the next.
const RARELY: Duration = Duration::from_hours(12);
/// How often a run that waits for the upstream shows that it is alive.
const BEAT: Duration = Duration::from_secs(5);

/// What a run over the queue did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct PollRound {
    /// Successful looks.
    pub looked: u64,
    /// Looks that changed a deposit.
    pub moved: u64,
    /// Looks without a readable answer.
    pub failed: u64,
    /// Looks at a deposit that had changed meanwhile.
    pub conflicts: u64,
}

/// A look that is done: what to write, and whether the upstream answered.
struct Look {
    turn: QueueEntry,
    seen: Seen,
    answered: bool,
}

/// What a look has brought.
enum Seen {
    /// Nothing new.
    Quiet(Requeue),
    /// A change.
    News(Box<DepositWrite>),
}

/// What the lookers and the one who writes share.
struct PollShared {
    flow: Flow,
    stop: CancellationToken,
    papers: Mutex<PollState>,
    /// Rung when there is something to write, or little left to look at.
    word: Notify,
}

#[derive(Default)]
struct PollState {
    /// To be looked at, in order.
    ready: VecDeque<LeasedDeposit>,
    /// With fewer ready than this, more should be fetched.
    low: usize,
    /// Looked at, not yet written.
    done: Vec<Look>,
    /// Given up before anything was asked, or not to be written.
    dropped: Vec<QueueEntry>,
    /// Something among `done` changes a deposit.
    news: bool,
}

impl PollShared {
    fn papers(&self) -> MutexGuard<'_, PollState> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<LeasedDeposit> {
        let mut papers = self.papers();
        if self.stop.is_cancelled() || papers.done.len() >= UNWRITTEN {
            return None;
        }
        let taken = papers.ready.pop_front();
        if papers.ready.len() == papers.low {
            self.word.notify_one();
        }
        taken
    }

    fn give(&self, turn: QueueEntry, look: Option<Look>) {
        let mut papers = self.papers();
        match look {
            None => papers.dropped.push(turn),
            Some(look) => {
                papers.news |= matches!(look.seen, Seen::News(_));
                papers.done.push(look);
            }
        }
        let first = papers.done.len().saturating_add(papers.dropped.len()) == 1;
        if papers.news || first || papers.done.len() == GROUP {
            self.word.notify_one();
        }
    }
}

/// Looks at one deposit after the other, until there is none left to look at.
async fn poller(desk: Arc<PollShared>) {
    while let Some(taken) = desk.take() {
        let turn = taken.turn;
        let look = poll_one(&desk, taken).await;
        desk.give(turn, look);
    }
}

/// Looks at everything that is due, until nothing is or `stop` is asked for. Looks under way are finished first.
///
/// # Errors
/// Whatever the ledger says; what was not written is due still.
pub async fn poll_due(flow: &Flow, stop: &CancellationToken) -> ledger::Result<PollRound> {
    let low = usize::try_from(flow.settings.poll_batch).unwrap_or(usize::MAX).div_euclid(2);
    let papers = Mutex::new(PollState { low, ..PollState::default() });
    let desk = Arc::new(PollShared { flow: flow.clone(), stop: stop.clone(), papers, word: Notify::new() });
    let mut run = Run {
        desk,
        lookers: JoinSet::new(),
        busy: HashSet::new(),
        page: QueueCursor::default(),
        dry: false,
        done: PollRound::default(),
    };
    run.finish().await?;
    Ok(run.done)
}

/// Whose looks were written, and what became of them.
type Outcome = (Vec<QueueEntry>, ledger::Result<Vec<Recorded>>);
type Recording = BoxFuture<'static, Outcome>;

struct Run {
    desk: Arc<PollShared>,
    lookers: JoinSet<()>,
    /// Ready, being looked at, or not yet written.
    busy: HashSet<QueueEntry>,
    /// How far into the queue it has come.
    page: QueueCursor,
    /// Nothing more was due a moment ago.
    dry: bool,
    done: PollRound,
}

impl Run {
    async fn finish(&mut self) -> ledger::Result<()> {
        let flow = self.desk.flow.clone();
        let desk = Arc::clone(&self.desk);
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
            let unwritten = !desk.papers().done.is_empty();
            if recording.is_none() && self.lookers.is_empty() && !unwritten {
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
                Some(ended) = self.lookers.join_next() => {
                    if let Err(error) = ended {
                        // What it looked at is due still, and is looked at in the next run.
                        tracing::error!("a look broke off: {error}");
                    }
                }
                () = desk.word.notified() => {}
                Some(()) = until(&mut linger) => {
                    linger = None;
                    lingered = true;
                }
                // A slow upstream is no standstill of ours.
                () = flow.clock.sleep(BEAT) => self.dry = false,
            }
            flow.heartbeats.record("advance", &flow.clock);
        }
    }

    /// Takes more from the queue where little is left.
    async fn fetch(&mut self) -> ledger::Result<()> {
        let flow = &self.desk.flow;
        let enough = {
            let papers = self.desk.papers();
            papers.ready.len() > papers.low || papers.done.len() >= UNWRITTEN
        };
        if enough || self.dry || self.desk.stop.is_cancelled() {
            return Ok(());
        }
        let batch = usize::try_from(flow.settings.poll_batch).unwrap_or(usize::MAX);
        let (now, policy) = (flow.clock.now(), &flow.policy());
        let mut whole = self.page == QueueCursor::default();
        let turns = loop {
            let mut turns = flow.ledger.due_entries(now, policy, batch, &mut self.page).await?;
            let at_the_end = turns.len() < batch;
            turns.retain(|turn| !self.busy.contains(turn));
            if at_the_end {
                // What has come due behind our back is found when we begin again.
                self.page = QueueCursor::default();
            }
            if !turns.is_empty() || (at_the_end && whole) {
                break turns;
            }
            whole |= at_the_end;
        };
        self.dry = turns.is_empty();
        let taken = flow.ledger.lease(&turns).await?;
        self.busy.extend(taken.iter().map(|taken| taken.turn));
        self.desk.papers().ready.extend(taken);
        Ok(())
    }

    fn start_pollers(&mut self) {
        let desk = &self.desk;
        let (ready, full) = {
            let papers = desk.papers();
            (papers.ready.len(), papers.done.len() >= UNWRITTEN)
        };
        let most = desk.flow.settings.max_in_flight;
        if !full && !desk.stop.is_cancelled() {
            for _ in self.lookers.len()..most.min(self.lookers.len().saturating_add(ready)) {
                self.lookers.spawn(poller(Arc::clone(desk)));
            }
        }
    }

    /// What is to be written now, if anything is: news at once, the rest in groups or after a moment.
    fn writes(&mut self, lingered: bool) -> Option<Recording> {
        let mut papers = self.desk.papers();
        for turn in papers.dropped.drain(..) {
            self.busy.remove(&turn);
        }
        let enough = papers.news || lingered || papers.done.len() >= GROUP || self.lookers.is_empty();
        if papers.done.is_empty() || !enough {
            return None;
        }
        papers.news = false;
        let count = papers.done.len().min(MOST);
        let looks: Vec<Look> = papers.done.drain(..count).collect();
        papers.news = papers.done.iter().any(|look| matches!(look.seen, Seen::News(_)));
        drop(papers);
        let mut turns = Vec::with_capacity(looks.len());
        let (mut writes, mut again) = (Vec::new(), Vec::with_capacity(looks.len()));
        for look in looks {
            count_in(&mut self.done, &look);
            turns.push(look.turn);
            match look.seen {
                Seen::News(write) => writes.push(*write),
                Seen::Quiet(back) => again.push(back),
            }
        }
        let flow = self.desk.flow.clone();
        Some(Box::pin(async move { (turns, record(&flow, writes, again).await) }))
    }

    fn recorded(&mut self, (turns, recorded): Outcome) -> ledger::Result<()> {
        let conflicts = recorded?.iter().filter(|outcome| **outcome == Recorded::Conflict).count();
        self.done.conflicts = self.done.conflicts.saturating_add(u64::try_from(conflicts).unwrap_or(0));
        for turn in turns {
            self.busy.remove(&turn);
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

fn count_in(done: &mut PollRound, look: &Look) {
    if look.answered {
        done.looked = done.looked.saturating_add(1);
    } else {
        done.failed = done.failed.saturating_add(1);
    }
    if matches!(look.seen, Seen::News(_)) {
        done.moved = done.moved.saturating_add(1);
    }
}

/// One look; `None` where it was given up before anything was asked.
async fn poll_one(desk: &PollShared, taken: LeasedDeposit) -> Option<Look> {
    let permit = tokio::select! {
        biased;
        permit = desk.flow.upstream.admit(Priority::Look) => permit,
        () = desk.stop.cancelled() => return None,
    };
    let LeasedDeposit { turn, deposit, heard } = taken;
    let (seen, answered) = match record_observation(&desk.flow, &deposit, heard, permit).await? {
        Observed::Quiet { due, heard, answered } => {
            (Seen::Quiet(Requeue { entry: turn, due, deposit, fingerprint: heard }), answered)
        }
        Observed::Looked(observation, evidence) => {
            let write = work_out(&desk.flow, *deposit, observation, &evidence)?;
            let seen = if write.step.events.is_empty() {
                let Step { due, deposit, .. } = write.step;
                Seen::Quiet(Requeue { entry: turn, due, deposit: Box::new(deposit), fingerprint: None })
            } else {
                Seen::News(Box::new(DepositWrite { entry: Some(turn), ..write }))
            };
            (seen, true)
        }
    };
    Some(Look { turn, seen, answered })
}

/// What a look has brought.
enum Observed {
    /// Nothing new, or no readable answer at all; when to look again.
    Quiet { due: Option<Due>, heard: Option<ResponseFingerprint>, answered: bool },
    /// Something that has to be worked out.
    Looked(Observation, upstream::Evidence),
}

/// What the upstream says of one deposit, of which `heard` was last heard; `None` for one without an order.
async fn record_observation(
    flow: &Flow,
    deposit: &Deposit,
    heard: Option<ResponseFingerprint>,
    permit: upstream::Permit,
) -> Option<Observed> {
    let order_id = &deposit.facts.wallet.as_ref()?.order_id;
    let policy = &flow.policy();
    let mut due = None;
    let spared = |body: &[u8], answered_at| {
        if heard.as_ref().is_some_and(|heard| heard.is(body)) {
            due = deposit.next_after_same_response(answered_at, flow.clock.now(), policy);
        }
        due.is_some()
    };
    let answer = flow.upstream.poll_unless(permit, order_id, spared).await;
    let now = flow.clock.now();
    let (observation, evidence) = match answer {
        Ok(upstream::Answer { value: None, .. }) => {
            flow.troubles().read(deposit.id);
            return Some(Observed::Quiet { due: due.flatten(), heard, answered: true });
        }
        Ok(upstream::Answer { value: Some(report), evidence, .. }) => {
            if let Some(why) = deposit.unnamed_answer(&report) {
                return Some(flow.trouble_of(
                    deposit,
                    why.to_owned(),
                    evidence,
                    heard,
                    Observation::Unreadable,
                ));
            }
            flow.troubles().read(deposit.id);
            if let Some(due) = deposit.next_after_unchanged_poll(&report, now, policy) {
                return Some(Observed::Quiet {
                    due,
                    heard: evidence.whole().map(ResponseFingerprint::new),
                    answered: true,
                });
            }
            (Observation::Polled(report), evidence)
        }
        Err(upstream::Error::UnknownOrder { words, evidence }) => {
            tracing::debug!(deposit.id = %deposit.id, "the upstream does not know this order: {words}");
            return Some(flow.trouble_of(deposit, words, evidence, heard, Observation::UnknownOrder));
        }
        Err(
            upstream::Error::Unknown { words, evidence, .. }
            | upstream::Error::Unreadable { words, evidence, .. },
        ) if is_about_the_order(&evidence) => {
            tracing::debug!(deposit.id = %deposit.id, "an answer cannot be read: {words}");
            return Some(flow.trouble_of(deposit, words, evidence, heard, Observation::Unreadable));
        }
        Err(error) => {
            // Silence never moves money: it is looked at again in its turn.
            tracing::debug!(deposit.id = %deposit.id, "no readable answer: {error}");
            return Some(Observed::Quiet {
                due: due_in_silence(deposit, now, policy),
                heard,
                answered: false,
            });
        }
    };
    Some(Observed::Looked(observation, evidence))
}

/// When to look again after no answer at all: silence ends no watch.
fn due_in_silence(deposit: &Deposit, now: Timestamp, policy: &Policy) -> Option<Due> {
    let rarely =
        || deposit.facts.wallet.is_some().then(|| Due { at: now.plus(RARELY), urgency: Urgency::Watch });
    poll::next_poll(deposit, now, None, policy).or_else(rarely)
}

impl Flow {
    /// What an answer is that says nothing of the order: this deposit's own trouble where other polls could be read
    /// since it began, else the upstream's, which flags no deposit.
    fn trouble_of(
        &self,
        deposit: &Deposit,
        words: String,
        evidence: upstream::Evidence,
        heard: Option<ResponseFingerprint>,
        observation: impl FnOnce(String) -> Observation,
    ) -> Observed {
        if self.troubles().is_its_own(deposit.id) {
            return Observed::Looked(observation(words), evidence);
        }
        tracing::debug!(deposit.id = %deposit.id, "no readable answer: {words}");
        let due = poll::next_poll(deposit, self.clock.now(), None, &self.policy());
        Observed::Quiet { due, heard, answered: false }
    }
}

/// What `observation` makes of the deposit, ready to be written.
fn work_out(
    flow: &Flow,
    deposit: Deposit,
    observation: Observation,
    evidence: &upstream::Evidence,
) -> Option<DepositWrite> {
    match deposit.observe(observation, flow.clock.now(), &flow.policy()) {
        Ok(step) => {
            let evidence = (!step.events.is_empty()).then(|| flow.note(evidence));
            Some(DepositWrite { evidence, ..DepositWrite::from(step) })
        }
        Err(error) => {
            tracing::error!("a look could not be observed: {error}");
            None
        }
    }
}

/// True for an answer in the upstream's own envelope that says ok: it is about this order, and no outage. Whatever else
/// is in it may be any JSON at all, also numbers and depths that nobody could read.
fn is_about_the_order(evidence: &upstream::Evidence) -> bool {
    #[derive(serde::Deserialize)]
    struct Envelope {
        ok: bool,
    }
    let ok = |text: String| serde_json::from_str::<Envelope>(&text).is_ok_and(|envelope| envelope.ok);
    evidence.http_status == Some(200) && ok(evidence.text())
}

/// Looks at one deposit now, outside its turn; gives whether the upstream answered about it.
pub(super) async fn poll_now(flow: &Flow, deposit: Deposit) -> ledger::Result<bool> {
    let permit = flow.upstream.admit(Priority::Reconcile).await;
    match record_observation(flow, &deposit, None, permit).await {
        Some(Observed::Looked(observation, evidence)) => {
            if let Some(write) = work_out(flow, deposit, observation, &evidence) {
                flow.record(vec![write]).await?;
            }
            Ok(true)
        }
        Some(Observed::Quiet { answered, .. }) => Ok(answered),
        None => Ok(false),
    }
}
