//! The command line, seen from outside: the real binary against a real ledger, and against a daemon's answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests"
)]

mod accounts;
mod asking;
mod bench;
mod books;
mod checking;
mod completing;
mod exporting;
mod manuals;
mod naming;
mod places;
mod reading;
mod setting_up;
mod typing;
