//! The upstream's invoices as the ledger keeps them, with the deposits that they are matched with.

use sqlx::SqliteConnection;

use super::record::json;
use super::writer::{begin, commit};
use super::{Error, Ledger, Result};
use crate::domain::deposit::State;
use crate::domain::ids::DepositId;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::reconcile::{Candidate, Pair};
use crate::domain::time::Timestamp;

/// An invoice as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InvoiceRow {
    /// Its own name: see `domain::reconcile::keyed`.
    pub key: String,
    /// As the upstream wrote it.
    pub sesid: Option<String>,
    /// As the upstream wrote it.
    pub pay_id: Option<String>,
    /// Processor.
    pub method: Option<String>,
    /// Whole US cents.
    pub amount_cents: i64,
    /// When, in UTC.
    pub created: Option<String>,
    /// Raw word.
    pub status: Option<String>,
    /// The deposit it is matched with.
    pub deposit_id: Option<String>,
    /// How it was matched.
    pub rule: Option<String>,
    /// It was called paid once.
    pub credited: bool,
    /// Made by an attempt of ours, shown to nobody.
    pub abandoned: bool,
    /// The upstream lists it still.
    pub listed: bool,
}

/// A deposit that is booked here.
#[derive(Debug, Clone)]
pub struct Credited {
    /// Which deposit.
    pub id: DepositId,
    /// Its order.
    pub order_id: String,
    /// What is booked.
    pub booked: UsdMicros,
}

impl Ledger {
    /// Every invoice that was ever seen, in the order of their keys.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn invoices(&self) -> Result<Vec<InvoiceRow>> {
        sqlx::query_as!(
            InvoiceRow,
            r#"SELECT key, sesid, pay_id, method, amount_cents, created, status, deposit_id, rule,
                      credited AS "credited: bool", abandoned AS "abandoned: bool", listed AS "listed: bool"
               FROM invoice ORDER BY key"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// The deposits that one of `ids` names: as order, or by the payment link. Those that have an invoice are left out.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn candidates(&self, ids: &[&str]) -> Result<Vec<Candidate>> {
        let ids = json(ids)?;
        let rows = sqlx::query!(
            r#"SELECT d.id AS "id!", d.order_id AS "order_id!", d.link_id, d.wallet_created_at AS "wallet_created_at!",
                      d.amount_requested AS "amount_requested!", d.amount_usd_micros, d.amount_booked_micros
               FROM deposit d
               WHERE d.row_id IN (SELECT o.row_id FROM json_each(?1) j JOIN deposit o ON o.order_id = j.value
                                  UNION SELECT l.row_id FROM json_each(?1) j JOIN deposit l ON l.link_id = j.value)
                 AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_id = d.id)"#,
            ids
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter()
            .map(|row| {
                candidate(CandidateRow {
                    id: row.id,
                    order_id: row.order_id,
                    link_id: row.link_id,
                    created_at: row.wallet_created_at,
                    requested: row.amount_requested,
                    micros: row.amount_usd_micros,
                    booked: row.amount_booked_micros,
                })
            })
            .collect()
    }

