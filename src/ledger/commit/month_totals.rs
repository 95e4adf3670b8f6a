//! Updates the months' totals with every entry, so that no query has to sum the whole journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::SqliteConnection;

use crate::domain::book_zone::BookZone;
use crate::domain::deposit::Facts;
use crate::domain::event::{Event, EventName};
use crate::domain::journal::{PREPAID, Posting, Turnover};
use crate::domain::method::PaidBy;
use crate::ledger::batch::DepositWrite;
use crate::ledger::error::{Error, Result};
use crate::ledger::shared::LedgerState;
use crate::ledger::sql::json;

/// A month's sums of what is paid in one way: in one currency on one network, by payment page or by card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::ledger) struct MonthSums {
    pub(in crate::ledger) deposits: i64,
    pub(in crate::ledger) credited: i64,
    pub(in crate::ledger) refunds: i64,
    pub(in crate::ledger) refunded: i64,
    pub(in crate::ledger) adjustments: i64,
    pub(in crate::ledger) adjusted: i64,
}

/// Whose sums they are: the month, the method, the currency and the network, which are empty where they are not known.
pub(in crate::ledger) type MonthKey = (String, String, String, String);

/// An account's month: debits and credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::ledger) struct AccountSums {
    pub(in crate::ledger) debit: i64,
    pub(in crate::ledger) credit: i64,
}

/// Sums to be added to the tables `month_total`, `account_month` and `refund_month`, or to be compared with them.
#[derive(Debug)]
pub(in crate::ledger) struct Rollup {
    /// Whose months they are.
    zone: Arc<BookZone>,
    /// By month and what they were paid in.
    pub(in crate::ledger) months: BTreeMap<MonthKey, MonthSums>,
    /// By month, account, commodity.
    pub(in crate::ledger) accounts: BTreeMap<(String, String, String), AccountSums>,
    /// What left the prepaid account by refunds, by month.
    pub(in crate::ledger) refunds: BTreeMap<String, i64>,
}

fn add(sum: &mut i64, more: i64) -> Result<()> {
    let too_large = || Error::Unreadable("a month's total is too large to be exact".to_owned());
    *sum = sum.checked_add(more).ok_or_else(too_large)?;
    Ok(())
}

impl Rollup {
    /// Nothing yet, by the months of `zone`.
    pub(in crate::ledger) const fn new(zone: Arc<BookZone>) -> Self {
        Self { zone, months: BTreeMap::new(), accounts: BTreeMap::new(), refunds: BTreeMap::new() }
    }

    /// Counts the postings of one event, called `name`, that left `facts`.
    pub(in crate::ledger) fn post(
        &mut self,
        at: &str,
        name: &str,
        facts: &Facts,
        lines: &[Posting],
    ) -> Result<()> {
        let month = self.zone.month_of(at);
        let corrects = [EventName::Corrected, EventName::FigureStated].iter().any(|it| it.as_str() == name);
        let refunds = facts.refunded_at.is_some() && !corrects;
        for line in lines {
            let key = (month.to_string(), line.account.clone(), line.commodity.clone());
            let sums = self.accounts.entry(key).or_default();
            let micros = line.amount_usd_micros.get();
            add(if micros > 0 { &mut sums.debit } else { &mut sums.credit }, micros)?;
            if line.account == PREPAID && refunds {
                add(self.refunds.entry(month.to_string()).or_default(), micros.saturating_neg())?;
            }
        }
        Ok(())
    }

    /// Counts what one event moves: in the month of the deposit's credit or refund, or in its own month where that one
    /// was closed. `open_from` is the first month that was open then; empty where none was closed.
    pub(in crate::ledger) fn turn(
        &mut self,
        open_from: &str,
        at: &str,
        paid_by: PaidBy,
        facts: &Facts,
        moved: Turnover,
    ) -> Result<()> {
        let settled = facts.settled_at.filter(|_| moved.first_credit || moved.credited.get() != 0);
        let refunded = facts.refunded_at.filter(|_| moved.first_refund || moved.refunded.get() != 0);
        if let Some(settled) = settled.map(|settled| settled.to_string()) {
            if *self.zone.month_of(&settled) < *open_from {
                self.adjust(at, paid_by, moved.credited.get())?;
            } else {
                let sums = self.sums(&settled, paid_by);
                add(&mut sums.deposits, i64::from(moved.first_credit))?;
                add(&mut sums.credited, moved.credited.get())?;
            }
        }
        if let Some(refunded) = refunded.map(|refunded| refunded.to_string()) {
            if *self.zone.month_of(&refunded) < *open_from {
                self.adjust(at, paid_by, moved.refunded.negated().get())?;
            } else {
                let sums = self.sums(&refunded, paid_by);
                add(&mut sums.refunds, i64::from(moved.first_refund))?;
                add(&mut sums.refunded, moved.refunded.get())?;
            }
        }
        Ok(())
    }

