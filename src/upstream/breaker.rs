//! Whether the upstream is up, judged by its last answers, and how gently to knock while it is not; pure.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// So many failures in a row, and only one probing call at a time is let through.
const TRIPS_AFTER: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What is the matter with the upstream, by the latest call that was not answered readably.
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
    /// Since when looks come back and say nothing of their orders, unreadable or not knowing them; ended by a look that
    /// is read, and not by the list or the figures.
    pub looks_idle_since: Option<Timestamp>,
    /// When the upstream last answered readably.
    pub last_success: Option<Timestamp>,
    /// When a call last was not answered readably.
    pub last_failure: Option<Timestamp>,
    /// When a call last ended, however it did.
    pub last_call: Option<Timestamp>,
    /// When a look was last answered readably, by the clock that never goes back.
    pub last_read: Option<Duration>,
    /// True while only one probing call at a time is let through.
    pub breaker_open: bool,
    /// How long the upstream has asked us to wait from now (`Retry-After`), if it has.
    pub paused_for: Option<Duration>,
    /// Calls under way.
    pub in_flight: usize,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// The upstream's clock minus ours in milliseconds, when it last told.
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

/// What a call's end did to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that anybody needs to hear of.
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

    /// A probe was dropped before it could tell anything: the next may go at once.
    pub(super) fn abandon_probe(&mut self) {
        if let Some(open) = &mut self.open {
            open.probing = false;
        }
    }

    /// A call has ended, which was a look at an order or not.
    pub(super) fn settle(
        &mut self,
        outcome: CallOutcome,
        is_look: bool,
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
                if is_look {
                    self.health.last_read = Some(now);
                    self.health.looks_idle_since = None;
                }
                self.close()
            }
            CallOutcome::Missed(trouble, words) => {
                self.note(trouble, &words, is_look, at);
                match trouble {
                    CallTrouble::Throttled => {
                        if let Some(open) = self.open.as_mut().filter(|_| probe) {
                            open.probing = false;
                            open.next_probe = now.saturating_add(open.wait);
                        }
                        Change::None
                    }
                    // It speaks, and the next order may be one that it knows.
                    trouble if !trouble.trips() => self.close(),
                    _ => self.fail(probe, now),
                }
            }
        }
    }

    fn note(&mut self, trouble: CallTrouble, words: &str, is_look: bool, at: Timestamp) {
        let health = &mut self.health;
        if is_look && matches!(trouble, CallTrouble::Unreadable | CallTrouble::UnknownOrders) {
            health.looks_idle_since.get_or_insert(at);
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
            // A call that went out before the breaker opened tells nothing new.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_seconds(1_700_000_000)
    }

    fn missed(trouble: CallTrouble) -> CallOutcome {
        CallOutcome::Missed(trouble, "words".to_owned())
    }

    /// Settles a call that was no probe.
    fn ends(breaker: &mut Breaker, outcome: CallOutcome) -> Change {
        breaker.settle(outcome, false, false, at(), Duration::ZERO)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert_eq!(ends(&mut breaker, missed(CallTrouble::NoAnswer)), Change::None);
        }
        assert_eq!(ends(&mut breaker, missed(CallTrouble::NoAnswer)), Change::Opened);
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_the_waits_double_to_half_a_minute() {
        let mut breaker = opened();
        let mut now = Duration::ZERO;
        for wait in [1, 2, 4, 8, 16, 30, 30] {
            let next = now.checked_add(Duration::from_secs(wait)).unwrap();
            assert_eq!(breaker.gate(now), Gate::Until(next));
            now = next;
            assert_eq!(breaker.gate(now), Gate::Open { probe: true });
            breaker.begin_probe();
            assert_eq!(breaker.gate(now), Gate::Probing, "one at a time");
            breaker.settle(missed(CallTrouble::NoAnswer), false, true, at(), now);
        }
    }

    #[test]
    fn the_first_answer_closes_it_even_from_a_call_that_was_no_probe() {
        let mut breaker = opened();
        assert_eq!(ends(&mut breaker, CallOutcome::Answered), Change::Closed);
        assert_eq!(breaker.gate(Duration::ZERO), Gate::Open { probe: false });
        assert_eq!((breaker.health.failures, breaker.health.failing_since), (0, None));
        assert_eq!(breaker.health.last_error.as_deref(), Some("words"), "what it was can still be read");
        assert_eq!(breaker.health.words(), None);
    }

    #[test]
    fn an_answer_between_failures_starts_the_count_again() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            (0..4)
                .for_each(|_| assert_eq!(ends(&mut breaker, missed(CallTrouble::Unreadable)), Change::None));
            ends(&mut breaker, CallOutcome::Answered);
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn whatever_is_no_readable_answer_begins_the_row_and_says_what_it_is() {
        for (trouble, trips, error, words) in [
            (
                CallTrouble::NoAnswer,
                true,
                "words",
                "the upstream has not answered since 2023-11-14T22:13:20.000Z: words",
            ),
            (
                CallTrouble::Unreadable,
                true,
                "answers, and cannot be read: words",
                "since 2023-11-14T22:13:20.000Z the upstream answers, and cannot be read: words",
            ),
            (
                CallTrouble::Throttled,
                false,
                "asks us to slow down: words",
                "since 2023-11-14T22:13:20.000Z the upstream asks us to slow down: words",
            ),
            (
                CallTrouble::Denied,
                true,
                "denies access: words",
                "since 2023-11-14T22:13:20.000Z the upstream denies access: words",
            ),
            (
                CallTrouble::UnknownOrders,
                false,
                "answers, and does not know the order: words",
                "since 2023-11-14T22:13:20.000Z the upstream answers, and does not know the order: words",
            ),
        ] {
            let mut breaker = Breaker::default();
            for _ in 0..20 {
                ends(&mut breaker, missed(trouble));
            }
            assert_eq!(breaker.is_open(), trips, "{trouble:?}");
            let health = &breaker.health;
            assert_eq!(
                (health.failures, health.failing_since, health.trouble),
                (20, Some(at()), Some(trouble))
            );
            assert_eq!((health.last_error.as_deref(), health.words().as_deref()), (Some(error), Some(words)));
            ends(&mut breaker, CallOutcome::Answered);
            assert_eq!((breaker.health.failing_since, breaker.is_open()), (None, false), "{trouble:?}");
        }
    }

    #[test]
    fn being_told_to_slow_down_neither_trips_nor_closes() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            ends(&mut breaker, missed(CallTrouble::Throttled));
            ends(&mut breaker, missed(CallTrouble::NoAnswer));
            if breaker.is_open() {
                break;
            }
        }
        assert_eq!(breaker.health.failures, 10, "five of each: those between count for nothing");
        let mut breaker = opened();
        breaker.begin_probe();
        breaker.settle(missed(CallTrouble::Throttled), false, true, at(), Duration::from_secs(1));
        assert_eq!(breaker.gate(Duration::from_secs(1)), Gate::Until(Duration::from_secs(2)));
        assert_eq!(breaker.health.trouble, Some(CallTrouble::Throttled));
    }

    #[test]
    fn an_order_that_is_not_known_lets_all_go_again_and_ends_no_outage() {
        let mut breaker = opened();
        assert_eq!(ends(&mut breaker, missed(CallTrouble::UnknownOrders)), Change::Closed);
        assert_eq!(breaker.health.failing_since, Some(at()));
        assert_eq!(ends(&mut breaker, CallOutcome::Answered), Change::None);
        assert_eq!(breaker.health.failing_since, None);
    }

    #[test]
    fn a_denial_counts_once_a_second_call_confirms_it() {
        let mut breaker = Breaker::default();
        ends(&mut breaker, missed(CallTrouble::Denied));
        assert!(!breaker.health.is_denied());
        ends(&mut breaker, CallOutcome::Answered);
        ends(&mut breaker, missed(CallTrouble::Denied));
        assert!(!breaker.health.is_denied(), "a readable answer between them");
        ends(&mut breaker, missed(CallTrouble::NoAnswer));
        ends(&mut breaker, missed(CallTrouble::Denied));
        assert!(breaker.health.is_denied());
        ends(&mut breaker, CallOutcome::Answered);
        assert!(!breaker.health.is_denied());
    }

    #[test]
    fn only_a_look_that_is_read_counts_as_read_and_ends_what_looks_do_not_say() {
        let mut breaker = Breaker::default();
        let later = Duration::from_secs(7);
        breaker.settle(CallOutcome::Answered, false, false, at(), Duration::from_secs(3));
        assert_eq!(breaker.health.last_read, None);
        for trouble in [CallTrouble::UnknownOrders, CallTrouble::Unreadable] {
            breaker.settle(missed(trouble), true, false, at(), later);
            breaker.settle(CallOutcome::Answered, false, false, at(), later);
            assert_eq!((breaker.health.failing_since, breaker.health.looks_idle_since), (None, Some(at())));
            breaker.settle(CallOutcome::Answered, true, false, at(), later);
            assert_eq!((breaker.health.last_read, breaker.health.looks_idle_since), (Some(later), None));
        }
        breaker.settle(missed(CallTrouble::Unreadable), false, false, at(), later);
        breaker.settle(missed(CallTrouble::NoAnswer), true, false, at(), later);
        assert_eq!(breaker.health.looks_idle_since, None, "neither a list nor silence");
    }

    #[test]
    fn a_probe_that_was_dropped_frees_its_place() {
        let mut breaker = opened();
        breaker.begin_probe();
        breaker.abandon_probe();
        assert_eq!(breaker.gate(Duration::from_secs(1)), Gate::Open { probe: true });
    }

    #[test]
    fn one_failure_and_then_silence_is_no_outage() {
        let mut breaker = Breaker::default();
        ends(&mut breaker, missed(CallTrouble::NoAnswer));
        assert_eq!(breaker.health.failing_for(), Duration::ZERO);
        let later = at().plus(Duration::from_secs(31));
        breaker.settle(missed(CallTrouble::Throttled), false, false, later, Duration::ZERO);
        assert_eq!(breaker.health.failing_for(), Duration::from_secs(31));
    }
}
