//! Whether the upstream is up, judged by its last answers, and how gently to knock while it is not; pure.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// So many failures in a row, and only one probing call at a time is let through.
const TRIPS_AFTER: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How a call ended, as far as the health of the upstream goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It answered sensibly, a refusal included.
    Answered,
    /// It said "too often": alive, but neither proof of health nor of an outage.
    Throttled,
    /// No answer, or none that can be understood; the words say how.
    Failed(String),
}

/// How the upstream has been doing, by the calls that have ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// When the present row of failures began; `None` while the upstream answers.
    pub failing_since: Option<Timestamp>,
    /// How many failures in a row, without an answer between them.
    pub failures: u32,
    /// What the latest failure was, in words.
    pub last_error: Option<String>,
    /// When the upstream last answered sensibly.
    pub last_success: Option<Timestamp>,
    /// When a call last failed.
    pub last_failure: Option<Timestamp>,
    /// When a call last ended, however it did.
    pub last_call: Option<Timestamp>,
    /// True while only one probing call at a time is let through.
    pub breaker_open: bool,
    /// How long the upstream has asked us to wait from now (`Retry-After`), if it has.
    pub paused_for: Option<Duration>,
    /// Calls under way.
    pub in_flight: usize,
    /// Calls that wait for their turn.
    pub waiting: usize,
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

    /// A call has ended.
    pub(super) fn settle(&mut self, outcome: Outcome, probe: bool, at: Timestamp, now: Duration) -> Change {
        self.health.last_call = Some(at);
        match outcome {
            Outcome::Answered => {
                self.health.failing_since = None;
                self.health.failures = 0;
                self.health.last_success = Some(at);
                if self.open.take().is_some() { Change::Closed } else { Change::None }
            }
            Outcome::Throttled => {
                if let Some(open) = self.open.as_mut().filter(|_| probe) {
                    open.probing = false;
                    open.next_probe = now.saturating_add(open.wait);
                }
                Change::None
            }
            Outcome::Failed(words) => {
                self.health.failing_since.get_or_insert(at);
                self.health.failures = self.health.failures.saturating_add(1);
                self.health.last_failure = Some(at);
                self.health.last_error = Some(words);
                self.fail(probe, now)
            }
        }
    }

    fn fail(&mut self, probe: bool, now: Duration) -> Change {
        match &mut self.open {
            None if self.health.failures >= TRIPS_AFTER => {
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

    fn failed() -> Outcome {
        Outcome::Failed("no answer".to_owned())
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert_eq!(breaker.settle(failed(), false, at(), Duration::ZERO), Change::None);
        }
        assert_eq!(breaker.settle(failed(), false, at(), Duration::ZERO), Change::Opened);
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
            breaker.settle(failed(), true, at(), now);
        }
    }

    #[test]
    fn the_first_answer_closes_it_even_from_a_call_that_was_no_probe() {
        let mut breaker = opened();
        assert_eq!(breaker.settle(Outcome::Answered, false, at(), Duration::ZERO), Change::Closed);
        assert_eq!(breaker.gate(Duration::ZERO), Gate::Open { probe: false });
        assert_eq!((breaker.health.failures, breaker.health.failing_since), (0, None));
        assert_eq!(breaker.health.last_error.as_deref(), Some("no answer"), "what it was can still be read");
    }

    #[test]
    fn an_answer_between_failures_starts_the_count_again() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            (0..4).for_each(|_| {
                assert_eq!(breaker.settle(failed(), false, at(), Duration::ZERO), Change::None)
            });
            breaker.settle(Outcome::Answered, false, at(), Duration::ZERO);
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn being_told_to_slow_down_is_no_outage_and_no_recovery() {
        let mut breaker = Breaker::default();
        (0..20).for_each(|_| {
            breaker.settle(Outcome::Throttled, false, at(), Duration::ZERO);
        });
        assert_eq!((breaker.is_open(), breaker.health.failures), (false, 0));
        let mut breaker = opened();
        breaker.begin_probe();
        breaker.settle(Outcome::Throttled, true, at(), Duration::from_secs(1));
        assert_eq!(breaker.gate(Duration::from_secs(1)), Gate::Until(Duration::from_secs(2)));
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
        let start = Timestamp::from_seconds(1_700_000_000);
        breaker.settle(failed(), false, start, Duration::ZERO);
        assert_eq!(breaker.health.failing_for(), Duration::ZERO);
        breaker.settle(failed(), false, start.plus(Duration::from_secs(31)), Duration::ZERO);
        assert_eq!(breaker.health.failing_for(), Duration::from_secs(31));
    }
}
