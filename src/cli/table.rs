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

/// Rows under headings. Marks before a heading say what its column is: `>` of figures, `~` may be cut where the terminal is
/// narrow, `?` may be left out there, the last one first. The last column goes on in the next line where it must.
#[derive(Debug)]
pub(super) struct Table {
    heads: Vec<Head>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
struct Head {
    name: &'static str,
    is_figure: bool,
    may_be_cut: bool,
    may_go: bool,
}

impl Head {
    fn of(marked: &'static str) -> Self {
        let name = marked.trim_start_matches(['>', '~', '?']);
        let marks = marked.strip_suffix(name).unwrap_or_default();
        let has = |mark: char| marks.contains(mark);
        Self { name, is_figure: has('>'), may_be_cut: has('~'), may_go: has('?') }
    }
}

/// Between two columns.
const GAP: usize = 2;
/// A column that is cut, and one that goes on in the next line, has so much room at least.
const LEAST_CUT: usize = 10;
const LEAST_WRAPPED: usize = 16;

/// How wide each column is; 0 for one that is left out.
type Widths = Vec<usize>;

impl Table {
    /// An empty table.
    pub(super) fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.iter().map(|head| Head::of(head)).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Writes it, each line behind `indent`: as a table where the terminal is wide enough, else one row after the other.
    pub(super) fn print(&self, out: &mut Output, indent: &str) {
        let room = out.columns.map(|columns| columns.saturating_sub(width(indent)));
        match self.fit(room) {
            Some(widths) => self.print_table(out, indent, &widths),
            None => self.print_cards(out, indent, room.unwrap_or(usize::MAX)),
        }
    }

    /// How wide the columns are within `room`; `None` where they cannot be.
    fn fit(&self, room: Option<usize>) -> Option<Widths> {
        let mut widths: Widths = self.heads.iter().map(|head| width(head.name)).collect();
        for row in &self.rows {
            for (most, cell) in widths.iter_mut().zip(row) {
                *most = (*most).max(width(&cell.text));
            }
        }
        let Some(room) = room else { return Some(widths) };
        loop {
            let mut narrowed = widths.clone();
            if self.narrow(&mut narrowed, room) {
                return Some(narrowed);
            }
            // The last of those that may go.
            let gone =
                self.heads.iter().zip(&mut widths).rev().find(|(head, width)| head.may_go && **width > 0);
            match gone {
                Some((_, width)) => *width = 0,
                None if self.heads.iter().all(|head| head.name.is_empty() || head.is_figure) => {
                    return Some(widths);
                }
                None => return None,
            }
        }
    }

    /// Cuts columns, and lets the last one go on in the next line, as far as it must be. True where all fit then.
    fn narrow(&self, widths: &mut Widths, room: usize) -> bool {
        let mut over = total(widths).saturating_sub(room);
        let last = self.heads.len().saturating_sub(1);
        let of_last = if self.heads.get(last).is_some_and(|head| head.is_figure) { None } else { Some(last) };
        let cut =
            self.heads.iter().enumerate().filter(|(_, head)| head.may_be_cut).map(|(at, _)| (at, LEAST_CUT));
        for (at, least) in of_last.map(|at| (at, LEAST_WRAPPED)).into_iter().chain(cut) {
            let least = least.max(self.heads.get(at).map_or(0, |head| width(head.name)));
            if let Some(width) = widths.get_mut(at).filter(|width| **width > least) {
                let less = over.min(width.saturating_sub(least));
                *width = width.saturating_sub(less);
                over = over.saturating_sub(less);
            }
        }
        over == 0
    }

