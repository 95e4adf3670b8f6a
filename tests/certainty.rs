//! What may be taken for a fact when a wallet is made and when an order is polled (docs/design/reconciliation.md, sections 2 and 3), whole
//! lives against the simulated upstream.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: a broken expectation is a failed test"
)]

mod support;

use std::time::Duration;

use depositd::clock::{Clock as _, SystemClock};
use depositd::domain::deposit::{Deposit, ReviewKind, State};
use depositd::flow;
use depositd::sandbox::upstream::{Action, Call, Fault};
use support::house::House;

const MINUTE: Duration = Duration::from_secs(60);

/// Lets time pass, also where the daemon waits for the breaker or a pause.
async fn pass(house: &House, span: Duration, step: Duration) {
    let end = house.clock.now().plus(span);
    while house.clock.now() < end {
        house.clock.advance(step);
        let mut work = std::pin::pin!(house.rounds());
        loop {
            tokio::select! {
                () = &mut work => break,
                () = SystemClock::new().sleep(Duration::from_millis(2)) => {
                    let health = house.flow.upstream.health();
                    if health.waiting > 0 && health.in_flight == 0 {
                        house.clock.advance(Duration::from_millis(500));
                    }
                }
            }
        }
    }
}

fn answer(code: u16, body: &str) -> Fault {
    Fault::Status(code, body.to_owned(), Vec::new())
}

