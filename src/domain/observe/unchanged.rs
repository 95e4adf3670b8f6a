//! Recognises polls that change nothing, as nearly all do, without making a step.

use std::time::Duration;

use super::reading::{self, contradiction};
use super::transition::{Move, transition};
use crate::domain::deposit::{Deposit, Facts, ReviewKind, State};
use crate::domain::poll::Policy;
use crate::domain::report::{OrderReport, agree_that_past};
use crate::domain::status::{Status, StatusMeaning};
use crate::domain::time::Timestamp;

/// True where `report` leaves `deposit` exactly as it is. False decides nothing: the step has to be made.
pub(super) fn is_unchanged(deposit: &Deposit, report: &OrderReport, now: Timestamp, policy: &Policy) -> bool {
    let facts = &deposit.facts;
    let Some(status) = report.status.as_deref().and_then(Status::parse) else { return false };
    let passing = facts.review.as_ref().is_some_and(|review| review.kind == ReviewKind::Passing);
    if passing
        || facts.wallet.is_none()
        || !says_the_same(facts, report)
        || contradiction(deposit.request.asset(), facts, report).is_some()
        || reading::names_order(deposit, report) != facts.named
        || reading::is_too_large(report)
        || reading::contradicting_figures(deposit, report, status).is_some()
        || reading::money_in_an_end(facts, report, status).is_some()
        || facts.wallet.as_ref().is_some_and(|wallet| !wallet.unread.is_empty())
    {
        return false;
    }
    let booked = facts.booked.is_some() && facts.refunded_at.is_none();
    let cancelled = status.meaning() == StatusMeaning::Cancelled;
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
    // The number of changes that were left out becomes an event when their hour is over.
    if facts.chatter.is_some_and(|chatter| chatter.left_out > 0 && chatter.is_over(now)) {
        return false;
    }
    match facts.state {
        State::AwaitingPayment => {
            let verdict = facts.over_at(policy.expiry_grace, policy.link_limit);
            verdict.is_none_or(|verdict| !agree_that_past(verdict, now, answered_at))
        }
        State::Confirming => {
            let limit = facts.since.plus(policy.confirming_limit).plus(Duration::from_millis(1));
            !agree_that_past(limit, now, answered_at)
        }
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
        && same(report.amount_usd.as_ref(), wallet.and_then(|wallet| wallet.amount_usd.as_ref()))
        && same(report.amount_crypto.as_ref(), wallet.and_then(|wallet| wallet.amount_crypto.as_ref()))
        && same(report.expire_at.as_ref(), wallet.and_then(|wallet| wallet.expire_at.as_ref()))
        && same(report.memo.as_ref(), wallet.and_then(|wallet| wallet.memo.as_ref()))
}
