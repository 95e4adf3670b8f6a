//! How text lines up on a terminal: widths, columns, spans of time, and words of others made harmless.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use super::output::{Output, Paint};
use crate::domain::time::largest_units;

/// A cell of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    text: String,
    paint: Option<Paint>,
}

impl Cell {
    /// A cell that is set off.
    pub(super) fn painted(text: &str, paint: Paint) -> Self {
        Self { text: plain(text), paint: Some(paint) }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: plain(text.as_ref()), paint: None }
    }
}

/// Rows under headings; a heading that begins with `>` is of a column of figures.
#[derive(Debug)]
pub(super) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    pub(super) fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Writes it, each line behind `indent`.
    pub(super) fn print(&self, out: &mut Output, indent: &str) {
        let names: Vec<&str> = self.heads.iter().map(|head| head.trim_start_matches('>')).collect();
        let mut widths: Vec<usize> = names.iter().map(|name| width(name)).collect();
        for row in &self.rows {
            for (most, cell) in widths.iter_mut().zip(row) {
                *most = (*most).max(width(&cell.text));
            }
        }
        let heads = names.iter().map(|name| Cell { text: (*name).to_owned(), paint: Some(Paint::Faint) });
        let heads: Vec<Cell> = heads.collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, width_of_column), head) in row.iter().zip(&widths).zip(&self.heads) {
                let gap = " ".repeat(width_of_column.saturating_sub(width(&cell.text)));
                let text = match cell.paint {
                    Some(paint) if !cell.text.is_empty() => out.paint(paint, &cell.text),
                    _ => cell.text.clone(),
                };
                let (before, after) =
                    if head.starts_with('>') { (gap, String::new()) } else { (String::new(), gap) };
                line.push_str(&before);
                line.push_str(&text);
                line.push_str(&after);
                line.push_str("  ");
            }
            out.line(format_args!("{indent}{}", line.trim_end()));
        }
    }
}

/// Facts, one a line: names in a column, values beside them. Values that are not there are left out.
pub(super) fn facts<'a>(out: &mut Output, rows: impl IntoIterator<Item = (&'a str, Option<String>)>) {
    let rows: Vec<(&str, String)> =
        rows.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect();
    let most = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    for (name, value) in rows {
        let gap = " ".repeat(most.saturating_sub(width(name)));
        let name = out.paint(Paint::Faint, name);
        out.line(format_args!("  {name}{gap}  {}", plain(&value)));
    }
}

/// Text of others on one line, without anything that could move the cursor, hide or reorder what is shown.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' | '\r' => ' ',
            c if c.is_control() => '\u{fffd}',
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// At most `most` characters of `text`.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Columns that `text` takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `2026-05-30T15:32:57.000Z` as `2026-05-30 15:32:57`.
pub(super) fn short_time(text: &str) -> String {
    let cut = text.get(..19).filter(|_| text.ends_with('Z'));
    cut.map_or_else(|| plain(text), |text| plain(text).replace('T', " "))
}

/// A span in its two largest units: `58 min 3 s`, `2 d 4 h`.
pub(super) fn span(span: Duration) -> String {
    match largest_units(span) {
        [(0, _), (seconds, unit)] => format!("{seconds} {unit}"),
        [(large, large_unit), (small, small_unit)] => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_cannot_move_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}d\u{9b}"), "a\u{fffd}[2Jb c\u{fffd}d\u{fffd}");
        assert_eq!(cut("abcdef", 3), "abc…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!((width("日本"), width("e\u{301}"), width("é")), (4, 1, 1));
    }

    #[test]
    fn times_and_spans_are_short() {
        assert_eq!(short_time("2026-05-30T15:32:57.123Z"), "2026-05-30 15:32:57");
        assert_eq!(short_time("soon"), "soon");
        for (seconds, shown) in
            [(0, "0 s"), (59, "59 s"), (3483, "58 min 3 s"), (3600, "1 h 0 min"), (187_200, "2 d 4 h")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), shown);
        }
    }
}
