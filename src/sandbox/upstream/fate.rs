//! The fates of orders: what happens to an order, and when after its creation.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rng::Rng;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// What becomes of an order by itself. Offsets are given for a wallet of one hour and scale with its life;
/// each is thrown once from the order's own dice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// `confirm_check` after 3 to 8 minutes, `paid` after 10 to 20.
    Exact,
    /// The same, a tenth more than required: `paid_over`.
    Over,
    /// Six tenths arrive after 10 to 20 minutes (`wrong_amount_waiting`); `wrong_amount` at the deadline.
    Short,
    /// Six tenths arrive after 10 to 15 minutes, the rest after 25 to 40: `paid`.
    UnderpaidThenCompleted,
    /// Nothing arrives; `cancel` at the deadline.
    Expired,
    /// `check` for ever, past the deadline too.
    NeverPaid,
    /// `cancel` at the deadline, `paid` 75 to 85 minutes after creation.
    Late,
    /// `check` past the deadline, `paid` 80 to 95 minutes after creation.
    LatePaidAfterCheck,
    /// `locked` after 10 to 20 minutes, `paid` after 90 to 120.
    HeldThenReleased,
    /// `paid`, then `refund_process` after 120 to 150 minutes, `refund_paid` after 180 to 210.
    Refunded,
    /// `paid`, then `refund_process` after 120 to 150 minutes, `refund_fail` after 180 to 210.
    RefundFailed,
    /// `confirm_check`, then `fail` after 10 to 20 minutes.
    Failed,
    /// `system_fail` after 3 to 8 minutes.
    SystemFailed,
    /// A request with a coupon is refused as if the coupon were bad; without one it goes as [`Fate::Exact`].
    RefusedCoupon,
    /// The order is made and the connection closed without an answer. It then goes as [`Fate::Exact`], counted
    /// from the first look at it: nobody pays to an address that nobody has seen. Without a look: `cancel`.
    LostAnswer,
    /// A word that the contract does not know after 10 to 20 minutes, `paid` after 25 to 35.
    UnknownWord,
    /// Nothing happens but by [`Action`]s.
    Manual,
}

impl Fate {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Exact,
        Self::Over,
        Self::Short,
        Self::UnderpaidThenCompleted,
        Self::Expired,
        Self::NeverPaid,
        Self::Late,
        Self::LatePaidAfterCheck,
        Self::HeldThenReleased,
        Self::Refunded,
        Self::RefundFailed,
        Self::Failed,
        Self::SystemFailed,
        Self::RefusedCoupon,
        Self::LostAnswer,
        Self::UnknownWord,
        Self::Manual,
    ];
}

/// One thing that happens to an order: a turn of its fate, or by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Action {
    /// The payer has chosen to pay: `process`.
    Process,
    /// The payment is seen on the chain: `confirm_check`.
    See,
    /// A part arrives: `wrong_amount_waiting`. Half of what is required, unless said.
    PayPart {
        /// Dollars that arrive now.
        amount_usd: Option<Amount>,
    },
    /// Money arrives and the order is credited with all that has: `paid`, `paid_over` or `wrong_amount`.
    Pay {
        /// Dollars that arrive now; what is missing, unless said.
        amount_usd: Option<Amount>,
    },
    /// No more is waited for: what has arrived is credited, `wrong_amount`.
    CloseShort,
    /// `cancel`.
    Cancel,
    /// `fail`.
    Fail,
    /// `system_fail`.
    SystemFail,
    /// `locked`.
    Lock,
    /// A locked order is released: credited with what is required, or back to what it was once it is credited.
    Release,
    /// `refund_process`.
    StartRefund,
    /// `refund_paid`: what was credited leaves the balance, and stays in `totalCharges`, which only grows.
    FinishRefund,
    /// `refund_fail`: the money stays.
    FailRefund,
    /// Any word at all; moves no money.
    SetStatus {
        /// The raw word.
        status: String,
    },
    /// `expire_at` changes.
    MoveDeadline {
        /// The new deadline.
        to: Timestamp,
    },
    /// Answers name another address from now on.
    ChangeAddress {
        /// The other address; made up, unless said.
        to: Option<String>,
    },
    /// Answers show other figures from now on; those left out stay as they are.
    SetFigures(Figures),
    /// The order disappears from the invoice list, or comes back.
    HideInvoice {
        /// Whether it is hidden.
        hidden: bool,
    },
    /// The invoice shows another status word than a look.
    SetInvoiceStatus {
        /// The raw word.
        status: String,
    },
    /// The first look at an order whose story waits for it; recorded by the simulator itself.
    Found,
}

