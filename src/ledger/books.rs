//! What reconciliation keeps: the invoices with their matches, the differences as cases, and each run's figures.

use sqlx::{Connection as _, SqliteConnection};

use super::record::{Notice, Write, json};
use super::{Error, Ledger, Result};
use crate::domain::deposit::State;
use crate::domain::event::EventName;
use crate::domain::ids::DepositId;
use crate::domain::money::UsdMicros;
use crate::domain::reconcile::{Candidate, Difference, Pair};
use crate::domain::time::Timestamp;

/// An invoice as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InvoiceRow {
    /// Its own name: see `domain::reconcile::keyed`.
    pub key: String,
    /// As the upstream wrote it.
    pub sesid: Option<String>,
    /// As the upstream wrote it.
    pub pay_id: Option<String>,
    /// Processor.
    pub method: Option<String>,
    /// Whole US cents.
    pub amount_cents: i64,
    /// When, in UTC.
    pub created: Option<String>,
    /// Raw word.
    pub status: Option<String>,
    /// The deposit it is matched with.
    pub deposit_id: Option<String>,
    /// How it was matched.
    pub rule: Option<String>,
    /// It was called paid once.
    pub credited: bool,
    /// Made by an attempt of ours, shown to nobody.
    pub abandoned: bool,
    /// The upstream lists it still.
    pub listed: bool,
}

/// Sums over the whole ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Booked here, each deposit rounded to the cent.
    pub credited_here_cents: i64,
    /// Credited invoices that are no deposit of ours.
    pub credited_elsewhere_cents: i64,
    /// All invoices that were credited, ours with other words now (a refund, a short payment) as they are booked.
    pub credited_invoices_cents: i64,
}

/// A deposit that is booked here.
#[derive(Debug, Clone)]
pub struct Credited {
    /// Which deposit.
    pub id: DepositId,
    /// Its order.
    pub order_id: String,
    /// What is booked.
    pub booked: UsdMicros,
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
    /// About which order.
    pub order_id: Option<String>,
    /// Our figure.
    pub expected: String,
    /// The upstream's.
    pub found: String,
    /// When it was first seen.
    pub opened_at: String,
    /// In how many runs in a row.
    pub seen_runs: i64,
    /// When it was mailed.
    pub told_at: Option<String>,
    /// What a person said of it.
    pub explained: Option<String>,
    /// When it ended.
    pub closed_at: Option<String>,
    /// Who ended it: `run` or `person`.
    pub closed_by: Option<String>,
    /// Why it ended.
    pub resolution: Option<String>,
}

/// A case that a run opens.
#[derive(Debug, Clone)]
pub struct NewCase {
    /// What does not agree.
    pub difference: Difference,
    /// Whether it is mailed right away.
    pub told: bool,
}

/// What a run, or a person, does to a case.
#[derive(Debug, Clone)]
pub enum CaseAct {
    /// First seen.
    Open(NewCase),
    /// Seen again, perhaps with other figures.
    Seen {
        /// Which.
        id: i64,
        /// Our figure now.
        expected: String,
        /// The upstream's now.
        found: String,
    },
    /// It has been mailed.
    Told(i64),
    /// A person has explained it; it stays open.
    Explain(i64, String),
    /// It has ended.
    Close {
        /// Which.
        id: i64,
        /// By a person, or by a run that found it gone.
        by_person: bool,
        /// Why.
        resolution: String,
    },
}

impl Ledger {
    /// Every invoice that was ever seen, in the order of their keys.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn invoices(&self) -> Result<Vec<InvoiceRow>> {
        sqlx::query_as!(
            InvoiceRow,
            r#"SELECT key, sesid, pay_id, method, amount_cents, created, status, deposit_id, rule,
                      credited AS "credited: bool", abandoned AS "abandoned: bool", listed AS "listed: bool"
               FROM invoice ORDER BY key"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// The deposits that one of `ids` names: as order, or by the payment link. Those that have an invoice are left out.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn candidates(&self, ids: &[&str]) -> Result<Vec<Candidate>> {
        let ids = json(ids)?;
        let rows = sqlx::query!(
            r#"SELECT d.id AS "id!", d.order_id AS "order_id!", d.link_id, d.wallet_created_at AS "wallet_created_at!",
                      d.amount_requested AS "amount_requested!", d.amount_usd_micros, d.amount_booked_micros
               FROM deposit d
               WHERE d.row_id IN (SELECT o.row_id FROM json_each(?1) j JOIN deposit o ON o.order_id = j.value
                                  UNION SELECT l.row_id FROM json_each(?1) j JOIN deposit l ON l.link_id = j.value)
                 AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_id = d.id)"#,
            ids
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter()
            .map(|row| {
                candidate(CandidateRow {
                    id: row.id,
                    order_id: row.order_id,
                    link_id: row.link_id,
                    created_at: row.wallet_created_at,
                    requested: row.amount_requested,
                    micros: row.amount_usd_micros,
                    booked: row.amount_booked_micros,
                })
            })
            .collect()
    }

