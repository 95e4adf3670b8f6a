//! The mails that are owed: what is due, what was sent, what was given up.

use super::deposits::Row as DepositRow;
use super::{Error, Ledger, Result};
use crate::domain::deposit::Deposit;
use crate::domain::event::EventName;
use crate::domain::time::Timestamp;

/// A mail that is due, with all that its letter tells.
#[derive(Debug, Clone)]
pub struct OwedMail {
    /// The ledger's number for it.
    pub id: i64,
    /// To whom.
    pub recipient: String,
    /// The same at every attempt.
    pub message_id: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was owed.
    pub created_at: Timestamp,
    /// What it tells.
    pub event: EventName,
    /// When that happened.
    pub at: Timestamp,
    /// Why, in words.
    pub reason: Option<String>,
    /// The deposit with its facts as they were right after the event.
    pub deposit: Option<Deposit>,
    /// The figures of an event of the whole account.
    pub notice: Option<serde_json::Value>,
}

/// How a delivery ended.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// The receiver took it.
    Sent(Timestamp),
    /// Not now; again at this instant.
    Again {
        /// When.
        due: Timestamp,
        /// Why not now.
        why: String,
        /// Whether this try counts (a dead server says nothing about the letter).
        counted: bool,
    },
    /// Never: kept, listed, retried by hand.
    Dead(String),
}

/// A mail as an operator sees it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct MailRow {
    /// The ledger's number for it.
    pub id: i64,
    /// What it tells.
    pub event: String,
    /// About which deposit.
    pub deposit_id: Option<String>,
    /// To whom.
    pub recipient: String,
    /// Its Message-ID, without brackets.
    pub message_id: String,
    /// `owed`, `sent` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was owed.
    pub created_at: String,
    /// When it was sent.
    pub sent_at: Option<String>,
    /// Why it is not sent yet.
    pub last_error: Option<String>,
}

impl Ledger {
    /// Up to `limit` mails that are due and not to any of `but`, longest waiting first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn due_mails(&self, now: Timestamp, but: &[&str], limit: u32) -> Result<Vec<OwedMail>> {
        let (now, limit) = (now.as_millis(), i64::from(limit));
        let but = super::record::json(but)?;
        let rows = sqlx::query!(
            r#"SELECT o.id AS "mail_id!", o.recipient, o.message_id, o.attempts, o.created_at, e.name, e.at, e.reason,
                      e.facts AS event_facts, d.id AS "id?", d.version AS "version?", d.currency AS "currency?",
                      d.network AS "network?", d.amount_requested AS "amount_requested?", d.coupon, d.reference,
                      d.notify AS "notify?", d.requested_at AS "requested_at?", d.updated_at AS "updated_at?"
               FROM outbox o JOIN event e ON e.seq = o.event_seq LEFT JOIN deposit d ON d.id = e.deposit_id
               WHERE o.state = 'owed' AND o.due_ms <= ? AND o.recipient NOT IN (SELECT value FROM json_each(?))
               ORDER BY o.due_ms, o.id LIMIT ?"#,
            now,
            but,
            limit
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        let unreadable = |what: &str| Error::Unreadable(format!("owed mail: {what}"));
        rows.into_iter()
            .map(|row| {
                let of_deposit = row.id.is_some();
                let deposit = match (row.id, row.version, row.currency, row.network, row.amount_requested) {
                    (Some(id), Some(version), Some(currency), Some(network), Some(amount_requested)) => {
                        // The letter tells the facts of its event, not those of today.
                        Some(Deposit::try_from(DepositRow {
                            id,
                            version,
                            currency,
                            network,
                            amount_requested,
                            coupon: row.coupon,
                            reference: row.reference,
                            notify: row.notify.unwrap_or_default(),
                            requested_at: row.requested_at.unwrap_or_default(),
                            facts: row.event_facts.clone(),
                            updated_at: row.updated_at.unwrap_or_default(),
                        })?)
                    }
                    _ => None,
                };
                let parse = |text: &str| Timestamp::parse(text).map_err(|_| unreadable(text));
                Ok(OwedMail {
                    id: row.mail_id,
                    recipient: row.recipient,
                    message_id: row.message_id,
                    attempts: row.attempts,
                    created_at: parse(&row.created_at)?,
                    event: EventName::parse(&row.name).ok_or_else(|| unreadable(&row.name))?,
                    at: parse(&row.at)?,
                    reason: row.reason,
                    deposit,
                    notice: (!of_deposit)
                        .then(|| serde_json::from_str(&row.event_facts))
                        .transpose()
                        .map_err(|error| unreadable(&error.to_string()))?,
                })
            })
            .collect()
    }

