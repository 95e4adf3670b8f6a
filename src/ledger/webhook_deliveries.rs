//! How deliveries of webhooks ended, and what a person asks of them.

use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::deliveries::{Delivery, ended_rows};
use crate::ledger::error::{Error, Result};

/// A webhook whose receiver answered 410: nothing is sent to it until a person says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedWebhook {
    /// Which.
    pub webhook: String,
    /// Since when.
    pub ended_at: String,
    /// What it answered.
    pub why: String,
}

impl Ledger {
    /// Writes how deliveries of webhooks ended, all in one transaction.
    ///
    /// # Errors
    /// Whatever the disk says; then a webhook may be sent again, under the same `webhook-id`.
    pub async fn webhooks_delivered(&self, outcomes: Vec<(i64, Delivery)>) -> Result<()> {
        let rows = ended_rows(outcomes)?;
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    sqlx::query!(
                        r#"UPDATE webhook_delivery SET state = j.value ->> 1, due_ms = j.value ->> 2,
                               sent_at = j.value ->> 3, last_error = j.value ->> 4, attempts = attempts + (j.value ->> 5)
                           FROM json_each(?) AS j
                           WHERE webhook_delivery.id = j.value ->> 0 AND webhook_delivery.state = 'owed'"#,
                        rows
                    )
                    .execute(connection)
                    .await
                    .map(|_| ())
                    .map_err(Error::database("written"))
                })
            })
            .await
    }

    /// Gives up what has been owed to `webhook` since before `limit`; gives how many.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn give_up_webhooks(&self, webhook: &str, limit: Timestamp, why: &str) -> Result<u64> {
        let (webhook, limit, why) = (webhook.to_owned(), limit.to_string(), format!("given up: {why}"));
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    sqlx::query!(
                        r#"UPDATE webhook_delivery SET state = 'dead', due_ms = NULL, last_error = ?
                           WHERE state = 'owed' AND webhook = ? AND created_at <= ?"#,
                        why,
                        webhook,
                        limit
                    )
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected())
                    .map_err(Error::database("written"))
                })
            })
            .await
    }

    /// What waits for `webhook` after a failure is due now; for all of them where none is named.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn hasten_webhooks(&self, webhook: Option<&str>, now: Timestamp) -> Result<u64> {
        let (webhook, now) = (webhook.map(str::to_owned), now.as_millis());
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    sqlx::query!(
                        r#"UPDATE webhook_delivery SET due_ms = ?1
                           WHERE state = 'owed' AND due_ms > ?1 AND (?2 IS NULL OR webhook = ?2)"#,
                        now,
                        webhook
                    )
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected())
                    .map_err(Error::database("written"))
                })
            })
            .await
    }

    /// Puts what is dead or waits back to the front: one by its number, all to one webhook, or all; gives how many.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn retry_webhooks(
        &self,
        id: Option<i64>,
        webhook: Option<&str>,
        now: Timestamp,
    ) -> Result<u64> {
        let (webhook, now) = (webhook.map(str::to_owned), now.as_millis());
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    sqlx::query!(
                        r#"UPDATE webhook_delivery SET state = 'owed', attempts = 0, due_ms = ?1
                           WHERE state <> 'sent' AND (?2 IS NULL OR id = ?2) AND (?3 IS NULL OR webhook = ?3)"#,
                        now,
                        id,
                        webhook
                    )
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected())
                    .map_err(Error::database("written"))
                })
            })
            .await
    }

    /// Nothing is sent to `webhook` from now on: its receiver answered that it is gone.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn end_webhook(&self, webhook: &str, at: Timestamp, why: &str) -> Result<()> {
        let (webhook, at, why) = (webhook.to_owned(), at.to_string(), why.to_owned());
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    sqlx::query!(
                        "INSERT INTO webhook_ended (webhook, ended_at, why) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                        webhook,
                        at,
                        why
                    )
                    .execute(connection)
                    .await
                    .map(|_| ())
                    .map_err(Error::database("written"))
                })
            })
            .await
    }

    /// It is sent to `webhook` again; false where it was not ended.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn enable_webhook(&self, webhook: &str) -> Result<bool> {
        let webhook = webhook.to_owned();
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    sqlx::query!("DELETE FROM webhook_ended WHERE webhook = ?", webhook)
                        .execute(connection)
                        .await
                        .map(|done| done.rows_affected() > 0)
                        .map_err(Error::database("written"))
                })
            })
            .await
    }

    /// The webhooks to which nothing is sent.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn ended_webhooks(&self) -> Result<Vec<EndedWebhook>> {
        sqlx::query_as!(EndedWebhook, "SELECT webhook, ended_at, why FROM webhook_ended ORDER BY webhook")
            .fetch_all(&self.readers)
            .await
            .map_err(Error::database("read"))
    }
}
