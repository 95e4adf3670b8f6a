//! Finds which rows bear ids of ours, field by field, and writes the matches.

use serde::Deserialize;
use sqlx::SqliteConnection;

use crate::domain::ids::DepositId;
use crate::domain::method::Method;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::reconcile::{
    IdMatch, LIKENESS_LIMIT, Match, MatchRule, ProbableDeposit, TOO_MANY, TWO_NAMES, UnmatchedInvoice,
};
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};
use crate::ledger::invoices::PAGE;
use crate::ledger::sql::from_json;
use crate::ledger::sql::json;

/// How many identifiers are searched at a time: they share the pages of a large index.
const ASKED: usize = 40_000;
/// So many matches are written in one transaction: they touch the same leaves of the indexes.
const TOGETHER: usize = 50_000;

/// A row that may be a deposit's by amount and time, as SQL gives it.
#[derive(Deserialize)]
struct UnclaimedWire(i64, i64, i64, Option<String>);

/// A deposit that a row may be of, as SQL gives it: its number, when its wallet was made, what was requested, what the
/// wallet is for and what is booked in micros, and how it is paid.
#[derive(Deserialize)]
struct NearbyWire(i64, String, String, Option<i64>, Option<i64>, Method);

impl TryFrom<NearbyWire> for ProbableDeposit {
    type Error = Error;
    fn try_from(wire: NearbyWire) -> Result<Self> {
        let NearbyWire(deposit, created_at, requested, micros, booked, method) = wire;
        let unreadable = |_| Error::Unreadable(format!("deposit number {deposit}"));
        let asked = Amount::parse(&requested).ok().and_then(|asked| asked.to_usd_micros());
        let figures = [asked, micros.map(UsdMicros::new), booked.map(UsdMicros::new)];
        Ok(Self {
            deposit,
            method,
            created_at: Timestamp::parse(&created_at).map_err(unreadable)?,
            cents: figures.into_iter().flatten().filter_map(UsdMicros::to_cents_exact).collect(),
        })
    }
}

