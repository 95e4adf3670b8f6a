//! Sending what is owed: at least once, each letter by itself, none held up by another.

mod delivery_state;
mod flood;
mod letter;
mod recipient_queues;
mod refusals;
mod way_out;

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::letter::{Sent, WayOutFinding, send};
use self::recipient_queues::RecipientQueues;
use super::Flow;
use super::marking::Marking;
use crate::domain::time::Timestamp;
use crate::ledger::{self, Delivery};

pub(super) use self::delivery_state::DeliveryState;
pub use self::letter::letter_of;

/// How many letters are read from the queue at once, and how many may be held in memory.
const BATCH: u32 = 128;
const IN_MEMORY: usize = 1024;
/// How often a run that waits for a receiver shows that it is alive, and looks for more to send.
const BEAT: Duration = Duration::from_secs(2);
/// How often it is looked whether letters have become a flood, while many go.
const FLOOD_EVERY: Duration = Duration::from_secs(2);
/// How long letters under way may take once the daemon stops; what is cut off then is sent again.
const LAST_MOMENT: Duration = Duration::from_secs(10);

/// What a run over the outbox did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct DeliveryRound {
    /// Taken by the receiver.
    pub sent: u64,
    /// To be tried again, or held back.
    pub waiting: u64,
    /// Given up.
    pub dead: u64,
    /// Told in a summary instead.
    pub folded: u64,
    /// Why the way out is closed, if it is.
    pub unreachable: Option<String>,
}

/// Sends everything that is due, until nothing is, the way out is closed, or `stop` is asked for. Each letter is
/// written down as it ends, in groups; a recipient that is slow holds up only itself, and the letters of one deposit
/// keep their order. `failures` is how often the way out was closed in a row.
///
/// # Errors
/// Whatever the ledger says; a letter may then be sent again, under the same Message-ID.
pub async fn deliver(flow: &Flow, failures: u32, stop: &CancellationToken) -> ledger::Result<DeliveryRound> {
    let mut run = Run::new(flow, failures);
    if failures > 0
        && let Some((until, why)) = flow.delivery_state.closed(flow.clock.now())
    {
        // What is newly owed waits for the next try with the others.
        run.postpone(until, why).await?;
        return Ok(run.done);
    }
    run.fold().await?;
    let ended = run.go(stop).await;
    // What has left must be written down, whatever went wrong meanwhile.
    run.settle().await?;
    ended?;
    flow.mailer.rest().await;
    if let Some(why) = run.done.unreachable.clone() {
        run.close(why).await?;
    } else {
        flow.delivery_state.reopen();
    }
    Ok(run.done)
}

/// A run: what is under way, and what has ended.
struct Run<'a> {
    flow: &'a Flow,
    failures: u32,
    queues: RecipientQueues,
    under_way: JoinSet<Sent>,
    /// Which letter a task carries, for those that break off.
    tasks: HashMap<tokio::task::Id, (i64, String)>,
    marking: Marking<'a>,
    /// The queue should be read now; and the last reading did not reach its end.
    look: bool,
    more: bool,
    folded_at: Duration,
    /// The way out is closed because the server has enough for now.
    busy: bool,
    /// Why the last letter was refused that may not be at fault.
    doubt: Option<String>,
    /// Refused for good in a row with everybody else: owed again, whatever was written down of them.
    refused: Vec<i64>,
    done: DeliveryRound,
}

impl<'a> Run<'a> {
    fn new(flow: &'a Flow, failures: u32) -> Self {
        Self {
            flow,
            failures,
            queues: RecipientQueues::default(),
            under_way: JoinSet::new(),
            tasks: HashMap::new(),
            marking: Marking::new(&flow.ledger, |ledger, outcomes| Box::pin(ledger.delivered(outcomes))),
            look: true,
            more: false,
            folded_at: flow.clock.monotonic(),
            busy: false,
            doubt: None,
            refused: Vec::new(),
            done: DeliveryRound::default(),
        }
    }

