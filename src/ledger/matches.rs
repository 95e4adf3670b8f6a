//! What matching works on: the invoices without a certain match, the deposits that may be theirs, and what was decided.

use sqlx::SqliteConnection;

use super::invoices::from_json;
use super::record::json;
use super::{Error, Ledger, Result};
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::reconcile::{Candidate, Claim, Loose, Match, Rule, is_processor};
use crate::domain::time::Timestamp;

/// So many invoices are read, and matches written, in one statement.
const PAGE: usize = 5000;
/// So many identifiers are looked up at a time: they share the pages of a large index.
const ASKED: usize = 40_000;
/// So many matches are written in one transaction: they touch the same leaves of the indexes.
const TOGETHER: usize = 50_000;

/// An invoice that may be matched by amount and time, as SQL gives it: row, print, cents, created, method.
type LooseRow = (i64, i64, i64, i64, Option<String>);

/// A deposit that an invoice may be for, as SQL gives it: row, created, requested, in micros by the upstream, booked.
type CandidateRow = (i64, String, String, Option<i64>, Option<i64>);

fn candidate(row: CandidateRow) -> Result<Candidate> {
    let (deposit, created_at, requested, micros, booked) = row;
    let unreadable = |_| Error::Unreadable(format!("deposit number {deposit}"));
    let asked = Amount::parse(&requested).ok().and_then(|asked| asked.to_usd_micros());
    let figures = [asked, micros.map(UsdMicros::new), booked.map(UsdMicros::new)];
    Ok(Candidate {
        deposit,
        created_at: Timestamp::parse(&created_at).map_err(unreadable)?,
        cents: figures.into_iter().flatten().filter_map(UsdMicros::to_cents_exact).collect(),
    })
}

impl Ledger {
    /// The numbers of the invoices that are not matched for certain, and were new or changed at `since` or later; all of
    /// them where that is the beginning of time. In their order.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn unmatched(&self, since: Timestamp) -> Result<Vec<i64>> {
        let since = since.as_millis();
        let rows = sqlx::query_scalar!(
            r#"SELECT json_group_array(row_id) AS "rows!: String"
               FROM (SELECT row_id FROM invoice
                     WHERE rule IS NULL AND abandoned = 0 AND (?1 <= 0 OR +changed_ms >= ?1)
                     UNION ALL
                     SELECT row_id FROM invoice
                     WHERE rule = 'amount_and_time' AND abandoned = 0 AND (?1 <= 0 OR +changed_ms >= ?1))"#,
            since
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        let mut rows: Vec<i64> = from_json(&rows)?;
        rows.sort_unstable();
        Ok(rows)
    }

