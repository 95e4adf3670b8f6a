//! The mails: what is due, the facts of each letter, and how an operator sees them.

use crate::domain::deposit::{Deposit, Facts};
use crate::domain::event::EventName;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};
use crate::ledger::read::deposits::deposit_of;
use crate::ledger::request_row::{query_with_request, read_request};

/// A mail that is owed, with all facts of its letter.
#[derive(Debug, Clone)]
pub struct OwedMail {
    /// The ledger's number for it.
    pub id: i64,
    /// To whom.
    pub recipient: String,
    /// In a payer's words.
    pub to_payer: bool,
    /// The same at every attempt.
    pub message_id: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was owed.
    pub created_at: Timestamp,
    /// What it is about.
    pub event: EventName,
    /// When that happened.
    pub at: Timestamp,
    /// Why, in words.
    pub reason: Option<String>,
    /// The deposit with its facts as they were right after the event.
    pub deposit: Option<Deposit>,
    /// Its facts as they stand when it is read.
    pub latest: Option<Facts>,
    /// The figures of an event of the whole account.
    pub notice: Option<serde_json::Value>,
}

/// What is due.
#[derive(Debug, Clone, Default)]
pub struct DueMails {
    /// In the order in which they were owed.
    pub mails: Vec<OwedMail>,
    /// Rows that make no letter, and why: they must not hold up the others.
    pub unreadable: Vec<(i64, String)>,
}

/// What waits for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMail {
    /// Who.
    pub recipient: String,
    /// How many letters that may be part of a summary.
    pub letters: u64,
    /// When the first of them was owed.
    pub oldest: Timestamp,
    /// When the last of them was owed.
    pub newest: Timestamp,
}

/// What should be known of the mails that are not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailTroubles {
    /// How many were given up.
    pub dead: u64,
    /// Why the latest of them was.
    pub why_dead: Option<String>,
    /// How many were tried, and are owed for long.
    pub late: u64,
    /// Why the oldest of them was not taken.
    pub why_late: Option<String>,
}

/// A mail as an operator sees it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct MailRow {
    /// The ledger's number for it.
    pub id: i64,
    /// What it is about.
    pub event: String,
    /// About which deposit.
    pub deposit_id: Option<String>,
    /// To whom.
    pub recipient: String,
    /// In whose words: `operator` or `payer`.
    pub audience: String,
    /// Its Message-ID, without brackets.
    pub message_id: String,
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
    /// The number of the summary that replaces its own letter.
    pub told_in: Option<i64>,
}

impl MailRow {
    /// When it is tried next, where it is.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        self.due_ms.map(Timestamp::from_millis)
    }
}

/// An owed mail as the queries below select it.
struct OwedRow {
    mail_id: i64,
    recipient: String,
    audience: String,
    message_id: String,
    attempts: i64,
    created_at: String,
    name: String,
    at: String,
    reason: Option<String>,
    event_facts: String,
    id: Option<String>,
    version: Option<i64>,
    request: Option<String>,
    latest: Option<String>,
    updated_at: Option<String>,
}

impl TryFrom<OwedRow> for OwedMail {
    type Error = Error;
    fn try_from(row: OwedRow) -> Result<Self> {
        let unreadable = |what: &str| Error::Unreadable(format!("owed mail: {what}"));
        let of_deposit = row.id.is_some();
        let deposit = match (row.id, row.version, row.request, row.updated_at) {
            (Some(id), Some(version), Some(request), Some(updated_at)) => {
                // The letter has the facts of its event, not those of today.
                let request = read_request(&id, &request)?;
                Some(deposit_of(&id, version, request, &row.event_facts, &updated_at)?)
            }
            _ => None,
        };
        let parse = |text: &str| Timestamp::parse(text).map_err(|_| unreadable(text));
        let latest = row.latest.as_deref().map(serde_json::from_str).transpose();
        Ok(Self {
            id: row.mail_id,
            recipient: row.recipient,
            to_payer: row.audience == "payer",
            message_id: row.message_id,
            attempts: row.attempts,
            created_at: parse(&row.created_at)?,
            event: EventName::parse(&row.name).ok_or_else(|| unreadable(&row.name))?,
            at: parse(&row.at)?,
            reason: row.reason,
            deposit,
            latest: latest.map_err(|error| unreadable(&error.to_string()))?,
            notice: (!of_deposit)
                .then(|| serde_json::from_str(&row.event_facts))
                .transpose()
                .map_err(|error| unreadable(&error.to_string()))?,
        })
    }
}

