//! Writes what a list has changed, in pages: rows that are new, changed, or gone.

use serde::Deserialize;
use sqlx::SqliteConnection;

use crate::domain::reconcile::{content_hash, identity_hash};
use crate::domain::report::Invoice;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};
use crate::ledger::invoices::PAGE;
use crate::ledger::invoices::staging::{self, Packed, Pages, RowChange};
use crate::ledger::sql::from_json;
use crate::ledger::sql::json;
use crate::ledger::sql::{begin, commit};

/// How many pages of changes are written in one transaction: other writers wait for that long.
const TOGETHER: usize = 25;

/// What is known of a row, to see whether it has changed. Small: there is one for each row that is listed or stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownRow {
    /// Digest of what it is called by.
    pub identity: i64,
    /// Digest of what it says.
    pub content: i64,
    /// The ledger's number for it.
    pub row: i64,
    /// What it credits by itself, in cents.
    pub counted: i64,
    /// Whether the upstream listed it last.
    pub listed: bool,
}

/// All rows that are known, ordered by name and content.
pub type Known = Vec<KnownRow>;

#[derive(Deserialize)]
struct KnownWire(i64, i64, i64, i64, u8);

/// A row of an earlier version, whose digests are still to be made.
struct Unhashed {
    row_id: i64,
    sesid: Option<String>,
    pay_id: Option<String>,
    method: Option<String>,
    amount_cents: Option<i64>,
    created_ms: Option<i64>,
    status: Option<String>,
}

