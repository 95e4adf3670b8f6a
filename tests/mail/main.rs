//! Mail that is owed, from the event to the mailbox: real letters, real servers, and everything that goes wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "test code: a broken expectation is a failed test"
)]

#[path = "../program/mod.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod commands;
mod exim;
mod faults;
mod floods;
mod payers;
mod refusals;
mod scripted;
mod server;
mod way_out;
