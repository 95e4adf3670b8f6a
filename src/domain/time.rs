//! How an instant is held and written: whole milliseconds since the Unix epoch, shown as RFC 3339 in UTC.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant in milliseconds since 1970-01-01T00:00:00Z. Arithmetic saturates: no instant is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The last instant that the calendar library can show (9999-12-30T22:00:00.000Z).
const LAST_MILLIS: i64 = 253_402_207_200_000;

/// A text that is no RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time; write RFC 3339 such as 2026-05-30T15:32:57Z, or a date such as 2026-05-30")]
pub struct InvalidTimestamp(pub String);

impl Timestamp {
    /// From milliseconds since the epoch, held within the years 1970 to 9999.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LAST_MILLIS))
    }

    /// From whole seconds since the epoch, as the upstream writes `expire_at` (CONTRACT.md, section 1).
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// This instant and `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis(span)))
    }

    /// This instant, `span` earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(millis(span)))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is in truth later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 without a fraction, as deadlines are shown: they are whole seconds upstream.
    #[must_use]
    pub fn to_seconds_text(self) -> String {
        self.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// The day of this instant in UTC, `YYYY-MM-DD`.
    #[must_use]
    pub fn to_date_text(self) -> String {
        self.to_jiff().strftime("%Y-%m-%d").to_string()
    }

    /// Reads RFC 3339 with any offset, or a bare date (its midnight in UTC).
    ///
    /// # Errors
    /// [`InvalidTimestamp`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let invalid = || InvalidTimestamp(text.to_owned());
        let instant = match text.parse::<jiff::Timestamp>() {
            Ok(instant) => instant,
            Err(_) => text
                .parse::<jiff::civil::Date>()
                .ok()
                .filter(|_| text.len() == 10)
                .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
                .map(|zoned| zoned.timestamp())
                .ok_or_else(invalid)?,
        };
        Ok(Self::from_millis(instant.as_millisecond()))
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or_default()
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with exactly three digits of fraction, so that texts sort as instants do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_sort_as_instants_do_and_read_back() {
        let a = Timestamp::from_seconds(1_748_615_577);
        let b = a.plus(Duration::from_millis(7));
        assert_eq!(a.to_string(), "2025-05-30T14:32:57.000Z");
        assert_eq!(b.to_string(), "2025-05-30T14:32:57.007Z");
        assert!(a.to_string() < b.to_string());
        assert_eq!(Timestamp::parse(&b.to_string()), Ok(b));
        assert_eq!(a.to_seconds_text(), "2025-05-30T14:32:57Z");
        assert_eq!(Timestamp::parse("2025-05-30T16:32:57+02:00"), Ok(a));
    }

    #[test]
    fn a_bare_date_is_its_midnight_and_nonsense_is_refused() {
        assert_eq!(Timestamp::parse("2025-05-30").unwrap().to_string(), "2025-05-30T00:00:00.000Z");
        for text in ["", "yesterday", "2025-13-01", "2025-05-30T", "20250530"] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_never_leaves_the_range() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
        assert_eq!(end.to_string(), "9999-12-30T22:00:00.000Z");
        assert_eq!(Timestamp::from_millis(5).minus(Duration::MAX).as_millis(), 0);
        assert_eq!(Timestamp::from_millis(5).since(end), Duration::ZERO);
    }
}