impl Ledger {
    /// What is known of every row.
    pub async fn known_rows(&self) -> Result<Known> {
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let count = sqlx::query_scalar!(r#"SELECT count(*) AS "n!: i64" FROM invoice"#)
            .fetch_one(&self.readers)
            .await?;
        // Room for all of them at once: growing would need it twice.
        let (mut after, mut known) = (0, Vec::with_capacity(usize::try_from(count).unwrap_or(0)));
        loop {
            // One text a page: a row by itself costs many times its own size.
            let page = sqlx::query!(
                r#"SELECT max(row_id) AS "last: i64",
                          json_group_array(json_array(identity_hash, content_hash, row_id, counted_cents, listed)) AS "rows!: String"
                   FROM (SELECT row_id, identity_hash, content_hash, counted_cents, listed FROM invoice
                         WHERE row_id > ? ORDER BY row_id LIMIT ?)"#,
                after,
                limit
            )
            .fetch_one(&self.readers)
            .await?;
            let Some(last) = page.last else { break };
            after = last;
            let rows = from_json::<Vec<KnownWire>>(&page.rows)?.into_iter();
            known.extend(rows.map(|KnownWire(identity, content, row, counted, listed)| KnownRow {
                identity,
                content,
                row,
                counted,
                listed: listed == 1,
            }));
        }
        known.sort_unstable();
        Ok(known)
    }

    /// Makes the digests of the rows that an earlier version has stored, once.
    ///
    /// # Errors
    /// [`Error::Database`] where the file cannot be read or written now; the next run does it again.
    pub async fn hash_old_rows(&self) -> Result<()> {
        loop {
            let rows = sqlx::query_as!(
                Unhashed,
                r#"SELECT row_id AS "row_id!", sesid, pay_id, method, amount_cents, created_ms, status FROM invoice
                   WHERE identity_hash = 0 AND content_hash = 0 LIMIT 5000"#
            )
            .fetch_all(&self.readers)
            .await?;
            if rows.is_empty() {
                return Ok(());
            }
            let hashed: Vec<(i64, i64, i64)> = rows
                .into_iter()
                .map(|row| {
                    let invoice = Invoice {
                        sesid: row.sesid,
                        pay_id: row.pay_id,
                        method: row.method,
                        amount_cents: row.amount_cents,
                        created: row.created_ms.map(Timestamp::from_millis),
                        expires_at: None,
                        status: row.status,
                        flaw: None,
                    };
                    // 0 means "not made yet".
                    (row.row_id, not_zero(identity_hash(&invoice)), content_hash(&invoice))
                })
                .collect();
            let rows = json(&hashed)?;
            self.write_page(move |connection| {
                Box::pin(async move {
                    sqlx::query!(
                        r#"UPDATE invoice SET identity_hash = j.value ->> 1, content_hash = j.value ->> 2
                           FROM jsonb_each(?) AS j WHERE row_id = j.value ->> 0"#,
                        rows
                    )
                    .execute(connection)
                    .await
                    .map(|_| ())
                    .map_err(Error::database("written"))
                })
            })
            .await?;
        }
    }

    /// Writes what a list has changed; some pages a transaction, since they are a copy of what the upstream says and no
    /// money moves by them. `changes` names, by their place among the staged rows and in its order, those that are not
    /// new. `run` is this run's number, `clean` that of the last clean one: a row that credited something then keeps its
    /// figures when it is gone, one that did not is forgotten.
    ///
    /// # Errors
    /// [`Error::Database`] where the file cannot be written now. What was written stays marked with `run`, and the next
    /// run, which has the same number, compares it.
    pub async fn import_rows(
        &self,
        mut pages: Pages,
        changes: &[RowChange],
        gone: &[i64],
        (run, clean): (i64, i64),
        now: Timestamp,
    ) -> Result<()> {
        let (mut changes, mut first) = (changes, 0_usize);
        loop {
            let mut together = Vec::with_capacity(TOGETHER);
            while together.len() < TOGETHER
                && let Some(page) = pages.next()?
            {
                let end = first.saturating_add(staging::PAGE);
                let (here, rest) = changes.split_at(changes.partition_point(|change| change.place < end));
                together.push(split(page, first, here)?);
                (changes, first) = (rest, end);
            }
            if together.is_empty() {
                break;
            }
            self.write_page(move |connection| {
                Box::pin(async move {
                    for (new, changed) in together {
                        insert_new(connection, new, run, now).await?;
                        if let Some(changed) = changed {
                            update_changed(connection, changed, (run, clean), now).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await?;
        }
        for page in gone.chunks(PAGE) {
            let page = json(page)?;
            self.write_page(move |connection| {
                Box::pin(async move { unlist(connection, &page, (run, clean), now).await })
            })
            .await?;
        }
        if !gone.is_empty() && first > 0 {
            self.write_page(move |connection| Box::pin(async move { supersede(connection, run).await }))
                .await?;
        }
        Ok(())
    }

    /// Runs `work` in one transaction on the writing connection.
    pub(super) async fn write_page<F>(&self, work: F) -> Result<()>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> futures_util::future::BoxFuture<'c, Result<()>>
            + Send
            + 'static,
    {
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    begin(connection).await?;
                    work(connection).await?;
                    commit(connection).await?;
                    // Its cache of a long list is not needed any more.
                    sqlx::query("PRAGMA shrink_memory")
                        .execute(connection)
                        .await
                        .map(|_| ())
                        .map_err(Error::database("let go of"))
                })
            })
            .await
    }
}

const fn not_zero(hash: i64) -> i64 {
    if hash == 0 { 1 } else { hash }
}

/// A row that is gone does not stand where the same list shows it in another way: under its own ids with other figures
/// (two rows have become one), or with its time and amount under one of its ids (its other id has changed).
async fn supersede(connection: &mut SqliteConnection, run: i64) -> Result<()> {
    sqlx::query!(
        r#"WITH gone AS MATERIALIZED (
               SELECT row_id, identity_hash, lower(sesid) AS sesid, lower(pay_id) AS pay_id, amount_cents, created_ms
               FROM invoice WHERE changed_run = ?1 AND listed = 0),
           fresh AS MATERIALIZED (
               SELECT identity_hash, lower(sesid) AS sesid, lower(pay_id) AS pay_id, amount_cents, created_ms
               FROM invoice WHERE changed_run = ?1 AND listed = 1)
           DELETE FROM invoice WHERE row_id IN (
               SELECT g.row_id FROM gone g JOIN fresh n ON n.identity_hash = g.identity_hash
               UNION
               SELECT g.row_id FROM gone g JOIN fresh n ON n.created_ms = g.created_ms AND n.amount_cents = g.amount_cents
               WHERE n.pay_id IN (g.pay_id, g.sesid) OR n.sesid IN (g.pay_id, g.sesid))"#,
        run
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

/// A page in two: what is new, and what has changed.
fn split(page: String, first: usize, changes: &[RowChange]) -> Result<(String, Option<String>)> {
    if changes.is_empty() {
        return Ok((page, None));
    }
    let (mut changes, mut new, mut changed) = (changes.iter().peekable(), Vec::new(), Vec::new());
    for (at, mut row) in (first..).zip(from_json::<Vec<Packed>>(&page)?) {
        match changes.next_if(|change| change.place == at) {
            Some(change) => {
                row.0 = change.row;
                changed.push(row);
            }
            None => new.push(row),
        }
    }
    Ok((json(&new)?, Some(json(&changed)?)))
}

async fn insert_new(connection: &mut SqliteConnection, rows: String, run: i64, now: Timestamp) -> Result<()> {
    let now = now.as_millis();
    sqlx::query!(
        r#"INSERT INTO invoice (identity_hash, content_hash, sesid, pay_id, method, amount_cents, created_ms, status, weight,
                                flaw, counted_cents, listed, first_seen_ms, changed_ms, changed_run, credited_ms)
           SELECT j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7,
                  j.value ->> 8, j.value ->> 9, j.value ->> 10,
                  iif(j.value ->> 9 = 1, coalesce(j.value ->> 6, 0), 0), 1, ?1, ?1, ?2,
                  iif(j.value ->> 9 = 1 AND j.value ->> 6 <> 0, ?1, NULL)
           FROM jsonb_each(?3) AS j"#,
        now,
        run,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

/// A figure that could be read once stands until another can be. When what a row counts changes, what it counted in the
/// last clean run is remembered.
async fn update_changed(
    connection: &mut SqliteConnection,
    rows: String,
    (run, clean): (i64, i64),
    now: Timestamp,
) -> Result<()> {
    let now = now.as_millis();
    sqlx::query!(
        r#"UPDATE invoice SET
               content_hash = j.value ->> 2, sesid = j.value ->> 3, pay_id = j.value ->> 4, method = j.value ->> 5,
               clean_cents = iif(changed_run <= ?1, counted_cents, clean_cents),
               changed_ms = iif(weight IS NOT j.value ->> 9 OR flaw IS NOT j.value ->> 10 OR listed = 0 OR said_cents IS NOT NULL
                                OR (j.value ->> 9 = 1 AND counted_cents IS NOT coalesce(j.value ->> 6, amount_cents, 0)),
                                ?2, changed_ms),
               credited_ms = coalesce(credited_ms, iif(j.value ->> 9 = 1 AND coalesce(j.value ->> 6, amount_cents, 0) <> 0, ?2, NULL)),
               paid_cents = iif(weight = 1, counted_cents, paid_cents),
               counted_cents = CASE j.value ->> 9 WHEN 0 THEN 0 WHEN 1 THEN coalesce(j.value ->> 6, amount_cents, 0)
                                                  ELSE iif(weight = 1, counted_cents, paid_cents) END,
               amount_cents = coalesce(j.value ->> 6, amount_cents), created_ms = j.value ->> 7, status = j.value ->> 8,
               weight = j.value ->> 9, flaw = j.value ->> 10, said_cents = NULL, listed = 1, changed_run = ?3
           FROM jsonb_each(?4) AS j WHERE row_id = j.value ->> 0"#,
        clean,
        now,
        run,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

/// A credited row that took part in a clean run keeps its figures of then, whatever its word has become since; any other
/// is forgotten. Its deposit is
/// compared in any case, also where this run does not come to its end.
async fn unlist(
    connection: &mut SqliteConnection,
    rows: &str,
    (run, clean): (i64, i64),
    now: Timestamp,
) -> Result<()> {
    sqlx::query!(
        r#"INSERT INTO comparison_due (deposit_row)
           SELECT DISTINCT deposit_row FROM invoice
           WHERE row_id IN (SELECT value FROM json_each(?)) AND deposit_row IS NOT NULL
           ON CONFLICT DO NOTHING"#,
        rows
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    let now = now.as_millis();
    sqlx::query!(
        r#"UPDATE invoice SET listed = 0, flaw = NULL,
               counted_cents = iif(changed_run <= ?1, counted_cents, coalesce(clean_cents, 0)),
               weight = iif(changed_run > ?1 AND clean_cents <> 0, 1, weight),
               clean_cents = iif(changed_run <= ?1, counted_cents, clean_cents),
               changed_ms = iif(changed_run <= ?1, changed_ms, ?2), changed_run = ?3
           WHERE row_id IN (SELECT value FROM json_each(?4))"#,
        clean,
        now,
        run,
        rows
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    sqlx::query!(
        r#"DELETE FROM invoice
           WHERE row_id IN (SELECT value FROM json_each(?)) AND counted_cents = 0 AND NOT (weight = 2 AND clean_cents IS NOT NULL)"#,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}
