//! What may move money and what may not (docs/design/reconciliation.md, sections 2, 3 and 5), by tables.

#![allow(clippy::arithmetic_side_effects, reason = "test code: small numbers")]

use std::time::Duration;

use super::edge_tests::{at, awaiting, minute, names, observed, opened, polled, walk, wallet};
use super::*;
use crate::domain::deposit::{FigureSource, ReviewKind};
use crate::domain::journal;
use crate::domain::money::UsdMicros;
use crate::domain::status::Status;

fn usd(text: &str) -> UsdMicros {
    text.parse::<crate::domain::money::Amount>().unwrap().to_usd_micros_floor().unwrap()
}

fn says(deposit: &Deposit) -> String {
    deposit.facts.review.as_ref().map(|review| review.reason.clone()).unwrap_or_default()
}

fn total(deposit: &Deposit) -> Option<i64> {
    deposit.facts.booked.as_ref().map(|booked| booked.total().get())
}

/// An answer that names our order, and this.
fn named(status: Option<&str>, change: impl FnOnce(&mut OrderReport)) -> Observation {
    let mut report = OrderReport { status: status.map(str::to_owned), ..wallet("BSC") };
    change(&mut report);
    Observation::Polled(Box::new(report))
}

fn corrected(text: &str) -> Observation {
    Observation::Corrected { credited: usd(text), reason: "support says so".to_owned() }
}

fn stated(text: &str) -> Observation {
    Observation::FigureStated { credited: usd(text) }
}

/// Figures that agree with any word, are missing, or contradict.
const FIGURES: &[&str] = &[
    "",
    "usd=5.00 crypto=4.99",
    "usd=0.00 crypto=0 payer=0 back=0",
    "usd=3.33 payer=3.32",
    "usd=5.005",
    "for=9700000",
    "usd=9700000",
    "back=5.00",
    "usd=5.00 back=2.00",
];

/// Every word after every word, with figures that agree, contradict, or are missing: the books balance to the
/// millionth, hold whole cents, nothing beyond what was asked is booked but where "paid over" says so with a figure, the
/// short way agrees with the whole way, and a person's figure stands.
#[test]
fn every_word_after_every_word_with_every_kind_of_figure() {
    let words: Vec<&str> = Status::WORDS.iter().map(|(word, _)| *word).chain(["odd"]).collect();
    for first in &words {
        for figures in FIGURES {
            for second in &words {
                for more in FIGURES {
                    for said in [false, true] {
                        play(&[(first, figures), (second, more), (second, more)], said);
                    }
                }
            }
        }
    }
}

fn play(answers: &[(&str, &str)], said: bool) {
    let mut deposit = awaiting();
    let (mut prepaid, mut credited) = (0, 0);
    let mut steps: Vec<Observation> = answers.iter().map(|(word, figures)| polled(word, figures)).collect();
    if said {
        steps.insert(1, corrected("4.44"));
    }
    for (minutes, observation) in (1..).zip(steps) {
        let unchanged = match &observation {
            Observation::Polled(report) => {
                unchanged::is_unchanged(&deposit, report, minute(minutes), &Policy::default())
            }
            _ => false,
        };
        let step = at(deposit, observation, minutes).unwrap();
        assert!(
            !unchanged || step.events.is_empty(),
            "{answers:?}: called unchanged, and {:?}",
            names(&step)
        );
        for event in &step.events {
            let sum: i64 = event.postings.iter().map(|line| line.amount_usd_micros.get()).sum();
            assert_eq!(sum, 0, "{answers:?}");
            prepaid += event
                .postings
                .iter()
                .filter(|line| line.account == journal::PREPAID)
                .map(|line| line.amount_usd_micros.get())
                .sum::<i64>();
            credited += event.turnover.credited.get();
        }
        deposit = step.deposit;
    }
    let facts = &deposit.facts;
    let ours = total(&deposit).unwrap_or(0);
    let back = facts.refund.as_ref().map_or(ours, |refund| refund.usd.get());
    let held = ours - if facts.refunded_at.is_some() { back } else { 0 };
    assert_eq!((prepaid, credited), (held, ours), "{answers:?}");
    assert_eq!(prepaid % 10_000, 0, "{answers:?}: whole cents");
    assert!(facts.state != State::Settled || facts.booked.is_some(), "{answers:?}");
    let over = answers.iter().any(|(word, figures)| *word == "paid_over" && figures.contains("usd=9700000"));
    if said {
        assert_eq!(ours, 4_440_000, "{answers:?}: what a person said stands");
    } else if !over {
        assert!(ours <= 5_000_000, "{answers:?}: {ours} of 5.00 asked");
    }
}

