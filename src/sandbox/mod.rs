//! The whole system on one machine: a simulated upstream, and a scenario that the real daemon runs through.

pub mod scenario;
pub mod upstream;
