//! What counts as a difference and what as an attempt's own work: the tables, and the edges of time and money.

#![allow(clippy::arithmetic_side_effects, reason = "test code: small numbers")]

use std::time::Duration;

use super::*;
use crate::domain::asset::Asset;
use crate::domain::report::{Invoice, OrderReport};
use crate::domain::time::Timestamp;

fn id() -> DepositId {
    DepositId::new(uuid::Uuid::from_u128(1))
}

fn pair(state: State, booked: Option<i64>, cents: Option<i64>, status: &str) -> Pair {
    Pair {
        deposit_id: id(),
        order_id: "order-1".to_owned(),
        state,
        booked: booked.map(UsdMicros::new),
        invoice_cents: cents,
        invoice_status: (!status.is_empty()).then(|| status.to_owned()),
    }
}

/// Kind, our figure, theirs.
fn said(pair: &Pair, tolerance: i64) -> Option<(Kind, String, String)> {
    compare(pair, tolerance).map(|found| {
        assert_eq!((found.deposit_id, found.order_id.as_deref()), (Some(id()), Some("order-1")));
        (found.kind, found.expected, found.found)
    })
}

#[test]
fn rules_and_kinds_have_one_word_everywhere() {
    let rules = Rule::CERTAIN.iter().chain([&Rule::AmountAndTime]);
    let words = ["pay_id_is_order", "sesid_is_order", "pay_id_is_link", "sesid_is_link", "amount_and_time"];
    for (rule, word) in rules.zip(words) {
        assert_eq!((rule.as_str(), serde_json::to_string(rule).unwrap()), (word, format!("{word:?}")));
    }
    for (kind, word) in [
        (Kind::AmountMismatch, "amount_mismatch"),
        (Kind::InvoiceMissing, "invoice_missing"),
        (Kind::StatusMismatch, "status_mismatch"),
        (Kind::AbandonedWallet, "abandoned_wallet"),
        (Kind::TotalChargesDrift, "total_charges_drift"),
        (Kind::BalanceRise, "balance_rise"),
    ] {
        let written = serde_json::to_string(&kind).unwrap();
        assert_eq!((kind.as_str(), kind.to_string().as_str(), written), (word, word, format!("{word:?}")));
    }
}

#[test]
fn a_difference_is_one_case_for_each_subject_and_an_abandoned_wallet_is_its_own() {
    let key = |kind, deposit_id, order: Option<&str>| {
        let order_id = order.map(str::to_owned);
        Difference { kind, deposit_id, order_id, expected: String::new(), found: String::new() }.key()
    };
    let deposit = id().to_string();
    assert_eq!(key(Kind::AmountMismatch, Some(id()), Some("order-1")), format!("amount_mismatch:{deposit}"));
    assert_eq!(key(Kind::AbandonedWallet, Some(id()), Some("order-1")), "abandoned_wallet:order-1");
    assert_eq!(key(Kind::InvoiceMissing, None, Some("order-1")), "invoice_missing:order-1");
    assert_eq!(key(Kind::BalanceRise, None, None), "balance_rise:account");
}