    /// Writes how deliveries ended, all in one transaction.
    ///
    /// # Errors
    /// Whatever the disk says; then a mail may be sent again, under the same Message-ID.
    pub async fn delivered(&self, outcomes: Vec<(i64, Delivery)>) -> Result<()> {
        #[derive(serde::Serialize)]
        struct End(i64, &'static str, Option<i64>, Option<String>, Option<String>, i64);
        let rows: Vec<End> = outcomes
            .into_iter()
            .map(|(id, delivery)| match delivery {
                Delivery::Sent(at) => End(id, "sent", None, Some(at.to_string()), None, 1),
                Delivery::Again { due, why, counted } => {
                    End(id, "owed", Some(due.as_millis()), None, Some(why), i64::from(counted))
                }
                Delivery::Dead(why) => End(id, "dead", None, None, Some(why), 1),
            })
            .collect();
        let rows = super::record::json(&rows)?;
        self.writer()?.run(move |connection| {
            Box::pin(async move {
                sqlx::query!(
                    r#"UPDATE outbox SET state = j.value ->> 1, due_ms = j.value ->> 2, sent_at = j.value ->> 3,
                           last_error = j.value ->> 4, attempts = attempts + (j.value ->> 5)
                       FROM json_each(?) AS j WHERE outbox.id = j.value ->> 0 AND outbox.state = 'owed'"#,
                    rows
                )
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(Error::database("written"))
            })
        }).await
    }

    /// When the next mail is due.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn next_mail(&self) -> Result<Option<Timestamp>> {
        let next =
            sqlx::query_scalar!(r#"SELECT min(due_ms) AS "due: i64" FROM outbox WHERE state = 'owed'"#)
                .fetch_one(&self.readers)
                .await
                .map_err(Error::database("read"))?;
        Ok(next.map(Timestamp::from_millis))
    }

    /// Mails in one of these states, newest first; all that are not sent when `states` is empty.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn mails(&self, states: &[&str], limit: u32) -> Result<Vec<MailRow>> {
        let wanted = if states.is_empty() { &["owed", "dead"] } else { states };
        let (wanted, limit) = (super::record::json(wanted)?, i64::from(limit));
        sqlx::query_as!(
            MailRow,
            r#"SELECT o.id AS "id!", e.name AS event, e.deposit_id, o.recipient, o.message_id, o.state, o.attempts,
                      o.created_at, o.sent_at, o.last_error
               FROM outbox o JOIN event e ON e.seq = o.event_seq
               WHERE o.state IN (SELECT value FROM json_each(?)) ORDER BY o.id DESC LIMIT ?"#,
            wanted,
            limit
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// Puts dead and waiting mails (one, or all) back to the front of the queue; gives how many.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn retry_mails(&self, id: Option<i64>, now: Timestamp) -> Result<u64> {
        let now = now.as_millis();
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    sqlx::query!(
                        r#"UPDATE outbox SET state = 'owed', due_ms = ?1, attempts = 0
                       WHERE state <> 'sent' AND (?2 IS NULL OR id = ?2)"#,
                        now,
                        id
                    )
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected())
                    .map_err(Error::database("written"))
                })
            })
            .await
    }

    /// How many mails there are in each state.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn mail_counts(&self) -> Result<Vec<(String, i64)>> {
        let rows =
            sqlx::query!(r#"SELECT state, count(*) AS "n!: i64" FROM outbox GROUP BY state ORDER BY state"#)
                .fetch_all(&self.readers)
                .await
                .map_err(Error::database("read"))?;
        Ok(rows.into_iter().map(|row| (row.state, row.n)).collect())
    }
}
