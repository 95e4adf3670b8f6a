//! What each reconciliation found: its figures, its report, and the little that is remembered between runs.

use super::record::json;
use super::{Error, Ledger, Result};
use crate::domain::time::Timestamp;

/// Sums over the whole ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Booked here, each deposit rounded to the cent.
    pub credited_here_cents: i64,
    /// Credited invoices that are no deposit of ours.
    pub credited_elsewhere_cents: i64,
}

/// The last run that could fetch everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoodRun {
    /// As of when.
    pub at: Timestamp,
    /// The last event that it can have known of.
    pub head_seq: i64,
    /// Its figures.
    pub figures: RunFigures,
}

/// The runs since the last good one, all of them void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoidRuns {
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
    /// As of when.
    pub at: Timestamp,
    /// The last event that it can have known of.
    pub head_seq: i64,
    /// Its figures, or why it is void.
    pub outcome: std::result::Result<RunFigures, String>,
    /// What was fetched.
    pub evidence: Option<serde_json::Value>,
    /// Its report.
    pub report: serde_json::Value,
}

/// The figures of one good run.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunFigures {
    /// The upstream's balance.
    pub balance_cents: i64,
    /// The upstream's total of top-ups.
    pub total_charges_cents: i64,
    /// Our journal's.
    pub credited_here_cents: i64,
    /// By others, with the baseline.
    pub credited_elsewhere_cents: i64,
    /// What the total held before the first run.
    pub baseline_cents: i64,
    /// What is left unexplained.
    pub difference_cents: i64,
}

impl Ledger {
    /// The sums that the identity is made of, without the baseline.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn totals(&self) -> Result<Totals> {
        let row = sqlx::query!(
            r#"SELECT (SELECT coalesce(sum((amount_booked_micros + 5000) / 10000), 0) FROM deposit
                       WHERE settled_at IS NOT NULL) AS "here!: i64",
                      (SELECT coalesce(sum(amount_cents), 0) FROM invoice
                       WHERE rule IS NULL AND abandoned IN (0, 1) AND credited = 1) AS "elsewhere!: i64""#
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        Ok(Totals { credited_here_cents: row.here, credited_elsewhere_cents: row.elsewhere })
    }

    /// All invoices that were credited, in cents; ours with other words now (a refund, a short payment) as they are
    /// booked, but for those that were booked after event `seq` and that the list, which is older, shows unpaid.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn credited_invoices(&self, seq: i64) -> Result<i64> {
        sqlx::query_scalar!(
            r#"SELECT (SELECT coalesce(sum(amount_cents), 0) FROM invoice WHERE credited = 1)
                      + (SELECT coalesce(sum((d.amount_booked_micros + 5000) / 10000), 0)
                         FROM invoice i CROSS JOIN deposit d ON d.row_id = i.deposit_row
                         WHERE i.credited = 0 AND d.settled_at IS NOT NULL
                           AND (coalesce(lower(i.status), '') IN ('wrong_amount', 'refund_process', 'refund_paid', 'refund_fail')
                                OR NOT EXISTS (SELECT 1 FROM event e WHERE e.deposit_id = d.id AND e.seq > ?
                                                 AND e.name IN ('settled', 'short')))) AS "cents!: i64""#,
            seq
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// The last good run, if there was one.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn last_good_run(&self) -> Result<Option<GoodRun>> {
        let row = sqlx::query!(
            r#"SELECT at, head_seq, balance_cents AS "balance!", total_charges_cents AS "total!",
                      credited_here_cents AS "here!", credited_elsewhere_cents AS "elsewhere!",
                      baseline_cents AS "baseline!", difference_cents AS "difference!"
               FROM reconciliation WHERE ok = 1 ORDER BY id DESC LIMIT 1"#
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        row.map(|row| {
            let at = Timestamp::parse(&row.at).map_err(|error| Error::Unreadable(error.to_string()))?;
            let figures = RunFigures {
                balance_cents: row.balance,
                total_charges_cents: row.total,
                credited_here_cents: row.here,
                credited_elsewhere_cents: row.elsewhere,
                baseline_cents: row.baseline,
                difference_cents: row.difference,
            };
            Ok(GoodRun { at, head_seq: row.head_seq, figures })
        })
        .transpose()
    }

    /// The runs since the last good one, where there are any.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn void_runs(&self) -> Result<Option<VoidRuns>> {
        sqlx::query_as!(
            VoidRuns,
            r#"SELECT r.error AS "error!", v.runs AS "runs!: i64", v.since AS "since!: String"
               FROM (SELECT max(id) AS last, count(*) AS runs, min(at) AS since FROM reconciliation
                     WHERE id > coalesce((SELECT max(id) FROM reconciliation WHERE ok = 1), 0)) v
                    JOIN reconciliation r ON r.id = v.last"#
        )
        .fetch_optional(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// The last run's report, good or void.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn last_report(&self) -> Result<Option<serde_json::Value>> {
        let row = sqlx::query!("SELECT report FROM reconciliation ORDER BY id DESC LIMIT 1")
            .fetch_optional(&self.readers)
            .await
            .map_err(Error::database("read"))?;
        row.map(|row| serde_json::from_str(&row.report).map_err(|error| Error::Unreadable(error.to_string())))
            .transpose()
    }

    /// Writes a run.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn keep_run(&self, run: Run) -> Result<()> {
        let Run { at, head_seq, outcome, evidence, report } = run;
        let (at, report, ok) = (at.to_string(), json(&report)?, outcome.is_ok());
        let evidence = evidence.as_ref().map(json).transpose()?;
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    let (figures, error) = (outcome.as_ref().ok(), outcome.as_ref().err());
                    let balance = figures.map(|f| f.balance_cents);
                    let total = figures.map(|f| f.total_charges_cents);
                    let here = figures.map(|f| f.credited_here_cents);
                    let elsewhere = figures.map(|f| f.credited_elsewhere_cents);
                    let baseline = figures.map(|f| f.baseline_cents);
                    let difference = figures.map(|f| f.difference_cents);
                    sqlx::query!(
                        r#"INSERT INTO reconciliation (at, ok, error, head_seq, balance_cents, total_charges_cents,
                               credited_here_cents, credited_elsewhere_cents, baseline_cents, difference_cents, evidence,
                               report)
                           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"#,
                        at,
                        ok,
                        error,
                        head_seq,
                        balance,
                        total,
                        here,
                        elsewhere,
                        baseline,
                        difference,
                        evidence,
                        report
                    )
                    .execute(connection)
                    .await
                    .map(|_| ())
                    .map_err(Error::database("written"))
                })
            })
            .await
    }

    /// Something small to remember across restarts.
    ///
    /// # Errors
    /// Whatever the disk says.
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

    /// What was remembered.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn recall(&self, key: &str) -> Result<Option<String>> {
        sqlx::query_scalar!("SELECT value FROM meta WHERE key = ?", key)
            .fetch_optional(&self.readers)
            .await
            .map_err(Error::database("read"))
    }
}