/// The rows among `$rows` whose `$field`, where it `$fits`, is a deposit's `$own` identifier.
macro_rules! claims {
    ($ledger:expr, $rows:expr, $field:tt, $fits:tt, $own:tt) => {
        sqlx::query_scalar!(
            r#"SELECT json_group_array(json_array(i.row_id, d.row_id)) AS "rows!: String"
                   FROM (SELECT o.row_id, o."#
                + $field
                + r#" AS called FROM json_each(?) j CROSS JOIN invoice o ON o.row_id = j.value
                         WHERE "#
                + $fits
                + " ORDER BY o."
                + $field
                + r#" COLLATE NOCASE LIMIT -1) i
                        CROSS JOIN deposit d ON d."#
                + $own
                + " = i.called COLLATE NOCASE",
            $rows
        )
        .fetch_one(&$ledger.readers)
        .await
    };
}

impl Ledger {
    /// The numbers of the listed rows that bear no id of ours as far as is known, and were new or changed in run
    /// `since` or later, in their order; all of them where that is 0. Rows with a flaw, always.
    pub async fn unclaimed_rows(&self, since: i64) -> Result<Vec<i64>> {
        let rows = sqlx::query_scalar!(
            r#"SELECT json_group_array(row_id) AS "rows!: String"
               FROM (SELECT row_id FROM invoice WHERE deposit_row IS NULL AND (changed_run >= ? OR flaw IS NOT NULL)
                     ORDER BY row_id)"#,
            since
        )
        .fetch_one(&self.readers)
        .await?;
        from_json(&rows)
    }

    /// Which of the rows with these numbers bear the id of a deposit in the field that `rule` names. UUIDs in capitals
    /// are the same. Asked in the order of the identifiers, so that neighbours share the index's pages.
    pub async fn claims(&self, rule: MatchRule, rows: &[i64]) -> Result<Vec<IdMatch>> {
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

    async fn claims_of(&self, rule: MatchRule, page: &[i64]) -> Result<Vec<IdMatch>> {
        if page.is_empty() {
            return Ok(Vec::new());
        }
        let rows = json(page)?;
        let found = match rule {
            MatchRule::PayIdIsOrder => claims!(self, rows, "pay_id", "o.pay_id IS NOT NULL", "order_id"),
            MatchRule::SesidIsOrder => claims!(self, rows, "sesid", "o.sesid IS NOT NULL", "order_id"),
            MatchRule::PayIdIsLink => {
                claims!(self, rows, "pay_id", "length(o.pay_id) IN (32, 36)", "link_id")
            }
            MatchRule::SesidIsLink => claims!(self, rows, "sesid", "length(o.sesid) IN (32, 36)", "link_id"),
            // No identifier says that.
            MatchRule::AmountAndTime => return Ok(Vec::new()),
        };
        let mut found: Vec<(i64, i64)> = from_json(&found?)?;
        if matches!(rule, MatchRule::PayIdIsLink | MatchRule::SesidIsLink) {
            found.extend(self.card_claims(page, rule == MatchRule::PayIdIsLink).await?);
        }
        Ok(found.into_iter().map(|(row, deposit)| IdMatch { row, deposit, rule }).collect())
    }

    /// Writes the deposit of each row. Where a deposit would have more rows than can be, none is its row: they are
    /// unread.
    ///
    /// # Errors
    /// [`Error::Database`] where the file cannot be written now; the next run does it again.
    pub async fn store_matches(&self, matches: &[Match], run: i64) -> Result<()> {
        for together in matches.chunks(TOGETHER) {
            let mut pages = Vec::new();
            for page in together.chunks(PAGE) {
                let rows = page.iter().map(|one| match one {
                    Match::Of(claim) => (claim.row, Some(claim.deposit), Some(claim.rule.as_str()), None),
                    Match::Unread { row, why } => (*row, None, None, Some(*why)),
                });
                pages.push(json(&rows.collect::<Vec<_>>())?);
            }
            self.write_page(move |connection| {
                Box::pin(async move {
                    for rows in pages {
                        write_matches(connection, &rows).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        }
        if matches.is_empty() {
            return Ok(());
        }
        let most = i64::try_from(LIKENESS_LIMIT).unwrap_or(i64::MAX);
        self.write_page(move |connection| {
            Box::pin(async move { unread_the_many(connection, run, most).await })
        })
        .await
    }

    /// Writes that a row is this deposit's, because a person said what it is called by.
    ///
    /// # Errors
    /// [`Error::Database`] where the file cannot be written now; the next run finds the row by its id.
    pub async fn own_row(&self, row: i64, deposit: DepositId) -> Result<()> {
        let id = deposit.to_string();
        self.write_page(move |connection| {
            Box::pin(async move {
                sqlx::query!(
                    r#"UPDATE invoice SET deposit_row = d.row_id, probable_row = NULL,
                           rule = iif(invoice.pay_id = d.order_id COLLATE NOCASE, 'pay_id_is_order', 'sesid_is_order')
                       FROM deposit d WHERE d.id = ? AND invoice.row_id = ?"#,
                    id,
                    row
                )
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(Error::database("written"))
            })
        })
        .await
    }

    /// Lets go of the rows of a deposit, because a person took back which they are. The next run matches them anew.
    ///
    /// # Errors
    /// As [`Ledger::own_row`].
    pub async fn disown_rows(&self, deposit: DepositId) -> Result<()> {
        let id = deposit.to_string();
        self.write_page(move |connection| {
            Box::pin(async move {
                sqlx::query!(
                    r#"UPDATE invoice SET deposit_row = NULL, rule = NULL
                       WHERE deposit_row = (SELECT row_id FROM deposit WHERE id = ?)"#,
                    id
                )
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(Error::database("written"))
            })
        })
        .await
    }

    /// True where no row of the list bears an id of ours: only then is anything guessed.
    pub async fn no_row_bears_an_id(&self) -> Result<bool> {
        sqlx::query_scalar!(
            r#"SELECT NOT EXISTS (SELECT 1 FROM invoice WHERE deposit_row IS NOT NULL) AS "none!: bool""#
        )
        .fetch_one(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// Those of the rows with these numbers that may match by amount and time.
    pub async fn guessable_rows(&self, rows: &[i64]) -> Result<Vec<UnmatchedInvoice>> {
        let mut unclaimed = Vec::new();
        for page in rows.chunks(PAGE) {
            let rows = json(page)?;
            let found = sqlx::query_scalar!(
                r#"SELECT json_group_array(json_array(i.row_id, i.amount_cents, i.created_ms, i.method)) AS "rows!: String"
                   FROM json_each(?) j CROSS JOIN invoice i ON i.row_id = j.value
                   WHERE i.amount_cents IS NOT NULL AND i.created_ms IS NOT NULL AND i.probable_row IS NULL"#,
                rows
            )
            .fetch_one(&self.readers)
            .await?;
            for UnclaimedWire(row, cents, created, method) in from_json::<Vec<UnclaimedWire>>(&found)? {
                let created = Timestamp::from_millis(created);
                unclaimed.push(UnmatchedInvoice { row, cents, created, processor: method });
            }
        }
        Ok(unclaimed)
    }

    /// The wallets without a row, certain or probable, that were asked for at or after `since`, the `limit` newest of them.
    pub async fn wallets_without_rows(&self, since: Timestamp, limit: u32) -> Result<Vec<ProbableDeposit>> {
        let (since, limit) = (since.to_string(), i64::from(limit));
        let rows = sqlx::query_scalar!(
            r#"SELECT json_group_array(json_array(row_id, wallet_created_at, amount_requested, amount_usd_micros,
                                                  amount_booked_micros, method)) AS "rows!: String"
               FROM (SELECT d.row_id, d.wallet_created_at, d.amount_requested, d.amount_usd_micros, d.amount_booked_micros,
                            d.method
                     FROM deposit d
                     WHERE d.requested_at >= ? AND d.order_id IS NOT NULL AND d.method = 'wallet'
                       AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_row = d.row_id)
                       AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.probable_row = d.row_id)
                     ORDER BY d.requested_at DESC LIMIT ?)"#,
            since,
            limit
        )
        .fetch_one(&self.readers)
        .await?;
        from_json::<Vec<NearbyWire>>(&rows)?.into_iter().map(ProbableDeposit::try_from).collect()
    }

    /// The same of payment pages and card payments.
    pub async fn links_without_rows(&self, since: Timestamp, limit: u32) -> Result<Vec<ProbableDeposit>> {
        let (since, limit) = (since.to_string(), i64::from(limit));
        let rows = sqlx::query_scalar!(
            r#"SELECT json_group_array(json_array(row_id, wallet_created_at, amount_requested, amount_usd_micros,
                                                  amount_booked_micros, method)) AS "rows!: String"
               FROM (SELECT d.row_id, d.wallet_created_at, d.amount_requested, d.amount_usd_micros, d.amount_booked_micros,
                            d.method
                     FROM deposit d
                     WHERE d.method <> 'wallet' AND d.requested_at >= ? AND d.wallet_created_at IS NOT NULL
                       AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.deposit_row = d.row_id)
                       AND NOT EXISTS (SELECT 1 FROM invoice i WHERE i.probable_row = d.row_id)
                     ORDER BY d.row_id DESC LIMIT ?)"#,
            since,
            limit
        )
        .fetch_one(&self.readers)
        .await?;
        from_json::<Vec<NearbyWire>>(&rows)?.into_iter().map(ProbableDeposit::try_from).collect()
    }

    /// Forgets the probable matches of deposits that have a row by now; and those of `wallets`, because the list bears ids
    /// of ours.
    ///
    /// # Errors
    /// [`Error::Database`] where the file cannot be written now; the next run does it again.
    pub async fn forget_probable_matches(&self, wallets: bool) -> Result<()> {
        self.write_page(move |connection| {
            Box::pin(async move {
                sqlx::query!(
                    r#"UPDATE invoice SET probable_row = NULL
                       WHERE probable_row IS NOT NULL
                         AND (EXISTS (SELECT 1 FROM invoice o WHERE o.deposit_row = invoice.probable_row)
                              OR (?1 AND EXISTS (SELECT 1 FROM deposit d
                                                 WHERE d.row_id = invoice.probable_row AND d.method = 'wallet')))"#,
                    wallets
                )
                .execute(connection)
                .await
                .map(|_| ())
                .map_err(Error::database("written"))
            })
        })
        .await
    }

    /// Writes the probable matches.
    ///
    /// # Errors
    /// [`Error::Database`] where the file cannot be written now; the next run does it again.
    pub async fn store_probable_matches(&self, claims: &[IdMatch]) -> Result<()> {
        let rows: Vec<(i64, i64)> = claims.iter().map(|claim| (claim.row, claim.deposit)).collect();
        let rows = json(&rows)?;
        self.write_page(move |connection| {
            Box::pin(async move {
                sqlx::query!(
                    r#"UPDATE invoice SET probable_row = j.value ->> 1
                       FROM jsonb_each(?) AS j WHERE row_id = j.value ->> 0"#,
                    rows
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

/// Writes the deposit of each of these rows. A deposit that gets its first row is compared.
async fn write_matches(connection: &mut SqliteConnection, rows: &str) -> Result<()> {
    sqlx::query!(
        r#"INSERT INTO comparison_due (deposit_row)
       SELECT j.value ->> 1 FROM jsonb_each(?1) AS j CROSS JOIN invoice i ON i.row_id = j.value ->> 0
       WHERE i.flaw IN (?2, ?3) AND j.value ->> 1 IS NOT NULL
       ON CONFLICT DO NOTHING"#,
        rows,
        TWO_NAMES,
        TOO_MANY
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    sqlx::query!(
        r#"UPDATE invoice SET deposit_row = j.value ->> 1, rule = j.value ->> 2, probable_row = NULL,
           flaw = CASE WHEN j.value ->> 3 IS NOT NULL AND weight <> 0 THEN j.value ->> 3
                       WHEN flaw IN (?2, ?3) THEN NULL
                       ELSE flaw END
       FROM jsonb_each(?1) AS j WHERE row_id = j.value ->> 0"#,
        rows,
        TWO_NAMES,
        TOO_MANY
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    Ok(())
}

/// Lets go of the rows of a deposit that has more of them than can be.
async fn unread_the_many(connection: &mut SqliteConnection, run: i64, most: i64) -> Result<()> {
    sqlx::query!(
        r#"INSERT INTO comparison_due (deposit_row)
       SELECT deposit_row FROM invoice
       WHERE deposit_row IN (SELECT deposit_row FROM invoice
                             WHERE changed_run >= ? AND deposit_row IS NOT NULL)
       GROUP BY deposit_row HAVING count(*) > ?
       ON CONFLICT DO NOTHING"#,
        run,
        most
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    sqlx::query!(
        r#"UPDATE invoice SET deposit_row = NULL, rule = NULL, flaw = iif(weight = 0, flaw, ?3)
       WHERE deposit_row IN (SELECT deposit_row FROM invoice
           WHERE deposit_row IN (SELECT deposit_row FROM invoice
                                 WHERE changed_run >= ?1 AND deposit_row IS NOT NULL)
           GROUP BY deposit_row HAVING count(*) > ?2)"#,
        run,
        most,
        TOO_MANY
    )
    .execute(&mut *connection)
    .await
    .map_err(Error::database("written"))?;
    // The same row under another of the deposit's ids: what is gone does not stand beside it.
    sqlx::query!(
    r#"DELETE FROM invoice WHERE row_id IN (
           SELECT g.row_id FROM invoice g JOIN invoice n
               ON n.deposit_row = g.deposit_row AND n.created_ms = g.created_ms AND n.amount_cents = g.amount_cents
           WHERE g.changed_run = ?1 AND g.listed = 0 AND n.changed_run = ?1 AND n.listed = 1)"#,
    run
)
.execute(connection)
.await
.map(|_| ())
.map_err(Error::database("written"))
}
