//! The runs: their figures, their reports, and what the next run needs of each.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::domain::journal::PREPAID;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::batch::AccountEvent;
use crate::ledger::commit::announce_in;
use crate::ledger::error::{Error, Result};
use crate::ledger::sql::json;
use crate::ledger::sql::{begin, commit};

/// The figures of one good run, in cents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFigures {
    /// The upstream's balance.
    pub balance_cents: i64,
    /// The upstream's total of top-ups.
    pub total_charges_cents: i64,
    /// What the rows of our deposits count.
    pub credited_here_cents: i64,
    /// What the rows of others count, the baseline, and what people accepted.
    pub credited_elsewhere_cents: i64,
    /// What the total held before the first run; `None` while it is not known.
    pub baseline_cents: Option<i64>,
    /// What people accepted.
    pub accepted_cents: i64,
    /// Booked here, and not listed yet; outside the identity.
    pub not_listed_cents: i64,
    /// The drift: what is left unexplained; `None` without a baseline.
    pub difference_cents: Option<i64>,
}

/// The last run that could read everything it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoodRun {
    /// Its number.
    pub id: i64,
    /// As of when.
    pub at: Timestamp,
    /// The last event that it can have known of.
    pub head_seq: i64,
    /// Its figures.
    pub figures: RunFigures,
}

/// The upstream's total as a run saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// As of when.
    pub at: Timestamp,
    /// In cents.
    pub cents: i64,
}

/// The runs since the last good one, all of them void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncompleteRuns {
    /// Why the last one was.
    pub error: String,
    /// How many there are in a row.
    pub runs: i64,
    /// When the first of them was.
    pub since: String,
}

/// A run as it is written down.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// As of when.
    pub at: Timestamp,
    /// The last event that it can have known of.
    pub head_seq: i64,
    /// Its figures, or why it is void.
    pub outcome: std::result::Result<RunFigures, String>,
    /// Both comparisons agreed, all was read, and no case was open.
    pub clean: bool,
    /// By how much the balance rose beyond the total since the good run before it, in cents.
    pub rise_cents: i64,
    /// The events that it owes: written with it, or not at all.
    pub notices: Vec<AccountEvent>,
    /// The deposits that the next run must compare, whether they change or not.
    pub due: Vec<String>,
    /// What is remembered with it.
    pub memory: Vec<(&'static str, String)>,
    /// What was fetched.
    pub evidence: Option<serde_json::Value>,
    /// Its report.
    pub report: serde_json::Value,
}

/// How many rows each rule has matched, and what they count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// The rule's word; `elsewhere` for what is none of ours, `amount_and_time` for what may be.
    pub rule: String,
    /// How many.
    pub invoices: i64,
    /// How many of them count something.
    pub credited: i64,
    /// What they count by themselves, in cents.
    pub credited_cents: i64,
}

