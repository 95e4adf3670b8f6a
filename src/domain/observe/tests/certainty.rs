//! What may move money and what may not (docs/design/reconciliation.md, sections 2, 3 and 5), by tables.

use super::*;
use crate::domain::deposit::{FigureSource, ReviewKind};
use crate::domain::journal;
use crate::domain::money::UsdMicros;
use crate::domain::status::Status;

pub(super) fn usd(text: &str) -> UsdMicros {
    text.parse::<crate::domain::money::Amount>().unwrap().to_usd_micros_floor().unwrap()
}

pub(super) fn says(deposit: &Deposit) -> String {
    deposit.facts.review.as_ref().map(|review| review.reason.clone()).unwrap_or_default()
}

pub(super) fn total(deposit: &Deposit) -> Option<i64> {
    deposit.facts.booked.as_ref().map(|booked| booked.total().get())
}

/// An answer that names our order, and this.
pub(super) fn named(status: Option<&str>, change: impl FnOnce(&mut OrderReport)) -> Observation {
    let mut report = OrderReport { status: status.map(str::to_owned), ..wallet("BSC") };
    change(&mut report);
    Observation::Polled(Box::new(report))
}

pub(super) fn corrected(text: &str) -> Observation {
    Observation::Corrected { credited: usd(text), reason: "support says so".to_owned() }
}

pub(super) fn stated(text: &str) -> Observation {
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
