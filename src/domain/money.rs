//! How money is read and added: decimals digit for digit, dollars in whole millionths, never a float.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Millionths of a US dollar; the unit of the books. May be negative in postings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UsdMicros(i64);

impl UsdMicros {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// From whole micros.
    #[must_use]
    pub const fn new(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole US cents, the unit of invoices and balances (CONTRACT.md, sections 3 and 4).
    #[must_use]
    pub fn from_cents(cents: i64) -> Option<Self> {
        cents.checked_mul(10_000).map(Self)
    }

    /// Whole micros.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whole cents, when there is no fraction of a cent.
    #[must_use]
    pub fn to_cents_exact(self) -> Option<i64> {
        (self.0.checked_rem(10_000) == Some(0)).then(|| self.cents_floor())
    }

    /// Whole cents, any fraction of a cent cut off towards the smaller.
    #[must_use]
    pub fn cents_floor(self) -> i64 {
        self.0.div_euclid(10_000)
    }

    /// The sum, unless it overflows.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it overflows.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The same amount on the other side of the books.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// True for less than nothing.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl fmt::Display for UsdMicros {
    /// Dollars with at least two and at most six decimals: `5.00`, `-0.125`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = Decimal::new(self.0, 6).normalize();
        let shown = if value.scale() < 2 { Decimal::new(self.cents_floor(), 2) } else { value };
        write!(f, "{shown}")
    }
}

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not plain digits with at most one point.
    #[error("{0:?} is not an amount; write plain digits such as 25 or 25.50")]
    NotDecimal(String),
    /// More digits than can be held exactly.
    #[error("the amount has too many digits; at most 12 before the point and 6 after it")]
    TooLong,
    /// Zero where something is asked for.
    #[error("the amount is zero; it must be more than 0")]
    Zero,
}

/// A non-negative decimal exactly as it was written: the text is kept, trailing zeros and all, beside its value.
#[derive(Clone)]
pub struct Amount {
    text: String,
    value: Decimal,
}

impl Amount {
    /// Reads what the upstream wrote: plain digits, at most 28 of them, no sign, no exponent.
    ///
    /// # Errors
    /// [`AmountError::NotDecimal`], or [`AmountError::TooLong`] past 28 digits, where decimals stop being exact.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) = split(text)?;
        if whole.len().saturating_add(fraction.len()) > 28 {
            return Err(AmountError::TooLong);
        }
        let value = Decimal::from_str_exact(text).map_err(|_| AmountError::NotDecimal(clip(text)))?;
        Ok(Self { text: text.to_owned(), value })
    }

    /// Reads what a person asks for: more than zero, at most 12 digits before the point and 6 after it.
    ///
    /// # Errors
    /// Every variant of [`AmountError`].
    pub fn parse_request(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) = split(text)?;
        if whole.len() > 12 || fraction.len() > 6 {
            return Err(AmountError::TooLong);
        }
        let amount = Self::parse(text)?;
        if amount.is_zero() { Err(AmountError::Zero) } else { Ok(amount) }
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The exact value.
    #[must_use]
    pub fn value(&self) -> Decimal {
        self.value
    }

    /// True for nothing at all.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.value.is_zero()
    }

    /// The amount in millionths of a dollar; `None` when it is finer than a micro or too large for the books.
    #[must_use]
    pub fn to_usd_micros(&self) -> Option<UsdMicros> {
        let micros = self.value.checked_mul(Decimal::from(1_000_000))?;
        micros.is_integer().then(|| i64::try_from(micros).ok()).flatten().map(UsdMicros)
    }

    /// The amount in whole millionths of a dollar, anything finer cut off; `None` when it is too large for the books.
    /// For figures of the upstream that the books cannot hold digit for digit: the text is kept beside them.
    #[must_use]
    pub fn to_usd_micros_floor(&self) -> Option<UsdMicros> {
        let cut = self.value.round_dp_with_strategy(6, rust_decimal::RoundingStrategy::ToZero);
        i64::try_from(cut.checked_mul(Decimal::from(1_000_000))?).ok().map(UsdMicros)
    }

    /// The amount without trailing zeros, so that `5.10` and `5.1` are one request.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.value.normalize().to_string()
    }
}

fn split(text: &str) -> Result<(&str, &str), AmountError> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err(AmountError::NotDecimal(clip(text))),
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(AmountError::NotDecimal(clip(text)));
    }
    Ok((whole, fraction))
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl Eq for Amount {}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Amount {
    type Err = AmountError;
    fn from_str(text: &str) -> Result<Self, AmountError> {
        Self::parse(text)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_plain_digits_within_twelve_and_six() {
        for text in ["1", "5.15", "5.10", "0.000001", "999999999999.999999", "007"] {
            assert_eq!(Amount::parse_request(text).unwrap().as_str(), text);
        }
        for text in
            ["", ".5", "5.", "-5", "+5", "1e3", "1_000", "1,5", " 5", "5 ", "0x5", "٣", "NaN", "1.2.3"]
        {
            assert!(matches!(Amount::parse_request(text), Err(AmountError::NotDecimal(_))), "{text}");
        }
        assert_eq!(Amount::parse_request("0.0000001"), Err(AmountError::TooLong));
        assert_eq!(Amount::parse_request("1000000000000"), Err(AmountError::TooLong));
        assert_eq!(Amount::parse_request("0.00"), Err(AmountError::Zero));
        assert_eq!(Amount::parse(&"9".repeat(40)), Err(AmountError::TooLong));
    }

    #[test]
    fn dollars_are_exact_or_refused() {
        assert_eq!(Amount::parse("5.15").unwrap().to_usd_micros(), Some(UsdMicros::new(5_150_000)));
        assert_eq!(Amount::parse("5.00000000").unwrap().to_usd_micros(), Some(UsdMicros::new(5_000_000)));
        assert_eq!(Amount::parse("0.0000001").unwrap().to_usd_micros(), None);
        let fine = Amount::parse("5.1234567").unwrap();
        assert_eq!(fine.to_usd_micros_floor(), Some(UsdMicros::new(5_123_456)));
        assert_eq!(Amount::parse(&"9".repeat(28)).unwrap().to_usd_micros_floor(), None);
        assert_eq!(Amount::parse(&"9".repeat(28)).unwrap().to_usd_micros(), None);
        assert_eq!(UsdMicros::new(5_000_000).to_string(), "5.00");
        assert_eq!(UsdMicros::new(-125_000).to_string(), "-0.125");
        assert_eq!(UsdMicros::new(10_000).to_cents_exact(), Some(1));
        assert_eq!(UsdMicros::new(10_001).to_cents_exact(), None);
    }

    proptest! {
        #[test]
        fn every_micro_is_shown_and_read_back(micros in 0_i64..i64::MAX) {
            let shown = UsdMicros::new(micros).to_string();
            prop_assert_eq!(Amount::parse(&shown).unwrap().to_usd_micros(), Some(UsdMicros::new(micros)));
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = Amount::parse_request(&text);
        }
    }
}
