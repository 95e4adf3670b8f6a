//! Whose an answer is, and whose an address: what names a deposit and what does not.

use super::*;
use crate::domain::poll::Policy;

fn answer(change: impl FnOnce(&mut OrderReport)) -> OrderReport {
    let mut report = OrderReport { status: Some("check".to_owned()), ..OrderReport::default() };
    change(&mut report);
    report
}

fn with_memo(deposit: &Deposit, memo: &str) -> Deposit {
    let mut deposit = deposit.clone();
    deposit.facts.wallet.as_mut().unwrap().memo = Some(memo.to_owned());
    deposit
}

#[test]
fn an_address_is_shared_unless_both_memos_are_known_and_differ() {
    let ours = "0x66b928a82377d75ced043e95738372e9e9607f1f";
    let plain = awaiting();
    let tagged = with_memo(&plain, "7");
    for (deposit, address, memo, shared, why) in [
        (&plain, ours, None, true, "the same address, and no memo anywhere"),
        (&plain, ours, Some("8"), true, "ours may have a memo that nobody told of"),
        (&tagged, ours, None, true, "theirs may have a memo that nobody told of"),
        (&tagged, ours, Some("7"), true, "the same memo"),
        (&tagged, ours, Some("8"), false, "the memo tells them apart"),
        (&plain, "0x0000000000000000000000000000000000000001", None, false, "another address"),
        (&tagged, "0x0000000000000000000000000000000000000001", Some("7"), false, "another, the same memo"),
        (&opened("BSC"), ours, None, false, "a deposit without an address shares none"),
    ] {
        assert_eq!(deposit.shares_address(address, memo), shared, "{why}");
    }
}

#[test]
fn an_answer_that_names_no_order_is_unreadable_once_others_named_it() {
    let nameless = answer(|_| ());
    let wordless = answer(|report| report.status = None);
    let ours = answer(|report| report.order_id = Some("order-1".to_owned()));
    let anothers = answer(|report| report.order_id = Some("order-2".to_owned()));
    let never = awaiting();
    assert_eq!(never.unnamed_answer(&nameless), None, "an upstream that never names orders is believed");
    assert_eq!(
        never.unnamed_answer(&wordless),
        Some("it names neither the order nor its address, and has no status")
    );
    assert_eq!((never.unnamed_answer(&ours), never.unnamed_answer(&anothers)), (None, None));
    let named = observed(never, Observation::Polled(Box::new(ours.clone())), 1);
    assert_eq!(
        named.unnamed_answer(&nameless),
        Some("it names neither the order nor its address, as earlier ones did")
    );
    assert_eq!(named.unnamed_answer(&ours), None);
    assert_eq!(named.unnamed_answer(&anothers), None, "another's is a contradiction, which is more");
}

#[test]
fn the_first_answer_that_names_the_order_is_not_unchanged() {
    let policy = Policy::default();
    let deposit = observed(awaiting(), polled("check", ""), 1);
    let is_unchanged = |deposit: &Deposit, report: &OrderReport| {
        deposit.next_after_unchanged_poll(report, minute(2), &policy).is_some()
    };
    let naming = answer(|report| report.order_id = Some("ORDER-1".to_owned()));
    assert!(is_unchanged(&deposit, &answer(|_| ())));
    let ours = answer(|report| report.order_id = Some("order-1".to_owned()));
    assert!(!is_unchanged(&deposit, &ours), "that it names the order is kept");
    let named = at(deposit, Observation::Polled(Box::new(ours.clone())), 2).unwrap().deposit;
    assert!(named.facts.named && is_unchanged(&named, &ours) && !is_unchanged(&named, &answer(|_| ())));
    assert!(!is_unchanged(&named, &naming), "only a UUID is the same in any case");
    let other = OrderReport { status: Some("check".to_owned()), ..wallet("TRON") };
    assert!(!is_unchanged(&named, &other));
}

#[test]
fn changes_that_were_left_out_become_an_event_when_their_hour_is_over() {
    let policy = Policy::default();
    let mut deposit = observed(awaiting(), polled("check", ""), 1);
    for (left_out, minutes, unchanged) in [(0, 62, true), (1, 60, true), (1, 61, false)] {
        deposit.facts.chatter =
            Some(crate::domain::deposit::Chatter { since: minute(1), count: 10, left_out });
        let next = deposit.next_after_unchanged_poll(&answer(|_| ()), minute(minutes), &policy);
        assert_eq!(next.is_some(), unchanged, "{left_out} left out, minute {minutes}");
    }
}

