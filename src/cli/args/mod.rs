//! What can be typed: every command with its words, its help and its examples.

mod books;
mod cases;
mod daemon;
mod deposits;
mod export;
mod fleet;
mod init;
mod mail;
mod suspects;
mod values;
mod webhooks;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(super) use self::books::CloseArgs;
pub(super) use self::cases::{
    AcceptArgs, BaselineCommand, CasesCommand, CorrectArgs, MatchArgs, NoteArgs, UncorrectArgs,
};
pub(super) use self::daemon::{RunArgs, SandboxArgs};
pub(super) use self::deposits::{ListArgs, RequestArgs, Wait};
pub(super) use self::export::{Edge, ExportArgs, ExportFormat, What, With};
pub(super) use self::fleet::FleetCommand;
#[cfg(feature = "fleet")]
pub(super) use self::fleet::FollowArgs;
pub(super) use self::init::InitArgs;
pub(super) use self::mail::{LetterFormat, MailCommand};
pub(super) use self::suspects::{suspect_all, suspect_values};
pub(super) use self::webhooks::WebhooksCommand;
use crate::domain::time::Timestamp;

/// Tracks the top-ups (deposits) of a prepaid SMSOnline account: from the request to the books.
#[derive(Debug, Parser)]
#[command(
    name = "depositd",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done; 1 failed; 2 wrong usage or configuration; 3 no such deposit; 4 refused by the \
