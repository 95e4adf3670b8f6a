//! When a deposit of the scenario has ended, on both sides.

use crate::domain::deposit::{Deposit, State};
use crate::sandbox::upstream::{Fate, OrderView};

/// Nothing more will happen to the order, and the deposit has its final state.
pub(super) fn has_ended(deposit: &Deposit, order: Option<&OrderView>) -> bool {
    let Some(order) = order else { return deposit.facts.state == State::Rejected };
    if order.fate == Fate::NeverPaid {
        return deposit.facts.state == State::Expired;
    }
    let word = deposit.facts.upstream_status.as_deref().unwrap_or_default();
    last_words(order.fate).contains(&order.status.as_str())
        && word.eq_ignore_ascii_case(&order.status)
        && state_of(&order.status).is_none_or(|state| state == deposit.facts.state)
}

/// What the upstream says of an order at the end of its fate.
const fn last_words(fate: Fate) -> &'static [&'static str] {
    match fate {
        Fate::Over => &["paid_over"],
        Fate::Short => &["wrong_amount"],
        Fate::Expired => &["cancel"],
        Fate::Refunded => &["refund_paid"],
        Fate::RefundFailed => &["refund_fail"],
        Fate::Failed => &["fail"],
        Fate::SystemFailed => &["system_fail"],
        Fate::LostAnswer => &["paid", "cancel"],
        Fate::NeverPaid | Fate::Manual => &[],
        Fate::Exact
        | Fate::RefusedCoupon
        | Fate::UnderpaidThenCompleted
        | Fate::Late
        | Fate::LatePaidAfterCheck
        | Fate::HeldThenReleased
        | Fate::UnknownWord => &["paid"],
    }
}

/// Where a last word leaves a deposit.
pub(super) fn state_of(word: &str) -> Option<State> {
    Some(match word {
        "paid" | "paid_over" | "refund_fail" => State::Settled,
        "wrong_amount" => State::Short,
        "cancel" => State::Expired,
        "fail" | "system_fail" => State::Failed,
        "refund_paid" => State::Refunded,
        _ => return None,
    })
}
