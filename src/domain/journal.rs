//! How money is booked: postings in double entry, balanced by construction, derived from facts before and after.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::asset::Asset;
use super::deposit::{Booked, Facts, Held, Outcome, Refund, Request};
use super::method::Method;
use super::money::{Amount, UsdMicros};

/// The prepaid balance at SMSOnline.
pub const PREPAID: &str = "assets:prepaid:smsonline";
/// What was paid in crypto, by currency: the other side of a top-up.
pub const PAID_CRYPTO: &str = "equity:crypto";
/// What was paid and is locked by the processor: neither ours nor credited.
pub const HELD: &str = "equity:held";
/// Money whose amount in crypto the upstream did not state.
pub const UNSTATED: &str = "equity:unstated";
/// What was paid by card, in dollars.
pub const CARD: &str = "equity:card";
/// Fractions of a cent: the prepaid account holds whole cents.
pub const ROUNDING: &str = "equity:rounding";
/// Corrections after a reconciliation.
pub const CORRECTIONS: &str = "equity:corrections";
/// The other side of what was asked for and not credited, or credited and not asked for.
pub const ASKED: &str = "equity:asked";
/// Asked for and not credited, since a coupon was spent on it.
pub const DIFFERENCE_COUPON: &str = "equity:difference:coupon";
/// Credited beyond what the wallet was for: paid over. Negative.
pub const DIFFERENCE_OVER: &str = "equity:difference:over";
/// The wallet was for more: paid short.
pub const DIFFERENCE_SHORT: &str = "equity:difference:short";
/// Asked for and not credited (or the other way round), and the upstream does not say why: a fee, a rounding.
pub const DIFFERENCE_UNEXPLAINED: &str = "equity:difference:unexplained";

/// The books' own commodity.
pub const USD: &str = "USD";

/// Decimals of dollars in the journal: all that the books hold.
const USD_DECIMALS: u32 = 6;
/// Decimals of crypto in the journal, at least; more where the upstream wrote more.
const CRYPTO_DECIMALS: u32 = 8;

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

/// What an event moves in a month's totals: the change of what is credited, and of what went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turnover {
    /// This is the deposit's first credit.
    pub first_credit: bool,
    /// By how much what is credited has changed.
    pub credited: UsdMicros,
    /// This is its first refund.
    pub first_refund: bool,
    /// By how much what went back has changed.
    pub refunded: UsdMicros,
}

/// What an event books: the difference between what was booked before it and what is booked after it.
/// Empty where nothing moved, else balanced. Pure, so that `verify` can ask again.
#[must_use]
pub fn postings(request: &Request, before: Option<&Facts>, after: &Facts) -> Vec<Posting> {
    let mut lines = before.map_or_else(Vec::new, |before| position(request, before));
    let new = position(request, after);
    if lines == new {
        return Vec::new();
    }
    negate(&mut lines);
    lines.extend(new);
    merge(lines)
}

/// What an event moves in the totals of a month. Pure, like [`postings`].
#[must_use]
pub fn turnover(before: Option<&Facts>, after: &Facts) -> Turnover {
    let (old_credit, old_refund) = before.map_or((UsdMicros::ZERO, UsdMicros::ZERO), totals);
    let (new_credit, new_refund) = totals(after);
    let change = |new: UsdMicros, old: UsdMicros| UsdMicros::new(new.get().saturating_sub(old.get()));
    Turnover {
        first_credit: after.settled_at.is_some() && before.is_none_or(|before| before.settled_at.is_none()),
        credited: change(new_credit, old_credit),
        first_refund: after.refunded_at.is_some() && before.is_none_or(|before| before.refunded_at.is_none()),
        refunded: change(new_refund, old_refund),
    }
}

/// What a deposit was credited with in all, and how much of it went back.
fn totals(facts: &Facts) -> (UsdMicros, UsdMicros) {
    let credited = facts.booked.as_ref().map_or(UsdMicros::ZERO, Booked::total);
    let whole = facts.refund.as_ref().map_or(credited, |refund| refund.usd);
    (credited, if facts.refunded_at.is_some() { whole } else { UsdMicros::ZERO })
}

/// Everything that the journal holds of the deposit with these facts.
fn position(request: &Request, facts: &Facts) -> Vec<Posting> {
    let mut lines = Vec::new();
    match (&facts.booked, &facts.held) {
        (Some(booked), _) => {
            credit(&mut lines, request, facts, booked);
            if facts.refunded_at.is_some() {
                match &facts.refund {
                    None => lines.clear(),
                    Some(refund) => give_back(&mut lines, request, refund),
                }
            }
        }
        (None, Some(held)) => hold(&mut lines, request, held),
        (None, None) => {}
    }
    merge(lines)
}