    fn print_table(&self, out: &mut Output, indent: &str, widths: &Widths) {
        let head = |head: &Head| Cell { text: head.name.to_owned(), paint: Some(Paint::Faint) };
        let heads: Vec<Cell> = self.heads.iter().map(head).collect();
        let last = self.heads.len().saturating_sub(1);
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut rest = Vec::new();
            let mut line = String::new();
            let mut before = 0_usize;
            for (at, ((cell, width_of_column), head)) in row.iter().zip(widths).zip(&self.heads).enumerate() {
                if *width_of_column == 0 {
                    continue;
                }
                let mut text = cell.text.clone();
                if width(&text) > *width_of_column && at == last {
                    let mut parts = wrap(&text, *width_of_column).into_iter();
                    text = parts.next().unwrap_or_default();
                    rest.extend(parts);
                } else if width(&text) > *width_of_column {
                    text = shorten(&text, *width_of_column);
                }
                let gap = " ".repeat(width_of_column.saturating_sub(width(&text)));
                let text = match cell.paint {
                    Some(paint) if !text.is_empty() => out.paint(paint, &text),
                    _ => text,
                };
                let (left, right) = if head.is_figure { (gap, String::new()) } else { (String::new(), gap) };
                line.push_str(&format!("{left}{text}{right}{}", " ".repeat(GAP)));
                if at != last {
                    before = before.saturating_add(*width_of_column).saturating_add(GAP);
                }
            }
            out.line(format_args!("{indent}{}", line.trim_end()));
            for part in rest {
                out.line(format_args!("{indent}{}{part}", " ".repeat(before)));
            }
        }
    }

    /// One row after the other, a fact a line. A column without a name belongs to the one before it.
    fn print_cards(&self, out: &mut Output, indent: &str, room: usize) {
        let names = self.heads.iter().map(|head| width(head.name)).max().unwrap_or(0);
        for (at, row) in self.rows.iter().enumerate() {
            if at > 0 {
                out.line("");
            }
            let mut facts: Vec<(&str, String, Option<Paint>)> = Vec::new();
            for (head, cell) in self.heads.iter().zip(row) {
                match facts.last_mut().filter(|_| head.name.is_empty()) {
                    Some((_, text, _)) if !text.is_empty() => text.push_str(&format!(" {}", cell.text)),
                    _ => facts.push((head.name, cell.text.clone(), cell.paint)),
                }
            }
            for (name, text, paint) in facts.into_iter().filter(|(_, text, _)| !text.trim().is_empty()) {
                let gap = " ".repeat(names.saturating_sub(width(name)).saturating_add(GAP));
                let room = room.saturating_sub(names.saturating_add(GAP)).max(LEAST_CUT);
                for (nth, part) in wrap(text.trim_end(), room).into_iter().enumerate() {
                    let part = paint.map_or_else(|| part.clone(), |paint| out.paint(paint, &part));
                    let name = if nth == 0 { out.paint(Paint::Faint, name) } else { " ".repeat(width(name)) };
                    out.line(format_args!("{indent}{name}{gap}{part}"));
                }
            }
        }
    }
}

/// What a table takes with the gaps between its columns.
fn total(widths: &Widths) -> usize {
    let columns = widths.iter().filter(|width| **width > 0).count();
    widths.iter().sum::<usize>().saturating_add(columns.saturating_sub(1).saturating_mul(GAP))
}

/// `text` in lines of at most `room` columns, broken between words; a word that is longer is broken within.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for mut word in text.split(' ') {
        loop {
            let taken = lines.last().map_or(0, |line| width(line));
            let gap = usize::from(taken > 0);
            if taken.saturating_add(gap).saturating_add(width(word)) <= room {
                if let Some(line) = lines.last_mut() {
                    line.push_str(if gap == 1 { " " } else { "" });
                    line.push_str(word);
                }
                break;
            }
            if taken > 0 {
                lines.push(String::new());
                continue;
            }
            let (part, left) = split_at_width(word, room.max(1));
            if let Some(line) = lines.last_mut() {
                line.push_str(part);
            }
            word = left;
            if word.is_empty() {
                break;
            }
            lines.push(String::new());
        }
    }
    lines
}

/// The part of `text` that fits into `room` columns, one character at least, and the rest.
fn split_at_width(text: &str, room: usize) -> (&str, &str) {
    let ends = text.char_indices().map(|(at, c)| at.saturating_add(c.len_utf8()));
    let fits = |end: &usize| text.get(..*end).is_some_and(|part| width(part) <= room);
    let first = text.chars().next().map_or(0, char::len_utf8);
    text.split_at_checked(ends.take_while(fits).last().unwrap_or(first)).unwrap_or((text, ""))
}

