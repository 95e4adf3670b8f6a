//! Payment pages and cards: what becomes of each, what the list says of them, and what only a person can say.

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

mod books;
mod cards;
mod fates;
mod requests;
mod shown;

use std::time::Duration;

use depositd::domain::deposit::Deposit;
use depositd::sandbox::upstream::Action;
use support::house::House;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Does something to a link's order at the upstream.
fn act(house: &House, deposit: &Deposit, act: Action) {
    house.simulator.act(&house.linked(deposit).order_id, act).unwrap();
}

/// It is paid in full.
fn pay(house: &House, deposit: &Deposit) {
    act(house, deposit, Action::Pay { amount_usd: None });
}

/// Its postings: account, commodity and amount, in their order.
fn postings(house: &House, deposit: &Deposit) -> String {
    house.sql(&format!(
        "SELECT group_concat(account || ' ' || commodity || ' ' || amount, ', ') FROM \
         (SELECT * FROM accounting_entries WHERE deposit_id = '{}' ORDER BY entry_id)",
        deposit.id
    ))
}
