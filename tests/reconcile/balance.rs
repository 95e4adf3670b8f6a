//! The prepaid balance: told once when it falls below what is set, once when it is above again, also across restarts.

use std::time::Duration;

use depositd::flow;

use super::letters;
use super::support::{self, house::House};

async fn house(low_cents: i64) -> House {
    let settings = flow::FlowSettings { low_balance_cents: Some(low_cents), ..support::house::settings() };
    House::with(settings, Vec::new()).await
}

#[tokio::test]
async fn a_low_balance_is_told_once_a_crossing_whatever_restarts() {
    let house = house(50_00).await;
    house.simulator.top_up_elsewhere(60_00, "card").unwrap();
    house.baseline().await;
    assert_eq!(letters(&house, "balance_low").await, Vec::<String>::new());
    house.simulator.spend(10_00).unwrap();
    house.reconcile().await;
    assert_eq!(letters(&house, "balance_low").await, Vec::<String>::new(), "50.00 is not below 50.00");
    house.simulator.spend(1).unwrap();
    house.reconcile().await;
    assert_eq!(letters(&house, "balance_low").await, ["Balance low: 49.99 USD"]);
    // Low, and lower: told already. So after a restart and a crash.
    house.simulator.spend(20_00).unwrap();
    house.reconcile().await;
    let house = house.restart().await;
    house.reconcile().await;
    let house = house.die_and_rise().await;
    house.reconcile().await;
    assert_eq!(letters(&house, "balance_low").await.len(), 1);
    assert_eq!(letters(&house, "balance_back").await, Vec::<String>::new());
    // A run that is void says nothing of it.
    house.simulator.top_up_elsewhere(40_00, "card").unwrap();
    house.simulator.set_outage(true);
    assert!(flow::reconcile(&house.flow).await.is_err());
    house.simulator.clear_faults();
    assert_eq!(letters(&house, "balance_back").await, Vec::<String>::new());
    house.clock.advance(Duration::from_hours(1));
    house.reconcile().await;
    house.reconcile().await;
    assert_eq!(letters(&house, "balance_back").await, ["Balance back: 69.99 USD"]);
    // And down again: another crossing.
    house.simulator.spend(60_00).unwrap();
    house.reconcile().await;
    assert_eq!(letters(&house, "balance_low").await, ["Balance low: 49.99 USD", "Balance low: 9.99 USD"]);
    let events = "SELECT group_concat(name || ' ' || (facts ->> '$.balance_cents'), ', ') FROM event WHERE name LIKE 'balance_%'";
    assert_eq!(house.sql(events), "balance_low 4999, balance_back 6999, balance_low 999");
    flow::digest(&house.flow).await.unwrap();
    letters(&house, "digest").await;
    let digest = house.smtp.messages().into_iter().last().unwrap();
    let text = digest.text();
    assert!(text.contains("9.99") && text.contains("Prepaid balance, USD"), "{text}");
    house.prove().await;
}

#[tokio::test]
async fn without_a_figure_nothing_is_low() {
    let house = House::new().await;
    house.baseline().await;
    assert_eq!(letters(&house, "balance_low").await, Vec::<String>::new());
}
