//! The words of the commands about the books: `cases` and `baseline`.

use clap::{Args, Subcommand};

use super::values::whole;

/// `cases`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CasesCommand {
    /// Open cases, newest first
    #[command(after_help = "Examples:
  depositd cases list
  depositd cases list --all")]
    List {
        /// Closed ones too
        #[arg(long)]
        all: bool,
    },
    /// One case
    #[command(after_help = "Example:
  depositd cases show 3")]
    Show {
        /// The case's number
        #[arg(value_parser = whole(1_i64..=i64::MAX))]
        id: i64,
    },
    /// Say why it is so; the case stays open and is mailed about again only where a drift has changed
    #[command(after_help = "Example:
  depositd cases explain 3 --note 'the coupon of May, asked support'")]
    Explain(NoteArgs),
    /// Close it; it is opened again only when its figures change. A difference that is closed is accepted
    #[command(after_help = "Example:
  depositd cases close 3 --note 'credited by hand on 2026-05-30, ticket 4711'")]
    Close(NoteArgs),
    /// Accept it as it is: a drift is explained by it, a deposit's rows count what the journal holds
    #[command(after_help = "Examples:
  depositd cases accept 3 --note 'a goodwill credit, ticket 4711'
  depositd cases accept 5 --amount 4850 --note 'the dashboard shows 48.50'     (a row that cannot be read, in cents)

The case is closed, and the acceptance stands until it is taken back: depositd cases unaccept 3.")]
    Accept(AcceptArgs),
    /// Take back what was accepted of it
    #[command(after_help = "Example:
  depositd cases unaccept 3 --note 'support has corrected the total'")]
    Unaccept(NoteArgs),
    /// Book, of a case's deposit, what its rows credit, or the amount that is given; by a new entry
    #[command(after_help = "Examples:
  depositd cases correct 3 --dry-run --note 'what would be booked?'
  depositd cases correct 3 --note 'support confirms 49.00'
  depositd cases correct 019c0a3e-7b1d-7c3a-9f3e-2d1c4b5a6978 --amount 6.00 --note 'short, credited in part'
  depositd cases correct --all amount_mismatch --note 'the fee of May, ticket 4711'

A deposit may be named instead of a case, in any state. It can be taken back: depositd cases uncorrect 3.")]
    Correct(CorrectArgs),
    /// Take back a correction: the upstream's own figure counts again
    #[command(after_help = "Example:
  depositd cases uncorrect 3 --note 'support was wrong'")]
    Uncorrect(UncorrectArgs),
    /// Say which row of the invoice list is a payment page's or a card payment's: its number is in `show` and `accounting_elsewhere`
    #[command(after_help = "Example:
  depositd cases match 17 0190f1c2 --note 'the payer sent the receipt'")]
    Match(MatchArgs),
    /// Take back which row is the deposit's: what the row credited is not the deposit's any more
    #[command(after_help = "Example:
  depositd cases unmatch 0190f1c2 --note 'it was another customer'")]
    Unmatch(UncorrectArgs),
}

/// `cases accept`
#[derive(Debug, Args)]
pub(in crate::cli) struct AcceptArgs {
    /// The case's number
    #[arg(value_parser = whole(1_i64..=i64::MAX))]
    pub(in crate::cli) id: i64,
    /// What a row that cannot be read credits, in whole US cents
    #[arg(long, value_name = "CENTS", value_parser = whole(0_i64..=i64::MAX))]
    pub(in crate::cli) amount: Option<i64>,
    /// What a person says of it
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: String,
}

/// `cases correct`
#[derive(Debug, Args)]
pub(in crate::cli) struct CorrectArgs {
    /// The case's number; or a deposit: its id, its order, or its address, whole or shortened
    #[arg(required_unless_present = "all")]
    pub(in crate::cli) id: Option<String>,
    /// Every open case of this kind whose deposit has credited rows
    #[arg(long, value_name = "KIND", conflicts_with_all = ["id", "amount"],
          value_parser = ["amount_mismatch", "status_mismatch", "invoice_missing"])]
    pub(in crate::cli) all: Option<String>,
    /// US dollars in whole cents; what the rows credit unless given
    #[arg(long, value_name = "USD")]
    pub(in crate::cli) amount: Option<String>,
    /// Only say what would be booked
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// What a person says of it
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: String,
}

/// `cases uncorrect`
#[derive(Debug, Args)]
pub(in crate::cli) struct UncorrectArgs {
    /// The case's number; or a deposit: its id, its order, or its address, whole or shortened
    pub(in crate::cli) id: String,
    /// What a person says of it
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: String,
}

/// `cases match`
#[derive(Debug, Args)]
pub(in crate::cli) struct MatchArgs {
    /// The row's number
    #[arg(value_parser = whole(1_i64..=i64::MAX))]
    pub(in crate::cli) row: i64,
    /// The deposit: its id, whole or shortened
    pub(in crate::cli) id: String,
    /// What a person says of it
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: String,
}

/// `baseline`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BaselineCommand {
    /// Set it, because a person says so; the only way in which it moves once it is taken
    #[command(after_help = "Example:
  depositd baseline set 12345 --note 'top-ups before 2026, by the dashboard'")]
    Set {
        /// In whole US cents
        #[arg(allow_negative_numbers = true, value_parser = whole(i64::MIN..=i64::MAX))]
        cents: i64,
        /// What a person says of it
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
}

/// A case and what a person says of it.
#[derive(Debug, Args)]
pub(in crate::cli) struct NoteArgs {
    /// The case's number
    #[arg(value_parser = whole(1_i64..=i64::MAX))]
    pub(in crate::cli) id: i64,
    /// What a person says of it
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: String,
}
