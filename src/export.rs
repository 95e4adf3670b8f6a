//! How rows become CSV (RFC 4180, safe to open in a spreadsheet) and JSON Lines; the headers never move.

use std::io::{self, Write};

use serde::Serialize;

use crate::ledger::ExportValue;

/// How CSV is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CsvStyle {
    /// What stands between the fields.
    pub(crate) delimiter: char,
    /// A byte order mark first.
    pub(crate) bom: bool,
}

/// Writes the header.
pub(crate) fn csv_head(out: &mut dyn Write, style: CsvStyle, columns: &[&str]) -> io::Result<()> {
    let bom = if style.bom { "\u{feff}" } else { "" };
    write!(out, "{bom}{}\r\n", columns.join(&style.delimiter.to_string()))
}

/// Writes a row.
pub(crate) fn csv_row<'a>(
    out: &mut dyn Write,
    style: CsvStyle,
    values: impl Iterator<Item = ExportValue<'a>>,
) -> io::Result<()> {
    for (place, value) in values.enumerate() {
        if place > 0 {
            write!(out, "{}", style.delimiter)?;
        }
        match value {
            ExportValue::Exact(value) => csv_text(out, style.delimiter, "", value)?,
            ExportValue::Dollars(value) => {
                let decimals = value.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                let more = [".00", "0"].get(decimals).copied().unwrap_or_default();
                write!(out, "{value}{more}")?;
            }
            ExportValue::Free(value) if is_formula(value) => csv_text(out, style.delimiter, "'", value)?,
            ExportValue::Free(value) => csv_text(out, style.delimiter, "", value)?,
            ExportValue::Whole(number) => write!(out, "{number}")?,
            ExportValue::Empty => {}
        }
    }
    out.write_all(b"\r\n")
}

/// What a spreadsheet could take for a formula: one of its signs comes first, in any width, behind whatever is not seen.
fn is_formula(text: &str) -> bool {
    const SIGNS: [char; 19] = [
        '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\u{fe66}', '\u{fe62}',
        '\u{fe63}', '\u{fe6b}', '\u{2212}', '\u{207a}', '\u{207b}', '\u{207c}', '\u{208a}', '\u{208b}',
        '\u{208c}',
    ];
    text.starts_with(['\t', '\r', '\n']) || text.trim_start_matches(is_unseen).starts_with(SIGNS)
}

/// Spaces, controls, and what Unicode gives no shape: format characters, fillers, joiners, selectors.
fn is_unseen(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
        )
}

fn csv_text(out: &mut dyn Write, delimiter: char, before: &str, text: &str) -> io::Result<()> {
    if text.contains([delimiter, ',', '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
        write!(out, "\"{before}{}\"", text.replace('"', "\"\""))
    } else {
        write!(out, "{before}{text}")
    }
}

/// Writes one object on a line.
pub(crate) fn json_line(out: &mut dyn Write, line: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(line)?;
    line.push(b'\n');
    out.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::EntryLine;

    fn entry(description: &str, amount: &str) -> EntryLine {
        EntryLine {
            entry_id: 1,
            transaction_id: 2,
            posted_at: "2026-05-30T15:32:57.000Z".to_owned(),
            account: "assets:prepaid:smsonline".to_owned(),
            commodity: "USD".to_owned(),
            amount: amount.to_owned(),
            amount_usd_micros: -5,
            deposit_id: None,
            order_id: None,
            description: Some(description.to_owned()),
            refers_to: None,
            figure: None,
            evidence_id: Some(7),
            flag: None,
            date: "2026-05-30".to_owned(),
            account_mapped: "Assets:Prepaid".to_owned(),
            debit_usd: None,
            credit_usd: Some("0.000005".to_owned()),
        }
    }

    #[test]
    fn words_are_no_formulas_and_figures_stay_figures() {
        for (description, written) in [
            ("plain", "plain"),
            ("=1+1", "'=1+1"),
            ("@a,b", "\"'@a,b\""),
            ("-x", "'-x"),
            ("say \"hi\"\nthere", "\"say \"\"hi\"\"\nthere\""),
            ("a=b", "a=b"),
            ("\u{ff1d}1+1", "'\u{ff1d}1+1"),
            ("\u{ff0b}1", "'\u{ff0b}1"),
            ("\u{ff0d}1", "'\u{ff0d}1"),
            ("\u{ff20}SUM(A1)", "'\u{ff20}SUM(A1)"),
            ("\u{2212}1", "'\u{2212}1"),
            ("\u{fe66}1", "'\u{fe66}1"),
            ("\u{200b}=1", "'\u{200b}=1"),
            ("\u{feff}\u{a0}\u{2009}+1", "'\u{feff}\u{a0}\u{2009}+1"),
            (" =1", "\"' =1\""),
            ("\t=1", "'\t=1"),
            ("\tx", "'\tx"),
            ("\u{e0001}\u{fe0f}\u{202e}@x", "'\u{e0001}\u{fe0f}\u{202e}@x"),
            ("\u{3000}Übertrag", "\u{3000}Übertrag"),
        ] {
            let mut out = Vec::new();
            let style = CsvStyle { delimiter: ',', bom: false };
            csv_row(&mut out, style, entry(description, "-0.5").values()).unwrap();
            let expected = format!(
                "1,2,2026-05-30T15:32:57.000Z,assets:prepaid:smsonline,USD,-0.5,-5,,,{written},,,7,,2026-05-30,Assets:Prepaid,,0.000005\r\n"
            );
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn another_delimiter_is_quoted_where_it_stands_in_words() {
        let style = CsvStyle { delimiter: ';', bom: true };
        let mut out = Vec::new();
        csv_head(&mut out, style, &["a", "b"]).unwrap();
        csv_row(&mut out, style, [ExportValue::Free("x;y"), ExportValue::Dollars("5")].into_iter()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\u{feff}a;b\r\n\"x;y\";5.00\r\n");
    }

    #[test]
    fn the_header_names_the_fields_in_their_order() {
        let mut out = Vec::new();
        json_line(&mut out, &entry("x", "1")).unwrap();
        let text = String::from_utf8(out).unwrap();
        let names = EntryLine::COLUMNS;
        let places: Vec<_> = names.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
        assert!(places.is_sorted() && text.matches("\":").count() == names.len(), "{text}");
    }
}