fn credit(lines: &mut Vec<Posting>, request: &Request, facts: &Facts, booked: &Booked) {
    let credited = booked.by_figure();
    lines.push(usd(PREPAID, credited));
    lines.push(paid(PAID_CRYPTO, request, booked.crypto.as_ref(), booked.usd.negated()));
    let rest = UsdMicros::new(booked.usd.get().saturating_sub(credited.get()));
    if rest != UsdMicros::ZERO {
        lines.push(usd(ROUNDING, rest));
    }
    if let Some(expected) = booked.expected {
        explain(lines, request, facts, credited, expected);
    }
    if booked.correction != UsdMicros::ZERO {
        lines.push(usd(PREPAID, booked.correction));
        lines.push(usd(CORRECTIONS, booked.correction.negated()));
    }
}

/// What was asked for, what the wallet was for, what was credited: their differences, named as far as they are known.
fn explain(
    lines: &mut Vec<Posting>,
    request: &Request,
    facts: &Facts,
    credited: UsdMicros,
    expected: UsdMicros,
) {
    let Some(asked) = request.amount.to_usd_micros_floor() else { return };
    let less = |more: UsdMicros, less: UsdMicros| UsdMicros::new(more.get().saturating_sub(less.get()));
    let before = if request.coupon.is_some() { DIFFERENCE_COUPON } else { DIFFERENCE_UNEXPLAINED };
    let after = match facts.outcome {
        Some(Outcome::Over) => DIFFERENCE_OVER,
        Some(Outcome::Exact) => DIFFERENCE_UNEXPLAINED,
        None => DIFFERENCE_SHORT,
    };
    let differences = [(before, less(asked, expected)), (after, less(expected, credited))];
    for (account, difference) in differences.into_iter().filter(|(_, usd)| *usd != UsdMicros::ZERO) {
        lines.push(usd(account, difference));
        lines.push(usd(ASKED, difference.negated()));
    }
}

/// A part of what was credited went back.
fn give_back(lines: &mut Vec<Posting>, request: &Request, refund: &Refund) {
    lines.push(usd(PREPAID, refund.usd.negated()));
    let mut back = paid(PAID_CRYPTO, request, refund.crypto.as_ref(), refund.usd.negated());
    back.amount = negated(back.amount);
    back.amount_usd_micros = refund.usd;
    lines.push(back);
}

/// Paid, and locked before it was credited.
fn hold(lines: &mut Vec<Posting>, request: &Request, held: &Held) {
    lines.push(paid(PAID_CRYPTO, request, held.crypto.as_ref(), held.usd.negated()));
    let mut locked = paid(HELD, request, held.crypto.as_ref(), held.usd.negated());
    locked.amount = negated(locked.amount);
    locked.amount_usd_micros = held.usd;
    if held.crypto.is_none() || request.asset().is_none() {
        HELD.clone_into(&mut locked.account);
    }
    lines.push(locked);
}

/// The line of what was paid (a credit), by its worth: in crypto; in dollars by card, and where no amount in crypto was
/// stated, or not in which.
fn paid(account: &str, request: &Request, crypto: Option<&Amount>, worth: UsdMicros) -> Posting {
    if request.method() == Method::Card {
        return usd(CARD, worth);
    }
    match crypto.zip(request.asset()) {
        Some((paid, Asset { currency, .. })) => Posting {
            account: format!("{account}:{}", currency.as_str().to_ascii_lowercase()),
            commodity: currency.as_str().to_owned(),
            amount: negated(at_least(paid.value().normalize(), CRYPTO_DECIMALS)),
            amount_usd_micros: worth,
        },
        None => usd(UNSTATED, worth),
    }
}

fn negate(lines: &mut [Posting]) {
    for line in lines {
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
    amount.set_sign_negative(amount.is_sign_positive() && !amount.is_zero());
    amount
}

/// With so many decimals, or as many as it has: never rounded.
fn at_least(mut amount: Decimal, decimals: u32) -> Decimal {
    if amount.scale() < decimals {
        amount.rescale(decimals);
    }
    amount
}

fn usd(account: &str, micros: UsdMicros) -> Posting {
    Posting {
        account: account.to_owned(),
        commodity: USD.to_owned(),
        amount: Decimal::new(micros.get(), USD_DECIMALS),
        amount_usd_micros: micros,
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
