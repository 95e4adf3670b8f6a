//! What is taken from the queue, exactly as the disk holds it, and how the end of a transaction is told.

use std::collections::HashMap;

use serde::Deserialize;
use sqlx::SqlitePool;

use super::cache::PollCache;
use crate::domain::deposit::{Deposit, Facts};
use crate::domain::ids::DepositId;
use crate::domain::time::Timestamp;
use crate::ledger::batch::{QueueEntry, Requeue, ResponseFingerprint};
use crate::ledger::error::{Error, Result};
use crate::ledger::request_row::{RequestRow, query_with_request};
use crate::ledger::sql::json;

/// A deposit that was taken from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedDeposit {
    /// Its place in the queue.
    pub entry: QueueEntry,
    /// As it stands on disk.
    pub deposit: Box<Deposit>,
    /// The fingerprint of the last response at this version, where it is still known.
    pub fingerprint: Option<ResponseFingerprint>,
}

/// What the handles of one ledger and its writer share of the queue: who is taken is given out exactly as the disk holds
/// it, and who is done with a deposit says so here.
#[derive(Debug, Default)]
pub(in crate::ledger) struct PollQueue {
    cache: PollCache,
}

impl PollQueue {
    /// The deposits of these places, as they stand, in the same order; and the places that are stale.
    pub(super) async fn take(
        &self,
        readers: &SqlitePool,
        entries: &[QueueEntry],
    ) -> Result<(Vec<LeasedDeposit>, Vec<QueueEntry>)> {
        let kept = self.cache.take(entries);
        let to_read = entries.iter().zip(&kept).filter(|(_, kept)| kept.is_none());
        let to_read: Vec<QueueEntry> = to_read.map(|(entry, _)| *entry).collect();
        let mut found = HashMap::with_capacity(to_read.len());
        for some in to_read.chunks(TAKEN_AT_ONCE) {
            find_all(readers, some, &mut found).await?;
        }
        let (mut taken, mut stale) = (Vec::with_capacity(entries.len()), Vec::new());
        for (entry, kept) in entries.iter().zip(kept) {
            let read = || found.remove(&(entry.deposit, entry.version)).map(|deposit| (deposit, None));
            match kept.or_else(read) {
                Some((deposit, fingerprint)) => {
                    taken.push(LeasedDeposit { entry: *entry, deposit, fingerprint });
                }
                None => stale.push(*entry),
            }
        }
        Ok((taken, stale))
    }

    /// To be told at the end of every transaction: the rows of the deposits that it has changed, however it ended (a
    /// commit that failed may have reached the disk all the same); and, once it is on disk, what it put back unchanged.
    pub(in crate::ledger) fn finish(
        &self,
        changed: impl IntoIterator<Item = i64>,
        unchanged: impl IntoIterator<Item = Requeue>,
    ) {
        self.cache.finish(changed, unchanged);
    }
}

/// So many deposits are read at once: more make texts that the allocator hands back to the system each time.
const TAKEN_AT_ONCE: usize = 128;

/// Reads the deposits of `entries` into `found`, by row and version.
async fn find_all(
    readers: &SqlitePool,
    entries: &[QueueEntry],
    found: &mut HashMap<(i64, i64), Box<Deposit>>,
) -> Result<()> {
    let wanted = json(&entries.iter().map(|entry| entry.deposit).collect::<Vec<_>>())?;
    // All of them as one text: a row of several values each would cost more than everything else here.
    let text = query_with_request!(
        scalar,
        r#"SELECT group_concat(format('{"row_id":%lld,"id":"%s","version":%lld,"request":%s,"facts":%s,"updated_at":"%s"}',
                                      d.row_id, d.id, d.version, "#,
        [r#", d.facts, d.updated_at)) AS "found: String"
           FROM json_each(?) AS j CROSS JOIN deposit d ON d.row_id = j.value"#],
        wanted
    )
    .fetch_one(readers)
    .await?;
    let text = format!("[{}]", text.unwrap_or_default());
    let rows: Vec<WholeRow<'_>> =
        serde_json::from_str(&text).map_err(|error| Error::Unreadable(format!("deposits: {error}")))?;
    for row in rows {
        let WholeRow { row_id, id, version, request, facts, updated_at } = row;
        let request = request.read().map_err(|error| Error::Unreadable(format!("deposit {id}: {error}")))?;
        let deposit = Deposit { id, version, request, facts, updated_at };
        found.insert((row_id, version), Box::new(deposit));
    }
    Ok(())
}

/// A deposit and its place, as [`find_all`] selects it.
#[derive(Deserialize)]
struct WholeRow<'a> {
    row_id: i64,
    id: DepositId,
    version: i64,
    #[serde(borrow)]
    request: RequestRow<'a>,
    facts: Facts,
    updated_at: Timestamp,
}
