//! The local API as its callers see it: over a real unix socket and real TCP, against the real loops.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod admin;
mod bench;
mod follow;
mod guard;
mod integrating;
mod limits;
mod lookups;
mod methods;
mod open;
mod roles;
