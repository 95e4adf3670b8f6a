//! Looks that bring nothing new, recognised without working anything out: nearly all of them.

use super::draft::contradiction;
use super::transition::{Move, transition};
use crate::domain::deposit::{Deposit, Facts, ReviewKind, State};
use crate::domain::poll::Policy;
use crate::domain::report::{OrderReport, Status, agree_that_past};
use crate::domain::time::Timestamp;

/// True where `report` leaves `deposit` exactly as it is. False says nothing: the whole way decides then.
pub(super) fn is_quiet(deposit: &Deposit, report: &OrderReport, now: Timestamp, policy: &Policy) -> bool {
    let facts = &deposit.facts;
    let Some(status) = report.status.as_deref().and_then(Status::parse) else { return false };
    let passing = facts.review.as_ref().is_some_and(|review| review.kind == ReviewKind::Passing);
    if passing
        || facts.wallet.is_none()
        || !says_the_same(facts, report)
        || contradiction(deposit.request.asset, facts, report).is_some()
    {
        return false;
    }
    let booked = facts.booked.is_some() && facts.refunded_at.is_none();
    let cancelled = status == Status::Cancel;
    if transition(facts.state, status, booked, cancelled) != Move::Stay {
        return false;
    }
    nothing_ended(facts, report.answered_at, now, policy)
}

/// True where a state that only time ends has not ended, by the upstream's clock at `answered_at` and ours.
pub(super) fn nothing_ended(
    facts: &Facts,
    answered_at: Option<Timestamp>,
    now: Timestamp,
    policy: &Policy,
) -> bool {
    match facts.state {
        State::AwaitingPayment => {
            let deadline = facts.wallet.as_ref().map(|wallet| wallet.expire_at.plus(policy.expiry_grace));
            deadline.is_some_and(|deadline| !agree_that_past(deadline, now, answered_at))
        }
        State::Confirming => now.since(facts.since) <= policy.confirming_limit,
        // Their figures may be booked: never in passing.
        State::Settled | State::Short => false,
        _ => true,
    }
}

/// True where the word and every figure of the report are those that are known.
fn says_the_same(facts: &Facts, report: &OrderReport) -> bool {
    fn same<T: PartialEq>(theirs: Option<&T>, ours: Option<&T>) -> bool {
        theirs.is_none() || theirs == ours
    }
    let (payment, wallet) = (&facts.payment, facts.wallet.as_ref());
    report.status == facts.upstream_status
        && same(report.txid.as_ref(), facts.txid.as_ref())
        && same(report.payment_amount.as_ref(), payment.amount.as_ref())
        && same(report.payment_amount_usd.as_ref(), payment.amount_usd.as_ref())
        && same(report.payer_amount.as_ref(), payment.payer_amount.as_ref())
        && same(report.refund_amount.as_ref(), payment.refund_amount.as_ref())
        && same(report.refund_amount_usd.as_ref(), payment.refund_amount_usd.as_ref())
        && same(report.amount_usd.as_ref(), wallet.map(|wallet| &wallet.amount_usd))
        && same(report.amount_crypto.as_ref(), wallet.map(|wallet| &wallet.amount_crypto))
        && same(report.expire_at.as_ref(), wallet.map(|wallet| &wallet.expire_at))
}
