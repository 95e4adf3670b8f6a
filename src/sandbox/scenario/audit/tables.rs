//! The tables of the final page: the deposits by fate, the trial balance, and what went back.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::pairs::Pair;
use crate::domain::deposit::Deposit;
use crate::domain::journal::PREPAID;
use crate::sandbox::scenario::summary_view::{BalanceLine, FateRow};
use crate::sandbox::upstream::{Books, Fate};

/// The most instructive deposit, for `show`.
pub(super) fn example(pairs: &[Pair]) -> Option<&Deposit> {
    let by = |fate| pairs.iter().find(|pair| pair.fate == Some(fate));
    let pair = by(Fate::LostAnswer).or_else(|| by(Fate::Late)).or_else(|| pairs.first())?;
    Some(&pair.deposit)
}

/// The deposits by fate and outcome.
pub(super) fn fates(pairs: &[Pair], books: &Books) -> Vec<FateRow> {
    let mut rows: BTreeMap<(usize, String), FateRow> = BTreeMap::new();
    for pair in pairs {
        let fate = pair.fate.map_or_else(|| "by hand".to_owned(), |fate| format!("{fate:?}"));
        let facts = &pair.deposit.facts;
        let outcome = facts.outcome.map(|outcome| outcome.as_str().to_owned());
        let late = facts.late.then(|| "late".to_owned());
        let more: Vec<String> = outcome.into_iter().chain(late).collect();
        let state = facts.state.as_str().replace('_', " ");
        let ended = if more.is_empty() { state } else { format!("{state} ({})", more.join(", ")) };
        let credit = pair.order.as_ref().and_then(|order| books.credited.get(&order.order_id));
        let place = pair.fate.and_then(|fate| Fate::ALL.iter().position(|known| *known == fate));
        let key = (place.unwrap_or(usize::MAX), ended.clone());
        let row = rows.entry(key).or_insert_with(|| FateRow { fate, ended, ..FateRow::default() });
        row.deposits = row.deposits.saturating_add(1);
        let net = credit.map_or(0, |credit| credit.cents.saturating_sub(credit.refunded_cents));
        row.upstream_micros = row.upstream_micros.saturating_add(net.saturating_mul(10_000));
        let booked = pair.postings.iter().filter(|posting| posting.account == PREPAID);
        let booked = booked.fold(0_i64, |sum, posting| sum.saturating_add(posting.amount_usd_micros));
        row.booked_micros = row.booked_micros.saturating_add(booked);
    }
    rows.into_values().collect()
}

/// What went back of what was credited here, in millionths of a dollar.
pub(super) fn refunded(pairs: &[Pair]) -> i64 {
    let facts = pairs.iter().map(|pair| &pair.deposit.facts).filter(|facts| facts.refunded_at.is_some());
    let booked = facts.filter_map(|facts| facts.booked.as_ref());
    booked.fold(0, |sum, booked| sum.saturating_add(booked.total().get()))
}

/// Every account of the journal.
pub(super) fn trial_balance(pairs: &[Pair]) -> Vec<BalanceLine> {
    let mut sums: BTreeMap<(String, String), (Decimal, i64)> = BTreeMap::new();
    for posting in pairs.iter().flat_map(|pair| &pair.postings) {
        let key = (posting.account.clone(), posting.commodity.clone());
        let sum = sums.entry(key).or_default();
        let amount = Decimal::from_str_exact(&posting.amount).unwrap_or_default();
        sum.0 = sum.0.saturating_add(amount);
        sum.1 = sum.1.saturating_add(posting.amount_usd_micros);
    }
    let rows = sums.into_iter();
    rows.map(|((account, commodity), (amount, usd_micros))| BalanceLine {
        account,
        commodity,
        balance: amount.normalize().to_string(),
        usd_micros,
    })
    .collect()
}
