//! What a month is called. Which instants lie in it, the books' zone says.

use std::fmt;

use super::time::Timestamp;

/// A calendar month.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    text: String,
    next: (u16, u8),
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
            .filter(|(year, _)| (1970..9999).contains(year))
            .ok_or_else(invalid)?;
        let next = if month == 12 { (year.saturating_add(1), 1) } else { (year, month.saturating_add(1)) };
        Ok(Self { text: text.to_owned(), next })
    }

    /// `YYYY-MM`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its first day, `YYYY-MM-DD`.
    #[must_use]
    pub fn first_day(&self) -> String {
        format!("{}-01", self.text)
    }

    /// The first day after it, `YYYY-MM-DD`.
    #[must_use]
    pub fn day_after(&self) -> String {
        let (year, month) = self.next;
        format!("{year:04}-{month:02}-01")
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
            assert_eq!((parsed.first_day(), parsed.day_after().as_str()), (format!("{month}-01"), end));
            assert_eq!((parsed.as_str(), parsed.to_string().as_str()), (month, month));
        }
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2026-1",
            "2026-10-01",
            "1969-12",
            "20a6-10",
            "+026-10",
            "9999-01",
        ] {
            assert!(Month::parse(text).is_err(), "{text}");
        }
    }
}