upstream; 5 the daemon cannot be reached; 6 verify, reconcile, close or fleet found something wrong; 7 the awaited deposit ended \
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
    /// Set up a machine: ask what is needed, write configuration and secrets, and try them
    #[command(after_help = "Examples:
  sudo depositd init                                     (for the installed unit: /etc/depositd)
  depositd init --dir ~/depositd                         (in a folder of one's own)
  sudo depositd --config /etc/depositd/shop.toml init    (one account of several: depositd@shop)
  depositd init --dir trial --yes --user-id 12345 --api-key-file key \\
      --mail-to-files --from a@firm.example --to b@firm.example

It asks what no option says. Nothing is written before everything is answered, and no file that is there already is \
changed; the file of a secret that is there is taken as it is. Relative paths start from the configuration's folder. \
Secrets are not shown, and are no options: a list of processes would show them. Then it runs check, and says what is \
next. Exit status: that of check; 1 when something is there already, 2 when an answer is missing or wrong.")]
    Init(Box<InitArgs>),
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
  depositd request --page 25               (a payment page; --card 25: by card)
  depositd request USDT TRON 25 --wait final && echo settled
  depositd request USDT TRON 25 --wait final --timeout 2h
  depositd --json request USDT BSC 25 --key order-17 | jq -r .address

A repeated --key gives the same deposit again, never a second one.")]
    Request(RequestArgs),
    /// Deposits, newest first
    #[command(after_help = "Examples:
  depositd list
  depositd list --state awaiting_payment --state confirming
  depositd list --since 2026-05-01 --limit 500
  depositd list --reference 'invoice 17'
  depositd list --currency USDT --network TRC20 --since yesterday
  depositd list --since 2026-11-01 --until 2026-12-01
  depositd list --needs-review
  depositd --json list --state settled | jq -r '.deposits[].id'
  depositd list --all                      (of all accounts: /etc/depositd/*.toml)
  depositd list --all --config-dir ~/accounts --needs-review

With --all an account that cannot be read is named on standard error, the others are listed, and the exit status is 1.")]
    List(ListArgs),
    /// One deposit with its whole history
    #[command(after_help = "Examples:
  depositd show 0197213c-6f1e                            (our id, shortened)
  depositd show 26109ba0-b05b-4ee0-93d1-fd62c822ce95     (the upstream's order_id)
  depositd show 0x66b928a82377d75ced043e95738372e9e9607f1f  (the address)
  depositd show 'invoice 17'                             (the reference)

Names may be shortened to four characters and more, as long as one deposit alone begins so.")]
    Show {
        /// Our id, the upstream's order_id, or the address, whole or shortened; the link; the key; the reference
        id: String,
    },
    /// Live state changes, from now on
    #[command(after_help = "Examples:
  depositd watch
  depositd --json watch | jq -r 'select(.to_state == \"settled\") | .deposit_id'")]
    Watch,
    /// Clear a deposit's review flag; the note is recorded
    #[command(after_help = "Examples:
  depositd review 0197213c-6f1e --note 'asked support: the credit stands'")]
    Review {
        /// Our id, the upstream's order_id, or the address, whole or shortened; the link; the key; the reference
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
        #[arg(long, value_name = "T", value_parser = values::moment)]
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
  depositd close 2026-10 --dry-run
  depositd close 2026-10
  depositd --json close 2026-10 --yes | jq -r .hash

The month must have ended, in the books' zone. The daemon reconciles and verifies; only where both are clean, nothing is \
booked any more in that month or before it: later corrections are entries of the open month that refer back. There is no \
way back. On a terminal it says what it will do and asks. Who closed it is kept with it.
Exit status 6 when the books are not clean, 2 when the month has not ended, 1 when the reconciliation is void.")]
    Close(CloseArgs),
    /// A month of the prepaid account: opening, deposits, others' top-ups, refunds, spent, closing
    #[command(after_help = "Examples:
  depositd statement
  depositd statement --month 2026-10
  depositd --json statement --month 2026-10 | jq -r .closing_usd

The balances are those of the last good reconciliation at or before the month's ends. What no run tells is `not known`.")]
    Statement {
        /// Year and month, in the books' zone [default: the running month]
        #[arg(long, value_name = "YYYY-MM")]
        month: Option<String>,
    },
    /// Books for accounting programs
    #[command(after_help = "Examples:
  depositd export --format csv -o deposits.csv
  depositd export --format csv --what entries --month 2026-05 --delimiter ';' --bom -o may.csv
  depositd export --format hledger | hledger -f - balance
  depositd export --format hledger --month 2026-05 --no-opening -o 2026-05.journal
  depositd export --format beancount --with elsewhere,spending -o books.beancount && bean-check books.beancount

Deposits are chosen by requested_at, entries by posted_at; dates and months are those of the books' zone. The export is what \
--format says, with --json too, which is for the answer about a file (-o) and for failures; for JSON say --format jsonl.")]
    Export(ExportArgs),
    /// Prove the ledger whole: hash chain, journal balance, state against history, outbox against events
    #[command(after_help = "Examples:
  depositd verify
  depositd --json verify | jq -r .head_hash
  DEPOSITD_LEDGER__PATH=copy.db depositd verify     (a backup)

Exit status 6 when something does not fit; the first finding is what matters. Who keeps the head's hash elsewhere can \
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
    /// Restore the replica to a temporary folder, prove it whole, and hold it against the ledger
    #[command(after_help = "Examples:
  depositd drill
  depositd --json drill | jq -r '.findings[]'

The daemon does it and remembers it; where none runs, the command does it by itself. Needs Litestream and \
[ledger.replica]. Exit status 6 where the replica could not take over: it cannot be restored, is not whole, is of another \
ledger, or lacks events. By itself: ledger.replica.drill_schedule.")]
    Drill,
    /// Make the newest state in the store this machine's ledger: where the machine that had it is gone
    #[command(after_help = "Examples:
  depositd promote --note \"db1 lost its power supply, it is switched off\"
  depositd promote --from /backups/ledger-20260302T023000Z.db --note \"the replica was damaged on 3 March\"

Run it on the stand-by, with the dead machine off, and before Litestream is started here. It restores the newest \
generation from the store, proves it whole, and makes it the next generation; the old machine refuses to go on once it \
sees that. Nothing is replaced: a ledger that is there is an error. docs/replica.md has the steps.")]
    Promote {
        /// A backup to go on with, instead of the newest state in the store
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// Why
        #[arg(long)]
        note: String,
    },
    /// The outbox: what waits, what failed, send again, a test message
    #[command(subcommand)]
    Mail(MailCommand),
    /// The programs that are told: how each stands, what waits, what failed, send again, a test
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// The books of many ledgers in one PostgreSQL database
    #[command(subcommand)]
    Fleet(FleetCommand),
    /// Currencies, their networks, and other names of these
    #[command(after_help = "Examples:
  depositd assets
  depositd --json assets | jq -r '.assets[] | select(.currency == \"USDT\") | .network'")]
    Assets,
    /// Print what a shell needs to complete commands and options
    #[command(after_help = "Examples:
  depositd completions bash > /usr/share/bash-completion/completions/depositd
  depositd completions zsh > /usr/share/zsh/vendor-completions/_depositd
  depositd completions fish > /usr/share/fish/vendor_completions.d/depositd.fish")]
    Completions {
        /// Which shell
        #[arg(value_parser = ["bash", "zsh", "fish"])]
        shell: String,
    },
    /// Write the manual pages into a folder
    #[command(after_help = "Examples:
  depositd manuals /usr/local/share/man/man1
  depositd manuals /tmp/man && man -l /tmp/man/depositd-request.1")]
    Manuals {
        /// Where they go; it is made where it is missing
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Try configuration, database, upstream, mail server and daemon, and name each
    #[command(after_help = "Examples:
  depositd check
  depositd --json check | jq '.checks[] | select(.ok | not)'

Nothing is changed and no mail is sent. Exit status 1 when something failed, 2 when it is the configuration.")]
    Check,
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
