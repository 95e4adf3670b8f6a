//! How a wallet comes about, whose it is, and what an answer about it may not do.

use std::time::Duration;

use depositd::domain::deposit::State;
use depositd::flow::{self, NewDeposit};
use depositd::sandbox::upstream::{Action, Call, Fault};

use super::support::house::House;
use super::{HOUR, MINUTE};

#[tokio::test]
async fn a_lost_answer_is_followed_by_another_request_and_its_wallet_is_nobodys() {
    let house = House::new().await;
    house.simulator.inject(Call::Create, Fault::DropAfterActing, 1);
    let deposit = house.request("USDT", "TRON", "33.00").await;
    house.rounds().await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Requested);
    house.pass(MINUTE, 5 * Duration::from_secs(1)).await;
    let shown = house.read(&deposit).await;
    assert_eq!(shown.facts.state, State::AwaitingPayment);
    assert_eq!(house.simulator.calls().count(Call::Create), 2);
    let orders = house.simulator.orders();
    let lost = orders.iter().find(|order| order.order_id != house.order(&shown)).unwrap().order_id.clone();
    assert_eq!(orders.len(), 2);
    // Somebody pays what nobody was shown: money from elsewhere, whatever reconciliation sees of it.
    house.reconcile().await;
    house.simulator.act(&lost, Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    house.reconcile().await;
    let after = house.read(&deposit).await;
    assert_eq!((after.facts.state, after.facts.booked.is_some()), (State::AwaitingPayment, false));
    assert_eq!(house.order(&after), house.order(&shown));
    assert_eq!(house.sql("SELECT count(*) FROM attempt WHERE outcome IN ('adopted', 'abandoned')"), "0");
    house.prove().await;
}

#[tokio::test]
async fn an_order_made_by_somebody_else_is_not_ours_though_a_request_of_ours_was_lost() {
    // Our request never arrives; somebody else orders the same pair, within 5 in 100 of the amount.
    let house = House::new().await;
    house.simulator.inject(Call::Create, Fault::DropBeforeActing, 3);
    let ours = house.request("USDT", "TRON", "100").await;
    house.rounds().await;
    house.pass(5 * MINUTE, Duration::from_secs(5)).await;
    assert_eq!(house.read(&ours).await.facts.state, State::Unresolved);
    let theirs = house.wallet("98").await;
    house.simulator.act(&house.order(&theirs), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    house.reconcile().await;
    let ours = house.read(&ours).await;
    assert_eq!((ours.facts.state, ours.facts.wallet.is_none()), (State::Unresolved, true));
    house.prove().await;
}

#[tokio::test]
async fn an_unresolved_deposit_stays_so() {
    let house = House::new().await;
    house.simulator.inject(Call::Create, Fault::DropBeforeActing, 2);
    house.simulator.inject(Call::Create, Fault::DropAfterActing, 1);
    let deposit = house.request("USDT", "ETH", "55").await;
    house.rounds().await;
    house.pass(5 * MINUTE, Duration::from_secs(10)).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Unresolved);
    assert_eq!(house.letters(&deposit), ["unresolved"]);
    assert_eq!(house.simulator.orders().len(), 1);
    house.reconcile().await;
    house.pass(HOUR, 5 * MINUTE).await;
    assert_eq!(house.read(&deposit).await.facts.state, State::Unresolved, "nothing revives it");
    assert_eq!(house.simulator.calls().count(Call::Create), 3);
}

#[tokio::test]
async fn what_the_upstream_refuses_is_rejected_with_its_words() {
    let house = House::new().await;
    let new = NewDeposit {
        currency: Some("usdt".to_owned()),
        network: Some("tron".to_owned()),
        amount: "12".to_owned(),
        coupon: Some("EXPIRED".to_owned()),
        notify: vec!["buyer@example.org".to_owned()],
        ..NewDeposit::default()
    };
    let deposit = house.open(new).await;
    house.rounds().await;
    let rejected = house.read(&deposit).await;
    assert_eq!(rejected.facts.state, State::Rejected);
    let events = house.flow.ledger.events_of(deposit.id).await.unwrap();
    assert!(events.last().unwrap().reason.as_deref().unwrap().contains("oupon"), "{events:?}");
    house.pass(HOUR, MINUTE).await;
    assert_eq!(house.simulator.calls().count(Call::Create), 1, "a refusal is final");
    let mut told: Vec<Vec<String>> = house.smtp.messages().into_iter().map(|mail| mail.to).collect();
    told.sort();
    assert_eq!(told, [["finance@example.com"]], "a payer has nothing to pay, and is told nothing");
}

