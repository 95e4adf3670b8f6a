//! What moved the prepaid account beside the deposits of ours, as transactions of a journal: top-ups by others row by row,
//! what was spent day by day.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::journal::{Leg, Transaction};
use crate::cli::args::With;
use crate::domain::chart::{BEFORE, ELSEWHERE, IN_TRANSIT, RISES, SPENT, UNEXPLAINED};
use crate::domain::journal::{PREPAID, USD};
use crate::domain::time::Timestamp;
use crate::ledger::{AccountDay, AccountOpening, ElsewhereLine, Ledger};

const TOLD_BY_RUNS: &str = "told by the balance alone";

/// What is booked beside the postings of the ledger.
pub(super) struct AccountMoves {
    with: Vec<With>,
    names: BTreeMap<String, String>,
    opening: Option<AccountOpening>,
    days: Vec<AccountDay>,
}

impl AccountMoves {
    /// Reads what `with` asks for.
    pub(super) async fn read(
        ledger: &Ledger,
        with: Vec<With>,
        names: BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let none = Self { with, names, opening: None, days: Vec::new() };
        if none.with.is_empty() {
            return Ok(none);
        }
        let Some((opening, days)) = ledger.account_days().await? else { return Ok(none) };
        Ok(Self { opening: Some(opening), days, ..none })
    }

    fn has(&self, what: With) -> bool {
        self.with.contains(&what)
    }

    /// The accounts that it may book, with their commodity.
    pub(super) fn accounts(&self) -> Vec<(String, String)> {
        let elsewhere: &[&str] = &[PREPAID, ELSEWHERE, BEFORE, IN_TRANSIT, UNEXPLAINED];
        let spending: &[&str] = &[PREPAID, SPENT, RISES];
        let of = |what, accounts: &'static [&'static str]| if self.has(what) { accounts } else { &[] };
        let all = of(With::Elsewhere, elsewhere).iter().chain(of(With::Spending, spending));
        all.map(|account| ((*account).to_owned(), USD.to_owned())).collect()
    }

    /// Gives each transaction from `from` on and before `to` to `each`: what the account held before the first run, the rows
    /// of others, then the days.
    pub(super) async fn transactions(
        &self,
        ledger: &Ledger,
        (from, to): (Timestamp, Timestamp),
        each: &mut dyn FnMut(Transaction) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let within = |at: &str| Timestamp::parse(at).is_ok_and(|at| from <= at && at < to);
        if self.has(With::Elsewhere) {
            if let Some(opening) = self.opening.as_ref().filter(|opening| within(&opening.at)) {
                self.opened(opening).map_or(Ok(()), &mut *each)?;
            }
            ledger.export_elsewhere(from, to, &mut |row| each(self.elsewhere(&row))).await?;
        }
        for day in self.days.iter().filter(|day| within(&day.at)) {
            if self.has(With::Elsewhere) {
                self.unmatched(day).map_or(Ok(()), &mut *each)?;
            }
            if self.has(With::Spending) {
                self.spent(day).map_or(Ok(()), &mut *each)?;
            }
        }
        Ok(())
    }

    fn opened(&self, opening: &AccountOpening) -> Option<Transaction> {
        let what = "prepaid account before the first reconciliation";
        self.made(&opening.date, &opening.at, what, &[(BEFORE, opening.usd_micros)], false)
    }

    fn elsewhere(&self, row: &ElsewhereLine) -> Transaction {
        let method = row.method.as_deref().map(|method| format!(" ({method})")).unwrap_or_default();
        let what = format!("top-up by others{method}");
        let micros = row.amount_usd_micros;
        let mut made =
            self.made(&row.date, &row.seen_at, &what, &[(ELSEWHERE, micros)], false).unwrap_or_default();
        let called = row.pay_id.clone().or_else(|| row.sesid.clone());
        let tags = [("row", called), ("created", row.created_at.clone())];
        made.tags.extend(tags.into_iter().filter_map(|(name, value)| Some((name, value?))));
        made
    }

    fn unmatched(&self, day: &AccountDay) -> Option<Transaction> {
        let sides = [(IN_TRANSIT, day.in_transit_usd_micros), (UNEXPLAINED, day.unexplained_usd_micros)];
        let flagged = day.unexplained_usd_micros != 0;
        self.made(&day.date, &day.at, "prepaid account: in transit, not explained", &sides, flagged)
    }

    fn spent(&self, day: &AccountDay) -> Option<Transaction> {
        let sides = [(SPENT, day.spent_usd_micros.saturating_neg()), (RISES, day.rises_usd_micros)];
        self.made(&day.date, &day.at, "prepaid account: spent", &sides, day.rises_usd_micros != 0)
    }

    /// The prepaid account on one side, by so many micros for each account on the other; `None` where nothing moved.
    fn made(
        &self,
        date: &str,
        at: &str,
        description: &str,
        sides: &[(&str, i64)],
        flagged: bool,
    ) -> Option<Transaction> {
        let leg = |account: &str, micros: i64| Leg {
            account: self.names.get(account).cloned().unwrap_or_else(|| account.to_owned()),
            commodity: USD.to_owned(),
            amount: Decimal::new(micros, 6),
            cost: None,
        };
        let moved: Vec<_> = sides.iter().filter(|(_, micros)| *micros != 0).collect();
        let all = moved.iter().fold(0_i64, |sum, (_, micros)| sum.saturating_add(*micros));
        let prepaid = (all != 0).then(|| leg(PREPAID, all));
        let others = moved.iter().map(|(account, micros)| leg(account, micros.saturating_neg()));
        let legs: Vec<Leg> = prepaid.into_iter().chain(others).collect();
        (!legs.is_empty()).then(|| Transaction {
            number: None,
            date: date.to_owned(),
            description: description.to_owned(),
            tags: vec![("time", at.to_owned())],
            flag: flagged.then(|| TOLD_BY_RUNS.to_owned()),
            legs,
        })
    }
}
