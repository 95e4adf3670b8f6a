//! Adds up again what is updated with every entry: accounts' balances, months' totals, closed months.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use sqlx::SqliteConnection;

use crate::domain::book_zone::BookZone;
use crate::ledger::commit::month_totals::{AccountSums, MonthKey, MonthSums, Rollup};
use crate::ledger::error::Result;
use crate::ledger::verify::events::AccountBalances;
use crate::ledger::verify::finding::Verification;

/// The closes, oldest first: the event, and the first month that was open from it on.
pub(super) struct CloseEvents(Vec<(i64, String)>);

impl CloseEvents {
    /// The first month that was open when event `seq` was written; empty where none was closed.
    pub(super) fn open_from(&self, seq: i64) -> &str {
        let before = self.0.iter().take_while(|(close, _)| *close < seq);
        before.map(|(_, month)| month.as_str()).max().unwrap_or_default()
    }
}

pub(super) async fn verify_balances(
    view: &mut SqliteConnection,
    found: &mut Verification,
    mut sums: AccountBalances,
) -> Result<()> {
    let held = sqlx::query!("SELECT account, commodity, balance, balance_micros FROM account_balance")
        .fetch_all(&mut *view)
        .await?;
    for row in held {
        let sum = sums.remove(&(row.account.clone(), row.commodity.clone())).unwrap_or_default();
        let held = Decimal::from_str_exact(&row.balance).ok();
        if held != Some(sum.0) || row.balance_micros != sum.1 {
            let what = format!(
                "it says {} ({} micros), its postings add up to {} ({} micros)",
                row.balance,
                row.balance_micros,
                sum.0.normalize(),
                sum.1
            );
            found.find("account_balance", format!("{} {}", row.account, row.commodity), what);
        }
    }
    for (account, commodity) in sums.into_keys() {
        found.find("account_balance", format!("{account} {commodity}"), "it is missing");
    }
    let strays = sqlx::query_scalar!(
        r#"SELECT entry_id AS "id!" FROM posting p WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.seq = p.transaction_id)"#
    )
    .fetch_all(view)
    .await?;
    for entry in strays {
        found.find("posting", entry, "no event books it");
    }
    Ok(())
}

/// Every closed month has its event, says what that says, and has no later entry.
pub(super) async fn verify_periods(
    view: &mut SqliteConnection,
    found: &mut Verification,
    zone: &BookZone,
) -> Result<CloseEvents> {
    let rows = sqlx::query!(
        r#"SELECT p.month, p.ends_at, p.event_seq AS "seq!", p.closed_at,
                  e.name = 'period_closed' AND p.closed_at = e.at AND p.month = e.facts ->> '$.month'
                      AND p.ends_at = e.facts ->> '$.ends_at' AS "fits!: bool",
                  (SELECT min(x.seq) FROM event x
                   WHERE x.at < p.ends_at AND x.seq > p.event_seq
                     AND EXISTS (SELECT 1 FROM posting WHERE transaction_id = x.seq)) AS "late: i64",
                  (SELECT count(*) FROM json_each(e.facts, '$.balances') b
                   WHERE b.value ->> '$.usd_micros' IS NOT
                       (SELECT sum(debit_micros + credit_micros) FROM account_month a
                        WHERE a.month <= p.month AND a.account = b.value ->> '$.account'
                          AND a.commodity = b.value ->> '$.commodity')) AS "moved!: i64"
           FROM period p JOIN event e ON e.seq = p.event_seq ORDER BY p.event_seq"#
    )
    .fetch_all(&mut *view)
    .await?;
    let mut closes = Vec::new();
    for row in rows {
        if !row.fits {
            found.find("period", &row.month, "it is not what the event says that closed it");
        }
        if let Some(late) = row.late {
            found.find("period", &row.month, format!("event {late} was booked in it after it was closed"));
        }
        if row.moved > 0 {
            found.find("period", &row.month, "its accounts do not hold what they held when it was closed");
        }
        closes.push((row.seq, zone.month_of(&row.ends_at).into_owned()));
    }
    verify_months(view, found, zone).await?;
    let lost = sqlx::query_scalar!(
        r#"SELECT seq AS "seq!" FROM event WHERE name = 'period_closed' AND seq NOT IN (SELECT event_seq FROM period)"#
    )
    .fetch_all(view)
    .await?;
    for seq in lost {
        found.find("period", format!("event {seq}"), "the month that it closed is not closed");
    }
    Ok(CloseEvents(closes))
}

