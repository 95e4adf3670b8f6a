//! How places in the queue are written: given to what has changed, moved for what has not, taken from what is stale.

use sqlx::SqliteConnection;

use crate::domain::poll::{Due, Urgency};
use crate::ledger::batch::{DepositWrite, QueueEntry, RowWrite};
use crate::ledger::error::{Error, Result};
use crate::ledger::sql::json;

/// Gives changed deposits their next places.
pub(in crate::ledger) async fn put(connection: &mut SqliteConnection, news: &[RowWrite<'_>]) -> Result<()> {
    if news.is_empty() {
        return Ok(());
    }
    let rows = news.iter().map(|RowWrite { row_id, deposit_write: write }| {
        let (urgency, due_ms) = place(write.step.due);
        (urgency, due_ms, row_id, write.step.deposit.version)
    });
    let rows = json(&rows.collect::<Vec<_>>())?;
    // A failure undoes the whole transaction: no statement need be undone alone, hence OR FAIL.
    sqlx::query!(
        r#"INSERT OR FAIL INTO queue (urgency, due_ms, deposit, version)
           SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3
           FROM json_each(?) AS j WHERE true
           ON CONFLICT (urgency, due_ms, deposit) DO UPDATE SET version = excluded.version"#,
        rows
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    drop_entries(connection, news.iter().filter_map(|placed| placed.deposit_write.entry).collect()).await
}

/// Moves on what was polled and has not changed: a step without events leaves its deposit where it stands, unless
/// it was taken from the queue.
pub(in crate::ledger) async fn requeue_unchanged(
    connection: &mut SqliteConnection,
    quiet: &[&DepositWrite],
) -> Result<()> {
    move_entries(connection, quiet.iter().filter_map(|write| Some((write.entry?, write.step.due)))).await
}

/// Moves entries to their next places.
pub(in crate::ledger) async fn move_entries(
    connection: &mut SqliteConnection,
    again: impl Iterator<Item = (QueueEntry, Option<Due>)>,
) -> Result<()> {
    // Each as one text of fixed places, read by place: JSON within JSON would be read again for every column.
    let rows = again.map(|(entry, due)| {
        let (urgency, due_ms) = place(due);
        format!("{}{urgency}{:020}{due_ms:020}{}", entry.urgency, entry.due_ms, entry.deposit)
    });
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json(&rows)?;
    sqlx::query!(
        r#"UPDATE OR REPLACE queue SET urgency = CAST(substr(j.value, 2, 1) AS INTEGER),
               due_ms = CAST(substr(j.value, 23, 20) AS INTEGER)
           FROM json_each(?) AS j
           WHERE queue.urgency = CAST(substr(j.value, 1, 1) AS INTEGER)
               AND queue.due_ms = CAST(substr(j.value, 3, 20) AS INTEGER)
               AND queue.deposit = CAST(substr(j.value, 43) AS INTEGER)"#,
        rows
    )
    .execute(connection)
    .await
    .map_err(Error::database("written"))?;
    Ok(())
}

/// Takes entries out of the queue: those that were had, and those that a later change has made stale.
pub(in crate::ledger) async fn drop_entries(
    connection: &mut SqliteConnection,
    entries: Vec<QueueEntry>,
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows = json(&entries)?;
    sqlx::query!(
        r#"DELETE FROM queue WHERE (urgency, due_ms, deposit, version) IN
               (SELECT j.value ->> 'urgency', j.value ->> 'due_ms', j.value ->> 'deposit', j.value ->> 'version'
                FROM json_each(?) AS j)"#,
        rows
    )
    .execute(connection)
    .await
    .map_err(Error::database("written"))?;
    Ok(())
}

/// Urgency and time of a place.
fn place(due: Option<Due>) -> (i64, i64) {
    due.map_or((LEFT_TO_RECONCILIATION, 0), |due| (urgency_number(due.urgency), due.at.as_millis()))
}

/// The urgency of a place that is never due.
const LEFT_TO_RECONCILIATION: i64 = 5;

const fn urgency_number(urgency: Urgency) -> i64 {
    match urgency {
        Urgency::Confirming => 0,
        Urgency::NearDeadline => 1,
        Urgency::Awaiting => 2,
        Urgency::Watch => 3,
        Urgency::Create => 4,
    }
}
