//! The words of the commands that keep the books.

use clap::Args;

/// `close`
#[derive(Debug, Args)]
pub(in crate::cli) struct CloseArgs {
    /// Year and month
    #[arg(value_name = "YYYY-MM")]
    pub(in crate::cli) month: String,
    /// Only say what it would do, after the same reconciliation and proof
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    pub(in crate::cli) yes: bool,
}
