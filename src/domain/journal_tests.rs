//! Every fate of a deposit as an accountant sees it: what is booked, line by line.

#![allow(clippy::arithmetic_side_effects, reason = "test code: small numbers")]

use std::time::Duration;

use crate::domain::asset::Asset;
use crate::domain::deposit::{Deposit, Request};
use crate::domain::event::Step;
use crate::domain::ids::DepositId;
use crate::domain::money::UsdMicros;
use crate::domain::observe::Observation;
use crate::domain::poll::Policy;
use crate::domain::report::OrderReport;
use crate::domain::time::Timestamp;

/// A deposit in the making, and the transactions that were booked for it.
struct Books {
    deposit: Deposit,
    now: Timestamp,
    transactions: Vec<Vec<String>>,
}

fn report(status: &str, figures: &str) -> OrderReport {
    let mut report = OrderReport { status: Some(status.to_owned()), ..OrderReport::default() };
    for figure in figures.split_whitespace() {
        let (name, value) = figure.split_once('=').unwrap();
        let amount = Some(value.parse().unwrap());
        match name {
            "usd" => report.payment_amount_usd = amount,
            "crypto" => report.payment_amount = amount,
            "back" => report.refund_amount_usd = amount,
            "back_crypto" => report.refund_amount = amount,
            other => panic!("{other}"),
        }
    }
    report
}

impl Books {
    /// Asked for, and a wallet given for `wallet` dollars and 4.99 USDT.
    fn asked(amount: &str, coupon: Option<&str>, wallet: &str) -> Self {
        let now = Timestamp::from_seconds(1_748_611_977);
        let request = Request {
            coupon: coupon.map(str::to_owned),
            ..Request::new(Asset::parse("USDT", "BSC").unwrap(), amount.parse().unwrap(), now)
        };
        let deposit = Deposit::open(DepositId::new(uuid::Uuid::from_u128(7)), request).deposit;
        let mut books = Self { deposit, now, transactions: Vec::new() };
        books.observe(Observation::Wallet(Box::new(OrderReport {
            order_id: Some("af161c5a-936c-4294-b656-6da12b77e232".to_owned()),
            address: Some("0x66b928a82377d75ced043e95738372e9e9607f1f".to_owned()),
            currency: Some("usdt".to_owned()),
            network: Some("bsc".to_owned()),
            amount_usd: Some(wallet.parse().unwrap()),
            amount_crypto: Some("4.99".parse().unwrap()),
            expire_at: Some(now.plus(Duration::from_hours(1))),
            ..OrderReport::default()
        })));
        books
    }

    fn observe(&mut self, observation: Observation) -> &mut Self {
        self.now = self.now.plus(Duration::from_mins(5));
        let step: Step = self.deposit.clone().observe(observation, self.now, &Policy::default()).unwrap();
        for event in step.events.iter().filter(|event| !event.postings.is_empty()) {
            let line = |line: &super::Posting| {
                let worth = if line.commodity == "USD" {
                    assert_eq!(line.amount.to_string(), format!("{:.6}", line.amount));
                    String::new()
                } else {
                    format!(" @@ {}", line.amount_usd_micros)
                };
                format!("{} {} {}{worth}", line.account, line.amount.normalize(), line.commodity)
            };
            self.transactions.push(event.postings.iter().map(line).collect());
        }
        self.deposit = step.deposit;
        self
    }

    fn poll(&mut self, status: &str, figures: &str) -> &mut Self {
        self.observe(Observation::Polled(Box::new(report(status, figures))))
    }

    fn are(&self, transactions: &[&[&str]]) {
        assert_eq!(self.transactions, transactions, "{:?}", self.deposit.facts);
    }
}

const PREPAID_5: &str = "assets:prepaid:smsonline 5 USD";
const PAID_5: &str = "equity:crypto:usdt -4.99 USDT @@ -5.00";
const BACK_5: &str = "assets:prepaid:smsonline -5 USD";

#[test]
fn in_full_and_late() {
    Books::asked("5", None, "5.00").poll("paid", "").are(&[&[PREPAID_5, PAID_5]]);
    let mut late = Books::asked("5", None, "5.00");
    late.poll("cancel", "").poll("paid", "crypto=4.99 usd=5.00").are(&[&[PREPAID_5, PAID_5]]);
    assert!(late.deposit.facts.late);
}

#[test]
fn over_short_and_what_the_wallet_was_for() {
    Books::asked("5", None, "5.00").poll("paid_over", "crypto=5.99 usd=6.00").are(&[&[
        "assets:prepaid:smsonline 6 USD",
        "equity:crypto:usdt -5.99 USDT @@ -6.00",
        "equity:difference:over -1 USD",
        "equity:asked 1 USD",
    ]]);
    Books::asked("5", None, "5.00").poll("wrong_amount", "crypto=2.99 usd=3.00").are(&[&[
        "assets:prepaid:smsonline 3 USD",
        "equity:crypto:usdt -2.99 USDT @@ -3.00",
        "equity:difference:short 2 USD",
        "equity:asked -2 USD",
    ]]);
    Books::asked("5", None, "5.00").poll("wrong_amount", "crypto=2.99").are(&[]);
}