impl Ledger {
    /// How many rows each rule has matched, and what they count.
    pub async fn tally(&self) -> Result<Vec<Tally>> {
        sqlx::query_as!(
            Tally,
            r#"SELECT coalesce(rule, iif(probable_row IS NULL, 'elsewhere', 'amount_and_time')) AS "rule!: String",
                      count(*) AS "invoices!: i64", sum(counted_cents <> 0) AS "credited!: i64",
                      sum(counted_cents) AS "credited_cents!: i64"
               FROM invoice GROUP BY 1 ORDER BY 1"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// The number of the next run. One that is cut off leaves no trace but marked rows, and the next has its number.
    pub async fn next_run(&self) -> Result<i64> {
        sqlx::query_scalar!(r#"SELECT coalesce(max(id), 0) + 1 AS "id!: i64" FROM reconciliation"#)
            .fetch_one(&self.readers)
            .await
            .map_err(Error::database("read"))
    }

    /// The last good run, if there was one.
    pub async fn last_good_run(&self) -> Result<Option<GoodRun>> {
        let row = sqlx::query!(
            r#"SELECT id AS "id!", at, head_seq, balance_cents AS "balance!", total_charges_cents AS "total!",
                      credited_here_cents AS "here!", credited_elsewhere_cents AS "elsewhere!", baseline_cents AS baseline,
                      accepted_cents AS accepted, not_listed_cents AS not_listed, difference_cents AS difference
               FROM reconciliation WHERE ok = 1 ORDER BY id DESC LIMIT 1"#
        )
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| {
            let at = Timestamp::parse(&row.at).map_err(|error| Error::Unreadable(error.to_string()))?;
            let figures = RunFigures {
                balance_cents: row.balance,
                total_charges_cents: row.total,
                credited_here_cents: row.here,
                credited_elsewhere_cents: row.elsewhere,
                baseline_cents: row.baseline,
                accepted_cents: row.accepted.unwrap_or(0),
                not_listed_cents: row.not_listed.unwrap_or(0),
                difference_cents: row.difference,
            };
            Ok(GoodRun { id: row.id, at, head_seq: row.head_seq, figures })
        })
        .transpose()
    }

    /// The number of the last clean run; 0 where there was none.
    pub async fn last_clean_run(&self) -> Result<i64> {
        sqlx::query_scalar!(
            r#"SELECT coalesce(max(id), 0) AS "id!: i64" FROM reconciliation WHERE clean = 1"#
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// The upstream's total as the latest good run at or before `until` saw it.
    pub async fn total_at(&self, until: Timestamp) -> Result<Option<Total>> {
        let until = until.to_string();
        let row = sqlx::query!(
            r#"SELECT at, total_charges_cents AS "cents!" FROM reconciliation
               WHERE ok = 1 AND at <= ? ORDER BY id DESC LIMIT 1"#,
            until
        )
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| {
            let at = Timestamp::parse(&row.at).map_err(|error| Error::Unreadable(error.to_string()))?;
            Ok(Total { at, cents: row.cents })
        })
        .transpose()
    }

    /// The runs since the last good one, where there are any.
    pub async fn incomplete_runs(&self) -> Result<Option<IncompleteRuns>> {
        sqlx::query_as!(
            IncompleteRuns,
            r#"SELECT r.error AS "error!", v.runs AS "runs!: i64", v.since AS "since!: String"
               FROM (SELECT max(id) AS last, count(*) AS runs, min(at) AS since FROM reconciliation
                     WHERE id > coalesce((SELECT max(id) FROM reconciliation WHERE ok = 1), 0)) v
                    JOIN reconciliation r ON r.id = v.last"#
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// When both sides last agreed without anything on its way.
    pub async fn last_exact_run(&self) -> Result<Option<Timestamp>> {
        let at = sqlx::query_scalar!(
            r#"SELECT at FROM reconciliation WHERE ok = 1 AND difference_cents = 0 ORDER BY id DESC LIMIT 1"#
        )
        .fetch_optional(&self.readers)
        .await?;
        at.map(|at| Timestamp::parse(&at).map_err(|error| Error::Unreadable(error.to_string()))).transpose()
    }

    /// The last run's report, good or void.
    pub async fn last_report(&self) -> Result<Option<serde_json::Value>> {
        let row = sqlx::query!("SELECT report FROM reconciliation ORDER BY id DESC LIMIT 1")
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| serde_json::from_str(&row.report).map_err(|error| Error::Unreadable(error.to_string())))
            .transpose()
    }

    /// Writes a run, and what the next one needs of it.
    ///
    /// # Errors
    /// [`Error::Database`] where the file cannot be written now; the run has not taken place then.
    pub async fn store_run(&self, run: Run) -> Result<()> {
        let Run { id, at, head_seq, outcome, clean, rise_cents, notices, due, memory, evidence, report } =
            run;
        let (at, report, ok, due) = (at.to_string(), json(&report)?, outcome.is_ok(), json(&due)?);
        let evidence = evidence.as_ref().map(json).transpose()?;
        let memory = json(&memory)?;
        let shared = Arc::clone(&self.shared);
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    begin(connection).await?;
                    let (figures, error) = (outcome.as_ref().ok(), outcome.as_ref().err());
                    let balance = figures.map(|f| f.balance_cents);
                    let total = figures.map(|f| f.total_charges_cents);
                    let here = figures.map(|f| f.credited_here_cents);
                    let elsewhere = figures.map(|f| f.credited_elsewhere_cents);
                    let baseline = figures.and_then(|f| f.baseline_cents);
                    let accepted = figures.map(|f| f.accepted_cents);
                    let not_listed = figures.map(|f| f.not_listed_cents);
                    let difference = figures.and_then(|f| f.difference_cents);
                    sqlx::query!(
                        r#"INSERT INTO reconciliation
                               (id, at, ok, error, head_seq, balance_cents, total_charges_cents, credited_here_cents,
                                credited_elsewhere_cents, baseline_cents, accepted_cents, not_listed_cents, difference_cents,
                                clean, evidence, report)
                           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"#,
                        id,
                        at,
                        ok,
                        error,
                        head_seq,
                        balance,
                        total,
                        here,
                        elsewhere,
                        baseline,
                        accepted,
                        not_listed,
                        difference,
                        clean,
                        evidence,
                        report
                    )
                    .execute(&mut *connection)
                    .await
                    .map_err(Error::database("written"))?;
                    if ok {
                        note_journal(connection, id, rise_cents).await?;
                        // An incomplete run has compared nothing: the deposits that were left over stay so.
                        leave_over(connection, &due).await?;
                    }
                    sqlx::query!(
                        r#"INSERT INTO meta (key, value) SELECT j.value ->> 0, j.value ->> 1 FROM json_each(?) AS j WHERE true
                           ON CONFLICT (key) DO UPDATE SET value = excluded.value"#,
                        memory
                    )
                    .execute(&mut *connection)
                    .await
                    .map_err(Error::database("written"))?;
                    let notices: Vec<&AccountEvent> = notices.iter().collect();
                    let head = announce_in(connection, &shared, &notices).await?;
                    commit(connection).await?;
                    if let Some(head) = head {
                        shared.head.send_replace(head);
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Stores a value of `meta` across restarts.
    pub async fn remember(&self, key: &'static str, value: String) -> Result<()> {
        self.writer()?.run(move |connection| {
            Box::pin(async move {
                sqlx::query!(
                    "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    key,
                    value
                )
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(Error::database("written"))
            })
        }).await
    }

    /// Reads a value of `meta`.
    pub async fn recall(&self, key: &str) -> Result<Option<String>> {
        sqlx::query_scalar!("SELECT value FROM meta WHERE key = ?", key)
            .fetch_optional(&self.readers)
            .await
            .map_err(Error::database("read"))
    }
}

/// What the journal holds by now, beside what the run found, so that a statement is a difference of two runs.
async fn note_journal(connection: &mut SqliteConnection, id: i64, rise_cents: i64) -> Result<()> {
    let account = PREPAID;
    sqlx::query!(
        r#"UPDATE reconciliation SET
               journal_micros = (SELECT coalesce(sum(balance_micros), 0) FROM account_balance WHERE account = ?1),
               refunds_micros = (SELECT coalesce(sum(refunded_micros), 0) FROM refund_month),
               risen_cents = ?2 + coalesce((SELECT b.risen_cents FROM reconciliation b
                                            WHERE b.ok = 1 AND b.id < ?3 ORDER BY b.id DESC LIMIT 1), 0)
           WHERE id = ?3"#,
        account,
        rise_cents,
        id
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

/// The deposits that the next run must compare, changed or not.
async fn leave_over(connection: &mut SqliteConnection, due: &str) -> Result<()> {
    sqlx::query!("DELETE FROM comparison_due")
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    sqlx::query!(
        r#"INSERT INTO comparison_due (deposit_row)
       SELECT d.row_id FROM json_each(?) j JOIN deposit d ON d.id = j.value WHERE true
       ON CONFLICT DO NOTHING"#,
        due
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    Ok(())
}
