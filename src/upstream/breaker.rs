//! The breaker: whether the upstream is up, judged by its last answers, and which calls may go while it is not; pure.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::domain::time::Timestamp;

/// So many failures in a row, and only one probing call at a time is let through.
const TRIPS_AFTER: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The kind of trouble with the upstream, by the latest call that was not answered readably.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallTrouble {
    /// No answer, or an error of the server.
    NoAnswer,
    /// It answers, with a status of success, and what it says cannot be read.
    Unreadable,
    /// It says "too often".
    Throttled,
    /// It does not accept the account or its key.
    Denied,
    /// It says of the orders that it does not know them.
    UnknownOrders,
}

impl CallTrouble {
    /// The word that stands for it in facts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Unreadable => "unreadable",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::UnknownOrders => "unknown_orders",
        }
    }

    /// What the upstream does, with its own words or what went wrong.
    fn told(self, words: &str) -> String {
        match self {
            Self::NoAnswer => words.to_owned(),
            Self::Unreadable => format!("answers, and cannot be read: {words}"),
            Self::Throttled => format!("asks us to slow down: {words}"),
            Self::Denied => format!("denies access: {words}"),
            Self::UnknownOrders => format!("answers, and does not know the order: {words}"),
        }
    }

    /// True for what is not worth asking on at full speed. Being told to slow down has its own pause, and an order that
    /// is not known says nothing of the next.
    const fn trips(self) -> bool {
        matches!(self, Self::NoAnswer | Self::Unreadable | Self::Denied)
    }
}

/// How a call ended, as far as the health of the upstream goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CallOutcome {
    /// It answered readably, a refusal included.
    Answered,
    /// It did not; the words say how.
    Missed(CallTrouble, String),
}

/// How the upstream has been doing, by the calls that have ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// When the first call ended that was not answered readably; `None` once one is.
    pub failing_since: Option<Timestamp>,
    /// How many such calls in a row, without a readable answer between them.
    pub failures: u32,
    /// How many of them were denied access.
    pub denials: u32,
    /// What kind the latest of them was; stays when the upstream answers again.
    pub trouble: Option<CallTrouble>,
    /// What the latest of them was, in words; stays when the upstream answers again.
    pub last_error: Option<String>,
    /// Since when polls are answered unreadably, or without knowing their orders. It ends with a poll that can be read,
    /// and not with the list or the balance.
    pub polls_idle_since: Option<Timestamp>,
    /// When the upstream last answered readably.
    pub last_success: Option<Timestamp>,
    /// When a call last was not answered readably.
    pub last_failure: Option<Timestamp>,
    /// When a call last ended, however it did.
    pub last_call: Option<Timestamp>,
    /// When a poll was last answered readably, by the monotonic clock.
    pub last_read: Option<Duration>,
    /// True while only one probing call at a time is let through.
    pub breaker_open: bool,
    /// How long the upstream has asked us to wait from now (`Retry-After`), if it has.
    pub paused_for: Option<Duration>,
    /// Calls under way.
    pub in_flight: usize,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// The upstream's clock minus ours in milliseconds, at the last answer with a date.
    pub skew_ms: Option<i64>,
}

impl Health {
    /// For how long nothing but failures has been seen: from the first of the row to the latest. Silence between
    /// them counts, silence after them does not: one failure and then no call at all is no outage.
    #[must_use]
    pub fn failing_for(&self) -> Duration {
        match (self.failing_since, self.last_failure) {
            (Some(since), Some(last)) => last.since(since),
            _ => Duration::ZERO,
        }
    }

    /// True where access was denied and a second call has confirmed it: nothing heals that but a person.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.failing_since.is_some() && self.trouble == Some(CallTrouble::Denied) && self.denials >= 2
    }

    /// What is the matter, in words that are true for its kind; `None` while the upstream answers readably.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let since = self.failing_since?;
        let error = self.last_error.as_deref().unwrap_or("no answer");
        Some(match self.trouble {
            None | Some(CallTrouble::NoAnswer) => {
                format!("the upstream has not answered since {since}: {error}")
            }
            Some(_) => format!("since {since} the upstream {error}"),
        })
    }
}

