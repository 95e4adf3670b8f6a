//! What moved the prepaid account beside the deposits of ours, day by day: between two good runs each.

use crate::domain::book_zone::BookZone;
use crate::domain::time::Timestamp;
use crate::ledger::Ledger;
use crate::ledger::error::{Error, Result};
use crate::ledger::read::statement::ElsewhereLine;

const CENT: i64 = 10_000;
/// The most rows that are in memory at a time.
const HANDFUL: i64 = 2000;

/// What the prepaid account held at the first good run beyond what the journal knew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountOpening {
    /// The run.
    pub at: String,
    /// Its day in the books' zone.
    pub date: String,
    /// In millionths of a dollar.
    pub usd_micros: i64,
}

/// A day of the prepaid account, from the last good run before it, or the very first one, to the last one of it. Together
/// with the journal and the top-ups by others its figures make the balance of that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDay {
    /// Its last good run.
    pub at: String,
    /// The day in the books' zone.
    pub date: String,
    /// What the balance fell by beyond refunds.
    pub spent_usd_micros: i64,
    /// What it rose by beyond all top-ups.
    pub rises_usd_micros: i64,
    /// What the list credits to deposits of ours beyond what the journal had of them.
    pub in_transit_usd_micros: i64,
    /// What the total grew by beyond the rows of the list.
    pub unexplained_usd_micros: i64,
}

/// The last good run of a day.
struct Closing {
    at: String,
    balance: i64,
    total: i64,
    here: i64,
    journal: i64,
    refunds: i64,
    risen: i64,
    /// The top-ups by others that were first seen up to it, the earlier ones apart.
    elsewhere: i64,
}

impl Ledger {
    /// The first good run, and each day that has one, oldest first. A row for each day: some thousand in ten years.
    ///
    /// # Errors
    /// [`Error::Database`] where the file cannot be read now; [`Error::Unreadable`] for sums that are too large.
    pub async fn account_days(&self) -> Result<Option<(AccountOpening, Vec<AccountDay>)>> {
        let closings = self.closings().await?;
        let zone = self.book_zone();
        let mut closings = closings.into_iter();
        let Some(first) = closings.next() else { return Ok(None) };
        let too_large = || Error::Unreadable("a day's sum is too large to be exact".to_owned());
        let held = first.balance.checked_mul(CENT).and_then(|held| held.checked_sub(first.journal));
        let opening = AccountOpening {
            date: date_of(&zone, &first.at)?,
            at: first.at.clone(),
            usd_micros: held.ok_or_else(too_large)?,
        };
        let mut days = Vec::new();
        let mut before = first;
        for closing in closings {
            days.push(day(&zone, &before, &closing)?.ok_or_else(too_large)?);
            before = closing;
        }
        Ok(Some((opening, days)))
    }

