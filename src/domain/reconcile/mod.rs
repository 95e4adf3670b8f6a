//! What counts as a difference between a deposit and its invoice; how the two are matched, and what lost attempts made.

#[cfg(test)]
mod edge_tests;
mod lost;
mod matching;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::lost::{Lost, SKEW, Stray, Unnamed, claim, claim_unnamed};
pub use self::matching::{Candidate, Claim, Loose, Match, Matcher, is_processor, name_of, print_of};
use super::deposit::State;
use super::ids::DepositId;
use super::money::UsdMicros;
use super::report::Status;

/// By which field an invoice was recognised as a deposit's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// `payId` is our `order_id`.
    PayIdIsOrder,
    /// `sesid` is our `order_id`.
    SesidIsOrder,
    /// `payId` is the UUID of the payment link.
    PayIdIsLink,
    /// `sesid` is the UUID of the payment link.
    SesidIsLink,
    /// The same amount at the same time: probable, not certain.
    AmountAndTime,
}

impl Rule {
    /// Those that are certain, in the order in which they are tried while none has been learnt.
    pub const CERTAIN: &[Self] =
        &[Self::PayIdIsOrder, Self::SesidIsOrder, Self::PayIdIsLink, Self::SesidIsLink];

    /// The rule that the upstream's lists have borne out most often, given how many invoices each has matched.
    #[must_use]
    pub fn learnt(matched: impl Fn(Self) -> i64) -> Option<Self> {
        // The last of equals wins: hence from the back.
        Self::CERTAIN
            .iter()
            .rev()
            .copied()
            .filter(|rule| matched(*rule) > 0)
            .max_by_key(|rule| matched(*rule))
    }

    /// The word in the ledger and the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PayIdIsOrder => "pay_id_is_order",
            Self::SesidIsOrder => "sesid_is_order",
            Self::PayIdIsLink => "pay_id_is_link",
            Self::SesidIsLink => "sesid_is_link",
            Self::AmountAndTime => "amount_and_time",
        }
    }
}

/// The kinds of difference (INTERFACE.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Booked here and invoiced there, with other figures.
    AmountMismatch,
    /// Booked here, not invoiced there.
    InvoiceMissing,
    /// Credited on one side only.
    StatusMismatch,
    /// A wallet of ours that nobody was shown.
    AbandonedWallet,
    /// `totalCharges` is not the sum of the credited invoices.
    TotalChargesDrift,
    /// The balance rose without a top-up.
    BalanceRise,
}

impl Kind {
    /// The word in the ledger and the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AmountMismatch => "amount_mismatch",
            Self::InvoiceMissing => "invoice_missing",
            Self::StatusMismatch => "status_mismatch",
            Self::AbandonedWallet => "abandoned_wallet",
            Self::TotalChargesDrift => "total_charges_drift",
            Self::BalanceRise => "balance_rise",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind.
    pub kind: Kind,
    /// About which deposit.
    pub deposit_id: Option<DepositId>,
    /// About which order.
    pub order_id: Option<String>,
    /// Our figure.
    pub expected: String,
    /// The upstream's.
    pub found: String,
}

impl Difference {
    /// Kind and subject: there is at most one open case for each.
    #[must_use]
    pub fn key(&self) -> String {
        let subject = match (&self.deposit_id, &self.order_id) {
            // An abandoned wallet is its own subject: one deposit may leave several.
            (_, Some(order)) if self.kind == Kind::AbandonedWallet => order.clone(),
            (Some(id), _) => id.to_string(),
            (None, Some(order)) => order.clone(),
            (None, None) => "account".to_owned(),
        };
        format!("{}:{subject}", self.kind)
    }
}

/// A deposit and its invoice, side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Which deposit.
    pub deposit_id: DepositId,
    /// Its order.
    pub order_id: String,
    /// Where it stands here.
    pub state: State,
    /// What is booked here.
    pub booked: Option<UsdMicros>,
    /// The invoice's amount; `None` where it cannot be read.
    pub invoice_cents: Option<i64>,
    /// The invoice's raw status.
    pub invoice_status: Option<String>,
}

impl Pair {
    /// Whether the invoice tells of money, short or on its way back, that the deposit has not heard of: what of it is in
    /// the upstream's total, its next look says.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        let word = self.invoice_status.as_deref().and_then(Status::parse);
        let of_money = matches!(
            word,
            Some(Status::WrongAmount | Status::RefundProcess | Status::RefundPaid | Status::RefundFail)
        );
        self.booked.is_none()
            && of_money
            && !matches!(self.state, State::Short | State::Refunding | State::Refunded)
    }
}

/// The figure of an invoice whose amount cannot be read.
pub const UNREADABLE: &str = "unreadable";

/// Compares a deposit with its invoice; `None` where they agree.
#[must_use]
pub fn compare(pair: &Pair, tolerance_cents: i64) -> Option<Difference> {
    let difference = |kind, expected: String, found: String| {
        Some(Difference {
            kind,
            deposit_id: Some(pair.deposit_id),
            order_id: Some(pair.order_id.clone()),
            expected,
            found,
        })
    };
    let word = pair.invoice_status.as_deref().unwrap_or("none");
    let status = pair.invoice_status.as_deref().and_then(Status::parse);
    let credited = status.is_some_and(Status::is_credited);
    let invoiced =
        pair.invoice_cents.map(|cents| UsdMicros::from_cents(cents).unwrap_or(UsdMicros::new(i64::MAX)));
    match (pair.booked, status) {
        (Some(_), Some(Status::RefundProcess | Status::RefundPaid | Status::RefundFail))
            if matches!(pair.state, State::Refunding | State::Refunded | State::Settled) =>
        {
            // A refund that failed leaves the credit; one under way is seen by the next look.
            (status == Some(Status::RefundPaid) && pair.state != State::Refunded)
                .then(|| difference(Kind::StatusMismatch, pair.state.to_string(), word.to_owned()))
                .flatten()
        }
        (Some(_), Some(Status::WrongAmount)) if pair.state == State::Short => None,
        (Some(booked), _) if credited => {
            let Some(invoiced) = invoiced else {
                return difference(Kind::AmountMismatch, booked.to_string(), UNREADABLE.to_owned());
            };
            let apart = booked.get().abs_diff(invoiced.get());
            let tolerated = tolerance_cents.unsigned_abs().saturating_mul(10_000);
            (apart >= 10_000 && apart > tolerated)
                .then(|| difference(Kind::AmountMismatch, booked.to_string(), invoiced.to_string()))
                .flatten()
        }
        (Some(_), _) => difference(Kind::StatusMismatch, pair.state.to_string(), word.to_owned()),
        (None, _) if credited || pair.is_unheard() => {
            difference(Kind::StatusMismatch, pair.state.to_string(), word.to_owned())
        }
        (None, _) => None,
    }
}
