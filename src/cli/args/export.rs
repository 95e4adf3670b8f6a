//! The words of `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
    /// From this date or RFC 3339 time, inclusive
    #[arg(long, value_name = "D", value_parser = super::values::moment)]
    pub(in crate::cli) from: Option<Timestamp>,
    /// To this date or RFC 3339 time, exclusive
    #[arg(long, value_name = "D", value_parser = super::values::moment)]
    pub(in crate::cli) to: Option<Timestamp>,
    /// Into this file, whole or not at all; an earlier one is replaced
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}

/// The shape of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    /// RFC 4180, for spreadsheets.
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
