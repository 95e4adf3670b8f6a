//! How one field of the upstream's JSON is read: letters within limits, digits exactly as they stand, never a float.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use crate::domain::money::Amount;
use crate::domain::time::{Timestamp, Zone};

/// A field as it stands in the answer; `None` where it is missing or null.
pub(super) type RawField<'a> = Option<&'a RawValue>;

/// Deadlines before 2001 or after 2100 are no deadlines: zeros, or nonsense. Within them seconds, milliseconds and
/// microseconds cannot be taken for each other.
const EARLIEST_MILLIS: i64 = 978_307_200_000;
const LATEST_MILLIS: i64 = 4_102_444_800_000;
/// Within this of a whole number of cents an amount is that number.
const NEARLY: Decimal = Decimal::from_parts(1, 0, 0, false, 6);

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
    } else if !text.is_ascii() && text.contains(char::REPLACEMENT_CHARACTER) {
        Err(Undecodable::in_field(name, "has letters that cannot be read"))
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
pub(super) fn text(raw: RawField<'_>, name: &'static str, max: usize) -> Result<Option<String>, Undecodable> {
    let Some(raw) = raw else { return Ok(None) };
    let text = string(raw).ok_or_else(|| Undecodable::in_field(name, "is not a text"))?;
    within(&text, name, max)?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

/// An identifier: a text, or a number as it is written.
pub(super) fn id(raw: RawField<'_>, name: &'static str) -> Result<Option<String>, Undecodable> {
    let Some(raw) = raw else { return Ok(None) };
    let text =
        string_or_number(raw).ok_or_else(|| Undecodable::in_field(name, "is neither a text nor a number"))?;
    within(&text, name, 512)?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

/// An order's identifier: it goes into paths, so it is short, and nothing that would climb in one.
pub(super) fn order_id(raw: RawField<'_>) -> Result<Option<String>, Undecodable> {
    let id = id(raw, "order_id")?;
    match &id {
        Some(text) if text.len() > 128 => Err(Undecodable::in_field("order_id", "is too long")),
        Some(text) if matches!(text.as_str(), "." | "..") => {
            Err(Undecodable::in_field("order_id", "is no identifier"))
        }
        _ => Ok(id),
    }
}

/// What else a payer must give: a text or a number of at most 256 bytes.
pub(super) fn memo(raw: RawField<'_>, name: &'static str) -> Result<Option<String>, Undecodable> {
    let memo = id(raw, name)?;
    within(memo.as_deref().unwrap_or_default(), name, 256)?;
    Ok(memo)
}

fn is_text(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}

/// A decimal: a text digit for digit, a number as what it was before it became a double.
pub(super) fn amount(raw: RawField<'_>, name: &'static str) -> Result<Option<Amount>, Undecodable> {
    let Some(raw) = raw else { return Ok(None) };
    let wrong = || Undecodable::in_field(name, "is not an amount");
    let text = string_or_number(raw).ok_or_else(wrong)?;
    if text.is_empty() {
        return Ok(None);
    }
    let read = if is_text(raw) { Amount::parse(&text) } else { Amount::parse_number(&text) };
    read.map(Some).map_err(|_| wrong())
}

/// A whole number, as a number or as a text, whatever way it is written: `485`, `485.00`, `4.85e2`, and what a double
/// makes of it, 484.9999999999.
fn integer(raw: &RawValue) -> Option<i64> {
    let text = string_or_number(raw)?;
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_ref()), |digits| (true, digits));
    let value = Amount::parse(digits).ok()?.value();
    let whole = value.round();
    if value.checked_sub(whole)?.abs() > NEARLY {
        return None;
    }
    let whole = i64::try_from(whole).ok()?;
    if negative { whole.checked_neg() } else { Some(whole) }
}

/// Whole cents; must be there.
pub(super) fn cents(raw: RawField<'_>, name: &'static str) -> Result<i64, Undecodable> {
    raw.and_then(integer).ok_or_else(|| Undecodable::in_field(name, "is not a whole number"))
}

/// A deadline: Unix seconds, milliseconds or microseconds, as a number or a text, or a time of the calendar.
pub(super) fn deadline(raw: RawField<'_>, name: &'static str) -> Result<Option<Timestamp>, Undecodable> {
    let Some(raw) = raw else { return Ok(None) };
    let wrong = || Undecodable::in_field(name, "is no time");
    let text = string_or_number(raw).ok_or_else(wrong)?;
    if text.is_empty() {
        return Ok(None);
    }
    let millis = unix_millis(&text).or_else(|| calendar_millis(&text)).ok_or_else(wrong)?;
    Ok(Some(Timestamp::from_millis(millis)))
}

fn is_a_deadline(millis: i64) -> bool {
    (EARLIEST_MILLIS..LATEST_MILLIS).contains(&millis)
}

fn unix_millis(text: &str) -> Option<i64> {
    let value = Amount::parse(text).ok()?.value();
    // Scales of ten: seconds, milliseconds, microseconds.
    [Decimal::from(1000), Decimal::ONE, Decimal::from_parts(1, 0, 0, false, 3)]
        .into_iter()
        .filter_map(|scale| i64::try_from(value.checked_mul(scale)?.trunc()).ok())
        .find(|millis| is_a_deadline(*millis))
}

/// RFC 3339, or the same without a zone, which is UTC.
fn calendar_millis(text: &str) -> Option<i64> {
    let read = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant.as_millisecond(),
        Err(_) => Zone::UTC.to_instant(civil(text)?)?.as_millis(),
    };
    Some(read).filter(|millis| is_a_deadline(*millis))
}

/// A date and a time of the day, to the minute at least, and nothing behind them.
fn civil(text: &str) -> Option<jiff::civil::DateTime> {
    let (date, time) = text.split_at_checked(10)?;
    let time = time.strip_prefix(['T', 't', ' '])?;
    let plain = time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    (time.len() >= 5 && plain).then(|| format!("{date}T{time}").parse().ok()).flatten()
}

/// A time such as `2025-05-15 18:37:30`, read where its clock hangs; one with its own offset is read with that.
/// `None` for anything else.
pub(super) fn civil_time(raw: RawField<'_>, zone: &Zone) -> Option<Timestamp> {
    let text = string(raw?)?;
    match civil(&text) {
        Some(civil) => zone.to_instant(civil),
        None if text.len() > 19 => Timestamp::parse(&text).ok(),
        None => None,
    }
}

/// Refuses an answer that names another customer. The documentation's own placeholders name nobody.
pub(super) fn same_customer(raw: RawField<'_>, user_id: &str) -> Result<(), Undecodable> {
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
