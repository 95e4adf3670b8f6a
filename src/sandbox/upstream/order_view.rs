//! An order as a person sees it.

use serde::Serialize;

use super::fate::Fate;
use super::link_shape::OrderMethod;
use super::order::Entry;
use crate::domain::asset::Asset;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::time::Timestamp;

/// An order as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderView {
    /// The upstream's name for it. The link of a page or a card does not say it.
    pub order_id: String,
    /// How it is paid.
    pub method: OrderMethod,
    /// The currency and its network; none for a card.
    pub asset: Option<Asset>,
    /// Dollars asked for, as they were written in the path; cents in the path are turned into dollars.
    pub asked: Amount,
    /// Dollars required.
    pub required: UsdMicros,
    /// What is to be paid, in the currency; in dollars by a card.
    pub amount_crypto: String,
    /// Where to; empty for a card.
    pub address: String,
    /// The payment page, or the card's link; the true one, whatever was answered.
    pub url: String,
    /// The coupon that was spent on it.
    pub coupon: Option<String>,
    /// Its fate.
    pub fate: Fate,
    /// When it was made.
    pub created_at: Timestamp,
    /// The deadline as it is now.
    pub expire_at: Timestamp,
    /// The status word now.
    pub status: String,
    /// What has arrived.
    pub arrived: UsdMicros,
    /// What the account was credited with, once it was.
    pub credited_cents: Option<i64>,
    /// What went back of it.
    pub refunded_cents: i64,
    /// The transaction on the chain; empty for a card.
    pub txid: String,
    /// Made by somebody else on the account: see [`super::SimulatedUpstream::order_elsewhere`].
    pub elsewhere: bool,
}

impl OrderView {
    /// The order as it stands at `at`.
    pub(super) fn of(entry: &Entry, at: Timestamp) -> Self {
        let (order, standing) = (&entry.order, entry.standing(at));
        Self {
            order_id: order.order_id.clone(),
            method: order.method,
            asset: order.asset,
            asked: order.asked.clone(),
            required: order.required,
            amount_crypto: order.crypto.to_string(),
            url: order.url(),
            coupon: order.coupon.clone(),
            fate: order.fate,
            created_at: order.created_at,
            txid: order.txid.clone(),
            elsewhere: order.elsewhere,
            address: standing.address,
            expire_at: standing.expire_at,
            status: standing.status,
            arrived: standing.arrived,
            credited_cents: standing.credited_cents,
            refunded_cents: standing.refunded_cents,
        }
    }
}
