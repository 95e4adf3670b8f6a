//! The pages as browsers see them: over real HTTP, against the real loops and a simulated upstream.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests; the bench is the API's, of which these use a part"
)]

mod acts;
#[path = "../api/bench.rs"]
mod bench;
mod browser;
mod chromium;
mod guard;
mod looks;
mod methods;
mod scene;
mod webdriver;
