//! What can be typed: every command with its words, its help and its examples.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::run::LogFormat;
use crate::domain::deposit::State;
use crate::domain::event::EventName;
use crate::domain::time::Timestamp;
use crate::notifier::mailed_events;

/// Tracks the top-ups (deposits) of a prepaid SMSOnline account: from the request to the books.
#[derive(Debug, Parser)]
#[command(
    name = "depositd",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done; 1 failed; 2 wrong usage or configuration; 3 no such deposit; 4 refused by the \
upstream; 5 the daemon cannot be reached; 6 verify, reconcile or close found something wrong; 7 the awaited deposit ended \
otherwise than settled.\n\nEvery command has its own help with examples: depositd help request"
)]
pub(super) struct Cli {
    /// The configuration; else $DEPOSITD_CONFIG, ./daemon.toml, /etc/depositd/daemon.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// One JSON document on standard output, or one a line where it streams
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// What to do
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The daemon, in the foreground
    #[command(after_help = "Examples:
  depositd run
  depositd --config /etc/depositd/daemon.toml run --log-format json
  DEPOSITD_LOG=debug depositd run")]
    Run(RunArgs),
    /// The whole system on this machine against a simulated upstream: no account, no mail server needed
    #[command(after_help = "Examples:
  depositd sandbox
  depositd sandbox --seed 7 --deposits 100 --dir /tmp/story
  depositd sandbox --dir /tmp/story        (goes on where it was stopped or killed)
  depositd sandbox --serve                 (stays up: request deposits, pay them by hand)")]
    Sandbox(SandboxArgs),
    /// Ask the daemon for a deposit; print what a payer needs
    #[command(after_help = "Examples:
  depositd request USDT BSC 25
  depositd request btc btc 100.50 --reference 'invoice 17' --notify a@example.com
  depositd request USDT TRON 25 --wait final && echo settled
  depositd --json request USDT BSC 25 --key order-17 | jq -r .address

A repeated --key gives the same deposit again, never a second one.")]
    Request(RequestArgs),
    /// Deposits, newest first
    #[command(after_help = "Examples:
  depositd list
  depositd list --state awaiting_payment --state confirming
  depositd list --since 2026-05-01 --limit 500
  depositd list --needs-review
  depositd --json list --state settled | jq -r '.deposits[].id'")]
    List(ListArgs),
    /// One deposit with its whole history
    #[command(after_help = "Examples:
  depositd show 0197213c-6f1e-7b3a-9d53-0c8e9f0a1b2c     (our id)
  depositd show 26109ba0-b05b-4ee0-93d1-fd62c822ce95     (the upstream's order_id)
  depositd show 0x66b928a82377d75ced043e95738372e9e9607f1f  (the address)")]
    Show {
        /// Our id, the upstream's order_id, or the address
        id: String,
    },
    /// Live state changes, from now on
    #[command(after_help = "Examples:
  depositd watch
  depositd --json watch | jq -r 'select(.to_state == \"settled\") | .deposit_id'")]
    Watch,
    /// Clear a deposit's review flag; the note is recorded
    #[command(after_help = "Examples:
  depositd review 0197213c-6f1e-7b3a-9d53-0c8e9f0a1b2c --note 'asked support: the credit stands'")]
    Review {
        /// Our id, the upstream's order_id, or the address
        id: String,
        /// What was found
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
    /// Reconcile now, and print the report
    #[command(after_help = "Examples:
  depositd reconcile
  depositd --json reconcile | jq .difference_cents

Exit status 6 when a case is open or figures differ, 1 when the run could not fetch everything and is void.")]
    Reconcile,
    /// The differences, and what a person says of them
    #[command(subcommand)]
    Cases(CasesCommand),
    /// What the upstream's total held before the first run; `set` it
    #[command(after_help = "Examples:
  depositd baseline
  depositd baseline set 12345 --note 'top-ups before 2026, by the dashboard'")]
    Baseline {
        #[command(subcommand)]
        command: Option<BaselineCommand>,
    },
    /// Make a deposit of an order that this ledger does not know, as after a restore
    #[command(after_help = "Example:
  depositd claim af161c5a-936c-4294-b656-6da12b77e232 --reference 'invoice 42' --note 'made before the crash'")]
    Claim {
        /// The upstream's order
        order: String,
        /// Your own words for this deposit, at most 200 characters
        #[arg(long, value_name = "R")]
        reference: Option<String>,
        /// What a person says of it
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
    /// Say that the ledger was restored from a copy: the next run names the orders made since
    #[command(after_help = "Examples:
  depositd restored --note 'disk failure, copy of last night'
  depositd restored --since 2026-05-30T02:00:00Z --note 'copy of two days ago'")]
    Restored {
        /// When the copy ended [default: its last event]
        #[arg(long, value_name = "T", value_parser = Timestamp::parse)]
        since: Option<Timestamp>,
        /// What a person says of it
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
    /// Give the ledger to the configured account, where the account itself has a new name; with the daemon stopped
    #[command(after_help = "Example:
  depositd rebind --note 'SMSOnline merged our two logins, ticket 4711'")]
    Rebind {
        /// What a person says of it
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
    /// Close a month for good, after a clean reconciliation and proof
    #[command(after_help = "Examples:
  depositd close 2026-10
  depositd --json close 2026-10 | jq -r .hash

The month must have ended (UTC). The daemon reconciles and verifies; only where both are clean, nothing is booked any
more in that month or before it: later corrections are entries of the open month that refer back. There is no way back.
Exit status 6 when the books are not clean, 2 when the month has not ended, 1 when the reconciliation is void.")]
    Close {
        /// Year and month
        #[arg(value_name = "YYYY-MM")]
        month: String,
    },
    /// Books for accounting programs
    #[command(after_help = "Examples:
  depositd export --format csv -o deposits.csv
  depositd export --format csv --what entries --from 2026-05-01 --to 2026-06-01
  depositd export --format hledger | hledger -f - balance
  depositd export --format beancount -o books.beancount && bean-check books.beancount

Deposits are chosen by requested_at, entries by posted_at; both in UTC.")]
    Export(ExportArgs),
    /// Prove the ledger whole: hash chain, journal balance, state against history, outbox against events
    #[command(after_help = "Examples:
  depositd verify
  depositd --json verify | jq -r .head_hash
  DEPOSITD_LEDGER__PATH=copy.db depositd verify     (a backup)

Exit status 6 when something does not fit; the first finding is what matters. Who keeps the head's hash elsewhere can
tell later whether the past was changed.")]
    Verify,
    /// A consistent copy, verified; while the daemon runs or while it is stopped
    #[command(after_help = "Examples:
  depositd backup /backups/ledger-2026-05-30.db

An existing file is never overwritten.")]
    Backup {
        /// Where the copy goes
        file: PathBuf,
    },
    /// The outbox: what waits, what failed, send again, a test message
    #[command(subcommand)]
    Mail(MailCommand),
    /// Try configuration, database, upstream, mail server and daemon, and name each
    #[command(after_help = "Examples:
  depositd check
  depositd --json check | jq '.checks[] | select(.ok | not)'

Nothing is changed and no mail is sent. Exit status 1 when something failed, 2 when it is the configuration.")]
    Check,
}

/// `sandbox`
#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Where everything is kept; a sandbox that is there already goes on [default: a new temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub(super) dir: Option<PathBuf>,
    /// How many times as fast as life [default: 450; 1 with --serve]
    #[arg(long, value_name = "N")]
    pub(super) speed: Option<u32>,
    /// How many deposits play [default: 24; none with --serve]
    #[arg(long, value_name = "N")]
    pub(super) deposits: Option<u32>,
    /// What every chance is thrown from [default: random, and printed]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Stay up for a person or a program to play with
    #[arg(long)]
    pub(super) serve: bool,
    /// Only the final page
    #[arg(long)]
    pub(super) quiet: bool,
}

/// `run`
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// How the log is written; by default text, plain under journald
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
}

/// `request`
#[derive(Debug, Args)]
pub(super) struct RequestArgs {
    /// What is paid in, such as USDT
    pub(super) currency: String,
    /// The network it is paid on, such as BSC
    pub(super) network: String,
    /// US dollars, digits with at most six decimals
    #[arg(allow_hyphen_values = true)]
    pub(super) amount: String,
    /// A coupon to spend
    #[arg(long, value_name = "C")]
    pub(super) coupon: Option<String>,
    /// Your own words for this deposit, at most 200 characters
    #[arg(long, value_name = "R")]
    pub(super) reference: Option<String>,
    /// A mail address that gets this deposit's events; may be repeated
    #[arg(long, value_name = "MAIL")]
    pub(super) notify: Vec<String>,
    /// The idempotency key: the same key, the same deposit; made up when not given
    #[arg(long, value_name = "K")]
    pub(super) key: Option<String>,
    /// Until when to wait
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Wait::Created)]
    pub(super) wait: Wait,
    /// Print the QR code even where standard output is no terminal
    #[arg(long)]
    pub(super) qr: bool,
}

/// Until when `request` waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Wait {
    /// Until there is an address to pay to.
    Created,
    /// Until the deposit has reached a final state.
    Final,
}

