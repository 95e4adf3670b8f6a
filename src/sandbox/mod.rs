//! The whole system on one machine: the other side, simulated, and a story that the real daemon lives through.

pub mod scenario;
pub mod upstream;
