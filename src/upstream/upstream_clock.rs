//! The upstream's own clock, by the `Date` of its answers (RFC 9110, section 6.6.1).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;

/// Our clocks, read at one instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClockReading {
    pub(super) wall: Timestamp,
    pub(super) monotonic: Duration,
}

#[derive(Debug, Clone, Copy)]
struct DatedAnswer {
    date: Timestamp,
    skew_ms: i64,
    at: Duration,
}

/// The latest answer with a date.
#[derive(Debug, Default)]
pub(super) struct UpstreamClock {
    latest: Mutex<Option<DatedAnswer>>,
}

impl UpstreamClock {
    /// Records the `date` of an answer to a call that began and ended at these readings. A date between the two is no
    /// difference: an answer may take minutes, and may have been dated at any moment of them.
    pub(super) fn record(&self, date: Option<Timestamp>, began: ClockReading, ended: ClockReading) {
        let Some(date) = date else { return };
        let nearest = date.max(began.wall.min(ended.wall)).min(ended.wall);
        let skew_ms = date.as_millis().saturating_sub(nearest.as_millis());
        // The answer counts as dated when the call ended, so that their clock is never shown ahead.
        *self.lock() = Some(DatedAnswer { date, skew_ms, at: ended.monotonic });
    }

    /// Theirs minus ours, in milliseconds.
    pub(super) fn skew(&self) -> Option<i64> {
        self.lock().map(|answer| answer.skew_ms)
    }

    /// What it shows at `monotonic` of ours.
    pub(super) fn now(&self, monotonic: Duration) -> Option<Timestamp> {
        self.lock().map(|answer| answer.date.plus(monotonic.saturating_sub(answer.at)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<DatedAnswer>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(wall: i64, monotonic: u64) -> ClockReading {
        ClockReading { wall: Timestamp::from_seconds(wall), monotonic: Duration::from_secs(monotonic) }
    }

    #[test]
    fn a_date_between_the_beginning_and_the_end_of_a_call_is_no_difference() {
        for (began, date, ended, skew) in [
            (1000, 1000, 1000, 0),
            (1000, 1060, 1090, 0),
            (1000, 990, 1090, -10_000),
            (1000, 1100, 1090, 10_000),
            // Our clock was set back while the call was under way.
            (1090, 1000, 1000, 0),
            (1090, 1060, 1000, 60_000),
        ] {
            let clock = UpstreamClock::default();
            clock.record(Some(Timestamp::from_seconds(date)), seconds(began, 5), seconds(ended, 95));
            assert_eq!(clock.skew(), Some(skew), "{began} {date} {ended}");
            let later = clock.now(Duration::from_secs(100)).unwrap();
            assert_eq!(later, Timestamp::from_seconds(date.saturating_add(5)));
        }
    }
}
