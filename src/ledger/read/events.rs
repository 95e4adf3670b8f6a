//! How events are read back: of one deposit, or all after a number.

use crate::domain::event::EventName;
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
    /// The customer's own words for that deposit.
    pub reference: Option<String>,
    /// US dollars asked for, as they were written.
    pub amount_requested: Option<String>,
    /// US dollars that the journal held as credited for it after this event.
    pub amount_booked: Option<String>,
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

/// Some events, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct EventPage {
    /// Oldest first.
    pub events: Vec<EventRow>,
    /// All up to this number were looked at: ask for those after it next.
    pub next_after: i64,
    /// There are events after it already.
    pub more: bool,
}

/// How many events are gone through at a time for those with certain names.
const SCANNED: i64 = 10_000;

/// A query for events, by the end of its statement.
macro_rules! events {
    ($condition:tt, $($argument:expr),+) => {
        sqlx::query_as!(
            EventRow,
            r#"SELECT e.seq AS "seq!", e.deposit_id, d.reference AS "reference?", d.amount_requested AS "amount_requested?",
                      CASE WHEN d.id IS NOT NULL AND e.micros IS NOT NULL
                           THEN printf('%d.%02d', e.micros / 1000000, e.micros % 1000000 / 10000)
                                || rtrim(printf('%04d', e.micros % 10000), '0') END AS "amount_booked?: String",
                      e.at, e.name AS event, e.from_state, e.to_state, e.upstream_status, e.reason, e.hash,
                      'evt_' || substr(e.hash, 1, 32) AS "id!: String", e.acted_by
               FROM (SELECT *, coalesce(facts ->> '$.booked.credited', facts ->> '$.booked.usd')
                            + coalesce(facts ->> '$.booked.correction', 0) AS micros FROM event) e
               LEFT JOIN deposit d ON d.id = e.deposit_id "# + $condition,
            $($argument),+
        )
    };
}

impl Ledger {
    /// One deposit's events, oldest first.
    pub async fn events_of(&self, id: DepositId) -> Result<Vec<EventRow>> {
        let id = id.to_string();
        events!("WHERE e.deposit_id = ? ORDER BY e.seq", id)
            .fetch_all(&self.readers)
            .await
            .map_err(Error::database("read"))
    }

    /// Up to `limit` events after number `seq`, oldest first.
    pub async fn events_after(&self, seq: i64, limit: u32) -> Result<Vec<EventRow>> {
        let limit = i64::from(limit);
        events!("WHERE e.seq > ? ORDER BY e.seq LIMIT ?", seq, limit)
            .fetch_all(&self.readers)
            .await
            .map_err(Error::database("read"))
    }

    /// The events after number `after` with one of these names, all when empty; at most `limit` of them.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn events_page(&self, after: i64, names: &[EventName], limit: u32) -> Result<EventPage> {
        // Read first: whatever it counts is there when the events are read, since there is one writer and no gap.
        let head = self.head_hash().await?.map_or(0, |(seq, _)| seq);
        let until = if names.is_empty() { head } else { head.min(after.saturating_add(SCANNED)) };
        let any = names.is_empty();
        let words = crate::ledger::sql::json(names)?;
        let most = i64::from(limit);
        let events = events!(
            "WHERE e.seq > ? AND e.seq <= ? AND (? OR e.name IN (SELECT value FROM json_each(?))) ORDER BY e.seq LIMIT ?",
            after,
            until,
            any,
            words,
            most
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        let is_full = u32::try_from(events.len()).is_ok_and(|count| count >= limit);
        let next_after = events.last().filter(|_| is_full).map_or(until, |last| last.seq).max(after);
        Ok(EventPage { events, next_after, more: next_after < head })
    }

    /// The number and hash of the last event: what an outsider can hold the ledger to.
    pub async fn head_hash(&self) -> Result<Option<(i64, String)>> {
        let row = sqlx::query!(r#"SELECT seq AS "seq!", hash FROM event ORDER BY seq DESC LIMIT 1"#)
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.map(|row| (row.seq, row.hash)))
    }

    /// The hash of event `seq`; `None` where there is no such event.
    pub async fn hash_of(&self, seq: i64) -> Result<Option<String>> {
        sqlx::query_scalar!("SELECT hash FROM event WHERE seq = ?", seq)
            .fetch_optional(&self.readers)
            .await
            .map_err(Error::database("read"))
    }

    /// The last event of the whole account with one of these names: how an outage stands after a restart.
    pub async fn last_of(&self, names: &[crate::domain::event::EventName]) -> Result<Option<EventRow>> {
        let names = crate::ledger::sql::json(names)?;
        events!(
            "WHERE e.deposit_id IS NULL AND e.name IN (SELECT value FROM json_each(?)) ORDER BY e.seq DESC LIMIT 1",
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
