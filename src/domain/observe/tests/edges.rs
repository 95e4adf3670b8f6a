//! The edges of a deposit's life: what an observation may not do, and where exactly one thing becomes another.

use std::time::Duration;

use super::*;
use crate::domain::money::UsdMicros;
use crate::domain::poll::Urgency;

#[test]
#[expect(clippy::too_many_lines, reason = "one story, or one table of what must be refused")]
fn each_observation_fits_some_states_and_is_an_error_in_the_others() {
    let requested = || opened("BSC");
    let unresolved = || observed(requested(), Observation::OutOfAttempts, 1);
    let rejected = || observed(requested(), Observation::Refused("no".to_owned()), 1);
    let settled = || observed(awaiting(), polled("paid", ""), 1);
    assert_eq!(unresolved().facts.state, State::Unresolved);
    assert_eq!(rejected().facts.state, State::Rejected);
    let given = || Observation::Wallet(Box::new(wallet("BSC")));
    let corrected = || Observation::Corrected { credited: UsdMicros::new(1), reason: "invoice".to_owned() };
    let refused = || Observation::Refused("no".to_owned());
    let misfits: Vec<(Deposit, Observation, &str)> = vec![
        (unresolved(), given(), "a deposit that is unresolved cannot be observed as given a wallet"),
        (rejected(), given(), "a deposit that is rejected cannot be observed as given a wallet"),
        (awaiting(), given(), "a deposit that is awaiting_payment cannot be observed as given a wallet"),
        (unresolved(), refused(), "a deposit that is unresolved cannot be observed as refused"),
        (awaiting(), refused(), "a deposit that is awaiting_payment cannot be observed as refused"),
        (
            awaiting(),
            Observation::SharedWallet {
                report: Box::new(wallet("BSC")),
                reason: "another deposit has it".to_owned(),
            },
            "a deposit that is awaiting_payment cannot be observed as given a wallet",
        ),
        (
            requested(),
            Observation::AddressShared("another deposit has it".to_owned()),
            "a deposit that is requested cannot be observed as given an address that another has",
        ),
        (
            awaiting(),
            Observation::GivenUp("an hour has passed".to_owned()),
            "a deposit that is awaiting_payment cannot be observed as out of attempts",
        ),
        (
            unresolved(),
            Observation::OutOfAttempts,
            "a deposit that is unresolved cannot be observed as out of attempts",
        ),
        (
            awaiting(),
            Observation::OutOfAttempts,
            "a deposit that is awaiting_payment cannot be observed as out of attempts",
        ),
        (requested(), polled("paid", ""), "a deposit that is requested cannot be observed as polled"),
        (
            rejected(),
            Observation::UnknownOrder("x".to_owned()),
            "a deposit that is rejected cannot be observed as polled",
        ),
        (
            requested(),
            Observation::Unreadable("x".to_owned()),
            "a deposit that is requested cannot be observed as polled",
        ),
        (requested(), corrected(), "a deposit that is requested cannot be observed as corrected"),
        (settled(), Observation::Reviewed("x".to_owned()), "the deposit carries no review flag"),
    ];
    for (deposit, observation, why) in misfits {
        assert_eq!(at(deposit, observation.clone(), 3).unwrap_err().to_string(), why, "{observation:?}");
    }
    for observation in
        [Observation::UnknownOrder("gone".to_owned()), Observation::Unreadable("1e400".to_owned())]
    {
        let step = at(settled(), observation, 3).unwrap();
        assert_eq!((names(&step), step.deposit.facts.state), (vec!["needs_review"], State::Settled));
        assert_eq!(names(&at(step.deposit, polled("paid", ""), 4).unwrap()), ["review_cleared"]);
    }
    let step = at(requested(), Observation::Contradiction("another's".to_owned()), 1).unwrap();
    assert_eq!(
        (names(&step), step.deposit.facts.state),
        (vec!["unresolved", "needs_review"], State::Unresolved)
    );
}

#[test]
fn a_contradiction_never_gives_a_wallet_and_only_a_person_clears_it() {
    type Change = fn(&mut OrderReport);
    let changes: [(&str, Change); 2] =
        [("no order_id", |r| r.order_id = None), ("no to_address", |r| r.address = None)];
    for (why, change) in changes {
        let mut report = wallet("BSC");
        change(&mut report);
        let step = at(opened("BSC"), Observation::Wallet(Box::new(report)), 1).unwrap();
        let review = step.deposit.facts.review.unwrap();
        assert!(review.reason.contains(why) && review.kind == ReviewKind::Standing, "{why}: {review:?}");
        assert_eq!((step.deposit.facts.state, step.deposit.facts.wallet), (State::Unresolved, None), "{why}");
    }
    // Where case is part of the address another case is another address.
    let tron = observed(opened("TRON"), Observation::Wallet(Box::new(wallet("TRON"))), 0);
    let shouted = OrderReport {
        address: Some("tr7nhqjekqxgtci8q8zy4pl8otszgjlj6t".to_owned()),
        status: Some("check".to_owned()),
        ..OrderReport::default()
    };
    let step = at(tron, Observation::Polled(Box::new(shouted)), 1).unwrap();
    assert!(step.deposit.facts.review.unwrap().reason.contains("another address"));
}