#[test]
fn a_fee_or_a_coupon_between_asked_and_credited_is_named_as_far_as_it_is_known() {
    Books::asked("5.15", None, "5.00").poll("paid", "").are(&[&[
        PREPAID_5,
        PAID_5,
        "equity:difference:unexplained 0.15 USD",
        "equity:asked -0.15 USD",
    ]]);
    Books::asked("5.50", Some("MAY"), "5.00").poll("paid", "").are(&[&[
        PREPAID_5,
        PAID_5,
        "equity:difference:coupon 0.5 USD",
        "equity:asked -0.5 USD",
    ]]);
    Books::asked("5", None, "5.00").poll("paid", "crypto=4.99 usd=4.90").are(&[&[
        "assets:prepaid:smsonline 4.9 USD",
        "equity:crypto:usdt -4.99 USDT @@ -4.90",
        "equity:difference:unexplained 0.1 USD",
        "equity:asked -0.1 USD",
    ]]);
}

#[test]
fn what_the_upstream_did_not_state_is_no_guess() {
    Books::asked("5", None, "5.00")
        .poll("paid_over", "usd=5.00")
        .are(&[&[PREPAID_5, "equity:unstated -5 USD"]]);
}

#[test]
fn held_money_is_neither_ours_nor_credited() {
    let held = ["equity:crypto:usdt -4.99 USDT @@ -5.00", "equity:held:usdt 4.99 USDT @@ 5.00"];
    let released = ["equity:held:usdt -4.99 USDT @@ -5.00", "assets:prepaid:smsonline 5 USD"];
    Books::asked("5", None, "5.00")
        .poll("locked", "crypto=4.99 usd=5.00")
        .poll("paid", "")
        .are(&[&held, &released]);
    let back = ["equity:crypto:usdt 4.99 USDT @@ 5.00", "equity:held:usdt -4.99 USDT @@ -5.00"];
    let mut gone = Books::asked("5", None, "5.00");
    gone.poll("locked", "")
        .poll("locked", "crypto=4.99 usd=5.00")
        .poll("refund_process", "")
        .are(&[&held, &back]);
    Books::asked("5", None, "5.00").poll("locked", "").poll("paid", "").are(&[&[PREPAID_5, PAID_5]]);
}

#[test]
fn refunded_in_full_and_in_part() {
    let credit = [PREPAID_5, PAID_5];
    let whole = [BACK_5, "equity:crypto:usdt 4.99 USDT @@ 5.00"];
    Books::asked("5", None, "5.00").poll("paid", "").poll("refund_paid", "").are(&[&credit, &whole]);
    let part = ["assets:prepaid:smsonline -2 USD", "equity:crypto:usdt 1.99 USDT @@ 2.00"];
    let mut books = Books::asked("5", None, "5.00");
    books.poll("paid", "").poll("refund_paid", "back=2.00 back_crypto=1.99").are(&[&credit, &part]);
    // The rest goes back later; less is flagged, and nothing is taken back.
    let rest = ["assets:prepaid:smsonline -3 USD", "equity:crypto:usdt 3 USDT @@ 3.00"];
    books.poll("refund_paid", "back=5.00").are(&[&credit, &part, &rest]);
    books.poll("refund_paid", "back=1.00").are(&[&credit, &part, &rest]);
    assert!(books.deposit.facts.review.is_some());
    let unstated = ["assets:prepaid:smsonline -2 USD", "equity:unstated 2 USD"];
    let mut books = Books::asked("5", None, "5.00");
    books.poll("paid", "").poll("refund_paid", "back=2.00").are(&[&credit, &unstated]);
    let mut more = Books::asked("5", None, "5.00");
    more.poll("paid", "").poll("refund_paid", "back=6.00").are(&[&credit, &whole]);
    assert!(more.deposit.facts.review.is_some());
}

#[test]
fn corrected_after_a_reconciliation() {
    let correction =
        Observation::Corrected { credited: UsdMicros::new(4_000_000), reason: "the invoice".to_owned() };
    let fixed = ["assets:prepaid:smsonline -1 USD", "equity:corrections 1 USD"];
    let mut books = Books::asked("5", None, "5.00");
    books.poll("paid", "").observe(correction).are(&[&[PREPAID_5, PAID_5], &fixed]);
    // A refund afterwards gives back what was credited, the correction included.
    books.poll("refund_paid", "");
    let sum = |account: &str| -> i64 {
        let lines = books.transactions.iter().flatten().filter(|line| line.starts_with(account));
        lines.count().try_into().unwrap()
    };
    assert_eq!(sum("assets:prepaid"), 3);
    assert_eq!(books.transactions[2][0], "assets:prepaid:smsonline -4 USD");
}
