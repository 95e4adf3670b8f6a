//! The upstream's HTTP API (docs/contract.md) as five calls whose errors say what to do next: the only module that
//! knows the HTTP client, and the only one that ever holds the API key.
//!
//! The key travels in query strings. It cannot come out of this module: every error of the client loses its URL in
//! one place (`transport::Failure`), every word and body of the upstream passes `secret::ApiKey::redact` before
//! anybody can see it, and nothing here derives `Debug` over it. One thing lies outside: the TRACE events of the
//! client's own libraries show the URLs of requests. The log filter must keep `hyper`, `hyper_util`, `h2`, `reqwest` and
//! `rustls` at INFO or above.

mod answer;
mod breaker;
mod budget;
mod client;
mod error;
mod evidence;
#[cfg(fuzzing)]
mod fuzz_entry;
mod list;
mod pace;
mod reading;
mod secret;
mod settings;
mod transport;
mod upstream_clock;
mod wire;

pub use breaker::{CallTrouble, Health};
pub use client::{NewOrder, Upstream};
pub use error::Error;
pub use evidence::{Answer, Evidence};
#[cfg(fuzzing)]
pub use fuzz_entry::read_every_way;
pub use list::{InvoiceSink, Listed};
pub use pace::{Permit, Priority};
pub use settings::{BaseUrlError, UpstreamSettings, parse_base_url};

#[cfg(test)]
mod tests;
