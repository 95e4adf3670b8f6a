//! The words of the commands about mail.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Subcommand, ValueEnum};

use super::deposits::method;
use super::values::whole;
use crate::domain::event::EventName;
use crate::domain::method::Method;
use crate::notifier::mailed_events;

/// `mail`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MailCommand {
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
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = whole(1_u32..=100_000))]
        limit: u32,
    },
    /// One mail: what became of it, and its letter
    #[command(after_help = "Examples:
  depositd mail show 17
  depositd mail show 17 --format eml > 17.eml
  depositd --json mail show 17 | jq -r .mail.last_error")]
    Show {
        /// The mail's number
        #[arg(value_parser = whole(1_i64..=i64::MAX))]
        id: i64,
        /// In which shape the letter is printed
        #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LetterFormat::Text)]
        format: LetterFormat,
    },
    /// The letter about an event, from sample data and with the configured templates; nothing is sent
    #[command(after_help = "Examples:
  depositd mail preview settled
  depositd mail preview wallet_created --format html > wallet.html
  depositd mail preview wallet_created --payer
  depositd mail preview wallet_created --method card
  depositd mail preview digest --format eml > digest.eml
  depositd --json mail preview held | jq -r .subject")]
    Preview {
        /// Which event
        #[arg(value_name = "EVENT", value_parser = event_parser())]
        event: EventName,
        /// The letter to a payer: an address that `request --notify` named
        #[arg(long)]
        payer: bool,
        /// How the deposit is paid that it is about: wallet, page or card
        #[arg(long, value_name = "METHOD", default_value = "wallet", value_parser = method)]
        method: Method,
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
        #[arg(required_unless_present = "all", value_parser = whole(1_i64..=i64::MAX))]
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
pub(in crate::cli) enum LetterFormat {
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
