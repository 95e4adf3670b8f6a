//! The queue: which deposit is to be acted on next, when, and how urgently. Narrow, and apart from the deposits,
//! because most looks change nothing else.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::record::{DepositWrite, RowWrite, json};
use super::{Error, Ledger, Result};
use crate::domain::asset::Asset;
use crate::domain::deposit::{Deposit, Facts, Request};
use crate::domain::ids::DepositId;
use crate::domain::money::Amount;
use crate::domain::poll::{Due, Policy, Urgency};
use crate::domain::time::Timestamp;

/// A place in the queue: which deposit's turn it is, and where that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueEntry {
    urgency: i64,
    due_ms: i64,
    deposit: i64,
    version: i64,
}

impl QueueEntry {
    /// The row of the deposit whose turn it is.
    pub(super) const fn deposit(&self) -> i64 {
        self.deposit
    }

    /// The version of the deposit that the turn was decided on.
    pub(super) const fn version(&self) -> i64 {
        self.version
    }
}

impl Hash for QueueEntry {
    /// A deposit has one turn, or a stale one beside it: more would only take longer.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.deposit.hash(state);
    }
}

/// How far somebody who goes through the queue has come. What he was given is behind him, although it stands in the
/// queue until it is put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueCursor {
    /// By urgency, the last turn had: when it was due, and whose it was.
    seen: [(i64, i64); 4],
}

impl Default for QueueCursor {
    /// The beginning.
    fn default() -> Self {
        Self { seen: [(i64::MIN, i64::MIN); 4] }
    }
}

impl QueueCursor {
    fn pass(&mut self, turns: &[QueueEntry], now: i64) {
        // Those far ahead are in no order.
        for turn in turns.iter().filter(|turn| turn.due_ms <= now) {
            let seen = usize::try_from(turn.urgency).ok().and_then(|urgency| self.seen.get_mut(urgency));
            if let Some(seen) = seen {
                *seen = (*seen).max((turn.due_ms, turn.deposit));
            }
        }
    }
}

/// A deposit that goes back into the queue as it is: nothing new was heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requeue {
    /// The turn that it had.
    pub entry: QueueEntry,
    /// Its next one; `None` when it is left to reconciliation.
    pub due: Option<Due>,
    /// As it was taken.
    pub deposit: Box<Deposit>,
    /// What the look heard, for the next one to compare with; of no meaning to the ledger, and kept in memory only.
    pub fingerprint: Option<ResponseFingerprint>,
}

/// The bytes that somebody has heard of a deposit. They may hold a secret: they can be compared, and not looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseFingerprint(Arc<Vec<u8>>);

impl ResponseFingerprint {
    /// Shares these bytes.
    #[must_use]
    pub const fn new(bytes: Arc<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Whether it was these.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.0.as_slice() == bytes
    }
}

impl fmt::Debug for ResponseFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heard").field("bytes", &self.0.len()).finish_non_exhaustive()
    }
}

/// A deposit that was taken from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedDeposit {
    /// Its turn.
    pub turn: QueueEntry,
    /// As it stands on disk.
    pub deposit: Box<Deposit>,
    /// What the last look heard of this version of it, where that was kept.
    pub heard: Option<ResponseFingerprint>,
}

/// So many deposits are read at once: more make texts that the allocator hands back to the system each time.
const TAKEN_AT_ONCE: usize = 128;

