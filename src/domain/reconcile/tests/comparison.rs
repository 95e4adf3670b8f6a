//! A deposit against the rows of the list: what agrees, what states a figure, what differs.

use super::*;

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
