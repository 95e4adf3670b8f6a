//! How deposits change: sets, one statement for the whole batch. New ones are in `ledger/request_row.rs`.

use serde::Serialize;
use sqlx::SqliteConnection;

use crate::domain::deposit::{Booked, Deposit, Outcome};
use crate::domain::event::EventName;
use crate::domain::link;
use crate::domain::method::Method;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::time::Timestamp;
use crate::ledger::batch::{DepositWrite, RowWrite};
use crate::ledger::error::{Error, Result};
use crate::ledger::sql::json;

/// Compare-and-set: only rows that still have the version that the step was made against.
pub(in crate::ledger) async fn update_deposits<'a>(
    connection: &mut SqliteConnection,
    writes: &[&'a DepositWrite],
) -> Result<Vec<RowWrite<'a>>> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let current = current(connection, writes).await?;
    give_wallets(connection, &current).await?;
    name_links(connection, &current).await?;
    show_addresses(connection, &current).await?;
    let rows = current.iter().map(facts_row).collect::<Result<Vec<_>>>()?;
    let rows = json(&rows)?;
    let updated = sqlx::query!(
        r#"UPDATE deposit SET
               version = j.value ->> 2, state = j.value ->> 3, facts = j.value ->> 4, updated_at = j.value ->> 5,
               amount_usd = j.value ->> 6, amount_usd_micros = j.value ->> 7, amount_crypto = j.value ->> 8,
               expire_at = j.value ->> 9, upstream_status = j.value ->> 10, txid = j.value ->> 11,
               outcome = j.value ->> 12, late = j.value ->> 13, settled_at = j.value ->> 14,
               refunded_at = j.value ->> 15, amount_booked_micros = j.value ->> 16, needs_review = j.value ->> 17,
               memo = j.value ->> 18
           FROM json_each(?) AS j
           WHERE deposit.row_id = j.value ->> 0 AND deposit.version = j.value ->> 1"#,
        rows
    )
    .execute(connection)
    .await
    .map_err(Error::database("written"))?;
    if usize::try_from(updated.rows_affected()).ok() == Some(current.len()) {
        return Ok(current);
    }
    Err(Error::Untrusted("deposits changed within the transaction that was to change them".to_owned()))
}

/// Those of `writes` whose deposit still has the version that the step was made against. One answer for all of them,
/// before the update: a row returned for each would cost more than the update.
async fn current<'a>(
    connection: &mut SqliteConnection,
    writes: &[&'a DepositWrite],
) -> Result<Vec<RowWrite<'a>>> {
    let expected = writes.iter().map(|write| (write.step.deposit.id, write.step.expected_version));
    let expected = json(&expected.collect::<Vec<_>>())?;
    let found = sqlx::query_scalar!(
        r#"SELECT json_group_array(json_array(j.key, d.row_id)) AS "found!: String"
           FROM json_each(?) AS j CROSS JOIN deposit d ON d.id = j.value ->> 0 AND d.version = j.value ->> 1"#,
        expected
    )
    .fetch_one(connection)
    .await?;
    let found: Vec<(usize, i64)> =
        serde_json::from_str(&found).map_err(|error| Error::Unreadable(error.to_string()))?;
    Ok(found
        .into_iter()
        .filter_map(|(at, row_id)| Some(RowWrite { row_id, deposit_write: writes.get(at).copied()? }))
        .collect())
}

/// The columns of a wallet never change once they are written, and each has an index: they are written once only.
async fn give_wallets(connection: &mut SqliteConnection, writes: &[RowWrite<'_>]) -> Result<()> {
    let new = |placed: &&RowWrite<'_>| {
        placed.deposit_write.step.events.iter().any(|event| event.name == EventName::WalletCreated)
    };
    let rows: Vec<_> = writes.iter().filter(new).filter_map(wallet_row).collect();
    keep_link_names(connection, writes.iter().filter(new)).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json(&rows)?;
    sqlx::query!(
        r#"UPDATE deposit SET order_id = j.value ->> 1, address = j.value ->> 2, link_id = j.value ->> 3,
               wallet_created_at = j.value ->> 4
           FROM json_each(?) AS j
           WHERE deposit.row_id = j.value ->> 0"#,
        rows
    )
    .execute(connection)
    .await
    .map_err(Error::database("written"))?;
    Ok(())
}