/// The months of the books begin and end where their zone says.
async fn verify_months(view: &mut SqliteConnection, found: &mut Verification, zone: &BookZone) -> Result<()> {
    let rows = sqlx::query!("SELECT month, starts_at, ends_at FROM books_month").fetch_all(view).await?;
    let mut kept: BTreeMap<String, (String, String)> =
        rows.into_iter().map(|row| (row.month, (row.starts_at, row.ends_at))).collect();
    for span in zone.months() {
        let expected = (span.starts_at.to_string(), span.ends_at.to_string());
        if kept.remove(span.month.as_str()) != Some(expected) {
            found.find("books_month", span.month, "it does not begin and end where the books' zone says");
        }
    }
    for month in kept.into_keys() {
        found.find("books_month", month, "there is no such month");
    }
    Ok(())
}

/// A month's row in words: the month and what it was paid in.
fn name_of((month, method, currency, network): &MonthKey) -> String {
    if currency.is_empty() { format!("{month} {method}") } else { format!("{month} {currency} {network}") }
}

/// The months' totals against those that the events make.
pub(super) async fn verify_rollup(
    view: &mut SqliteConnection,
    found: &mut Verification,
    mut made: Rollup,
) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT month, method, currency, network, deposits, credited_micros, refunds, refunded_micros, adjustments,
                  adjusted_micros FROM month_total"#
    )
    .fetch_all(&mut *view)
    .await?;
    for row in rows {
        let held = MonthSums {
            deposits: row.deposits,
            credited: row.credited_micros,
            refunds: row.refunds,
            refunded: row.refunded_micros,
            adjustments: row.adjustments,
            adjusted: row.adjusted_micros,
        };
        let key = (row.month, row.method, row.currency, row.network);
        let name = name_of(&key);
        if made.months.remove(&key) != Some(held) {
            found.find("month_total", name, "it is not what the events add up to");
        }
    }
    for key in made.months.into_keys() {
        found.find("month_total", name_of(&key), "it is missing");
    }
    let rows =
        sqlx::query!("SELECT month, account, commodity, debit_micros, credit_micros FROM account_month")
            .fetch_all(&mut *view)
            .await?;
    for row in rows {
        let held = AccountSums { debit: row.debit_micros, credit: row.credit_micros };
        let key = (row.month, row.account, row.commodity);
        let name = format!("{} {} {}", key.0, key.1, key.2);
        if made.accounts.remove(&key) != Some(held) {
            found.find("account_month", name, "it is not what its postings add up to");
        }
    }
    for (month, account, commodity) in made.accounts.into_keys() {
        found.find("account_month", format!("{month} {account} {commodity}"), "it is missing");
    }
    verify_refunds(view, found, made.refunds).await
}

async fn verify_refunds(
    view: &mut SqliteConnection,
    found: &mut Verification,
    mut made: BTreeMap<String, i64>,
) -> Result<()> {
    let rows = sqlx::query!("SELECT month, refunded_micros FROM refund_month").fetch_all(view).await?;
    for row in rows {
        if made.remove(&row.month) != Some(row.refunded_micros) {
            found.find("refund_month", row.month, "it is not what its refunds add up to");
        }
    }
    for month in made.into_keys() {
        found.find("refund_month", month, "it is missing");
    }
    Ok(())
}