    async fn go(&mut self, stop: &CancellationToken) -> ledger::Result<()> {
        let flow = self.flow;
        let mut last_moment: Option<Duration> = None;
        loop {
            if stop.is_cancelled() && last_moment.is_none() {
                last_moment = Some(flow.clock.monotonic().saturating_add(LAST_MOMENT));
            }
            // While the replica is silent nothing leaves: what is owed is read again once it confirms.
            let silent = flow.replica.refusal().is_some();
            let open = self.done.unreachable.is_none() && last_moment.is_none() && !silent;
            let mut pause = None;
            if open {
                self.read_queue().await?;
                pause = self.start();
            }
            self.marking.begin();
            self.queues.mark_slow(flow.clock.monotonic());
            let idle = self.under_way.is_empty() && !self.marking.is_writing();
            if idle && (!open || (self.queues.is_empty() && !self.look)) {
                if flow.delivery_state.is_in_doubt() && self.done.unreachable.is_none() {
                    // No other letter has shown whose fault it was.
                    self.done.unreachable = self.doubt.take();
                }
                return Ok(());
            }
            let span = match last_moment {
                Some(end) => end.saturating_sub(flow.clock.monotonic()),
                None => pause.unwrap_or(BEAT).min(BEAT),
            };
            tokio::select! {
                biased;
                () = stop.cancelled(), if last_moment.is_none() => {}
                written = self.marking.written() => {
                    self.queues.forget(&written?);
                    flow.heartbeats.record("deliver", &flow.clock);
                }
                Some(ended) = self.under_way.join_next_with_id(), if !self.under_way.is_empty() => {
                    self.landed(ended);
                    while let Some(ended) = self.under_way.try_join_next_with_id() {
                        self.landed(ended);
                    }
                }
                // Others may be owed something by now.
                () = flow.wakers.deliver.notified() => self.look = true,
                () = flow.clock.sleep(span) => match last_moment {
                    Some(_) => {
                        self.under_way.abort_all();
                        // What is aborted may wait for this very thread.
                        tokio::task::yield_now().await;
                    }
                    None => {
                        // A slow receiver is no standstill of ours.
                        flow.heartbeats.record("deliver", &flow.clock);
                        self.look |= pause.is_none();
                    }
                },
            }
        }
    }

    /// Reads what is due until nothing more fits, and puts aside what is held back.
    async fn read_queue(&mut self) -> ledger::Result<()> {
        while self.look && self.queues.waiting() < IN_MEMORY && self.marking.waiting() < IN_MEMORY {
            self.look = false;
            let now = self.flow.clock.now();
            if self.more && self.flow.clock.monotonic().saturating_sub(self.folded_at) >= FLOOD_EVERY {
                self.fold().await?;
            }
            let (but, not) = (self.queues.full(&self.flow.delivery_state), self.queues.numbers());
            let due = self.flow.ledger.due_mails(now, &but, &not, BATCH).await?;
            let read = due.mails.len().saturating_add(due.unreadable.len());
            self.more = read >= usize::try_from(BATCH).unwrap_or(0);
            for (id, why) in due.unreadable {
                tracing::error!(mail.id = id, "an owed mail makes no letter: {why}");
                self.queues.settle(id);
                self.end(id, Delivery::Dead(why));
            }
            for mail in due.mails {
                if let Some((until, why)) = self.held_back(&mail, now) {
                    self.queues.settle(mail.id);
                    self.end(mail.id, Delivery::Again { due: until, why, counted: false });
                } else {
                    self.queues.queue(mail, &self.flow.delivery_state);
                }
            }
            if self.more {
                self.queues.cut_short();
                self.look = true;
            }
        }
        Ok(())
    }

    /// Until when this letter waits, and why, if it does.
    fn held_back(&self, mail: &ledger::OwedMail, now: Timestamp) -> Option<(Timestamp, String)> {
        // A payer has a deadline, and gets no summaries.
        if mail.to_payer || self.flow.delivery_state.is_asked_for(mail.id) {
            return None;
        }
        if let Some(until) = self.flow.rules.current().pace().held_until(mail.event, now) {
            return Some((until, format!("held back by the quiet hours until {}", until.to_seconds_text())));
        }
        if mail.event.is_never_held_back() {
            return None;
        }
        let until =
            self.flow.delivery_state.gathered_until(&mail.recipient)?.max(now.plus(Duration::from_secs(1)));
        Some((until, "one of many: gathered for a summary".to_owned()))
    }

