//! The queue: which deposit is to be acted on next, when, and how urgently. Narrow, and apart from the deposits,
//! because most looks change nothing else.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::record::{Placed, Write, json};
use super::{Error, Ledger, Result};
use crate::domain::asset::Asset;
use crate::domain::deposit::{Deposit, Facts, Request};
use crate::domain::ids::DepositId;
use crate::domain::money::Amount;
use crate::domain::poll::{Due, Policy, Urgency};
use crate::domain::time::Timestamp;

/// A place in the queue: which deposit's turn it is, and where that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Turn {
    urgency: i64,
    due_ms: i64,
    deposit: i64,
    version: i64,
}

/// A deposit that goes back into the queue as it is: nothing new was heard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// The turn that it had.
    pub turn: Turn,
    /// Its next one; `None` when it is left to reconciliation.
    pub due: Option<Due>,
}

/// So many deposits are read at once: more make texts that the allocator hands back to the system each time.
const TAKEN_AT_ONCE: usize = 128;

impl Ledger {
    /// The turns that have come for a look, up to `limit` of each urgency and in all, in the order in which to look:
    /// by urgency, but whoever has waited past its patience first. A turn further ahead than its class ever waits was
    /// set by a clock that was wrong, and has come too.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn turns(&self, now: Timestamp, policy: &Policy, limit: usize) -> Result<Vec<Turn>> {
        let ahead = |urgency| now.plus(policy.longest_wait(urgency)).as_millis();
        let [far_confirming, far_near, far_awaiting, far_watch] =
            [Urgency::Confirming, Urgency::NearDeadline, Urgency::Awaiting, Urgency::Watch].map(ahead);
        let (now, limit) = (now.as_millis(), i64::try_from(limit).unwrap_or(i64::MAX));
        let patience = |urgency: Urgency| i64::try_from(urgency.patience().as_millis()).unwrap_or(i64::MAX);
        let near = patience(Urgency::NearDeadline);
        let awaiting = patience(Urgency::Awaiting);
        let watch = patience(Urgency::Watch);
        let turns = sqlx::query_scalar!(
            r#"SELECT json_group_array(json_array(urgency, due_ms, deposit, version)) AS "turns!: String" FROM (
                   SELECT urgency, due_ms, deposit, version FROM (
                       SELECT * FROM (SELECT *, due_ms AS turn FROM queue WHERE urgency = 0 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, due_ms + ?3 FROM queue WHERE urgency = 1 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, due_ms + ?4 FROM queue WHERE urgency = 2 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, due_ms + ?5 FROM queue WHERE urgency = 3 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, ?1 FROM queue WHERE urgency = 0 AND due_ms > ?6 LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, ?1 + ?3 FROM queue WHERE urgency = 1 AND due_ms > ?7 LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, ?1 + ?4 FROM queue WHERE urgency = 2 AND due_ms > ?8 LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT *, ?1 + ?5 FROM queue WHERE urgency = 3 AND due_ms > ?9 LIMIT ?2)
                   )
                   ORDER BY turn LIMIT ?2)"#,
            now,
            limit,
            near,
            awaiting,
            watch,
            far_confirming,
            far_near,
            far_awaiting,
            far_watch
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        read_turns(&turns)
    }

    /// The turns that have come to get a wallet, up to `limit`, oldest first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn turns_to_create(&self, now: Timestamp, policy: &Policy, limit: usize) -> Result<Vec<Turn>> {
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
        read_turns(&turns)
    }

    /// The deposits whose turns these are, as they stand, in the same order. Stale turns are dropped from the queue.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn taking(&self, turns: &[Turn]) -> Result<Vec<(Turn, Deposit)>> {
        if turns.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = HashMap::with_capacity(turns.len());
        for some in turns.chunks(TAKEN_AT_ONCE) {
            self.find_all(some, &mut found).await?;
        }
        let (mut taken, mut stale) = (Vec::with_capacity(turns.len()), Vec::new());
        for turn in turns {
            match found.remove(&(turn.deposit, turn.version)) {
                Some(deposit) => taken.push((*turn, deposit)),
                None => stale.push(*turn),
            }
        }
        if !stale.is_empty() {
            self.writer()?.run(move |connection| Box::pin(drop_turns(connection, stale))).await?;
        }
        Ok(taken)
    }

    /// Reads the deposits of `turns` into `found`, by row and version.
    async fn find_all(&self, turns: &[Turn], found: &mut HashMap<(i64, i64), Deposit>) -> Result<()> {
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
            found.insert((row_id, deposit.version), deposit);
        }
        Ok(())
    }

    /// Puts deposits back as they are: the cheap end of a look that heard nothing new. On disk when this returns.
    ///
    /// # Errors
    /// Whatever the disk says; their turns have not moved then.
    pub async fn put_back(&self, again: Vec<Again>) -> Result<()> {
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

fn read_turns(text: &str) -> Result<Vec<Turn>> {
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
pub(super) async fn put(connection: &mut SqliteConnection, news: &[Placed<'_>]) -> Result<()> {
    if news.is_empty() {
        return Ok(());
    }
    let rows = news.iter().map(|Placed { row_id, write }| {
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
    drop_turns(connection, news.iter().filter_map(|placed| placed.write.turn).collect()).await
}

/// Moves on what was looked at and has not changed: a step without events leaves its deposit where it stands, unless
/// it had its turn.
pub(super) async fn put_back(connection: &mut SqliteConnection, quiet: &[&Write]) -> Result<()> {
    let again = quiet.iter().filter_map(|write| Some(Again { turn: write.turn?, due: write.step.due }));
    move_turns(connection, again).await
}

/// Moves turns to their next places.
pub(super) async fn move_turns(
    connection: &mut SqliteConnection,
    again: impl Iterator<Item = Again>,
) -> Result<()> {
    let rows: Vec<(Turn, (i64, i64))> = again.map(|again| (again.turn, place(again.due))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows = json(
        &rows
            .iter()
            .map(|(turn, to)| (turn.urgency, turn.due_ms, turn.deposit, to.0, to.1))
            .collect::<Vec<_>>(),
    )?;
    sqlx::query!(
        r#"UPDATE OR REPLACE queue SET urgency = j.value ->> 3, due_ms = j.value ->> 4
           FROM json_each(?) AS j
           WHERE queue.urgency = j.value ->> 0 AND queue.due_ms = j.value ->> 1 AND queue.deposit = j.value ->> 2"#,
        rows
    )
    .execute(connection)
    .await
    .map_err(Error::database("written"))?;
    Ok(())
}

/// Takes turns out of the queue: those that were had, and those that a later change has made stale.
async fn drop_turns(connection: &mut SqliteConnection, turns: Vec<Turn>) -> Result<()> {
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
