//! The webhooks: what is due, the facts of each body, and how an operator sees them.

use crate::domain::deposit::{Booked, Deposit};
use crate::domain::event::EventName;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};
use crate::ledger::read::deposits::deposit_of;
use crate::ledger::read::events::EventRow;
use crate::ledger::request_row::{query_with_request, read_request};
use crate::ledger::sql::json;

/// A webhook that is owed, with all facts of its body.
#[derive(Debug, Clone)]
pub struct OwedWebhook {
    /// The ledger's number for it.
    pub id: i64,
    /// Which webhook, by its name in the configuration.
    pub webhook: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was owed.
    pub created_at: Timestamp,
    /// What it tells.
    pub event: EventRow,
    /// The same, as a name.
    pub name: EventName,
    /// The deposit with its facts as they were right after the event.
    pub deposit: Option<Deposit>,
    /// The figures of an event of the whole account.
    pub notice: Option<serde_json::Value>,
}

/// What is due to one webhook.
#[derive(Debug, Clone, Default)]
pub struct DueWebhooks {
    /// In the order in which they are due.
    pub webhooks: Vec<OwedWebhook>,
    /// Rows that make no body, and why: they must not hold up the others.
    pub unreadable: Vec<(i64, String)>,
}

/// A webhook as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WebhookRow {
    /// The ledger's number for it.
    pub id: i64,
    /// Which webhook.
    pub webhook: String,
    /// What it tells.
    pub event: String,
    /// About which deposit.
    pub deposit_id: Option<String>,
    /// The number of its event.
    pub event_seq: i64,
    /// Its `webhook-id`.
    pub webhook_id: String,
    /// `owed`, `sent` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was owed.
    pub created_at: String,
    /// When it is tried next, in milliseconds since 1970.
    #[serde(skip)]
    pub due_ms: Option<i64>,
    /// When it was sent.
    pub sent_at: Option<String>,
    /// Why it is not sent yet.
    pub last_error: Option<String>,
}

/// What stands to one webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookSummary {
    /// Which.
    pub webhook: String,
    /// How many are owed.
    pub owed: u64,
    /// How many were given up.
    pub dead: u64,
    /// When the oldest was owed of those that still are.
    pub oldest: Option<String>,
    /// Why the one that was tried last of those not sent was not taken.
    pub last_error: Option<String>,
}

/// An owed webhook as the queries below select it.
struct OwedRow {
    delivery_id: i64,
    webhook: String,
    attempts: i64,
    created_at: String,
    seq: i64,
    event_id: String,
    deposit_id: Option<String>,
    at: String,
    name: String,
    from_state: Option<String>,
    to_state: Option<String>,
    upstream_status: Option<String>,
    reason: Option<String>,
    hash: String,
    acted_by: Option<String>,
    facts: String,
    version: Option<i64>,
    request: Option<String>,
}

impl TryFrom<OwedRow> for OwedWebhook {
    type Error = Error;
    fn try_from(row: OwedRow) -> Result<Self> {
        let unreadable = |what: &str| Error::Unreadable(format!("owed webhook: {what}"));
        let deposit = match (&row.deposit_id, row.version, row.request) {
            (Some(id), Some(version), Some(request)) => {
                // As it was right after the event, at every attempt.
                let request = read_request(id, &request)?;
                Some(deposit_of(id, version, request, &row.facts, &row.at)?)
            }
            _ => None,
        };
        let booked = deposit.as_ref().and_then(|deposit| deposit.facts.booked.as_ref()).map(Booked::total);
        let notice = (row.deposit_id.is_none()).then(|| serde_json::from_str(&row.facts)).transpose();
        Ok(Self {
            id: row.delivery_id,
            webhook: row.webhook,
            attempts: row.attempts,
            created_at: Timestamp::parse(&row.created_at).map_err(|_| unreadable(&row.created_at))?,
            name: EventName::parse(&row.name).ok_or_else(|| unreadable(&row.name))?,
            notice: notice.map_err(|error| unreadable(&error.to_string()))?,
            event: EventRow {
                seq: row.seq,
                id: row.event_id,
                deposit_id: row.deposit_id,
                reference: deposit.as_ref().and_then(|deposit| deposit.request.reference.clone()),
                amount_requested: deposit.as_ref().map(|deposit| deposit.request.amount.as_str().to_owned()),
                amount_booked: booked.map(|micros| micros.to_string()),
                at: row.at,
                event: row.name,
                from_state: row.from_state,
                to_state: row.to_state,
                upstream_status: row.upstream_status,
                reason: row.reason,
                hash: row.hash,
                acted_by: row.acted_by,
            },
            deposit,
        })
    }
}