/// What a card's link bears that a row of the list may bear as well. The account's own name is in every link.
async fn keep_link_names<'a>(
    connection: &mut SqliteConnection,
    writes: impl Iterator<Item = &'a RowWrite<'a>>,
) -> Result<()> {
    let mut rows = Vec::new();
    for placed in writes {
        let deposit = &placed.deposit_write.step.deposit;
        let link = deposit.facts.wallet.as_ref().and_then(|wallet| wallet.url.as_deref());
        if let Some(link) = link.filter(|_| deposit.request.method() == Method::Card) {
            rows.extend(link::names(link).into_iter().map(|(name, value)| (name, value, placed.row_id)));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json(&rows)?;
    sqlx::query!(
        r#"INSERT INTO link_name (name, value, deposit_row)
           SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2 FROM json_each(?) AS j
           WHERE j.value ->> 1 <> coalesce((SELECT value FROM meta WHERE key = 'account'), '') COLLATE NOCASE
           ON CONFLICT DO NOTHING"#,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

/// What names a link's order is learnt after the link, and can be taken back.
async fn name_links(connection: &mut SqliteConnection, writes: &[RowWrite<'_>]) -> Result<()> {
    let link = |placed: &RowWrite<'_>| {
        let deposit = &placed.deposit_write.step.deposit;
        let wallet = deposit.facts.wallet.as_ref().filter(|_| deposit.request.method() != Method::Wallet)?;
        Some((placed.row_id, wallet.order_id.clone()))
    };
    let rows: Vec<(i64, Option<String>)> = writes.iter().filter_map(link).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json(&rows)?;
    sqlx::query!(
        r#"UPDATE deposit SET order_id = j.value ->> 1 FROM json_each(?) AS j
           WHERE deposit.row_id = j.value ->> 0 AND deposit.order_id IS NOT j.value ->> 1"#,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

/// An address that was withheld (an empty column) is written once it may be shown.
async fn show_addresses(connection: &mut SqliteConnection, writes: &[RowWrite<'_>]) -> Result<()> {
    let changed = |placed: &&RowWrite<'_>| {
        placed.deposit_write.step.events.iter().any(|event| event.name == EventName::FiguresChanged)
    };
    let shown = |placed: &RowWrite<'_>| {
        let wallet = placed.deposit_write.step.deposit.facts.wallet.as_ref()?;
        Some((placed.row_id, wallet.shown_address()?.to_owned()))
    };
    let rows: Vec<(i64, String)> = writes.iter().filter(changed).filter_map(shown).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json(&rows)?;
    sqlx::query!(
        r#"UPDATE deposit SET address = j.value ->> 1 FROM json_each(?) AS j
           WHERE deposit.row_id = j.value ->> 0 AND deposit.address = ''"#,
        rows
    )
    .execute(connection)
    .await
    .map_err(Error::database("written"))?;
    Ok(())
}

// One row of a statement's JSON: a list, read by place, because names would be searched for in every row.

#[derive(Serialize)]
struct FactsRow<'a>(
    i64,
    i64,
    i64,
    &'static str,
    String,
    Timestamp,
    Option<&'a str>,
    Option<UsdMicros>,
    Option<&'a str>,
    Option<String>,
    Option<&'a str>,
    Option<&'a str>,
    Option<&'static str>,
    bool,
    Option<Timestamp>,
    Option<Timestamp>,
    Option<UsdMicros>,
    Option<&'a str>,
    Option<&'a str>,
);

fn facts_row<'a>(placed: &RowWrite<'a>) -> Result<FactsRow<'a>> {
    let Deposit { version, facts, updated_at, .. } = &placed.deposit_write.step.deposit;
    let wallet = facts.wallet.as_ref();
    Ok(FactsRow(
        placed.row_id,
        placed.deposit_write.step.expected_version,
        *version,
        facts.state.as_str(),
        json(facts)?,
        *updated_at,
        wallet.and_then(|wallet| wallet.amount_usd.as_ref()).map(Amount::as_str),
        wallet.and_then(|wallet| wallet.amount_usd.as_ref()?.to_usd_micros_floor()),
        wallet.and_then(|wallet| wallet.amount_crypto.as_ref()).map(Amount::as_str),
        wallet.and_then(|wallet| wallet.expire_at).map(Timestamp::to_seconds_text),
        facts.upstream_status.as_deref(),
        facts.txid.as_deref(),
        facts.outcome.map(Outcome::as_str),
        facts.late,
        facts.settled_at,
        facts.refunded_at,
        facts.booked.as_ref().map(Booked::total),
        facts.review.as_ref().map(|review| review.reason.as_str()),
        wallet.and_then(|wallet| wallet.memo.as_deref()),
    ))
}

#[derive(Serialize)]
struct WalletRow<'a>(i64, Option<&'a str>, Option<&'a str>, Option<&'a str>, Timestamp);

fn wallet_row<'a>(placed: &RowWrite<'a>) -> Option<WalletRow<'a>> {
    let wallet = placed.deposit_write.step.deposit.facts.wallet.as_ref()?;
    let address = wallet.address.is_some().then(|| wallet.shown_address().unwrap_or_default());
    Some(WalletRow(placed.row_id, wallet.order_id.as_deref(), address, wallet.link_id(), wallet.created_at))
}
