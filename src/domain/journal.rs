//! How money is booked: postings in double entry, balanced by construction, derived from facts before and after.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::deposit::{Booked, Facts, Request};
use super::money::UsdMicros;

/// The prepaid balance at SMSOnline.
pub const PREPAID: &str = "assets:prepaid:smsonline";
/// What was paid in crypto, by currency: the other side of a top-up.
pub const PAID_CRYPTO: &str = "equity:crypto";
/// Credits whose payment in crypto the upstream did not state.
pub const UNSTATED: &str = "equity:unstated";
/// Corrections after a reconciliation.
pub const CORRECTIONS: &str = "equity:corrections";

/// The books' own commodity.
pub const USD: &str = "USD";

/// One line of a transaction: debits positive, credits negative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// A name of the chart of accounts.
    pub account: String,
    /// `USD` or a currency's ticker.
    pub commodity: String,
    /// In the commodity.
    pub amount: Decimal,
    /// Its worth in the books; the micros of one transaction sum to zero.
    pub amount_usd_micros: UsdMicros,
}

/// What an event books: the difference between what was booked before it and what is booked after it.
/// Empty where nothing moved, else balanced. Pure, so that `verify` can ask again.
#[must_use]
pub fn postings(request: &Request, before: Option<&Facts>, after: &Facts) -> Vec<Posting> {
    let held = |facts: &Facts| facts.booked.clone().filter(|_| facts.refunded_at.is_none());
    let (old, new) = (before.and_then(held), held(after));
    let mut lines = Vec::new();
    match (old, new) {
        (None, None) => {}
        (Some(old), Some(new)) if old == new => {}
        (None, Some(new)) => credit(&mut lines, request, &new),
        (Some(old), None) => reverse(&mut lines, request, &old),
        (Some(old), Some(new)) => {
            reverse(&mut lines, request, &old);
            credit(&mut lines, request, &new);
        }
    }
    merge(lines)
}

fn credit(lines: &mut Vec<Posting>, request: &Request, booked: &Booked) {
    lines.push(usd(PREPAID, booked.usd));
    let currency = request.asset.currency.as_str();
    match &booked.crypto {
        Some(paid) => lines.push(Posting {
            account: format!("{PAID_CRYPTO}:{}", currency.to_ascii_lowercase()),
            commodity: currency.to_owned(),
            amount: negated(paid.value()),
            amount_usd_micros: booked.usd.negated(),
        }),
        None => lines.push(usd(UNSTATED, booked.usd.negated())),
    }
    if booked.correction != UsdMicros::ZERO {
        lines.push(usd(PREPAID, booked.correction));
        lines.push(usd(CORRECTIONS, booked.correction.negated()));
    }
}

fn reverse(lines: &mut Vec<Posting>, request: &Request, booked: &Booked) {
    let start = lines.len();
    credit(lines, request, booked);
    for line in lines.iter_mut().skip(start) {
        line.amount = negated(line.amount);
        line.amount_usd_micros = line.amount_usd_micros.negated();
    }
}

/// One line an account and commodity; what cancels out is left out.
fn merge(lines: Vec<Posting>) -> Vec<Posting> {
    let mut merged: Vec<Posting> = Vec::with_capacity(lines.len());
    for line in lines {
        match merged.iter_mut().find(|m| m.account == line.account && m.commodity == line.commodity) {
            Some(same) => {
                same.amount = same.amount.saturating_add(line.amount);
                same.amount_usd_micros =
                    UsdMicros::new(same.amount_usd_micros.get().saturating_add(line.amount_usd_micros.get()));
            }
            None => merged.push(line),
        }
    }
    merged.retain(|line| !line.amount.is_zero() || line.amount_usd_micros != UsdMicros::ZERO);
    merged
}

fn negated(mut amount: Decimal) -> Decimal {
    amount.set_sign_negative(amount.is_sign_positive());
    amount
}

fn usd(account: &str, micros: UsdMicros) -> Posting {
    Posting {
        account: account.to_owned(),
        commodity: USD.to_owned(),
        amount: Decimal::new(micros.get(), 6).normalize(),
        amount_usd_micros: micros,
    }
}