fn denied() -> Fault {
    answer(401, r#"{"ok":false,"body":"User-verification Failed"}"#)
}

/// A PUT's answer, whole.
fn wallet(order: &str, address: &str, memo: &str) -> Fault {
    answer(
        200,
        &format!(
            r#"{{"ok":true,"body":{{"order_id":"{order}","to_address":"{address}","currency":"USDT","network":"tron","amountInUSD":"25.00","amountInCrypto":"25","expire_at":1772362800{memo}}}}}"#
        ),
    )
}

fn reason(deposit: &Deposit) -> String {
    deposit.facts.review.as_ref().map(|review| review.reason.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_refused_account_rejects_nobody_and_its_requests_go_on_with_their_keys() {
    for fault in [denied(), answer(403, r#"{"ok":false,"body":"User-verification Failed"}"#)] {
        let house = House::new().await;
        house.simulator.inject(Call::Any, fault, u32::MAX);
        let deposits = [house.request("USDT", "TRON", "10").await, house.request("USDT", "TRON", "11").await];
        pass(&house, 10 * MINUTE, Duration::from_secs(30)).await;
        for deposit in &deposits {
            assert_eq!(house.read(deposit).await.facts.state, State::Requested);
        }
        assert_eq!(house.sql("SELECT DISTINCT outcome FROM attempt"), "not_taken");
        assert!(house.flow.upstream.health().failing_since.is_some(), "it is known");
        house.simulator.clear_faults();
        pass(&house, 10 * MINUTE, Duration::from_secs(30)).await;
        for deposit in &deposits {
            assert_eq!(house.read(deposit).await.facts.state, State::AwaitingPayment);
        }
        assert_eq!(house.simulator.orders().len(), 2);
        house.prove().await;
    }
    // Where other calls succeed it is that request's refusal.
    let house = House::new().await;
    house.simulator.inject(Call::Create, denied(), 1);
    let deposit = house.request("USDT", "TRON", "10").await;
    house.rounds().await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Rejected);
    // At the start one call tells whether the account is refused.
    let house = House::new().await;
    house.simulator.inject(Call::Balance, denied(), 1);
    flow::probe_account(&house.flow).await;
    assert!(house.flow.upstream.health().failing_since.is_some());
}

#[tokio::test]
async fn a_request_without_a_wallet_ends_after_its_limit_however_it_waited() {
    for (name, fault) in [("a refused account", denied()), ("nothing taken", answer(503, ""))] {
        let house = House::new().await;
        house.simulator.inject(Call::Any, fault, u32::MAX);
        let deposit = house.request("USDT", "TRON", "10").await;
        pass(&house, 58 * MINUTE, MINUTE).await;
        assert_eq!(house.read(&deposit).await.facts.state, State::Requested, "{name}");
        pass(&house, 8 * MINUTE, MINUTE).await;
        assert_eq!(house.read(&deposit).await.facts.state, State::Unresolved, "{name}");
        let events = house.flow.ledger.events_of(deposit.id).await.unwrap();
        let why = events.last().unwrap().reason.clone().unwrap();
        assert!(why.contains("no wallet within 60 min"), "{name}: {why}");
        house.simulator.clear_faults();
        pass(&house, 30 * MINUTE, MINUTE).await;
        assert_eq!(house.read(&deposit).await.facts.state, State::Unresolved, "{name}: it is final");
        assert_eq!(house.simulator.orders().len(), 0, "{name}");
        house.prove().await;
    }
}

#[tokio::test]
async fn an_outage_uses_up_no_attempts_and_its_requests_go_on_with_their_keys() {
    for fault in [answer(502, "<html></html>"), Fault::DropBeforeActing, Fault::Html200] {
        let house = House::new().await;
        house.simulator.inject(Call::Any, fault.clone(), u32::MAX);
        let deposits = [house.request("USDT", "TRON", "10").await, house.request("USDT", "TRON", "11").await];
        pass(&house, 40 * MINUTE, Duration::from_secs(30)).await;
        for deposit in &deposits {
            assert_eq!(house.read(deposit).await.facts.state, State::Requested, "{fault:?}");
        }
        assert!(house.sql("SELECT count(*) FROM attempt").parse::<u32>().unwrap() <= 2, "{fault:?}");
        house.simulator.clear_faults();
        pass(&house, 5 * MINUTE, Duration::from_secs(30)).await;
        for deposit in &deposits {
            assert_eq!(house.read(deposit).await.facts.state, State::AwaitingPayment, "{fault:?}");
        }
        house.prove().await;
    }
}

#[tokio::test]
async fn one_address_for_two_deposits_is_shown_to_the_first_alone() {
    let (address, other) = ("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf");
    let house = House::new().await;
    let [a, b, c] = ["order-a", "order-b", "order-c"];
    house.simulator.inject(Call::Create, wallet(a, address, ""), 1);
    let first = house.wallet("25").await;
    assert!(reason(&first).is_empty() && first.facts.wallet.as_ref().unwrap().shown_address().is_some());
    house.simulator.inject(Call::Create, wallet(b, address, ""), 1);
    let second = house.wallet("25").await;
    house.simulator.inject(Call::Create, wallet(c, other, ""), 1);
    let third = house.wallet("25").await;
    let first = house.read(&first).await;
    assert!(first.facts.wallet.as_ref().unwrap().shown_address().is_some(), "it had been shown");
    assert!(reason(&first).contains(&second.id.to_string()));
    assert_eq!(second.facts.wallet.as_ref().unwrap().shown_address(), None);
    assert!(reason(&second).contains(&first.id.to_string()));
    for deposit in [&first, &second] {
        assert_eq!(deposit.facts.review.as_ref().unwrap().kind, ReviewKind::Standing);
        assert!(deposit.facts.wallet.as_ref().unwrap().shared);
    }
    assert_eq!(reason(&third), "");
    // An answer that names only the address is about neither of them.
    let paid = answer(200, &format!(r#"{{"ok":true,"body":{{"to_address":"{address}","status":"check"}}}}"#));
    for order in [a, b] {
        house.simulator.inject_for(order, paid.clone(), u32::MAX);
    }
    house.poll().await;
    assert!(!house.read(&first).await.facts.named && !house.read(&second).await.facts.named);
    assert_eq!(house.sql("SELECT count(address) FROM accounting_deposits"), "2");
    house.prove().await;
}

#[tokio::test]
async fn a_daemon_wide_no_is_one_trouble_and_a_single_orders_no_is_its_own() {
    let house = House::new().await;
    let mut deposits = Vec::new();
    for amount in ["10", "11", "12", "13", "14"] {
        deposits.push(house.wallet(amount).await);
    }
    house.poll().await;
    for body in [r#"{"ok":false,"body":"Temporarily unavailable"}"#, r#"{"ok":true,"body":{}}"#] {
        let letters = house.smtp.messages().len();
        house.simulator.inject(Call::Look, answer(200, body), u32::MAX);
        pass(&house, 5 * MINUTE, Duration::from_secs(30)).await;
        for deposit in &deposits {
            assert_eq!(reason(&house.read(deposit).await), "", "{body}");
        }
        assert_eq!(house.smtp.messages().len(), letters, "{body}: no letter a deposit");
        house.simulator.clear_faults();
        house.poll().await;
        house.simulator.inject_for(&house.order(&deposits[0]), answer(200, body), u32::MAX);
        house.poll().await;
        let history = house.history(&deposits[0]).await;
        assert_ne!(
            reason(&house.read(&deposits[0]).await),
            "",
            "{body}: while the others answer: {history:?}"
        );
        house.simulator.clear_faults();
        house.poll().await;
        assert_eq!(reason(&house.read(&deposits[0]).await), "", "{body}: it passes");
    }
    assert_eq!(house.letters(&deposits[0]), ["needs_review", "needs_review"]);
    // After the deadline an answer that says nothing expires nothing, and the truth is taken.
    house.simulator.inject(Call::Look, answer(200, r#"{"ok":true,"body":{}}"#), u32::MAX);
    pass(&house, 120 * MINUTE, 5 * MINUTE).await;
    assert_eq!(house.read(&deposits[1]).await.facts.state, State::AwaitingPayment);
    house.simulator.act(&house.order(&deposits[1]), Action::Pay { amount_usd: None }).unwrap();
    house.simulator.clear_faults();
    house.poll().await;
    let paid = house.read(&deposits[1]).await;
    assert_eq!((paid.facts.state, paid.facts.late), (State::Settled, false));
    house.prove().await;
}

#[tokio::test]
async fn a_deposit_that_flaps_sends_few_letters_and_writes_little() {
    let house = House::new().await;
    let deposit = house.wallet("10").await;
    let order = house.order(&deposit);
    for round in 0..240 {
        house.simulator.act(&order, Action::SetStatus { status: format!("odd_{round}") }).unwrap();
        pass(&house, Duration::from_secs(30), Duration::from_secs(30)).await;
    }
    let history = house.history(&deposit).await;
    assert!(history.len() <= 2 + 2 * 11 + 10, "{} events in two hours", history.len());
    assert!(history.contains(&"changes_left_out".to_owned()), "{history:?}");
    assert!(house.letters(&deposit).len() <= 30, "{} letters", house.letters(&deposit).len());
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    pass(&house, MINUTE, Duration::from_secs(30)).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Settled);
    house.prove().await;
}
