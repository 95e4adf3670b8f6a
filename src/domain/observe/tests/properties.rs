//! What holds for any sequence of answers.

use std::time::Duration;

use proptest::prelude::*;

use super::super::*;
use super::paths::{POLICY, amount, awaiting, polled_at, report, start};
use crate::domain::journal;
use crate::domain::money::UsdMicros;
use crate::domain::status::Status;

fn any_report() -> impl Strategy<Value = OrderReport> {
    let words: Vec<Option<&str>> =
        Status::WORDS.iter().map(|(word, _)| Some(*word)).chain([None, Some("odd")]).collect();
    let usd = prop_oneof![Just(None), (1_u32..9_000_000).prop_map(Some)];
    (prop::sample::select(words), usd, any::<bool>(), 0_u8..40).prop_map(|(word, usd, crypto, odd)| {
        let mut report = report(word);
        report.payment_amount_usd =
            usd.map(|micros| UsdMicros::new(i64::from(micros)).to_string().parse().unwrap());
        report.payment_amount = crypto.then(|| amount("1.23"));
        if odd % 3 == 0 {
            report.refund_amount_usd = report.payment_amount_usd.clone();
            report.refund_amount = report.payment_amount.clone();
        }
        match odd {
            // Names nothing; only the address; in capitals.
            1..=4 => (report.order_id, report.address) = (None, None),
            5 => report.order_id = None,
            6 => report.order_id = report.order_id.map(|id| id.to_uppercase()),
            // Figures that state nothing, too much, or something of their own.
            7 | 8 => report.payment_amount_usd = Some(amount("0.00")),
            9 => report.amount_usd = Some(amount("9700000")),
            10 => report.amount_usd = Some(amount("4.995")),
            11 => report.payment_amount_usd = Some(amount("6.177")),
            12 => report.txid = Some("0xabc".to_owned()),
            13 => report.amount_crypto = Some(amount("5.01")),
            14 => report.answered_at = Some(start().plus(Duration::from_hours(900))),
            15 => report.answered_at = Some(start().minus(Duration::from_hours(900))),
            16 => report.memo = Some("1234".to_owned()),
            17 => (report.amount_usd, report.amount_crypto, report.expire_at) = (None, None, None),
            _ => {}
        }
        if odd == 0 {
            report.address = Some("0x0000000000000000000000000000000000000001".to_owned());
        }
        report
    })
}