/// A query for owed webhooks and what they tell, by the end of its statement.
macro_rules! owed {
    ($condition:tt, $($argument:expr),+ $(,)?) => {
        query_with_request!(
            as OwedRow,
            r#"SELECT w.id AS "delivery_id!", w.webhook, w.attempts, w.created_at, e.seq AS "seq!",
                      'evt_' || substr(e.hash, 1, 32) AS "event_id!: String", e.deposit_id, e.at, e.name, e.from_state,
                      e.to_state, e.upstream_status, e.reason, e.hash, e.acted_by, e.facts, e.version,
                      iif(d.id IS NULL, NULL, "#,
            [r#") AS "request?: String" FROM webhook_delivery w JOIN event e ON e.seq = w.event_seq
                LEFT JOIN deposit d ON d.id = e.deposit_id "# + $condition],
            $($argument),+
        )
    };
}

/// A query for webhooks as they stand, by the end of its statement.
macro_rules! webhooks {
    ($condition:tt, $($argument:expr),+) => {
        sqlx::query_as!(
            WebhookRow,
            r#"SELECT w.id AS "id!", w.webhook, e.name AS event, w.deposit_id, w.event_seq,
                      'evt_' || substr(e.hash, 1, 32) AS "webhook_id!: String", w.state, w.attempts, w.created_at, w.due_ms,
                      w.sent_at, w.last_error
               FROM webhook_delivery w JOIN event e ON e.seq = w.event_seq "# + $condition,
            $($argument),+
        )
    };
}

impl Ledger {
    /// Up to `limit` that are due to `webhook` and none of `not`. Of each deposit only the oldest that is owed: the next
    /// follows once that is sent or given up.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn due_webhooks(
        &self,
        webhook: &str,
        now: Timestamp,
        not: &[i64],
        limit: u32,
    ) -> Result<DueWebhooks> {
        let (now, limit, not) = (now.as_millis(), i64::from(limit), json(not)?);
        let rows = owed!(
            r#"WHERE w.webhook = ?1 AND w.state = 'owed' AND w.due_ms <= ?2
                   AND w.id NOT IN (SELECT value FROM json_each(?3))
                   AND (w.deposit_id IS NULL OR NOT EXISTS (
                       SELECT 1 FROM webhook_delivery p WHERE p.webhook = ?1 AND p.state = 'owed'
                           AND p.deposit_id = w.deposit_id AND p.id < w.id))
               ORDER BY w.due_ms, w.id LIMIT ?4"#,
            webhook,
            now,
            not,
            limit
        )
        .fetch_all(&self.readers)
        .await?;
        let mut due = DueWebhooks::default();
        for row in rows {
            let id = row.delivery_id;
            match OwedWebhook::try_from(row) {
                Ok(webhook) => due.webhooks.push(webhook),
                Err(error) => due.unreadable.push((id, error.chain())),
            }
        }
        Ok(due)
    }

    /// When the next is due to one of `webhooks`, of those that no earlier one of the same deposit holds up.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn next_webhook(&self, webhooks: &[&str]) -> Result<Option<Timestamp>> {
        let webhooks = json(webhooks)?;
        let next = sqlx::query_scalar!(
            r#"SELECT min(w.due_ms) AS "due: i64" FROM webhook_delivery w
               WHERE w.state = 'owed' AND w.webhook IN (SELECT value FROM json_each(?))
                   AND (w.deposit_id IS NULL OR NOT EXISTS (
                       SELECT 1 FROM webhook_delivery p WHERE p.webhook = w.webhook AND p.state = 'owed'
                           AND p.deposit_id = w.deposit_id AND p.id < w.id))"#,
            webhooks
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(next.map(Timestamp::from_millis))
    }

    /// Webhooks in one of these states, newest first; all that are not sent when `states` is empty.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn webhooks(
        &self,
        states: &[&str],
        webhook: Option<&str>,
        limit: u32,
    ) -> Result<Vec<WebhookRow>> {
        let wanted = if states.is_empty() { &["owed", "dead"] } else { states };
        let (wanted, limit) = (json(wanted)?, i64::from(limit));
        webhooks!(
            "WHERE w.state IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR w.webhook = ?2)
             ORDER BY w.id DESC LIMIT ?3",
            wanted,
            webhook,
            limit
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// One webhook, as it stands and with the facts of its body; `None` where there is none of this number.
    ///
    /// # Errors
    /// Whatever the disk says; [`Error::Unreadable`] for a row that makes no body.
    pub async fn webhook(&self, id: i64) -> Result<Option<(WebhookRow, OwedWebhook)>> {
        let state = webhooks!("WHERE w.id = ?", id).fetch_optional(&self.readers).await?;
        let tells = owed!("WHERE w.id = ?", id).fetch_optional(&self.readers).await?;
        state.zip(tells).map(|(row, tells)| Ok((row, OwedWebhook::try_from(tells)?))).transpose()
    }

    /// What is not sent, by webhook.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn webhook_summaries(&self) -> Result<Vec<WebhookSummary>> {
        let rows = sqlx::query!(
            r#"SELECT w.webhook AS "webhook!", count(*) FILTER (WHERE w.state = 'owed') AS "owed!: i64",
                      count(*) FILTER (WHERE w.state = 'dead') AS "dead!: i64",
                      min(w.created_at) FILTER (WHERE w.state = 'owed') AS "oldest?: String",
                      (SELECT l.last_error FROM webhook_delivery l
                       WHERE l.webhook = w.webhook AND l.state <> 'sent' AND l.last_error IS NOT NULL
                       ORDER BY l.attempts DESC, l.id LIMIT 1) AS "last_error?: String"
               FROM webhook_delivery w WHERE w.state <> 'sent' GROUP BY w.webhook ORDER BY w.webhook"#
        )
        .fetch_all(&self.readers)
        .await?;
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let summary = rows.into_iter().map(|row| WebhookSummary {
            webhook: row.webhook,
            owed: count(row.owed),
            dead: count(row.dead),
            oldest: row.oldest,
            last_error: row.last_error,
        });
        Ok(summary.collect())
    }

    /// How many webhooks were sent. None is ever deleted, so that their numbers have no gaps.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn webhooks_sent(&self) -> Result<u64> {
        let sent = sqlx::query_scalar!(
            r#"SELECT coalesce(max(id), 0) - (SELECT count(*) FROM webhook_delivery WHERE state <> 'sent') AS "n!: i64"
               FROM webhook_delivery"#
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(u64::try_from(sent).unwrap_or(0))
    }
}
