//! The simulated upstream, seen from outside: over HTTP, through every fate, fault and restart.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests"
)]

mod accounts;
mod answers;
mod bench;
mod by_hand;
mod faults;
mod lags;
mod link_rows;
mod links;
mod lists;
mod overlays;
mod stories;
mod strangers;