/// `list`
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only this state; may be repeated
    #[arg(long, value_name = "S", value_parser = state_parser())]
    pub(super) state: Vec<State>,
    /// Only those asked for since this date or RFC 3339 time
    #[arg(long, value_name = "T", value_parser = Timestamp::parse)]
    pub(super) since: Option<Timestamp>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) limit: u32,
    /// Go on after an earlier page: its next_cursor
    #[arg(long, value_name = "C")]
    pub(super) cursor: Option<i64>,
    /// Only those that a person should look at
    #[arg(long)]
    pub(super) needs_review: bool,
}

fn state_parser() -> impl clap::builder::TypedValueParser<Value = State> {
    PossibleValuesParser::new(State::ALL.iter().map(|state| state.as_str()))
        .try_map(|word| State::parse(&word).ok_or("no such state"))
}

/// `cases`
#[derive(Debug, Subcommand)]
pub(super) enum CasesCommand {
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
}

/// `cases accept`
#[derive(Debug, Args)]
pub(super) struct AcceptArgs {
    /// The case's number
    pub(super) id: i64,
    /// What a row that cannot be read credits, in whole US cents
    #[arg(long, value_name = "CENTS")]
    pub(super) amount: Option<i64>,
    /// What a person says of it
    #[arg(long, value_name = "TEXT")]
    pub(super) note: String,
}