impl Ledger {
    /// The turns that have come for a look, up to `limit` of each urgency and in all, in the order in which to look:
    /// by urgency, but whoever has waited past its patience first; only those behind what `page` has seen, which it
    /// then has seen as well. A turn further ahead than its class ever waits was set by a clock that was wrong, and
    /// has come too; such turns come with every page until they have been had.
    ///
    /// # Errors
    /// Whatever the disk says.
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
        let turns = sqlx::query_scalar!(
            r#"WITH seen AS (SELECT key AS urgency, value ->> 0 AS due_ms, value ->> 1 AS deposit FROM json_each(?10))
               SELECT json_group_array(json_array(urgency, due_ms, deposit, version)) AS "turns!: String" FROM (
                   SELECT urgency, due_ms, deposit, version FROM (
                       SELECT * FROM (SELECT *, due_ms AS turn FROM queue WHERE urgency = 0 AND due_ms <= ?1
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
                   ORDER BY turn, urgency, deposit LIMIT ?2)"#,
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
        .await
        .map_err(Error::database("read"))?;
        let turns = read_entries(&turns)?;
        page.pass(&turns, now);
        Ok(turns)
    }

    /// The turns that have come to get a wallet, up to `limit`, oldest first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn entries_to_create(
        &self,
        now: Timestamp,
        policy: &Policy,
        limit: usize,
    ) -> Result<Vec<QueueEntry>> {
        let far = now.plus(policy.longest_wait(Urgency::Create)).as_millis();
        let (now, limit) = (now.as_millis(), i64::try_from(limit).unwrap_or(i64::MAX));
        let turns = sqlx::query_scalar!(
            r#"SELECT json_group_array(json_array(urgency, due_ms, deposit, version)) AS "turns!: String"
               FROM (SELECT * FROM (SELECT * FROM queue WHERE urgency = 4 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2)
                     UNION ALL
                     SELECT * FROM (SELECT * FROM queue WHERE urgency = 4 AND due_ms > ?3 LIMIT ?2)
                     LIMIT ?2)"#,
            now,
            limit,
            far
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        read_entries(&turns)
    }

    /// The deposits whose turns these are, as they stand, in the same order. Stale turns are dropped from the queue.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn lease(&self, turns: &[QueueEntry]) -> Result<Vec<LeasedDeposit>> {
        let kept = self.shared.poll_cache.take(turns);
        let to_read = turns.iter().zip(&kept).filter(|(_, kept)| kept.is_none());
        let to_read: Vec<QueueEntry> = to_read.map(|(turn, _)| *turn).collect();
        let mut found = HashMap::with_capacity(to_read.len());
        for some in to_read.chunks(TAKEN_AT_ONCE) {
            self.find_all(some, &mut found).await?;
        }
        let (mut taken, mut stale) = (Vec::with_capacity(turns.len()), Vec::new());
        for (turn, kept) in turns.iter().zip(kept) {
            let read = || found.remove(&(turn.deposit, turn.version)).map(|deposit| (deposit, None));
            match kept.or_else(read) {
                Some((deposit, heard)) => taken.push(LeasedDeposit { turn: *turn, deposit, heard }),
                None => stale.push(*turn),
            }
        }
        if !stale.is_empty() {
            self.writer()?.run(move |connection| Box::pin(drop_entries(connection, stale))).await?;
        }
        Ok(taken)
    }

    /// Reads the deposits of `turns` into `found`, by row and version.
    async fn find_all(
        &self,
        turns: &[QueueEntry],
        found: &mut HashMap<(i64, i64), Box<Deposit>>,
    ) -> Result<()> {
        let wanted = json(&turns.iter().map(|turn| turn.deposit).collect::<Vec<_>>())?;
        // All of them as one text: a row of a dozen values each would cost more than everything else here.
        let text = sqlx::query_scalar!(
            r#"SELECT group_concat(format('[%lld,"%s",%lld,"%s","%s","%s",%s,%s,%s,"%s",%s,"%s"]', d.row_id, d.id, d.version,
                                          d.currency, d.network, d.amount_requested, json_quote(d.coupon),
                                          json_quote(d.reference), d.notify, d.requested_at, d.facts, d.updated_at))
                      AS "found: String"
               FROM json_each(?) AS j CROSS JOIN deposit d ON d.row_id = j.value"#,
            wanted
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        let text = format!("[{}]", text.unwrap_or_default());
        let rows: Vec<WholeRow<'_>> =
            serde_json::from_str(&text).map_err(|error| Error::Unreadable(format!("deposits: {error}")))?;
        for row in rows {
            let (row_id, deposit) = row.read()?;
            found.insert((row_id, deposit.version), Box::new(deposit));
        }
        Ok(())
    }

    /// Puts deposits back as they are: the cheap end of a look that heard nothing new. On disk when this returns.
    ///
    /// # Errors
    /// Whatever the disk says; their turns have not moved then.
    pub async fn requeue(&self, again: Vec<Requeue>) -> Result<()> {
        self.writer()?.put_back(again).await
    }

    /// When the next deposit is due: for a look, or for a wallet.
    ///
    /// # Errors
    /// Whatever the disk says.
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
        Ok(next.map_err(Error::database("read"))?.map(Timestamp::from_millis))
    }
}

fn read_entries(text: &str) -> Result<Vec<QueueEntry>> {
    serde_json::from_str(text).map_err(|error| Error::Unreadable(format!("the queue: {error}")))
}

/// A deposit and its place, as one query above writes it.
#[derive(Deserialize)]
struct WholeRow<'a>(
    i64,
    DepositId,
    i64,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    Amount,
    Option<String>,
    Option<String>,
    Vec<String>,
    Timestamp,
    Facts,
    Timestamp,
);

impl WholeRow<'_> {
    fn read(self) -> Result<(i64, Deposit)> {
        let Self(row, id, version, currency, network, amount, coupon, reference, notify, at, facts, updated) =
            self;
        let asset = Asset::parse(&currency, &network)
            .map_err(|error| Error::Unreadable(format!("deposit {id}: {error}")))?;
        let request = Request { asset, amount, coupon, reference, notify, requested_at: at };
        Ok((row, Deposit { id, version, request, facts, updated_at: updated }))
    }
}

/// Gives changed deposits their next places.
pub(super) async fn put(connection: &mut SqliteConnection, news: &[RowWrite<'_>]) -> Result<()> {
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

/// Moves on what was looked at and has not changed: a step without events leaves its deposit where it stands, unless
/// it had its turn.
pub(super) async fn requeue_unchanged(
    connection: &mut SqliteConnection,
    quiet: &[&DepositWrite],
) -> Result<()> {
    move_entries(connection, quiet.iter().filter_map(|write| Some((write.entry?, write.step.due)))).await
}

/// Moves turns to their next places.
pub(super) async fn move_entries(
    connection: &mut SqliteConnection,
    again: impl Iterator<Item = (QueueEntry, Option<Due>)>,
) -> Result<()> {
    // Each as one text of fixed places, read by place: JSON within JSON would be read again for every column.
    let rows = again.map(|(turn, due)| {
        let (urgency, due_ms) = place(due);
        format!("{}{urgency}{:020}{due_ms:020}{}", turn.urgency, turn.due_ms, turn.deposit)
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

/// Takes turns out of the queue: those that were had, and those that a later change has made stale.
async fn drop_entries(connection: &mut SqliteConnection, turns: Vec<QueueEntry>) -> Result<()> {
    if turns.is_empty() {
        return Ok(());
    }
    let rows = json(&turns)?;
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

/// The urgency of a place whose turn never comes.
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