#[tokio::test]
async fn contradictions_are_flagged_and_never_stored_as_fact() {
    let house = House::new().await;
    house.simulator.inject(Call::Create, Fault::WrongNetwork, 1);
    let wrong = house.request("USDT", "TRON", "66").await;
    house.rounds().await;
    let wrong = house.read(&wrong).await;
    assert_eq!(wrong.facts.state, State::AwaitingPayment);
    assert!(wrong.facts.wallet.as_ref().unwrap().shown_address().is_none() && wrong.facts.review.is_some());
    assert_eq!(house.sql("SELECT address IS NULL, order_id IS NOT NULL FROM accounting_deposits"), "1|1");
    assert_eq!(house.letters(&wrong), ["needs_review"]);
    // It is polled as usual, and a right answer later does not show what one had contradicted.
    house.poll().await;
    assert!(house.read(&wrong).await.facts.wallet.unwrap().shown_address().is_none());
    let deposit = house.wallet("67").await;
    house.simulator.act(&house.order(&deposit), Action::ChangeAddress { to: None }).unwrap();
    house.simulator.act(&house.order(&deposit), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let flagged = house.read(&deposit).await;
    assert_eq!(flagged.facts.state, State::AwaitingPayment, "an answer about another address moves nothing");
    assert_eq!(flagged.facts.wallet, deposit.facts.wallet);
    assert!(flagged.facts.review.unwrap().reason.contains("address"));
    assert_eq!(house.letters(&deposit), ["needs_review"]);
    // A person has reviewed it; the same contradiction is not raised again.
    flow::review(&house.flow, &deposit.id.to_string(), "unix user root", "asked the upstream").await.unwrap();
    house.poll().await;
    assert_eq!(house.read(&deposit).await.facts.review, None);
    assert_eq!(house.letters(&deposit), ["needs_review"]);
}

#[tokio::test]
async fn an_unknown_word_flags_and_an_ordinary_poll_clears() {
    let house = House::new().await;
    let deposit = house.wallet("70").await;
    let order = house.order(&deposit);
    house.simulator.act(&order, Action::SetStatus { status: "Quantum_Check".to_owned() }).unwrap();
    house.poll().await;
    let flagged = house.read(&deposit).await;
    assert_eq!(flagged.facts.state, State::AwaitingPayment);
    assert_eq!(flagged.facts.upstream_status.as_deref(), Some("Quantum_Check"));
    assert!(flagged.facts.review.is_some());
    house.simulator.act(&order, Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let settled = house.read(&deposit).await;
    assert!(settled.facts.state == State::Settled && settled.facts.review.is_none());
    let history = house.history(&deposit).await;
    assert!(history.contains(&"needs_review".to_owned()) && history.contains(&"review_cleared".to_owned()));
    // Figures that cannot be read: flagged, and nothing moves.
    let strange = house.wallet("71").await;
    let page = r#"{"ok":true,"body":{"status":"paid","payment_amount_usd":"n/a"}}"#.to_owned();
    house.simulator.inject_for(&house.order(&strange), Fault::Status(200, page, Vec::new()), 6);
    house.wallet("72").await;
    house.poll().await;
    let flagged = house.read(&strange).await;
    assert_eq!(flagged.facts.state, State::AwaitingPayment);
    assert!(flagged.facts.review.is_some_and(|review| review.reason.contains("payment_amount_usd")));
    // Backwards: flagged, and nothing is taken back.
    house.simulator.act(&order, Action::SetStatus { status: "check".to_owned() }).unwrap();
    house.pass(10 * MINUTE, MINUTE).await;
    let back = house.read(&deposit).await;
    assert!(back.facts.state == State::Settled && back.facts.review.is_some());
    assert_eq!(house.prove().await.transactions, 1);
}