/// `cases correct`
#[derive(Debug, Args)]
pub(super) struct CorrectArgs {
    /// The case's number; or a deposit: its id, its order, or its address
    #[arg(required_unless_present = "all")]
    pub(super) id: Option<String>,
    /// Every open case of this kind whose deposit has credited rows
    #[arg(long, value_name = "KIND", conflicts_with_all = ["id", "amount"],
          value_parser = ["amount_mismatch", "status_mismatch", "invoice_missing"])]
    pub(super) all: Option<String>,
    /// US dollars in whole cents; what the rows credit unless given
    #[arg(long, value_name = "USD")]
    pub(super) amount: Option<String>,
    /// Only say what would be booked
    #[arg(long)]
    pub(super) dry_run: bool,
    /// What a person says of it
    #[arg(long, value_name = "TEXT")]
    pub(super) note: String,
}

/// `cases uncorrect`
#[derive(Debug, Args)]
pub(super) struct UncorrectArgs {
    /// The case's number; or a deposit: its id, its order, or its address
    pub(super) id: String,
    /// What a person says of it
    #[arg(long, value_name = "TEXT")]
    pub(super) note: String,
}

/// `baseline`
#[derive(Debug, Subcommand)]
pub(super) enum BaselineCommand {
    /// Set it, because a person says so; the only way in which it moves once it is taken
    #[command(after_help = "Example:
  depositd baseline set 12345 --note 'top-ups before 2026, by the dashboard'")]
    Set {
        /// In whole US cents
        #[arg(allow_negative_numbers = true)]
        cents: i64,
        /// What a person says of it
        #[arg(long, value_name = "TEXT")]
        note: String,
    },
}

