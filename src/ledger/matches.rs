//! What matching works on: the invoices without a certain match, the deposits that may be theirs, and what was decided.

use serde::Deserialize;
use sqlx::SqliteConnection;

use super::invoices::from_json;
use super::record::json;
use super::{Error, Ledger, Result};
use crate::domain::ids::DepositId;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::reconcile::{Candidate, Match, Unmatched, is_processor};
use crate::domain::time::Timestamp;

/// So many invoices are read at a time.
const PAGE: usize = 5000;
/// So many matches are written in one transaction: they touch the same leaves of the indexes.
const TOGETHER: usize = 20_000;

/// An invoice without a certain match, as SQL gives it.
#[derive(Deserialize)]
struct UnmatchedRow {
    row: i64,
    print: i64,
    sesid: Option<String>,
    pay_id: Option<String>,
    cents: Option<i64>,
    created: Option<String>,
    method: Option<String>,
    rule: Option<String>,
}

/// A deposit that an invoice may be for, as SQL gives it.
#[derive(Deserialize)]
struct CandidateRow {
    id: String,
    order_id: String,
    link_id: Option<String>,
    created_at: String,
    requested: String,
    micros: Option<i64>,
    booked: Option<i64>,
}

impl From<UnmatchedRow> for Unmatched {
    fn from(row: UnmatchedRow) -> Self {
        let created = row.created.as_deref().and_then(|at| Timestamp::parse(at).ok());
        let guessing = row.rule.is_none() && is_processor(row.method.as_deref());
        Self {
            row: row.row,
            print: row.print,
            sesid: row.sesid,
            pay_id: row.pay_id,
            amount_cents: row.cents,
            guess_at: created.filter(|_| guessing),
        }
    }
}

impl TryFrom<CandidateRow> for Candidate {
    type Error = Error;
    fn try_from(row: CandidateRow) -> Result<Self> {
        let unreadable = || Error::Unreadable(format!("deposit {}", row.id));
        let asked = Amount::parse(&row.requested).ok().and_then(|asked| asked.to_usd_micros());
        let figures = [asked, row.micros.map(UsdMicros::new), row.booked.map(UsdMicros::new)];
        Ok(Self {
            id: row.id.parse().map_err(|_| unreadable())?,
            created_at: Timestamp::parse(&row.created_at).map_err(|_| unreadable())?,
            order_id: row.order_id,
            link_id: row.link_id,
            cents: figures.into_iter().flatten().filter_map(UsdMicros::to_cents_exact).collect(),
        })
    }
}

fn candidates_in(rows: &str) -> Result<Vec<Candidate>> {
    from_json::<Vec<CandidateRow>>(rows)?.into_iter().map(Candidate::try_from).collect()
}

impl Ledger {
    /// A page of the invoices that are not matched for certain, and were new or changed at `since` or later; those with
    /// a number above `after`. With it the number to go on after, `None` at the end.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn unmatched(&self, since: Timestamp, after: i64) -> Result<(Vec<Unmatched>, Option<i64>)> {
        let (since, limit) = (since.as_millis(), i64::try_from(PAGE).unwrap_or(i64::MAX));
        let page = sqlx::query!(
            r#"SELECT max(row_id) AS "last: i64",
                      json_group_array(json_array(row_id, print, sesid, pay_id, amount_cents, created, method, rule)) AS "rows!: String"
               FROM (SELECT row_id, print, sesid, pay_id, amount_cents, created, method, rule FROM invoice
                     WHERE changed_ms >= ? AND row_id > ? AND (deposit_id IS NULL OR rule = 'amount_and_time')
                       AND abandoned = 0
                     ORDER BY row_id LIMIT ?)"#,
            since,
            after,
            limit
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        let rows: Vec<UnmatchedRow> = from_json(&page.rows)?;
        Ok((rows.into_iter().map(Unmatched::from).collect(), page.last))
    }