#[test]
fn a_deposit_and_its_invoice_agree_or_it_is_said_how_they_do_not() {
    let five = Some(5_000_000);
    let status =
        |state: State, found: &str| Some((Kind::StatusMismatch, state.to_string(), found.to_owned()));
    let amount =
        |expected: &str, found: &str| Some((Kind::AmountMismatch, expected.to_owned(), found.to_owned()));
    let table = [
        (State::Settled, five, Some(500), "paid", None),
        (State::Settled, five, Some(500), "PAID_OVER", None),
        (State::Settled, five, Some(499), "paid", amount("5.00", "4.99")),
        (State::Settled, five, Some(501), "paid", amount("5.00", "5.01")),
        (State::Settled, five, None, "paid", amount("5.00", "unreadable")),
        // Less than a cent apart is the list's rounding.
        (State::Settled, Some(5_009_999), Some(500), "paid", None),
        (State::Settled, five, Some(i64::MAX), "paid", amount("5.00", "9223372036854.775807")),
        (State::Settled, five, Some(500), "check", status(State::Settled, "check")),
        (State::Settled, five, Some(500), "", status(State::Settled, "none")),
        (State::Settled, five, Some(500), "teleported", status(State::Settled, "teleported")),
        // A refund under way is seen by the next look; one that is done is not in the books yet.
        (State::Settled, five, Some(500), "refund_process", None),
        (State::Settled, five, Some(500), "refund_fail", None),
        (State::Settled, five, Some(500), "refund_paid", status(State::Settled, "refund_paid")),
        (State::Refunding, five, Some(500), "refund_paid", status(State::Refunding, "refund_paid")),
        (State::Refunded, five, Some(500), "refund_paid", None),
        (State::Refunded, five, Some(500), "refund_process", None),
        (State::Short, five, Some(500), "refund_process", status(State::Short, "refund_process")),
        (State::Short, five, Some(800), "wrong_amount", None),
        (State::Settled, five, Some(500), "wrong_amount", status(State::Settled, "wrong_amount")),
        (State::AwaitingPayment, None, Some(500), "paid", status(State::AwaitingPayment, "paid")),
        (State::AwaitingPayment, None, Some(500), "check", None),
        (State::Expired, None, Some(500), "cancel", None),
        (State::Short, None, Some(500), "wrong_amount", None),
        // The list tells of money that the deposit has not heard of, whatever has become of it since.
        (State::Underpaid, None, Some(500), "wrong_amount", status(State::Underpaid, "wrong_amount")),
        (State::Expired, None, Some(500), "refund_fail", status(State::Expired, "refund_fail")),
        (State::Confirming, None, Some(500), "refund_paid", status(State::Confirming, "refund_paid")),
        (State::Failed, None, None, "Refund_Process", status(State::Failed, "Refund_Process")),
        (State::Refunding, None, Some(500), "refund_fail", None),
        (State::Refunded, None, Some(500), "refund_paid", None),
        (State::Underpaid, None, Some(500), "wrong_amount_waiting", None),
    ];
    for (state, booked, cents, word, expected) in table {
        assert_eq!(
            said(&pair(state, booked, cents, word), 0),
            expected,
            "{state} {booked:?} {cents:?} {word}"
        );
    }
    let unheard = |booked, word| pair(State::Underpaid, booked, Some(500), word).is_unheard();
    assert!(unheard(None, "wrong_amount") && !unheard(None, "paid") && !unheard(five, "wrong_amount"));
    let apart = pair(State::Settled, five, Some(503), "paid");
    assert_eq!((said(&apart, 3), said(&apart, -3)), (None, None));
    assert!(said(&apart, 2).is_some());
}

fn lost(amount: &str, coupon: bool) -> Lost {
    Lost {
        attempt: 1,
        asset: Asset::parse("USDT", "TRON").unwrap(),
        amount: amount.parse().unwrap(),
        coupon,
        started_at: Timestamp::from_seconds(1000),
        latest: Timestamp::from_seconds(1030),
        order_id: None,
    }
}

fn invoice(cents: Option<i64>, at: i64) -> Invoice {
    Invoice {
        sesid: Some("ses".to_owned()),
        pay_id: Some("pay".to_owned()),
        method: Some("Cryptomus".to_owned()),
        amount_cents: cents,
        created: Some(Timestamp::from_seconds(at)),
        status: Some("check".to_owned()),
        flaw: None,
    }
}

#[test]
fn an_attempts_time_is_its_own_and_two_minutes_on_both_sides() {
    let lost = lost("50", false);
    let covers = |seconds| lost.covers(Timestamp::from_seconds(seconds));
    assert_eq!([879, 880, 1000, 1150, 1151].map(covers), [false, true, true, true, false]);
    assert_eq!(SKEW, Duration::from_mins(2));
}

