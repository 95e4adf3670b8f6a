//! The comparisons as tables and as properties.
#![allow(clippy::arithmetic_side_effects, reason = "test code: small numbers")]

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::deposit::State;
use crate::domain::money::UsdMicros;
use crate::domain::report::Invoice;
use crate::domain::status::{Status, Weight};
use crate::domain::time::Timestamp;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + minutes * 60)
}

const HOUR: Duration = Duration::from_hours(1);

fn cents(cents: i64) -> UsdMicros {
    UsdMicros::from_cents(cents).unwrap()
}

/// A settled deposit of 50.00 with one row of 50.00 `paid`.
fn pair() -> DepositRows {
    DepositRows {
        deposit_id: DepositId::new(Uuid::from_u128(1)),
        order_id: "order-1".to_owned(),
        state: State::Settled,
        booked: Some(cents(5_000)),
        figure: None,
        provisional: false,
        moved_at: at(0),
        moved_seq: 3,
        rows: 1,
        paid_cents: 5_000,
        probable_cents: 0,
        follows: false,
        unread: false,
        words: vec!["paid".to_owned()],
        described: None,
        rows_changed_at: at(0),
        accepted: None,
    }
}

fn with(change: impl FnOnce(&mut DepositRows)) -> DepositRows {
    let mut pair = pair();
    change(&mut pair);
    pair
}

/// Nothing is booked, and it stands so.
fn unbooked(state: State, change: impl FnOnce(&mut DepositRows)) -> DepositRows {
    with(|pair| {
        (pair.state, pair.booked) = (state, None);
        change(pair);
    })
}

/// One row with this word, as the ledger gives it.
fn said(word: &str, cents: i64) -> impl FnOnce(&mut DepositRows) {
    let (weight, word) = (Weight::of(Some(word)), word.to_owned());
    move |pair| {
        pair.paid_cents = if weight == Weight::Amount { cents } else { 0 };
        pair.follows = weight == Weight::Follows;
        pair.words = vec![word];
    }
}

fn kind_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Agrees => "agrees",
        Verdict::StatesFigure(_) => "states",
        Verdict::Differs(difference) => difference.kind.as_str(),
    }
}

