//! Paths through a deposit's life, one answer after the other.

use std::time::Duration;

use super::super::*;
use crate::domain::asset::Asset;
use crate::domain::deposit::{Outcome, Request};
use crate::domain::ids::DepositId;
use crate::domain::money::Amount;

pub(super) const POLICY: Policy = Policy {
    interval: Duration::from_secs(15),
    confirming_interval: Duration::from_secs(10),
    expiry_grace: Duration::from_mins(15),
    confirming_limit: Duration::from_hours(24),
    late_watch: Duration::from_hours(168),
    list_interval: Duration::from_mins(1),
    link_limit: Duration::from_hours(24),
    books_open_from: Timestamp::EPOCH,
};

pub(super) fn start() -> Timestamp {
    Timestamp::from_seconds(1_748_611_977)
}

pub(super) fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

pub(super) fn report(status: Option<&str>) -> OrderReport {
    OrderReport {
        order_id: Some("af161c5a-936c-4294-b656-6da12b77e232".to_owned()),
        address: Some("0x66b928a82377d75ced043e95738372e9e9607f1f".to_owned()),
        currency: Some("usdt".to_owned()),
        network: Some("bsc".to_owned()),
        amount_usd: Some(amount("5.00")),
        amount_crypto: Some(amount("4.99")),
        expire_at: Some(start().plus(Duration::from_hours(1))),
        url: Some("https://pay.cryptomus.com/pay/35a4ee29-16ef-4b18-9960-b7812c836bb1".to_owned()),
        status: status.map(str::to_owned),
        ..OrderReport::default()
    }
}

pub(super) fn opened() -> Deposit {
    let request = Request::new(Asset::parse("USDT", "BSC").unwrap(), amount("5.15"), start());
    Deposit::open(DepositId::new(uuid::Uuid::from_u128(7)), request).deposit
}

pub(super) fn awaiting() -> Deposit {
    let step = opened().observe(Observation::Wallet(Box::new(report(None))), start(), &POLICY).unwrap();
    assert_eq!(step.events.len(), 1);
    step.deposit
}

pub(super) fn polled_at(deposit: Deposit, status: &str, minutes: u64) -> Step {
    let now = start().plus(Duration::from_mins(minutes));
    deposit.observe(Observation::Polled(Box::new(report(Some(status)))), now, &POLICY).unwrap()
}

/// Walks the words, one minute apart, and gives the last step.
pub(super) fn walk(words: &str) -> Step {
    let mut step = None;
    let mut deposit = awaiting();
    for (minute, word) in (1..).zip(words.split_whitespace()) {
        let next = polled_at(deposit, word, minute);
        deposit = next.deposit.clone();
        step = Some(next);
    }
    step.unwrap()
}

#[test]
fn every_word_leads_from_awaiting_where_the_interface_says() {
    let table = [
        ("check", State::AwaitingPayment),
        ("process", State::AwaitingPayment),
        ("confirm_check", State::Confirming),
        ("wrong_amount_waiting", State::Underpaid),
        ("paid", State::Settled),
        ("paid_over", State::Settled),
        ("wrong_amount", State::Short),
        ("cancel", State::Expired),
        ("fail", State::Failed),
        ("system_fail", State::Failed),
        ("refund_process", State::Refunding),
        ("refund_fail", State::AwaitingPayment),
        ("refund_paid", State::Refunded),
        ("locked", State::Held),
        ("something_new", State::AwaitingPayment),
    ];
    for (word, state) in table {
        for spelling in [word.to_owned(), word.to_uppercase()] {
            let step = walk(&spelling);
            assert_eq!(step.deposit.facts.state, state, "{spelling}");
            assert_eq!(step.deposit.facts.upstream_status.as_deref(), Some(spelling.as_str()));
        }
    }
}

