//! The differences with the upstream as cases: each with both figures, its age, and its end.

mod case;
mod decisions;
pub(in crate::ledger) mod seal;

pub use self::case::{Case, CaseChange, NewCase};
pub(crate) use self::decisions::RESTORED;
pub use self::decisions::{Acceptance, Closing, Decision, NewAcceptance, Restore};

use sqlx::SqliteConnection;

use crate::domain::event::{EventName, Recipient};
use crate::domain::ids::DepositId;
use crate::domain::reconcile::Difference;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::batch::AccountEvent;
use crate::ledger::cases::seal::CaseSeal;
use crate::ledger::error::{Error, Result};
use crate::ledger::sql::{begin, commit};

/// A query for whole cases, by the end of its statement.
macro_rules! cases {
    ($condition:tt, $argument:expr) => {
        sqlx::query_as!(
            Case,
            r#"SELECT id AS "id!", key, kind, deposit_id, order_id, invoice_row, expected, found, expected_cents, found_cents,
                      detail, opened_at, seen_runs, seen_at, told_at, told_cents, explained, explained_at, explained_by,
                      closed_at, closed_by, closed_who, resolution
               FROM discrepancy "# + $condition,
            $argument
        )
    };
}

impl Ledger {
    /// Cases, open ones first, newest first within; only open ones unless `closed` too.
    pub async fn cases(&self, closed: bool) -> Result<Vec<Case>> {
        cases!("WHERE closed_at IS NULL OR ? ORDER BY closed_at IS NOT NULL, id DESC", closed)
            .fetch_all(&self.readers)
            .await
            .map_err(Error::database("read"))
    }

    /// One case.
    pub async fn case(&self, id: i64) -> Result<Option<Case>> {
        cases!("WHERE id = ?", id).fetch_optional(&self.readers).await.map_err(Error::database("read"))
    }

    /// One deposit's cases, oldest first.
    pub async fn cases_of(&self, deposit: DepositId) -> Result<Vec<Case>> {
        let id = deposit.to_string();
        cases!("WHERE deposit_id = ? ORDER BY id", id)
            .fetch_all(&self.readers)
            .await
            .map_err(Error::database("read"))
    }

    /// Changes cases, and writes the events about them, in one transaction. The changes without an event of their own
    /// in `tell` are sealed together in one event. Gives the number of each case.
    pub async fn change_cases(
        &self,
        acts: Vec<CaseChange>,
        now: Timestamp,
        tell: impl Fn(&Case, &CaseChange) -> Option<(EventName, Vec<Recipient>)> + Send + 'static,
    ) -> Result<Vec<i64>> {
        let shared = std::sync::Arc::clone(&self.shared);
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    begin(connection).await?;
                    let (mut notices, mut noted) = (Vec::new(), CaseSeal::default());
                    let mut ids = Vec::with_capacity(acts.len());
                    for act in &acts {
                        let id = apply(connection, act, now).await?;
                        let case = read_case(connection, id).await?;
                        ids.push(id);
                        match (tell(&case, act), act) {
                            (Some((name, mail_to)), _) => {
                                let facts = serde_json::to_value(&case)
                                    .map_err(|error| Error::Unreadable(error.to_string()))?;
                                let reason = case.resolution.clone().or_else(|| case.explained.clone());
                                notices.push(AccountEvent { name, at: now, reason, facts, mail_to });
                            }
                            (None, CaseChange::Open(_)) => noted.open(&case),
                            (None, CaseChange::Close { .. }) => noted.close(&case),
                            (None, _) => {}
                        }
                    }
                    notices.extend(noted.into_notice(now));
                    let notices: Vec<&AccountEvent> = notices.iter().collect();
                    let head = crate::ledger::commit::announce_in(connection, &shared, &notices).await?;
                    commit(connection).await?;
                    if let Some(head) = head {
                        shared.head.send_replace(head);
                    }
                    Ok(ids)
                })
            })
            .await
    }
}

pub(in crate::ledger) async fn apply(
    connection: &mut SqliteConnection,
    act: &CaseChange,
    now: Timestamp,
) -> Result<i64> {
    let now = now.to_string();
    let written = Error::database("written");
    match act {
        CaseChange::Open(new) => insert(connection, new, &now).await,
        CaseChange::Seen { id, difference, counts } => {
            update_seen(connection, *id, difference, *counts, &now).await?;
            Ok(*id)
        }
        CaseChange::Notified { id, cents } => {
            sqlx::query!("UPDATE discrepancy SET told_at = ?, told_cents = ? WHERE id = ?", now, cents, id)
                .execute(connection)
                .await
                .map_err(written)?;
            Ok(*id)
        }
        CaseChange::Explain { id, who, note } => {
            sqlx::query!(
                "UPDATE discrepancy SET explained = ?, explained_at = ?, explained_by = ? WHERE id = ?",
                note,
                now,
                who,
                id
            )
            .execute(connection)
            .await
            .map_err(written)?;
            Ok(*id)
        }
        CaseChange::Close { id, who, resolution } => {
            let by = if who.is_some() { "person" } else { "run" };
            sqlx::query!(
                r#"UPDATE discrepancy SET closed_at = ?, closed_by = ?, closed_who = ?, resolution = ?
                   WHERE id = ? AND closed_at IS NULL"#,
                now,
                by,
                who,
                resolution,
                id
            )
            .execute(connection)
            .await
            .map_err(written)?;
            Ok(*id)
        }
    }
}

pub(in crate::ledger) async fn read_case(connection: &mut SqliteConnection, id: i64) -> Result<Case> {
    cases!("WHERE id = ?", id).fetch_one(connection).await.map_err(Error::database("read"))
}

async fn insert(connection: &mut SqliteConnection, new: &NewCase, now: &str) -> Result<i64> {
    let NewCase { difference, notified: told } = new;
    let (key, kind) = (difference.key(), difference.kind.as_str());
    let deposit_id = difference.deposit_id.map(|id| id.to_string());
    let (told_at, told_cents) = (told.then_some(now), told.then(|| difference.cents()).flatten());
    sqlx::query_scalar!(
    r#"INSERT INTO discrepancy (key, kind, deposit_id, order_id, invoice_row, expected, found, expected_cents,
                                found_cents, detail, opened_at, seen_runs, seen_at, told_at, told_cents)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1, ?11, ?12, ?13) RETURNING id AS "id!""#,
    key,
    kind,
    deposit_id,
    difference.order_id,
    difference.row,
    difference.expected,
    difference.found,
    difference.expected_cents,
    difference.found_cents,
    difference.detail,
    now,
    told_at,
    told_cents
)
.fetch_one(connection)
.await
.map_err(Error::database("written"))
}

async fn update_seen(
    connection: &mut SqliteConnection,
    id: i64,
    difference: &Difference,
    counts: bool,
    now: &str,
) -> Result<()> {
    sqlx::query!(
        r#"UPDATE discrepancy SET expected = ?, found = ?, expected_cents = ?, found_cents = ?, detail = ?,
           seen_runs = seen_runs + ?, seen_at = iif(?, ?, seen_at) WHERE id = ?"#,
        difference.expected,
        difference.found,
        difference.expected_cents,
        difference.found_cents,
        difference.detail,
        counts,
        counts,
        now,
        id
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}
