//! The owed mails and webhooks against the events that owe them.

use futures_util::TryStreamExt as _;
use sqlx::SqliteConnection;

use crate::domain::time::Timestamp;
use crate::ledger::commit::events::message_id;
use crate::ledger::error::Result;
use crate::ledger::shared::LedgerState;
use crate::ledger::verify::finding::Verification;

pub(super) async fn verify(
    shared: &LedgerState,
    view: &mut SqliteConnection,
    found: &mut Verification,
) -> Result<()> {
    let missing = sqlx::query!(
            r#"SELECT e.seq AS "seq!", CAST(r.value AS TEXT) AS "recipient!: String" FROM event e, json_each(e.mail_to) AS r
               WHERE (r.type <> 'object' OR r.value ->> 'webhook' IS NULL)
                   AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.event_seq = e.seq
                   AND o.recipient = iif(r.type = 'object', r.value ->> 'payer', r.value)
                   AND o.audience = iif(r.type = 'object', 'payer', 'operator'))"#
        )
        .fetch_all(&mut *view)
        .await?;
    for row in missing {
        found.find("outbox", format!("event {}", row.seq), "a mail that is owed is not there");
    }
    let mut rows = sqlx::query!(
            r#"SELECT o.id AS "id!", o.event_seq, o.recipient, o.message_id, o.state, o.sent_at, o.created_at, e.at, e.hash,
                      EXISTS (SELECT 1 FROM json_each(e.mail_to) r
                          WHERE iif(r.type = 'object', r.value ->> 'payer', r.value) = o.recipient
                              AND iif(r.type = 'object', 'payer', 'operator') = o.audience) AS "owed!: bool"
               FROM outbox o JOIN event e ON e.seq = o.event_seq"#
        )
        .fetch(&mut *view);
    while let Some(row) = rows.try_next().await? {
        found.mails = found.mails.saturating_add(1);
        if !row.owed {
            found.find("outbox", row.id, "a mail that no event owes");
        }
        // The part behind the @ is the sender's domain as it was configured then.
        let ours = message_id(shared, row.event_seq, &row.hash, &row.recipient);
        let local = |id: &str| id.split('@').next().map(str::to_owned);
        if local(&row.message_id) != local(&ours) {
            found.find("outbox", row.id, "its Message-ID is not the one of its event and recipient");
        }
        let readable = row.sent_at.as_deref().is_none_or(|at| Timestamp::parse(at).is_ok());
        if (row.state == "sent") != row.sent_at.is_some() || !readable {
            found.find("outbox", row.id, format!("it is {} but sent_at is {:?}", row.state, row.sent_at));
        }
        if row.created_at != row.at {
            found.find("outbox", row.id, "created_at is not the time of its event");
        }
    }
    drop(rows);
    verify_webhooks(view, found).await
}

async fn verify_webhooks(view: &mut SqliteConnection, found: &mut Verification) -> Result<()> {
    let missing = sqlx::query!(
        r#"SELECT e.seq AS "seq!" FROM event e, json_each(e.mail_to) AS r
           WHERE r.type = 'object' AND r.value ->> 'webhook' IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM webhook_delivery w
                   WHERE w.event_seq = e.seq AND w.webhook = r.value ->> 'webhook')"#
    )
    .fetch_all(&mut *view)
    .await?;
    for row in missing {
        found.find("webhook", format!("event {}", row.seq), "a webhook that is owed is not there");
    }
    let mut rows = sqlx::query!(
        r#"SELECT w.id AS "id!", w.state, w.sent_at, w.created_at, e.at, w.deposit_id IS e.deposit_id AS "same_deposit!: bool",
                  EXISTS (SELECT 1 FROM json_each(e.mail_to) r
                      WHERE r.type = 'object' AND r.value ->> 'webhook' = w.webhook) AS "owed!: bool"
           FROM webhook_delivery w JOIN event e ON e.seq = w.event_seq"#
    )
    .fetch(view);
    while let Some(row) = rows.try_next().await? {
        found.webhooks = found.webhooks.saturating_add(1);
        if !row.owed {
            found.find("webhook", row.id, "a webhook that no event owes");
        }
        if !row.same_deposit {
            found.find("webhook", row.id, "it is about another deposit than its event");
        }
        let readable = row.sent_at.as_deref().is_none_or(|at| Timestamp::parse(at).is_ok());
        if (row.state == "sent") != row.sent_at.is_some() || !readable {
            found.find("webhook", row.id, format!("it is {} but sent_at is {:?}", row.state, row.sent_at));
        }
        if row.created_at != row.at {
            found.find("webhook", row.id, "created_at is not the time of its event");
        }
    }
    Ok(())
}
