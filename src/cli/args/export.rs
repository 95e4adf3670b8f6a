//! The words of `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::domain::period::{InvalidMonth, Month};
use crate::domain::time::Timestamp;

/// `export`
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// For which program
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(in crate::cli) format: ExportFormat,
    /// Deposits, or the journal's entries (always entries for hledger and beancount)
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(in crate::cli) what: Option<What>,
    /// From this date (in the books' zone) or RFC 3339 time, inclusive
    #[arg(long, value_name = "D", value_parser = edge)]
    pub(in crate::cli) from: Option<Edge>,
    /// To this date (in the books' zone) or RFC 3339 time, exclusive
    #[arg(long, value_name = "D", value_parser = edge)]
    pub(in crate::cli) to: Option<Edge>,
    /// This month of the books' zone
    #[arg(long, value_name = "YYYY-MM", value_parser = month, conflicts_with_all = ["from", "to"])]
    pub(in crate::cli) month: Option<Month>,
    /// What else a journal books, so that the prepaid account equals the upstream's balance
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    pub(in crate::cli) with: Vec<With>,
    /// A journal without opening balances and assertions: the files of several months can be read together
    #[arg(long)]
    pub(in crate::cli) no_opening: bool,
    /// What stands between the fields of csv: `,` `;` `|` or `tab`
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub(in crate::cli) delimiter: Option<char>,
    /// A byte order mark before csv, for spreadsheets that want one
    #[arg(long)]
    pub(in crate::cli) bom: bool,
    /// Into this file, whole or not at all; an earlier one is replaced
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}

/// Where a period begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Edge {
    /// With a day of the books' zone.
    Day(String),
    /// At an instant.
    Instant(Timestamp),
}

/// A bare date is a day of the books' zone; everything else is an instant.
fn edge(text: &str) -> Result<Edge, String> {
    let at = super::values::moment(text)?;
    let is_date = text.len() == 10 && Timestamp::parse(text).is_ok();
    Ok(if is_date { Edge::Day(text.to_owned()) } else { Edge::Instant(at) })
}

fn month(text: &str) -> Result<Month, InvalidMonth> {
    Month::parse(text)
}

fn delimiter(text: &str) -> Result<char, String> {
    match text {
        "," => Ok(','),
        ";" => Ok(';'),
        "|" => Ok('|'),
        "tab" | "\t" => Ok('\t'),
        _ => Err("expected one of , ; | and tab".to_owned()),
    }
}

/// The shape of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    /// For spreadsheets: RFC 4180.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// A journal for hledger, and for ledger.
    Hledger,
    /// A journal for beancount.
    Beancount,
}

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum What {
    /// One row a deposit.
    Deposits,
    /// One row a posting.
    Entries,
}

/// What a journal books beside the deposits of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum With {
    /// Top-ups by others, and what the account held before.
    Elsewhere,
    /// What was spent.
    Spending,
}
