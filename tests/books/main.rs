//! The books as an accountant meets them: real programs read them, months are closed, the past is proven.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "test code: a broken expectation is a failed test, and other programs take real time"
)]

#[path = "../support/mod.rs"]
mod support;

mod closing;
mod migrating;
mod programs;
mod queries;
mod readers;
mod replication;
mod statement;
mod story;
mod tamper;
mod zone;
