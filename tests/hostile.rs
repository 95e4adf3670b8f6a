//! An upstream that breaks off, lies and leads astray: what each answer does to a deposit (nothing, or a flag), which
//! line the log has of it, and that the truth is taken all the same once it is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: a broken expectation is a failed test"
)]

#[path = "hostile/certificates.rs"]
mod certificates;
#[path = "hostile/creations.rs"]
mod creations;
#[path = "hostile/lists.rs"]
mod lists;
#[path = "hostile/polls.rs"]
mod polls;
#[path = "hostile/scene.rs"]
mod scene;
mod support;
