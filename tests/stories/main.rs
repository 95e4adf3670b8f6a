//! Whole lives of deposits: what the upstream does, what the books say, who is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: a broken expectation is a failed test"
)]

#[path = "../support/mod.rs"]
mod support;

mod payments;
mod reconciling;
mod wallets;

use std::time::Duration;

use depositd::domain::deposit::State;
use depositd::sandbox::upstream::{Action, Call, Fate};
use support::house::House;

const MINUTE: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(3600);

fn usd(text: &str) -> Option<depositd::domain::money::Amount> {
    Some(text.parse().unwrap())
}

#[tokio::test]
async fn a_restart_at_any_point_goes_on_with_the_same_story() {
    let mut house = House::new().await;
    house.simulator.set_default_fate(Fate::UnderpaidThenCompleted);
    let deposit = house.request("BTC", "BTC", "80").await;
    for _ in 0..12 {
        house = house.restart().await;
        house.pass(5 * MINUTE, MINUTE).await;
    }
    let settled = house.read(&deposit).await;
    assert_eq!(settled.facts.state, State::Settled, "{:?}", house.history(&deposit).await);
    assert_eq!(house.simulator.calls().count(Call::Create), 1);
    assert_eq!(house.prove().await.transactions, 1);
    let mut letters = house.letters(&deposit);
    letters.dedup();
    assert_eq!(letters.last().map(String::as_str), Some("settled"));
}

#[tokio::test]
async fn the_seeds_own_example_ends_as_a_row_for_the_accountant() {
    let house = House::new().await;
    house.simulator.set_fee_percent(3);
    let deposit = house.request("USDT", "BSC", "5.15").await;
    house.rounds().await;
    let wallet = house.read(&deposit).await;
    house.simulator.act(&house.order(&wallet), Action::Pay { amount_usd: None }).unwrap();
    house.poll().await;
    let row = house.sql(
        "SELECT currency, network, amount_requested, amount_usd, amount_usd_micros, amount_crypto, state, outcome, late \
         FROM accounting_deposits",
    );
    assert_eq!(row, "USDT|BSC|5.15|5.00|5000000|4.99|settled|exact|0");
}
