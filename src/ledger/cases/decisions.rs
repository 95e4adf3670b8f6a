//! What a person decides of the books: accepted, taken back, said of a row, the baseline; each an event of the chain, in
//! one transaction with what it changes.

use std::sync::Arc;

use sqlx::SqliteConnection;

use crate::domain::event::EventName;
use crate::domain::ids::DepositId;
use crate::domain::time::Timestamp;
use crate::ledger::batch::AccountEvent;
use crate::ledger::error::{Error, Result};
use crate::ledger::sql::json;
use crate::ledger::sql::{begin, commit};
use crate::ledger::{Case, Ledger, cases};

/// Something that a person accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAcceptance {
    /// The case that it ends.
    pub case_id: i64,
    /// The kind of the case.
    pub kind: String,
    /// About which deposit: while its rows credit `listed_cents`, they count `counted_cents`.
    pub deposit: Option<DepositId>,
    /// About which row of the list: its amount is `counted_cents`, until it changes.
    pub invoice_row: Option<i64>,
    /// See `deposit`.
    pub listed_cents: Option<i64>,
    /// See `deposit` and `invoice_row`.
    pub counted_cents: Option<i64>,
    /// What it adds to the account's explained sum.
    pub drift_cents: i64,
}

/// A case that a decision ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Which.
    pub case_id: i64,
    /// Why.
    pub resolution: String,
}

/// What a person decides, and all that follows from it.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The event that says so, with who is owed a mail about it.
    pub notice: AccountEvent,
    /// Who: the way they came in.
    pub who: String,
    /// In which words.
    pub note: String,
    /// What is accepted.
    pub accept: Vec<NewAcceptance>,
    /// The cases of which what was accepted is taken back.
    pub take_back: Vec<i64>,
    /// The cases that end.
    pub close: Vec<Closing>,
    /// What is remembered.
    pub memory: Vec<(&'static str, String)>,
}

/// What was accepted and stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Acceptance {
    /// Its number.
    pub id: i64,
    /// The case that it ended.
    pub case_id: i64,
    /// The kind of the case.
    pub kind: String,
    /// About which deposit.
    pub deposit_id: Option<String>,
    /// What it adds to the account's explained sum.
    pub drift_cents: i64,
    /// When.
    pub accepted_at: String,
    /// Who: the way they came in.
    pub accepted_by: String,
    /// What they said.
    pub note: String,
}

