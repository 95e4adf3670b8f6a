//! The attempts to make a wallet: the intent is on disk before the upstream hears of it.

use super::{Error, Ledger, Result};
use crate::domain::deposit::Deposit;
use crate::domain::ids::DepositId;
use crate::domain::time::Timestamp;

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The ledger's number for it.
    pub id: i64,
    /// When the intent was written.
    pub started_at: Timestamp,
    /// When it ended; `None`: under way, or the program died.
    pub ended_at: Option<Timestamp>,
    /// The word of its outcome; `None` counts as unknown once nobody is at work on it.
    pub outcome: Option<String>,
    /// The order that it made, if an answer named one.
    pub order_id: Option<String>,
}

impl Attempt {
    /// True where it cannot be known what it did.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self.outcome.as_deref(), None | Some("unknown"))
    }

    /// True where it counts against `create_attempts`.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.outcome.as_deref() != Some("not_taken")
    }
}

/// A lost attempt and the deposit that it was for.
#[derive(Debug, Clone)]
pub struct LostAttempt {
    /// The attempt.
    pub attempt: Attempt,
    /// Its deposit as it stands.
    pub deposit: Deposit,
}

/// A wallet that one of our attempts made and that nobody was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbandonedWallet {
    /// For which deposit it was made.
    pub deposit_id: DepositId,
    /// Its order; where the invoice list names none, what the invoice is called by.
    pub order_id: String,
}

struct Row {
    id: i64,
    started_at: String,
    ended_at: Option<String>,
    outcome: Option<String>,
    order_id: Option<String>,
}

impl TryFrom<Row> for Attempt {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        let read = |text: &str| Timestamp::parse(text).map_err(|error| Error::Unreadable(error.to_string()));
        Ok(Self {
            id: row.id,
            started_at: read(&row.started_at)?,
            ended_at: row.ended_at.as_deref().map(read).transpose()?,
            outcome: row.outcome,
            order_id: row.order_id,
        })
    }
}

impl Ledger {
    /// Writes the intent to ask for a wallet. On disk when this returns; gives the attempt's number.
    ///
    /// # Errors
    /// Whatever the disk says; then nothing may be asked of the upstream.
    pub async fn begin_attempt(&self, deposit: DepositId, now: Timestamp) -> Result<i64> {
        let (id, now) = (deposit.to_string(), now.to_string());
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    sqlx::query_scalar!(
                        r#"INSERT INTO attempt (deposit_id, number, started_at)
                       SELECT ?1, coalesce(max(number), 0) + 1, ?2 FROM attempt WHERE deposit_id = ?1
                       RETURNING id AS "id!""#,
                        id,
                        now
                    )
                    .fetch_one(connection)
                    .await
                    .map_err(Error::database("written"))
                })
            })
            .await
    }

    /// One deposit's attempts, oldest first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn attempts_of(&self, deposit: DepositId) -> Result<Vec<Attempt>> {
        let id = deposit.to_string();
        sqlx::query_as!(
            Row,
            r#"SELECT id AS "id!", started_at, ended_at, outcome, order_id FROM attempt WHERE deposit_id = ? ORDER BY id"#,
            id
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?
        .into_iter()
        .map(Attempt::try_from)
        .collect()
    }

    /// Every attempt whose wallet, if it made one, is not known yet; oldest first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn lost_attempts(&self) -> Result<Vec<LostAttempt>> {
        let rows = sqlx::query!(
            r#"SELECT id AS "id!", deposit_id, started_at, ended_at, outcome, order_id
               FROM attempt WHERE outcome IS NULL OR outcome = 'unknown' ORDER BY id"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        let mut lost = Vec::with_capacity(rows.len());
        for row in rows {
            let attempt = Attempt::try_from(Row {
                id: row.id,
                started_at: row.started_at,
                ended_at: row.ended_at,
                outcome: row.outcome,
                order_id: row.order_id,
            })?;
            if let Some(deposit) = self.find(&row.deposit_id).await? {
                lost.push(LostAttempt { attempt, deposit });
            }
        }
        Ok(lost)
    }

    /// Those of `ids` that name an order we know: a deposit's, by its order or link, or one made by an attempt.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn known_orders(&self, ids: &[&str]) -> Result<std::collections::HashSet<String>> {
        let ids = super::record::json(ids)?;
        let rows = sqlx::query_scalar!(
            r#"SELECT CAST(j.value AS TEXT) AS "id!: String" FROM json_each(?) AS j
               WHERE EXISTS (SELECT 1 FROM deposit d WHERE d.order_id = j.value)
                  OR EXISTS (SELECT 1 FROM deposit d WHERE d.link_id = j.value)
                  OR EXISTS (SELECT 1 FROM attempt a WHERE a.order_id = j.value AND a.outcome = 'abandoned')"#,
            ids
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        Ok(rows.into_iter().collect())
    }

    /// The orders of all attempts whose wallets nobody was shown, with their deposits.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn abandoned(&self) -> Result<Vec<(DepositId, String)>> {
        let rows = sqlx::query!(
            r#"SELECT deposit_id, order_id AS "order_id!" FROM attempt
               WHERE outcome = 'abandoned' AND order_id IS NOT NULL ORDER BY id"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter()
            .map(|row| {
                let id = row.deposit_id.parse().map_err(|_| Error::Unreadable(row.deposit_id.clone()))?;
                Ok((id, row.order_id))
            })
            .collect()
    }

    /// The wallets that nobody was shown and that may still be paid, or have not been told of yet: those whose case has
    /// been told, and whose invoice has ended unpaid, are left out.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn abandoned_standing(&self) -> Result<Vec<AbandonedWallet>> {
        let rows = sqlx::query!(
            r#"SELECT a.deposit_id, a.order_id AS "order_id!" FROM attempt a
               WHERE a.outcome = 'abandoned' AND a.order_id IS NOT NULL
                 AND NOT (EXISTS (SELECT 1 FROM discrepancy c
                                  WHERE c.key = 'abandoned_wallet:' || a.order_id AND c.told_at IS NOT NULL)
                          AND EXISTS (SELECT 1 FROM invoice i
                                      WHERE i.abandoned = 1 AND (i.pay_id = a.order_id OR i.sesid = a.order_id)
                                        AND lower(i.status) IN ('cancel', 'fail', 'system_fail')))
               ORDER BY a.id"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter()
            .map(|row| {
                let deposit_id =
                    row.deposit_id.parse().map_err(|_| Error::Unreadable(row.deposit_id.clone()))?;
                Ok(AbandonedWallet { deposit_id, order_id: row.order_id })
            })
            .collect()
    }
}
