//! How the journal, the upstream's invoice list and its total are held against each other (docs/design/reconciliation.md, sections 4
//! and 5). Pure: figures in, verdicts out.
//!
//! Two comparisons. The journal against the rows, deposit by deposit: [`compare`]. The rows against the total, in one
//! formula: [`AccountFigures::drift`]. What is read of a row and what it counts: `rows`. Which row is whose: `matching`.

mod account;
mod comparison;
mod matching;
mod rows;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::account::{AccountFigures, BaselineCandidate, Drift, agree_on_baseline};
pub use self::comparison::{Accepted, DepositRows, Verdict, compare};
pub use self::matching::{
    IdMatch, LIKENESS_LIMIT, Match, ProbableDeposit, TOO_MANY, TWO_NAMES, UnmatchedInvoice, decide, probable,
};
pub use self::rows::{content_hash, could_count, identity_hash};
use super::ids::DepositId;

/// By which field a row was recognised as a deposit's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchRule {
    /// `payId` is our `order_id`.
    PayIdIsOrder,
    /// `sesid` is our `order_id`.
    SesidIsOrder,
    /// `payId` is the UUID of the payment link.
    PayIdIsLink,
    /// `sesid` is the UUID of the payment link.
    SesidIsLink,
    /// The same amount at the same time: probable. It is shown, and counts nothing.
    AmountAndTime,
}

impl MatchRule {
    /// Those that are certain.
    pub const CERTAIN: &[Self] =
        &[Self::PayIdIsOrder, Self::SesidIsOrder, Self::PayIdIsLink, Self::SesidIsLink];

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

/// The kinds of difference (docs/interface.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseKind {
    /// Booked here and credited in the list, with other figures.
    AmountMismatch,
    /// Booked here, and the list has no row of it.
    InvoiceMissing,
    /// Credited on one side only.
    StatusMismatch,
    /// The total is not the sum of the credited rows, the baseline and what was accepted.
    TotalChargesDrift,
    /// The total fell below what it was seen to be.
    TotalFell,
    /// Many credited rows have other amounts than they had.
    RowsChanged,
    /// A row that could count cannot be read.
    RowUnread,
    /// The ledger was restored: what was made upstream in between is not in it.
    Restored,
}

impl CaseKind {
    /// Every kind that a run can open.
    pub const ALL: &[Self] = &[
        Self::AmountMismatch,
        Self::InvoiceMissing,
        Self::StatusMismatch,
        Self::TotalChargesDrift,
        Self::TotalFell,
        Self::RowsChanged,
        Self::RowUnread,
        Self::Restored,
    ];

    /// The word in the ledger and the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AmountMismatch => "amount_mismatch",
            Self::InvoiceMissing => "invoice_missing",
            Self::StatusMismatch => "status_mismatch",
            Self::TotalChargesDrift => "total_charges_drift",
            Self::TotalFell => "total_fell",
            Self::RowsChanged => "rows_changed",
            Self::RowUnread => "row_unread",
            Self::Restored => "restored",
        }
    }

    /// Reads the word; `None` also for kinds of earlier versions.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }

    /// True for the kinds that are about one deposit's credit.
    #[must_use]
    pub const fn is_of_deposit(self) -> bool {
        matches!(self, Self::AmountMismatch | Self::InvoiceMissing | Self::StatusMismatch)
    }

    /// True for the kinds that a run opens while it changes nothing else, and that only a person ends.
    #[must_use]
    pub const fn is_of_incomplete_run(self) -> bool {
        matches!(self, Self::TotalFell | Self::RowsChanged)
    }
}

impl fmt::Display for CaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind.
    pub kind: CaseKind,
    /// About which deposit.
    pub deposit_id: Option<DepositId>,
    /// About which order, or which row by what it is called.
    pub order_id: Option<String>,
    /// About which row of the list, by the ledger's number.
    pub row: Option<i64>,
    /// Our side, in words.
    pub expected: String,
    /// The upstream's side, in words.
    pub found: String,
    /// Our side in cents, where it is a figure.
    pub expected_cents: Option<i64>,
    /// The upstream's side in cents, where it is a figure.
    pub found_cents: Option<i64>,
    /// What else helps to understand it: the rows and figures behind it.
    pub detail: Option<String>,
}

impl Difference {
    /// One about the whole account.
    #[must_use]
    pub const fn of_account(kind: CaseKind, expected: String, found: String) -> Self {
        Self {
            kind,
            deposit_id: None,
            order_id: None,
            row: None,
            expected,
            found,
            expected_cents: None,
            found_cents: None,
            detail: None,
        }
    }

    /// By how much the upstream's side exceeds ours, where both are figures.
    #[must_use]
    pub fn cents(&self) -> Option<i64> {
        Some(self.found_cents?.saturating_sub(self.expected_cents?))
    }

    /// Kind and subject: there is at most one open case for each.
    #[must_use]
    pub fn key(&self) -> String {
        let subject = match (&self.deposit_id, self.row) {
            (Some(id), _) => id.to_string(),
            (None, Some(row)) => row.to_string(),
            (None, None) => "account".to_owned(),
        };
        format!("{}:{subject}", self.kind)
    }
}
