//! Deposits and their invoices side by side: what may not agree, of those that a run has reason to look at.

use super::record::json;
use super::{Error, Ledger, Result};
use crate::domain::deposit::State;
use crate::domain::ids::DepositId;
use crate::domain::money::UsdMicros;
use crate::domain::reconcile::Pair;
use crate::domain::time::Timestamp;

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

/// Which deposits a run has reason to look at.
#[derive(Debug, Clone)]
pub enum Scope {
    /// All of them.
    Whole,
    /// Only these.
    These(Vec<String>),
}

impl Scope {
    fn these(&self) -> Result<Option<String>> {
        match self {
            Self::Whole => Ok(None),
            Self::These(ids) => json(ids).map(Some),
        }
    }
}

/// What SQL gives of a pair.
struct PairRow {
    id: String,
    order_id: String,
    state: String,
    amount_booked_micros: Option<i64>,
    amount_cents: Option<i64>,
    status: Option<String>,
}

/// What SQL gives of a deposit that is booked.
struct CreditedRow {
    id: String,
    order_id: String,
    booked: i64,
}

impl TryFrom<PairRow> for Pair {
    type Error = Error;
    fn try_from(row: PairRow) -> Result<Self> {
        let unreadable = || Error::Unreadable(format!("deposit {}", row.id));
        Ok(Self {
            deposit_id: row.id.parse().map_err(|_| unreadable())?,
            state: State::parse(&row.state).ok_or_else(unreadable)?,
            order_id: row.order_id,
            booked: row.amount_booked_micros.map(UsdMicros::new),
            invoice_cents: row.amount_cents,
            invoice_status: row.status,
        })
    }
}

impl Ledger {
    /// The deposits that have changed since event `seq`, or whose invoice was new, changed or gone at `since`; and those
    /// of `more`.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn touched(&self, seq: i64, since: Timestamp, more: &[String]) -> Result<Scope> {
        let (since, more) = (since.as_millis(), json(more)?);
        let ids = sqlx::query_scalar!(
            r#"SELECT deposit_id AS "id!: String" FROM event WHERE seq > ? AND deposit_id IS NOT NULL
               UNION SELECT d.id FROM invoice i JOIN deposit d ON d.row_id = i.deposit_row WHERE i.changed_ms >= ?
               UNION SELECT value FROM json_each(?)"#,
            seq,
            since,
            more
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        Ok(Scope::These(ids))
    }

    /// The pairs of a deposit and its invoice that may not agree: credited on one side only, or other figures.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn suspects(&self, scope: &Scope) -> Result<Vec<Pair>> {
        let rows = match scope.these()? {
            None => {
                sqlx::query_as!(
                    PairRow,
                    r#"SELECT d.id, d.order_id AS "order_id!", d.state, d.amount_booked_micros, i.amount_cents, i.status
                       FROM invoice i CROSS JOIN deposit d ON d.row_id = i.deposit_row
                       WHERE i.listed = 1
                         AND ((d.amount_booked_micros IS NOT NULL) <> (coalesce(lower(i.status), '') IN ('paid', 'paid_over'))
                              OR lower(i.status) IN ('wrong_amount', 'refund_process', 'refund_paid', 'refund_fail')
                              OR abs(d.amount_booked_micros - i.amount_cents * 10000) >= 10000
                              OR i.amount_cents IS NULL)"#
                )
                .fetch_all(&self.readers)
                .await
            }
            Some(ids) => {
                sqlx::query_as!(
                    PairRow,
                    r#"SELECT d.id, d.order_id AS "order_id!", d.state, d.amount_booked_micros, i.amount_cents, i.status
                       FROM json_each(?) j JOIN deposit d ON d.id = j.value JOIN invoice i ON i.deposit_row = d.row_id
                       WHERE i.listed = 1
                         AND ((d.amount_booked_micros IS NOT NULL) <> (coalesce(lower(i.status), '') IN ('paid', 'paid_over'))
                              OR lower(i.status) IN ('wrong_amount', 'refund_process', 'refund_paid', 'refund_fail')
                              OR abs(d.amount_booked_micros - i.amount_cents * 10000) >= 10000
                              OR i.amount_cents IS NULL)"#,
                    ids
                )
                .fetch_all(&self.readers)
                .await
            }
        };
        rows.map_err(Error::database("read"))?.into_iter().map(Pair::try_from).collect()
    }

    /// Deposits that are booked here and have no invoice that the upstream still lists.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn booked_without_invoice(&self, scope: &Scope) -> Result<Vec<Credited>> {
        let rows = match scope.these()? {
            None => {
                sqlx::query_as!(
                    CreditedRow,
                    r#"SELECT d.id AS "id!", d.order_id AS "order_id!", d.amount_booked_micros AS "booked!"
                       FROM deposit d
                       WHERE d.settled_at IS NOT NULL
                         AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_row = d.row_id AND i.listed = 1)"#
                )
                .fetch_all(&self.readers)
                .await
            }
            Some(ids) => {
                sqlx::query_as!(
                    CreditedRow,
                    r#"SELECT d.id AS "id!", d.order_id AS "order_id!", d.amount_booked_micros AS "booked!"
                       FROM json_each(?) j JOIN deposit d ON d.id = j.value
                       WHERE d.settled_at IS NOT NULL
                         AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_row = d.row_id AND i.listed = 1)"#,
                    ids
                )
                .fetch_all(&self.readers)
                .await
            }
        };
        rows.map_err(Error::database("read"))?
            .into_iter()
            .map(|row| {
                let id = row.id.parse().map_err(|_| Error::Unreadable(row.id.clone()))?;
                Ok(Credited { id, order_id: row.order_id, booked: UsdMicros::new(row.booked) })
            })
            .collect()
    }

    /// Deposits that were booked after event `seq` and that the list, which is older, does not show as credited yet:
    /// what is booked on each, in cents.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn booked_since(&self, seq: i64) -> Result<Vec<(DepositId, i64)>> {
        let rows = sqlx::query!(
            r#"SELECT d.id, (d.amount_booked_micros + 5000) / 10000 AS "cents!: i64"
               FROM deposit d LEFT JOIN invoice i ON i.deposit_row = d.row_id AND i.listed = 1
               WHERE d.id IN (SELECT e.deposit_id FROM event e WHERE e.seq > ? AND e.name IN ('settled', 'short'))
                 AND d.settled_at IS NOT NULL
                 AND coalesce(lower(i.status), '') NOT IN ('paid', 'paid_over', 'wrong_amount', 'refund_process',
                                                           'refund_paid', 'refund_fail')"#,
            seq
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter()
            .map(|row| Ok((row.id.parse().map_err(|_| Error::Unreadable(row.id.clone()))?, row.cents)))
            .collect()
    }
}
