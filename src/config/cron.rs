//! What a schedule is: a cron expression of six fields, seconds first, read in UTC, that comes true at some time.

use std::fmt;

use croner::parser::{CronParser, Seconds};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::domain::time::Timestamp;

/// A checked cron expression with seconds, in UTC.
#[derive(Clone)]
pub struct CronExpression {
    text: String,
    parsed: croner::Cron,
}

/// What a schedule should look like.
const EXPECTED: &str = "expected a cron expression of six fields in UTC, \"second minute hour day month weekday\", such as \"0 */15 * * * *\"";
/// A February 29 on a given weekday comes back within 40 years, whatever century lies between.
const SEARCH_DAYS: u32 = 40 * 366;
/// Any instant would do to find out whether a schedule ever comes true: 2024-01-01.
const SOME_INSTANT: i64 = 1_704_067_200;

impl CronExpression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What was expected, in words, when it is none, or when it can never come true.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != 6 {
            return Err(format!("{EXPECTED}, found {} fields", fields.len()));
        }
        let text = fields.join(" ");
        let parsed = CronParser::builder()
            .seconds(Seconds::Required)
            .build()
            .parse(&text)
            .map_err(|error| format!("{EXPECTED}: {error}"))?;
        let cron = Self { text, parsed };
        match cron.next_after(Timestamp::from_seconds(SOME_INSTANT)) {
            Some(_) => Ok(cron),
            None => Err("expected a schedule that comes true at some time; this one never does".to_owned()),
        }
    }

    /// The expression, its fields one space apart.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first instant later than `after` at which the schedule comes true.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let second = after.as_millis().div_euclid(1000).saturating_add(1);
        let start = jiff::Timestamp::from_second(second).ok()?.to_zoned(TimeZone::UTC).datetime();
        let mut date = start.date();
        let mut from = clock_of(start)?;
        for _ in 0..SEARCH_DAYS {
            if self.is_on(date)
                && let Some((hour, minute, second)) = self.time_from(from)
            {
                return instant(date, hour, minute, second);
            }
            date = date.tomorrow().ok()?;
            from = (0, 0, 0);
        }
        None
    }

    fn is_on(&self, date: Date) -> bool {
        let (Ok(month), Ok(day)) = (u32::try_from(date.month()), u32::try_from(date.day())) else {
            return false;
        };
        let pattern = &self.parsed.pattern;
        pattern.month_match(month).unwrap_or(false)
            && pattern.day_match(i32::from(date.year()), month, day).unwrap_or(false)
    }

    /// The first matching time of day at or after the given one.
    fn time_from(&self, (hour, minute, second): (u32, u32, u32)) -> Option<(u32, u32, u32)> {
        let pattern = &self.parsed.pattern;
        for h in (hour..24).filter(|h| pattern.hour_match(*h).unwrap_or(false)) {
            let first = if h == hour { minute } else { 0 };
            for m in (first..60).filter(|m| pattern.minute_match(*m).unwrap_or(false)) {
                let first = if (h, m) == (hour, minute) { second } else { 0 };
                if let Some(s) = (first..60).find(|s| pattern.second_match(*s).unwrap_or(false)) {
                    return Some((h, m, s));
                }
            }
        }
        None
    }
}

fn clock_of(at: DateTime) -> Option<(u32, u32, u32)> {
    let part = |value: i8| u32::try_from(value).ok();
    Some((part(at.hour())?, part(at.minute())?, part(at.second())?))
}

fn instant(date: Date, hour: u32, minute: u32, second: u32) -> Option<Timestamp> {
    let part = |value: u32| i8::try_from(value).ok();
    let zoned = date.at(part(hour)?, part(minute)?, part(second)?, 0).to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_seconds(zoned.timestamp().as_second()))
}

impl PartialEq for CronExpression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for CronExpression {}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_the_first_later_one() {
        for (cron, after, next) in [
            ("0 */15 * * * *", "2026-05-30T14:32:57Z", "2026-05-30T14:45:00.000Z"),
            ("0 */15 * * * *", "2026-05-30T14:45:00Z", "2026-05-30T15:00:00.000Z"),
            ("0 */15 * * * *", "2026-05-30T14:44:59.999Z", "2026-05-30T14:45:00.000Z"),
            ("0 0 7 * * *", "2026-12-31T07:00:00Z", "2027-01-01T07:00:00.000Z"),
            ("30 15 23 * * MON", "2026-05-30T00:00:00Z", "2026-06-01T23:15:30.000Z"),
            ("0 0 0 29 2 *", "2097-01-01", "2104-02-29T00:00:00.000Z"),
            ("0 0 0 L * *", "2026-02-01", "2026-02-28T00:00:00.000Z"),
            ("* * * * * *", "2026-05-30T23:59:59Z", "2026-05-31T00:00:00.000Z"),
            ("5  0 0 1 1  *", "2026-05-30", "2027-01-01T00:00:05.000Z"),
        ] {
            let found = CronExpression::parse(cron).unwrap().next_after(Timestamp::parse(after).unwrap());
            assert_eq!(found.map(|at| at.to_string()).as_deref(), Some(next), "{cron} after {after}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in ["", "*/15 * * * *", "0 0 0 1 1 * 2027", "@hourly", "x * * * * *", "0 61 * * * *"] {
            assert!(CronExpression::parse(text).is_err_and(|error| error.contains("six fields")), "{text}");
        }
        assert!(CronExpression::parse("0 0 0 30 2 *").is_err_and(|error| error.contains("never")));
    }
}
