//! What the upstream reports, in our types: an order, an invoice, the balance, a coupon.

use super::money::Amount;
use super::time::Timestamp;

/// What the upstream says of one order, on creation and at every poll (docs/contract.md, sections 1 and 2). Every field
/// is optional there; absence is not contradiction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderReport {
    /// `order_id`.
    pub order_id: Option<String>,
    /// `to_address`.
    pub address: Option<String>,
    /// `currency`, in whatever case.
    pub currency: Option<String>,
    /// `network`, in whatever case.
    pub network: Option<String>,
    /// `amountInUSD`.
    pub amount_usd: Option<Amount>,
    /// `amountInCrypto`.
    pub amount_crypto: Option<Amount>,
    /// `expire_at`.
    pub expire_at: Option<Timestamp>,
    /// `url`.
    pub url: Option<String>,
    /// The status word as it was written, from the first place that holds a string.
    pub status: Option<String>,
    /// `txid`.
    pub txid: Option<String>,
    /// `payment_amount`: what arrived, in the currency.
    pub payment_amount: Option<Amount>,
    /// `payment_amount_usd`: what arrived, in US dollars.
    pub payment_amount_usd: Option<Amount>,
    /// `payer_amount`: what the payer sent, in the currency.
    pub payer_amount: Option<Amount>,
    /// `refund_amount`: what went back, in the currency. Not documented; read where it is given.
    pub refund_amount: Option<Amount>,
    /// `refund_amount_usd`: what went back, in US dollars. Not documented; read where it is given.
    pub refund_amount_usd: Option<Amount>,
    /// What else a payer must give for the payment to arrive: `memo`, `tag`, `dest_tag`, `payment_id` or `comment`.
    pub memo: Option<String>,
    /// Fields that could not be read, each with what was wrong with it; of an answer to a creation also those that a
    /// payer needs and that are missing: `amountInUSD is not an amount`, `expire_at is missing`.
    pub unreadable: Vec<String>,
    /// The upstream's own clock when it answered: the `Date` of the answer (RFC 9110, section 6.6.1).
    pub answered_at: Option<Timestamp>,
    /// It is made of rows of the invoice list, and no answer of the status call.
    pub listed: bool,
}

impl OrderReport {
    /// True where `instant` has come by both clocks: ours, which shows `now`, and the upstream's, where it is known.
    /// Either may be wrong by hours, so neither decides alone.
    #[must_use]
    pub fn agrees_that_past(&self, instant: Timestamp, now: Timestamp) -> bool {
        agree_that_past(instant, now, self.answered_at)
    }
}

/// The same for two readings: ours, and the upstream's where it is known.
pub(in crate::domain) fn agree_that_past(
    instant: Timestamp,
    ours: Timestamp,
    theirs: Option<Timestamp>,
) -> bool {
    ours >= instant && theirs.is_none_or(|theirs| theirs >= instant)
}

/// One top-up in the upstream's history, ours or not (docs/contract.md, section 3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Invoice {
    /// `sesid`.
    pub sesid: Option<String>,
    /// `payId`.
    pub pay_id: Option<String>,
    /// `method`, in whatever case.
    pub method: Option<String>,
    /// `amount`, whole US cents; `None` where it cannot be read, which [`Invoice::flaw`] then says.
    pub amount_cents: Option<i64>,
    /// `created`, read with the configured zone; `None` where it is unreadable.
    pub created: Option<Timestamp>,
    /// `expires_at`, read with the configured zone; `None` where it is missing or unreadable.
    pub expires_at: Option<Timestamp>,
    /// `status` as it was written.
    pub status: Option<String>,
    /// What of it money or identity hangs on and cannot be read.
    pub flaw: Option<String>,
}

/// The account's figures (docs/contract.md, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// `balance`, whole US cents; falls as services are bought.
    pub balance_cents: i64,
    /// `totalCharges`, whole US cents; only grows.
    pub total_charges_cents: i64,
}

/// A coupon of the account (docs/contract.md, section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupon {
    /// `code`.
    pub code: String,
    /// `status` as it was written, e.g. `issued`.
    pub status: Option<String>,
    /// `percentage` of discount.
    pub percentage: Option<i64>,
    /// `expiredAt`, read with the configured zone.
    pub expired_at: Option<Timestamp>,
}
