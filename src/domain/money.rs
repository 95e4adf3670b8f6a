//! How money is read and added: decimals digit for digit, dollars in whole millionths, never a float.

mod digits;

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use self::digits::AmountError;
use self::digits::{Digits, EXACT, OF_A_DOUBLE, clip, split};

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

    /// From whole US cents, the unit of invoices and balances (docs/contract.md, sections 3 and 4).
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

    /// Cut down to whole cents, the unit of the prepaid account.
    #[must_use]
    pub fn to_whole_cents(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(10_000)))
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

/// Whole US cents as dollars, such as `12.34`.
#[must_use]
pub fn dollars(cents: i64) -> String {
    UsdMicros::from_cents(cents).map_or_else(|| format!("{cents} cents"), |micros| micros.to_string())
}

/// A non-negative decimal exactly as it was written: the text is kept, trailing zeros and all, beside its value.
#[derive(Clone)]
pub struct Amount {
    text: String,
    value: Decimal,
}

impl Amount {
    /// Reads what the upstream wrote: digits with at most one point, perhaps an exponent, no sign. Plain digits are
    /// kept to the letter, up to 28 of them; more are rounded, half to even, and an exponent is written out.
    ///
    /// # Errors
    /// [`AmountError::NotDecimal`], or [`AmountError::TooLong`] for 10 to the power of 28 and more.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        if let Ok((whole, fraction)) = split(text)
            && whole.len().saturating_add(fraction.len()) <= EXACT
        {
            let value = Decimal::from_str_exact(text).map_err(|_| AmountError::NotDecimal(clip(text)))?;
            return Ok(Self { text: text.to_owned(), value });
        }
        Self::rounded(Digits::parse(text)?, text)
    }

    /// Reads a number of JSON. More than 15 significant digits are what a binary fraction leaves behind
    /// (67.2000000000000028 for 67.2): they are rounded to 15, half to even, without ever being a float here.
    ///
    /// # Errors
    /// As [`Amount::parse`].
    pub fn parse_number(text: &str) -> Result<Self, AmountError> {
        let mut digits = Digits::parse(text)?;
        if digits.len() <= OF_A_DOUBLE {
            return Self::parse(text);
        }
        digits.round_to(OF_A_DOUBLE);
        digits.drop_zeros();
        Self::rounded(digits, text)
    }

    fn rounded(mut digits: Digits, written: &str) -> Result<Self, AmountError> {
        digits.round_to(EXACT);
        digits.round_to_scale(EXACT);
        let text = digits.written_out().ok_or(AmountError::TooLong)?;
        let value = Decimal::from_str_exact(&text).map_err(|_| AmountError::NotDecimal(clip(written)))?;
        Ok(Self { text, value })
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
    fn what_the_upstream_writes_is_read_digit_for_digit_with_or_without_an_exponent() {
        let long = format!("1.{}5", "0".repeat(27));
        for (written, read) in [
            ("5.00", "5.00"),
            ("007.50", "007.50"),
            ("0.0000000000000000000000001", "0.0000000000000000000000001"),
            ("5.0E-5", "0.000050"),
            ("5e-5", "0.00005"),
            ("1e3", "1000"),
            ("1.5E+3", "1500"),
            ("4.85e2", "485"),
            ("4.8500e2", "485.00"),
            ("0e5", "0"),
            ("0.00e1", "0.0"),
            ("0e-999999999999999999999", "0.0000000000000000000000000000"),
            ("9.999999999999999999999999999999", "10.00000000000000000000000000"),
            (long.as_str(), "1.000000000000000000000000000"),
            ("1.00000000000000000000000000050", "1.000000000000000000000000000"),
            ("1.0000000000000000000000000015", "1.000000000000000000000000002"),
            ("1.00000000000000000000000000051", "1.000000000000000000000000001"),
            ("1.9999999999999999999999999995", "2.000000000000000000000000000"),
            ("0.00000000000000000000000000009", "0.0000000000000000000000000001"),
            ("1e-400", "0.0000000000000000000000000000"),
            ("0000000000000000000000000000000000005.15", "5.15"),
            ("67.2000000000000028421709430404007434844970703125", "67.20000000000000284217094304"),
        ] {
            assert_eq!(Amount::parse(written).unwrap().as_str(), read, "{written}");
        }
        for wrong in [
            "1,212.50", "1 000", "1_000", "+5", "-5", "5e", "e5", "5e+", "5e1.5", "5e 1", "5.e1", ".5e1", "",
            "Infinity", "0x1p3",
        ] {
            assert!(matches!(Amount::parse(wrong), Err(AmountError::NotDecimal(_))), "{wrong}");
        }
        for wide in ["1e28", "1e999999999999999999999", "99999999999999999999999999999.5"] {
            assert_eq!(Amount::parse(wide), Err(AmountError::TooLong), "{wide}");
        }
    }

    #[test]
    fn a_number_of_more_than_fifteen_digits_is_a_doubles_and_rounded_to_fifteen() {
        for (written, read) in [
            ("67.2000000000000028421709430404007434844970703125", "67.2"),
            ("29.949999999999999", "29.95"),
            ("29.95", "29.95"),
            ("5.00", "5.00"),
            ("5.0000000000000000", "5"),
            ("0.1000000000000000055511151231257827", "0.1"),
            ("6.7200000000000003e1", "67.2"),
            ("999999999999999.9", "1000000000000000"),
            ("0.00012345678901234550", "0.000123456789012346"),
            ("1.000000000000005", "1"),
            ("1.000000000000015", "1.00000000000002"),
            ("123456789012345678", "123456789012346000"),
            ("123456789012345", "123456789012345"),
        ] {
            assert_eq!(Amount::parse_number(written).unwrap().as_str(), read, "{written}");
        }
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
        fn what_is_kept_of_any_amount_reads_back_as_the_same(
            text in r"[0-9]{1,40}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,2})?",
        ) {
            for read in [Amount::parse(&text), Amount::parse_number(&text)].into_iter().flatten() {
                let again = Amount::parse(read.as_str()).unwrap();
                prop_assert_eq!((again.value(), again.as_str()), (read.value(), read.as_str()));
                let json = serde_json::to_string(&read).unwrap();
                prop_assert_eq!(serde_json::from_str::<Amount>(&json).unwrap(), read);
            }
        }

        #[test]
        fn up_to_twenty_eight_plain_digits_stay_as_they_are(text in r"[0-9]{1,14}(\.[0-9]{1,14})?") {
            prop_assert_eq!(Amount::parse(&text).unwrap().to_string(), text);
        }

        #[test]
        fn no_text_panics(text in ".{0,60}", near in "[0-9.eE+-]{0,60}") {
            for text in [text, near] {
                let _ = Amount::parse_request(&text);
                let _ = Amount::parse(&text);
                let _ = Amount::parse_number(&text);
            }
        }
    }
}
