//! The words of the commands about deposits: `request` and `list`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};

use super::values::{moment, whole};
use crate::domain::asset::{Currency, Network};
use crate::domain::deposit::State;
use crate::domain::method::Method;
use crate::domain::time::Timestamp;

/// `request`
#[derive(Debug, Args)]
#[command(override_usage = "depositd request [OPTIONS] CURRENCY NETWORK AMOUNT
       depositd request [OPTIONS] --page AMOUNT
       depositd request [OPTIONS] --card AMOUNT")]
pub(in crate::cli) struct RequestArgs {
    /// What is paid in, such as USDT
    #[arg(required_unless_present_any = ["page", "card"])]
    pub(in crate::cli) currency: Option<String>,
    /// The network it is paid on, such as BSC
    #[arg(required_unless_present_any = ["page", "card"])]
    pub(in crate::cli) network: Option<String>,
    /// US dollars, digits with at most six decimals
    #[arg(allow_hyphen_values = true, required_unless_present_any = ["page", "card"])]
    pub(in crate::cli) amount: Option<String>,
    /// In place of all three: a payment page of the processor, for so many whole US dollars
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true, conflicts_with_all = ["currency", "network", "amount", "card"])]
    pub(in crate::cli) page: Option<String>,
    /// In place of all three: a card payment, for so many whole US dollars
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true, conflicts_with_all = ["currency", "network", "amount", "page", "coupon"])]
    pub(in crate::cli) card: Option<String>,
    /// A coupon to spend
    #[arg(long, value_name = "C")]
    pub(in crate::cli) coupon: Option<String>,
    /// Your own words for this deposit, at most 200 characters
    #[arg(long, value_name = "R")]
    pub(in crate::cli) reference: Option<String>,
    /// The payer's mail address, which is told where to pay and what became of it; may be repeated
    #[arg(long, value_name = "MAIL")]
    pub(in crate::cli) notify: Vec<String>,
    /// The idempotency key: the same key, the same deposit; made up when not given
    #[arg(long, value_name = "K")]
    pub(in crate::cli) key: Option<String>,
    /// Until when to wait
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Wait::Created)]
    pub(in crate::cli) wait: Wait,
    /// How long to wait at most, such as 30s or 2h; the deposit goes on all the same
    #[arg(long, value_name = "SPAN", value_parser = super::values::span)]
    pub(in crate::cli) timeout: Option<Duration>,
    /// Print the QR code even where standard output is no terminal
    #[arg(long)]
    pub(in crate::cli) qr: bool,
}

/// Until when `request` waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Wait {
    /// Until there is an address or a link to pay to.
    Created,
    /// Until the deposit has reached a final state.
    Final,
}

/// `list`
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// Those of all accounts of this machine: one configuration NAME.toml each, in one folder
    #[arg(long, conflicts_with = "cursor")]
    pub(in crate::cli) all: bool,
    /// The folder of the configurations for --all; else $DEPOSITD_CONFIG_DIR, /etc/depositd
    #[arg(long, value_name = "FOLDER", requires = "all")]
    pub(in crate::cli) config_dir: Option<PathBuf>,
    /// Only this state; may be repeated
    #[arg(long, value_name = "S", value_parser = state_parser())]
    pub(in crate::cli) state: Vec<State>,
    /// Only those with this reference, to the letter
    #[arg(long, value_name = "R")]
    pub(in crate::cli) reference: Option<String>,
    /// Only the one of this idempotency key
    #[arg(long, value_name = "K")]
    pub(in crate::cli) key: Option<String>,
    /// Only those paid in this currency
    #[arg(long, value_name = "CURRENCY", value_parser = currency)]
    pub(in crate::cli) currency: Option<Currency>,
    /// Only those paid over this network
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    pub(in crate::cli) network: Option<Network>,
    /// Only those paid in this way
    #[arg(long, value_name = "METHOD", value_parser = method)]
    pub(in crate::cli) method: Option<Method>,
    /// Only those asked for since then: a date, a time, today, yesterday, 7d, 12h
    #[arg(long, value_name = "T", value_parser = moment)]
    pub(in crate::cli) since: Option<Timestamp>,
    /// Only those asked for before then
    #[arg(long, value_name = "T", value_parser = moment)]
    pub(in crate::cli) until: Option<Timestamp>,
    /// Only those that something has changed since then
    #[arg(long, value_name = "T", value_parser = moment)]
    pub(in crate::cli) updated_since: Option<Timestamp>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = whole(1_u32..=100_000))]
    pub(in crate::cli) limit: u32,
    /// Go on after an earlier page: its next_cursor
    #[arg(long, value_name = "C", value_parser = whole(1_i64..=i64::MAX))]
    pub(in crate::cli) cursor: Option<i64>,
    /// Only those that a person should look at
    #[arg(long)]
    pub(in crate::cli) needs_review: bool,
}

fn currency(word: &str) -> Result<Currency, String> {
    Currency::parse(word.trim()).ok_or_else(|| one_of(Currency::ALL.iter().map(|currency| currency.as_str())))
}

fn network(word: &str) -> Result<Network, String> {
    Network::parse(word.trim()).ok_or_else(|| one_of(Network::ALL.iter().map(|network| network.as_str())))
}

pub(super) fn method(word: &str) -> Result<Method, String> {
    Method::parse(word.trim()).ok_or_else(|| one_of(Method::ALL.iter().map(|method| method.as_str())))
}

fn one_of(known: impl Iterator<Item = &'static str>) -> String {
    format!("it is none of {}", known.collect::<Vec<_>>().join(", "))
}

fn state_parser() -> impl clap::builder::TypedValueParser<Value = State> {
    PossibleValuesParser::new(State::ALL.iter().map(|state| state.as_str()))
        .try_map(|word| State::parse(&word).ok_or("no such state"))
}
