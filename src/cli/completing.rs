//! What a shell is told that completes a command line: commands and options, and of the values those that are known:
//! currencies, the networks of one, deposits and cases that are open.
//!
//! The scripts of `completions` ask the program itself, by an environment variable. Whatever goes wrong here, the shell is
//! told nothing, and a person sees no error in the midst of a line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory as _};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::args::Cli;
use super::context::{self, Context};
use crate::domain::asset::{Asset, Currency};
use crate::domain::deposit::{Deposit, State};
use crate::ledger::{Case, DepositFilter, Ledger};

/// Set by the scripts of `completions`, to the name of the shell.
pub(super) const VARIABLE: &str = "_DEPOSITD_COMPLETE";
/// So many deposits or cases are offered at most.
const MOST: u32 = 200;
/// A ledger that does not answer within this time offers nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Answers a shell; false where it is not a shell that asks.
pub(super) fn answered(args: &[OsString]) -> bool {
    if std::env::var_os(VARIABLE).is_none_or(|shell| shell.is_empty()) {
        return false;
    }
    let here = std::env::current_dir().ok();
    // What it cannot tell (an unknown shell) it does not tell: nobody reads an error here.
    let _ = CompleteEnv::with_factory(|| completed(Cli::command()))
        .var(VARIABLE)
        .bin("depositd")
        .completer("depositd")
        .try_complete(args.iter().cloned(), here.as_deref());
    true
}

/// `command` with what is known of the values of its arguments.
fn completed(command: Command) -> Command {
    let name = command.get_name().to_owned();
    command.mut_args(|arg| known_values(&name, arg)).mut_subcommands(completed)
}

fn known_values(command: &str, arg: Arg) -> Arg {
    match (arg.get_id().as_str(), command) {
        ("currency", _) => arg.add(ArgValueCompleter::new(currencies)),
        ("network", _) => arg.add(ArgValueCompleter::new(networks)),
        ("id", "show" | "review" | "match" | "unmatch") => arg.add(ArgValueCompleter::new(deposits)),
        ("id", "correct" | "uncorrect") => arg.add(ArgValueCompleter::new(|typed: &OsStr| {
            cases(typed).into_iter().chain(deposits(typed)).collect()
        })),
        ("id", "explain" | "close" | "accept" | "unaccept") => arg.add(ArgValueCompleter::new(cases)),
        _ => arg,
    }
}

fn currencies(typed: &OsStr) -> Vec<CompletionCandidate> {
    let all = Currency::ALL.iter().map(|currency| currency.as_str());
    all.filter(|name| begins(name, typed)).map(CompletionCandidate::new).collect()
}

/// The networks of the currency that stands on the line; all where none does.
fn networks(typed: &OsStr) -> Vec<CompletionCandidate> {
    let line = line();
    let currency = line.iter().rev().skip(1).find_map(|word| Currency::parse(&word.to_string_lossy()));
    let mut names: Vec<&str> = Asset::all()
        .filter(|asset| currency.is_none_or(|currency| asset.currency == currency))
        .map(|asset| asset.network.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter(|name| begins(name, typed)).map(CompletionCandidate::new).collect()
}

/// Deposits that are not final, newest first.
fn deposits(typed: &OsStr) -> Vec<CompletionCandidate> {
    let states = State::ALL.iter().copied().filter(|state| !state.is_final()).collect();
    let open = DepositFilter { states, limit: MOST, ..DepositFilter::default() };
    let found = from_ledger(async |ledger| ledger.list(&open).await.ok().map(|(deposits, _)| deposits));
    let found = found.into_iter().flatten().filter(|deposit| begins(&deposit.id.to_string(), typed));
    found
        .map(|deposit| CompletionCandidate::new(deposit.id.to_string()).help(Some(about(&deposit))))
        .collect()
}

fn about(deposit: &Deposit) -> StyledStr {
    let request = &deposit.request;
    let words = [
        deposit.facts.state.to_string(),
        format!("{} USD in {}", request.amount, request.paid_by),
        request.reference.clone().unwrap_or_default(),
    ];
    // Words of others: nothing of them may steer a terminal.
    super::table::plain(words.join("  ").trim_end()).to_string().into()
}

/// Open cases, newest first.
fn cases(typed: &OsStr) -> Vec<CompletionCandidate> {
    let found = from_ledger(async |ledger| ledger.cases(false).await.ok());
    let found = found.into_iter().flatten().filter(|case: &Case| begins(&case.id.to_string(), typed));
    let about = |case: &Case| StyledStr::from(case.kind.to_string());
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    found
        .take(most)
        .map(|case| CompletionCandidate::new(case.id.to_string()).help(Some(about(&case))))
        .collect()
}

/// What `read` finds in the configured ledger; the configuration is the one that stands on the line.
fn from_ledger<T>(read: impl AsyncFnOnce(Ledger) -> Option<T>) -> Option<T> {
    let config = Context::new(named_configuration(), false).config().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let found = runtime.block_on(async {
        let reading = async { read(context::open(&config).await.ok()?).await };
        tokio::time::timeout(PATIENCE, reading).await.ok().flatten()
    });
    runtime.shutdown_background();
    found
}

/// The file that `--config` names on the line.
fn named_configuration() -> Option<PathBuf> {
    let line = line();
    let mut words = line.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        if word == "--config" {
            return words.next().map(|file| file.into_owned().into());
        }
        if let Some(file) = word.strip_prefix("--config=") {
            return Some(file.into());
        }
    }
    None
}

/// The words of the line that is being completed: the shell's script passes them after `--`.
fn line() -> Vec<OsString> {
    std::env::args_os().skip_while(|arg| arg != "--").skip(1).collect()
}

fn begins(name: &str, typed: &OsStr) -> bool {
    let typed = typed.to_string_lossy();
    name.get(..typed.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(&typed))
}
