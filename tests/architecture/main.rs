//! Guards the shape of the sources: the floors, no circles of files, one name for one type, small files.
//!
//! Test code is exempt: what stands behind `#[cfg(test)]`, and the files `tests.rs`, `*_tests.rs`, `tests/`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod circles;
mod floors;
mod names;
mod sizes;
mod source;
