//! What is paid, how it is booked, and what silence does not do.

use depositd::domain::deposit::{Outcome, State};
use depositd::flow;
use depositd::sandbox::upstream::Action;

use super::support::house::House;
use super::{HOUR, MINUTE, usd};

#[tokio::test]
async fn a_payment_in_full_is_credited_booked_and_told_once() {
    let house = House::new().await;
    let deposit = house.wallet("25.00").await;
    assert_eq!(deposit.facts.state, State::AwaitingPayment);
    let order = house.order(&deposit);
    house.simulator.act(&order, Action::See).unwrap();
    house.poll().await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Confirming);
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let settled = house.read(&deposit).await;
    assert_eq!((settled.facts.state, settled.facts.outcome), (State::Settled, Some(Outcome::Exact)));
    assert!(!settled.facts.late && settled.facts.review.is_none());
    assert_eq!(house.sql("SELECT sum(amount_usd_micros) FROM accounting_monthly"), "25000000");
    assert_eq!(house.letters(&deposit), ["settled"]);
    // A week of polls with the same answer books nothing twice and mails nobody again.
    house.pass(8 * 24 * HOUR, 6 * HOUR).await;
    assert_eq!(house.history(&deposit).await, ["requested", "wallet_created", "confirming", "settled"]);
    assert_eq!(house.letters(&deposit), ["settled"]);
    assert_eq!(house.sql("SELECT group_concat(urgency) FROM queue"), "5", "the late watch ends");
    assert_eq!(house.prove().await.transactions, 1);
    assert!(house.reconcile().await.cases.is_empty());
}

#[tokio::test]
async fn over_short_and_completed_payments_are_booked_as_far_as_credited() {
    let house = House::new().await;
    let (over, short, part) = (house.wallet("10").await, house.wallet("20").await, house.wallet("30").await);
    let act = |deposit, act| house.simulator.act(&house.order(deposit), act).unwrap();
    act(&over, Action::Pay { amount_usd: usd("12.50") });
    act(&short, Action::PayPart { amount_usd: usd("5") });
    act(&part, Action::PayPart { amount_usd: usd("10") });
    house.poll().await;
    assert_eq!(house.read(&short).await.facts.state, State::Underpaid);
    act(&short, Action::CloseShort);
    act(&part, Action::Pay { amount_usd: None });
    house.poll().await;
    let over = house.read(&over).await;
    assert_eq!((over.facts.state, over.facts.outcome), (State::Settled, Some(Outcome::Over)));
    assert_eq!(over.facts.booked.as_ref().unwrap().total().to_string(), "12.50");
    let short = house.read(&short).await;
    assert_eq!(short.facts.state, State::Short);
    assert_eq!(short.facts.booked.as_ref().unwrap().total().to_string(), "5.00");
    assert_eq!(house.read(&part).await.facts.state, State::Settled);
    assert_eq!(house.letters(&part), ["underpaid", "settled"]);
    let report = house.reconcile().await;
    assert!(report.cases.is_empty(), "{report:?}");
    let figures = report.figures.unwrap();
    assert_eq!(figures.total_charges_cents, house.simulator.books().total_charges_cents);
    assert_eq!((figures.credited_here_cents, figures.difference_cents), (4750, None));
    house.prove().await;
}

#[tokio::test]
async fn money_after_the_deadline_is_seen_and_called_late() {
    let house = House::new().await;
    let deposit = house.wallet("15").await;
    house.pass(61 * MINUTE, 5 * MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::AwaitingPayment, "grace is still running");
    house.pass(15 * MINUTE, 5 * MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Expired);
    house.pass(24 * HOUR, HOUR).await;
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    house.pass(13 * HOUR, HOUR).await;
    let settled = house.read(&deposit).await;
    assert!(settled.facts.state == State::Settled && settled.facts.late);
    assert_eq!(house.letters(&deposit), ["expired", "settled"]);
    assert_eq!(house.sql("SELECT late FROM accounting_deposits"), "1");
    house.prove().await;
}

#[tokio::test]
async fn silence_expires_nothing() {
    let house = House::new().await;
    let deposit = house.wallet("15").await;
    house.simulator.set_outage(true);
    house.pass(3 * HOUR, 10 * MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::AwaitingPayment);
    flow::watch_upstream(&house.flow).await.unwrap();
    flow::watch_upstream(&house.flow).await.unwrap();
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    house.simulator.set_outage(false);
    house.pass(10 * MINUTE, MINUTE).await;
    flow::watch_upstream(&house.flow).await.unwrap();
    house.rounds().await;
    let settled = house.read(&deposit).await;
    assert!(settled.facts.state == State::Settled && !settled.facts.late);
    let mut events: Vec<String> =
        house.smtp.messages().iter().map(|mail| mail.header("X-Depositd-Event").unwrap()).collect();
    events.sort();
    assert_eq!(
        events,
        ["settled", "upstream_back", "upstream_down"],
        "an outage is one event, not a thousand"
    );
}

#[tokio::test]
async fn held_refunded_failed_and_cancelled_money_is_followed() {
    let house = House::new().await;
    let (held, refunded, failed, cancelled) = (
        house.wallet("10").await,
        house.wallet("20").await,
        house.wallet("30").await,
        house.wallet("40").await,
    );
    let act = |deposit, act| house.simulator.act(&house.order(deposit), act).unwrap();
    act(&held, Action::Lock);
    act(&refunded, Action::Pay { amount_usd: None });
    act(&failed, Action::Fail);
    act(&cancelled, Action::PayPart { amount_usd: usd("1") });
    house.poll().await;
    assert_eq!(house.read(&held).await.facts.state, State::Held);
    act(&held, Action::Release);
    act(&refunded, Action::StartRefund);
    act(&cancelled, Action::Cancel);
    house.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(house.read(&held).await.facts.state, State::Settled);
    assert_eq!(house.read(&refunded).await.facts.state, State::Refunding);
    assert_eq!(house.read(&failed).await.facts.state, State::Failed);
    let expired = house.read(&cancelled).await;
    assert_eq!(expired.facts.state, State::Expired);
    assert!(expired.facts.review.is_some(), "cancelled after part had arrived: a person must decide");
    act(&refunded, Action::FinishRefund);
    house.poll().await;
    let refunded = house.read(&refunded).await;
    assert_eq!((refunded.facts.state, refunded.facts.outcome), (State::Refunded, Some(Outcome::Exact)));
    assert_eq!(
        house.sql("SELECT amount_usd_micros, refunded_usd_micros, refunds FROM accounting_monthly"),
        "30000000|20000000|1"
    );
    assert_eq!(
        house.sql("SELECT balance_usd_micros FROM accounting_trial_balance WHERE account LIKE 'assets:%'"),
        "10000000"
    );
    assert_eq!(house.prove().await.transactions, 3);
    let report = house.reconcile().await;
    assert!(report.cases.is_empty(), "{report:?}");
}
