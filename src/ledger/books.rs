//! How the owner of the books wants them: the zone of their days and months, and what accounts are called. Kept in the
//! ledger, so that the views are right for who only reads the file.

use std::sync::Arc;

use sqlx::SqliteConnection;

use crate::domain::book_zone::{BookZone, OffsetSpan};
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};
use crate::ledger::sql::{begin, commit, json};

/// The `meta` key of the zone's name; UTC where it is not there.
const ZONE: &str = "books_time_zone";

/// What is configured of the books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BookSettings {
    /// The zone of days and months.
    pub zone: BookZone,
    /// Accounts of the chart, and what each is called in the books of their owner.
    pub accounts: Vec<(String, String)>,
}

impl Ledger {
    /// The zone of the books' days and months, as the ledger keeps it.
    #[must_use]
    pub fn book_zone(&self) -> Arc<BookZone> {
        self.shared.book_zone()
    }

    /// What accounts are called in the books of their owner; one that is not here is called as it is.
    ///
    /// # Errors
    /// [`Error::Database`] where the file cannot be read now.
    pub async fn book_accounts(&self) -> Result<Vec<(String, String)>> {
        let rows = sqlx::query!("SELECT account, mapped FROM books_account ORDER BY account")
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.into_iter().map(|row| (row.account, row.mapped)).collect())
    }

    /// Keeps the books as `settings` say from now on. Where no month is closed yet, another zone moves all days and months;
    /// their totals are made anew.
    ///
    /// # Errors
    /// [`Error::ZoneFixed`] where months of another zone are closed; nothing has changed then.
    pub async fn keep_books(&self, settings: BookSettings, now: Timestamp) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        self.writer()?
            .run(move |connection| {
                Box::pin(async move {
                    begin(connection).await?;
                    let kept = kept_zone(connection).await?;
                    let other = settings.zone.name() != kept.name();
                    let zone = if other {
                        refuse_other_zone(connection, settings.zone.name()).await?;
                        settings.zone
                    } else {
                        kept.continued(&settings.zone, now)
                    };
                    if zone != kept {
                        write_zone(connection, &zone).await?;
                    }
                    if other {
                        tracing::info!(
                            "the books are kept in {} from now on, and not in {}",
                            zone.name(),
                            kept.name()
                        );
                        total_anew(connection).await?;
                    }
                    write_accounts(connection, &settings.accounts).await?;
                    commit(connection).await?;
                    shared.set_book_zone(zone);
                    Ok(())
                })
            })
            .await
    }

    /// Whether the books can be kept in the zone called `asked`.
    ///
    /// # Errors
    /// [`Error::ZoneFixed`] where months of another zone are closed; whatever the disk says.
    pub async fn refuse_other_zone(&self, asked: &str) -> Result<()> {
        refuse_other_zone(&mut *self.readers.acquire().await?, asked).await
    }
}

/// The zone as the file says it.
pub(super) async fn kept_zone(connection: &mut SqliteConnection) -> Result<BookZone> {
    let name = sqlx::query_scalar!("SELECT value FROM meta WHERE key = ?", ZONE)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(name) = name else { return Ok(BookZone::utc()) };
    let rows = sqlx::query!("SELECT from_at, seconds FROM books_offset ORDER BY from_at")
        .fetch_all(connection)
        .await?;
    let spans = rows.into_iter().map(|row| {
        let unreadable = || Error::Unreadable(format!("books_offset {:?}", row.from_at));
        let from = match row.from_at.as_str() {
            "" => Timestamp::EPOCH,
            text => Timestamp::parse(text).map_err(|_| unreadable())?,
        };
        Ok(OffsetSpan { from, seconds: i32::try_from(row.seconds).map_err(|_| unreadable())? })
    });
    Ok(BookZone::kept(name, spans.collect::<Result<_>>()?))
}

/// Asked of ledgers of every version: no statement here may need more than the second one.
pub(super) async fn refuse_other_zone(connection: &mut SqliteConnection, asked: &str) -> Result<()> {
    let has_periods: bool =
        sqlx::query_scalar("SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = 'period'")
            .fetch_one(&mut *connection)
            .await
            .map_err(Error::database("read"))?;
    if !has_periods {
        return Ok(());
    }
    let (kept, month): (Option<String>, Option<String>) =
        sqlx::query_as("SELECT (SELECT value FROM meta WHERE key = ?), (SELECT max(month) FROM period)")
            .bind(ZONE)
            .fetch_one(connection)
            .await
            .map_err(Error::database("read"))?;
    let kept = kept.unwrap_or_else(|| BookZone::utc().name().to_owned());
    match month {
        Some(month) if kept != asked => Err(Error::ZoneFixed { kept, asked: asked.to_owned(), month }),
        _ => Ok(()),
    }
}

