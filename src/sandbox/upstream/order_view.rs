//! An order as a person sees it.

use serde::Serialize;

use super::answers;
use super::fate::Fate;
use super::order::Entry;
use crate::domain::asset::Asset;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::time::Timestamp;

/// An order as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderView {
    /// The upstream's name for it.
    pub order_id: String,
    /// The currency and its network.
    pub asset: Asset,
    /// Dollars asked for, as they were written in the path.
    pub asked: Amount,
    /// Dollars required.
    pub required: UsdMicros,
    /// What is to be paid, in the currency.
    pub amount_crypto: String,
    /// Where to.
    pub address: String,
    /// The payment page.
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
    /// The transaction on the chain.
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
            asset: order.asset,
            asked: order.asked.clone(),
            required: order.required,
            amount_crypto: order.crypto.to_string(),
            url: answers::url(entry),
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
