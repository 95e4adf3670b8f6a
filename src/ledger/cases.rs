//! The differences with the upstream as cases: each with both figures, an age, and a life.

use sqlx::SqliteConnection;

use super::case_seal::CaseSeal;
use super::record::AccountEvent;
use super::writer::{begin, commit};
use super::{Error, Ledger, Result};
use crate::domain::event::EventName;
use crate::domain::ids::DepositId;
use crate::domain::reconcile::Difference;
use crate::domain::time::Timestamp;

/// A difference with a life.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Case {
    /// Its number.
    pub id: i64,
    /// Kind and subject.
    #[serde(skip)]
    pub key: String,
    /// What kind.
    pub kind: String,
    /// About which deposit.
    pub deposit_id: Option<String>,
    /// About which order, or which row by what it is called.
    pub order_id: Option<String>,
    /// About which row of the list, by the ledger's number.
    pub invoice_row: Option<i64>,
    /// Our side.
    pub expected: String,
    /// The upstream's.
    pub found: String,
    /// Our side in cents, where it is a figure.
    pub expected_cents: Option<i64>,
    /// The upstream's in cents.
    pub found_cents: Option<i64>,
    /// The rows and figures behind it.
    pub detail: Option<String>,
    /// When it was first seen.
    pub opened_at: String,
    /// In how many runs in a row, each `[reconcile] lag` after the one before.
    pub seen_runs: i64,
    /// When the last of those was.
    pub seen_at: Option<String>,
    /// When it was last mailed.
    pub told_at: Option<String>,
    /// The difference in cents that was mailed then.
    pub told_cents: Option<i64>,
    /// What a person said of it.
    pub explained: Option<String>,
    /// When.
    pub explained_at: Option<String>,
    /// Who: the way they came in.
    pub explained_by: Option<String>,
    /// When it ended.
    pub closed_at: Option<String>,
    /// What ended it: `run` or `person`.
    pub closed_by: Option<String>,
    /// The person: the way they came in.
    pub closed_who: Option<String>,
    /// Why it ended.
    pub resolution: Option<String>,
}

/// A case that a run opens.
#[derive(Debug, Clone)]
pub struct NewCase {
    /// What does not agree.
    pub difference: Difference,
    /// Whether it is mailed right away.
    pub notified: bool,
}

/// What a run, or a person, does to a case.
#[derive(Debug, Clone)]
pub enum CaseChange {
    /// First seen.
    Open(NewCase),
    /// Seen again, perhaps with other figures.
    Seen {
        /// Which.
        id: i64,
        /// As it is now.
        difference: Difference,
        /// Whether it counts as another run: the last that did is long enough ago.
        counts: bool,
    },
    /// It has been mailed, at this difference in cents.
    Notified {
        /// Which.
        id: i64,
        /// `found - expected`.
        cents: Option<i64>,
    },
    /// A person has explained it; it stays open.
    Explain {
        /// Which.
        id: i64,
        /// Who: the way they came in.
        who: String,
        /// In these words.
        note: String,
    },
    /// It has ended.
    Close {
        /// Which.
        id: i64,
        /// By which person, named by the way they came in; `None` for a run that found it gone.
        who: Option<String>,
        /// Why.
        resolution: String,
    },
}

impl Ledger {
    /// Cases, open ones first, newest first within; only open ones unless `closed` too.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn cases(&self, closed: bool) -> Result<Vec<Case>> {
        sqlx::query_as!(
            Case,
            r#"SELECT id AS "id!", key, kind, deposit_id, order_id, invoice_row, expected, found, expected_cents, found_cents, detail,
                      opened_at, seen_runs, seen_at, told_at, told_cents, explained, explained_at, explained_by, closed_at,
                      closed_by, closed_who, resolution
               FROM discrepancy WHERE closed_at IS NULL OR ? ORDER BY closed_at IS NOT NULL, id DESC"#,
            closed
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// One case.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn case(&self, id: i64) -> Result<Option<Case>> {
        sqlx::query_as!(
            Case,
            r#"SELECT id AS "id!", key, kind, deposit_id, order_id, invoice_row, expected, found, expected_cents, found_cents, detail,
                      opened_at, seen_runs, seen_at, told_at, told_cents, explained, explained_at, explained_by, closed_at,
                      closed_by, closed_who, resolution
               FROM discrepancy WHERE id = ?"#,
            id
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// The last case of a key, open or closed.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn last_case(&self, key: &str) -> Result<Option<Case>> {
        sqlx::query_as!(
            Case,
            r#"SELECT id AS "id!", key, kind, deposit_id, order_id, invoice_row, expected, found, expected_cents, found_cents, detail,
                      opened_at, seen_runs, seen_at, told_at, told_cents, explained, explained_at, explained_by, closed_at,
                      closed_by, closed_who, resolution
               FROM discrepancy WHERE key = ? ORDER BY id DESC LIMIT 1"#,
            key
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// One deposit's cases, oldest first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn cases_of(&self, deposit: DepositId) -> Result<Vec<Case>> {
        let id = deposit.to_string();
        sqlx::query_as!(
            Case,
            r#"SELECT id AS "id!", key, kind, deposit_id, order_id, invoice_row, expected, found, expected_cents, found_cents, detail,
                      opened_at, seen_runs, seen_at, told_at, told_cents, explained, explained_at, explained_by, closed_at,
                      closed_by, closed_who, resolution
               FROM discrepancy WHERE deposit_id = ? ORDER BY id"#,
            id
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// Changes cases, and writes the events that tell of it, in one transaction; what `tell` says nothing of is noted in one
    /// event together. Gives the number of each case.
    ///
    /// # Errors
    /// Whatever the disk says; nothing is written then.
    pub async fn change_cases(
        &self,
        acts: Vec<CaseChange>,
        now: Timestamp,
        tell: impl Fn(&Case, &CaseChange) -> Option<(EventName, Vec<String>)> + Send + 'static,
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
                    let head = super::record::announce_in(connection, &shared, &notices).await?;
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

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    act: &CaseChange,
    now: Timestamp,
) -> Result<i64> {
    let now = now.to_string();
    let written = Error::database("written");
    match act {
        CaseChange::Open(NewCase { difference, notified: told }) => {
            let (key, kind) = (difference.key(), difference.kind.as_str());
            let deposit_id = difference.deposit_id.map(|id| id.to_string());
            let (told_at, told_cents) =
                (told.then_some(now.as_str()), told.then(|| difference.cents()).flatten());
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
            .map_err(written)
        }
        CaseChange::Seen { id, difference, counts } => {
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
            .map_err(written)?;
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

pub(super) async fn read_case(connection: &mut SqliteConnection, id: i64) -> Result<Case> {
    sqlx::query_as!(
        Case,
        r#"SELECT id AS "id!", key, kind, deposit_id, order_id, invoice_row, expected, found, expected_cents, found_cents, detail,
                      opened_at, seen_runs, seen_at, told_at, told_cents, explained, explained_at, explained_by, closed_at,
                      closed_by, closed_who, resolution
           FROM discrepancy WHERE id = ?"#,
        id
    )
    .fetch_one(connection)
    .await
    .map_err(Error::database("read"))
}