#[test]
fn a_flag_is_raised_once_and_a_standing_one_is_not_replaced_by_a_passing_one() {
    let unknown = |why: &str| Observation::UnknownOrder(why.to_owned());
    let flagged = observed(awaiting(), unknown("a"), 1);
    assert_eq!(
        names(&at(flagged.clone(), unknown("a"), 2).unwrap()),
        [] as [&str; 0],
        "the same again is no news"
    );
    assert_eq!(names(&at(flagged.clone(), unknown("b"), 2).unwrap()), ["needs_review"]);
    let standing = observed(flagged, Observation::Contradiction("c".to_owned()), 2);
    assert_eq!(standing.facts.review.as_ref().map(|review| review.kind), Some(ReviewKind::Standing));
    assert_eq!(names(&at(standing.clone(), unknown("d"), 3).unwrap()), [] as [&str; 0]);
    assert_eq!(
        names(&at(standing.clone(), Observation::Contradiction("e".to_owned()), 3).unwrap()),
        ["needs_review"]
    );
    // What a person has seen is not raised again; anything else is.
    let seen = observed(standing, Observation::Reviewed("asked them".to_owned()), 3);
    assert_eq!((seen.facts.review.clone(), seen.facts.acknowledged.as_deref()), (None, Some("c")));
    assert_eq!(
        names(&at(seen.clone(), Observation::Contradiction("c".to_owned()), 4).unwrap()),
        [] as [&str; 0]
    );
    assert_eq!(names(&at(seen, Observation::Contradiction("f".to_owned()), 4).unwrap()), ["needs_review"]);
}

#[test]
fn confirming_is_flagged_only_past_its_limit() {
    let confirming = observed(awaiting(), polled("confirm_check", ""), 0);
    let limit = Policy::default().confirming_limit;
    // A poll that brings a new figure takes the whole way, and comes to the same.
    for figures in ["", "crypto=1"] {
        let after = |more: u64| {
            let now = confirming.facts.since.plus(limit).plus(Duration::from_millis(more));
            let step = confirming
                .clone()
                .observe(polled("confirm_check", figures), now, &Policy::default())
                .unwrap();
            step.deposit.facts.review.map(|review| review.reason)
        };
        assert_eq!(after(0), None);
        assert_eq!(after(1).as_deref(), Some("confirming for longer than 1440 min"));
    }
}

#[test]
fn an_underpaid_or_held_deposit_never_expires_by_the_clock() {
    for (word, state) in [
        ("wrong_amount_waiting", State::Underpaid),
        ("locked", State::Held),
        ("confirm_check", State::Confirming),
    ] {
        let deposit = observed(awaiting(), polled(word, ""), 1);
        let later = observed(deposit, polled(word, ""), 600);
        assert_eq!(later.facts.state, state);
    }
    let expired = observed(awaiting(), polled("check", ""), 75);
    assert_eq!((expired.facts.state, expired.facts.expired_at), (State::Expired, Some(minute(75))));
    // The upstream's own word later changes the word, not the moment.
    let cancelled = observed(expired, polled("cancel", ""), 80);
    assert_eq!((cancelled.facts.state, cancelled.facts.expired_at), (State::Expired, Some(minute(75))));
    assert_eq!(cancelled.facts.upstream_status.as_deref(), Some("cancel"));
}

