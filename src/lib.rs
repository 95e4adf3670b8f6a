//! `depositd` tracks the top-ups of a prepaid SMSOnline account from the request to the books.

pub mod clock;
pub mod config;
pub mod domain;