fn no_row(pair: &mut DepositRows) {
    (pair.rows, pair.paid_cents, pair.words) = (0, 0, Vec::new());
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, or one table of what must be refused")]
fn a_deposit_against_its_rows_case_by_case() {
    let (amount, missing, status) = ("amount_mismatch", "invoice_missing", "status_mismatch");
    let table: Vec<(&str, DepositRows, &str)> = vec![
        ("the same", pair(), "agrees"),
        ("less", with(|p| p.paid_cents = 4_999), amount),
        ("more", with(|p| p.paid_cents = 5_001), amount),
        ("no row", with(no_row), missing),
        (
            "nothing booked of nothing",
            with(|p| {
                no_row(p);
                p.booked = Some(UsdMicros::ZERO);
            }),
            "agrees",
        ),
        ("a row of 0", with(|p| p.paid_cents = 0), status),
        ("cancelled", with(said("cancel", 5_000)), status),
        ("an unknown word", with(said("settling", 5_000)), status),
        (
            "unread",
            with(|p| {
                p.unread = true;
                p.paid_cents = 0;
            }),
            "agrees",
        ),
        ("unread and no figure", unbooked(State::Expired, |p| p.unread = true), "agrees"),
        // Nothing booked.
        ("not paid", unbooked(State::AwaitingPayment, said("check", 5_000)), "agrees"),
        ("no row of it", unbooked(State::Expired, no_row), "agrees"),
        ("paid there only", unbooked(State::Expired, said("paid", 5_000)), status),
        ("paid over there only", unbooked(State::Failed, said("PAID_OVER", 5_000)), status),
        ("short there, and heard", unbooked(State::Short, said("wrong_amount", 5_000)), "agrees"),
        ("short there only", unbooked(State::Expired, said("wrong_amount", 5_000)), status),
        ("refund there only", unbooked(State::AwaitingPayment, said("refund_paid", 5_000)), status),
        ("refunded before it was seen paid", unbooked(State::Refunded, said("refund_paid", 5_000)), status),
        ("refunding, not seen paid", unbooked(State::Refunding, said("refund_process", 5_000)), status),
        // Words that follow the journal are compared by word and state.
        ("refund under way", with(said("refund_process", 1)), "agrees"),
        (
            "refund under way, known",
            with(|p| {
                said("refund_process", 1)(p);
                p.state = State::Refunding;
            }),
            "agrees",
        ),
        ("refund failed", with(said("refund_fail", 1)), "agrees"),
        (
            "refund failed, and a person has said what came",
            with(|p| {
                said("refund_fail", 1)(p);
                p.state = State::AwaitingPayment;
            }),
            "agrees",
        ),
        ("refunded, not heard", with(said("refund_paid", 5_000)), status),
        (
            "refunded",
            with(|p| {
                said("Refund_Paid", 1)(p);
                p.state = State::Refunded;
            }),
            "agrees",
        ),
        ("short, settled here", with(said("wrong_amount", 5_000)), status),
        (
            "short",
            with(|p| {
                said("wrong_amount", 1)(p);
                p.state = State::Short;
            }),
            "agrees",
        ),
        (
            "short, then completed by a row",
            with(|p| {
                p.follows = true;
                p.rows = 2;
                p.words.push("wrong_amount".to_owned());
            }),
            "agrees",
        ),
        (
            "follows, and more is listed",
            with(|p| {
                p.follows = true;
                p.paid_cents = 5_100;
                p.words.push("refund_fail".to_owned());
            }),
            amount,
        ),
    ];
    for (say, pair, expected) in table {
        assert_eq!(kind_of(&compare(&pair, 0)), expected, "{say}");
    }
}

#[test]
fn tolerance_and_less_than_a_cent_are_equal() {
    for (paid, tolerance, expected) in [
        (4_999, 1, "agrees"),
        (5_001, 1, "agrees"),
        (4_998, 1, "amount_mismatch"),
        (5_001, 0, "amount_mismatch"),
    ] {
        assert_eq!(
            kind_of(&compare(&with(|p| p.paid_cents = paid), tolerance)),
            expected,
            "{paid} {tolerance}"
        );
    }
    for (micros, paid, expected) in [
        (6_177_000, 617, "agrees"),
        (6_177_000, 618, "agrees"),
        (6_177_000, 616, "amount_mismatch"),
        (6_177_000, 619, "amount_mismatch"),
        (6_170_000, 618, "amount_mismatch"),
        (6_170_001, 618, "agrees"),
    ] {
        let pair = with(|p| (p.booked, p.paid_cents) = (Some(UsdMicros::new(micros)), paid));
        assert_eq!(kind_of(&compare(&pair, 0)), expected, "{micros} {paid}");
    }
}

#[test]
fn a_row_states_a_provisional_figure_within_a_twentieth_and_the_neighbouring_cent() {
    for (paid, expected) in [
        (5_000, "agrees"),
        (5_001, "states"),
        (4_750, "states"),
        (5_250, "states"),
        (4_749, "amount_mismatch"),
        (5_251, "amount_mismatch"),
        (0, "status_mismatch"),
    ] {
        let pair = with(|p| (p.provisional, p.paid_cents) = (true, paid));
        assert_eq!(kind_of(&compare(&pair, 0)), expected, "{paid}");
        if expected == "states" {
            assert_eq!(compare(&pair, 500), Verdict::StatesFigure(cents(paid)), "tolerance or not");
        }
    }
    for (figure, paid, expected) in [
        (6_177_000, 617, "agrees"),
        (6_177_000, 618, "states"),
        (6_170_000, 618, "amount_mismatch"),
        (6_179_999, 619, "amount_mismatch"),
    ] {
        let pair = with(|p| {
            (p.booked, p.figure) = (Some(cents(617)), Some(UsdMicros::new(figure)));
            p.paid_cents = paid;
        });
        assert_eq!(kind_of(&compare(&pair, 0)), expected, "{figure} {paid}");
    }
}

#[test]
fn an_acceptance_holds_while_the_rows_credit_what_they_did() {
    let accepted = Some(Accepted { listed_cents: 4_900, counted_cents: 5_000 });
    let pair = |paid| with(|p| (p.paid_cents, p.accepted) = (paid, accepted));
    assert_eq!((pair(4_900).counted_cents(), kind_of(&compare(&pair(4_900), 0))), (5_000, "agrees"));
    assert_eq!((pair(4_800).counted_cents(), kind_of(&compare(&pair(4_800), 0))), (4_800, "amount_mismatch"));
    assert_eq!(
        (pair(5_000).counted_cents(), kind_of(&compare(&pair(5_000), 0))),
        (5_000, "agrees"),
        "right again"
    );
    let none = |listed_cents, counted_cents| {
        let accepted = Some(Accepted { listed_cents, counted_cents });
        (
            with(|p| {
                no_row(p);
                p.accepted = accepted;
            }),
            unbooked(State::Expired, |p| p.accepted = accepted),
        )
    };
    let (missing, paid) = (none(0, 5_000).0, none(5_000, 0).1);
    assert_eq!(
        (kind_of(&compare(&missing, 0)), missing.counted_cents(), missing.is_not_listed()),
        ("agrees", 5_000, false)
    );
    assert_eq!(
        (kind_of(&compare(&paid, 0)), paid.counted_cents()),
        ("agrees", 0),
        "a payment that is not ours"
    );
    let changed = with(|p| {
        no_row(p);
        p.accepted = Some(Accepted { listed_cents: 0, counted_cents: 5_000 });
        p.booked = Some(cents(6_000));
    });
    assert_eq!(kind_of(&compare(&changed, 0)), "invoice_missing", "the journal has moved since");
}

#[test]
fn a_difference_names_both_sides_and_has_one_key() {
    let Verdict::Differs(difference) = compare(&with(|p| p.paid_cents = 4_900), 0) else { panic!() };
    assert_eq!(
        (difference.expected.as_str(), difference.found.as_str(), difference.cents()),
        ("50.00", "49.00", Some(-100))
    );
    assert_eq!(difference.key(), "amount_mismatch:00000000-0000-0000-0000-000000000001");
    let account = Difference::of_account(CaseKind::TotalFell, "1".to_owned(), "0".to_owned());
    assert_eq!((account.key().as_str(), account.cents()), ("total_fell:account", None));
    let row = Difference {
        row: Some(7),
        ..Difference::of_account(CaseKind::RowUnread, String::new(), String::new())
    };
    assert_eq!(row.key(), "row_unread:7");
    for kind in CaseKind::ALL {
        assert_eq!(
            (CaseKind::parse(kind.as_str()), format!("{kind:>20}").trim()),
            (Some(*kind), kind.as_str())
        );
    }
    for earlier in ["abandoned_wallet", "balance_rise", ""] {
        assert_eq!(CaseKind::parse(earlier), None);
    }
    let of_deposit: Vec<_> = CaseKind::ALL.iter().filter(|kind| kind.is_of_deposit()).collect();
    assert_eq!(of_deposit, [&CaseKind::AmountMismatch, &CaseKind::InvoiceMissing, &CaseKind::StatusMismatch]);
    let of_void: Vec<_> = CaseKind::ALL.iter().filter(|kind| kind.is_of_incomplete_run()).collect();
    assert_eq!(of_void, [&CaseKind::TotalFell, &CaseKind::RowsChanged]);
}

#[test]
fn every_word_has_its_weight() {
    let of = |word: &str| Weight::of(Some(word));
    for (word, status) in Status::WORDS {
        let expected = match status {
            Status::Paid | Status::PaidOver => Weight::Amount,
            Status::WrongAmount | Status::RefundProcess | Status::RefundFail | Status::RefundPaid => {
                Weight::Follows
            }
            _ => Weight::Nothing,
        };
        assert_eq!(
            (of(word), of(&word.to_uppercase()), of(&format!(" {word} "))),
            (expected, expected, expected),
            "{word}"
        );
    }
    assert_eq!((Weight::of(None), of(""), of("paidd")), (Weight::Nothing, Weight::Nothing, Weight::Nothing));
    assert_eq!(
        (Weight::Nothing as u8, Weight::Amount as u8, Weight::Follows as u8),
        (0, 1, 2),
        "as the ledger keeps them"
    );
}

fn invoice() -> Invoice {
    Invoice {
        sesid: Some("Ses".to_owned()),
        pay_id: Some("Pay".to_owned()),
        method: Some("card".to_owned()),
        amount_cents: Some(485),
        created: Some(at(0)),
        status: Some("paid".to_owned()),
        flaw: None,
    }
}

#[test]
fn only_a_row_that_may_be_credited_must_be_readable() {
    let flaw = |what: &str| Some(what.to_owned());
    assert!(could_count(&invoice()));
    assert!(!could_count(&Invoice { status: flaw("check"), ..invoice() }));
    assert!(!could_count(&Invoice { status: flaw("refund_paid"), ..invoice() }), "it follows the journal");
    assert!(!could_count(&Invoice { status: None, ..invoice() }));
    assert!(could_count(&Invoice { status: None, flaw: flaw("status is not text"), ..invoice() }));
    assert!(!could_count(&Invoice { status: None, flaw: flaw("amount is null"), ..invoice() }));
}

type Change = fn(&mut Invoice);

#[test]
fn a_rows_name_is_its_ids_and_what_it_says_is_all_of_it() {
    let name = identity_hash(&invoice());
    let (sesid, pay_id) = (Some("pay".to_owned()), Some("SES".to_owned()));
    assert_eq!(identity_hash(&Invoice { sesid, pay_id, ..invoice() }), name, "swapped, and in another case");
    let changes: [(&str, Change, bool); 6] = [
        ("sesid", |row| row.sesid = Some("other".to_owned()), true),
        ("pay_id", |row| row.pay_id = None, true),
        ("method", |row| row.method = None, false),
        ("amount", |row| row.amount_cents = Some(486), false),
        ("created", |row| row.created = None, false),
        ("status", |row| row.status = Some("Paid".to_owned()), false),
    ];
    for (field, change, renames) in changes {
        let mut row = invoice();
        change(&mut row);
        assert_ne!(content_hash(&row), content_hash(&invoice()), "{field}");
        assert_eq!(identity_hash(&row) != name, renames, "{field}");
    }
    let flawed = Invoice { flaw: Some("amount is null".to_owned()), ..invoice() };
    assert_ne!(content_hash(&flawed), content_hash(&invoice()));
    let nameless = Invoice { sesid: None, pay_id: None, ..invoice() };
    for change in changes.iter().filter(|(field, ..)| ["method", "amount", "created"].contains(field)) {
        let mut row = nameless.clone();
        change.1(&mut row);
        assert_ne!(identity_hash(&row), identity_hash(&nameless), "{}", change.0);
    }
    let split = |sesid: &str, pay_id: &str| Invoice {
        sesid: Some(sesid.to_owned()),
        pay_id: Some(pay_id.to_owned()),
        ..invoice()
    };
    assert_ne!(identity_hash(&split("ab", "c")), identity_hash(&split("a", "bc")));
}

fn account() -> AccountFigures {
    AccountFigures {
        total: 1_000,
        total_before: Some(1_000),
        baseline: Some(300),
        accepted: 0,
        listed: 700,
        listed_before: 700,
        not_listed: 0,
    }
}

#[test]
fn the_drift_is_what_is_left_of_the_identity() {
    let stands = |cents, beyond_lag| Drift::Stands { cents, beyond_lag };
    let table = [
        ("exact", account(), Drift::None),
        ("no baseline", AccountFigures { baseline: None, ..account() }, Drift::NotYet),
        (
            "accepted",
            AccountFigures { total: 1_250, accepted: 250, total_before: Some(1_250), ..account() },
            Drift::None,
        ),
        ("taken back", AccountFigures { accepted: 250, ..account() }, stands(-250, true)),
        (
            "more, long ago",
            AccountFigures { total: 1_001, total_before: Some(1_001), ..account() },
            stands(1, true),
        ),
        ("more, just now", AccountFigures { total: 1_001, ..account() }, stands(1, false)),
        (
            "more, never seen before",
            AccountFigures { total: 1_001, total_before: None, ..account() },
            stands(1, false),
        ),
        ("a new row ahead of the total", AccountFigures { listed: 900, ..account() }, Drift::OnItsWay(-200)),
        (
            "a part of the new rows",
            AccountFigures { listed: 900, total: 1_100, ..account() },
            Drift::OnItsWay(-100),
        ),
        (
            "an old row that the total lacks",
            AccountFigures { listed: 900, listed_before: 900, ..account() },
            stands(-200, true),
        ),
        (
            "booked and not listed",
            AccountFigures { total: 1_200, not_listed: 200, ..account() },
            Drift::OnItsWay(200),
        ),
        (
            "more than is on its way",
            AccountFigures { total: 1_201, not_listed: 200, ..account() },
            stands(201, false),
        ),
        (
            "a row that is gone",
            AccountFigures { listed: 600, listed_before: 600, ..account() },
            stands(100, true),
        ),
    ];
    for (say, account, expected) in table {
        assert_eq!(account.drift(0), expected, "{say}");
    }
    let little = AccountFigures { total: 1_003, total_before: Some(1_003), ..account() };
    assert_eq!(
        (little.drift(3), little.drift(-3), little.drift(2)),
        (Drift::None, Drift::None, stands(3, true))
    );
    // Up to the tolerance of a lag ago tells nothing either.
    for (before, told) in [(3, false), (4, true)] {
        let more = AccountFigures { total: 1_010, total_before: Some(1_000 + before), ..account() };
        let less = AccountFigures { listed: 900, listed_before: 700 + before, ..account() };
        assert_eq!((more.drift(3), less.drift(3)), (stands(10, told), stands(-200, told)), "{before}");
    }
    let most = AccountFigures {
        total: i64::MAX,
        total_before: None,
        baseline: Some(i64::MIN),
        listed: i64::MIN,
        ..account()
    };
    assert!(matches!(most.drift(0), Drift::Stands { .. }), "and no overflow");
}

#[test]
fn the_baseline_is_what_spaced_runs_agree_on() {
    let run = |minutes, total, listed| BaselineCandidate { at: at(minutes), total, listed };
    let agree = |earlier: &[BaselineCandidate], now, lag| agree_on_baseline(earlier, now, lag);
    let now = run(0, 1_000, 700);
    assert_eq!(now.baseline(), 300);
    assert_eq!(agree(&[], now, Duration::ZERO), None, "one is no proof");
    assert_eq!(agree(&[now], now, Duration::ZERO), Some(300));
    assert_eq!(
        agree(&[run(-9, 500, 200)], now, Duration::ZERO),
        Some(300),
        "other figures, the same difference"
    );
    assert_eq!(agree(&[run(-9, 1_000, 701)], now, Duration::ZERO), None);
    // Where things lag, they must be spaced, and nothing may have moved.
    assert_eq!(agree(&[run(-59, 1_000, 700)], now, HOUR), None);
    assert_eq!(agree(&[run(-60, 1_000, 700)], now, HOUR), Some(300));
    assert_eq!(agree(&[run(-60, 900, 600)], now, HOUR), None, "it moved meanwhile");
    assert_eq!(agree(&[run(-120, 900, 600)], now, HOUR), None, "two, however far apart, where it moved");
    // Or three, each spaced.
    assert_eq!(agree(&[run(-120, 900, 600), run(-60, 950, 650)], now, HOUR), Some(300));
    assert_eq!(agree(&[run(-120, 900, 600), run(-90, 950, 650)], now, HOUR), Some(300));
    assert_eq!(agree(&[run(-150, 900, 600), run(-130, 950, 650)], now, HOUR), None, "none between");
    assert_eq!(agree(&[run(-90, 900, 600), run(-60, 950, 650)], now, HOUR), None, "not long enough");
    assert_eq!(agree(&[run(-120, 900, 601), run(-60, 950, 650)], now, HOUR), None);
    assert_eq!(agree(&[run(60, 1_000, 700)], now, HOUR), None, "a run of the future proves nothing");
}

#[test]
fn a_row_is_called_by_its_ids_in_any_order_and_case_or_else_by_what_it_is() {
    let row = |pay_id: Option<&str>, sesid: Option<&str>| Invoice {
        pay_id: pay_id.map(str::to_owned),
        sesid: sesid.map(str::to_owned),
        amount_cents: Some(500),
        created: Some(at(0)),
        method: Some("USDT_BSC".to_owned()),
        status: Some("paid".to_owned()),
        flaw: None,
    };
    let named = identity_hash(&row(Some("a1"), Some("b2")));
    assert_eq!(identity_hash(&row(Some("B2"), Some("A1"))), named);
    assert_eq!(identity_hash(&Invoice { amount_cents: None, ..row(Some("a1"), Some("b2")) }), named);
    let names = [
        row(Some("a1"), Some("b2")),
        row(Some("a1"), Some("b3")),
        row(Some("a1"), Some("a1")),
        row(Some("a1"), None),
        row(None, None),
        Invoice { amount_cents: Some(501), ..row(None, None) },
        Invoice { created: Some(at(1)), ..row(None, None) },
        Invoice { method: None, ..row(None, None) },
    ];
    let different: std::collections::BTreeSet<i64> = names.iter().map(identity_hash).collect();
    assert_eq!(different.len(), names.len());
    assert_eq!(
        identity_hash(&row(None, Some("A1"))),
        identity_hash(&row(Some("a1"), None)),
        "in either field"
    );
    let refunded = Invoice { status: Some("refund_paid".to_owned()), ..row(None, None) };
    assert_eq!(identity_hash(&refunded), identity_hash(&row(None, None)), "its word may change");
}

#[test]
fn what_is_booked_and_credited_by_no_row_is_not_listed() {
    let accepted = |listed_cents, counted_cents| Some(Accepted { listed_cents, counted_cents });
    let none = |pair: &mut DepositRows| (pair.rows, pair.paid_cents) = (0, 0);
    for (why, pair, not_listed) in [
        ("a row credits it", pair(), false),
        ("no row", with(none), true),
        ("a row of another word", with(|it| it.paid_cents = 0), true),
        (
            "a short one's row counts what is booked",
            with(|it| (it.paid_cents, it.follows) = (0, true)),
            false,
        ),
        ("nothing is booked", unbooked(State::Expired, none), false),
        ("a person let it count", with(|it| (none(it), it.accepted = accepted(0, 5_000)).1), false),
        ("a person let it count nothing", with(|it| (none(it), it.accepted = accepted(0, 0)).1), true),
    ] {
        assert_eq!(pair.is_not_listed(), not_listed, "{why}");
    }
}

#[test]
fn what_was_accepted_of_other_figures_is_no_agreement() {
    let accepted = Some(Accepted { listed_cents: 4_900, counted_cents: 5_000 });
    let with_row = |word: &str, cents| with(|it| (said(word, cents)(it), it.accepted = accepted).1);
    for (word, cents, expected) in [
        ("paid", 4_900, "agrees"),
        ("paid", 4_800, "amount_mismatch"),
        ("refund_paid", 4_900, "status_mismatch"),
        ("cancel", 4_900, "status_mismatch"),
    ] {
        assert_eq!(kind_of(&compare(&with_row(word, cents), 0)), expected, "{word} {cents}");
    }
    let unbooked = |listed_cents| {
        unbooked(State::Expired, |it| {
            it.accepted = Some(Accepted { listed_cents, counted_cents: 0 });
        })
    };
    assert_eq!(kind_of(&compare(&unbooked(5_000), 0)), "agrees");
    assert_eq!(kind_of(&compare(&unbooked(4_000), 0)), "status_mismatch", "there is more than was accepted");
}

#[test]
fn an_accepted_figure_takes_its_probable_row_from_the_others() {
    let accepted = Some(Accepted { listed_cents: 0, counted_cents: 5_000 });
    for (rows, accepted, taken) in [(0, accepted, 4_990), (0, None, 0), (1, accepted, 0), (1, None, 0)] {
        let pair = with(|it| {
            (it.rows, it.accepted, it.probable_cents) = (rows, accepted, 4_990);
            it.paid_cents = if rows == 0 { 0 } else { 5_000 };
        });
        assert_eq!(pair.taken_from_others_cents(), taken, "{rows} {accepted:?}");
    }
}

#[test]
fn a_case_names_the_latest_word_of_the_rows() {
    let words = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let pair = unbooked(State::Expired, |it| it.words = words);
        match compare(&pair, 0) {
            Verdict::Differs(difference) => (difference.expected, difference.found),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(words(&["cancel", "paid"]), ("expired".to_owned(), "paid".to_owned()));
    assert_eq!(words(&[]), ("expired".to_owned(), "none".to_owned()));
}

fn claim(row: i64, deposit: i64, rule: MatchRule) -> IdMatch {
    IdMatch { row, deposit, rule }
}

#[test]
fn a_row_is_the_deposits_whose_id_it_bears() {
    let (order, sesid) = (MatchRule::PayIdIsOrder, MatchRule::SesidIsOrder);
    let both = decide(vec![claim(1, 7, sesid), claim(1, 7, order), claim(2, 7, sesid), claim(3, 8, order)]);
    assert_eq!(
        both,
        [Match::Of(claim(1, 7, order)), Match::Of(claim(2, 7, sesid)), Match::Of(claim(3, 8, order))]
    );
    assert_eq!(
        decide(vec![claim(1, 7, order), claim(1, 8, sesid)]),
        [Match::Unread { row: 1, why: TWO_NAMES }]
    );
    // A field that holds one id of ours in all rows says nothing; the other one does.
    let constant: Vec<IdMatch> =
        (1..=21).flat_map(|row| [claim(row, 99, order), claim(row, row, sesid)]).collect();
    assert_eq!(decide(constant), (1..=21).map(|row| Match::Of(claim(row, row, sesid))).collect::<Vec<_>>());
    let few: Vec<IdMatch> = (1..=20).map(|row| claim(row, 99, order)).collect();
    assert_eq!(decide(few.clone()), few.into_iter().map(Match::Of).collect::<Vec<_>>(), "twenty are summed");
    let many = decide((1..=21).map(|row| claim(row, 99, order)).collect());
    assert!(many.iter().all(|one| matches!(one, Match::Unread { why: TOO_MANY, .. })) && many.len() == 21);
    assert_eq!(decide(Vec::new()), []);
}

#[test]
fn what_is_probable_is_one_to_one_and_the_nearest_first() {
    let row = |row, cents, minutes| UnmatchedInvoice { row, cents, created: at(minutes) };
    let near = |deposit, minutes, cents: &[i64]| ProbableDeposit {
        deposit,
        created_at: at(minutes),
        cents: cents.to_vec(),
    };
    let guess = |row, deposit| claim(row, deposit, MatchRule::AmountAndTime);
    let deposits = [near(1, 0, &[500]), near(2, 3, &[500, 515])];
    assert_eq!(probable(&[row(10, 500, 1)], &deposits), [guess(10, 1)]);
    assert_eq!(probable(&[row(10, 500, 2)], &deposits), [guess(10, 2)]);
    assert_eq!(probable(&[row(10, 500, 2), row(11, 500, 3)], &deposits), [guess(11, 2), guess(10, 1)]);
    assert_eq!(probable(&[row(10, 515, 8)], &deposits), [guess(10, 2)], "five minutes");
    assert_eq!(probable(&[row(10, 515, 9)], &deposits), []);
    assert_eq!(probable(&[row(10, 501, 0)], &deposits), []);
    assert!(is_processor(None) && is_processor(Some("Cryptomus v2")) && !is_processor(Some("card")));
}

fn pairs() -> impl Strategy<Value = DepositRows> {
    let words = prop::collection::vec(
        prop::sample::select(Status::WORDS).prop_map(|(word, _)| word.to_owned()),
        0..4,
    );
    let state = prop::sample::select(State::ALL);
    let micros = prop::option::of(0..20_000_000_i64);
    let accepted = prop::option::of((0..2_000_i64, 0..2_000_i64));
    (words, state, micros, 0..2_000_i64, any::<bool>(), accepted).prop_map(
        |(words, state, micros, cents, provisional, accepted)| {
            let weights: Vec<Weight> = words.iter().map(|word| Weight::of(Some(word))).collect();
            DepositRows {
                state,
                booked: micros.map(UsdMicros::new),
                provisional: provisional && micros.is_some(),
                rows: i64::try_from(words.len()).unwrap(),
                paid_cents: if weights.contains(&Weight::Amount) { cents } else { 0 },
                follows: weights.contains(&Weight::Follows),
                words,
                accepted: accepted
                    .map(|(listed_cents, counted_cents)| Accepted { listed_cents, counted_cents }),
                ..pair()
            }
        },
    )
}

proptest! {
    /// Where a comparison says that both sides agree, they do: what the rows count is what is booked, to the cent.
    #[test]
    fn what_agrees_counts_what_is_booked(pair in pairs()) {
        match compare(&pair, 0) {
            Verdict::Agrees => {
                let apart = pair.booked.map_or(0, UsdMicros::get).abs_diff(pair.counted_cents() * 10_000);
                prop_assert!(apart < 10_000, "{pair:?}");
            }
            Verdict::StatesFigure(figure) => {
                // It is booked, and agrees then.
                prop_assert_eq!(figure, cents(pair.listed_cents()));
                let booked = DepositRows { booked: Some(figure), provisional: false, ..pair };
                prop_assert_eq!(kind_of(&compare(&booked, 0)), "agrees");
            }
            Verdict::Differs(difference) => {
                prop_assert_eq!(difference.expected_cents, Some(pair.booked_cents()));
                // One acceptance of a person ends it, whatever it is.
                let accepted = Some(Accepted { listed_cents: pair.listed_cents(), counted_cents: pair.booked_cents() });
                let after = DepositRows { accepted, ..pair };
                prop_assert_eq!(kind_of(&compare(&after, 0)), "agrees", "{:?}", after);
                prop_assert_eq!(after.counted_cents(), after.booked_cents());
            }
        }
    }

    #[test]
    fn tolerance_only_ever_forgives(pair in pairs(), tolerance in 0..500_i64) {
        if compare(&pair, 0) == Verdict::Agrees {
            prop_assert_eq!(compare(&pair, tolerance), Verdict::Agrees);
        }
    }

    /// The identity holds whatever the figures are, and what is told of a drift lag cannot explain.
    #[test]
    fn a_drift_that_is_mailed_is_not_the_lags(
        base in 0..1_000_i64, accepted in -500..500_i64, old in 0..1_000_i64, new in 0..1_000_i64, late in 0..1_000_i64,
        in_total in 0..=1_000_i64,
    ) {
        // Honest: the total holds the old rows and some part of what is new or booked.
        let on_its_way = new + late;
        let total = base + accepted + old + on_its_way * in_total / 1_000;
        let account = AccountFigures {
            total, total_before: Some(base + accepted + old), baseline: Some(base), accepted, listed: old + new, listed_before: old, not_listed: late,
        };
        prop_assert_eq!(account.drift_cents(), Some(total - base - accepted - old - new));
        prop_assert!(!matches!(account.drift(0), Drift::Stands { .. }), "{:?}", account);
        // A cent that no row and no lag explains is told.
        let gone = AccountFigures { total: base + accepted + old - 1, ..account };
        let told = matches!(gone.drift(0), Drift::Stands { beyond_lag: true, .. });
        prop_assert!(told, "{:?}", gone);
    }

    /// The order in which a list and its claims come changes nothing.
    #[test]
    fn the_order_of_claims_changes_nothing(
        mut claims in prop::collection::vec((0..30_i64, 0..4_i64, prop::sample::select(MatchRule::CERTAIN)), 0..80),
        turn in 0..80_usize,
    ) {
        claims.sort_unstable();
        claims.dedup();
        let of = |claims: &[(i64, i64, MatchRule)]| {
            let mut matches = decide(claims.iter().map(|(row, deposit, rule)| claim(*row, *deposit, *rule)).collect());
            matches.sort_by_key(|one| match one { Match::Of(claim) => claim.row, Match::Unread { row, .. } => *row });
            matches
        };
        let first = of(&claims);
        let turn = turn.min(claims.len());
        claims.rotate_left(turn);
        prop_assert_eq!(&of(&claims), &first);
        let mut rows: Vec<i64> = claims.iter().map(|claim| claim.0).collect();
        rows.sort_unstable();
        rows.dedup();
        prop_assert_eq!(first.len(), rows.len(), "each row once");
    }
}
