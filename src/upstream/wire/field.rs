//! How one field of the upstream's JSON is read: letters within limits, digits exactly as they stand, never a float.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// A field as it stands in the answer; `None` where it is missing or null.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// Deadlines before 2001 or after 2100 are no deadlines: milliseconds, zeros, or nonsense.
const EARLIEST_SECONDS: i64 = 1_000_000_000;
const LATEST_SECONDS: i64 = 4_102_444_800;

/// Why an answer cannot be read. Names fields and never quotes the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::upstream) struct Undecodable(Cow<'static, str>);

impl Undecodable {
    pub(in crate::upstream) fn new(words: &'static str) -> Self {
        Self(Cow::Borrowed(words))
    }

    pub(super) fn in_field(name: &str, wrong: &str) -> Self {
        Self(Cow::Owned(format!("{name} {wrong}")))
    }

    pub(super) fn in_entry(self, at: usize) -> Self {
        Self(Cow::Owned(format!("in entry {at} of the list: {self}")))
    }

    /// The library's own words quote the answer: only their kind is kept.
    pub(super) fn json(what: &str, error: &serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Eof => Self::in_field(what, "is cut off"),
            serde_json::error::Category::Data => Self::in_field(what, "does not have the expected fields"),
            _ => Self::in_field(what, "is not JSON"),
        }
    }
}

/// The text of a JSON string; `None` where the value is something else.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// The text of a JSON string, or a JSON number exactly as it is written.
fn string_or_number(raw: &RawValue) -> Option<Cow<'_, str>> {
    if raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        Some(Cow::Borrowed(raw.get()))
    } else {
        string(raw)
    }
}

fn within(text: &str, name: &'static str, max: usize) -> Result<(), Undecodable> {
    if text.len() > max {
        Err(Undecodable::in_field(name, "is too long"))
    } else if has_control(text) {
        Err(Undecodable::in_field(name, "has control characters"))
    } else {
        Ok(())
    }
}

fn has_control(text: &str) -> bool {
    // Nearly all are plain ASCII, and that is quick to see.
    if text.is_ascii() {
        text.bytes().any(|b| b.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}

/// A text of at most `max` bytes without control characters; an empty one is none.
pub(super) fn text(raw: Raw<'_>, name: &'static str, max: usize) -> Result<Option<String>, Undecodable> {
    let Some(raw) = raw else { return Ok(None) };
    let text = string(raw).ok_or_else(|| Undecodable::in_field(name, "is not a text"))?;
    within(&text, name, max)?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

/// An identifier: a text, or a number as it is written.
pub(super) fn id(raw: Raw<'_>, name: &'static str) -> Result<Option<String>, Undecodable> {
    let Some(raw) = raw else { return Ok(None) };
    let text =
        string_or_number(raw).ok_or_else(|| Undecodable::in_field(name, "is neither a text nor a number"))?;
    within(&text, name, 512)?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

/// An order's identifier: it goes into paths, so it is short, and nothing that would climb in one.
pub(super) fn order_id(raw: Raw<'_>) -> Result<Option<String>, Undecodable> {
    let id = id(raw, "order_id")?;
    match &id {
        Some(text) if text.len() > 128 => Err(Undecodable::in_field("order_id", "is too long")),
        Some(text) if matches!(text.as_str(), "." | "..") => {
            Err(Undecodable::in_field("order_id", "is no identifier"))
        }
        _ => Ok(id),
    }
}

/// A decimal as a string or as a number, digit for digit.
pub(super) fn amount(raw: Raw<'_>, name: &'static str) -> Result<Option<Amount>, Undecodable> {
    let Some(raw) = raw else { return Ok(None) };
    let wrong = || Undecodable::in_field(name, "is not an amount");
    let text = string_or_number(raw).ok_or_else(wrong)?;
    if text.is_empty() {
        return Ok(None);
    }
    if raw.get().starts_with('"') || !text.contains(['e', 'E']) {
        return Amount::parse(&text).map(Some).map_err(|_| wrong());
    }
    // A JSON number may be written with an exponent; its digits are exact all the same.
    let value = rust_decimal::Decimal::from_scientific(&text).map_err(|_| wrong())?;
    Amount::parse(&value.to_string()).map(Some).map_err(|_| wrong())
}

/// A whole number, as a number or as a string of digits.
fn integer(raw: &RawValue) -> Option<i64> {
    let text = string_or_number(raw)?;
    let digits = text.strip_prefix('-').unwrap_or(&text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Whole cents; must be there.
pub(super) fn cents(raw: Raw<'_>, name: &'static str) -> Result<i64, Undecodable> {
    raw.and_then(integer).ok_or_else(|| Undecodable::in_field(name, "is not a whole number"))
}

/// A deadline in Unix seconds, within the century.
pub(super) fn unix_seconds(raw: Raw<'_>, name: &'static str) -> Result<Option<Timestamp>, Undecodable> {
    let Some(raw) = raw else { return Ok(None) };
    integer(raw)
        .filter(|seconds| (EARLIEST_SECONDS..LATEST_SECONDS).contains(seconds))
        .map(|seconds| Some(Timestamp::from_seconds(seconds)))
        .ok_or_else(|| Undecodable::in_field(name, "is no time in Unix seconds"))
}

/// A time such as `2025-05-15 18:37:30`, read with the given offset; one with its own offset is read with that.
/// `None` for anything else.
pub(super) fn civil_time(raw: Raw<'_>, utc_offset_seconds: i32) -> Option<Timestamp> {
    let text = string(raw?)?;
    if text.len() != 19 {
        return Some(text).filter(|t| t.len() > 19).and_then(|t| Timestamp::parse(&t).ok());
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok()?;
    let offset = jiff::tz::Offset::from_seconds(utc_offset_seconds).ok()?;
    let instant = offset.to_timestamp(civil).ok()?;
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

/// Refuses an answer that names another customer. The documentation's own placeholders name nobody.
pub(super) fn same_customer(raw: Raw<'_>, user_id: &str) -> Result<(), Undecodable> {
    match raw.and_then(string) {
        Some(named)
            if !named.eq_ignore_ascii_case(user_id)
                && !matches!(named.as_ref(), "" | "userId" | "string") =>
        {
            Err(Undecodable::new("it is another customer's answer"))
        }
        _ => Ok(()),
    }
}