/// `text` within `room` columns, with a sign where it was cut.
fn shorten(text: &str, room: usize) -> String {
    format!("{}…", split_at_width(text, room.saturating_sub(1).max(1)).0)
}

/// Facts, one a line: names in a column, values beside them. Values that are not there are left out.
pub(super) fn facts<'a>(out: &mut Output, rows: impl IntoIterator<Item = (&'a str, Option<String>)>) {
    let rows: Vec<(&str, String)> =
        rows.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect();
    let most = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let room = out.columns.unwrap_or(usize::MAX).saturating_sub(most.saturating_add(4));
    for (name, value) in rows {
        let gap = " ".repeat(most.saturating_sub(width(name)));
        let value = plain(&value);
        // One word alone, such as a link, is left whole: it is there to be copied.
        let lines =
            if value.contains(' ') && room >= LEAST_WRAPPED { wrap(&value, room) } else { vec![value] };
        for (nth, line) in lines.into_iter().enumerate() {
            let name = if nth == 0 { out.paint(Paint::Faint, name) } else { " ".repeat(width(name)) };
            out.line(format_args!("  {name}{gap}  {line}"));
        }
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

/// The same for a table: on a terminal to the minute, which takes less room.
pub(super) fn table_time(out: &Output, text: &str) -> String {
    let whole = short_time(text);
    match whole.get(..16).filter(|_| out.columns.is_some() && whole.len() == 19) {
        Some(minute) => minute.to_owned(),
        None => whole,
    }
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

    fn table() -> Table {
        let mut table = Table::new(&["time", "id", "?>figure", "?", "~words", "why"]);
        let cells = [
            "2026-11-29 14:05",
            "01a227ae-abe3",
            "24.97",
            "USDT",
            "a reference of many words",
            "because of that",
        ];
        table.row(cells.map(Cell::from));
        table
    }

    #[test]
    fn a_table_fits_its_terminal_or_becomes_cards() {
        let table = table();
        let fit = |room| table.fit(Some(room));
        assert_eq!(table.fit(None), Some(vec![16, 13, 6, 4, 25, 15]));
        assert_eq!(fit(89), Some(vec![16, 13, 6, 4, 25, 15]));
        assert_eq!(fit(80), Some(vec![16, 13, 6, 4, 16, 15]), "what may be cut is cut");
        assert_eq!(fit(73), Some(vec![16, 13, 6, 0, 15, 15]), "what may go goes, from the right");
        assert_eq!(fit(60), Some(vec![16, 13, 0, 0, 10, 15]));
        assert_eq!(fit(59), None, "a card a row");
        for room in 60..120 {
            assert!(total(&fit(room).unwrap()) <= room, "{room}");
        }
        let mut long = Table::new(&["id", "why"]);
        long.row(
            ["01a227ae", "the upstream says something of many words, and goes on about it"].map(Cell::from),
        );
        assert_eq!(long.fit(Some(40)), Some(vec![8, 30]), "the last column goes on in the next line");
        let mut sums = Table::new(&["", "", ">USD", ""]);
        sums.row(["+", "credited elsewhere, by others than us", "100.00", "note"].map(Cell::from));
        assert!(sums.fit(Some(20)).is_some(), "without names it stays a table");
    }

    #[test]
    fn lines_are_broken_between_words_and_long_words_within() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("日本語 x", 4), ["日本", "語 x"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!((shorten("abcdef", 4).as_str(), shorten("日本語", 4).as_str()), ("abc…", "日…"));
        for room in 1..20 {
            let lines = wrap("the upstream's answer names another address: T1, not T2", room);
            assert!(lines.iter().all(|line| width(line) <= room), "{room}: {lines:?}");
            assert_eq!(lines.concat().replace(' ', ""), "theupstream'sanswernamesanotheraddress:T1,notT2");
        }
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