proptest! {
    /// Whatever the upstream says, in whatever order: each transaction balances, all of them together hold exactly
    /// what is booked, versions count events, and the last event carries the facts.
    #[test]
    fn any_answers_leave_books_that_balance(reports in prop::collection::vec(any_report(), 1..40)) {
        let mut deposit = awaiting();
        let mut prepaid = 0_i64;
        let mut accounts = std::collections::BTreeMap::<String, i64>::new();
        let mut months = (0_i64, 0_i64, 0, 0);
        for (minute, report) in (1_u64..).zip(reports) {
            let version = deposit.version;
            let now = start().plus(Duration::from_mins(minute * 7));
            let before = deposit.facts.clone();
            let step = deposit.observe(Observation::Polled(Box::new(report)), now, &POLICY).unwrap();
            prop_assert_eq!(step.expected_version, version);
            prop_assert_eq!(step.deposit.version, version + i64::try_from(step.events.len()).unwrap());
            for event in &step.events {
                let sum: i64 = event.postings.iter().map(|line| line.amount_usd_micros.get()).sum();
                prop_assert_eq!(sum, 0);
                prepaid += event.postings.iter().filter(|line| line.account.starts_with("assets:"))
                    .map(|line| line.amount_usd_micros.get()).sum::<i64>();
                for line in &event.postings {
                    *accounts.entry(line.account.clone()).or_default() += line.amount_usd_micros.get();
                    let exact = line.commodity != "USD" || line.amount == rust_decimal::Decimal::new(line.amount_usd_micros.get(), 6);
                    prop_assert!(exact && line.amount.scale() >= 6, "{line:?}");
                }
                let moved = event.turnover;
                months.0 += moved.credited.get();
                months.1 += moved.refunded.get();
                months.2 += i32::from(moved.first_credit);
                months.3 += i32::from(moved.first_refund);
            }
            match step.events.last() {
                Some(event) => prop_assert_eq!(&event.facts, &step.deposit.facts),
                None => prop_assert_eq!(&Facts { chatter: step.deposit.facts.chatter, ..before }, &step.deposit.facts),
            }
            deposit = step.deposit;
            let facts = &deposit.facts;
            let credited = facts.booked.as_ref().map_or(0, |booked| booked.total().get());
            let refunded = facts.refunded_at.map_or(0, |_| facts.refund.as_ref().map_or(credited, |back| back.usd.get()));
            prop_assert_eq!(prepaid, credited - refunded);
            prop_assert!(refunded <= credited);
            prop_assert_eq!(prepaid % 10_000, 0, "the prepaid account holds whole cents");
            prop_assert_eq!((months.0, months.1), (credited, refunded));
            prop_assert_eq!(months.2, i32::from(facts.settled_at.is_some()));
            prop_assert_eq!(months.3, i32::from(facts.refunded_at.is_some()));
            let locked: i64 = accounts.iter().filter(|(name, _)| name.starts_with(journal::HELD)).map(|(_, sum)| sum).sum();
            let booked = facts.booked.is_some();
            prop_assert_eq!(locked, facts.held.as_ref().filter(|_| !booked).map_or(0, |held| held.usd.get()));
            prop_assert!(facts.held.is_none() || facts.state == State::Held);
            let memo: i64 = accounts.iter()
                .filter(|(name, _)| name.starts_with("equity:difference") || *name == journal::ASKED)
                .map(|(_, sum)| sum).sum();
            prop_assert_eq!(memo, 0);
            prop_assert!(facts.state != State::Settled || facts.booked.is_some());
            prop_assert!(facts.booked.is_none() || facts.settled_at.is_some());
        }
    }
    /// The short way for polls that bring nothing new leads where the whole way leads.
    #[test]
    fn what_is_called_unchanged_is_unchanged(reports in prop::collection::vec(any_report(), 1..20)) {
        let mut deposit = awaiting();
        let mut now = start();
        for report in reports.iter().flat_map(|report| [report, report]) {
            now = now.plus(Duration::from_mins(7));
            let mut draft = Draft::new(deposit.clone(), now, report.answered_at, &POLICY);
            draft.apply_poll(report, &POLICY);
            let whole = draft.finish(&POLICY);
            if unchanged::is_unchanged(&deposit, report, now, &POLICY) {
                prop_assert_eq!(&whole.events, &Vec::new());
                // The same bytes again, at any later time: the same as if it were read again.
                for later in [0, 1, 10, 68, 69, 70, 24 * 60, 48 * 60] {
                    let then = now.plus(Duration::from_mins(later));
                    let again = deposit.next_after_same_response(report.answered_at, then, &POLICY);
                    prop_assert_eq!(again, deposit.next_after_unchanged_poll(report, then, &POLICY));
                }
            }
            let step = deposit.clone().observe(Observation::Polled(Box::new(report.clone())), now, &POLICY).unwrap();
            prop_assert_eq!(&step, &whole);
            let chatter = step.deposit.facts.chatter;
            let same = Deposit { facts: Facts { chatter, ..deposit.facts.clone() }, ..deposit.clone() };
            prop_assert!(!step.events.is_empty() || step.deposit == same, "nothing happened, and it is another one");
            deposit = step.deposit;
        }
    }
}

#[test]
fn an_answer_seen_before_changes_nothing_until_time_runs_out() {
    let awaiting_payment = polled_at(awaiting(), "check", 1).deposit;
    let is_unchanged = |minutes| {
        let now = start().plus(Duration::from_mins(minutes));
        unchanged::is_unchanged(&awaiting_payment, &report(Some("check")), now, &POLICY)
    };
    assert_eq!((is_unchanged(2), is_unchanged(74), is_unchanged(75)), (true, true, false));
    assert!(
        !unchanged::is_unchanged(&awaiting(), &report(Some("check")), start(), &POLICY),
        "the word is news"
    );
}
