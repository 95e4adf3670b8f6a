//! `depositd` tracks the top-ups of a prepaid SMSOnline account from the request to the books.
//!
//! Modules in floor order; a module uses only floors below its own (`tests/architecture/`):
//!
//! | floor | modules | what they know |
//! |---|---|---|
//! | 0 | [`domain`], [`clock`], [`metrics`], `secret` | the rules of a deposit's life, pure; the time; what is counted; what a secret looks like |
//! | 1 | [`ledger`], [`upstream`], [`notifier`], [`replica`] | the disk, the other side, the mail, the second copy |
//! | 2 | [`flow`], `fleet` | the story, one verb a file; the books of many ledgers in PostgreSQL |
//! | 3 | [`scheduler`], [`api_types`], `export` | when; what goes over the local API; rows for other programs |
//! | 4 | `config`, `daemon`, `api`, `page`, `cli`, `sandbox` | who asks |

pub mod clock;
pub mod domain;
pub mod metrics;
mod secret;

pub mod ledger;
pub mod notifier;
pub mod replica;
pub mod upstream;

#[cfg(feature = "fleet")]
pub mod fleet;
pub mod flow;

pub mod api_types;
mod export;
pub mod scheduler;

pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod page;
pub mod sandbox;
