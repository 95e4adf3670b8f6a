//! What a month is to the books: a name, and the instants in UTC between which it lies.

use std::fmt;

use super::time::Timestamp;

/// A calendar month in UTC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    text: String,
    ends_at: Timestamp,
}

/// A text that is no month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a month; write a year and a month such as 2026-10")]
pub struct InvalidMonth(String);

impl Month {
    /// Reads `YYYY-MM`.
    ///
    /// # Errors
    /// [`InvalidMonth`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidMonth> {
        let invalid = || InvalidMonth(text.chars().take(40).collect());
        let (year, month) = text.split_once('-').filter(|_| text.len() == 7).ok_or_else(invalid)?;
        Timestamp::parse(&format!("{text}-01")).map_err(|_| invalid())?;
        let (year, month): (u16, u8) = year
            .parse()
            .ok()
            .zip(month.parse().ok())
            .filter(|(year, _)| *year >= 1970)
            .ok_or_else(invalid)?;
        let (year, month) =
            if month == 12 { (year.saturating_add(1), 1) } else { (year, month.saturating_add(1)) };
        let ends_at = Timestamp::parse(&format!("{year:04}-{month:02}-01")).map_err(|_| invalid())?;
        Ok(Self { text: text.to_owned(), ends_at })
    }

    /// `YYYY-MM`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first instant after it.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.ends_at
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::Month;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        for (month, end) in [("2026-10", "2026-11-01"), ("2026-12", "2027-01-01"), ("2024-02", "2024-03-01")]
        {
            let parsed = Month::parse(month).unwrap();
            assert_eq!(parsed.ends_at().to_date_text(), end);
            assert_eq!((parsed.as_str(), parsed.to_string().as_str()), (month, month));
        }
        for text in
            ["", "2026", "2026-13", "2026-00", "2026-1", "2026-10-01", "1969-12", "20a6-10", "+026-10"]
        {
            assert!(Month::parse(text).is_err(), "{text}");
        }
    }
}