/// Events whose letters are never part of a summary and never held back, for SQL.
pub(in crate::ledger) fn never_held_back() -> Result<String> {
    let names: Vec<&str> =
        EventName::ALL.iter().filter(|name| name.is_never_held_back()).map(|name| name.as_str()).collect();
    crate::ledger::sql::json(&names)
}

/// A query for owed mails and what they tell, by the end of its statement.
macro_rules! owed {
    ($condition:tt, $($argument:expr),+ $(,)?) => {
        query_with_request!(
            as OwedRow,
            r#"SELECT o.id AS "mail_id!", o.recipient, o.audience, o.message_id, o.attempts, o.created_at, e.name, e.at,
                      e.reason, e.facts AS event_facts, d.facts AS "latest?", d.id AS "id?", d.version AS "version?", d.updated_at AS "updated_at?",
                      iif(d.id IS NULL, NULL, "#,
            [r#") AS "request?: String" "# + $condition],
            $($argument),+
        )
    };
}

/// A query for mails as they stand, by the end of its statement.
macro_rules! mails {
    ($condition:tt, $($argument:expr),+) => {
        sqlx::query_as!(
            MailRow,
            r#"SELECT o.id AS "id!", e.name AS event, e.deposit_id, o.recipient, o.audience, o.message_id, o.state, o.attempts,
                      o.created_at, o.due_ms, o.sent_at, o.last_error, o.told_in
               FROM outbox o JOIN event e ON e.seq = o.event_seq "# + $condition,
            $($argument),+
        )
    };
}

impl Ledger {
    /// Up to `limit` mails that are due, not to any of `but` and none of `not`, in the order in which they were owed.
    pub async fn due_mails(&self, now: Timestamp, but: &[&str], not: &[i64], limit: u32) -> Result<DueMails> {
        let (now, limit) = (now.as_millis(), i64::from(limit));
        let (but, not) = (crate::ledger::sql::json(but)?, crate::ledger::sql::json(not)?);
        let rows = owed!(
            r#"FROM (SELECT id, recipient, audience, message_id, attempts, created_at, event_seq FROM outbox
                     -- the first condition says no more than the second, and lets the index serve the order
                     WHERE state <> 'sent' AND state = 'owed' AND due_ms <= ?
                       AND recipient NOT IN (SELECT value FROM json_each(?))
                       AND id NOT IN (SELECT value FROM json_each(?))
                     ORDER BY id LIMIT ?) o
                   JOIN event e ON e.seq = o.event_seq LEFT JOIN deposit d ON d.id = e.deposit_id
               ORDER BY o.id"#,
            now,
            but,
            not,
            limit
        )
        .fetch_all(&self.readers)
        .await?;
        let mut due = DueMails::default();
        for row in rows {
            let id = row.mail_id;
            match OwedMail::try_from(row) {
                Ok(mail) => due.mails.push(mail),
                Err(error) => due.unreadable.push((id, error.chain())),
            }
        }
        Ok(due)
    }

    /// One mail, as it stands and with the facts of its letter; `None` where there is none of this number.
    pub async fn mail(&self, id: i64) -> Result<Option<(MailRow, OwedMail)>> {
        let state = mails!("WHERE o.id = ?", id).fetch_optional(&self.readers).await?;
        let tells = owed!(
            r#"FROM outbox o JOIN event e ON e.seq = o.event_seq LEFT JOIN deposit d ON d.id = e.deposit_id
               WHERE o.id = ?"#,
            id
        )
        .fetch_optional(&self.readers)
        .await?;
        state.zip(tells).map(|(row, tells)| Ok((row, OwedMail::try_from(tells)?))).transpose()
    }

    /// When the next mail is due.
    pub async fn next_mail(&self) -> Result<Option<Timestamp>> {
        let next =
            sqlx::query_scalar!(r#"SELECT min(due_ms) AS "due: i64" FROM outbox WHERE state = 'owed'"#)
                .fetch_one(&self.readers)
                .await?;
        Ok(next.map(Timestamp::from_millis))
    }

    /// Mails in one of these states, newest first; all that are not sent when `states` is empty. `told` are those in a
    /// summary, whatever became of it.
    pub async fn mails(&self, states: &[&str], limit: u32) -> Result<Vec<MailRow>> {
        let wanted = if states.is_empty() { &["owed", "dead"] } else { states };
        let (wanted, limit) = (crate::ledger::sql::json(wanted)?, i64::from(limit));
        mails!("WHERE o.state IN (SELECT value FROM json_each(?1)) OR (o.told_in IS NOT NULL AND 'told' IN (SELECT value FROM json_each(?1))) ORDER BY o.id DESC LIMIT ?2", wanted, limit)
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// For whom more letters wait than `at_least`, of those that may be part of a summary and are in none yet. No
    /// summary holds a payer's letters: each is about one deposit and nothing else.
    pub async fn waiting_mails(&self, at_least: u64) -> Result<Vec<WaitingMail>> {
        let least = i64::try_from(at_least).unwrap_or(i64::MAX);
        let but = never_held_back()?;
        let rows = sqlx::query!(
            r#"SELECT o.recipient AS "recipient!", count(*) AS "n!: i64", min(o.created_at) AS "oldest!: String",
                      max(o.created_at) AS "newest!: String"
               FROM outbox o JOIN event e ON e.seq = o.event_seq
               WHERE o.state = 'owed' AND o.told_in IS NULL AND o.audience = 'operator' AND e.name NOT IN (SELECT value FROM json_each(?))
               GROUP BY o.recipient HAVING count(*) >= ?"#,
            but,
            least
        )
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|row| {
                let parse = |text: &str| {
                    Timestamp::parse(text).map_err(|error| Error::Unreadable(format!("owed mail: {error}")))
                };
                Ok(WaitingMail {
                    letters: u64::try_from(row.n).unwrap_or(0),
                    oldest: parse(&row.oldest)?,
                    newest: parse(&row.newest)?,
                    recipient: row.recipient,
                })
            })
            .collect()
    }

    /// Mails that were given up, and those that were tried and are owed since before `long_ago`.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn mail_troubles(&self, long_ago: Timestamp) -> Result<MailTroubles> {
        let long_ago = long_ago.to_string();
        let row = sqlx::query!(
            r#"SELECT count(*) FILTER (WHERE state = 'dead') AS "dead!: i64",
                      count(*) FILTER (WHERE state = 'owed') AS "late!: i64",
                      (SELECT last_error FROM outbox WHERE state <> 'sent' AND state = 'dead' ORDER BY id DESC LIMIT 1)
                          AS "why_dead?: String",
                      (SELECT last_error FROM outbox WHERE state <> 'sent' AND state = 'owed' AND attempts > 0
                           AND created_at < ?1 ORDER BY id LIMIT 1) AS "why_late?: String"
               FROM outbox WHERE state <> 'sent' AND (state = 'dead' OR (state = 'owed' AND attempts > 0 AND created_at < ?1))"#,
            long_ago
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok(MailTroubles {
            dead: count(row.dead),
            why_dead: row.why_dead,
            late: count(row.late),
            why_late: row.why_late,
        })
    }

    /// How many mails there are in each state.
    pub async fn mail_counts(&self) -> Result<Vec<(String, i64)>> {
        let rows =
            sqlx::query!(r#"SELECT state, count(*) AS "n!: i64" FROM outbox GROUP BY state ORDER BY state"#)
                .fetch_all(&self.readers)
                .await?;
        Ok(rows.into_iter().map(|row| (row.state, row.n)).collect())
    }

    /// When the oldest mail was owed of those that still are.
    ///
    /// # Errors
    /// [`Error::Database`] where the file cannot be read now; [`Error::Unreadable`] for a time that is none.
    pub async fn oldest_owed_mail(&self) -> Result<Option<Timestamp>> {
        let oldest = sqlx::query_scalar!(
            r#"SELECT min(created_at) AS "oldest: String" FROM outbox WHERE state = 'owed'"#
        )
        .fetch_one(&self.readers)
        .await?;
        let read = |at: String| Timestamp::parse(&at).map_err(|error| Error::Unreadable(error.to_string()));
        oldest.map(read).transpose()
    }
}
