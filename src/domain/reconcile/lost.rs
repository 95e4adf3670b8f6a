//! Which of the upstream's orders a lost attempt made: the claims are one to one, and the nearest go first.

use std::collections::HashSet;
use std::time::Duration;

use super::is_processor;
use crate::domain::asset::Asset;
use crate::domain::money::Amount;
use crate::domain::report::{Invoice, OrderReport, Status};
use crate::domain::time::Timestamp;

/// An attempt of unknown outcome, as the search for its wallet needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The ledger's number for the attempt.
    pub attempt: i64,
    /// What was asked for.
    pub asset: Asset,
    /// How much, in US dollars.
    pub amount: Amount,
    /// Whether a coupon was to lower it.
    pub coupon: bool,
    /// When the intent was written.
    pub started_at: Timestamp,
    /// The latest moment at which the upstream may have acted on it.
    pub latest: Timestamp,
    /// The order that a broken answer named.
    pub order_id: Option<String>,
}

/// An order among the invoices that belongs to no deposit we know, and what the upstream says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// The invoice's key.
    pub key: String,
    /// When the invoice says it was made.
    pub created: Option<Timestamp>,
    /// The order's report; it names the order.
    pub report: OrderReport,
}

/// The upstream's clock and ours may differ by this much.
pub const SKEW: Duration = Duration::from_mins(2);

impl Lost {
    /// True where an invoice made at `created` may be this attempt's.
    #[must_use]
    pub fn covers(&self, created: Timestamp) -> bool {
        created >= self.started_at.minus(SKEW) && created <= self.latest.plus(SKEW)
    }

    /// True where an invoice of the list may be this attempt's, as far as the list tells.
    #[must_use]
    pub fn may_be(&self, invoice: &Invoice) -> bool {
        let named = |id: &Option<String>| id.is_some() && *id == self.order_id;
        if named(&invoice.pay_id) || named(&invoice.sesid) {
            return true;
        }
        let micros = invoice.amount_cents.map(|cents| cents.saturating_mul(10_000));
        is_processor(invoice.method.as_deref())
            && invoice.created.is_some_and(|created| self.covers(created))
            && micros.is_none_or(|micros| self.apart(micros, invoice.status.as_deref()).is_some())
    }

    /// How far the stray's amount lies from what was asked; `None` where the stray cannot be this attempt's.
    fn distance(&self, stray: &Stray) -> Option<u64> {
        let report = &stray.report;
        let order = report.order_id.as_deref()?;
        if let Some(ours) = &self.order_id {
            return (ours == order).then_some(0);
        }
        let same = |word: Option<&String>, ours: &str| word.is_some_and(|w| w.eq_ignore_ascii_case(ours));
        let asset = same(report.currency.as_ref(), self.asset.currency.as_str())
            && same(report.network.as_ref(), self.asset.network.as_str());
        if !asset || !stray.created.is_some_and(|created| self.covers(created)) {
            return None;
        }
        self.apart(report.amount_usd.as_ref()?.to_usd_micros_floor()?.get(), report.status.as_deref())
    }

    /// How far an amount, in millionths of a dollar, lies from what was asked, under this status word; `None` where it
    /// is too far.
    fn apart(&self, micros: i64, word: Option<&str>) -> Option<u64> {
        let asked = self.amount.to_usd_micros()?.get();
        let apart = asked.abs_diff(micros);
        // CONTRACT.md, section 1: 5.15 asked, "5.00" answered; a coupon lowers it further. And where another amount was
        // paid, the figure may be what arrived.
        let share: u64 = if self.coupon || paid_otherwise(word) { 2 } else { 20 };
        let allowed = asked.unsigned_abs().checked_div(share)?.max(250_000);
        (apart <= allowed).then_some(apart)
    }

    /// How far an invoice that no look can name lies from this attempt, in money and in time.
    fn near(&self, unnamed: &Unnamed) -> Option<(u64, Duration)> {
        let created = unnamed.created.filter(|created| self.covers(*created))?;
        let apart = self.apart(unnamed.amount_cents?.checked_mul(10_000)?, None)?;
        Some((apart, created.since(self.started_at).max(self.started_at.since(created))))
    }
}

/// True for words under which another amount than the one that was asked for may have arrived.
fn paid_otherwise(word: Option<&str>) -> bool {
    matches!(
        word.and_then(Status::parse),
        Some(
            Status::PaidOver
                | Status::WrongAmount
                | Status::WrongAmountWaiting
                | Status::RefundProcess
                | Status::RefundFail
                | Status::RefundPaid
                | Status::Locked
        )
    )
}

/// Which stray order each lost attempt made: one to one, the nearest amounts and the oldest attempts first.
#[must_use]
pub fn claim(lost: &[Lost], strays: &[Stray]) -> Vec<(i64, String)> {
    let mut pairs: Vec<(u64, i64, &String)> = Vec::new();
    for attempt in lost {
        for stray in strays {
            if let Some(distance) = attempt.distance(stray) {
                pairs.push((distance, attempt.attempt, &stray.key));
            }
        }
    }
    one_to_one(pairs.into_iter().map(|(apart, attempt, key)| (apart, attempt, key.clone())).collect())
}

/// An unpaid invoice of the processor whose ids name no order that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnamed {
    /// The ledger's number for the invoice.
    pub row: i64,
    /// When it says it was made.
    pub created: Option<Timestamp>,
    /// Its amount.
    pub amount_cents: Option<i64>,
    /// What to call it.
    pub name: String,
}

/// Which unnamed invoice is probably each lost attempt's: the same amount at the same time, and nobody's else.
#[must_use]
pub fn claim_unnamed(lost: &[Lost], unnamed: &[Unnamed]) -> Vec<(i64, i64)> {
    let mut pairs = Vec::new();
    for attempt in lost {
        for invoice in unnamed {
            if let Some(distance) = attempt.near(invoice) {
                pairs.push((distance, attempt.attempt, invoice.row));
            }
        }
    }
    one_to_one(pairs)
}

/// The nearest pairs first, nobody twice.
fn one_to_one<D: Ord, K: Ord + Clone + std::hash::Hash>(mut pairs: Vec<(D, i64, K)>) -> Vec<(i64, K)> {
    pairs.sort_unstable();
    let (mut attempts, mut keys) = (HashSet::new(), HashSet::new());
    let mut claims = Vec::new();
    for (_, attempt, key) in pairs {
        if !attempts.contains(&attempt) && !keys.contains(&key) {
            attempts.insert(attempt);
            keys.insert(key.clone());
            claims.push((attempt, key));
        }
    }
    claims
}
