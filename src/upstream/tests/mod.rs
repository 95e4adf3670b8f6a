//! The module against real sockets: one test an answer.

mod answers;
mod breaks;
mod pacing;
mod secrets;
mod server;
mod shapes;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::{Upstream, UpstreamSettings};
use crate::clock::ManualClock;
use crate::domain::time::Timestamp;

/// A key full of characters that every kind of encoding changes.
pub(super) const KEY: &str = "MARKED/k+e&y=\"100%\\<>'?#";

/// The moment of every test: an HTTP date can be written down.
fn noon() -> Timestamp {
    Timestamp::parse("2025-05-30T12:00:00Z").unwrap()
}

fn settings(base_url: &str) -> UpstreamSettings {
    UpstreamSettings {
        base_url: base_url.to_owned(),
        user_id: "12345".to_owned(),
        requests_per_second: None,
        max_in_flight: 4,
        timeout: Duration::from_millis(400),
        zone: crate::domain::time::Zone::UTC,
        page_amount: None,
    }
}

fn upstream_with(settings: UpstreamSettings) -> (Upstream, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(noon()));
    let upstream = Upstream::new(settings, SecretString::from(KEY.to_owned()), clock.clone()).unwrap();
    (upstream, clock)
}

fn upstream(base_url: &str) -> Upstream {
    upstream_with(settings(base_url)).0
}