    /// Starts what may start now; gives how long the rate asks to wait where it does.
    fn start(&mut self) -> Option<Duration> {
        let flow = self.flow;
        let per_second = flow.rules.current().pace().per_second;
        loop {
            // Where the way out was closed, one letter tries it for all; one that is not in doubt, where there is one.
            let probing = self.failures > 0 && self.done.sent == 0;
            let most = if probing { 1 } else { flow.delivery_state.most() };
            if self.under_way.len() >= most || !self.queues.may_start(&flow.delivery_state) {
                return None;
            }
            let now = flow.clock.monotonic();
            if let Some(wait) = flow.delivery_state.wait(per_second, now) {
                return Some(wait);
            }
            let state = &flow.delivery_state;
            let fresh = probing.then(|| self.queues.next(state, now, |id| state.is_doubted(id))).flatten();
            let mail = fresh.or_else(|| self.queues.next(state, now, |_| false))?;
            flow.delivery_state.left(per_second, now);
            self.look |= self.queues.is_dry(&mail.recipient);
            let (own, failures, mark) = (flow.clone(), self.failures, flow.replica.mark());
            let (id, recipient) = (mail.id, mail.recipient.clone());
            let task = self.under_way.spawn(async move { send(&own, (mail, mark), failures).await });
            self.tasks.insert(task.id(), (id, recipient));
        }
    }

    fn landed(&mut self, ended: Result<(tokio::task::Id, Sent), tokio::task::JoinError>) {
        let flow = self.flow;
        let sent = match ended {
            Ok((task, sent)) => {
                self.tasks.remove(&task);
                sent
            }
            Err(error) => {
                let Some((id, recipient)) = self.tasks.remove(&error.id()) else { return };
                // Cut off by the end of the daemon, or by a fault of ours: it is owed still, and goes again.
                if error.is_panic() {
                    tracing::error!(mail.id = id, "a delivery broke off: {error}");
                }
                let due = flow.clock.now().plus(flow.settings.mail_retry_initial);
                let why = "the delivery broke off".to_owned();
                Sent {
                    id,
                    recipient,
                    counts: false,
                    delivery: Delivery::Again { due, why, counted: error.is_panic() },
                    found: WayOutFinding::Open,
                }
            }
        };
        let good = matches!(sent.delivery, Delivery::Sent(_));
        self.look |= self.queues.landed(sent.id, &sent.recipient, good, &flow.delivery_state);
        if good {
            if sent.counts {
                flow.delivery_state.note(&sent.recipient, 1, flow.clock.now());
            }
            flow.delivery_state.widen();
        }
        match sent.found {
            WayOutFinding::Open => {}
            WayOutFinding::Refused(why) => {
                if let Some(all) = flow.delivery_state.everybody_refused() {
                    self.done.unreachable =
                        Some(format!("all of {} letters in a row were refused, the last: {why}", all.len()));
                    self.refused = all;
                }
                self.doubt = Some(why);
            }
            // A server that is busy with others, or has just taken some, may only want fewer at a time.
            WayOutFinding::Closed { busy, why }
                if !self.under_way.is_empty() && (busy || self.done.sent > 0) =>
            {
                if flow.delivery_state.narrow(self.under_way.len()) {
                    tracing::debug!(
                        "no more than {} letters at a time from now on: {why}",
                        self.under_way.len()
                    );
                }
            }
            WayOutFinding::Closed { busy, why } => {
                self.busy = busy;
                self.done.unreachable = Some(why);
            }
        }
        self.end(sent.id, sent.delivery);
    }

    fn end(&mut self, id: i64, delivery: Delivery) {
        let slot = match &delivery {
            Delivery::Sent(_) => &mut self.done.sent,
            Delivery::Again { .. } => &mut self.done.waiting,
            Delivery::Dead(_) => &mut self.done.dead,
        };
        *slot = slot.saturating_add(1);
        if !matches!(delivery, Delivery::Again { .. }) {
            self.flow.delivery_state.answered(id);
        }
        self.marking.add(id, delivery);
    }

    /// Writes down everything that is not yet.
    async fn settle(&mut self) -> ledger::Result<()> {
        self.under_way.abort_all();
        while let Some(ended) = self.under_way.join_next_with_id().await {
            self.landed(ended);
        }
        self.marking.settle().await
    }

    /// Tells floods in summaries.
    async fn fold(&mut self) -> ledger::Result<()> {
        let mut by_themselves = self.queues.numbers();
        by_themselves.extend(self.flow.delivery_state.asked_for());
        let folded = flood::fold(self.flow, &by_themselves).await?;
        self.folded_at = self.flow.clock.monotonic();
        self.done.folded = self.done.folded.saturating_add(folded);
        Ok(())
    }
}
