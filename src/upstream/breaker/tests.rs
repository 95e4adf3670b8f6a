//! When calls are let through and when not.

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
        (0..4).for_each(|_| assert_eq!(ends(&mut breaker, missed(CallTrouble::Unreadable)), Change::None));
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
        assert_eq!((health.failures, health.failing_since, health.trouble), (20, Some(at()), Some(trouble)));
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
fn only_a_readable_poll_counts_as_read_and_ends_unreadable_polls() {
    let mut breaker = Breaker::default();
    let later = Duration::from_secs(7);
    breaker.settle(CallOutcome::Answered, false, false, at(), Duration::from_secs(3));
    assert_eq!(breaker.health.last_read, None);
    for trouble in [CallTrouble::UnknownOrders, CallTrouble::Unreadable] {
        breaker.settle(missed(trouble), true, false, at(), later);
        breaker.settle(CallOutcome::Answered, false, false, at(), later);
        assert_eq!((breaker.health.failing_since, breaker.health.polls_idle_since), (None, Some(at())));
        breaker.settle(CallOutcome::Answered, true, false, at(), later);
        assert_eq!((breaker.health.last_read, breaker.health.polls_idle_since), (Some(later), None));
    }
    breaker.settle(missed(CallTrouble::Unreadable), false, false, at(), later);
    breaker.settle(missed(CallTrouble::NoAnswer), true, false, at(), later);
    assert_eq!(breaker.health.polls_idle_since, None, "neither a list nor silence");
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