    /// The first good run, and the last one of each day.
    async fn closings(&self) -> Result<Vec<Closing>> {
        sqlx::query_as!(
            Closing,
            r#"WITH good AS (
                   SELECT id, at, strftime('%Y-%m-%d', at, (SELECT o.seconds FROM books_offset o WHERE o.from_at <= at
                                                            ORDER BY o.from_at DESC LIMIT 1) || ' seconds') AS date
                   FROM reconciliation WHERE ok = 1),
               chosen AS (
                   SELECT id FROM (SELECT id FROM good ORDER BY at, id LIMIT 1)
                   UNION
                   SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY date ORDER BY at DESC, id DESC) AS place FROM good)
                   WHERE place = 1)
               SELECT r.at AS "at!", r.balance_cents AS "balance!: i64", r.total_charges_cents AS "total!: i64",
                      r.credited_here_cents AS "here!: i64", r.journal_micros AS "journal!: i64",
                      r.refunds_micros AS "refunds!: i64", r.risen_cents AS "risen!: i64",
                      coalesce(sum((SELECT sum(v.amount_usd_micros)
                                    FROM invoice i CROSS JOIN accounting_elsewhere v ON v.id = i.row_id
                                    WHERE i.deposit_row IS NULL AND i.counted_cents <> 0 AND i.changed_run <> 1
                                      AND coalesce(i.credited_ms, i.changed_ms) > lag_ms
                                      AND coalesce(i.credited_ms, i.changed_ms) <= at_ms)) OVER (ORDER BY r.at, r.id), 0) AS "elsewhere!: i64"
               FROM (SELECT *, lag(at_ms, 1, at_ms) OVER (ORDER BY at, id) AS lag_ms
                     FROM (SELECT x.*, unixepoch(x.at) * 1000 + CAST(substr(x.at, 21, 3) AS INTEGER) AS at_ms
                           FROM chosen c JOIN reconciliation x ON x.id = c.id)) r
               ORDER BY r.at, r.id"#
        )
        .fetch_all(&self.readers)
        .await
        .map_err(Error::database("read"))
    }

    /// Gives the top-ups by others that were first seen from `from` on and before `to` to `each`, oldest first; none that
    /// the first good run saw, and none after the last. Memory does not grow with them.
    ///
    /// # Errors
    /// Whatever the disk says, or `each`.
    pub async fn export_elsewhere<E: From<Error>>(
        &self,
        from: Timestamp,
        to: Timestamp,
        each: &mut dyn FnMut(ElsewhereLine) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let (from, to) = (from.as_millis(), to.as_millis());
        let (mut after_ms, mut after_row) = (i64::MIN, i64::MIN);
        loop {
            let lines = self.elsewhere_page((from, to), (after_ms, after_row)).await?;
            let Some((last_ms, last)) = lines.last().map(|(ms, line)| (*ms, line.id)) else { return Ok(()) };
            (after_ms, after_row) = (last_ms, last);
            for (_, line) in lines {
                each(line)?;
            }
        }
    }

    async fn elsewhere_page(
        &self,
        (from, to): (i64, i64),
        (after_ms, after_row): (i64, i64),
    ) -> Result<Vec<(i64, ElsewhereLine)>> {
        let rows = sqlx::query!(
            r#"SELECT coalesce(i.credited_ms, i.changed_ms) AS "seen_ms!: i64", v.id AS "id!", v.date AS "date!: String",
                      v.seen_at AS "seen_at!: String", v.created_at AS "created_at?: String", v.method, v.pay_id, v.sesid,
                      v.amount_usd AS "amount_usd!: String", v.amount_usd_micros AS "amount_usd_micros!: i64"
               FROM invoice i CROSS JOIN accounting_elsewhere v ON v.id = i.row_id
               WHERE i.deposit_row IS NULL AND i.counted_cents <> 0 AND i.changed_run <> 1 AND coalesce(i.credited_ms, i.changed_ms) >= ?1
                 AND coalesce(i.credited_ms, i.changed_ms) < ?2
                 AND (coalesce(i.credited_ms, i.changed_ms), i.row_id) > (?3, ?4)
                 AND v.before_first_run = 0 AND v.seen_at <= (SELECT max(at) FROM reconciliation WHERE ok = 1)
               ORDER BY coalesce(i.credited_ms, i.changed_ms), i.row_id LIMIT ?5"#,
            from,
            to,
            after_ms,
            after_row,
            HANDFUL
        )
        .fetch_all(&self.readers)
        .await?;
        let lines = rows.into_iter().map(|row| {
            let made = ElsewhereLine {
                id: row.id,
                date: row.date,
                seen_at: row.seen_at,
                created_at: row.created_at,
                method: row.method,
                pay_id: row.pay_id,
                sesid: row.sesid,
                amount_usd: row.amount_usd,
                amount_usd_micros: row.amount_usd_micros,
            };
            (row.seen_ms, made)
        });
        Ok(lines.collect())
    }
}

fn date_of(zone: &BookZone, at: &str) -> Result<String> {
    let at = Timestamp::parse(at).map_err(|error| Error::Unreadable(error.to_string()))?;
    Ok(zone.date_of(at))
}

/// What moved between two runs; `None` for sums that are too large.
fn day(zone: &BookZone, before: &Closing, closing: &Closing) -> Result<Option<AccountDay>> {
    let grown = |now: i64, then: i64| now.checked_sub(then);
    let cents = |now: i64, then: i64| grown(now, then)?.checked_mul(CENT);
    let figures = || {
        let (balance, total) = (cents(closing.balance, before.balance)?, cents(closing.total, before.total)?);
        let (here, risen) = (cents(closing.here, before.here)?, cents(closing.risen, before.risen)?);
        let refunds = grown(closing.refunds, before.refunds)?;
        let credited = grown(closing.journal, before.journal)?.checked_add(refunds)?;
        let elsewhere = grown(closing.elsewhere, before.elsewhere)?;
        let spent = total.checked_sub(balance)?.checked_add(risen)?.checked_sub(refunds)?;
        Some((spent, risen, here.checked_sub(credited)?, total.checked_sub(here)?.checked_sub(elsewhere)?))
    };
    let Some((spent, rises, in_transit, unexplained)) = figures() else { return Ok(None) };
    Ok(Some(AccountDay {
        date: date_of(zone, &closing.at)?,
        at: closing.at.clone(),
        spent_usd_micros: spent,
        rises_usd_micros: rises,
        in_transit_usd_micros: in_transit,
        unexplained_usd_micros: unexplained,
    }))
}
