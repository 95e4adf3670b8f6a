//! One webhook's lane: what was read for it, what is under way to it, and what an answer means for the lane.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::time::{Timestamp, with_jitter};
use crate::flow::context::backoff;
use crate::flow::webhooks::live::LiveWebhooks;
use crate::ledger::{Delivery, OwedWebhook};
use crate::notifier::{Posted, WebhookEndpoint};

/// How many are under way to one webhook at once.
const AT_ONCE: usize = 16;
/// How many are read for it at once, and how many may be held in memory.
pub(super) const BATCH: u32 = 256;
const IN_MEMORY: usize = 1024;
/// After so many refused in a row it is the receiver, and not a message.
const REFUSED_IN_A_ROW: u32 = 8;

/// One webhook while messages are delivered.
pub(super) struct Lane {
    pub(super) endpoint: Arc<WebhookEndpoint>,
    queue: VecDeque<OwedWebhook>,
    /// What is queued, under way, or has ended and is not written down yet.
    held: HashSet<i64>,
    in_flight: usize,
    /// The ledger should be asked for more.
    pub(super) look: bool,
    /// The receiver has said that it is gone.
    pub(super) ended: bool,
}

impl Lane {
    pub(super) fn new(endpoint: Arc<WebhookEndpoint>, ended: bool) -> Self {
        Self { endpoint, queue: VecDeque::new(), held: HashSet::new(), in_flight: 0, look: true, ended }
    }

    pub(super) fn name(&self) -> &str {
        &self.endpoint.settings().name
    }

    /// Whether something may be sent to it now.
    pub(super) fn is_open(&self, live: &LiveWebhooks, now: Timestamp) -> bool {
        !self.ended && live.memory(self.name()).closed_until.is_none_or(|until| until <= now)
    }

    /// Whether the ledger should be asked for more, and there is room for it.
    pub(super) fn wants_more(&self) -> bool {
        self.look
            && self.queue.len() < usize::try_from(BATCH).unwrap_or(usize::MAX).div_euclid(2)
            && self.held.len() < IN_MEMORY
    }

    /// The numbers that the ledger need not give again.
    pub(super) fn held(&self) -> Vec<i64> {
        self.held.iter().copied().collect()
    }

    pub(super) fn queue(&mut self, owed: OwedWebhook) {
        self.held.insert(owed.id);
        self.queue.push_back(owed);
    }

    /// One that is not sent, and has ended all the same.
    pub(super) fn hold(&mut self, id: i64) {
        self.held.insert(id);
    }

    /// The next that may start. Where the last delivery failed, one at a time tries it for all.
    pub(super) fn next(&mut self, live: &LiveWebhooks) -> Option<OwedWebhook> {
        let most = if live.memory(self.name()).failures > 0 { 1 } else { AT_ONCE };
        if self.in_flight >= most {
            return None;
        }
        let owed = self.queue.pop_front()?;
        self.in_flight = self.in_flight.saturating_add(1);
        Some(owed)
    }

    /// What is queued is read again once the lane is open.
    pub(super) fn drop_queue(&mut self) {
        for owed in self.queue.drain(..) {
            self.held.remove(&owed.id);
        }
        self.look = true;
    }

    /// Nothing is under way to it, and how all that was ended is written down.
    pub(super) fn is_settled(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn landed(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// It is written down how this one ended; what waited for it may be due.
    pub(super) fn settle(&mut self, id: i64) {
        if self.held.remove(&id) {
            self.look = true;
        }
    }
}

/// What a delivery's end means.
pub(super) struct LaneVerdict {
    pub(super) delivery: Delivery,
    /// Nothing is sent until then, for this reason.
    pub(super) closed: Option<(Timestamp, String)>,
    /// The receiver is gone, in these words.
    pub(super) gone: Option<String>,
}

/// Judges how the delivery of `id` ended, which was owed since `created_at` and tried `tries` times before; remembers what
/// it says of the receiver.
pub(super) fn judge(
    endpoint: &WebhookEndpoint,
    live: &LiveWebhooks,
    (id, created_at, tries): (i64, Timestamp, u32),
    posted: Posted,
    now: Timestamp,
) -> LaneVerdict {
    let settings = endpoint.settings();
    let name = settings.name.as_str();
    let wait = |times: u32| {
        let wait = backoff(settings.retry_initial, times, settings.retry_max);
        now.plus(with_jitter(wait, id.unsigned_abs(), now))
    };
    let again = |due: Timestamp, why: String| {
        if now.since(created_at) >= settings.give_up_after {
            Delivery::Dead(format!("given up: {why}"))
        } else {
            Delivery::Again { due, why, counted: true }
        }
    };
    match posted {
        Posted::Taken => {
            live.remember(name, |lane| {
                (lane.failures, lane.refused, lane.closed_until) = (0, 0, None);
            });
            LaneVerdict { delivery: Delivery::Sent(now), closed: None, gone: None }
        }
        Posted::Gone(why) => LaneVerdict {
            delivery: Delivery::Again { due: now, why: why.clone(), counted: true },
            closed: None,
            gone: Some(why),
        },
        Posted::Refused(why) => {
            let refused = live.remember(name, |lane| {
                lane.refused = lane.refused.saturating_add(1);
                lane.refused
            });
            let delivery = again(wait(tries), why.clone());
            let closed = (refused >= REFUSED_IN_A_ROW).then(|| {
                let why = format!("{refused} in a row were refused, the last: {why}");
                (close(live, name, now, wait, None, &why), why)
            });
            LaneVerdict { delivery, closed, gone: None }
        }
        Posted::Busy { pause, why } => {
            let until = close(live, name, now, wait, pause.map(|pause| now.plus(pause)), &why);
            LaneVerdict { delivery: again(until, why.clone()), closed: Some((until, why)), gone: None }
        }
        Posted::Unreachable(why) => {
            let until = close(live, name, now, wait, None, &why);
            LaneVerdict { delivery: again(until, why.clone()), closed: Some((until, why)), gone: None }
        }
    }
}

/// Closes a lane: until the receiver wants more, where it said when, and else for a while that grows with each failure. What
/// fails while it is closed, since it was under way, does not prolong that.
fn close(
    live: &LiveWebhooks,
    name: &str,
    now: Timestamp,
    wait: impl Fn(u32) -> Timestamp,
    asked: Option<Timestamp>,
    why: &str,
) -> Timestamp {
    live.remember(name, |lane| {
        let closed = lane.closed_until.filter(|until| now < *until);
        if let (Some(until), None) = (closed, asked) {
            return until;
        }
        let until = asked.unwrap_or_else(|| wait(lane.failures)).max(closed.unwrap_or_default());
        lane.failures = lane.failures.saturating_add(1);
        lane.closed_until = Some(until);
        why.clone_into(&mut lane.why);
        until
    })
}

/// How long before a run looks at its lanes again, whatever happens.
pub(super) const BEAT: Duration = Duration::from_secs(1);
