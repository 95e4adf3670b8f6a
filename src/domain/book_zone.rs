//! The zone of the books: which day and which month an instant belongs to, and when a month begins and ends there.

use std::borrow::Cow;

use super::period::Month;
use super::time::{Timestamp, Zone};

/// The years whose months a ledger keeps.
const YEARS: std::ops::Range<u16> = 2020..2100;

/// From an instant on, so many seconds east of Greenwich.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetSpan {
    /// The first instant.
    pub from: Timestamp,
    /// East of Greenwich.
    pub seconds: i32,
}

/// A zone as a ledger keeps it: its name, and each change of its offset. What is past stays as it was kept, also where a
/// later version of the time zone database says otherwise: nothing in the books moves to another day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookZone {
    name: String,
    /// Never empty; the first begins at [`Timestamp::EPOCH`].
    spans: Vec<OffsetSpan>,
}

/// A month by the instants between which it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthSpan {
    /// Which.
    pub month: Month,
    /// Its first instant.
    pub starts_at: Timestamp,
    /// The first instant after it.
    pub ends_at: Timestamp,
}

impl Default for BookZone {
    fn default() -> Self {
        Self::utc()
    }
}

impl BookZone {
    /// UTC, where nothing else is said.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), spans: vec![OffsetSpan { from: Timestamp::EPOCH, seconds: 0 }] }
    }

    /// By what the time zone database knows today.
    #[must_use]
    pub fn of(zone: &Zone) -> Self {
        if *zone == Zone::UTC {
            return Self::utc();
        }
        let spans = zone.offsets(Timestamp::parse("2101-01-01").unwrap_or_default());
        let spans = spans.into_iter().map(|(from, seconds)| OffsetSpan { from, seconds });
        Self::kept(zone.to_string(), spans.collect())
    }

    /// As a ledger has kept it.
    #[must_use]
    pub fn kept(name: String, mut spans: Vec<OffsetSpan>) -> Self {
        spans.sort_by_key(|span| span.from);
        spans.dedup_by_key(|span| span.seconds);
        match spans.first_mut() {
            Some(first) => first.from = Timestamp::EPOCH,
            None => spans.push(OffsetSpan { from: Timestamp::EPOCH, seconds: 0 }),
        }
        Self { name, spans }
    }

    /// What this one is from `now` on where `latest` is what the database knows today: the past stands.
    #[must_use]
    pub fn continued(&self, latest: &Self, now: Timestamp) -> Self {
        let past = self.spans.iter().filter(|span| span.from <= now).copied();
        let present = OffsetSpan { from: now, seconds: latest.seconds_at(now) };
        let later = latest.spans.iter().filter(|span| span.from > now).copied();
        Self::kept(self.name.clone(), past.chain([present]).chain(later).collect())
    }

    /// `UTC`, the name of a place, or an offset.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Each change of the offset, oldest first; the first begins with time itself.
    #[must_use]
    pub fn spans(&self) -> &[OffsetSpan] {
        &self.spans
    }

    fn seconds_at(&self, at: Timestamp) -> i32 {
        let after = self.spans.partition_point(|span| span.from <= at);
        self.spans.get(after.saturating_sub(1)).map_or(0, |span| span.seconds)
    }

    /// The day on which `at` lies, `YYYY-MM-DD`.
    #[must_use]
    pub fn date_of(&self, at: Timestamp) -> String {
        let east = i64::from(self.seconds_at(at)).saturating_mul(1000);
        Timestamp::from_millis(at.as_millis().saturating_add(east)).to_date_text()
    }

    /// The month in which the instant `at` of the ledger lies, `YYYY-MM`.
    #[must_use]
    pub fn month_of<'a>(&self, at: &'a str) -> Cow<'a, str> {
        let plain = at.get(..7).unwrap_or(at);
        match (self.spans.as_slice(), Timestamp::parse(at)) {
            ([OffsetSpan { seconds: 0, .. }], _) | (_, Err(_)) => Cow::Borrowed(plain),
            (_, Ok(at)) => Cow::Owned(self.date_of(at).chars().take(7).collect()),
        }
    }

    /// The first instant of a day, `YYYY-MM-DD`.
    #[must_use]
    pub fn begin_of_day(&self, day: &str) -> Option<Timestamp> {
        let midnight = Timestamp::parse(day).ok().filter(|_| day.len() == 10)?.as_millis();
        let mut later = self.spans.iter().skip(1).map(|span| Some(span.from.as_millis())).chain([None]);
        self.spans.iter().find_map(|span| {
            let east = i64::from(span.seconds).saturating_mul(1000);
            // Where clocks skip midnight, the day begins when they do.
            let at = midnight.saturating_sub(east).max(span.from.as_millis());
            let end = later.next().flatten();
            end.is_none_or(|end| at < end).then(|| Timestamp::from_millis(at))
        })
    }

    /// The first instant of `month`.
    #[must_use]
    pub fn start_of(&self, month: &Month) -> Timestamp {
        self.begin_of_day(&month.first_day()).unwrap_or_default()
    }

    /// The first instant after `month`.
    #[must_use]
    pub fn end_of(&self, month: &Month) -> Timestamp {
        self.begin_of_day(&month.day_after()).unwrap_or_default()
    }

    /// All months that a ledger keeps.
    #[must_use]
    pub fn months(&self) -> Vec<MonthSpan> {
        let names = YEARS.flat_map(|year| (1..=12_u8).map(move |month| format!("{year:04}-{month:02}")));
        let months = names.filter_map(|name| Month::parse(&name).ok());
        let span = |month: Month| MonthSpan {
            starts_at: self.start_of(&month),
            ends_at: self.end_of(&month),
            month,
        };
        months.map(span).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> BookZone {
        BookZone::of(&Zone::parse(name).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn an_instant_lies_on_the_day_that_the_clocks_of_the_zone_show() {
        for (name, instant, date) in [
            ("UTC", "2026-03-31T23:30:00Z", "2026-03-31"),
            ("Europe/Berlin", "2026-03-31T21:59:59.999Z", "2026-03-31"),
            ("Europe/Berlin", "2026-03-31T22:00:00Z", "2026-04-01"),
            ("Europe/Berlin", "2026-12-31T22:59:59Z", "2026-12-31"),
            ("Europe/Berlin", "2026-12-31T23:00:00Z", "2027-01-01"),
            ("Europe/Berlin", "2059-07-31T22:00:00Z", "2059-08-01"),
            ("America/New_York", "2026-07-01T03:59:59Z", "2026-06-30"),
            ("Asia/Kolkata", "2026-05-31T18:30:00Z", "2026-06-01"),
            ("+14:00", "2026-05-31T10:00:00Z", "2026-06-01"),
            ("-12:00", "2026-06-01T11:59:59Z", "2026-05-31"),
        ] {
            let zone = zone(name);
            assert_eq!(zone.date_of(at(instant)), date, "{name} {instant}");
            assert_eq!(zone.month_of(&at(instant).to_string()), date[..7], "{name} {instant}");
        }
    }

    #[test]
    fn months_join_without_a_gap_and_begin_at_midnight_there() {
        for name in ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "-03:30"] {
            let zone = zone(name);
            let months = zone.months();
            assert_eq!(months.len(), 960);
            for (one, next) in months.iter().zip(&months[1..]) {
                assert_eq!(one.ends_at, next.starts_at, "{name} {}", one.month);
                let first = one.starts_at.to_string();
                assert_eq!(zone.month_of(&first), one.month.as_str(), "{name} {first}");
                let last = one.ends_at.minus(std::time::Duration::from_millis(1)).to_string();
                assert_eq!(zone.month_of(&last), one.month.as_str(), "{name} {last}");
            }
        }
        let berlin = zone("europe/berlin");
        assert_eq!(berlin.name(), "Europe/Berlin");
        assert_eq!(berlin.start_of(&Month::parse("2026-04").unwrap()), at("2026-03-31T22:00:00Z"));
        assert_eq!(berlin.begin_of_day("2026-13-01"), None);
        // Clocks are put forward at midnight: the day begins at one.
        assert_eq!(zone("Asia/Beirut").begin_of_day("2026-03-29"), Some(at("2026-03-28T22:00:00Z")));
    }

    #[test]
    fn a_later_database_moves_nothing_that_is_past() {
        let now = at("2026-05-15T12:00:00Z");
        let kept = zone("Europe/Berlin");
        assert_eq!(kept.continued(&kept, now), kept);
        // Summer time is abolished, also for this summer.
        let latest = zone("+01:00");
        let on = kept.continued(&latest, now);
        assert_eq!(on.date_of(at("2026-04-30T22:30:00Z")), "2026-05-01", "the past stands");
        assert_eq!(on.date_of(at("2026-05-31T22:30:00Z")), "2026-05-31", "what comes follows the database");
        assert_eq!(on.continued(&latest, at("2026-08-01T00:00:00Z")), on);
        assert_eq!(BookZone::kept("UTC".to_owned(), Vec::new()), BookZone::utc());
    }
}
