//! Rows in the text format of PostgreSQL's COPY.

use sha2::{Digest as _, Sha256};

use crate::ledger::{BookRow, BookValue};

/// Rows, one a line.
#[derive(Debug, Default, Clone)]
pub(super) struct CopyText {
    text: String,
    rows: u64,
}

impl CopyText {
    /// A row of a ledger, from its values behind the ledger's id.
    pub(super) fn book_row(&mut self, first: &[&str], row: &BookRow) {
        let mut line = self.line();
        first.iter().for_each(|value| line.text(value));
        for value in row {
            match value {
                BookValue::Nothing => line.nothing(),
                BookValue::Whole(number) => line.whole(*number),
                BookValue::Text(text) => line.text(text),
            }
        }
        line.end();
    }

    /// Begins a row.
    pub(super) fn line(&mut self) -> CopyLine<'_> {
        self.rows = self.rows.saturating_add(1);
        CopyLine { text: &mut self.text, is_first: true }
    }

    /// What is sent.
    pub(super) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// True without a row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// SHA-256 of all rows, in lower-case hex.
    pub(super) fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.text.as_bytes()))
    }
}

/// A row that is being written.
#[derive(Debug)]
pub(super) struct CopyLine<'a> {
    text: &'a mut String,
    is_first: bool,
}

impl CopyLine<'_> {
    fn next(&mut self) {
        if !self.is_first {
            self.text.push('\t');
        }
        self.is_first = false;
    }

    /// A text. PostgreSQL has no place for the character NUL in a text: a sign stands for it.
    pub(super) fn text(&mut self, value: &str) {
        self.next();
        let mut rest = value;
        while let Some(at) = rest.find(['\\', '\n', '\r', '\t', '\0']) {
            let (plain, from) = rest.split_at(at);
            self.text.push_str(plain);
            let mut letters = from.chars();
            self.text.push_str(match letters.next() {
                Some('\\') => "\\\\",
                Some('\n') => "\\n",
                Some('\r') => "\\r",
                Some('\t') => "\\t",
                _ => "\u{2400}",
            });
            rest = letters.as_str();
        }
        self.text.push_str(rest);
    }

    /// A text, where there is one.
    pub(super) fn perhaps(&mut self, value: Option<&str>) {
        match value {
            Some(text) => self.text(text),
            None => self.nothing(),
        }
    }

    /// A whole number, where there is one.
    pub(super) fn number(&mut self, value: Option<i64>) {
        match value {
            Some(number) => self.whole(number),
            None => self.nothing(),
        }
    }

    /// A whole number.
    pub(super) fn whole(&mut self, value: i64) {
        self.next();
        self.text.push_str(&value.to_string());
    }

    /// NULL.
    pub(super) fn nothing(&mut self) {
        self.next();
        self.text.push_str("\\N");
    }

    /// Ends the row.
    pub(super) fn end(self) {
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_copy_would_read_otherwise_is_written_otherwise() {
        let mut copy = CopyText::default();
        let mut line = copy.line();
        line.text("a\\b\tc\nd\re\0f, \\N, ü");
        line.nothing();
        line.whole(-7);
        line.text("");
        line.perhaps(None);
        line.number(Some(3));
        line.end();
        copy.book_row(
            &["id"],
            &vec![BookValue::Nothing, BookValue::Whole(1), BookValue::Text("\\.".to_owned())],
        );
        let expected = "a\\\\b\\tc\\nd\\re\u{2400}f, \\\\N, ü\t\\N\t-7\t\t\\N\t3\nid\t\\N\t1\t\\\\.\n";
        assert_eq!(std::str::from_utf8(copy.bytes()).unwrap(), expected);
        assert_eq!((copy.rows(), copy.is_empty()), (2, false));
    }
}
