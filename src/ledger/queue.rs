//! The queue: which deposit is to be acted on next, when, and how urgently. Narrow, and apart from the deposits,
//! because most looks change nothing else.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::deposits::Row;
use super::record::{Write, json};
use super::{Error, Ledger, Result};
use crate::domain::asset::Asset;
use crate::domain::deposit::{Deposit, Facts, Request};
use crate::domain::ids::DepositId;
use crate::domain::money::Amount;
use crate::domain::poll::{Due, Urgency};
use crate::domain::time::Timestamp;

/// A place in the queue: which deposit's turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Turn(i64);

impl Ledger {
    /// The turns that have come for a look, up to `limit` of each urgency and in all, in the order in which to look:
    /// by urgency, but whoever has waited past its patience first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn turns(&self, now: Timestamp, limit: usize) -> Result<Vec<Turn>> {
        let (now, limit) = (now.as_millis(), i64::try_from(limit).unwrap_or(i64::MAX));
        let patience = |urgency: Urgency| i64::try_from(urgency.patience().as_millis()).unwrap_or(i64::MAX);
        let near = patience(Urgency::NearDeadline);
        let awaiting = patience(Urgency::Awaiting);
        let watch = patience(Urgency::Watch);
        let turns = sqlx::query_scalar!(
            r#"SELECT json_group_array(deposit) AS "turns!: String" FROM (
                   SELECT deposit FROM (
                       SELECT * FROM (SELECT deposit, due_ms AS turn FROM queue WHERE urgency = 0 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT deposit, due_ms + ?3 FROM queue WHERE urgency = 1 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT deposit, due_ms + ?4 FROM queue WHERE urgency = 2 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2)
                       UNION ALL
                       SELECT * FROM (SELECT deposit, due_ms + ?5 FROM queue WHERE urgency = 3 AND due_ms <= ?1 ORDER BY due_ms LIMIT ?2)
                   )
                   ORDER BY turn LIMIT ?2)"#,
            now,
            limit,
            near,
            awaiting,
            watch
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        let turns: Vec<i64> =
            serde_json::from_str(&turns).map_err(|error| Error::Unreadable(error.to_string()))?;
        Ok(turns.into_iter().map(Turn).collect())
    }

    /// The deposits whose turns these are, as they stand, in the same order.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn taking(&self, turns: &[Turn]) -> Result<Vec<(Turn, Deposit)>> {
        if turns.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = json(&turns.iter().map(|turn| turn.0).collect::<Vec<_>>())?;
        // All of them as one text: a row of a dozen values each would cost more than everything else here.
        let found = sqlx::query_scalar!(
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
        let text = format!("[{}]", found.unwrap_or_default());
        let rows: Vec<WholeRow<'_>> =
            serde_json::from_str(&text).map_err(|error| Error::Unreadable(format!("deposits: {error}")))?;
        let mut found = rows.into_iter().map(WholeRow::read).collect::<Result<Vec<_>>>()?;
        let places: HashMap<Turn, usize> = turns.iter().enumerate().map(|(at, turn)| (*turn, at)).collect();
        found.sort_by_key(|(turn, _)| places.get(turn).copied());
        Ok(found)
    }

    /// Deposits that wait for a wallet and whose turn has come, oldest turn first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn to_create(&self, now: Timestamp, limit: u32) -> Result<Vec<Deposit>> {
        let (now, limit) = (now.as_millis(), i64::from(limit));
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT d.id AS "id!", d.version AS "version!", d.currency AS "currency!", d.network AS "network!",
                      d.amount_requested AS "amount_requested!", d.coupon, d.reference, d.notify AS "notify!",
                      d.requested_at AS "requested_at!", d.facts AS "facts!", d.updated_at AS "updated_at!"
               FROM queue q JOIN deposit d ON d.row_id = q.deposit
               WHERE q.urgency = 4 AND q.due_ms <= ? ORDER BY q.due_ms LIMIT ?"#,
            now,
            limit
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter().map(Deposit::try_from).collect()
    }

    /// When the next deposit is due: for a look, or for a wallet.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn next_due(&self, for_a_wallet: bool) -> Result<Option<Timestamp>> {
        let next = if for_a_wallet {
            sqlx::query_scalar!(
                r#"SELECT min(due_ms) AS "due: i64" FROM queue WHERE urgency = 4 AND due_ms IS NOT NULL"#
            )
            .fetch_one(&self.readers)
            .await
        } else {
            sqlx::query_scalar!(
                r#"SELECT min(due) AS "due: i64" FROM (
                       SELECT min(due_ms) AS due FROM queue WHERE urgency = 0 AND due_ms IS NOT NULL
                       UNION ALL SELECT min(due_ms) FROM queue WHERE urgency = 1 AND due_ms IS NOT NULL
                       UNION ALL SELECT min(due_ms) FROM queue WHERE urgency = 2 AND due_ms IS NOT NULL
                       UNION ALL SELECT min(due_ms) FROM queue WHERE urgency = 3 AND due_ms IS NOT NULL)"#
            )
            .fetch_one(&self.readers)
            .await
        };
        Ok(next.map_err(Error::database("read"))?.map(Timestamp::from_millis))
    }

    /// One deposit's place in the queue.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn due_of(&self, id: DepositId) -> Result<Option<Due>> {
        let id = id.to_string();
        let row = sqlx::query!(
            "SELECT q.due_ms, q.urgency FROM deposit d JOIN queue q ON q.deposit = d.row_id WHERE d.id = ?",
            id
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        Ok(row.and_then(|row| {
            let urgency = match row.urgency {
                0 => Urgency::Confirming,
                1 => Urgency::NearDeadline,
                2 => Urgency::Awaiting,
                3 => Urgency::Watch,
                _ => Urgency::Create,
            };
            row.due_ms.map(|at| Due { at: Timestamp::from_millis(at), urgency })
        }))
    }
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
    fn read(self) -> Result<(Turn, Deposit)> {
        let Self(row, id, version, currency, network, amount, coupon, reference, notify, at, facts, updated) =
            self;
        let asset = Asset::parse(&currency, &network)
            .map_err(|error| Error::Unreadable(format!("deposit {id}: {error}")))?;
        let request = Request { asset, amount, coupon, reference, notify, requested_at: at };
        Ok((Turn(row), Deposit { id, version, request, facts, updated_at: updated }))
    }
}