#[test]
fn the_next_poll_comes_when_the_state_asks_for_it() {
    let policy = Policy::default();
    let step = Deposit::open(DepositId::new(uuid::Uuid::from_u128(7)), opened("BSC").request);
    assert_eq!(step.due, Some(poll::Due { at: start(), urgency: Urgency::Create }));
    let next = |deposit: &Deposit, minutes| {
        let now = minute(minutes);
        poll::next_poll(deposit, now, None, &policy).map(|due| (due.at.since(now).as_millis(), due.urgency))
    };
    let within = |(wait, urgency): (u128, Urgency), seconds: u128, expected| {
        assert!(
            wait >= seconds * 1000 && wait <= seconds * 1100 && urgency == expected,
            "{wait} {urgency:?}"
        );
    };
    within(next(&awaiting(), 1).unwrap(), 15, Urgency::Awaiting);
    within(next(&awaiting(), 56).unwrap(), 15, Urgency::NearDeadline);
    within(next(&awaiting(), 70).unwrap(), 15, Urgency::NearDeadline);
    // Near is nearer than five minutes, to the millisecond.
    let mut deposit = awaiting();
    let at = poll::next_poll(&deposit, minute(1), None, &policy).unwrap().at;
    for (millis, urgency) in [(300_000, Urgency::Awaiting), (299_999, Urgency::NearDeadline)] {
        deposit.facts.wallet.as_mut().unwrap().expire_at = Some(at.plus(Duration::from_millis(millis)));
        assert_eq!(poll::next_poll(&deposit, minute(1), None, &policy), Some(poll::Due { at, urgency }));
    }
    // The deciding poll comes right when the grace ends, and later ones as usual.
    let verdict = minute(75);
    let near = poll::next_poll(&awaiting(), verdict.minus(Duration::from_secs(5)), None, &policy).unwrap();
    assert_eq!(near.at, verdict);
    let due = poll::next_poll(&awaiting(), verdict, None, &policy).unwrap();
    assert!(due.at > verdict.plus(Duration::from_secs(14)), "{due:?}");
    let of = |word: &str| observed(awaiting(), polled(word, ""), 1);
    within(next(&of("confirm_check"), 1).unwrap(), 10, Urgency::Confirming);
    within(next(&of("wrong_amount_waiting"), 1).unwrap(), 15, Urgency::Awaiting);
    within(next(&of("locked"), 1).unwrap(), 60, Urgency::Awaiting);
    within(next(&of("paid"), 1).unwrap(), 60, Urgency::Watch);
    within(next(&of("paid"), 61).unwrap(), 3660, Urgency::Watch);
    within(next(&of("paid"), 24 * 60).unwrap(), 43_200, Urgency::Watch);
    let end = 1 + 7 * 24 * 60;
    assert_eq!(next(&of("paid"), end - 1), Some((60_000, Urgency::Watch)), "the last poll is at the end");
    assert_eq!(next(&of("paid"), end), None);
    assert_eq!(next(&opened("BSC"), 1), None);
}

#[test]
fn what_may_be_booked_is_never_passed_over_and_what_says_nothing_new_is() {
    let is_unchanged = |deposit: &Deposit, status: &str, minutes| {
        let report = OrderReport { status: Some(status.to_owned()), ..OrderReport::default() };
        unchanged::is_unchanged(deposit, &report, minute(minutes), &Policy::default())
    };
    for word in ["paid", "wrong_amount"] {
        assert!(!is_unchanged(&walk(&[(word, "usd=5.00")]).deposit, word, 9), "{word}");
    }
    for word in ["confirm_check", "wrong_amount_waiting", "locked", "refund_process", "cancel", "fail"] {
        assert!(is_unchanged(&walk(&[(word, "")]).deposit, word, 9), "{word}");
        assert!(!is_unchanged(&walk(&[(word, "")]).deposit, "check", 9), "{word}");
    }
    // Expired by the clocks, and still unpaid.
    let expired = observed(observed(awaiting(), polled("check", ""), 1), polled("check", ""), 75);
    assert_eq!(expired.facts.state, State::Expired);
    assert!(is_unchanged(&expired, "check", 80));
    let refunded = walk(&[("paid", ""), ("refund_paid", "")]).deposit;
    assert!(is_unchanged(&refunded, "refund_paid", 9));
}

#[test]
fn many_deposits_do_not_come_back_at_once() {
    let policy = Policy { interval: Duration::from_hours(10), ..Policy::default() };
    let wait = |number: u128, minutes| {
        let mut deposit = awaiting();
        // As long as a real one: its first half is the time, and the same for many.
        deposit.id = DepositId::new(uuid::Uuid::from_u128((0x019b_0000_0000_7000 << 64) + number));
        deposit.facts.state = State::Underpaid;
        let now = minute(minutes);
        poll::next_poll(&deposit, now, None, &policy).unwrap().at.since(now)
    };
    let distinct = |waits: Vec<Duration>| waits.into_iter().collect::<std::collections::BTreeSet<_>>().len();
    assert!(distinct((0..100).map(|number| wait(number, 0)).collect()) > 90);
    assert!(distinct((0..100).map(|minutes| wait(3, minutes)).collect()) > 90);
    assert_eq!(wait(3, 5), wait(3, 5), "the same when asked again");
}