#[test]
fn an_invoice_may_be_an_attempts_by_name_or_by_processor_time_and_amount() {
    let ours = lost("50", false);
    let may = |change: fn(&mut Invoice)| {
        let mut invoice = invoice(Some(5000), 1000);
        change(&mut invoice);
        ours.may_be(&invoice)
    };
    assert!(may(|_| ()));
    assert!(may(|i| i.method = None), "a list that does not say is no evidence against it");
    assert!(may(|i| i.method = Some("CRYPTOMUS direct".to_owned())));
    assert!(!may(|i| i.method = Some("stripe".to_owned())));
    assert!(!may(|i| i.created = None));
    assert!(!may(|i| i.created = Some(Timestamp::from_seconds(1151))));
    assert!(may(|i| i.amount_cents = None));
    // A twentieth apart, or a quarter of a dollar.
    assert!(may(|i| i.amount_cents = Some(4750)) && may(|i| i.amount_cents = Some(5250)));
    assert!(!may(|i| i.amount_cents = Some(4749)) && !may(|i| i.amount_cents = Some(5251)));
    let small = lost("1", false);
    assert!(small.may_be(&invoice(Some(75), 1000)) && !small.may_be(&invoice(Some(74), 1000)));
    // A coupon lowers it by up to a half.
    let coupon = lost("50", true);
    assert!(coupon.may_be(&invoice(Some(2500), 1000)) && !coupon.may_be(&invoice(Some(2499), 1000)));
    // By the name that a broken answer gave, whatever else it says.
    for name in ["pay", "ses"] {
        let named = Lost { order_id: Some(name.to_owned()), ..lost("50", false) };
        let far = Invoice { method: Some("stripe".to_owned()), ..invoice(Some(1), 9000) };
        assert!(named.may_be(&far), "{name}");
    }
    let nameless =
        Invoice { sesid: None, pay_id: None, method: Some("stripe".to_owned()), ..invoice(None, 1000) };
    assert!(!ours.may_be(&nameless), "no name is not the same name");
}

#[test]
fn an_order_is_claimed_by_the_attempt_that_can_have_made_it() {
    type Change = fn(&mut Stray);
    let stray = |change: Change| {
        let mut stray = Stray {
            key: "key".to_owned(),
            created: Some(Timestamp::from_seconds(1000)),
            report: OrderReport {
                order_id: Some("order-1".to_owned()),
                currency: Some("usdt".to_owned()),
                network: Some("Tron".to_owned()),
                amount_usd: Some("49.50".parse().unwrap()),
                ..OrderReport::default()
            },
        };
        change(&mut stray);
        stray
    };
    let claimed =
        |attempt: &Lost, change: Change| !claim(std::slice::from_ref(attempt), &[stray(change)]).is_empty();
    let ours = lost("50", false);
    assert!(claimed(&ours, |_| ()));
    let foreign: [Change; 8] = [
        |s| s.report.order_id = None,
        |s| s.report.currency = Some("usdc".to_owned()),
        |s| s.report.network = Some("bsc".to_owned()),
        |s| s.report.network = None,
        |s| s.created = None,
        |s| s.created = Some(Timestamp::from_seconds(879)),
        |s| s.report.amount_usd = None,
        |s| s.report.amount_usd = Some("47.49".parse().unwrap()),
    ];
    for (number, change) in foreign.into_iter().enumerate() {
        assert!(!claimed(&ours, change), "{number}");
    }
    // A named attempt takes its own order and no other, however near that is.
    let named = |order: &str| Lost { order_id: Some(order.to_owned()), ..lost("50", false) };
    assert!(claimed(&named("order-1"), |s| s.created = None));
    assert!(!claimed(&named("order-2"), |_| ()));
    // The nearest amount first, then the oldest attempt; nobody twice.
    let attempts = [Lost { attempt: 2, ..lost("50", false) }, Lost { attempt: 1, ..lost("49.50", false) }];
    let strays = [stray(|s| s.key = "a".to_owned()), stray(|s| s.key = "b".to_owned())];
    assert_eq!(claim(&attempts, &strays), [(1, "a".to_owned()), (2, "b".to_owned())]);
}

