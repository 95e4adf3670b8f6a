//! How events are read back: of one deposit, or all after a number.

use crate::domain::ids::DepositId;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};

/// One event as the outside sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct EventRow {
    /// 1, 2, 3 ..: the order of everything.
    pub seq: i64,
    /// Its name for ever, which a webhook has as `webhook-id`: `evt_`, and the beginning of its hash. Not even an event
    /// that gets the same number after an older copy of the ledger was restored has the same.
    pub id: String,
    /// Which deposit; `None` for the whole account.
    pub deposit_id: Option<String>,
    /// When.
    pub at: String,
    /// What happened.
    pub event: String,
    /// The state before.
    pub from_state: Option<String>,
    /// The state after.
    pub to_state: Option<String>,
    /// The upstream's raw word.
    pub upstream_status: Option<String>,
    /// Why, in words.
    pub reason: Option<String>,
    /// Its link in the chain.
    pub hash: String,
    /// Who did it, where somebody did: a user of this machine, or a token by its name.
    pub acted_by: Option<String>,
}

/// A query for events, by the end of its statement.
macro_rules! events {
    ($condition:tt, $($argument:expr),+) => {
        sqlx::query_as!(
            EventRow,
            r#"SELECT seq AS "seq!", deposit_id, at, name AS event, from_state, to_state, upstream_status, reason, hash,
                      'evt_' || substr(hash, 1, 32) AS "id!: String", acted_by
               FROM event "# + $condition,
            $($argument),+
        )
    };
}

impl Ledger {
    /// One deposit's events, oldest first.
    pub async fn events_of(&self, id: DepositId) -> Result<Vec<EventRow>> {
        let id = id.to_string();
        events!("WHERE deposit_id = ? ORDER BY seq", id)
            .fetch_all(&self.readers)
            .await
            .map_err(Error::database("read"))
    }

    /// Up to `limit` events after number `seq`, oldest first.
    pub async fn events_after(&self, seq: i64, limit: u32) -> Result<Vec<EventRow>> {
        let limit = i64::from(limit);
        events!("WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
            .fetch_all(&self.readers)
            .await
            .map_err(Error::database("read"))
    }

    /// The number and hash of the last event: what an outsider can hold the ledger to.
    pub async fn head_hash(&self) -> Result<Option<(i64, String)>> {
        let row = sqlx::query!(r#"SELECT seq AS "seq!", hash FROM event ORDER BY seq DESC LIMIT 1"#)
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.map(|row| (row.seq, row.hash)))
    }

    /// The last event of the whole account with one of these names: how an outage stands after a restart.
    pub async fn last_of(&self, names: &[crate::domain::event::EventName]) -> Result<Option<EventRow>> {
        let names = crate::ledger::sql::json(names)?;
        events!(
            "WHERE deposit_id IS NULL AND name IN (SELECT value FROM json_each(?)) ORDER BY seq DESC LIMIT 1",
            names
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// When event `seq` happened.
    pub async fn time_of(&self, seq: i64) -> Result<Option<Timestamp>> {
        let at = sqlx::query_scalar!("SELECT at FROM event WHERE seq = ?", seq)
            .fetch_optional(&self.readers)
            .await?;
        at.map(|at| Timestamp::parse(&at).map_err(|error| Error::Unreadable(error.to_string()))).transpose()
    }
}