    /// The deposits without an invoice whose wallets were made at or after `since`.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn uninvoiced(&self, since: Timestamp) -> Result<Vec<Candidate>> {
        let since = since.to_string();
        let rows = sqlx::query!(
            r#"SELECT d.id AS "id!", d.order_id AS "order_id!", d.link_id, d.wallet_created_at AS "wallet_created_at!",
                      d.amount_requested AS "amount_requested!", d.amount_usd_micros, d.amount_booked_micros
               FROM deposit d
               WHERE d.requested_at >= ? AND d.order_id IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_id = d.id)"#,
            since
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter()
            .map(|row| {
                candidate(CandidateRow {
                    id: row.id,
                    order_id: row.order_id,
                    link_id: row.link_id,
                    created_at: row.wallet_created_at,
                    requested: row.amount_requested,
                    micros: row.amount_usd_micros,
                    booked: row.amount_booked_micros,
                })
            })
            .collect()
    }

    /// Writes invoices that are new or have changed, all in one transaction.
    ///
    /// # Errors
    /// Whatever the disk says; nothing is written then.
    pub async fn keep_invoices(&self, rows: Vec<InvoiceRow>, now: Timestamp) -> Result<()> {
        let now = now.to_string();
        let chunks: Vec<String> = rows.chunks(2000).map(json).collect::<Result<_>>()?;
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    begin(connection).await?;
                    for rows in chunks {
                        upsert_invoices(connection, &rows, &now).await?;
                    }
                    commit(connection).await
                })
            })
            .await
    }

    /// The pairs of a deposit and its invoice that may not agree: credited on one side only, or other figures.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn suspects(&self) -> Result<Vec<Pair>> {
        let rows = sqlx::query!(
            r#"SELECT d.id AS "id!", d.order_id AS "order_id!", d.state AS "state!", d.amount_booked_micros,
                      i.amount_cents, i.status
               FROM invoice i JOIN deposit d ON d.id = i.deposit_id
               WHERE i.listed = 1
                 AND ((d.amount_booked_micros IS NOT NULL) <> (coalesce(lower(i.status), '') IN ('paid', 'paid_over'))
                      OR abs(d.amount_booked_micros - i.amount_cents * 10000) >= 10000)"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter()
            .map(|row| {
                let unreadable = || Error::Unreadable(format!("deposit {}", row.id));
                Ok(Pair {
                    deposit_id: row.id.parse().map_err(|_| unreadable())?,
                    order_id: row.order_id.clone(),
                    state: State::parse(&row.state).ok_or_else(unreadable)?,
                    booked: row.amount_booked_micros.map(UsdMicros::new),
                    invoice_cents: row.amount_cents,
                    invoice_status: row.status.clone(),
                })
            })
            .collect()
    }

    /// Deposits that are booked here and have no invoice that the upstream still lists.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn booked_without_invoice(&self) -> Result<Vec<Credited>> {
        let rows = sqlx::query!(
            r#"SELECT d.id AS "id!", d.order_id AS "order_id!", d.amount_booked_micros AS "booked!"
               FROM deposit d
               WHERE d.settled_at IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_id = d.id AND i.listed = 1)"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter()
            .map(|row| {
                let id = row.id.parse().map_err(|_| Error::Unreadable(row.id.clone()))?;
                Ok(Credited { id, order_id: row.order_id, booked: UsdMicros::new(row.booked) })
            })
            .collect()
    }

    /// How many invoices each rule has matched.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn matches_by_rule(&self) -> Result<Vec<(String, i64)>> {
        let rows = sqlx::query!(
            r#"SELECT coalesce(rule, CASE WHEN abandoned = 1 THEN 'abandoned' ELSE 'elsewhere' END) AS "rule!: String",
                      count(*) AS "n!: i64" FROM invoice GROUP BY 1 ORDER BY 1"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        Ok(rows.into_iter().map(|row| (row.rule, row.n)).collect())
    }
}

struct CandidateRow {
    id: String,
    order_id: String,
    link_id: Option<String>,
    created_at: String,
    requested: String,
    micros: Option<i64>,
    booked: Option<i64>,
}

fn candidate(row: CandidateRow) -> Result<Candidate> {
    let unreadable = || Error::Unreadable(format!("deposit {}", row.id));
    let asked = Amount::parse(&row.requested).ok().and_then(|asked| asked.to_usd_micros());
    let figures = [asked, row.micros.map(UsdMicros::new), row.booked.map(UsdMicros::new)];
    Ok(Candidate {
        id: row.id.parse().map_err(|_| unreadable())?,
        order_id: row.order_id.clone(),
        link_id: row.link_id.clone(),
        created_at: Timestamp::parse(&row.created_at).map_err(|_| unreadable())?,
        cents: figures.into_iter().flatten().filter_map(UsdMicros::to_cents_exact).collect(),
    })
}

async fn upsert_invoices(connection: &mut SqliteConnection, rows: &str, now: &str) -> Result<()> {
    sqlx::query!(
        r#"INSERT INTO invoice (key, sesid, pay_id, method, amount_cents, created, status, deposit_id, rule, credited,
                                abandoned, listed, first_seen)
           SELECT j.value ->> 'key', j.value ->> 'sesid', j.value ->> 'pay_id', j.value ->> 'method',
                  j.value ->> 'amount_cents', j.value ->> 'created', j.value ->> 'status', j.value ->> 'deposit_id',
                  j.value ->> 'rule', j.value ->> 'credited', j.value ->> 'abandoned', j.value ->> 'listed', ?
           FROM json_each(?) AS j WHERE true
           ON CONFLICT (key) DO UPDATE SET amount_cents = excluded.amount_cents, status = excluded.status,
               deposit_id = excluded.deposit_id, rule = excluded.rule, credited = max(credited, excluded.credited),
               abandoned = max(abandoned, excluded.abandoned), listed = excluded.listed"#,
        now,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}