#[test]
fn paths_end_where_they_should_and_are_flagged_where_a_person_must_decide() {
    // words, state, flagged, late, booked micros that are still held
    let table = [
        ("check process confirm_check paid", State::Settled, false, false, 5_000_000),
        ("wrong_amount_waiting confirm_check paid", State::Settled, false, false, 5_000_000),
        ("paid paid_over", State::Settled, false, false, 5_000_000),
        ("paid_over paid", State::Settled, true, false, 5_000_000),
        ("paid check", State::Settled, true, false, 5_000_000),
        ("paid check paid", State::Settled, false, false, 5_000_000),
        ("paid cancel", State::Settled, true, false, 5_000_000),
        ("paid fail", State::Settled, true, false, 5_000_000),
        ("cancel paid", State::Settled, false, true, 5_000_000),
        ("cancel confirm_check paid", State::Settled, false, true, 5_000_000),
        ("cancel check", State::Expired, true, false, 0),
        ("confirm_check cancel", State::Expired, true, false, 0),
        ("wrong_amount_waiting cancel", State::Expired, true, false, 0),
        ("locked paid", State::Settled, false, false, 5_000_000),
        ("locked cancel", State::Expired, true, false, 0),
        ("fail paid", State::Settled, false, false, 5_000_000),
        ("wrong_amount paid", State::Settled, false, false, 5_000_000),
        ("paid refund_process", State::Refunding, false, false, 5_000_000),
        ("paid refund_process refund_paid", State::Refunded, false, false, 0),
        ("paid refund_process refund_fail", State::Settled, true, false, 5_000_000),
        ("paid refund_process paid", State::Refunding, true, false, 5_000_000),
        ("paid refund_paid paid", State::Refunded, true, false, 0),
        ("confirm_check refund_fail", State::Confirming, true, false, 0),
        ("confirm_check check", State::Confirming, true, false, 0),
        ("nonsense paid", State::Settled, false, false, 5_000_000),
    ];
    for (words, state, flagged, late, held) in table {
        let facts = walk(words).deposit.facts;
        assert_eq!(facts.state, state, "{words}");
        assert_eq!(facts.review.is_some(), flagged, "{words}: {:?}", facts.review);
        assert_eq!(facts.late, late, "{words}");
        let booked = facts.booked.filter(|_| facts.refunded_at.is_none()).map_or(0, |b| b.total().get());
        assert_eq!(booked, held, "{words}");
    }
}

#[test]
fn over_is_booked_by_a_new_entry_when_the_figure_grows() {
    let settled = walk("paid").deposit;
    let mut over = report(Some("paid_over"));
    over.payment_amount_usd = Some(amount("6.00"));
    over.payment_amount = Some(amount("5.99"));
    let now = start().plus(Duration::from_mins(5));
    let step = settled.observe(Observation::Polled(Box::new(over.clone())), now, &POLICY).unwrap();
    assert_eq!(step.deposit.facts.outcome, Some(Outcome::Over));
    let [event] = step.events.as_slice() else { panic!("{:?}", step.events) };
    let prepaid = event.postings.iter().find(|line| line.account.starts_with("assets:")).unwrap();
    assert_eq!(prepaid.amount_usd_micros.get(), 1_000_000);
    // Less than before is flagged, and nothing is taken back by itself.
    over.payment_amount_usd = Some(amount("5.50"));
    let less = step.deposit.observe(Observation::Polled(Box::new(over)), now, &POLICY).unwrap();
    assert_eq!(less.deposit.facts.booked.as_ref().unwrap().total().get(), 6_000_000);
    assert!(less.deposit.facts.review.is_some());
}

#[test]
fn figures_too_fine_for_the_books_are_cut_and_figures_too_large_move_nothing() {
    let mut fine = report(Some("paid"));
    fine.payment_amount_usd = Some(amount("5.1234567"));
    let step = awaiting().observe(Observation::Polled(Box::new(fine)), start(), &POLICY).unwrap();
    assert_eq!(step.deposit.facts.booked.unwrap().total().get(), 5_120_000);
    let mut large = report(Some("paid"));
    large.payment_amount_usd = Some(amount(&"9".repeat(28)));
    let step = awaiting().observe(Observation::Polled(Box::new(large)), start(), &POLICY).unwrap();
    assert_eq!(step.deposit.facts.state, State::AwaitingPayment);
    assert!(step.deposit.facts.review.is_some());
}

#[test]
fn only_a_successful_poll_past_deadline_and_grace_expires() {
    let deposit = awaiting();
    for (minutes, state) in [(59, State::AwaitingPayment), (74, State::AwaitingPayment), (75, State::Expired)]
    {
        assert_eq!(polled_at(deposit.clone(), "check", minutes).deposit.facts.state, state, "{minutes}");
    }
    let confirming = polled_at(deposit.clone(), "confirm_check", 5).deposit;
    assert_eq!(polled_at(confirming, "confirm_check", 6000).deposit.facts.state, State::Confirming);
    let unknown = Observation::UnknownOrder("Order not found".to_owned());
    let step = deposit.observe(unknown, start().plus(Duration::from_hours(9)), &POLICY).unwrap();
    assert_eq!(step.deposit.facts.state, State::AwaitingPayment);
    assert!(step.deposit.facts.review.is_some());
}