#[test]
fn an_answer_that_names_nothing_is_none_once_one_has_named_the_order() {
    let silent = || Observation::Polled(Box::default());
    // Until then a word counts, its absence does not: nothing expires.
    let step = at(awaiting(), silent(), 600).unwrap();
    assert_eq!(step.deposit.facts.state, State::AwaitingPayment);
    assert!(says(&step.deposit).contains("cannot be read"), "{}", says(&step.deposit));
    assert_eq!(observed(awaiting(), polled("paid", ""), 1).facts.state, State::Settled);
    // By its id, by its address, in any letter case.
    type Change = fn(&mut OrderReport);
    let ways: [Change; 3] = [
        |r| r.address = None,
        |r| r.order_id = None,
        |r| {
            r.address = r.address.take().map(|address| address.to_uppercase().replace("0X", "0x"));
        },
    ];
    for way in ways {
        let known = at(awaiting(), named(None, way), 1).unwrap();
        assert_eq!(names(&known), ["status_changed"], "it is kept, also where nothing else is new");
        let known = known.deposit;
        assert!(known.facts.named);
        for word in ["paid", "cancel", "refund_paid", "locked", "check", "odd"] {
            let step = at(known.clone(), polled(word, "usd=5.00"), 600).unwrap();
            assert_eq!(names(&step), ["needs_review"], "{word}");
            assert_eq!(step.deposit.facts.state, State::AwaitingPayment, "{word}");
            assert!(says(&step.deposit).contains("names neither"), "{word}");
        }
        assert_eq!(at(known.clone(), silent(), 600).unwrap().deposit.facts.state, State::AwaitingPayment);
        assert_eq!(observed(known, named(None, |_| {}), 600).facts.state, State::Expired);
    }
    // A shared address identifies nobody.
    let shared = observed(awaiting(), Observation::AddressShared("another has it".to_owned()), 1);
    let step = at(shared, named(None, |r| r.order_id = None), 600).unwrap();
    assert_eq!(step.deposit.facts.state, State::AwaitingPayment);
    assert_eq!(step.deposit.facts.review.unwrap().kind, ReviewKind::Standing);
}

#[test]
fn uuids_compare_without_case_and_other_names_do_not() {
    let id = "af161c5a-936c-4294-b656-6da12b77e232";
    let given = |id: &str| {
        let report = OrderReport { order_id: Some(id.to_owned()), ..wallet("BSC") };
        observed(opened("BSC"), Observation::Wallet(Box::new(report)), 0)
    };
    let capitals = named(Some("paid"), |r| r.order_id = Some(id.to_uppercase()));
    assert_eq!(observed(given(id), capitals, 1).facts.state, State::Settled);
    let other =
        observed(given("order-1"), named(Some("paid"), |r| r.order_id = Some("ORDER-1".to_owned())), 1);
    assert!(says(&other).contains("another order_id"));
}