async fn write_zone(connection: &mut SqliteConnection, zone: &BookZone) -> Result<()> {
    let from = |span: &OffsetSpan| match span.from {
        Timestamp::EPOCH => String::new(),
        from => from.to_string(),
    };
    let spans: Vec<(String, i32)> = zone.spans().iter().map(|span| (from(span), span.seconds)).collect();
    let months: Vec<_> =
        zone.months().into_iter().map(|it| (it.month.to_string(), it.starts_at, it.ends_at)).collect();
    let (spans, months, name) = (json(&spans)?, json(&months)?, zone.name());
    let write = || Error::database("written");
    sqlx::query!("DELETE FROM books_offset").execute(&mut *connection).await.map_err(write())?;
    sqlx::query!(
        "INSERT INTO books_offset (from_at, seconds) SELECT j.value ->> 0, j.value ->> 1 FROM json_each(?) AS j",
        spans
    )
    .execute(&mut *connection)
    .await
    .map_err(write())?;
    sqlx::query!(
        r#"UPDATE books_month SET starts_at = j.value ->> 1, ends_at = j.value ->> 2
           FROM json_each(?) AS j WHERE books_month.month = j.value ->> 0"#,
        months
    )
    .execute(&mut *connection)
    .await
    .map_err(write())?;
    sqlx::query!(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        ZONE,
        name
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(write())
}

async fn write_accounts(connection: &mut SqliteConnection, accounts: &[(String, String)]) -> Result<()> {
    let accounts = json(&accounts)?;
    let write = || Error::database("written");
    sqlx::query!("DELETE FROM books_account").execute(&mut *connection).await.map_err(write())?;
    sqlx::query!(
        "INSERT INTO books_account (account, mapped) SELECT j.value ->> 0, j.value ->> 1 FROM json_each(?) AS j",
        accounts
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(write())
}

/// The months' totals by the zone that has just been written. No month is closed: each deposit counts at its present figure.
async fn total_anew(connection: &mut SqliteConnection) -> Result<()> {
    let write = || Error::database("written");
    sqlx::query!("DELETE FROM month_total").execute(&mut *connection).await.map_err(write())?;
    sqlx::query!("DELETE FROM account_month").execute(&mut *connection).await.map_err(write())?;
    sqlx::query!("DELETE FROM refund_month").execute(&mut *connection).await.map_err(write())?;
    sqlx::query!(
        r#"INSERT INTO month_total (month, method, currency, network, deposits, credited_micros, refunds, refunded_micros,
                                    adjustments, adjusted_micros)
           SELECT strftime('%Y-%m', at, (SELECT o.seconds FROM books_offset o WHERE o.from_at <= at
                                         ORDER BY o.from_at DESC LIMIT 1) || ' seconds'),
                  method, coalesce(currency, ''), coalesce(network, ''), sum(deposits), sum(credited), sum(refunds), sum(refunded), 0, 0
           FROM (
               SELECT settled_at AS at, method, currency, network, 1 AS deposits, coalesce(amount_booked_micros, 0) AS credited,
                      0 AS refunds, 0 AS refunded
               FROM deposit WHERE settled_at IS NOT NULL
               UNION ALL
               SELECT refunded_at, method, currency, network, 0, 0, 1,
                      coalesce(facts ->> '$.refund.usd', amount_booked_micros, 0)
               FROM deposit WHERE refunded_at IS NOT NULL
           )
           GROUP BY 1, 2, 3, 4"#
    )
    .execute(&mut *connection)
    .await
    .map_err(write())?;
    sqlx::query!(
        r#"INSERT INTO account_month (month, account, commodity, debit_micros, credit_micros)
           SELECT strftime('%Y-%m', e.at, (SELECT o.seconds FROM books_offset o WHERE o.from_at <= e.at
                                           ORDER BY o.from_at DESC LIMIT 1) || ' seconds'),
                  p.account, p.commodity, sum(max(p.amount_usd_micros, 0)), sum(min(p.amount_usd_micros, 0))
           FROM posting p JOIN event e ON e.seq = p.transaction_id
           GROUP BY 1, 2, 3"#
    )
    .execute(&mut *connection)
    .await
    .map_err(write())?;
    sqlx::query!(
        r#"INSERT INTO refund_month (month, refunded_micros)
           SELECT strftime('%Y-%m', e.at, (SELECT o.seconds FROM books_offset o WHERE o.from_at <= e.at
                                           ORDER BY o.from_at DESC LIMIT 1) || ' seconds'), -sum(p.amount_usd_micros)
           FROM event e JOIN posting p ON p.transaction_id = e.seq AND p.account = 'assets:prepaid:smsonline'
           WHERE e.facts ->> '$.refunded_at' IS NOT NULL AND e.name NOT IN ('corrected', 'figure_stated') GROUP BY 1"#
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(write())
}
