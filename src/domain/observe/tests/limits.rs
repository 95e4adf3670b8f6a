//! What is bounded, and by what: events of a deposit that flaps, months that are closed, clocks that differ, whole cents.

use std::time::Duration;

use super::certainty::{corrected, named, says, stated, total};
use super::*;
use crate::domain::journal;

#[test]
fn a_deposit_that_flaps_is_bounded_and_says_how_many_were_left_out() {
    // An unknown word at every poll; another figure at every poll; a flag that comes and goes.
    type Say = fn(u64) -> Observation;
    let ways: [(&str, Say); 4] = [
        ("words", |n| polled(&format!("odd_{n}"), "")),
        ("figures", |n| named(Some("check"), move |r| r.payer_amount = format!("0.{}", n + 1).parse().ok())),
        ("flags", |n| {
            if n % 2 == 0 { Observation::UnknownOrder("gone".to_owned()) } else { polled("check", "") }
        }),
        ("contradictions", |n| named(Some("check"), move |r| r.order_id = Some(format!("another-{n}")))),
    ];
    for (name, say) in ways {
        let mut deposit = awaiting();
        let mut events = Vec::new();
        let mut left_out = 0;
        // Three hours of polls, 15 s apart.
        for n in 0..720_u64 {
            let now = minute(0).plus(Duration::from_secs(15 * n));
            let step = deposit.observe(say(n), now, &Policy::default()).unwrap();
            for event in &step.events {
                if event.name == EventName::ChangesLeftOut {
                    let words = event.reason.clone().unwrap();
                    left_out += words.split(' ').next().unwrap().parse::<u64>().unwrap();
                }
                events.push(event.name);
            }
            deposit = step.deposit;
        }
        let told = events.iter().filter(|event| **event == EventName::ChangesLeftOut).count();
        assert!(events.len() <= 33 + usize::from(name == "flags"), "{name}: {} events", events.len());
        assert_eq!(told, 2, "{name}: {events:?}");
        assert!(left_out > 200, "{name}: {left_out}");
        // What moves the state is always written.
        let paid = deposit.observe(named(Some("paid"), |_| {}), minute(179), &Policy::default()).unwrap();
        assert_eq!(paid.deposit.facts.state, State::Settled, "{name}");
    }
}

#[test]
fn while_the_clocks_are_apart_bookings_take_the_upstreams_time_and_the_watch_ends_by_both() {
    let paid = |theirs: Timestamp| named(Some("paid"), move |r| r.answered_at = Some(theirs));
    let forty_days = 60 * 24 * 40;
    let settled = at(awaiting(), paid(minute(5)), forty_days).unwrap();
    assert_eq!(settled.deposit.facts.settled_at, Some(minute(5)), "ours is 40 days ahead");
    assert!(settled.due.is_some(), "the watch goes on by the upstream's clock");
    let again = at(settled.deposit.clone(), paid(minute(6)), forty_days).unwrap();
    assert!(again.due.is_some());
    assert!(at(settled.deposit.clone(), paid(minute(forty_days)), forty_days).unwrap().due.is_none());
    // Ours ends it and theirs does not: the next poll waits as ever, and is not due at once.
    let end = settled.deposit.facts.since.plus(Policy::default().late_watch);
    let due = poll::next_poll(&settled.deposit, end, Some(minute(6)), &Policy::default()).unwrap();
    assert!(due.at > end.plus(Policy::default().interval), "{due:?}");
    // Theirs ahead, ours not: neither ends it.
    assert!(at(settled.deposit, paid(minute(forty_days)), 10).unwrap().due.is_some());
    // So are the figures that the list states, and what a person says.
    let settled = at(awaiting(), paid(minute(5)), 5).unwrap().deposit;
    for observation in [stated("4.99"), corrected("4.44")] {
        let (ours, theirs) = (minute(forty_days), Some(minute(7)));
        let step = settled.clone().observe_by(observation, ours, theirs, &Policy::default()).unwrap();
        assert_eq!((step.events[0].at, step.deposit.updated_at), (minute(7), minute(7)));
        assert!(step.due.is_some(), "the watch goes on");
    }
    // Five minutes are no difference; never before the last event.
    let near = at(awaiting(), paid(minute(5)), 10).unwrap();
    assert_eq!(near.deposit.facts.settled_at, Some(minute(10)));
    let before = at(awaiting(), paid(minute(0).minus(Duration::from_hours(9))), 10).unwrap();
    assert_eq!(before.deposit.facts.settled_at, Some(minute(0)));
}

