//! What can be written to the ledger, and the one transaction that writes it: all of it, or nothing.

pub(in crate::ledger) mod chain;
pub(in crate::ledger) mod deposits;
pub(in crate::ledger) mod events;
pub(in crate::ledger) mod month_totals;

use std::collections::HashSet;

use sqlx::SqliteConnection;

use super::batch::{AccountEvent, DepositWrite, Recorded, Requeue};
use super::error::{Error, Result};
use super::poll_queue::places;
use super::request_row::insert_deposits;
use super::shared::LedgerState;
use super::sql::{begin, commit};

/// The whole batch in one transaction.
pub(in crate::ledger) async fn write(
    connection: &mut SqliteConnection,
    shared: &LedgerState,
    writes: &[&DepositWrite],
    notices: &[&AccountEvent],
    again: &[&Requeue],
) -> Result<Vec<Recorded>> {
    let mut changed = Vec::new();
    let outcome = write_all(connection, shared, (writes, notices, again), &mut changed).await;
    // Also where it failed: a commit that says so may have reached the disk all the same.
    shared.poll_queue.finish(changed, []);
    outcome
}

async fn write_all(
    connection: &mut SqliteConnection,
    shared: &LedgerState,
    (writes, notices, again): (&[&DepositWrite], &[&AccountEvent], &[&Requeue]),
    changed: &mut Vec<i64>,
) -> Result<Vec<Recorded>> {
    begin(connection).await?;
    if writes.is_empty() && notices.is_empty() {
        events::check_head(connection, shared).await?;
    }
    let (outcome, head) = write_in(connection, shared, (writes, notices), changed).await?;
    places::move_entries(connection, again.iter().map(|again| (again.entry, again.due))).await?;
    commit(connection).await?;
    if let Some(head) = head {
        shared.head.send_replace(head);
    }
    Ok(outcome)
}

/// Events of the whole account inside a transaction of the caller's; gives the new head.
pub(in crate::ledger) async fn announce_in(
    connection: &mut SqliteConnection,
    shared: &LedgerState,
    notices: &[&AccountEvent],
) -> Result<Option<i64>> {
    events::append_events(connection, shared, &[], notices).await
}

async fn write_in(
    connection: &mut SqliteConnection,
    shared: &LedgerState,
    (writes, notices): (&[&DepositWrite], &[&AccountEvent]),
    changed: &mut Vec<i64>,
) -> Result<(Vec<Recorded>, Option<i64>)> {
    let (opened, rest): (Vec<_>, Vec<_>) = once_each(writes).into_iter().partition(|w| w.opening.is_some());
    let (quiet, moved): (Vec<_>, Vec<_>) = rest.into_iter().partition(|w| w.step.events.is_empty());
    let mut news = insert_deposits(connection, &opened).await?;
    news.extend(deposits::update_deposits(connection, &moved).await?);
    changed.extend(news.iter().map(|placed| placed.row_id));
    let mut written: Vec<&DepositWrite> = news.iter().map(|placed| placed.deposit_write).collect();
    let head = events::append_events(connection, shared, &written, notices).await?;
    places::put(connection, &news).await?;
    places::requeue_unchanged(connection, &quiet).await?;
    written.extend(quiet);
    end_attempts(connection, &written).await?;
    // Steps are matched by their place in the batch: two steps from one version lead to the same version of the same
    // deposit.
    let applied: HashSet<*const DepositWrite> =
        written.iter().map(|write| std::ptr::from_ref(*write)).collect();
    let outcome = writes.iter().map(|write| {
        if applied.contains(&std::ptr::from_ref(*write)) { Recorded::Written } else { Recorded::Conflict }
    });
    Ok((outcome.collect(), head))
}

/// At most one step for each deposit: a second one was made against a value that the first replaces.
fn once_each<'a>(writes: &[&'a DepositWrite]) -> Vec<&'a DepositWrite> {
    let mut seen = HashSet::with_capacity(writes.len());
    writes.iter().filter(|write| seen.insert(write.step.deposit.id)).copied().collect()
}

async fn end_attempts(connection: &mut SqliteConnection, writes: &[&DepositWrite]) -> Result<()> {
    for end in writes.iter().filter_map(|write| write.attempt.as_ref()) {
        let (at, outcome) = (end.at.to_string(), end.outcome.as_str());
        sqlx::query!(
            r#"UPDATE attempt SET ended_at = coalesce(ended_at, ?), outcome = ?, order_id = coalesce(?, order_id),
                   detail = coalesce(?, detail)
               WHERE id = ?"#,
            at,
            outcome,
            end.order_id,
            end.detail,
            end.id
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    }
    Ok(())
}
