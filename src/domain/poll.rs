//! When to poll a deposit again, and how urgent that is.

use std::time::Duration;

use super::deposit::{Deposit, State};
use super::report::agree_that_past;
use super::time::{Timestamp, with_jitter};

/// The intervals of `[polling]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// While a payment is awaited.
    pub interval: Duration,
    /// Once it has been seen on the chain.
    pub confirming_interval: Duration,
    /// After the deadline, before an unpaid deposit is called expired.
    pub expiry_grace: Duration,
    /// A deposit that confirms for longer is flagged.
    pub confirming_limit: Duration,
    /// How long a final state is still polled.
    pub late_watch: Duration,
    /// How often the invoice list is read while an open deposit is followed by it.
    pub list_interval: Duration,
    /// How long a payment page or a card payment may stay unpaid where no deadline of it is known.
    pub link_limit: Duration,
    /// The end of the last closed month: what a clock that is wrong dates before it is booked at this instant.
    pub books_open_from: Timestamp,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(15),
            confirming_interval: Duration::from_secs(10),
            expiry_grace: Duration::from_mins(15),
            confirming_limit: Duration::from_hours(24),
            late_watch: Duration::from_hours(7 * 24),
            list_interval: Duration::from_mins(1),
            link_limit: Duration::from_hours(24),
            books_open_from: Timestamp::EPOCH,
        }
    }
}

/// The longest time between two polls at a final state.
const WATCH_CEILING: Duration = Duration::from_hours(12);
/// The longest time between two attempts to get a wallet.
pub const CREATE_CEILING: Duration = Duration::from_mins(5);
/// A deadline nearer than this makes a poll urgent.
const NEAR_DEADLINE: Duration = Duration::from_mins(5);

/// Who goes first when the request budget is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Money is on its way.
    Confirming = 0,
    /// The deadline is near, or has just passed.
    NearDeadline = 1,
    /// A payment is awaited.
    Awaiting = 2,
    /// A final state, watched.
    Watch = 3,
    /// No wallet yet: nothing to poll. These have a queue of their own.
    Create = 4,
}

impl Urgency {
    /// The polls, most urgent first.
    pub const POLLS: &[Self] = &[Self::Confirming, Self::NearDeadline, Self::Awaiting, Self::Watch];

    /// How long a due poll may be passed over in favour of more urgent ones. After that it goes before everything else
    /// that is due: no deposit starves.
    #[must_use]
    pub const fn patience(self) -> Duration {
        match self {
            Self::Confirming | Self::Create => Duration::ZERO,
            Self::NearDeadline => Duration::from_secs(30),
            Self::Awaiting => Duration::from_mins(2),
            Self::Watch => Duration::from_mins(30),
        }
    }
}

impl Policy {
    /// The longest that a deposit can have to wait in this class. A queue entry further in the future was written under
    /// a wrong clock, and is due.
    #[must_use]
    pub fn longest_wait(&self, urgency: Urgency) -> Duration {
        let wait = match urgency {
            Urgency::Confirming => self.confirming_interval,
            Urgency::NearDeadline | Urgency::Awaiting => self.interval.saturating_mul(4),
            Urgency::Watch => WATCH_CEILING.max(self.interval.saturating_mul(4)),
            Urgency::Create => CREATE_CEILING,
        };
        // A tenth of jitter, and a minute for the time between two readings of a clock.
        wait.saturating_add(wait.checked_div(10).unwrap_or_default()).saturating_add(Duration::from_mins(1))
    }
}

/// When to act on a deposit again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Not before this instant.
    pub at: Timestamp,
    /// Its place in the queue.
    pub urgency: Urgency,
}

/// When to poll `deposit` again after a poll at `now`; `None` where nobody needs to. `theirs` is the upstream's clock,
/// where it is known: a deposit leaves the watch only when both clocks agree.
#[must_use]
pub fn next_poll(
    deposit: &Deposit,
    now: Timestamp,
    theirs: Option<Timestamp>,
    policy: &Policy,
) -> Option<Due> {
    let facts = &deposit.facts;
    let wallet = facts.wallet.as_ref()?;
    if deposit.is_left_to_list() {
        return None;
    }
    let seed = u64::try_from(deposit.id.uuid().as_u128() & u128::from(u64::MAX)).unwrap_or(0);
    let spread = |span: Duration| now.plus(with_jitter(span, seed, now));
    match facts.state {
        State::Requested | State::Rejected | State::Unresolved => None,
        State::Confirming => {
            Some(Due { at: spread(policy.confirming_interval), urgency: Urgency::Confirming })
        }
        State::AwaitingPayment => {
            let Some(expire_at) = wallet.expire_at else {
                // Nothing but the upstream's word ends it: after a while it is asked less often.
                let rarely = now >= facts.since.plus(policy.late_watch);
                let wait = policy.interval.saturating_mul(if rarely { 4 } else { 1 });
                return Some(Due { at: spread(wait), urgency: Urgency::Awaiting });
            };
            // A poll right after the deadline's grace decides: do not let it wait for a whole interval.
            let verdict = expire_at.plus(policy.expiry_grace);
            let next = spread(policy.interval);
            let at = if verdict > now { next.min(verdict) } else { next };
            let near = expire_at.since(at) < NEAR_DEADLINE;
            Some(Due { at, urgency: if near { Urgency::NearDeadline } else { Urgency::Awaiting } })
        }
        State::Underpaid | State::Refunding => {
            Some(Due { at: spread(policy.interval), urgency: Urgency::Awaiting })
        }
        State::Held => {
            Some(Due { at: spread(policy.interval.saturating_mul(4)), urgency: Urgency::Awaiting })
        }
        State::Settled | State::Short | State::Expired | State::Failed | State::Refunded => {
            let end = facts.since.plus(policy.late_watch);
            if agree_that_past(end, now, theirs) {
                return None;
            }
            // Waits of 4, 8, 16.. intervals add up to this rule without counting polls.
            let passed = now.min(theirs.unwrap_or(now)).since(facts.since);
            let wait = policy.interval.saturating_mul(4).saturating_add(passed).min(WATCH_CEILING);
            let next = spread(wait);
            Some(Due { at: if now < end { next.min(end) } else { next }, urgency: Urgency::Watch })
        }
    }
}