#[test]
fn nothing_is_booked_before_the_end_of_the_last_closed_month() {
    let policy = Policy { books_open_from: minute(60), ..Policy::default() };
    let paid = |theirs: Option<Timestamp>| named(Some("paid"), move |r| r.answered_at = theirs);
    // Our clock and the upstream's are wrong, one, the other, or both.
    for (ours, theirs, at) in [
        (minute(5), None, minute(60)),
        (minute(5), Some(minute(7)), minute(60)),
        (minute(70), Some(minute(7)), minute(60)),
        (minute(5), Some(minute(70)), minute(70)),
        (minute(70), None, minute(70)),
    ] {
        let step = awaiting().observe(paid(theirs), ours, &policy).unwrap();
        let facts = &step.deposit.facts;
        assert_eq!((facts.settled_at, step.deposit.updated_at), (Some(at), at), "{ours} {theirs:?}");
        assert!(step.events.iter().all(|event| event.at == at));
        // The next poll depends on the clocks alone.
        let usual = awaiting().observe(paid(theirs), ours, &Policy::default()).unwrap();
        let waits = |step: &Step| step.due.unwrap().at.since(ours);
        assert!(waits(&step) <= Policy::default().late_watch, "{:?} {:?}", step.due, usual.due);
    }
    let settled = observed(awaiting(), polled("paid", ""), 5);
    for observation in [stated("4.99"), corrected("4.44")] {
        let step = settled.clone().observe_by(observation, minute(6), Some(minute(6)), &policy).unwrap();
        assert_eq!(step.events[0].at, minute(60));
    }
}

#[test]
fn figures_are_booked_in_whole_cents_and_the_rest_is_rounding() {
    let of = |step: &Step, account: &str| {
        let lines = step.events.iter().flat_map(|event| &event.postings);
        lines.filter(|line| line.account == account).map(|line| line.amount_usd_micros.get()).sum::<i64>()
    };
    for (figure, cents, rest) in [
        ("6.177", 6_170_000, 7_000),
        ("5.00", 5_000_000, 0),
        ("5.009999", 5_000_000, 9_999),
        ("0.019", 10_000, 9_000),
    ] {
        let step = at(awaiting(), polled("paid", &format!("usd={figure}")), 1).unwrap();
        assert_eq!((of(&step, journal::PREPAID), of(&step, journal::ROUNDING)), (cents, rest), "{figure}");
        assert_eq!(total(&step.deposit), Some(cents), "{figure}");
    }
    // The row may have the neighbouring cent, and no other.
    let fine = observed(awaiting(), polled("paid", "usd=6.177"), 1);
    let step = at(fine.clone(), stated("6.18"), 2).unwrap();
    assert_eq!((names(&step), total(&step.deposit)), (vec!["figure_stated"], Some(6_180_000)));
    assert_eq!((of(&step, journal::PREPAID), of(&step, journal::ROUNDING)), (10_000, -10_000));
    assert_eq!(names(&at(step.deposit, polled("paid", "usd=6.177"), 3).unwrap()), [] as [&str; 0]);
    assert_eq!(names(&at(fine.clone(), stated("6.17"), 2).unwrap()), [] as [&str; 0], "as it is booked");
    for other in ["6.16", "6.19", "5.00"] {
        assert!(at(fine.clone(), stated(other), 2).is_err(), "{other}");
    }
    // A refund is taken out in whole cents, too.
    let step = at(fine.clone(), polled("refund_paid", "back=6.177"), 2).unwrap();
    assert_eq!((of(&step, journal::PREPAID), says(&step.deposit).as_str()), (-6_170_000, ""));
    let part = at(fine, polled("refund_paid", "back=1.239"), 2).unwrap();
    assert_eq!(of(&part, journal::PREPAID), -1_230_000);
}