    fn adjust(&mut self, at: &str, paid_by: PaidBy, micros: i64) -> Result<()> {
        let sums = self.sums(at, paid_by);
        add(&mut sums.adjustments, 1)?;
        add(&mut sums.adjusted, micros)
    }

    fn sums(&mut self, at: &str, paid_by: PaidBy) -> &mut MonthSums {
        let asset = paid_by.asset();
        let currency = asset.map_or("", |asset| asset.currency.as_str()).to_owned();
        let network = asset.map_or("", |asset| asset.network.as_str()).to_owned();
        let method = paid_by.method().as_str().to_owned();
        let key = (self.zone.month_of(at).into_owned(), method, currency, network);
        self.months.entry(key).or_default()
    }
}

/// Adds what `writes` book to the months' totals.
pub(in crate::ledger) async fn add_writes(
    connection: &mut SqliteConnection,
    shared: &LedgerState,
    writes: &[&DepositWrite],
) -> Result<()> {
    // A correction of what was refunded in whole moves totals, and books nothing.
    let counts = |event: &Event| !event.postings.is_empty() || event.turnover != Turnover::default();
    let books = |write: &&&DepositWrite| write.step.events.iter().any(counts);
    if !writes.iter().any(|write| books(&write)) {
        return Ok(());
    }
    let open_from = sqlx::query_scalar!(r#"SELECT max(ends_at) AS "ends_at: String" FROM period"#)
        .fetch_one(&mut *connection)
        .await?
        .unwrap_or_default();
    let zone = shared.book_zone();
    let open_from = zone.month_of(&open_from);
    let mut rollup = Rollup::new(Arc::clone(&zone));
    for write in writes {
        for event in &write.step.events {
            let at = event.at.to_string();
            rollup.post(&at, event.name.as_str(), &event.facts, &event.postings)?;
            let paid_by = write.step.deposit.request.paid_by;
            rollup.turn(&open_from, &at, paid_by, &event.facts, event.turnover)?;
        }
    }
    store(connection, rollup).await
}

async fn store(connection: &mut SqliteConnection, rollup: Rollup) -> Result<()> {
    store_months(connection, rollup.months).await?;
    store_accounts(connection, rollup.accounts).await?;
    if rollup.refunds.is_empty() {
        return Ok(());
    }
    let rows = json(&rollup.refunds.into_iter().collect::<Vec<_>>())?;
    sqlx::query!(
        r#"INSERT INTO refund_month (month, refunded_micros)
           SELECT j.value ->> 0, j.value ->> 1 FROM json_each(?) AS j WHERE true
           ON CONFLICT (month) DO UPDATE SET refunded_micros = refunded_micros + excluded.refunded_micros"#,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}

async fn store_months(
    connection: &mut SqliteConnection,
    months: BTreeMap<MonthKey, MonthSums>,
) -> Result<()> {
    let months: Vec<_> = months
        .into_iter()
        .map(|((month, method, currency, network), it)| {
            let counts = (it.deposits, it.credited, it.refunds, it.refunded, it.adjustments, it.adjusted);
            (month, method, currency, network, counts)
        })
        .collect();
    if !months.is_empty() {
        let rows = json(&months)?;
        sqlx::query!(
            r#"INSERT INTO month_total (month, method, currency, network, deposits, credited_micros, refunds, refunded_micros,
                                        adjustments, adjusted_micros)
               SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> '$[4][0]',
                      j.value ->> '$[4][1]', j.value ->> '$[4][2]', j.value ->> '$[4][3]', j.value ->> '$[4][4]',
                      j.value ->> '$[4][5]'
               FROM json_each(?) AS j WHERE true
               ON CONFLICT (month, method, currency, network) DO UPDATE SET
                   deposits = deposits + excluded.deposits, credited_micros = credited_micros + excluded.credited_micros,
                   refunds = refunds + excluded.refunds, refunded_micros = refunded_micros + excluded.refunded_micros,
                   adjustments = adjustments + excluded.adjustments,
                   adjusted_micros = adjusted_micros + excluded.adjusted_micros"#,
            rows
        )
        .execute(&mut *connection)
        .await
        .map_err(Error::database("written"))?;
    }
    Ok(())
}

async fn store_accounts(
    connection: &mut SqliteConnection,
    accounts: BTreeMap<(String, String, String), AccountSums>,
) -> Result<()> {
    let accounts: Vec<_> = accounts
        .into_iter()
        .map(|((month, account, commodity), it)| (month, account, commodity, it.debit, it.credit))
        .collect();
    let rows = json(&accounts)?;
    sqlx::query!(
        r#"INSERT INTO account_month (month, account, commodity, debit_micros, credit_micros)
           SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4
           FROM json_each(?) AS j WHERE true
           ON CONFLICT (month, account, commodity) DO UPDATE SET
               debit_micros = debit_micros + excluded.debit_micros,
               credit_micros = credit_micros + excluded.credit_micros"#,
        rows
    )
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(Error::database("written"))
}