#[test]
fn figures_that_contradict_the_word_are_flagged_and_not_booked() {
    // What an order bears that ended without money: the word counts, and a person polls.
    for word in ["cancel", "fail", "system_fail"] {
        for (what, change) in [
            (
                "5.00 was paid",
                (|r: &mut OrderReport| r.payment_amount_usd = "5.00".parse().ok()) as fn(&mut _),
            ),
            ("4.99 was paid", |r| r.payment_amount = "4.99".parse().ok()),
            ("4.98 was paid", |r| r.payer_amount = "4.98".parse().ok()),
            ("names a transaction", |r| r.txid = Some("0xabc".to_owned())),
        ] {
            let ended = observed(awaiting(), named(Some(word), change), 1);
            assert!(matches!(ended.facts.state, State::Expired | State::Failed), "{word}");
            assert!(says(&ended).contains(what), "{word}: {}", says(&ended));
            assert_eq!(ended.facts.review.as_ref().unwrap().kind, ReviewKind::Standing);
            assert_eq!((&ended.facts.txid, &ended.facts.payment), (&None, &Default::default()), "not taken");
            let again = at(ended.clone(), named(Some(word), change), 2).unwrap();
            assert_eq!(names(&again), [] as [&str; 0], "told once");
            // Also where it had expired by the clocks before.
            let late = observed(
                observed(awaiting(), named(Some("check"), |_| {}), 80),
                named(Some(word), change),
                81,
            );
            assert!(says(&late).contains(what), "{word}");
        }
        // What the first unpaid poll bore already, and zeros, say nothing.
        let bears = |r: &mut OrderReport| {
            r.txid = Some("0".to_owned());
            r.payment_amount_usd = "5.00".parse().ok();
        };
        let first = observed(awaiting(), named(Some("check"), bears), 1);
        assert_eq!(says(&observed(first.clone(), named(Some(word), bears), 2)), "", "{word}");
        let zeros = named(Some(word), |r| r.payment_amount_usd = "0.00".parse().ok());
        assert_eq!(says(&observed(awaiting(), zeros, 2)), "", "{word}");
        // Money that is locked is not released by an answer that contradicts itself.
        let held = observed(awaiting(), polled("locked", "usd=5.00"), 1);
        let step = at(held, polled(word, "usd=5.00"), 2).unwrap();
        assert_eq!((step.deposit.facts.state, names(&step)), (State::Held, vec!["needs_review"]), "{word}");
    }
    // More than twice what was asked moves nothing, unless it was paid over and a figure says so.
    for (word, figures) in [
        ("paid", "for=10.01"),
        ("paid", "usd=10.01"),
        ("check", "for=10.01"),
        ("paid_over", "for=10.01"),
        ("paid_over", "for=10.01 usd=0"),
        ("wrong_amount", "usd=10.01"),
    ] {
        let step = at(awaiting(), polled(word, figures), 1).unwrap();
        assert_eq!(
            (step.deposit.facts.state, total(&step.deposit)),
            (State::AwaitingPayment, None),
            "{figures}"
        );
        assert!(says(&step.deposit).contains("more than twice"), "{word} {figures}");
        assert_eq!(says(&observed(step.deposit, polled("paid", ""), 2)), "", "an ordinary answer clears it");
    }
    assert_eq!(total(&observed(awaiting(), polled("paid", "usd=10.00 for=10.00"), 1)), Some(10_000_000));
    assert_eq!(total(&observed(awaiting(), polled("paid_over", "usd=48.50 for=48.50"), 1)), Some(48_500_000));
    // A refund while the word stays paid.
    for word in ["paid", "paid_over"] {
        let settled = observed(awaiting(), polled(word, "usd=5.00"), 1);
        let odd = observed(settled.clone(), polled(word, "usd=5.00 back=2.00"), 2);
        assert!(says(&odd).contains("2.00 as refunded"), "{}", says(&odd));
        assert_eq!((odd.facts.booked.clone(), odd.facts.refunded_at), (settled.facts.booked, None));
        assert_eq!(says(&observed(odd, polled(word, "usd=5.00 back=0.00"), 3)), "");
    }
}

