//! When letters go and how many at once: quiet hours, the rate of sending, and when many become one summary.

use std::time::Duration;

use crate::domain::event::EventName;
use crate::domain::time::Timestamp;

const DAY_MINUTES: i64 = 24 * 60;
const MINUTE_MS: i64 = 60_000;

/// The hours in which nothing goes that can wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// The first quiet minute of the day.
    pub from: u16,
    /// The minute at which they end; before `from` when midnight lies between.
    pub to: u16,
    /// How far east of UTC the clock on the wall is, in seconds.
    pub utc_offset_seconds: i32,
}

impl QuietHours {
    /// When the quiet ends that `now` is in; `None` outside of it.
    #[must_use]
    pub fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let offset_ms = i64::from(self.utc_offset_seconds).saturating_mul(1000);
        let local_ms = now.as_millis().saturating_add(offset_ms);
        let day_ms = DAY_MINUTES.saturating_mul(MINUTE_MS);
        let into_day = local_ms.rem_euclid(day_ms);
        let minute = into_day.checked_div(MINUTE_MS).unwrap_or(0);
        let (from, to) = (i64::from(self.from), i64::from(self.to));
        let (quiet, days) = if from <= to {
            (from <= minute && minute < to, 0)
        } else {
            (minute >= from || minute < to, i64::from(minute >= from))
        };
        let end_of_day = to.saturating_add(days.saturating_mul(DAY_MINUTES)).saturating_mul(MINUTE_MS);
        let left = u64::try_from(end_of_day.saturating_sub(into_day)).ok()?;
        quiet.then(|| now.plus(Duration::from_millis(left)))
    }
}

/// When many letters to one recipient become one summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digesting {
    /// More letters than this to one recipient within an hour are a flood.
    pub above: u64,
    /// How long a flood is gathered at most, before its summary is owed.
    pub wait: Duration,
}

impl Digesting {
    /// After this long without a new letter the summary of a flood is owed at once.
    pub const STILL: Duration = Duration::from_secs(60);
    /// The time in which letters are counted.
    pub const WINDOW: Duration = Duration::from_hours(1);
}

/// How letters are spread over time. By default nothing is held back, summed up or slowed down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetrySchedule {
    /// When nothing goes that can wait.
    pub quiet_hours: Option<QuietHours>,
    /// What goes in quiet hours all the same.
    pub urgent: Vec<EventName>,
    /// When many become one.
    pub flood: Option<Digesting>,
    /// How many letters may leave in a second; `None` is no limit.
    pub per_second: Option<u32>,
}

impl RetrySchedule {
    /// Until when a letter about `event` is held back at `now`, if it is.
    #[must_use]
    pub fn held_until(&self, event: EventName, now: Timestamp) -> Option<Timestamp> {
        if event.is_never_held_back() || self.urgent.contains(&event) {
            return None;
        }
        self.quiet_hours.and_then(|quiet| quiet.end(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn quiet_hours_end_when_they_should() {
        let night = QuietHours { from: 22 * 60, to: 7 * 60 + 30, utc_offset_seconds: 0 };
        let noon = QuietHours { from: 12 * 60, to: 13 * 60, utc_offset_seconds: 0 };
        let vienna = QuietHours { utc_offset_seconds: 7200, ..night };
        for (quiet, now, end) in [
            (night, "2026-03-01T21:59:59Z", None),
            (night, "2026-03-01T22:00:00Z", Some("2026-03-02T07:30:00Z")),
            (night, "2026-03-01T23:59:59.999Z", Some("2026-03-02T07:30:00Z")),
            (night, "2026-03-02T00:00:00Z", Some("2026-03-02T07:30:00Z")),
            (night, "2026-03-02T07:29:00Z", Some("2026-03-02T07:30:00Z")),
            (night, "2026-03-02T07:30:00Z", None),
            (noon, "2026-03-02T12:30:00Z", Some("2026-03-02T13:00:00Z")),
            (noon, "2026-03-02T13:00:00Z", None),
            (vienna, "2026-03-01T19:59:00Z", None),
            (vienna, "2026-03-01T20:00:00Z", Some("2026-03-02T05:30:00Z")),
            (vienna, "2026-03-02T05:30:00Z", None),
        ] {
            assert_eq!(quiet.end(at(now)), end.map(at), "{quiet:?} {now}");
        }
    }

    #[test]
    fn what_is_urgent_or_of_the_whole_account_goes_at_night() {
        let pace = RetrySchedule {
            quiet_hours: Some(QuietHours { from: 22 * 60, to: 7 * 60, utc_offset_seconds: 0 }),
            urgent: vec![EventName::Held],
            ..RetrySchedule::default()
        };
        let night = at("2026-03-01T23:00:00Z");
        assert_eq!(pace.held_until(EventName::Settled, night), Some(at("2026-03-02T07:00:00Z")));
        for event in [EventName::Held, EventName::Digest, EventName::UpstreamDown, EventName::MailTest] {
            assert_eq!(pace.held_until(event, night), None, "{event}");
        }
        assert_eq!(RetrySchedule::default().held_until(EventName::Settled, night), None);
    }
}
