//! Reconciliation as a whole: each kind of difference provoked, told, healed and closed; answers that are none; and a
//! simulated month to the cent.
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

mod answers;
mod balance;
mod cases;
mod certainty;
mod month;
mod unread;

use depositd::flow;
use support::house::House;

/// A house in which a difference is told in the second run that finds it, as the daemon does by itself.
async fn house() -> House {
    House::with(flow::FlowSettings { tell_after_runs: 2, ..support::house::settings() }, Vec::new()).await
}

/// The letters of one event, by their subjects, in the order of their arrival.
async fn letters(house: &House, event: &str) -> Vec<String> {
    house.rounds().await;
    let messages = house.smtp.messages();
    let of = messages.iter().filter(|letter| letter.header("X-Depositd-Event").as_deref() == Some(event));
    of.map(|letter| letter.header("Subject").unwrap()).collect()
}
