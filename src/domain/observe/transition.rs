//! Where each status word leads from each state: the table of the deposit's life.

use crate::domain::deposit::State;
use crate::domain::status::Status;

/// Where a status word leads from a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// Nothing new.
    Stay,
    /// A forward step.
    To(State),
    /// A forward step that a person should look at.
    ToFlagged(State, &'static str),
    /// A step back, or sideways: flagged, nothing taken.
    Backward,
    /// Nothing changes, but a person should know.
    Flag(&'static str),
}

const CANCEL_AFTER_PART: &str = "cancelled upstream after a payment had been seen";
const REFUND_FAILED: &str = "a refund failed upstream; the money stayed";

/// The table of the deposit's life: from `state`, on `status`. `booked` says whether a credit is in the books,
/// `expired_upstream` whether the upstream itself had said `cancel`.
pub(super) fn transition(state: State, status: Status, booked: bool, expired_upstream: bool) -> Move {
    use State::{
        AwaitingPayment, Confirming, Expired, Failed, Held, Refunded, Refunding, Rejected, Requested,
        Settled, Short, Underpaid, Unresolved,
    };
    match (status, state) {
        (_, Requested | Rejected | Unresolved) => Move::Stay,
        (Status::Check | Status::Process, AwaitingPayment) => Move::Stay,
        (Status::Check | Status::Process, Expired) if !expired_upstream => Move::Stay,
        (Status::ConfirmCheck, Confirming) | (Status::WrongAmountWaiting, Underpaid) => Move::Stay,
        (Status::ConfirmCheck, AwaitingPayment | Underpaid | Expired | Held) => Move::To(Confirming),
        (Status::WrongAmountWaiting, AwaitingPayment | Confirming | Expired | Held) => Move::To(Underpaid),
        (Status::Paid | Status::PaidOver, Settled) => Move::Stay,
        (Status::Paid | Status::PaidOver, Refunded) => Move::Backward,
        (Status::Paid | Status::PaidOver, Refunding) if booked => Move::Backward,
        (Status::Paid | Status::PaidOver, _) => Move::To(Settled),
        (Status::WrongAmount, Short) => Move::Stay,
        (Status::WrongAmount, AwaitingPayment | Confirming | Underpaid | Expired | Held) => Move::To(Short),
        (Status::Cancel, Expired) => Move::Stay,
        (Status::Cancel, AwaitingPayment) => Move::To(Expired),
        (Status::Cancel, Confirming | Underpaid | Held) => Move::ToFlagged(Expired, CANCEL_AFTER_PART),
        (Status::Fail | Status::SystemFail, Failed) => Move::Stay,
        (Status::Fail | Status::SystemFail, AwaitingPayment | Confirming | Underpaid | Expired | Held) => {
            Move::To(Failed)
        }
        (Status::Locked, Held) => Move::Stay,
        (Status::Locked, AwaitingPayment | Confirming | Underpaid | Expired | Short | Failed) => {
            Move::To(Held)
        }
        (Status::RefundProcess, Refunding) | (Status::RefundPaid, Refunded) => Move::Stay,
        (Status::RefundProcess, Refunded) => Move::Backward,
        (Status::RefundProcess, _) => Move::To(Refunding),
        (Status::RefundPaid, _) => Move::To(Refunded),
        (Status::RefundFail, Refunding) if booked => Move::ToFlagged(Settled, REFUND_FAILED),
        (Status::RefundFail, Refunded) => Move::Backward,
        (Status::RefundFail, _) => Move::Flag(REFUND_FAILED),
        _ => Move::Backward,
    }
}
