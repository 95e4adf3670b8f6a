//! How often a sandbox polls, and for how long it waits, at the speed of its story.

use std::time::Duration;

/// The budget: this many polls in a real second.
const POLLS_PER_SECOND: u64 = 300;

/// The policy of a story that goes `speed` times as fast.
pub(super) struct Times {
    pub(super) interval: Duration,
    pub(super) confirming: Duration,
    pub(super) grace: Duration,
    /// The simulated upstream lags behind by nothing: enough for what is under way, and no long wait for the baseline.
    pub(super) lag: Duration,
    /// In real time; but for how long a killed attempt may have been under way it counts in story time.
    pub(super) timeout: Duration,
    pub(super) request_limit: Duration,
}

impl Times {
    pub(super) fn of(speed: u32, deposits: u32) -> Self {
        let speed = u64::from(speed);
        let busy = u64::from(deposits).saturating_mul(speed).checked_div(POLLS_PER_SECOND).unwrap_or(0);
        let least = speed.saturating_mul(2).min(40);
        let interval = Duration::from_secs(busy.max(least));
        Self {
            interval,
            confirming: interval
                .saturating_mul(3)
                .checked_div(4)
                .unwrap_or(interval)
                .max(Duration::from_secs(1)),
            grace: Duration::from_mins(10),
            lag: Duration::from_secs(speed.saturating_mul(10).min(3600)),
            timeout: Duration::from_secs(speed.saturating_mul(2).clamp(30, 3600)),
            request_limit: Duration::from_secs(speed.saturating_mul(60).max(3600)),
        }
    }
}

/// As the configuration takes it.
pub(super) fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs())
}