impl Ledger {
    /// Writes a decision: its event, what it accepts or takes back, the cases that end with it. On disk when this returns.
    pub async fn decide(&self, decision: Decision) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    begin(connection).await?;
                    let at = decision.notice.at;
                    let mut notices = vec![decision.notice.clone()];
                    for closing in &decision.close {
                        notices.push(close(connection, closing, &decision.who, at).await?);
                    }
                    let owed: Vec<&AccountEvent> = notices.iter().collect();
                    let head = crate::ledger::commit::announce_in(connection, &shared, &owed).await?;
                    // The decision's own event is the first of those.
                    let first = i64::try_from(owed.len()).unwrap_or(0).saturating_sub(1);
                    let seq = head.unwrap_or_default().saturating_sub(first);
                    accept(connection, &decision, seq, at).await?;
                    take_back(connection, &decision, seq).await?;
                    remember(connection, &decision).await?;
                    commit(connection).await?;
                    if let Some(head) = head {
                        shared.head.send_replace(head);
                    }
                    Ok(())
                })
            })
            .await
    }

    /// What people accepted and have not taken back, oldest first.
    pub async fn acceptances(&self) -> Result<Vec<Acceptance>> {
        sqlx::query_as!(
            Acceptance,
            r#"SELECT a.id AS "id!", a.case_id, a.kind, d.id AS "deposit_id?", a.drift_cents, a.accepted_at, a.accepted_by, a.note
               FROM acceptance a LEFT JOIN deposit d ON d.row_id = a.deposit_row
               WHERE a.ended_seq IS NULL ORDER BY a.id"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }
}

async fn close(
    connection: &mut SqliteConnection,
    closing: &Closing,
    who: &str,
    at: Timestamp,
) -> Result<AccountEvent> {
    let act = cases::CaseChange::Close {
        id: closing.case_id,
        who: Some(who.to_owned()),
        resolution: closing.resolution.clone(),
    };
    cases::apply(connection, &act, at).await?;
    let case: Case = cases::read_case(connection, closing.case_id).await?;
    let facts = serde_json::to_value(&case).map_err(|error| Error::Unreadable(error.to_string()))?;
    let reason = case.resolution.clone();
    // The decision's own letter covers it.
    Ok(AccountEvent { name: EventName::DiscrepancyClosed, at, reason, facts, mail_to: Vec::new() })
}

async fn accept(
    connection: &mut SqliteConnection,
    decision: &Decision,
    seq: i64,
    at: Timestamp,
) -> Result<()> {
    let at = at.to_string();
    for new in &decision.accept {
        let deposit = new.deposit.map(|id| id.to_string());
        sqlx::query!(
            r#"INSERT INTO acceptance (case_id, event_seq, kind, deposit_row, invoice_row, listed_cents, counted_cents,
                                       drift_cents, accepted_at, accepted_by, note)
               VALUES (?, ?, ?, (SELECT row_id FROM deposit WHERE id = ?), ?, ?, ?, ?, ?, ?, ?)"#,
            new.case_id,
            seq,
            new.kind,
            deposit,
            new.invoice_row,
            new.listed_cents,
            new.counted_cents,
            new.drift_cents,
            at,
            decision.who,
            decision.note
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
        sqlx::query!(
            r#"UPDATE invoice SET said_cents = ?2, counted_cents = iif(weight = 2, counted_cents, ?2),
                                  weight = iif(weight = 2, 2, 1)
               WHERE row_id = ?1 AND ?2 IS NOT NULL"#,
            new.invoice_row,
            new.counted_cents
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
        sqlx::query!(
            r#"INSERT INTO comparison_due (deposit_row)
               SELECT deposit_row FROM invoice WHERE row_id = ? AND deposit_row IS NOT NULL
               ON CONFLICT DO NOTHING"#,
            new.invoice_row
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    }
    Ok(())
}

async fn take_back(connection: &mut SqliteConnection, decision: &Decision, seq: i64) -> Result<()> {
    let cases = json(&decision.take_back)?;
    sqlx::query!(
        r#"UPDATE invoice SET said_cents = NULL, weight = iif(status IS NULL, 0, weight),
                              counted_cents = CASE WHEN status IS NULL THEN 0
                                                   WHEN weight = 1 THEN coalesce(amount_cents, 0)
                                                   ELSE counted_cents END
           WHERE row_id IN (SELECT invoice_row FROM acceptance
                            WHERE ended_seq IS NULL AND case_id IN (SELECT value FROM json_each(?)))"#,
        cases
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    sqlx::query!(
        r#"INSERT INTO comparison_due (deposit_row)
           SELECT coalesce(a.deposit_row, i.deposit_row)
           FROM acceptance a LEFT JOIN invoice i ON i.row_id = a.invoice_row
           WHERE a.ended_seq IS NULL AND coalesce(a.deposit_row, i.deposit_row) IS NOT NULL
             AND a.case_id IN (SELECT value FROM json_each(?))
           ON CONFLICT DO NOTHING"#,
        cases
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    sqlx::query!(
        r#"UPDATE acceptance SET ended_seq = ?
           WHERE ended_seq IS NULL AND case_id IN (SELECT value FROM json_each(?))"#,
        seq,
        cases
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

async fn remember(connection: &mut SqliteConnection, decision: &Decision) -> Result<()> {
    let memory = json(&decision.memory)?;
    sqlx::query!(
        r#"INSERT INTO meta (key, value) SELECT j.value ->> 0, j.value ->> 1 FROM json_each(?) AS j WHERE true
           ON CONFLICT (key) DO UPDATE SET value = excluded.value"#,
        memory
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

/// A restore that no person has settled yet: the ledger lacks the orders that were made between these instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Restore {
    /// The last event of the copy.
    pub since: Timestamp,
    /// The start after it.
    pub until: Timestamp,
}

/// Where a restore is remembered.
pub(crate) const RESTORED: &str = "restored";

impl Ledger {
    /// The restore that stands, if there is one.
    pub async fn restored(&self) -> Result<Option<Restore>> {
        let kept = self.recall(RESTORED).await?;
        kept.map_or(Ok(None), |kept| {
            serde_json::from_str(&kept).map_err(|error| Error::Unreadable(error.to_string()))
        })
    }

    /// The processor's orders of the list that were made between these instants and belong to no deposit here.
    pub async fn orders_between(&self, since: Timestamp, until: Timestamp) -> Result<Vec<String>> {
        let (since, until) = (since.as_millis(), until.as_millis());
        sqlx::query_scalar!(
            r#"SELECT DISTINCT coalesce(pay_id, sesid) AS "order!: String" FROM invoice
               WHERE deposit_row IS NULL AND created_ms BETWEEN ? AND ? AND coalesce(pay_id, sesid) IS NOT NULL
                 AND (method IS NULL OR lower(method) LIKE '%cryptomus%')
               ORDER BY created_ms LIMIT 1000"#,
            since,
            until
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }
}