/// Whether a call may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Yes; the call is a probe when `probe` is set.
    Open { probe: bool },
    /// Not before this instant.
    Until(Duration),
    /// Not before the probe that is under way has ended.
    Probing,
}

/// How a call's end changed the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// No change.
    None,
    /// From now on only probes.
    Opened,
    /// All may go again.
    Closed,
}

/// Lets everything through while the upstream answers, and one probe at a time while it does not.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    open: Option<Open>,
    /// Failures in a row that trip it.
    strikes: u32,
    pub(super) health: Health,
}

#[derive(Debug)]
struct Open {
    wait: Duration,
    next_probe: Duration,
    probing: bool,
}

impl Breaker {
    pub(super) fn gate(&self, now: Duration) -> Gate {
        match &self.open {
            None => Gate::Open { probe: false },
            Some(open) if open.probing => Gate::Probing,
            Some(open) if open.next_probe > now => Gate::Until(open.next_probe),
            Some(_) => Gate::Open { probe: true },
        }
    }

    /// A probe goes out.
    pub(super) fn begin_probe(&mut self) {
        if let Some(open) = &mut self.open {
            open.probing = true;
        }
    }

    /// A probe was dropped before its end: the next may go at once.
    pub(super) fn abandon_probe(&mut self) {
        if let Some(open) = &mut self.open {
            open.probing = false;
        }
    }

    /// A call has ended; `is_poll` where it was one for an order.
    pub(super) fn settle(
        &mut self,
        outcome: CallOutcome,
        is_poll: bool,
        probe: bool,
        at: Timestamp,
        now: Duration,
    ) -> Change {
        self.health.last_call = Some(at);
        match outcome {
            CallOutcome::Answered => {
                self.health.failing_since = None;
                self.health.failures = 0;
                self.health.denials = 0;
                self.health.last_success = Some(at);
                if is_poll {
                    self.health.last_read = Some(now);
                    self.health.polls_idle_since = None;
                }
                self.close()
            }
            CallOutcome::Missed(trouble, words) => {
                self.note(trouble, &words, is_poll, at);
                match trouble {
                    CallTrouble::Throttled => {
                        if let Some(open) = self.open.as_mut().filter(|_| probe) {
                            open.probing = false;
                            open.next_probe = now.saturating_add(open.wait);
                        }
                        Change::None
                    }
                    // It answers, and may know the next order.
                    trouble if !trouble.trips() => self.close(),
                    _ => self.fail(probe, now),
                }
            }
        }
    }

    fn note(&mut self, trouble: CallTrouble, words: &str, is_poll: bool, at: Timestamp) {
        let health = &mut self.health;
        if is_poll && matches!(trouble, CallTrouble::Unreadable | CallTrouble::UnknownOrders) {
            health.polls_idle_since.get_or_insert(at);
        }
        health.failing_since.get_or_insert(at);
        health.failures = health.failures.saturating_add(1);
        if trouble == CallTrouble::Denied {
            health.denials = health.denials.saturating_add(1);
        }
        health.trouble = Some(trouble);
        health.last_failure = Some(at);
        health.last_error = Some(trouble.told(words));
    }

    fn close(&mut self) -> Change {
        self.strikes = 0;
        if self.open.take().is_some() { Change::Closed } else { Change::None }
    }

    fn fail(&mut self, probe: bool, now: Duration) -> Change {
        self.strikes = self.strikes.saturating_add(1);
        match &mut self.open {
            None if self.strikes >= TRIPS_AFTER => {
                let next_probe = now.saturating_add(FIRST_WAIT);
                self.open = Some(Open { wait: FIRST_WAIT, next_probe, probing: false });
                Change::Opened
            }
            // A call that began before the breaker opened changes nothing.
            Some(open) if probe => {
                open.probing = false;
                open.wait = open.wait.saturating_mul(2).min(LONGEST_WAIT);
                open.next_probe = now.saturating_add(open.wait);
                Change::None
            }
            _ => Change::None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}