#[test]
fn a_moved_deadline_and_amount_replace_the_old_ones_with_an_event() {
    let mut moved = report(Some("check"));
    moved.expire_at = Some(start().plus(Duration::from_hours(5)));
    moved.amount_crypto = Some(amount("5.01"));
    let now = start().plus(Duration::from_hours(2));
    let step = awaiting().observe(Observation::Polled(Box::new(moved)), now, &POLICY).unwrap();
    assert_eq!(step.events.len(), 1);
    assert_eq!(step.events[0].name, EventName::FiguresChanged);
    let wallet = step.deposit.facts.wallet.unwrap();
    assert_eq!(
        (wallet.amount_crypto.unwrap().as_str(), step.deposit.facts.state),
        ("5.01", State::AwaitingPayment)
    );
}

#[test]
fn contradictions_change_nothing_but_the_flag_and_need_a_person() {
    type Change = fn(&mut OrderReport);
    let change: [(&str, Change); 4] = [
        ("address", |r| r.address = Some("0x0000000000000000000000000000000000000001".to_owned())),
        ("currency", |r| r.currency = Some("usdc".to_owned())),
        ("network", |r| r.network = Some("eth".to_owned())),
        ("order_id", |r| r.order_id = Some("another".to_owned())),
    ];
    for (what, change) in change {
        let before = awaiting();
        let mut wrong = report(Some("paid"));
        change(&mut wrong);
        let step = before.clone().observe(Observation::Polled(Box::new(wrong)), start(), &POLICY).unwrap();
        let mut after = step.deposit.facts.clone();
        after.chatter = None;
        let review = after.review.take().unwrap();
        assert!(review.reason.contains(what) && review.kind == ReviewKind::Standing, "{review:?}");
        assert_eq!(after, before.facts);
        let later = polled_at(step.deposit, "paid", 3).deposit;
        assert_eq!(later.facts.state, State::Settled);
        assert!(later.facts.review.is_some(), "cleared by a person only");
        let cleared = later.observe(Observation::Reviewed("seen".to_owned()), start(), &POLICY).unwrap();
        assert_eq!(cleared.deposit.facts.review, None);
    }
}

#[test]
fn evm_addresses_compare_without_case_and_a_bad_checksum_is_flagged_to_the_payer() {
    let mut upper = report(Some("check"));
    upper.address = upper.address.map(|address| address.to_uppercase().replace("0X", "0x"));
    let step = awaiting().observe(Observation::Polled(Box::new(upper)), start(), &POLICY).unwrap();
    assert_eq!(step.deposit.facts.review, None);
    let mut malformed = report(None);
    malformed.address = Some("0x66B928a82377d75ced043e95738372e9e9607f1f".to_owned());
    let step = opened().observe(Observation::Wallet(Box::new(malformed)), start(), &POLICY).unwrap();
    assert_eq!(step.deposit.facts.state, State::AwaitingPayment);
    assert!(step.deposit.facts.review.unwrap().reason.contains("do not pay"));
}

#[test]
fn the_watch_doubles_to_twelve_hours_and_ends() {
    let mut deposit = walk("paid").deposit;
    let settled = deposit.facts.since;
    let (mut now, mut gaps) = (settled, Vec::new());
    while let Some(due) = poll::next_poll(&deposit, now, None, &POLICY) {
        gaps.push(due.at.since(now));
        now = due.at;
        deposit = polled_at(deposit, "paid", now.since(start()).as_secs() / 60).deposit;
    }
    assert_eq!(now, settled.plus(POLICY.late_watch));
    assert!(gaps[0] >= Duration::from_secs(60) && gaps[0] <= Duration::from_secs(66));
    assert!(gaps[1] > gaps[0] && gaps.iter().all(|gap| *gap <= Duration::from_secs(12 * 3600 * 11 / 10)));
    assert!(gaps.len() < 40, "{}", gaps.len());
}

#[test]
fn observations_out_of_place_are_errors_and_a_clock_that_went_back_orders_events_all_the_same() {
    assert!(opened().observe(Observation::Polled(Box::new(report(None))), start(), &POLICY).is_err());
    assert!(awaiting().observe(Observation::Refused("no".to_owned()), start(), &POLICY).is_err());
    assert!(awaiting().observe(Observation::Reviewed("x".to_owned()), start(), &POLICY).is_err());
    let early = start().minus(Duration::from_hours(5));
    let step = awaiting()
        .observe(Observation::Polled(Box::new(report(Some("confirm_check")))), early, &POLICY)
        .unwrap();
    assert_eq!(step.events[0].at, start());
}