/// A case and what a person says of it.
#[derive(Debug, Args)]
pub(super) struct NoteArgs {
    /// The case's number
    pub(super) id: i64,
    /// What a person says of it
    #[arg(long, value_name = "TEXT")]
    pub(super) note: String,
}

/// `mail`
#[derive(Debug, Subcommand)]
pub(super) enum MailCommand {
    /// Mails that wait or were given up, newest first
    #[command(after_help = "Examples:
  depositd mail list
  depositd mail list --state dead
  depositd mail list --state sent --limit 10
  depositd mail list --state told")]
    List {
        /// Only this state; may be repeated. `told` are those that a summary tells instead of a letter of their own
        #[arg(long, value_name = "S", value_parser = ["owed", "sent", "dead", "told"])]
        state: Vec<String>,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// One mail: what became of it, and its letter
    #[command(after_help = "Examples:
  depositd mail show 17
  depositd mail show 17 --format eml > 17.eml
  depositd --json mail show 17 | jq -r .mail.last_error")]
    Show {
        /// The mail's number
        id: i64,
        /// In which shape the letter is printed
        #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LetterFormat::Text)]
        format: LetterFormat,
    },
    /// The letter about an event, from sample data and with the configured templates; nothing is sent
    #[command(after_help = "Examples:
  depositd mail preview settled
  depositd mail preview wallet_created --format html > wallet.html
  depositd mail preview digest --format eml > digest.eml
  depositd --json mail preview held | jq -r .subject")]
    Preview {
        /// Which event
        #[arg(value_name = "EVENT", value_parser = event_parser())]
        event: EventName,
        /// In which shape the letter is printed
        #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LetterFormat::Text)]
        format: LetterFormat,
    },
    /// Send again what waits or was given up
    #[command(after_help = "Examples:
  depositd mail retry 17
  depositd mail retry --all")]
    Retry {
        /// The mail's number
        #[arg(required_unless_present = "all")]
        id: Option<i64>,
        /// All that are not sent
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Send a test message
    #[command(after_help = "Examples:
  depositd mail test
  depositd mail test --to me@example.com")]
    Test {
        /// To whom; by default to those who get the alerts
        #[arg(long, value_name = "ADDR")]
        to: Option<String>,
    },
}

/// The shape of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LetterFormat {
    /// The subject and the plain text.
    Text,
    /// The page, its pictures within it.
    Html,
    /// The whole message as it is sent.
    Eml,
}

fn event_parser() -> impl clap::builder::TypedValueParser<Value = EventName> {
    PossibleValuesParser::new(mailed_events().map(EventName::as_str))
        .try_map(|word| EventName::parse(&word).ok_or("no such event"))
}

/// `export`
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// For which program
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) format: ExportFormat,
    /// Deposits, or the journal's entries (always entries for hledger and beancount)
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) what: Option<What>,
    /// From this date or RFC 3339 time, inclusive
    #[arg(long, value_name = "D", value_parser = Timestamp::parse)]
    pub(super) from: Option<Timestamp>,
    /// To this date or RFC 3339 time, exclusive
    #[arg(long, value_name = "D", value_parser = Timestamp::parse)]
    pub(super) to: Option<Timestamp>,
    /// Into this file, whole or not at all; an earlier one is replaced
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// The shape of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
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
pub(super) enum What {
    /// One row a deposit.
    Deposits,
    /// One row a posting.
    Entries,
}

/// Reads the command line.
///
/// # Errors
/// What clap has to say: the help that was asked for, or what is wrong.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(args)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_words_fit_together_and_every_command_has_examples() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        let mut waiting: Vec<clap::Command> = command.get_subcommands().cloned().collect();
        while let Some(command) = waiting.pop() {
            if command.get_name() == "help" {
                continue;
            }
            let inner: Vec<_> = command.get_subcommands().cloned().collect();
            let has_examples =
                command.get_after_help().is_some_and(|help| help.to_string().contains("Example"));
            assert!(has_examples || !inner.is_empty(), "{} has no examples", command.get_name());
            waiting.extend(inner);
        }
    }
}
