//! The variants of the shapes that the contract leaves open.

use serde::{Deserialize, Serialize};

/// What the contract leaves open, chosen by the test or the person at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shape {
    /// Where a look's status word stands.
    pub status_at: StatusAt,
    /// Which field of an invoice tells the order.
    pub id_field: IdField,
    /// Where an error's text stands.
    pub error_at: ErrorAt,
    /// Looks do not say `payment_amount`, `payment_amount_usd` and `is_final`.
    pub without_payment_figures: bool,
    /// Amounts of wallets and looks are JSON numbers in place of strings.
    pub bare_numbers: bool,
    /// Status words are in capitals.
    pub capital_status: bool,
}

/// Where a look's status word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusAt {
    /// `body.status`
    #[default]
    Status,
    /// `body.payment_status`
    PaymentStatus,
    /// `body.transaction.status`
    TransactionStatus,
    /// `body.state`
    State,
    /// Nowhere while the word is `check`; else `body.status`.
    AbsentWhileCheck,
}

/// Which field of an invoice tells the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdField {
    /// `payId` is the `order_id`.
    #[default]
    PayId,
    /// `sesid` is the `order_id`.
    Sesid,
    /// `payId` is the UUID at the end of the wallet's `url`.
    UrlUuid,
    /// Both mean nothing.
    None,
}

/// Where an error's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorAt {
    /// `body`
    #[default]
    Body,
    /// `message`
    Message,
    /// `error.message`
    ErrorObject,
    /// The text alone, no JSON.
    Plain,
}
