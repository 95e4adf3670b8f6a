//! Decimals digit for digit: read in any spelling, rounded where more digits than can be exact are written.

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

/// So many significant digits are held exactly, and so many behind the point.
pub(super) const EXACT: usize = 28;
/// So many significant digits of a decimal survive the way through a double.
pub(super) const OF_A_DOUBLE: usize = 15;

/// A decimal of any length while it is read: `digits` (values 0 to 9, no zero in front) times ten to the `exponent`.
pub(super) struct Digits {
    digits: Vec<u8>,
    exponent: i64,
}

impl Digits {
    pub(super) fn parse(text: &str) -> Result<Self, AmountError> {
        let wrong = || AmountError::NotDecimal(clip(text));
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, exponent(power).ok_or_else(wrong)?),
            None => (text, 0),
        };
        let (whole, fraction) = split(mantissa).map_err(|_| wrong())?;
        let behind = i64::try_from(fraction.len()).map_err(|_| AmountError::TooLong)?;
        let all = whole.bytes().chain(fraction.bytes()).map(|digit| digit.saturating_sub(b'0'));
        let digits: Vec<u8> = all.skip_while(|digit| *digit == 0).collect();
        // Zero keeps its place behind the point, so that `0.00` stays what it is.
        Ok(Self { digits, exponent: power.saturating_sub(behind) })
    }

    pub(super) fn len(&self) -> usize {
        self.digits.len()
    }

    /// Rounds to at most `most` significant digits, half to even.
    pub(super) fn round_to(&mut self, most: usize) {
        self.drop_last(self.len().saturating_sub(most));
        // 9.99 may have become 10.0.
        self.drop_last(self.len().saturating_sub(most));
    }

    /// Rounds to at most `most` digits behind the point, half to even.
    pub(super) fn round_to_scale(&mut self, most: usize) {
        let behind = usize::try_from(self.exponent.saturating_neg()).unwrap_or(0);
        self.drop_last(behind.saturating_sub(most));
    }

    pub(super) fn drop_last(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.exponent = self.exponent.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        if count > self.len() {
            self.digits.clear();
            return;
        }
        let dropped = self.digits.split_off(self.len().saturating_sub(count));
        let (first, rest) = dropped.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
        let odd = self.digits.last().is_some_and(|digit| !digit.is_multiple_of(2));
        let up = first > 5 || (first == 5 && (odd || rest.iter().any(|digit| *digit > 0)));
        if up {
            self.add_one();
        }
    }

    pub(super) fn add_one(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit < 9 {
                *digit = digit.saturating_add(1);
                return;
            }
            *digit = 0;
        }
        self.digits.insert(0, 1);
    }

    /// Drops the zeros that end a fraction.
    pub(super) fn drop_zeros(&mut self) {
        while self.exponent < 0 && self.digits.last() == Some(&0) {
            self.digits.pop();
            self.exponent = self.exponent.saturating_add(1);
        }
    }

    /// The number without an exponent; `None` where it has more digits before the point than can be held.
    pub(super) fn written_out(&self) -> Option<String> {
        let mut text: String =
            self.digits.iter().map(|digit| char::from(digit.saturating_add(b'0'))).collect();
        if self.exponent >= 0 {
            if !text.is_empty() {
                let zeros = usize::try_from(self.exponent).ok().filter(|zeros| *zeros <= EXACT)?;
                text.push_str(&"0".repeat(zeros));
            }
            return match text.len() {
                0 => Some("0".to_owned()),
                len => (len <= EXACT).then_some(text),
            };
        }
        let behind = usize::try_from(self.exponent.saturating_neg()).ok()?;
        // At least one digit stands before the point.
        let padded = format!("{}{text}", "0".repeat(behind.saturating_add(1).saturating_sub(text.len())));
        let (whole, fraction) = padded.split_at_checked(padded.len().checked_sub(behind)?)?;
        Some(format!("{whole}.{fraction}"))
    }
}

/// The power of ten behind an `e`, held within what can matter.
pub(super) fn exponent(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1_i64, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let power = plain.then(|| digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000_000))?;
    Some(sign.saturating_mul(power))
}

pub(super) fn split(text: &str) -> Result<(&str, &str), AmountError> {
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

pub(super) fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}
