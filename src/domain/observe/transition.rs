//! Where the meaning of each status word leads from each state: the table of the deposit's life. A new meaning does not
//! build before it has its rows here.

use crate::domain::deposit::State;
use crate::domain::status::{Status, StatusMeaning as Meaning};

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
    match (status.meaning(), state) {
        (_, Requested | Rejected | Unresolved) => Move::Stay,
        (Meaning::Unseen, AwaitingPayment) => Move::Stay,
        (Meaning::Unseen, Expired) if !expired_upstream => Move::Stay,
        (Meaning::Unseen, _) => Move::Backward,
        (Meaning::Confirming, Confirming) => Move::Stay,
        (Meaning::Confirming, AwaitingPayment | Underpaid | Expired | Held) => Move::To(Confirming),
        (Meaning::Confirming, _) => Move::Backward,
        (Meaning::Part, Underpaid) => Move::Stay,
        (Meaning::Part, AwaitingPayment | Confirming | Expired | Held) => Move::To(Underpaid),
        (Meaning::Part, _) => Move::Backward,
        (Meaning::Paid | Meaning::PaidOver, Settled) => Move::Stay,
        (Meaning::Paid | Meaning::PaidOver, Refunded) => Move::Backward,
        (Meaning::Paid | Meaning::PaidOver, Refunding) if booked => Move::Backward,
        (Meaning::Paid | Meaning::PaidOver, _) => Move::To(Settled),
        (Meaning::Short, Short) => Move::Stay,
        (Meaning::Short, AwaitingPayment | Confirming | Underpaid | Expired | Held) => Move::To(Short),
        (Meaning::Short, _) => Move::Backward,
        (Meaning::Cancelled, Expired) => Move::Stay,
        (Meaning::Cancelled, AwaitingPayment) => Move::To(Expired),
        (Meaning::Cancelled, Confirming | Underpaid | Held) => Move::ToFlagged(Expired, CANCEL_AFTER_PART),
        (Meaning::Cancelled, _) => Move::Backward,
        (Meaning::Failed, Failed) => Move::Stay,
        (Meaning::Failed, AwaitingPayment | Confirming | Underpaid | Expired | Held) => Move::To(Failed),
        (Meaning::Failed, _) => Move::Backward,
        (Meaning::Held, Held) => Move::Stay,
        (Meaning::Held, AwaitingPayment | Confirming | Underpaid | Expired | Short | Failed) => {
            Move::To(Held)
        }
        (Meaning::Held, _) => Move::Backward,
        (Meaning::Refunding, Refunding) => Move::Stay,
        (Meaning::Refunding, Refunded) => Move::Backward,
        (Meaning::Refunding, _) => Move::To(Refunding),
        (Meaning::Refunded, Refunded) => Move::Stay,
        (Meaning::Refunded, _) => Move::To(Refunded),
        (Meaning::RefundFailed, Refunding) if booked => Move::ToFlagged(Settled, REFUND_FAILED),
        (Meaning::RefundFailed, Refunded) => Move::Backward,
        (Meaning::RefundFailed, _) => Move::Flag(REFUND_FAILED),
    }
}