#[test]
fn a_zero_states_nothing_of_a_wallet_and_a_figure_of_nothing_no_payment() {
    let figures = |deposit: &Deposit| {
        let wallet = deposit.facts.wallet.as_ref().unwrap();
        let text = |amount: &Option<crate::domain::money::Amount>| amount.as_ref().map(ToString::to_string);
        (text(&wallet.amount_usd), text(&wallet.amount_crypto))
    };
    let known = (Some("5.00".to_owned()), Some("4.99".to_owned()));
    let zero = || Some("0".parse().unwrap());
    for word in ["check", "paid", "cancel"] {
        let zeros = answer(|report| {
            report.status = Some(word.to_owned());
            (report.amount_usd, report.amount_crypto) = (zero(), zero());
        });
        assert_eq!(figures(&observed(awaiting(), Observation::Polled(Box::new(zeros)), 1)), known, "{word}");
    }
    // Less than a millionth is nothing.
    let dust = observed(awaiting(), polled("wrong_amount", "usd=0.0000001"), 1);
    assert_eq!(dust.facts.booked, None);
}

#[test]
fn an_end_that_speaks_of_money_loses_only_what_it_says_of_that() {
    let odd = answer(|report| {
        report.status = Some("cancel".to_owned());
        report.payment_amount_usd = Some("5.00".parse().unwrap());
        report.txid = Some("0xabc".to_owned());
        report.expire_at = Some(minute(90));
        report.memo = Some("7".to_owned());
    });
    let deposit = observed(awaiting(), Observation::Polled(Box::new(odd)), 1);
    let wallet = deposit.facts.wallet.as_ref().unwrap();
    assert_eq!((wallet.expire_at, wallet.memo.as_deref()), (Some(minute(90)), Some("7")));
    assert_eq!((deposit.facts.txid, deposit.facts.payment.amount_usd), (None, None));
    assert_eq!(deposit.facts.upstream_status.as_deref(), Some("cancel"));
}

#[test]
fn a_field_is_not_taken_for_another_whose_name_begins_the_same() {
    for (words, withheld, why) in [
        ("memo is not a text: 7.5", true, "the field itself"),
        ("memo: not a text", true, "whatever follows the name"),
        ("memory is not a text", false, "a letter goes on"),
        ("memo2 is not a text", false, "a digit goes on"),
        ("memo_id is not a text", false, "an underscore goes on"),
    ] {
        let report = OrderReport { unreadable: vec![words.to_owned()], ..wallet("BSC") };
        let deposit = observed(opened("BSC"), Observation::Wallet(Box::new(report)), 1);
        assert_eq!(deposit.facts.wallet.unwrap().withheld.is_some(), withheld, "{why}");
    }
}

#[test]
fn what_an_earlier_version_kept_is_judged_again_and_not_passed_over() {
    let policy = Policy::default();
    let amount = |text: &str| Some(text.parse().unwrap());
    let is_unchanged = |deposit: &Deposit, report: &OrderReport| {
        deposit.next_after_unchanged_poll(report, minute(3), &policy).is_some()
    };
    let mut asked = observed(awaiting(), polled("check", ""), 1);
    asked.facts.wallet.as_mut().unwrap().amount_usd = amount("9700000");
    assert!(is_unchanged(&asked, &answer(|_| ())));
    assert!(!is_unchanged(&asked, &answer(|report| report.amount_usd = amount("9700000"))), "asked for 5");
    let mut ended = observed(awaiting(), polled("cancel", ""), 1);
    ended.facts.payment.amount_usd = amount("5.00");
    let cancel = |usd: Option<crate::domain::money::Amount>| {
        answer(|report| (report.status, report.payment_amount_usd) = (Some("cancel".to_owned()), usd))
    };
    assert!(!is_unchanged(&ended, &cancel(amount("5.00"))), "an end without money that speaks of some");
}

#[test]
fn figures_that_cannot_be_right_are_named_with_the_word_they_came_with() {
    let reason = |word: &str, figures: &str| {
        observed(awaiting(), polled(word, figures), 1).facts.review.map(|review| review.reason)
    };
    assert_eq!(
        reason("paid", "usd=5.00 back=2.00").as_deref(),
        Some("the upstream counts 2.00 as refunded, and still says \"paid\"")
    );
    let end = reason("cancel", "usd=5.00").unwrap();
    assert!(end.starts_with("the upstream says \"cancel\", and that 5.00 was paid"), "{end}");
    let beyond = "usd=99999999999999999999";
    assert_eq!(
        reason("paid_over", beyond).as_deref(),
        Some("a figure in US dollars is too large for the books")
    );
}
