//! How deliveries end: sent, put off, given up, or part of a summary; each in one durable transaction.

use serde::Serialize;
use serde_json::json;
use sqlx::SqliteConnection;

use crate::domain::event::{EventName, Recipient};
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::batch::AccountEvent;
use crate::ledger::error::{Error, Result};
use crate::ledger::read::mails::never_held_back;
use crate::ledger::sql::{begin, commit};

/// How many letters a summary names one by one; the others it counts.
const NAMED: i64 = 40;

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

/// How deliveries ended as rows for SQL: number, state, when it is due, when it was sent, why not, and how many tries more.
pub(in crate::ledger) fn ended_rows(outcomes: Vec<(i64, Delivery)>) -> Result<String> {
    let rows: Vec<_> = outcomes
        .into_iter()
        .map(|(id, delivery)| match delivery {
            Delivery::Sent(at) => (id, "sent", None, Some(at.to_string()), None, 1),
            Delivery::Again { due, why, counted } => {
                (id, "owed", Some(due.as_millis()), None, Some(why), i64::from(counted))
            }
            Delivery::Dead(why) => (id, "dead", None, None, Some(why), 1),
        })
        .collect();
    crate::ledger::sql::json(&rows)
}

/// A summary's entry about one deposit or case.
#[derive(Serialize)]
struct Item {
    event: String,
    reference: Option<String>,
    amount: Option<String>,
    currency: Option<String>,
    network: Option<String>,
    deposit_id: Option<String>,
    at: String,
}

impl Ledger {
    /// Writes how deliveries ended, all in one transaction. What a summary tells ends as the summary does.
    ///
    /// # Errors
    /// Whatever the disk says; then a mail may be sent again, under the same Message-ID.
    pub async fn delivered(&self, outcomes: Vec<(i64, Delivery)>) -> Result<()> {
        let rows = ended_rows(outcomes)?;
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                begin(connection).await?;
                sqlx::query!(
                    r#"UPDATE outbox SET state = j.value ->> 1, due_ms = j.value ->> 2, sent_at = j.value ->> 3,
                           last_error = j.value ->> 4, attempts = attempts + (j.value ->> 5)
                       FROM json_each(?) AS j WHERE outbox.id = j.value ->> 0 AND outbox.state = 'owed'"#,
                    rows
                )
                .execute(&mut *connection)
                .await
                .map_err(Error::database("written"))?;
                follow_summaries(connection).await?;
                commit(connection).await
                })
            })
            .await
    }

    /// Puts everything that is due off until `until`, since the way out is closed; what was owed at or before
    /// `give_up` is given up instead. Gives how many were.
    pub async fn postpone_mails(
        &self,
        now: Timestamp,
        until: Timestamp,
        give_up: Timestamp,
        why: String,
    ) -> Result<u64> {
        let (now, until, give_up) = (now.as_millis(), until.as_millis(), give_up.to_string());
        let given_up = format!("given up: {why}");
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    begin(connection).await?;
                    let dead = sqlx::query!(
                        r#"UPDATE outbox SET state = 'dead', due_ms = NULL, last_error = ?
                           WHERE state = 'owed' AND due_ms <= ? AND created_at <= ?"#,
                        given_up,
                        now,
                        give_up
                    )
                    .execute(&mut *connection)
                    .await
                    .map_err(Error::database("written"))?
                    .rows_affected();
                    sqlx::query!(
                        r#"UPDATE outbox SET due_ms = ?, last_error = ? WHERE state = 'owed' AND due_ms <= ?"#,
                        until,
                        why,
                        now
                    )
                    .execute(&mut *connection)
                    .await
                    .map_err(Error::database("written"))?;
                    follow_summaries(connection).await?;
                    commit(connection).await?;
                    Ok(dead)
                })
            })
            .await
    }

    /// Mails that were given up are owed again, and due at `until`; with a summary, what it tells. Gives how many.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn put_back_mails(&self, ids: Vec<i64>, until: Timestamp, why: String) -> Result<u64> {
        let (ids, until) = (crate::ledger::sql::json(&ids)?, until.as_millis());
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    sqlx::query!(
                        r#"UPDATE outbox SET state = 'owed', last_error = CASE WHEN told_in IS NULL THEN ?3 END,
                               due_ms = CASE WHEN told_in IS NULL THEN ?2 END
                           WHERE state <> 'sent' AND state = 'dead'
                             AND coalesce(told_in, id) IN (SELECT value FROM json_each(?1))"#,
                        ids,
                        until,
                        why
                    )
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected())
                    .map_err(Error::database("written"))
                })
            })
            .await
    }

    /// What a closed way out had put off is due now; gives how many mails.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn hasten_mails(&self, now: Timestamp) -> Result<u64> {
        let now = now.as_millis();
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    sqlx::query!(
                        r#"UPDATE outbox SET due_ms = ?1
                           WHERE state = 'owed' AND due_ms > ?1 AND last_error IS NOT NULL"#,
                        now
                    )
                    .execute(connection)
                    .await
                    .map(|done| done.rows_affected())
                    .map_err(Error::database("written"))
                })
            })
            .await
    }

    /// Puts dead and waiting mails (one, or all) back to the front of the queue; gives how many. What a summary tells
    /// goes with it, unless it is asked for by its own number: then it goes as a letter of its own, whether the summary
    /// was sent or not.
    pub async fn retry_mails(&self, id: Option<i64>, now: Timestamp) -> Result<u64> {
        let now = now.as_millis();
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    sqlx::query!(
                        r#"UPDATE outbox SET state = 'owed', attempts = 0, sent_at = NULL,
                               told_in = CASE WHEN ?2 IS NULL OR id <> ?2 THEN told_in END,
                               due_ms = CASE WHEN told_in IS NULL OR id = ?2 THEN ?1 END
                           WHERE (state <> 'sent' AND (?2 IS NULL OR id = ?2 OR told_in = ?2))
                              OR (id = ?2 AND told_in IS NOT NULL)"#,
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

    /// Owes one summary to `recipient` of everything that waits for it now, but for those `under_way`, for what is never
    /// held back, and for what it is told as a payer; the rows say that it tells them. Gives how many there were; none are no summary.
    ///
    /// # Errors
    /// Whatever the disk says; nothing is changed then.
    pub async fn fold_mails(&self, recipient: &str, under_way: &[i64], now: Timestamp) -> Result<u64> {
        let (recipient, under_way) = (recipient.to_owned(), crate::ledger::sql::json(under_way)?);
        let shared = std::sync::Arc::clone(&self.shared);
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    begin(connection).await?;
                    let Some((count, facts)) = gather(connection, &recipient, &under_way).await? else {
                        commit(connection).await?;
                        return Ok(0);
                    };
                    let mail_to = vec![Recipient::Operator(recipient.clone())];
                    let notice = AccountEvent { name: EventName::Summary, at: now, reason: None, facts, mail_to };
                    let head = crate::ledger::commit::announce_in(connection, &shared, &[&notice]).await?;
                    let but = never_held_back()?;
                    let folded = sqlx::query!(
                        r#"UPDATE outbox SET due_ms = NULL, last_error = NULL,
                               told_in = (SELECT s.id FROM outbox s WHERE s.event_seq = ?1 AND s.recipient = ?2)
                           WHERE recipient = ?2 AND state = 'owed' AND told_in IS NULL AND audience = 'operator'
                             AND id NOT IN (SELECT value FROM json_each(?3))
                             AND (SELECT name FROM event WHERE seq = event_seq)
                                 NOT IN (SELECT value FROM json_each(?4))"#,
                        head,
                        recipient,
                        under_way,
                        but
                    )
                    .execute(&mut *connection)
                    .await
                    .map_err(Error::database("written"))?
                    .rows_affected();
                    if folded != count {
                        return Err(Error::Unreadable(format!("{count} owed mails became {folded}")));
                    }
                    commit(connection).await?;
                    if let Some(head) = head {
                        shared.head.send_replace(head);
                    }
                    Ok(count)
                })
            })
            .await
    }
}

