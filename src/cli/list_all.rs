//! `list --all`: the deposits of all accounts on this machine in one table, newest first. What cannot be read of one account
//! is said, and holds up no other.

use std::collections::BTreeMap;
use std::fs::canonicalize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::accounts::{ConfiguredAccount, accounts_in, folder_of_accounts};
use super::args::ListArgs;
use super::context::{Context, missing_log, open};
use super::exit::{CommandFailure, CommandResult, ExitStatus};
use super::list::{cells, filter_of};
use super::names::shown_ids;
use super::output::{Output, say};
use super::table::{Cell, Table, plain};
use crate::api_types::DepositObject;
use crate::config::Config;
use crate::ledger::DepositFilter;

/// A deposit and whose it is.
#[derive(Serialize)]
struct AccountRow {
    account: String,
    #[serde(flatten)]
    deposit: DepositObject,
    /// The id as a table shows it.
    #[serde(skip)]
    id: String,
}

/// An account that could not be read.
#[derive(Serialize)]
struct Unread {
    account: String,
    detail: String,
}

/// The answer of `--json`.
#[derive(Default, Serialize)]
struct Listing {
    /// Newest first.
    deposits: Vec<AccountRow>,
    /// There are more than were asked for.
    more: bool,
    /// Those that were read.
    accounts: Vec<String>,
    unread: Vec<Unread>,
}

/// How often, and how far apart, a ledger is read anew whose daemon is just starting or stopping.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Lists deposits from the ledgers of all accounts.
pub(super) async fn list_all(context: &mut Context, mut args: ListArgs) -> CommandResult {
    if context.named().is_some() {
        return Err(CommandFailure::usage(
            "expected either --config, which names one account, or --all; both are given",
        ));
    }
    let folder = folder_of_accounts(args.config_dir.take());
    let accounts = accounts_in(&folder)?;
    let filter = filter_of(args);
    let mut listing = Listing::default();
    let mut ledgers = BTreeMap::new();
    for account in accounts {
        match rows_of(context, &account, &mut ledgers, &filter).await {
            Ok(Some((rows, more))) => {
                listing.add(rows, filter.limit);
                listing.more |= more;
                listing.accounts.push(account.name);
            }
            Ok(None) => {}
            Err(failure) => {
                listing.unread.push(Unread { account: account.name, detail: failure.words() });
            }
        }
    }
    if context.out.json {
        context.out.document(&serde_json::json!(listing))?;
    } else {
        show(&mut context.out, &listing, &folder);
    }
    listing.outcome()
}

/// The newest deposits of one account, and whether it has more; `None` where its ledger is another account's, too, and
/// where it is no account but the follower of all of them.
async fn rows_of(
    context: &Context,
    account: &ConfiguredAccount,
    ledgers: &mut BTreeMap<PathBuf, String>,
    filter: &DepositFilter,
) -> Result<Option<(Vec<AccountRow>, bool)>, CommandFailure> {
    let config = account.config()?;
    if config.is_of_fleet_alone {
        return Ok(None);
    }
    let name = plain(&account.name);
    let place = canonicalize(&config.ledger.path).unwrap_or_else(|_| config.ledger.path.clone());
    if let Some(other) = ledgers.get(&place) {
        let (place, other) = (place.display(), plain(other));
        say(format_args!(
            "depositd: warning: {name}: its ledger {place} is that of {other} too, and is listed once"
        ));
        return Ok(None);
    }
    ledgers.insert(place, account.name.clone());
    if let Some(warning) = missing_log(&config) {
        say(format_args!("depositd: warning: {name}: {warning}"));
    }
    let mut tries = 0_u32;
    loop {
        match page_of(&context.out, account, &config, filter).await {
            Err(failure) if failure.is_passing() && tries < TRIES => {
                tries = tries.saturating_add(1);
                context.clock.sleep(PAUSE).await;
            }
            page => return page.map(Some),
        }
    }
}

async fn page_of(
    out: &Output,
    account: &ConfiguredAccount,
    config: &Config,
    filter: &DepositFilter,
) -> Result<(Vec<AccountRow>, bool), CommandFailure> {
    let ledger = open(config).await?;
    let (deposits, cursor) = ledger.list(filter).await?;
    let ids = deposits.iter().map(|deposit| deposit.id.to_string()).collect();
    let ids = shown_ids(out, &ledger, ids).await?;
    ledger.close().await?;
    let row = |(deposit, id)| AccountRow {
        account: account.name.clone(),
        deposit: DepositObject::from(deposit),
        id,
    };
    Ok((deposits.iter().zip(ids).map(row).collect(), cursor.is_some()))
}

impl Listing {
    /// Takes in the rows of one more account. Those of each stay in the order that its own list has.
    fn add(&mut self, rows: Vec<AccountRow>, limit: u32) {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut before = std::mem::take(&mut self.deposits).into_iter().peekable();
        let mut rows = rows.into_iter().peekable();
        loop {
            let takes_before = match (before.peek(), rows.peek()) {
                (Some(one), Some(other)) => one.deposit.created_at >= other.deposit.created_at,
                (one, _) => one.is_some(),
            };
            let Some(row) = (if takes_before { before.next() } else { rows.next() }) else { return };
            if self.deposits.len() >= limit {
                self.more = true;
                return;
            }
            self.deposits.push(row);
        }
    }

    /// Done, unless an account could not be read.
    fn outcome(&self) -> CommandResult {
        let (unread, read) = (self.unread.len(), self.accounts.len());
        if unread == 0 {
            return Ok(ExitStatus::Done);
        }
        let all = unread.saturating_add(read);
        let words = format!("{unread} of {all} accounts could not be read");
        Err(CommandFailure::new(ExitStatus::Failed, words))
    }
}

fn show(out: &mut Output, listing: &Listing, folder: &Path) {
    if listing.deposits.is_empty() {
        say("no deposits");
    } else {
        print(out, &listing.deposits);
    }
    out.flush();
    if out.terminal && listing.deposits.iter().any(|row| row.deposit.needs_review.is_some()) {
        let folder = folder.display();
        say(format_args!("! a person should look at it: depositd --config {folder}/ACCOUNT.toml show ID"));
    }
    if listing.more {
        say("there are more: --limit N");
    }
    for unread in &listing.unread {
        say(format_args!("depositd: {}: {}", plain(&unread.account), plain(&unread.detail)));
    }
}

fn print(out: &mut Output, rows: &[AccountRow]) {
    let heads = [
        "account",
        "requested (UTC)",
        "id",
        "state",
        ">asked USD",
        "?>to pay",
        "?",
        "?paid by",
        "?~reference",
        "!",
    ];
    let mut table = Table::new(&heads);
    for row in rows {
        let of_deposit = cells(out, &row.deposit, &row.id);
        table.row(std::iter::once(Cell::from(&row.account)).chain(of_deposit));
    }
    table.print(out, "");
}