#[test]
fn an_invoice_without_a_name_is_claimed_by_the_nearest_in_money_then_in_time() {
    let unnamed = |row, cents, at: Option<i64>| Unnamed {
        row,
        created: at.map(Timestamp::from_seconds),
        amount_cents: cents,
        name: String::new(),
    };
    let ours = [lost("50", false)];
    let rows = |invoices: &[Unnamed]| {
        claim_unnamed(&ours, invoices).into_iter().map(|(_, row)| row).collect::<Vec<_>>()
    };
    assert_eq!(rows(&[unnamed(1, Some(5000), Some(1010)), unnamed(2, Some(5000), Some(1005))]), [2]);
    assert_eq!(
        rows(&[unnamed(1, Some(5000), Some(990)), unnamed(2, Some(5000), Some(985))]),
        [1],
        "before it, too"
    );
    assert_eq!(rows(&[unnamed(1, Some(4999), Some(1000)), unnamed(2, Some(5000), Some(1100))]), [2]);
    assert_eq!(rows(&[unnamed(1, None, Some(1000)), unnamed(2, Some(5000), None)]), [] as [i64; 0]);
    assert_eq!(rows(&[unnamed(1, Some(i64::MAX), Some(1000))]), [] as [i64; 0]);
    assert_eq!(
        rows(&[unnamed(1, Some(5000), Some(879)), unnamed(2, Some(4749), Some(1000))]),
        [] as [i64; 0]
    );
}

#[test]
fn an_invoice_is_called_by_what_names_it_best_and_told_apart_by_all_that_it_says() {
    let mut bill = invoice(Some(500), 0);
    assert_eq!(name_of(&bill), "pay:pay");
    bill.pay_id = None;
    assert_eq!(name_of(&bill), "ses:ses");
    bill.sesid = None;
    assert_eq!(name_of(&bill), "row:1970-01-01T00:00:00.000Z:500:Cryptomus");
    let empty = Invoice { amount_cents: None, created: None, method: None, ..bill };
    assert_eq!(name_of(&empty), "row:::");
    let print = |texts: &[Option<&str>]| print_of(texts.iter().copied());
    assert_eq!(print(&[Some("a"), None]), print(&[Some("a"), None]));
    let different = [
        print(&[Some("a"), None]),
        print(&[None, Some("a")]),
        print(&[Some("a"), Some("")]),
        print(&[Some(""), Some("a")]),
        print(&[Some("ab")]),
        print(&[Some("a"), Some("b")]),
        print(&[]),
    ];
    let distinct: std::collections::BTreeSet<_> = different.iter().collect();
    assert_eq!(distinct.len(), different.len());
    assert!(is_processor(None) && is_processor(Some("Cryptomus")) && !is_processor(Some("PayPal")));
}

#[test]
fn five_minutes_apart_is_near_enough_on_either_side_and_whoever_has_an_invoice_is_asked_no_more() {
    let candidate =
        |deposit, at| Candidate { deposit, created_at: Timestamp::from_seconds(at), cents: vec![500] };
    let loose = Loose { row: 1, print: 1, cents: 500, created: Timestamp::from_seconds(1000) };
    for (at, near) in [(699, false), (700, true), (1000, true), (1300, true), (1301, false)] {
        let guessed = Matcher::default().probable(&[loose], &[candidate(1, at)]);
        assert_eq!(guessed.len(), usize::from(near), "{at}");
    }
    let mut matcher = Matcher::default();
    matcher.hear(vec![Claim { print: 2, row: 2, deposit: 1 }]);
    assert_eq!(matcher.decide(Rule::PayIdIsOrder), [Match { row: 2, deposit: 1, rule: Rule::PayIdIsOrder }]);
    assert_eq!(matcher.probable(&[loose], &[candidate(1, 1000)]), [], "what is certain need not be guessed");
}