    /// The deposits without an invoice whose wallets were made at or after `since`.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn uninvoiced(&self, since: Timestamp) -> Result<Vec<Candidate>> {
        let since = since.to_string();
        let rows = sqlx::query!(
            r#"SELECT d.id AS "id!", d.order_id AS "order_id!", d.link_id, d.wallet_created_at AS "wallet_created_at!",
                      d.amount_requested AS "amount_requested!", d.amount_usd_micros, d.amount_booked_micros
               FROM deposit d
               WHERE d.requested_at >= ? AND d.order_id IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_id = d.id)"#,
            since
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter()
            .map(|row| {
                candidate(CandidateRow {
                    id: row.id,
                    order_id: row.order_id,
                    link_id: row.link_id,
                    created_at: row.wallet_created_at,
                    requested: row.amount_requested,
                    micros: row.amount_usd_micros,
                    booked: row.amount_booked_micros,
                })
            })
            .collect()
    }

    /// Writes invoices that are new or have changed, all in one transaction.
    ///
    /// # Errors
    /// Whatever the disk says; nothing is written then.
    pub async fn keep_invoices(&self, rows: Vec<InvoiceRow>, now: Timestamp) -> Result<()> {
        let now = now.to_string();
        let chunks: Vec<String> = rows.chunks(2000).map(json).collect::<Result<_>>()?;
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    let mut transaction = connection
                        .begin_with("BEGIN IMMEDIATE")
                        .await
                        .map_err(Error::database("locked for writing"))?;
                    for rows in chunks {
                        upsert_invoices(&mut transaction, &rows, &now).await?;
                    }
                    transaction.commit().await.map_err(Error::database("committed"))
                })
            })
            .await
    }

    /// The pairs of a deposit and its invoice that may not agree: credited on one side only, or other figures.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn suspects(&self) -> Result<Vec<Pair>> {
        let rows = sqlx::query!(
            r#"SELECT d.id AS "id!", d.order_id AS "order_id!", d.state AS "state!", d.amount_booked_micros,
                      i.amount_cents, i.status
               FROM invoice i JOIN deposit d ON d.id = i.deposit_id
               WHERE i.listed = 1
                 AND ((d.amount_booked_micros IS NOT NULL) <> (coalesce(lower(i.status), '') IN ('paid', 'paid_over'))
                      OR abs(d.amount_booked_micros - i.amount_cents * 10000) >= 10000)"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter()
            .map(|row| {
                let unreadable = || Error::Unreadable(format!("deposit {}", row.id));
                Ok(Pair {
                    deposit_id: row.id.parse().map_err(|_| unreadable())?,
                    order_id: row.order_id.clone(),
                    state: State::parse(&row.state).ok_or_else(unreadable)?,
                    booked: row.amount_booked_micros.map(UsdMicros::new),
                    invoice_cents: row.amount_cents,
                    invoice_status: row.status.clone(),
                })
            })
            .collect()
    }

    /// Deposits that are booked here and have no invoice that the upstream still lists.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn booked_without_invoice(&self) -> Result<Vec<Credited>> {
        let rows = sqlx::query!(
            r#"SELECT d.id AS "id!", d.order_id AS "order_id!", d.amount_booked_micros AS "booked!"
               FROM deposit d
               WHERE d.settled_at IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_id = d.id AND i.listed = 1)"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        rows.into_iter()
            .map(|row| {
                let id = row.id.parse().map_err(|_| Error::Unreadable(row.id.clone()))?;
                Ok(Credited { id, order_id: row.order_id, booked: UsdMicros::new(row.booked) })
            })
            .collect()
    }

    /// The sums that the identity is made of, without the baseline.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn totals(&self) -> Result<Totals> {
        let row = sqlx::query!(
            r#"SELECT (SELECT coalesce(sum((amount_booked_micros + 5000) / 10000), 0) FROM deposit
                       WHERE settled_at IS NOT NULL) AS "here!: i64",
                      (SELECT coalesce(sum(amount_cents), 0) FROM invoice
                       WHERE credited = 1 AND deposit_id IS NULL) AS "elsewhere!: i64",
                      (SELECT coalesce(sum(CASE WHEN i.credited = 1 THEN i.amount_cents
                                                ELSE (d.amount_booked_micros + 5000) / 10000 END), 0)
                       FROM invoice i LEFT JOIN deposit d ON d.id = i.deposit_id
                       WHERE i.credited = 1 OR d.settled_at IS NOT NULL) AS "invoices!: i64""#
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        Ok(Totals {
            credited_here_cents: row.here,
            credited_elsewhere_cents: row.elsewhere,
            credited_invoices_cents: row.invoices,
        })
    }

    /// How many invoices each rule has matched.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn matches_by_rule(&self) -> Result<Vec<(String, i64)>> {
        let rows = sqlx::query!(
            r#"SELECT coalesce(rule, CASE WHEN abandoned = 1 THEN 'abandoned' ELSE 'elsewhere' END) AS "rule!: String",
                      count(*) AS "n!: i64" FROM invoice GROUP BY 1 ORDER BY 1"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        Ok(rows.into_iter().map(|row| (row.rule, row.n)).collect())
    }

    /// The last good run, if there was one: when, and its figures.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn last_good_run(&self) -> Result<Option<(Timestamp, RunFigures)>> {
        let row = sqlx::query!(
            r#"SELECT at, balance_cents AS "balance!", total_charges_cents AS "total!", credited_here_cents AS "here!",
                      credited_elsewhere_cents AS "elsewhere!", baseline_cents AS "baseline!", difference_cents AS "difference!"
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
            Ok((at, figures))
        })
        .transpose()
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

    /// Writes a run: its figures (`None`: void, for the reason given), its report.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn keep_run(
        &self,
        at: Timestamp,
        figures: Option<RunFigures>,
        error: Option<String>,
        report: &serde_json::Value,
    ) -> Result<()> {
        let (at, report, ok) = (at.to_string(), json(report)?, figures.is_some());
        self.writer()?.run(move |connection| {
            Box::pin(async move {
                let figures = figures.as_ref();
                let balance = figures.map(|f| f.balance_cents);
                let total = figures.map(|f| f.total_charges_cents);
                let here = figures.map(|f| f.credited_here_cents);
                let elsewhere = figures.map(|f| f.credited_elsewhere_cents);
                let baseline = figures.map(|f| f.baseline_cents);
                let difference = figures.map(|f| f.difference_cents);
                sqlx::query!(
                    r#"INSERT INTO reconciliation (at, ok, error, balance_cents, total_charges_cents, credited_here_cents,
                           credited_elsewhere_cents, baseline_cents, difference_cents, report)
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"#,
                    at,
                    ok,
                    error,
                    balance,
                    total,
                    here,
                    elsewhere,
                    baseline,
                    difference,
                    report
                )
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(Error::database("written"))
            })
        }).await
    }

    /// Cases, open ones first, newest first within; only open ones unless `closed` too.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn cases(&self, closed: bool) -> Result<Vec<Case>> {
        sqlx::query_as!(
            Case,
            r#"SELECT id AS "id!", key, kind, deposit_id, order_id, expected, found, opened_at, seen_runs, told_at, explained,
                      closed_at, closed_by, resolution
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
            r#"SELECT id AS "id!", key, kind, deposit_id, order_id, expected, found, opened_at, seen_runs, told_at, explained,
                      closed_at, closed_by, resolution
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
            r#"SELECT id AS "id!", key, kind, deposit_id, order_id, expected, found, opened_at, seen_runs, told_at, explained,
                      closed_at, closed_by, resolution
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
            r#"SELECT id AS "id!", key, kind, deposit_id, order_id, expected, found, opened_at, seen_runs, told_at, explained,
                      closed_at, closed_by, resolution
               FROM discrepancy WHERE deposit_id = ? ORDER BY id"#,
            id
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// Changes cases, and writes the events that tell of it, in one transaction. Gives the number of each case.
    ///
    /// # Errors
    /// Whatever the disk says; nothing is written then.
    pub async fn keep_cases(
        &self,
        acts: Vec<CaseAct>,
        now: Timestamp,
        tell: impl Fn(&Case, &CaseAct) -> Option<(EventName, Vec<String>)> + Send + 'static,
    ) -> Result<Vec<i64>> {
        let shared = std::sync::Arc::clone(&self.shared);
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    let mut transaction = connection
                        .begin_with("BEGIN IMMEDIATE")
                        .await
                        .map_err(Error::database("locked for writing"))?;
                    let mut notices = Vec::new();
                    let mut ids = Vec::with_capacity(acts.len());
                    for act in &acts {
                        let id = apply(&mut transaction, act, now).await?;
                        let case = read_case(&mut transaction, id).await?;
                        ids.push(id);
                        if let Some((name, mail_to)) = tell(&case, act) {
                            let facts = serde_json::to_value(&case)
                                .map_err(|error| Error::Unreadable(error.to_string()))?;
                            let reason = case.resolution.clone().or_else(|| case.explained.clone());
                            notices.push(Notice { name, at: now, reason, facts, mail_to });
                        }
                    }
                    let notices: Vec<&Notice> = notices.iter().collect();
                    let writes: [&Write; 0] = [];
                    let (_, head) =
                        super::record::write_in(&mut transaction, &shared, &writes, &notices).await?;
                    transaction.commit().await.map_err(Error::database("committed"))?;
                    if let Some(head) = head {
                        shared.head.send_replace(head);
                    }
                    Ok(ids)
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

struct CandidateRow {
    id: String,
    order_id: String,
    link_id: Option<String>,
    created_at: String,
    requested: String,
    micros: Option<i64>,
    booked: Option<i64>,
}

fn candidate(row: CandidateRow) -> Result<Candidate> {
    let unreadable = || Error::Unreadable(format!("deposit {}", row.id));
    let asked =
        crate::domain::money::Amount::parse(&row.requested).ok().and_then(|asked| asked.to_usd_micros());
    let figures = [asked, row.micros.map(UsdMicros::new), row.booked.map(UsdMicros::new)];
    Ok(Candidate {
        id: row.id.parse().map_err(|_| unreadable())?,
        order_id: row.order_id.clone(),
        link_id: row.link_id.clone(),
        created_at: Timestamp::parse(&row.created_at).map_err(|_| unreadable())?,
        cents: figures.into_iter().flatten().filter_map(UsdMicros::to_cents_exact).collect(),
    })
}

async fn upsert_invoices(connection: &mut SqliteConnection, rows: &str, now: &str) -> Result<()> {
    sqlx::query!(
        r#"INSERT INTO invoice (key, sesid, pay_id, method, amount_cents, created, status, deposit_id, rule, credited,
                                abandoned, listed, first_seen)
           SELECT j.value ->> 'key', j.value ->> 'sesid', j.value ->> 'pay_id', j.value ->> 'method',
                  j.value ->> 'amount_cents', j.value ->> 'created', j.value ->> 'status', j.value ->> 'deposit_id',
                  j.value ->> 'rule', j.value ->> 'credited', j.value ->> 'abandoned', j.value ->> 'listed', ?
           FROM json_each(?) AS j WHERE true
           ON CONFLICT (key) DO UPDATE SET amount_cents = excluded.amount_cents, status = excluded.status,
               deposit_id = excluded.deposit_id, rule = excluded.rule, credited = max(credited, excluded.credited),
               abandoned = max(abandoned, excluded.abandoned), listed = excluded.listed"#,
        now,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

async fn apply(connection: &mut SqliteConnection, act: &CaseAct, now: Timestamp) -> Result<i64> {
    let now = now.to_string();
    let written = Error::database("written");
    match act {
        CaseAct::Open(NewCase { difference, told }) => {
            let told_at = told.then_some(now.as_str());
            let (key, kind) = (difference.key(), difference.kind.as_str());
            let deposit_id = difference.deposit_id.map(|id| id.to_string());
            sqlx::query_scalar!(
                r#"INSERT INTO discrepancy (key, kind, deposit_id, order_id, expected, found, opened_at, seen_runs, told_at)
                   VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?) RETURNING id AS "id!""#,
                key,
                kind,
                deposit_id,
                difference.order_id,
                difference.expected,
                difference.found,
                now,
                told_at
            )
            .fetch_one(connection)
            .await
            .map_err(written)
        }
        CaseAct::Seen { id, expected, found } => {
            sqlx::query!(
                "UPDATE discrepancy SET expected = ?, found = ?, seen_runs = seen_runs + 1 WHERE id = ?",
                expected,
                found,
                id
            )
            .execute(connection)
            .await
            .map_err(written)?;
            Ok(*id)
        }
        CaseAct::Told(id) => {
            sqlx::query!("UPDATE discrepancy SET told_at = ? WHERE id = ?", now, id)
                .execute(connection)
                .await
                .map_err(written)?;
            Ok(*id)
        }
        CaseAct::Explain(id, note) => {
            sqlx::query!("UPDATE discrepancy SET explained = ? WHERE id = ?", note, id)
                .execute(connection)
                .await
                .map_err(written)?;
            Ok(*id)
        }
        CaseAct::Close { id, by_person, resolution } => {
            let by = if *by_person { "person" } else { "run" };
            sqlx::query!(
                "UPDATE discrepancy SET closed_at = ?, closed_by = ?, resolution = ? WHERE id = ? AND closed_at IS NULL",
                now,
                by,
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

async fn read_case(connection: &mut SqliteConnection, id: i64) -> Result<Case> {
    sqlx::query_as!(
        Case,
        r#"SELECT id AS "id!", key, kind, deposit_id, order_id, expected, found, opened_at, seen_runs, told_at, explained,
                  closed_at, closed_by, resolution
           FROM discrepancy WHERE id = ?"#,
        id
    )
    .fetch_one(connection)
    .await
    .map_err(Error::database("read"))
}
