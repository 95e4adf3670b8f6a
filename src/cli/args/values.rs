//! How single values are read as people type them, and what is said where one is wrong.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::clock::{Clock as _, SystemClock};
use crate::config;
use crate::domain::time::Timestamp;

const DAY: Duration = Duration::from_hours(24);
/// No span of time is longer: a hundred years.
const LONGEST: Duration = Duration::from_hours(24 * 36_525);

/// An instant: a date, a time, a word, or how long ago.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    moment_at(text, SystemClock::new().now())
}

fn moment_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let typed = text.trim();
    let today = Timestamp::parse(&now.to_date_text()).unwrap_or(now);
    match typed.to_ascii_lowercase().as_str() {
        "now" => return Ok(now),
        "today" => return Ok(today),
        "yesterday" => return Ok(today.minus(DAY)),
        _ => {}
    }
    // Days and hours alone: an `m` is a minute to one and a month to another.
    if typed.ends_with(['d', 'h'])
        && let Ok(span) = config::duration(typed, LONGEST)
    {
        return Ok(now.minus(span));
    }
    Timestamp::parse(typed).or_else(|_| without_zone(typed)).map_err(|_| {
        "it is no time; write a date such as 2026-11-01, a time such as 2026-11-01T14:30 or 2026-11-01T14:30:00+01:00 \
         (UTC unless said), today, yesterday, or how long ago: 7d, 12h"
            .to_owned()
    })
}

/// `2026-11-01 14:30`, with `T` or a space, with or without seconds: UTC.
fn without_zone(text: &str) -> Result<Timestamp, ()> {
    let (date, time) = text.split_once(['T', 't', ' ']).ok_or(())?;
    let is_short = time.len() == 5;
    let seconds = if is_short { ":00" } else { "" };
    let digits = |at: usize| time.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let is_time = (is_short || time.len() == 8) && digits(0) && digits(time.len().saturating_sub(1));
    if date.len() != 10 || !is_time {
        return Err(());
    }
    Timestamp::parse(&format!("{date}T{time}{seconds}Z")).map_err(|_| ())
}

/// A span of time, such as `30s`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    config::duration(text.trim(), LONGEST)
}

/// A whole number within `range`.
pub(super) fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display + Copy + Send + Sync + 'static,
{
    move |text| {
        let typed = text.trim();
        let is_whole = !typed.is_empty()
            && typed.strip_prefix('-').unwrap_or(typed).bytes().all(|byte| byte.is_ascii_digit());
        let (least, most) = (range.start(), range.end());
        match typed.parse::<T>() {
            Ok(number) if is_whole && range.contains(&number) => Ok(number),
            _ if is_whole => Err(format!("it is not from {least} to {most}")),
            _ => Err(format!("it is no whole number; write digits alone, from {least} to {most}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_type_them() {
        let now = Timestamp::parse("2026-11-29T14:05:06.789Z").unwrap();
        for (typed, meant) in [
            ("2026-11-01", "2026-11-01T00:00:00.000Z"),
            ("2026-11-01T14:30:00+01:00", "2026-11-01T13:30:00.000Z"),
            ("2026-11-01T14:30", "2026-11-01T14:30:00.000Z"),
            ("2026-11-01 14:30", "2026-11-01T14:30:00.000Z"),
            (" 2026-11-01 14:30:05 ", "2026-11-01T14:30:05.000Z"),
            ("now", "2026-11-29T14:05:06.789Z"),
            ("Today", "2026-11-29T00:00:00.000Z"),
            ("yesterday", "2026-11-28T00:00:00.000Z"),
            ("7d", "2026-11-22T14:05:06.789Z"),
            ("1d12h", "2026-11-28T02:05:06.789Z"),
            ("12h", "2026-11-29T02:05:06.789Z"),
        ] {
            assert_eq!(moment_at(typed, now).unwrap().to_string(), meant, "{typed}");
        }
        for typed in [
            "",
            "soon",
            "tomorrow",
            "2026-11",
            "11/01/2026",
            "01.11.2026",
            "2026-02-30",
            "2026-13-01",
            "2026-11-01 2:30",
            "2026-11-01 25:00",
            "5m",
            "-7d",
            "d",
            "20261101",
        ] {
            let why = moment_at(typed, now).unwrap_err();
            assert!(why.contains("2026-11-01") && why.contains("7d"), "{typed}: {why}");
        }
    }

    #[test]
    fn a_number_that_is_wrong_is_told_what_would_be_right() {
        let limit = whole(1_u32..=500);
        assert_eq!((limit("1"), limit(" 500 ")), (Ok(1), Ok(500)));
        for (typed, why) in [
            ("x", "no whole number"),
            ("", "no whole number"),
            ("5.0", "no whole number"),
            ("+5", "no whole number"),
            ("1e3", "no whole number"),
            ("1_000", "no whole number"),
            ("0", "not from 1 to 500"),
            ("501", "not from 1 to 500"),
            ("-1", "not from 1 to 500"),
            ("99999999999999999999", "not from 1 to 500"),
        ] {
            assert!(limit(typed).unwrap_err().contains(why), "{typed}");
        }
        assert_eq!(whole(i64::MIN..=i64::MAX)("-5"), Ok(-5));
    }
}
