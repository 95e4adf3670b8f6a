//! How a month is closed: by an event of the chain that carries its figures, for good.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::domain::event::EventName;
use crate::domain::period::Month;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::batch::AccountEvent;
use crate::ledger::error::{Error, Result};
use crate::ledger::sql::{begin, commit};

/// A month that is closed.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ClosedMonth {
    /// `YYYY-MM`.
    pub month: String,
    /// The first instant after it: nothing is booked before that any more.
    pub ends_at: String,
    /// When it was closed.
    pub closed_at: String,
    /// The event that closed it.
    pub event_seq: i64,
    /// That event's hash: an outsider can hold the close to it.
    pub hash: String,
    /// Who closed it: the way they came in. `None` of what earlier versions closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// What was closed: entries, balances, the run and the proof before it.
    pub figures: Value,
}

impl Ledger {
    /// The closed months, oldest first.
    pub async fn closed_months(&self) -> Result<Vec<ClosedMonth>> {
        let rows = sqlx::query!(
            r#"SELECT p.month, p.ends_at, p.closed_at, p.event_seq AS "event_seq!", e.hash, e.facts
               FROM period p JOIN event e ON e.seq = p.event_seq ORDER BY p.month"#
        )
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|row| {
                let figures: Value = serde_json::from_str(&row.facts)
                    .map_err(|error| Error::Unreadable(format!("the close of {}: {error}", row.month)))?;
                let (month, ends_at, closed_at) = (row.month, row.ends_at, row.closed_at);
                Ok(ClosedMonth {
                    month,
                    ends_at,
                    closed_at,
                    event_seq: row.event_seq,
                    hash: row.hash,
                    closed_by: figures.get("closed_by").and_then(Value::as_str).map(str::to_owned),
                    figures,
                })
            })
            .collect()
    }

    /// The months up to `month` in which something was booked and that are open, oldest first; `month` itself in any case.
    pub async fn open_months(&self, month: &Month) -> Result<Vec<String>> {
        let name = month.as_str();
        sqlx::query_scalar!(
            r#"SELECT month AS "month!: String" FROM (SELECT month FROM account_month UNION SELECT ?1 AS month)
               WHERE month <= ?1 AND month > coalesce((SELECT max(month) FROM period), '') ORDER BY month"#,
            name
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// Closes `month` for good: from now on nothing is booked before its end. `proof` is kept with the close. Does
    /// nothing where it, or a later month, is closed already.
    pub async fn close_month(&self, month: &Month, now: Timestamp, proof: Value) -> Result<()> {
        let (shared, month) = (Arc::clone(&self.shared), month.clone());
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    begin(connection).await?;
                    let ends = shared.book_zone().end_of(&month);
                    let (ends_at, at) = (ends.to_string(), now.to_string());
                    if is_closed(connection, &ends_at).await? {
                        return commit(connection).await;
                    }
                    let facts = figures(connection, &month, ends, proof).await?;
                    let reason = Some(format!("{month} is closed"));
                    let notice = AccountEvent {
                        name: EventName::PeriodClosed,
                        at: now,
                        reason,
                        facts,
                        mail_to: Vec::new(),
                    };
                    let head = crate::ledger::commit::announce_in(connection, &shared, &[&notice]).await?;
                    let month = month.as_str();
                    sqlx::query!(
                        "INSERT INTO period (month, ends_at, event_seq, closed_at) VALUES (?, ?, ?, ?)",
                        month,
                        ends_at,
                        head,
                        at
                    )
                    .execute(&mut *connection)
                    .await
                    .map_err(Error::database("written"))?;
                    commit(connection).await?;
                    shared.books_open_from.fetch_max(ends.as_millis(), Ordering::Relaxed);
                    if let Some(head) = head {
                        shared.head.send_replace(head);
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// The end of the last closed month; 1970 where none is closed.
pub(super) async fn books_open_from(connection: &mut SqliteConnection) -> Result<Timestamp> {
    let end = sqlx::query_scalar!(r#"SELECT max(ends_at) AS "end: String" FROM period"#)
        .fetch_one(connection)
        .await?;
    let Some(end) = end else { return Ok(Timestamp::EPOCH) };
    Timestamp::parse(&end).map_err(|error| Error::Unreadable(format!("the end of a closed month: {error}")))
}

async fn is_closed(connection: &mut SqliteConnection, ends_at: &str) -> Result<bool> {
    sqlx::query_scalar!(r#"SELECT count(*) > 0 AS "closed!: bool" FROM period WHERE ends_at >= ?"#, ends_at)
        .fetch_one(connection)
        .await
        .map_err(Error::database("read"))
}

/// What every account holds at the month's end, and the proof.
async fn figures(
    connection: &mut SqliteConnection,
    month: &Month,
    ends: Timestamp,
    proof: Value,
) -> Result<Value> {
    let name = month.as_str();
    let rows = sqlx::query!(
        r#"SELECT account AS "account!: String", commodity AS "commodity!: String", micros AS "micros!: i64",
                  (SELECT b.mapped FROM books_account b WHERE b.account = s.account) AS "mapped?: String"
           FROM (SELECT account, commodity, sum(debit_micros + credit_micros) AS micros FROM account_month
                 WHERE month <= ? GROUP BY account, commodity) s
           ORDER BY account, commodity"#,
        name
    )
    .fetch_all(connection)
    .await?;
    let balances: Vec<Value> = rows
        .into_iter()
        .map(|row| {
            let mut balance =
                json!({ "account": row.account, "commodity": row.commodity, "usd_micros": row.micros });
            if let (Some(balance), Some(mapped)) = (balance.as_object_mut(), row.mapped) {
                balance.insert("account_mapped".to_owned(), mapped.into());
            }
            balance
        })
        .collect();
    let mut figures = json!({ "month": name, "ends_at": ends, "balances": balances });
    if let (Some(figures), Value::Object(proof)) = (figures.as_object_mut(), proof) {
        figures.extend(proof);
    }
    Ok(figures)
}
