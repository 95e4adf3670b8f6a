//! What whole-story tests share: the mail server that receives, and a whole house on a clock moved by hand.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test code: each test binary uses a part of it, and a broken expectation is a failed test"
)]

pub mod house;
pub mod line;
pub mod replica;
pub mod smtp;
