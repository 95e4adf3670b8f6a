//! `depositd` tracks the top-ups of a prepaid SMSOnline account from the request to the books.

pub mod clock;
pub mod config;
pub mod domain;
pub mod ledger;
pub mod upstream;
pub mod sandbox;
pub mod notifier;
