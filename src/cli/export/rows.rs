//! How rows become CSV (RFC 4180, safe to open in a spreadsheet) and JSON Lines; the headers never move.

use std::io::{self, Write};

use serde::Serialize;

use crate::ledger::ExportValue;

/// Writes the header.
pub(super) fn csv_head(out: &mut impl Write, columns: &[&str]) -> io::Result<()> {
    write!(out, "{}\r\n", columns.join(","))
}

/// Writes a row.
pub(super) fn csv_row<'a>(
    out: &mut impl Write,
    values: impl Iterator<Item = ExportValue<'a>>,
) -> io::Result<()> {
    let mut comma = "";
    for value in values {
        out.write_all(comma.as_bytes())?;
        comma = ",";
        match value {
            ExportValue::Exact(text) => csv_text(out, "", text)?,
            ExportValue::Dollars(text) => {
                let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                let more = [".00", "0"].get(decimals).copied().unwrap_or_default();
                write!(out, "{text}{more}")?;
            }
            ExportValue::Free(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
                csv_text(out, "'", text)?
            }
            ExportValue::Free(text) => csv_text(out, "", text)?,
            ExportValue::Whole(number) => write!(out, "{number}")?,
            ExportValue::Empty => {}
        }
    }
    out.write_all(b"\r\n")
}

fn csv_text(out: &mut impl Write, before: &str, text: &str) -> io::Result<()> {
    if text.contains([',', '"', '\r', '\n']) || text.starts_with(' ') || text.ends_with(' ') {
        write!(out, "\"{before}{}\"", text.replace('"', "\"\""))
    } else {
        write!(out, "{before}{text}")
    }
}

/// Writes one object on a line.
pub(super) fn json(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
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
        ] {
            let mut out = Vec::new();
            csv_row(&mut out, entry(description, "-0.5").values()).unwrap();
            let expected = format!(
                "1,2,2026-05-30T15:32:57.000Z,assets:prepaid:smsonline,USD,-0.5,-5,,,{written},,,7,\r\n"
            );
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn the_header_names_the_fields_in_their_order() {
        let mut out = Vec::new();
        json(&mut out, &entry("x", "1")).unwrap();
        let text = String::from_utf8(out).unwrap();
        let names = EntryLine::COLUMNS;
        let places: Vec<_> = names.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
        assert!(places.is_sorted() && text.matches("\":").count() == names.len(), "{text}");
    }
}
