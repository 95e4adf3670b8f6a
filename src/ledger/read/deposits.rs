//! How deposits are read: one, many, those that are due, and one's whole story.

use crate::domain::deposit::{Deposit, Request};
use crate::domain::ids::same_id;
use crate::domain::time::Timestamp;
use crate::ledger::error::{Error, Result};
use crate::ledger::request_row::{query_with_request, read_request};
use crate::ledger::{EventRow, Ledger};

/// Everything that is known of one deposit.
#[derive(Debug, Clone)]
pub struct DepositHistory {
    /// The deposit as it stands.
    pub deposit: Deposit,
    /// What happened, oldest first.
    pub events: Vec<EventRow>,
    /// The attempts to make its wallet, and the answers that changed it.
    pub calls: Vec<HistoryCall>,
    /// What was booked.
    pub postings: Vec<HistoryPosting>,
    /// Who was, or is, owed a mail.
    pub mails: Vec<HistoryMail>,
    /// Differences with the upstream.
    pub cases: Vec<crate::ledger::Case>,
}

/// One call to the upstream.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct HistoryCall {
    /// When it began, or its answer came.
    pub at: String,
    /// `attempt 1`, `look` ..
    pub call: String,
    /// How it ended: an attempt's outcome, or the HTTP status.
    pub outcome: Option<String>,
    /// The error, or the raw answer.
    pub detail: Option<String>,
}

/// One line of the journal.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct HistoryPosting {
    /// When it was booked.
    pub at: String,
    /// Chart of accounts.
    pub account: String,
    /// USD or a ticker.
    pub commodity: String,
    /// Debits positive, credits negative.
    pub amount: String,
    /// Its worth in millionths of a dollar.
    pub amount_usd_micros: i64,
}

/// One mail that was owed.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct HistoryMail {
    /// What it is about.
    pub event: String,
    /// To whom.
    pub recipient: String,
    /// `owed`, `sent` or `dead`.
    pub state: String,
    /// When it was sent.
    pub sent_at: Option<String>,
    /// Why it is not sent yet.
    pub last_error: Option<String>,
}

/// A deposit's row as every query below selects it.
pub(super) struct DepositRow {
    pub(super) row_id: i64,
    pub(super) id: String,
    pub(super) version: i64,
    pub(super) request: String,
    pub(super) facts: String,
    pub(super) updated_at: String,
}

impl TryFrom<DepositRow> for Deposit {
    type Error = Error;
    fn try_from(row: DepositRow) -> Result<Self> {
        let request = read_request(&row.id, &row.request)?;
        deposit_of(&row.id, row.version, request, &row.facts, &row.updated_at)
    }
}

/// A deposit of what its row says, or said: what cannot be read is named with its id.
pub(in crate::ledger) fn deposit_of(
    id: &str,
    version: i64,
    request: Request,
    facts: &str,
    updated_at: &str,
) -> Result<Deposit> {
    let unreadable = |error: &dyn std::fmt::Display| Error::Unreadable(format!("deposit {id}: {error}"));
    Ok(Deposit {
        id: id.parse().map_err(|error| unreadable(&error))?,
        version,
        request,
        facts: serde_json::from_str(facts).map_err(|error| unreadable(&error))?,
        updated_at: Timestamp::parse(updated_at).map_err(|error| unreadable(&error))?,
    })
}