    /// What `rule` says of the invoices with these numbers: each with the deposit that it names, unless that has a
    /// certain match. Asked in the order of the identifiers, so that neighbours share the index's pages.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn claims(&self, rule: Rule, rows: &[i64]) -> Result<Vec<Claim>> {
        let mut claims = Vec::new();
        let mut pages = rows.chunks(ASKED);
        // Two at once, on two of the readers; others have theirs.
        while let Some(page) = pages.next() {
            let (one, other) = futures_util::try_join!(
                self.claims_of(rule, page),
                self.claims_of(rule, pages.next().unwrap_or_default())
            )?;
            claims.extend(one);
            claims.extend(other);
        }
        Ok(claims)
    }

    async fn claims_of(&self, rule: Rule, rows: &[i64]) -> Result<Vec<Claim>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let rows = json(rows)?;
        let said = match rule {
            Rule::PayIdIsOrder => sqlx::query_scalar!(
                r#"SELECT json_group_array(json_array(i.print, i.row_id, d.row_id)) AS "rows!: String"
                   FROM (SELECT o.row_id, o.print, o.pay_id AS called FROM json_each(?) j CROSS JOIN invoice o ON o.row_id = j.value
                         WHERE o.pay_id IS NOT NULL ORDER BY o.pay_id LIMIT -1) i CROSS JOIN deposit d ON d.order_id = i.called
                   WHERE NOT EXISTS (SELECT 1 FROM invoice m WHERE m.deposit_row = d.row_id AND m.rule <> 'amount_and_time')"#,
                rows
            )
            .fetch_one(&self.readers)
            .await,
            Rule::SesidIsOrder => sqlx::query_scalar!(
                r#"SELECT json_group_array(json_array(i.print, i.row_id, d.row_id)) AS "rows!: String"
                   FROM (SELECT o.row_id, o.print, o.sesid AS called FROM json_each(?) j CROSS JOIN invoice o ON o.row_id = j.value
                         WHERE o.sesid IS NOT NULL ORDER BY o.sesid LIMIT -1) i CROSS JOIN deposit d ON d.order_id = i.called
                   WHERE NOT EXISTS (SELECT 1 FROM invoice m WHERE m.deposit_row = d.row_id AND m.rule <> 'amount_and_time')"#,
                rows
            )
            .fetch_one(&self.readers)
            .await,
            Rule::PayIdIsLink => sqlx::query_scalar!(
                r#"SELECT json_group_array(json_array(i.print, i.row_id, d.row_id)) AS "rows!: String"
                   FROM (SELECT o.row_id, o.print, o.pay_id AS called FROM json_each(?) j CROSS JOIN invoice o ON o.row_id = j.value
                         WHERE o.pay_id IS NOT NULL ORDER BY o.pay_id LIMIT -1) i CROSS JOIN deposit d ON d.link_id = i.called
                   WHERE NOT EXISTS (SELECT 1 FROM invoice m WHERE m.deposit_row = d.row_id AND m.rule <> 'amount_and_time')"#,
                rows
            )
            .fetch_one(&self.readers)
            .await,
            Rule::SesidIsLink => sqlx::query_scalar!(
                r#"SELECT json_group_array(json_array(i.print, i.row_id, d.row_id)) AS "rows!: String"
                   FROM (SELECT o.row_id, o.print, o.sesid AS called FROM json_each(?) j CROSS JOIN invoice o ON o.row_id = j.value
                         WHERE o.sesid IS NOT NULL ORDER BY o.sesid LIMIT -1) i CROSS JOIN deposit d ON d.link_id = i.called
                   WHERE NOT EXISTS (SELECT 1 FROM invoice m WHERE m.deposit_row = d.row_id AND m.rule <> 'amount_and_time')"#,
                rows
            )
            .fetch_one(&self.readers)
            .await,
            // No identifier says that.
            Rule::AmountAndTime => return Ok(Vec::new()),
        };
        let said: Vec<(i64, i64, i64)> = from_json(&said.map_err(Error::database("read"))?)?;
        Ok(said.into_iter().map(|(print, row, deposit)| Claim { print, row, deposit }).collect())
    }

    /// Those of the invoices with these numbers that amount and time may tell of: the processor's, with both, and not
    /// matched at all.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn loose(&self, rows: &[i64]) -> Result<Vec<Loose>> {
        let mut loose = Vec::new();
        for page in rows.chunks(PAGE) {
            let rows = json(page)?;
            let said = sqlx::query_scalar!(
                r#"SELECT json_group_array(json_array(i.row_id, i.print, i.amount_cents, i.created_ms, i.method)) AS "rows!: String"
                   FROM json_each(?) j CROSS JOIN invoice i ON i.row_id = j.value
                   WHERE i.rule IS NULL AND i.amount_cents IS NOT NULL AND i.created_ms IS NOT NULL"#,
                rows
            )
            .fetch_one(&self.readers)
            .await
            .map_err(Error::database("read"))?;
            for (row, print, cents, created, method) in from_json::<Vec<LooseRow>>(&said)? {
                if is_processor(method.as_deref()) {
                    loose.push(Loose { row, print, cents, created: Timestamp::from_millis(created) });
                }
            }
        }
        Ok(loose)
    }

    /// The deposits without an invoice that were asked for at or after `since`, the `limit` newest of them.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn uninvoiced(&self, since: Timestamp, limit: u32) -> Result<Vec<Candidate>> {
        let (since, limit) = (since.to_string(), i64::from(limit));
        let rows = sqlx::query_scalar!(
            r#"SELECT json_group_array(json_array(row_id, wallet_created_at, amount_requested, amount_usd_micros,
                                                  amount_booked_micros)) AS "rows!: String"
               FROM (SELECT d.row_id, d.wallet_created_at, d.amount_requested, d.amount_usd_micros, d.amount_booked_micros
                     FROM deposit d
                     WHERE d.requested_at >= ? AND d.order_id IS NOT NULL
                       AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_row = d.row_id)
                     ORDER BY d.requested_at DESC LIMIT ?)"#,
            since,
            limit
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))?;
        from_json::<Vec<CandidateRow>>(&rows)?.into_iter().map(candidate).collect()
    }

    /// Writes which invoice is whose. A guess gives way to what is certain.
    ///
    /// # Errors
    /// Whatever the disk says; the next run does it again.
    pub async fn keep_matches(&self, matches: &[Match]) -> Result<()> {
        for together in matches.chunks(TOGETHER) {
            let pages = together.chunks(PAGE).map(|page| {
                let rows: Vec<(i64, i64, &str)> =
                    page.iter().map(|one| (one.row, one.deposit, one.rule.as_str())).collect();
                json(&rows)
            });
            let pages = pages.collect::<Result<Vec<String>>>()?;
            self.write_page(move |connection| {
                Box::pin(async move {
                    for rows in pages {
                        clear_guesses(connection, &rows).await?;
                        set_matches(connection, rows).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Marks the invoices of wallets that nobody was shown, by their numbers and by the orders that they name; none that a
    /// deposit shows, whoever thought so before.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn mark_abandoned(&self, rows: &[i64], orders: &[String]) -> Result<()> {
        let (rows, orders) = (json(rows)?, json(orders)?);
        self.write_page(move |connection| {
            Box::pin(async move {
                sqlx::query!(
                    r#"UPDATE invoice SET abandoned = 1
                       WHERE rule IS NULL
                         AND (row_id IN (SELECT value FROM json_each(?1)) OR pay_id IN (SELECT value FROM json_each(?2))
                              OR sesid IN (SELECT value FROM json_each(?2)))
                         AND NOT EXISTS (SELECT 1 FROM deposit d WHERE d.order_id IN (pay_id, sesid))"#,
                    rows,
                    orders
                )
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(Error::database("written"))
            })
        })
        .await
    }

    /// Has those invoices matched after all that were called abandoned before a deposit came to show their wallet.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn reclaim(&self, now: Timestamp) -> Result<()> {
        let now = now.as_millis();
        self.write_page(move |connection| {
            Box::pin(async move {
                sqlx::query!(
                    r#"UPDATE invoice SET abandoned = 0, changed_ms = ?
                       WHERE rule IS NULL AND abandoned = 1
                         AND EXISTS (SELECT 1 FROM deposit d WHERE d.order_id IN (pay_id, sesid))"#,
                    now
                )
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(Error::database("written"))
            })
        })
        .await
    }

    /// Has the invoices that name these orders matched again, whenever they were seen first.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub async fn rematch(&self, orders: &[String], now: Timestamp) -> Result<()> {
        let (orders, now) = (json(orders)?, now.as_millis());
        self.write_page(move |connection| {
            Box::pin(async move {
                sqlx::query!(
                    r#"UPDATE invoice SET changed_ms = ?1
                       WHERE rule IS NULL AND (pay_id IN (SELECT value FROM json_each(?2))
                                                     OR sesid IN (SELECT value FROM json_each(?2)))"#,
                    now,
                    orders
                )
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(Error::database("written"))
            })
        })
        .await
    }
}

async fn clear_guesses(connection: &mut SqliteConnection, rows: &str) -> Result<()> {
    sqlx::query!(
        r#"UPDATE invoice SET deposit_row = NULL, rule = NULL
           WHERE rule = 'amount_and_time'
             AND (+row_id IN (SELECT j.value ->> 0 FROM json_each(?1) AS j)
                  OR +deposit_row IN (SELECT j.value ->> 1 FROM json_each(?1) AS j))"#,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

async fn set_matches(connection: &mut SqliteConnection, rows: String) -> Result<()> {
    sqlx::query!(
        r#"UPDATE invoice SET deposit_row = j.value ->> 1, rule = j.value ->> 2
           FROM jsonb_each(?) AS j WHERE row_id = j.value ->> 0"#,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}
