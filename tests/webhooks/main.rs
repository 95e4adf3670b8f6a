//! Webhooks: owed with their event, signed, in order, and what becomes of them at receivers of every kind.
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

mod broken;
mod delivery;
mod examples;
mod kills;
mod operating;
mod receiver;