/// A query for whole deposits, by the end of its statement.
macro_rules! deposits {
    ([$($condition:tt)*], $($argument:expr),+ $(,)?) => {
        query_with_request!(
            as DepositRow,
            r#"SELECT d.row_id AS "row_id!", d.id AS "id!", d.version AS "version!", "#,
            [r#" AS "request!: String", d.facts AS "facts!", d.updated_at AS "updated_at!" FROM deposit d "# + $($condition)*],
            $($argument),+
        )
    };
    ($condition:tt, $($argument:expr),+ $(,)?) => { deposits!([$condition], $($argument),+) };
}
pub(super) use deposits;

impl Ledger {
    /// The deposit with this id of ours, this order_id of the upstream's, this UUID of a payment page, or this address (the
    /// newest of them).
    pub async fn find(&self, name: &str) -> Result<Option<Deposit>> {
        let lower = name.to_ascii_lowercase();
        let is_uuid = uuid::Uuid::parse_str(name).is_ok();
        deposits!(
            "WHERE row_id = coalesce((SELECT row_id FROM deposit WHERE id = ?2), (SELECT row_id FROM deposit WHERE order_id = ?1), (SELECT max(row_id) FROM deposit WHERE ?3 AND order_id = ?1 COLLATE NOCASE), (SELECT max(row_id) FROM deposit WHERE ?3 AND method <> 'wallet' AND link_id = ?1 COLLATE NOCASE), (SELECT max(row_id) FROM deposit WHERE address = ?1 AND address <> ''), (SELECT max(row_id) FROM deposit WHERE address = ?2 AND address <> ''))",
            name,
            lower,
            is_uuid
        )
        .fetch_optional(&self.readers)
        .await?
        .map(Deposit::try_from)
        .transpose()
    }

    /// The deposit of this order of the upstream's.
    pub async fn find_order(&self, order_id: &str) -> Result<Option<Deposit>> {
        let rows = deposits!("WHERE order_id = ? COLLATE NOCASE ORDER BY row_id DESC LIMIT 16", order_id)
            .fetch_all(&self.readers)
            .await?;
        let found = rows.into_iter().map(Deposit::try_from).collect::<Result<Vec<_>>>()?;
        Ok(found.into_iter().find(|deposit| {
            let ours = deposit.facts.wallet.as_ref().and_then(|wallet| wallet.order_id.as_deref());
            ours.is_some_and(|ours| same_id(ours, order_id))
        }))
    }

    /// The newest deposits that have this address, in any letter case, also where it is not shown.
    pub async fn holders_of(&self, address: &str) -> Result<Vec<Deposit>> {
        deposits!(
            "WHERE row_id IN (SELECT row_id FROM deposit WHERE address = ?1 COLLATE NOCASE AND address <> '' UNION SELECT row_id FROM deposit WHERE address = '' AND facts ->> '$.wallet.address' = ?1 COLLATE NOCASE) ORDER BY row_id DESC LIMIT 64",
            address
        )
        .fetch_all(&self.readers)
        .await?
        .into_iter()
        .map(Deposit::try_from)
        .collect()
    }

    /// The deposit of an idempotency key, and the digest of the request that the key stands for.
    pub async fn find_key(&self, key: &str) -> Result<Option<(Deposit, String)>> {
        let found =
            sqlx::query!(r#"SELECT id AS "id!", request_digest FROM deposit WHERE idempotency_key = ?"#, key)
                .fetch_optional(&self.readers)
                .await?;
        let Some(found) = found else { return Ok(None) };
        Ok(self.find(&found.id).await?.map(|deposit| (deposit, found.request_digest)))
    }

    /// How many deposits there are in each state.
    pub async fn counts(&self) -> Result<Vec<(String, i64)>> {
        let rows =
            sqlx::query!(r#"SELECT state, count(*) AS "n!: i64" FROM deposit GROUP BY state ORDER BY state"#)
                .fetch_all(&self.readers)
                .await?;
        Ok(rows.into_iter().map(|row| (row.state, row.n)).collect())
    }

    /// How many deposits a person should look at.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn flagged(&self) -> Result<i64> {
        sqlx::query_scalar!(r#"SELECT count(*) AS "n!: i64" FROM deposit WHERE needs_review IS NOT NULL"#)
            .fetch_one(&self.readers)
            .await
            .map_err(Error::database("read"))
    }

    /// Everything about one deposit, on one page.
    pub async fn story(&self, deposit: Deposit) -> Result<DepositHistory> {
        let id = deposit.id.to_string();
        let calls = sqlx::query_as!(
            HistoryCall,
            r#"SELECT at AS "at!", call AS "call!", outcome AS "outcome?", detail AS "detail?" FROM (
                   SELECT started_at AS at, 'attempt ' || number AS call, coalesce(outcome, 'under way') AS outcome, detail
                   FROM attempt WHERE deposit_id = ?1
                   UNION ALL
                   SELECT at, call, CAST(http_status AS TEXT), body FROM evidence WHERE deposit_id = ?1)
               ORDER BY at"#,
            id
        )
        .fetch_all(&self.readers)
        .await?;
        let postings = sqlx::query_as!(
            HistoryPosting,
            r#"SELECT e.at AS "at!", p.account, p.commodity, p.amount, p.amount_usd_micros
               FROM event e JOIN posting p ON p.transaction_id = e.seq WHERE e.deposit_id = ? ORDER BY p.entry_id"#,
            id
        )
        .fetch_all(&self.readers)
        .await?;
        let mails = sqlx::query_as!(
            HistoryMail,
            r#"SELECT e.name AS event, o.recipient, o.state, o.sent_at, o.last_error
               FROM event e JOIN outbox o ON o.event_seq = e.seq WHERE e.deposit_id = ? ORDER BY o.id"#,
            id
        )
        .fetch_all(&self.readers)
        .await?;
        let events = self.events_of(deposit.id).await?;
        let cases = self.cases_of(deposit.id).await?;
        Ok(DepositHistory { deposit, events, calls, postings, mails, cases })
    }
}