impl Action {
    /// True where a person takes over: the remaining steps of the fate are dropped.
    #[must_use]
    pub(super) const fn takes_over(&self) -> bool {
        !matches!(
            self,
            Self::MoveDeadline { .. }
                | Self::ChangeAddress { .. }
                | Self::SetFigures(_)
                | Self::HideInvoice { .. }
                | Self::SetInvoiceStatus { .. }
                | Self::Found
        )
    }
}

/// Figures that answers show in place of the true ones; `credited_cents` changes the truth itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Figures {
    /// `amountInUSD`.
    pub amount_usd: Option<Amount>,
    /// `amountInCrypto`.
    pub amount_crypto: Option<Amount>,
    /// `payment_amount` of a look.
    pub payment_amount: Option<Amount>,
    /// `payment_amount_usd` of a look.
    pub payment_amount_usd: Option<Amount>,
    /// `amount` of the invoice.
    pub invoice_cents: Option<i64>,
    /// What the account is truly credited with, once the order is credited.
    pub credited_cents: Option<i64>,
}

/// An act and its instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timed {
    pub(super) at: Timestamp,
    pub(super) act: Action,
}

/// Where a script's offsets count from, and how they are thrown.
pub(super) struct Stage {
    pub(super) start: Timestamp,
    pub(super) deadline: Timestamp,
    pub(super) lifetime: Duration,
    pub(super) dice: Rng,
}

impl Stage {
    /// `act` at a minute between `low` and `high` of a wallet's hour.
    fn turn(&mut self, low: u64, high: u64, act: Action) -> Timed {
        let millis = self.dice.between(low.saturating_mul(60_000), high.saturating_mul(60_000));
        let life = u64::try_from(self.lifetime.as_millis()).unwrap_or(u64::MAX);
        let scaled = millis.saturating_mul(life).checked_div(3_600_000).unwrap_or(millis);
        Timed { at: self.start.plus(Duration::from_millis(scaled)), act }
    }

    fn at_deadline(&self, act: Action) -> Timed {
        Timed { at: self.deadline, act }
    }
}

/// The turns of `fate`, in order. `part` is what the first of two payments brings.
pub(super) fn script(
    fate: Fate,
    stage: &mut Stage,
    part: Option<&Amount>,
    over: Option<&Amount>,
) -> Vec<Timed> {
    let pay = || Action::Pay { amount_usd: None };
    let pay_part = || Action::PayPart { amount_usd: part.cloned() };
    let seen = stage.turn(3, 8, Action::See);
    let paid = stage.turn(10, 20, pay());
    match fate {
        Fate::Exact | Fate::RefusedCoupon => vec![seen, paid],
        Fate::Over => vec![seen, Timed { at: paid.at, act: Action::Pay { amount_usd: over.cloned() } }],
        Fate::Short => {
            let part = Timed { at: paid.at, act: pay_part() };
            vec![seen, part, stage.at_deadline(Action::CloseShort)]
        }
        Fate::UnderpaidThenCompleted => {
            vec![seen, stage.turn(10, 15, pay_part()), stage.turn(25, 40, pay())]
        }
        Fate::Expired | Fate::LostAnswer => vec![stage.at_deadline(Action::Cancel)],
        Fate::NeverPaid | Fate::Manual => Vec::new(),
        Fate::Late => vec![stage.at_deadline(Action::Cancel), stage.turn(75, 85, pay())],
        Fate::LatePaidAfterCheck => vec![stage.turn(80, 95, pay())],
        Fate::HeldThenReleased => {
            vec![seen, Timed { at: paid.at, act: Action::Lock }, stage.turn(90, 120, Action::Release)]
        }
        Fate::Refunded | Fate::RefundFailed => {
            let end = if fate == Fate::Refunded { Action::FinishRefund } else { Action::FailRefund };
            vec![seen, paid, stage.turn(120, 150, Action::StartRefund), stage.turn(180, 210, end)]
        }
        Fate::Failed => vec![seen, Timed { at: paid.at, act: Action::Fail }],
        Fate::SystemFailed => vec![Timed { at: seen.at, act: Action::SystemFail }],
        Fate::UnknownWord => {
            let word = Action::SetStatus { status: "aml_screening".to_owned() };
            vec![seen, Timed { at: paid.at, act: word }, stage.turn(25, 35, pay())]
        }
    }
}
