//! How rows become CSV (RFC 4180, safe to open in a spreadsheet) and JSON Lines; the headers never move.

use std::io::{self, Write};

use serde::Serialize;

use crate::ledger::{DepositLine, EntryLine};

/// The columns of `accounting_deposits`.
pub(super) const DEPOSITS: &[&str] = &[
    "id",
    "order_id",
    "reference",
    "currency",
    "network",
    "address",
    "amount_requested",
    "amount_usd",
    "amount_usd_micros",
    "amount_crypto",
    "state",
    "outcome",
    "late",
    "txid",
    "requested_at",
    "wallet_created_at",
    "expire_at",
    "settled_at",
    "reconciled",
    "amount_booked",
    "amount_booked_micros",
    "refunded_at",
    "needs_review",
    "upstream_status",
    "updated_at",
    "amount_refunded_micros",
    "memo",
];

/// The columns of `accounting_entries`.
pub(super) const ENTRIES: &[&str] = &[
    "entry_id",
    "transaction_id",
    "posted_at",
    "account",
    "commodity",
    "amount",
    "amount_usd_micros",
    "deposit_id",
    "order_id",
    "description",
    "refers_to",
    "figure",
    "evidence_id",
    "flag",
];

/// A field of a row.
enum Field<'a> {
    /// Our own figures, times and words: written as they are.
    Exact(&'a str),
    /// Dollars as somebody wrote them: with at least two decimals.
    Dollars(&'a str),
    /// A whole number.
    Whole(i64),
    /// Words of others: a spreadsheet must not take them for a formula.
    Free(&'a str),
    /// Nothing.
    Empty,
}

fn exact(text: Option<&String>) -> Field<'_> {
    text.map_or(Field::Empty, |text| Field::Exact(text))
}

fn free(text: Option<&String>) -> Field<'_> {
    text.map_or(Field::Empty, |text| Field::Free(text))
}

fn whole(number: Option<i64>) -> Field<'static> {
    number.map_or(Field::Empty, Field::Whole)
}

/// Writes the header.
pub(super) fn csv_head(out: &mut impl Write, columns: &[&str]) -> io::Result<()> {
    write!(out, "{}\r\n", columns.join(","))
}

/// Writes a deposit.
pub(super) fn csv_deposit(out: &mut impl Write, line: &DepositLine) -> io::Result<()> {
    let fields = [
        Field::Exact(&line.id),
        free(line.order_id.as_ref()),
        free(line.reference.as_ref()),
        Field::Exact(&line.currency),
        Field::Exact(&line.network),
        free(line.address.as_ref()),
        Field::Dollars(&line.amount_requested),
        line.amount_usd.as_deref().map_or(Field::Empty, Field::Dollars),
        whole(line.amount_usd_micros),
        exact(line.amount_crypto.as_ref()),
        Field::Exact(&line.state),
        exact(line.outcome.as_ref()),
        Field::Whole(i64::from(line.late)),
        free(line.txid.as_ref()),
        Field::Exact(&line.requested_at),
        exact(line.wallet_created_at.as_ref()),
        exact(line.expire_at.as_ref()),
        exact(line.settled_at.as_ref()),
        exact(line.reconciled.as_ref()),
        exact(line.amount_booked.as_ref()),
        whole(line.amount_booked_micros),
        exact(line.refunded_at.as_ref()),
        free(line.needs_review.as_ref()),
        free(line.upstream_status.as_ref()),
        Field::Exact(&line.updated_at),
        whole(line.amount_refunded_micros),
        free(line.memo.as_ref()),
    ];
    csv_row(out, &fields)
}

/// Writes a posting.
pub(super) fn csv_entry(out: &mut impl Write, line: &EntryLine) -> io::Result<()> {
    let fields = [
        Field::Whole(line.entry_id),
        Field::Whole(line.transaction_id),
        Field::Exact(&line.posted_at),
        Field::Exact(&line.account),
        Field::Exact(&line.commodity),
        Field::Exact(&line.amount),
        Field::Whole(line.amount_usd_micros),
        exact(line.deposit_id.as_ref()),
        free(line.order_id.as_ref()),
        free(line.description.as_ref()),
        whole(line.refers_to),
        exact(line.figure.as_ref()),
        whole(line.evidence_id),
        exact(line.flag.as_ref()),
    ];
    csv_row(out, &fields)
}

fn csv_row(out: &mut impl Write, fields: &[Field<'_>]) -> io::Result<()> {
    let mut comma = "";
    for field in fields {
        out.write_all(comma.as_bytes())?;
        comma = ",";
        match field {
            Field::Exact(text) => csv_text(out, "", text)?,
            Field::Dollars(text) => {
                let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                let more = [".00", "0"].get(decimals).copied().unwrap_or_default();
                write!(out, "{text}{more}")?;
            }
            Field::Free(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
                csv_text(out, "'", text)?
            }
            Field::Free(text) => csv_text(out, "", text)?,
            Field::Whole(number) => write!(out, "{number}")?,
            Field::Empty => {}
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
            csv_entry(&mut out, &entry(description, "-0.5")).unwrap();
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
        let places: Vec<_> = ENTRIES.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
        assert!(places.is_sorted() && text.matches("\":").count() == ENTRIES.len(), "{text}");
    }
}