/// Puts the deposits of `writes` into the queue, or takes them out of it. A look that was made at a version that the
/// deposit no longer has changes nothing.
pub(super) async fn put(connection: &mut SqliteConnection, writes: &[&Write]) -> Result<()> {
    let (known, named): (Vec<&Write>, Vec<&Write>) = writes.iter().partition(|write| write.turn.is_some());
    // A failure undoes the whole transaction: no statement need be undone alone, hence OR FAIL.
    if !known.is_empty() {
        let rows = json(
            &known.iter().map(|write| Place::of(write.turn.map(|turn| turn.0), write)).collect::<Vec<_>>(),
        )?;
        sqlx::query!(
            r#"INSERT OR FAIL INTO queue (deposit, version, urgency, due_ms)
               SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3
               FROM json_each(?) AS j WHERE true
               ON CONFLICT (deposit) DO UPDATE
               SET version = excluded.version, urgency = excluded.urgency, due_ms = excluded.due_ms
               WHERE queue.version <= excluded.version"#,
            rows
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    }
    if !named.is_empty() {
        let rows =
            json(&named.iter().map(|write| Place::of(write.step.deposit.id, write)).collect::<Vec<_>>())?;
        sqlx::query!(
            r#"INSERT OR FAIL INTO queue (deposit, version, urgency, due_ms)
               SELECT d.row_id, j.value ->> 1, j.value ->> 2, j.value ->> 3
               FROM json_each(?) AS j CROSS JOIN deposit d ON d.id = j.value ->> 0 WHERE true
               ON CONFLICT (deposit) DO UPDATE
               SET version = excluded.version, urgency = excluded.urgency, due_ms = excluded.due_ms
               WHERE queue.version <= excluded.version"#,
            rows
        )
        .execute(connection)
        .await
        .map_err(Error::database("written"))?;
    }
    Ok(())
}

/// What stands in the queue: whose it is, the version, the urgency, and when.
#[derive(Serialize)]
struct Place<T>(T, i64, i64, Option<i64>);

impl<T> Place<T> {
    fn of(whose: T, write: &Write) -> Self {
        let due = write.step.due;
        let urgency = due.map_or(0, |due| urgency_number(due.urgency));
        Self(whose, write.step.deposit.version, urgency, due.map(|due| due.at.as_millis()))
    }
}

const fn urgency_number(urgency: Urgency) -> i64 {
    match urgency {
        Urgency::Confirming => 0,
        Urgency::NearDeadline => 1,
        Urgency::Awaiting => 2,
        Urgency::Watch => 3,
        Urgency::Create => 4,
    }
}
