//! What a payer is shown: an address that could be paid wrongly is withheld, and a memo is never forgotten.

use std::time::Duration;

use super::certainty::{named, says};
use super::*;

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