#[test]
fn a_figure_that_states_nothing_counts_what_the_wallet_is_for_and_is_flagged() {
    for figure in ["0", "0.00", "0.000000"] {
        let step = at(awaiting(), polled("paid", &format!("usd={figure}")), 1).unwrap();
        let booked = step.deposit.facts.booked.clone().unwrap();
        assert_eq!((booked.usd, booked.source), (usd("5.00"), FigureSource::AmountInUsd));
        assert!(says(&step.deposit).contains(&format!("a figure of {figure}: 5.00 USD are booked")));
        assert_eq!(step.deposit.facts.review.as_ref().unwrap().kind, ReviewKind::Passing);
        let again = at(step.deposit, polled("paid", &format!("usd={figure}")), 2).unwrap();
        assert_eq!(names(&again), [] as [&str; 0], "it stands, and is told once");
        let better = observed(again.deposit, polled("paid", "usd=4.90"), 3);
        assert_eq!((total(&better), says(&better).as_str()), (Some(4_900_000), ""));
    }
    // What the first unpaid poll bore is no payment, whatever it says.
    let placeholder = observed(awaiting(), polled("check", "usd=97.00 crypto=96"), 1);
    let paid = observed(placeholder.clone(), polled("paid", "usd=97.00 crypto=96"), 2);
    assert_eq!(total(&paid), Some(5_000_000));
    assert!(says(&paid).contains("97.00"));
    assert_eq!(total(&observed(placeholder, polled("paid", "usd=4.97"), 2)), Some(4_970_000));
    // Without any figure nothing can be booked, and a person can say what was credited.
    let report = OrderReport { amount_usd: None, ..wallet("BSC") };
    let bare = observed(opened("BSC"), Observation::Wallet(Box::new(report)), 0);
    assert!(bare.facts.wallet.as_ref().unwrap().shown_address().is_some());
    let paid = observed(bare, polled("paid", ""), 1);
    assert_eq!((paid.facts.state, total(&paid)), (State::AwaitingPayment, None));
    assert!(says(&paid).contains("states no figure"));
    let said = observed(paid, corrected("4.90"), 2);
    let settled = observed(said, polled("paid", ""), 3);
    assert_eq!((settled.facts.state, total(&settled)), (State::Settled, Some(4_900_000)));
}

#[test]
fn an_address_that_could_be_paid_wrongly_is_withheld_until_everything_is_known() {
    type Change = fn(&mut OrderReport);
    let unreadable: [(&str, Change); 6] = [
        ("amountInCrypto is missing", |r| r.amount_crypto = None),
        ("amountInCrypto is missing", |r| r.amount_crypto = "0.00".parse().ok()),
        ("expire_at is no time", |r| {
            r.expire_at = None;
            r.unreadable = vec!["expire_at is no time".to_owned()];
        }),
        ("currency is missing", |r| r.currency = None),
        ("network is missing", |r| r.network = None),
        ("dest_tag is not a text", |r| r.unreadable = vec!["dest_tag is not a text".to_owned()]),
    ];
    for (why, change) in unreadable {
        let mut report = wallet("BSC");
        change(&mut report);
        let step = at(opened("BSC"), Observation::Wallet(Box::new(report)), 0).unwrap();
        assert_eq!(names(&step), ["wallet_created", "needs_review"], "{why}");
        let deposit = step.deposit;
        assert_eq!(deposit.facts.state, State::AwaitingPayment, "{why}");
        assert_eq!(deposit.facts.wallet.as_ref().unwrap().shown_address(), None, "{why}");
        assert!(says(&deposit).contains(why), "{why}: {}", says(&deposit));
        assert_eq!(deposit.facts.review.as_ref().unwrap().kind, ReviewKind::Standing);
        assert!(poll::next_poll(&deposit, minute(1), None, &Policy::default()).is_some(), "polled as usual");
        // Later answers that state what was missing make it whole.
        let whole = named(Some("check"), |r| r.memo = Some("77".to_owned()));
        let step = at(deposit.clone(), whole, 1).unwrap();
        assert!(names(&step).contains(&"figures_changed"), "{why}");
        let wallet = step.deposit.facts.wallet.clone().unwrap();
        assert_eq!((wallet.shown_address().is_some(), wallet.unread.len()), (true, 0), "{why}");
        assert_eq!(says(&step.deposit), "", "{why}");
        // Paid it settles all the same.
        assert_eq!(observed(deposit, polled("paid", ""), 1).facts.state, State::Settled, "{why}");
    }
    let contradictions: [(&str, Change); 4] = [
        ("another currency", |r| r.currency = Some("usdc".to_owned())),
        ("another network", |r| r.network = Some("eth".to_owned())),
        ("too large for the books", |r| r.amount_usd = "9".repeat(28).parse().ok()),
        ("more than twice", |r| r.amount_usd = "9700000".parse().ok()),
    ];
    for (why, change) in contradictions {
        let mut report = wallet("BSC");
        change(&mut report);
        let deposit = observed(opened("BSC"), Observation::Wallet(Box::new(report)), 0);
        assert!(says(&deposit).contains(why), "{why}: {}", says(&deposit));
        let later = observed(deposit, named(Some("check"), |_| {}), 1);
        assert_eq!(later.facts.wallet.as_ref().unwrap().shown_address(), None, "{why}: never by itself");
        assert!(later.facts.review.is_some(), "{why}");
        // Its own word settles it.
        assert_eq!(observed(later, named(Some("paid"), |_| {}), 2).facts.state, State::Settled, "{why}");
    }
    // Another has the address.
    let reason = "deposit 1 has it".to_owned();
    let shared = Observation::SharedWallet { report: Box::new(wallet("BSC")), reason };
    let shared = observed(opened("BSC"), shared, 0);
    assert_eq!(shared.facts.wallet.as_ref().unwrap().shown_address(), None);
    let later = observed(shared, named(Some("check"), |_| {}), 1);
    assert_eq!(later.facts.wallet.unwrap().shown_address(), None);
}

