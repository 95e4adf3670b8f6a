//! The upstream's invoices as the ledger keeps them: what a list has changed, read and written in pages.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::record::json;
use super::spool::{self, Fate, Packed, Pages};
use super::writer::{begin, commit};
use super::{Error, Ledger, Result};
use crate::domain::time::Timestamp;

/// So many rows are read from the ledger at a time.
const PAGE: usize = 5000;
/// So many pages of changes are written in one transaction: they touch the same leaves of the indexes, and others wait
/// for the length of it.
const TOGETHER: usize = 25;

/// What is known of an invoice, to tell whether it has changed. Small: there is one for each invoice ever seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct KnownInvoice {
    /// Digest of what it is called by.
    pub name: i64,
    /// Digest of what it says.
    pub print: i64,
    /// The ledger's number for it.
    pub row: i64,
    /// 1 while the upstream lists it.
    pub listed: u8,
}

/// How many invoices one rule has matched, and what of them was credited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The rule's word; `elsewhere` for what is none of ours, `abandoned` for wallets that nobody was shown.
    pub rule: String,
    /// How many.
    pub invoices: i64,
    /// How many of them were credited.
    pub credited: i64,
    /// What was credited, by the invoices, in cents.
    pub credited_cents: i64,
}

impl Ledger {
    /// What is known of every invoice that was ever seen, ordered by name and print.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn known_invoices(&self) -> Result<Vec<KnownInvoice>> {
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let (mut after, mut known) = (0, Vec::new());
        loop {
            // One text a page: a row by itself costs many times its own size.
            let page = sqlx::query!(
                r#"SELECT max(row_id) AS "last: i64",
                          json_group_array(json_array(name_print, print, row_id, listed)) AS "rows!: String"
                   FROM (SELECT row_id, name_print, print, listed FROM invoice WHERE row_id > ? ORDER BY row_id LIMIT ?)"#,
                after,
                limit
            )
            .fetch_one(&self.readers)
            .await
            .map_err(Error::database("read"))?;
            let Some(last) = page.last else { break };
            after = last;
            known.extend(from_json::<Vec<KnownInvoice>>(&page.rows)?);
        }
        known.sort_unstable();
        Ok(known)
    }

    /// Writes invoices that are new or have changed, and which the upstream no longer lists; some pages a transaction, since
    /// they are a copy of what the upstream says and no money moves by them. `fates` names, by their place in `pages` and
    /// in its order, those that are not new and the first of their name.
    ///
    /// # Errors
    /// Whatever the disk says; the next run does it again.
    pub async fn keep_invoices(
        &self,
        mut pages: Pages,
        fates: &[(usize, Fate)],
        gone: &[i64],
        now: Timestamp,
    ) -> Result<()> {
        let (mut fates, mut first) = (fates, 0_usize);
        loop {
            let mut together = Vec::with_capacity(TOGETHER);
            while together.len() < TOGETHER
                && let Some(page) = pages.next()?
            {
                let end = first.saturating_add(spool::PAGE);
                let (here, rest) = fates.split_at(fates.partition_point(|(at, _)| *at < end));
                together.push(decided(page, first, here)?);
                (fates, first) = (rest, end);
            }
            if together.is_empty() {
                break;
            }
            self.write_page(move |connection| {
                Box::pin(async move {
                    for (new, changed) in together {
                        insert_new(connection, new, now).await?;
                        if let Some(changed) = changed {
                            update_changed(connection, changed, now).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await?;
        }
        for page in gone.chunks(PAGE) {
            let page = json(page)?;
            self.write_page(move |connection| Box::pin(async move { unlist(connection, &page, now).await }))
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
                    // What it has kept of a long list, nobody asks for again.
                    sqlx::query("PRAGMA shrink_memory")
                        .execute(connection)
                        .await
                        .map(|_| ())
                        .map_err(Error::database("let go of"))
                })
            })
            .await
    }

    /// Of the invoices with these names, those that belong to nobody yet and were not credited: name and number.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn free_invoices(&self, names: &[i64]) -> Result<Vec<(i64, i64)>> {
        let names = json(names)?;
        let rows = sqlx::query!(
            r#"SELECT name_print, row_id AS "row_id!" FROM invoice
               WHERE name_print IN (SELECT value FROM json_each(?))
                 AND deposit_row IS NULL AND abandoned = 0 AND credited = 0"#,
            names
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        Ok(rows.into_iter().map(|row| (row.name_print, row.row_id)).collect())
    }

    /// How many invoices each rule has matched so far, and what they bring to the identity.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn tally(&self) -> Result<Vec<Tally>> {
        sqlx::query_as!(
            Tally,
            r#"SELECT coalesce(rule, CASE WHEN abandoned = 1 THEN 'abandoned' ELSE 'elsewhere' END) AS "rule!: String",
                      sum(n) AS "invoices!: i64", sum(CASE WHEN credited = 1 THEN n ELSE 0 END) AS "credited!: i64",
                      sum(CASE WHEN credited = 1 THEN cents ELSE 0 END) AS "credited_cents!: i64"
               FROM (SELECT rule, abandoned, credited, count(*) AS n, coalesce(sum(amount_cents), 0) AS cents
                     FROM invoice GROUP BY rule, abandoned, credited)
               GROUP BY 1 ORDER BY 1"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }
}

/// Reads what SQL has put together as JSON.
pub(super) fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Unreadable(error.to_string()))
}

/// A page, decided: what is new, and what has changed.
fn decided(page: String, first: usize, fates: &[(usize, Fate)]) -> Result<(String, Option<String>)> {
    if fates.is_empty() {
        return Ok((page, None));
    }
    let (mut fates, mut new, mut changed) = (fates.iter().peekable(), Vec::new(), Vec::new());
    for (at, mut row) in (first..).zip(from_json::<Vec<Packed>>(&page)?) {
        match fates.next_if(|(place, _)| *place == at) {
            Some((_, Fate::Update(number))) => {
                row.0 = *number;
                changed.push(row);
            }
            Some((_, Fate::Insert(place))) => {
                row.0 = *place;
                new.push(row);
            }
            None => new.push(row),
        }
    }
    Ok((json(&new)?, Some(json(&changed)?)))
}

async fn insert_new(connection: &mut SqliteConnection, rows: String, now: Timestamp) -> Result<()> {
    let now = now.as_millis();
    sqlx::query!(
        r#"INSERT INTO invoice (place, name_print, print, sesid, pay_id, method, amount_cents, created_ms, status, credited,
                                abandoned, listed, first_seen_ms, changed_ms)
           SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6,
                  j.value ->> 7, j.value ->> 8, j.value ->> 9, 0, 1, ?1, ?1
           FROM jsonb_each(?2) AS j"#,
        now,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

/// A figure that could be read once stands until another can be.
async fn update_changed(connection: &mut SqliteConnection, rows: String, now: Timestamp) -> Result<()> {
    let now = now.as_millis();
    sqlx::query!(
        r#"UPDATE invoice SET print = j.value ->> 2, sesid = j.value ->> 3, pay_id = j.value ->> 4,
               method = j.value ->> 5, amount_cents = coalesce(j.value ->> 6, amount_cents), created_ms = j.value ->> 7,
               status = j.value ->> 8, credited = max(credited, j.value ->> 9), listed = 1, changed_ms = ?
           FROM jsonb_each(?) AS j WHERE row_id = j.value ->> 0"#,
        now,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

async fn unlist(connection: &mut SqliteConnection, rows: &str, now: Timestamp) -> Result<()> {
    let now = now.as_millis();
    sqlx::query!(
        "UPDATE invoice SET listed = 0, changed_ms = ? WHERE row_id IN (SELECT value FROM json_each(?))",
        now,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}