/// What a summary that was sent or given up has told, or not told, is sent or given up with it.
async fn follow_summaries(connection: &mut SqliteConnection) -> Result<()> {
    sqlx::query!(
        r#"UPDATE outbox SET state = s.state, sent_at = s.sent_at, due_ms = NULL,
               last_error = CASE s.state WHEN 'dead' THEN 'with mail ' || s.id || ', which tells it: ' || s.last_error END
           FROM outbox AS s
           WHERE outbox.told_in IS NOT NULL AND outbox.state = 'owed' AND s.id = outbox.told_in AND s.state <> 'owed'"#
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

/// How many letters wait for `recipient`, and what their summary says of them.
async fn gather(
    connection: &mut SqliteConnection,
    recipient: &str,
    under_way: &str,
) -> Result<Option<(u64, serde_json::Value)>> {
    let but = never_held_back()?;
    let groups = sqlx::query!(
        r#"SELECT e.name AS "event!", count(*) AS "n!: i64", min(e.at) AS "since!: String", max(e.at) AS "until!: String"
           FROM outbox o JOIN event e ON e.seq = o.event_seq
           WHERE o.recipient = ? AND o.state = 'owed' AND o.told_in IS NULL AND o.audience = 'operator'
             AND o.id NOT IN (SELECT value FROM json_each(?)) AND e.name NOT IN (SELECT value FROM json_each(?))
           GROUP BY e.name ORDER BY count(*) DESC, e.name"#,
        recipient,
        under_way,
        but
    )
    .fetch_all(&mut *connection)
    .await?;
    let count: i64 = groups.iter().fold(0, |sum, group| sum.saturating_add(group.n));
    if count == 0 {
        return Ok(None);
    }
    let items = sqlx::query_as!(
        Item,
        r#"SELECT e.name AS event, d.reference, d.amount_requested AS "amount?", d.currency AS "currency?",
                  d.network AS "network?", e.deposit_id, e.at
           FROM outbox o JOIN event e ON e.seq = o.event_seq LEFT JOIN deposit d ON d.id = e.deposit_id
           WHERE o.recipient = ? AND o.state = 'owed' AND o.told_in IS NULL AND o.audience = 'operator'
             AND o.id NOT IN (SELECT value FROM json_each(?)) AND e.name NOT IN (SELECT value FROM json_each(?))
           ORDER BY o.id LIMIT ?"#,
        recipient,
        under_way,
        but,
        NAMED
    )
    .fetch_all(&mut *connection)
    .await?;
    let events: Vec<_> =
        groups.iter().map(|group| json!({ "event": group.event, "count": group.n })).collect();
    let facts = json!({
        "count": count,
        "since": groups.iter().map(|group| &group.since).min(),
        "until": groups.iter().map(|group| &group.until).max(),
        "events": events,
        "items": items,
    });
    Ok(Some((u64::try_from(count).unwrap_or(0), facts)))
}