#[test]
fn facts_of_a_whole_wallet_are_written_as_ever_and_old_ones_are_read() {
    let text = serde_json::to_string(&awaiting().facts).unwrap();
    let old = r#"{"state":"awaiting_payment","since":"2025-05-30T13:32:57.000Z","wallet":{"order_id":"order-1","address":"0x66b928a82377d75ced043e95738372e9e9607f1f","url":null,"amount_usd":"5.00","amount_crypto":"4.99","expire_at":"2025-05-30T14:32:57.000Z","created_at":"2025-05-30T13:32:57.000Z"},"payment":{},"late":false}"#;
    assert_eq!(text, old);
    assert_eq!(serde_json::from_str::<Facts>(old).unwrap(), awaiting().facts);
}

#[test]
fn a_deposit_without_a_deadline_never_expires_by_the_clock() {
    let report = OrderReport { expire_at: None, ..wallet("BSC") };
    let deposit = observed(opened("BSC"), Observation::Wallet(Box::new(report)), 0);
    let checked = named(Some("check"), |r| r.expire_at = None);
    let later = observed(deposit, checked, 60 * 24 * 365);
    assert_eq!(later.facts.state, State::AwaitingPayment);
    let wait = |minutes| {
        let due = poll::next_poll(&later, minute(minutes), None, &Policy::default()).unwrap();
        due.at.since(minute(minutes)).as_secs()
    };
    assert!((15..=17).contains(&wait(5)) && (60..=66).contains(&wait(60 * 24 * 8)));
    assert_eq!(observed(later.clone(), polled_named("cancel"), 60 * 24 * 366).facts.state, State::Expired);
    // Once one is known, it counts.
    let known = observed(later, named(Some("check"), |_| {}), 60 * 24 * 366);
    assert_eq!(known.facts.state, State::Expired);
}

fn polled_named(word: &str) -> Observation {
    named(Some(word), |_| {})
}

