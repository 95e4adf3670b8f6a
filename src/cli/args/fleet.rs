//! The words of the commands about the books of many ledgers.

use clap::{Args, Subcommand};

use crate::cli::log::LogFormat;

/// `fleet`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum FleetCommand {
    /// Write what is new in each ledger into PostgreSQL, until it is stopped
    #[command(after_help = "Examples:
  depositd fleet follow
  depositd --config /etc/depositd/fleet.toml fleet follow --once
  depositd --json fleet follow --once | jq -r '.ledgers[] | select(.refused) | .name'

It needs fleet.database_url_file and [[fleet.ledgers]]. Each event is proven before it is written. A ledger whose chain does \
not continue is refused in words, and the others go on. SIGTERM and SIGINT end it.
Exit status with --once: 6 when a ledger is refused, 1 when the database cannot be used.")]
    Follow(FollowArgs),
    /// How each ledger stands: in its file, in the database, and why it is refused
    #[command(after_help = "Examples:
  depositd fleet status
  depositd --json fleet status | jq '.ledgers[] | {name, behind}'

Exit status 6 when a ledger is refused.")]
    Status,
}

/// `fleet follow`
#[derive(Debug, Args)]
pub(in crate::cli) struct FollowArgs {
    /// Follow each ledger to its end once, and stop
    #[arg(long)]
    pub(in crate::cli) once: bool,
    /// How the log is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) log_format: LogFormat,
}