    /// The deposits that one of `ids` names, as order or by the payment link, and that have no certain match.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn named(&self, ids: &[&str]) -> Result<Vec<Candidate>> {
        let ids = json(ids)?;
        let rows = sqlx::query_scalar!(
            r#"SELECT json_group_array(json_array(d.id, d.order_id, d.link_id, d.wallet_created_at, d.amount_requested,
                                                  d.amount_usd_micros, d.amount_booked_micros)) AS "rows!: String"
               FROM deposit d
               WHERE d.row_id IN (SELECT o.row_id FROM json_each(?1) j JOIN deposit o ON o.order_id = j.value
                                  UNION SELECT l.row_id FROM json_each(?1) j JOIN deposit l ON l.link_id = j.value)
                 AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_id = d.id AND i.rule <> 'amount_and_time')"#,
            ids
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        candidates_in(&rows)
    }

    /// The deposits without an invoice that were asked for at or after `since`, the `limit` newest of them.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn uninvoiced(&self, since: Timestamp, limit: u32) -> Result<Vec<Candidate>> {
        let (since, limit) = (since.to_string(), i64::from(limit));
        let rows = sqlx::query_scalar!(
            r#"SELECT json_group_array(json_array(id, order_id, link_id, wallet_created_at, amount_requested,
                                                  amount_usd_micros, amount_booked_micros)) AS "rows!: String"
               FROM (SELECT d.id, d.order_id, d.link_id, d.wallet_created_at, d.amount_requested, d.amount_usd_micros,
                            d.amount_booked_micros
                     FROM deposit d
                     WHERE d.requested_at >= ? AND d.order_id IS NOT NULL
                       AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_id = d.id)
                     ORDER BY d.requested_at DESC LIMIT ?)"#,
            since,
            limit
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        candidates_in(&rows)
    }

    /// Writes which invoice is whose. A guess gives way to what is certain.
    ///
    /// # Errors
    /// Whatever the disk says; the next run does it again.
    pub async fn keep_matches(&self, matches: &[Match]) -> Result<()> {
        for page in matches.chunks(TOGETHER) {
            let rows: Vec<(i64, DepositId, &str)> =
                page.iter().map(|one| (one.row, one.deposit, one.rule.as_str())).collect();
            let rows = json(&rows)?;
            self.write_page(move |connection| {
                Box::pin(async move {
                    clear_guesses(connection, &rows).await?;
                    set_matches(connection, &rows).await
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Marks the invoices of wallets that nobody was shown, by their numbers and by the orders that they name.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn mark_abandoned(&self, rows: &[i64], orders: &[String]) -> Result<()> {
        let (rows, orders) = (json(rows)?, json(orders)?);
        self.write_page(move |connection| {
            Box::pin(async move {
                sqlx::query!(
                    r#"UPDATE invoice SET abandoned = 1
                       WHERE deposit_id IS NULL
                         AND (row_id IN (SELECT value FROM json_each(?1)) OR pay_id IN (SELECT value FROM json_each(?2))
                              OR sesid IN (SELECT value FROM json_each(?2)))"#,
                    rows,
                    orders
                )
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(Error::database("written"))
            })
        })
        .await
    }

    /// Has the invoices that name these orders matched again, whenever they were seen first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn rematch(&self, orders: &[String], now: Timestamp) -> Result<()> {
        let (orders, now) = (json(orders)?, now.as_millis());
        self.write_page(move |connection| {
            Box::pin(async move {
                sqlx::query!(
                    r#"UPDATE invoice SET changed_ms = ?1
                       WHERE deposit_id IS NULL AND (pay_id IN (SELECT value FROM json_each(?2))
                                                     OR sesid IN (SELECT value FROM json_each(?2)))"#,
                    now,
                    orders
                )
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(Error::database("written"))
            })
        })
        .await
    }
}

async fn clear_guesses(connection: &mut SqliteConnection, rows: &str) -> Result<()> {
    sqlx::query!(
        r#"UPDATE invoice SET deposit_id = NULL, rule = NULL
           WHERE rule = 'amount_and_time'
             AND (row_id IN (SELECT j.value ->> 0 FROM json_each(?1) AS j)
                  OR deposit_id IN (SELECT j.value ->> 1 FROM json_each(?1) AS j))"#,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

async fn set_matches(connection: &mut SqliteConnection, rows: &str) -> Result<()> {
    sqlx::query!(
        r#"UPDATE invoice SET deposit_id = j.value ->> 1, rule = j.value ->> 2
           FROM json_each(?) AS j WHERE row_id = j.value ->> 0"#,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}
