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
    /// The first instant of 1970.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the epoch, held within the years 1970 to 9999.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LAST_MILLIS))
    }

    /// From whole seconds since the epoch, as the upstream writes `expire_at` (docs/contract.md, section 1).
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

/// `span` and up to a tenth more, so that many do not come back in one moment. Different for each `seed` and instant,
/// and the same when asked again.
#[must_use]
pub fn with_jitter(span: Duration, seed: u64, now: Timestamp) -> Duration {
    let tenth = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).checked_div(10).unwrap_or(0);
    let mixed = (seed ^ now.0.unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31);
    span.saturating_add(Duration::from_millis(mixed.checked_rem(tenth.saturating_add(1)).unwrap_or(0)))
}

/// A span in its two largest units: days and hours, hours and minutes, or minutes and seconds.
#[must_use]
pub fn largest_units(span: Duration) -> [(u64, &'static str); 2] {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours) {
        (0, 0) => [(minutes, "min"), (seconds % 60, "s")],
        (0, _) => [(hours, "h"), (minutes % 60, "min")],
        _ => [(days, "d"), (hours % 24, "h")],
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

/// A text that is no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no offset from UTC such as +00:00, and no zone name such as Europe/Berlin")]
pub struct InvalidZone(pub String);

/// The zone of times that are written without one: a fixed offset from UTC, or a place, by the time zone database that
/// is part of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(jiff::tz::TimeZone);

impl Zone {
    /// No offset at all.
    pub const UTC: Self = Self(jiff::tz::TimeZone::UTC);

    /// Reads `+02:00`, `-05:30`, `Z`, or the name of a place such as `Europe/Berlin` in any letter case.
    ///
    /// # Errors
    /// [`InvalidZone`] for anything else, and for offsets beyond 14 hours.
    pub fn parse(text: &str) -> Result<Self, InvalidZone> {
        let invalid = || InvalidZone(text.to_owned());
        if let Some(seconds) = offset_seconds(text) {
            let offset = jiff::tz::Offset::from_seconds(seconds).map_err(|_| invalid())?;
            return Ok(Self(jiff::tz::TimeZone::fixed(offset)));
        }
        let zone = jiff::tz::TimeZone::get(text).map_err(|_| invalid())?;
        if zone.is_unknown() { Err(invalid()) } else { Ok(Self(zone)) }
    }

    /// The instant at which clocks in this zone show `civil`. When they show it twice, the earlier instant; when they
    /// skip it, the instant as much later.
    #[must_use]
    pub fn to_instant(&self, civil: jiff::civil::DateTime) -> Option<Timestamp> {
        let instant = self.0.to_ambiguous_timestamp(civil).compatible().ok()?;
        Some(Timestamp::from_millis(instant.as_millisecond()))
    }

    /// From when on it is how many seconds east of Greenwich, from 1970 until `until`, oldest first.
    #[must_use]
    pub fn offsets(&self, until: Timestamp) -> Vec<(Timestamp, i32)> {
        let epoch = jiff::Timestamp::UNIX_EPOCH;
        let first = (Timestamp::EPOCH, self.0.to_offset(epoch).seconds());
        let later = self.0.following(epoch).map(|change| {
            (Timestamp::from_millis(change.timestamp().as_millisecond()), change.offset().seconds())
        });
        std::iter::once(first).chain(later.take_while(|(at, _)| *at < until)).collect()
    }
}

/// Seconds east of Greenwich of `+02:00` and its like.
pub(crate) fn offset_seconds(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rest), _) => (1_i32, rest),
        (_, Some(rest)) => (-1_i32, rest),
        _ => return None,
    };
    let two_digits = |part: &str| {
        let plain = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = two_digits(hours).zip(two_digits(minutes))?;
    let seconds = hours.saturating_mul(3600).saturating_add(minutes.saturating_mul(60));
    (minutes < 60 && seconds <= 14 * 3600).then(|| sign.saturating_mul(seconds))
}

impl fmt::Display for Zone {
    /// The name of the place, or the offset as `+03:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.to_fixed_offset(), self.0.iana_name()) {
            (_, Some(name)) if name != "UTC" => f.write_str(name),
            (Ok(offset), _) => {
                let (sign, seconds) =
                    (if offset.is_negative() { '-' } else { '+' }, offset.seconds().unsigned_abs());
                let minutes = seconds.div_euclid(60);
                write!(f, "{sign}{:02}:{:02}", minutes.div_euclid(60), minutes.rem_euclid(60))
            }
            _ => f.write_str("an unknown zone"),
        }
    }
}

impl std::str::FromStr for Zone {
    type Err = InvalidZone;
    fn from_str(text: &str) -> Result<Self, InvalidZone> {
        Self::parse(text)
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

    #[test]
    fn a_zone_is_an_offset_or_a_place_and_is_shown_as_it_is_written() {
        for (written, shown) in [
            ("+00:00", "+00:00"),
            ("Z", "+00:00"),
            ("UTC", "+00:00"),
            ("+03:00", "+03:00"),
            ("-05:30", "-05:30"),
            ("+14:00", "+14:00"),
            ("Europe/Berlin", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("America/New_York", "America/New_York"),
            ("Asia/Kolkata", "Asia/Kolkata"),
        ] {
            let zone = Zone::parse(written).unwrap();
            assert_eq!(zone.to_string(), shown);
            assert_eq!(Zone::parse(shown).unwrap().to_string(), shown, "and reads back");
        }
        for wrong in [
            "",
            "00:00",
            "+1:00",
            "+15:00",
            "+00:60",
            "+0100",
            "+٠٠:00",
            "Berlin",
            "Europe/Berlim",
            "CET-1CEST",
            "Etc/Unknown",
            " UTC",
            "../../etc/localtime",
            "/etc/localtime",
            "local",
        ] {
            assert!(Zone::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_clock_on_the_wall_is_read_where_it_hangs_also_when_it_is_put_forward_or_back() {
        for (zone, civil, instant) in [
            ("+00:00", "2026-03-29 02:30:00", "2026-03-29T02:30:00Z"),
            ("+03:00", "2026-03-29 02:30:00", "2026-03-28T23:30:00Z"),
            ("-05:30", "2026-03-29 02:30:00", "2026-03-29T08:00:00Z"),
            ("Europe/Berlin", "2026-01-15 12:00:00", "2026-01-15T11:00:00Z"),
            ("Europe/Berlin", "2026-07-15 12:00:00", "2026-07-15T10:00:00Z"),
            // Twice: the earlier of 00:30 and 01:30.
            ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),
            // Never: an hour later, 03:30 there.
            ("Europe/Berlin", "2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),
            ("America/New_York", "2026-11-01 01:30:00", "2026-11-01T05:30:00Z"),
        ] {
            let read = Zone::parse(zone).unwrap().to_instant(civil.parse().unwrap());
            assert_eq!(read, Timestamp::parse(instant).ok(), "{zone} {civil}");
        }
        assert_eq!(Zone::UTC, Zone::parse("+00:00").unwrap());
    }
}
