//! The queue: which deposit is to be acted on next, when, and how urgently. Narrow, and apart from the deposits,
//! because most polls change nothing else.

mod cache;
pub(in crate::ledger) mod lease;
pub(in crate::ledger) mod places;

pub use self::lease::LeasedDeposit;

use crate::domain::poll::{Policy, Urgency};
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::batch::{QueueEntry, Requeue};
use crate::ledger::error::{Error, Result};
use crate::ledger::sql::json;

/// How far a reader of the queue has come. The entries that it was given are behind it, although they stay in the queue
/// until they are put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueCursor {
    /// By urgency, the last entry that was given: when it was due, and its deposit.
    seen: [(i64, i64); 4],
}

impl Default for QueueCursor {
    /// The beginning.
    fn default() -> Self {
        Self { seen: [(i64::MIN, i64::MIN); 4] }
    }
}

impl QueueCursor {
    fn pass(&mut self, entries: &[QueueEntry], now: i64) {
        // Those far ahead are in no order.
        for entry in entries.iter().filter(|entry| entry.due_ms <= now) {
            let seen = usize::try_from(entry.urgency).ok().and_then(|urgency| self.seen.get_mut(urgency));
            if let Some(seen) = seen {
                *seen = (*seen).max((entry.due_ms, entry.deposit));
            }
        }
    }
}

impl Ledger {
    /// The places that are due for a poll, up to `limit` of each urgency and in all, in the order in which to poll: by
    /// urgency, but entries past their patience first; only those behind what `page` has seen, which it then has seen
    /// as well. A place further ahead than its class ever waits was set by a clock that was wrong, and has come too;
    /// such places come with every page until they have been had.
    pub async fn due_entries(
        &self,
        now: Timestamp,
        policy: &Policy,
        limit: usize,
        page: &mut QueueCursor,
    ) -> Result<Vec<QueueEntry>> {
        let ahead = |urgency| now.plus(policy.longest_wait(urgency)).as_millis();
        let [far_confirming, far_near, far_awaiting, far_watch] =
            [Urgency::Confirming, Urgency::NearDeadline, Urgency::Awaiting, Urgency::Watch].map(ahead);
        let (now, limit) = (now.as_millis(), i64::try_from(limit).unwrap_or(i64::MAX));
        let patience = |urgency: Urgency| i64::try_from(urgency.patience().as_millis()).unwrap_or(i64::MAX);
        let near = patience(Urgency::NearDeadline);
        let awaiting = patience(Urgency::Awaiting);
        let watch = patience(Urgency::Watch);
        let seen = json(&page.seen)?;
        let entries = sqlx::query_scalar!(
            r#"WITH seen AS (SELECT key AS urgency, value ->> 0 AS due_ms, value ->> 1 AS deposit FROM json_each(?10))
               SELECT json_group_array(json_array(urgency, due_ms, deposit, version)) AS "entries!: String" FROM (
                   SELECT urgency, due_ms, deposit, version FROM (
                       SELECT * FROM (SELECT *, due_ms AS entry FROM queue WHERE urgency = 0 AND due_ms <= ?1
                           AND (due_ms, deposit) > (SELECT due_ms, deposit FROM seen WHERE urgency = 0) ORDER BY due_ms, deposit LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, due_ms + ?3 FROM queue WHERE urgency = 1 AND due_ms <= ?1
                           AND (due_ms, deposit) > (SELECT due_ms, deposit FROM seen WHERE urgency = 1) ORDER BY due_ms, deposit LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, due_ms + ?4 FROM queue WHERE urgency = 2 AND due_ms <= ?1
                           AND (due_ms, deposit) > (SELECT due_ms, deposit FROM seen WHERE urgency = 2) ORDER BY due_ms, deposit LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, due_ms + ?5 FROM queue WHERE urgency = 3 AND due_ms <= ?1
                           AND (due_ms, deposit) > (SELECT due_ms, deposit FROM seen WHERE urgency = 3) ORDER BY due_ms, deposit LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, ?1 FROM queue WHERE urgency = 0 AND due_ms > ?6 LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, ?1 + ?3 FROM queue WHERE urgency = 1 AND due_ms > ?7 LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, ?1 + ?4 FROM queue WHERE urgency = 2 AND due_ms > ?8 LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, ?1 + ?5 FROM queue WHERE urgency = 3 AND due_ms > ?9 LIMIT ?2)
                   )
                   ORDER BY entry, urgency, deposit LIMIT ?2)"#,
            now,
            limit,
            near,
            awaiting,
            watch,
            far_confirming,
            far_near,
            far_awaiting,
            far_watch,
            seen
        )
        .fetch_one(&self.readers)
        .await?;
        let entries = read_entries(&entries)?;
        page.pass(&entries, now);
        Ok(entries)
    }

    /// The places that are due to get a wallet, up to `limit`, oldest first.
    pub async fn entries_to_create(
        &self,
        now: Timestamp,
        policy: &Policy,
        limit: usize,
    ) -> Result<Vec<QueueEntry>> {
        let far = now.plus(policy.longest_wait(Urgency::Create)).as_millis();
        let (now, limit) = (now.as_millis(), i64::try_from(limit).unwrap_or(i64::MAX));
        let entries = sqlx::query_scalar!(
            r#"SELECT json_group_array(json_array(urgency, due_ms, deposit, version)) AS "entries!: String"
               FROM (SELECT * FROM (SELECT * FROM queue WHERE urgency = 4 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2)
                     UNION ALL
                     SELECT * FROM (SELECT * FROM queue WHERE urgency = 4 AND due_ms > ?3 LIMIT ?2)
                     LIMIT ?2)"#,
            now,
            limit,
            far
        )
        .fetch_one(&self.readers)
        .await?;
        read_entries(&entries)
    }

    /// The deposits of these places, as they stand, in the same order. Stale places are dropped from the queue.
    pub async fn lease(&self, entries: &[QueueEntry]) -> Result<Vec<LeasedDeposit>> {
        let (taken, stale) = self.shared.poll_queue.take(&self.readers, entries).await?;
        if !stale.is_empty() {
            self.writer()?
                .run_untold(move |connection| Box::pin(places::drop_entries(connection, stale)))
                .await?;
        }
        Ok(taken)
    }

    /// Puts deposits back as they are: the cheap end of an unchanged poll. On disk when this returns.
    ///
    /// # Errors
    /// Whatever the disk says; their places have not moved then.
    pub async fn requeue(&self, again: Vec<Requeue>) -> Result<()> {
        self.writer()?.put_back(again).await
    }

    /// When the next deposit is due: for a poll, or for a wallet.
    pub async fn next_due(&self, for_a_wallet: bool) -> Result<Option<Timestamp>> {
        let (first, last) = if for_a_wallet { (4, 4) } else { (0, 3) };
        let next = sqlx::query_scalar!(
            r#"SELECT min((SELECT min(due_ms) FROM queue WHERE urgency = j.value)) AS "due: i64"
               FROM json_each('[0,1,2,3,4]') AS j WHERE j.value BETWEEN ? AND ?"#,
            first,
            last
        )
        .fetch_one(&self.readers)
        .await;
        Ok(next?.map(Timestamp::from_millis))
    }
}

fn read_entries(text: &str) -> Result<Vec<QueueEntry>> {
    serde_json::from_str(text).map_err(|error| Error::Unreadable(format!("the queue: {error}")))
}