#[test]
fn a_memo_is_stored_and_a_memo_that_a_payer_was_not_shown_is_an_event() {
    let report = OrderReport { memo: Some("101".to_owned()), ..wallet("BSC") };
    let deposit = observed(opened("BSC"), Observation::Wallet(Box::new(report)), 0);
    assert_eq!(deposit.facts.wallet.as_ref().unwrap().memo.as_deref(), Some("101"));
    let other = observed(deposit.clone(), named(Some("paid"), |r| r.memo = Some("102".to_owned())), 1);
    assert_eq!((other.facts.state, says(&other).contains("another memo")), (State::AwaitingPayment, true));
    assert_eq!(
        observed(deposit, named(Some("paid"), |r| r.memo = Some("101".to_owned())), 1).facts.state,
        State::Settled
    );
    let late = observed(awaiting(), named(Some("check"), |r| r.memo = Some("103".to_owned())), 1);
    assert_eq!(late.facts.wallet.as_ref().unwrap().memo.as_deref(), Some("103"));
    assert!(says(&late).contains("memo"), "{}", says(&late));
}

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
fn what_a_payer_is_shown_is_always_written() {
    let mut deposit = awaiting();
    for n in 0..40_u64 {
        let now = minute(0).plus(Duration::from_secs(15 * n));
        let moved = named(Some("check"), |r| r.amount_crypto = format!("4.{}", n + 10).parse().ok());
        let step = deposit.observe(moved, now, &Policy::default()).unwrap();
        assert_eq!(names(&step), ["figures_changed"], "{n}");
        deposit = step.deposit;
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

#[test]
fn a_provisional_figure_is_replaced_by_the_lists_and_no_poll_takes_it_back() {
    let provisional = observed(awaiting(), polled("paid", ""), 1);
    let step = at(provisional.clone(), stated("4.90"), 2).unwrap();
    assert_eq!((names(&step), total(&step.deposit)), (vec!["figure_stated"], Some(4_900_000)));
    let known = step.deposit;
    assert_eq!(known.facts.booked.as_ref().unwrap().source, FigureSource::Invoice);
    // The same figure as ever is no news; one that is new is flagged, and not booked.
    assert_eq!(names(&at(known.clone(), polled("paid", ""), 3).unwrap()), [] as [&str; 0]);
    assert_eq!(names(&at(known.clone(), polled("paid", "usd=4.90"), 3).unwrap()), ["figures_changed"]);
    for figures in ["usd=5.00", "for=4.80"] {
        let other = observed(known.clone(), polled("paid", figures), 3);
        assert_eq!(total(&other), Some(4_900_000), "{figures}");
        assert!(says(&other).contains("the list stated 4.90"), "{figures}: {}", says(&other));
        assert_eq!(says(&observed(other, polled("paid", ""), 4)), "");
    }
    // More is a forward step.
    assert_eq!(total(&observed(known, polled("paid_over", "usd=6.00"), 3)), Some(6_000_000));
    // Nothing was booked: the list cannot state it.
    assert!(at(awaiting(), stated("5.00"), 1).is_err());
    assert_eq!(names(&at(provisional, stated("5.00"), 2).unwrap()), [] as [&str; 0]);
}

#[test]
fn a_person_may_say_what_was_credited_in_any_state_and_take_it_back() {
    let states: [&[(&str, &str)]; 10] = [
        &[("check", "")],
        &[("confirm_check", "")],
        &[("wrong_amount_waiting", "usd=1.00")],
        &[("wrong_amount", "")],
        &[("cancel", "")],
        &[("fail", "")],
        &[("locked", "usd=5.00 crypto=4.99")],
        &[("refund_process", "")],
        &[("refund_paid", "")],
        &[("paid", "usd=5.00")],
    ];
    for words in states {
        let before = walk(words).deposit;
        let state = before.facts.state;
        let booked_before = total(&before);
        let step = at(before.clone(), corrected("4.44"), 5).unwrap();
        let said = step.deposit.clone();
        assert_eq!(
            (names(&step), total(&said), said.facts.state),
            (vec!["corrected"], Some(4_440_000), state)
        );
        let moved = step.events[0].turnover;
        assert_eq!(moved.credited.get(), 4_440_000 - booked_before.unwrap_or(0), "{state}");
        let held: i64 = step.events[0]
            .postings
            .iter()
            .filter(|line| line.account.starts_with(journal::HELD))
            .map(|line| line.amount_usd_micros.get())
            .sum();
        assert_eq!(held, if state == State::Held { -5_000_000 } else { 0 }, "{state}");
        assert!(matches!(
            at(said.clone(), corrected("4.44"), 6),
            Err(InvalidTransition::NothingToCorrect(_))
        ));
        // Whatever is said later by polls, it stands.
        for (word, figures) in [("paid", "usd=5.00"), ("paid", ""), ("refund_process", ""), ("cancel", "")] {
            let later = observed(said.clone(), polled(word, figures), 6);
            assert_eq!(total(&later), Some(4_440_000), "{state}, {word}");
            let back = Observation::Uncorrected { reason: "a mistake".to_owned() };
            let back = observed(later, back, 7);
            let own = match (word, back.facts.state) {
                ("paid", State::Settled) => Some(5_000_000),
                _ => booked_before,
            };
            assert_eq!(total(&back), own, "{state}, {word} {figures}");
        }
        let nobody = Observation::Uncorrected { reason: "x".to_owned() };
        assert_eq!(at(before, nobody, 5).unwrap_err(), InvalidTransition::NothingSaid);
    }
    let missing = observed(opened("BSC"), Observation::GivenUp("no wallet within 60 min".to_owned()), 61);
    assert_eq!(missing.facts.state, State::Unresolved);
    assert!(at(missing, corrected("1.00"), 62).is_err(), "there is no wallet to credit");
}
