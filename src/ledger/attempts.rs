//! The attempts to make a wallet: the intent is on disk before the upstream is called.

use crate::domain::ids::DepositId;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The ledger's number for it.
    pub id: i64,
    /// When the intent was written.
    pub started_at: Timestamp,
    /// When it ended; `None`: under way, or the program died.
    pub ended_at: Option<Timestamp>,
    /// The word of its outcome; `None` counts as unknown once no task works on it.
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
    pub async fn attempts_of(&self, deposit: DepositId) -> Result<Vec<Attempt>> {
        let id = deposit.to_string();
        sqlx::query_as!(
            Row,
            r#"SELECT id AS "id!", started_at, ended_at, outcome, order_id FROM attempt WHERE deposit_id = ? ORDER BY id"#,
            id
        )
        .fetch_all(&self.readers)
        .await?
        .into_iter()
        .map(Attempt::try_from)
        .collect()
    }
}
