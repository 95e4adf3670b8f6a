//! Which deposit a person means: names may be shortened, and several may begin alike.

use super::client::{ApiCall, Client, segment};
use super::exit::{CommandFailure, ExitStatus};
use super::output::Output;
use super::table::{cut, plain, short_time};
use crate::api_types::{DepositObject, DepositPage};
use crate::domain::deposit::Deposit;
use crate::ledger::{DepositFilter, Ledger};

/// So many are named where a name means several.
const TOLD: u32 = 10;
/// A shortened id has its instant whole: what is made later begins otherwise.
const LEAST: usize = 13;

/// The deposit that `name` means, from the ledger.
pub(super) async fn deposit_of(ledger: &Ledger, name: &str) -> Result<Deposit, CommandFailure> {
    let name = name.trim();
    let filter = DepositFilter { name: Some(name.to_owned()), limit: TOLD, ..DepositFilter::default() };
    let (mut found, more) = ledger.list(&filter).await?;
    match (found.len(), found.pop()) {
        (1, Some(deposit)) => Ok(deposit),
        (0, _) | (_, None) => Err(unknown(name)),
        (_, Some(last)) => {
            found.push(last);
            Err(several(name, &found.iter().map(DepositObject::from).collect::<Vec<_>>(), more.is_some()))
        }
    }
}

/// The id of the deposit that `name` means, asked of the daemon.
pub(super) async fn id_of(client: &Client, name: &str) -> Result<String, CommandFailure> {
    let name = name.trim();
    if name.is_empty() {
        return Err(unknown(name));
    }
    // Whole names the daemon takes as they are.
    if uuid::Uuid::parse_str(name).is_ok() {
        return Ok(name.to_owned());
    }
    let path = format!("/v1/deposits?limit={TOLD}&name={}", segment(name));
    let page: DepositPage = client.call(ApiCall::get(path)).await?.read()?;
    match page.deposits.as_slice() {
        [] => Err(unknown(name)),
        [deposit] => Ok(deposit.id.to_string()),
        several_of_them => Err(several(name, several_of_them, page.next_cursor.is_some())),
    }
}

fn unknown(name: &str) -> CommandFailure {
    let hint = if (1..4).contains(&name.chars().count()) {
        "; a shortened name has four characters at least"
    } else {
        ""
    };
    CommandFailure::new(ExitStatus::Unknown, format_args!("there is no deposit {:?}{hint}", cut(name, 100)))
}

fn several(name: &str, found: &[DepositObject], more: bool) -> CommandFailure {
    let mut words = format!("{:?} may be any of these; say more of it:", cut(name, 100));
    for deposit in found {
        let reference =
            deposit.reference.as_deref().map(|it| format!("  {}", plain(&cut(it, 40)))).unwrap_or_default();
        let (at, state) = (short_time(&deposit.created_at.to_string()), deposit.state);
        words.push_str(&format!("\n  {}  {at}  {state}{reference}", deposit.id));
    }
    if more {
        words.push_str("\n  and more");
    }
    CommandFailure::usage(words)
}

/// One id among other things: on a terminal its instant alone, which few others share.
pub(super) fn short_of<'a>(out: &Output, id: &'a str) -> &'a str {
    id.get(..LEAST).filter(|_| out.columns.is_some()).unwrap_or(id)
}

/// The ids as a table shows them: on a terminal as short as each is told from all others by, else whole.
pub(super) async fn shown_ids(
    out: &Output,
    ledger: &Ledger,
    ids: Vec<String>,
) -> Result<Vec<String>, CommandFailure> {
    if out.columns.is_none() {
        return Ok(ids);
    }
    let lengths = ledger.telling_lengths(&ids).await?;
    let short = |(id, length): (String, usize)| id.get(..length.max(LEAST)).map_or(id.clone(), str::to_owned);
    Ok(ids.into_iter().zip(lengths).map(short).collect())
}
