//! How an order is made: its fate, its figures, its names and what pays it.

use std::collections::VecDeque;

use super::fate::Fate;
use super::link::{self, CardLink};
use super::link_shape::OrderMethod;
use super::order::Order;
use super::rng::Rng;
use super::store::Record;
use super::world::World;
use super::{address, figures};
use crate::domain::asset::Asset;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

/// How an order is to be paid.
pub(super) enum OrderPath {
    Wallet(Asset),
    Page,
    /// By a card, to the account of this user.
    Card(String),
}

/// What an order is made of.
pub(super) struct OrderToMake {
    pub(super) path: OrderPath,
    pub(super) asked: Amount,
    pub(super) coupon: Option<String>,
    /// Somebody else makes it, with this fate.
    pub(super) elsewhere: Option<Fate>,
}

/// An order that was made.
pub(super) struct MadeOrder {
    pub(super) order_id: String,
    pub(super) fate: Fate,
    /// The answer names this order, an older one, in its place.
    pub(super) answered_as: Option<String>,
}

/// Why no order is made (docs/contract.md, section 1).
#[derive(Debug)]
pub(super) enum Refusal {
    Coupon,
    Store,
}

impl World {
    /// The fate of the next order of this amount.
    fn fate_of(&mut self, asked: &Amount) -> Fate {
        let key = asked.canonical();
        let once = self.plans_once.get_mut(&key).and_then(VecDeque::pop_front);
        once.or_else(|| self.plans.get(&key).copied()).unwrap_or(self.default_fate)
    }

    /// Makes an order.
    pub(super) fn create(&mut self, new: OrderToMake, now: Timestamp) -> Result<MadeOrder, Refusal> {
        let OrderToMake { path, asked, coupon, elsewhere } = new;
        let fate = elsewhere.unwrap_or_else(|| self.fate_of(&asked));
        let discount = match &coupon {
            Some(code) if fate != Fate::RefusedCoupon => {
                i64::from(self.valid_coupon(code, now).ok_or(Refusal::Coupon)?)
            }
            Some(_) => return Err(Refusal::Coupon),
            None => 0,
        };
        let number = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        let seed = Rng::seed_of(self.seed, number);
        let mut dice = Rng::new(seed);
        let micros = asked.to_usd_micros().unwrap_or_default();
        let (method, asset, card) = self.payment(path, seed);
        let required = match method {
            OrderMethod::Wallet => figures::required(micros, self.fee_percent),
            OrderMethod::Page | OrderMethod::Card => micros,
        };
        let to_pay = figures::portion(required, 100_i64.saturating_sub(discount), 100);
        let credits_cents = self.credits.get(&asked.canonical()).copied().filter(|_| elsewhere.is_none());
        let mut order = Order {
            order_id: dice.uuid().to_string(),
            url_uuid: dice.uuid().to_string(),
            sesid: dice.hex::<16>(),
            address: asset.map(|asset| address::make(asset.network, &mut dice)).unwrap_or_default(),
            txid: asset.map(|asset| address::transaction(asset.network, &mut dice)).unwrap_or_default(),
            method,
            card,
            asset,
            asked,
            required,
            crypto: match asset {
                Some(asset) => figures::crypto(asset.currency, to_pay),
                None => figures::decimal(to_pay),
            },
            created_at: now,
            // Whole seconds, as `expire_at` is answered.
            expire_at: Timestamp::from_seconds(now.plus(self.lifetime).as_millis().div_euclid(1000)),
            coupon,
            fate,
            dice: seed,
            elsewhere: elsewhere.is_some(),
            credits_cents,
            waits: self.payers_wait && elsewhere.is_none(),
        };
        let is_own_wallet = method == OrderMethod::Wallet && !order.elsewhere;
        let answered_as = if is_own_wallet { self.rename(&mut order) } else { None };
        let order_id = order.order_id.clone();
        self.append(Record::Order { order }).map_err(|_| Refusal::Store)?;
        Ok(MadeOrder { order_id, fate, answered_as })
    }

    /// What an order of this path is paid by. Thrown apart from the order's other dice.
    fn payment(&self, path: OrderPath, seed: u64) -> (OrderMethod, Option<Asset>, Option<CardLink>) {
        let mut dice = Rng::new(seed ^ 0x9a7e_71a4);
        match path {
            OrderPath::Wallet(asset) => (OrderMethod::Wallet, Some(asset), None),
            OrderPath::Page => (OrderMethod::Page, link::picked(&mut dice), None),
            OrderPath::Card(user_id) => {
                let card = CardLink::make(&user_id, self.links.card_row_id, &mut dice);
                (OrderMethod::Card, None, Some(card))
            }
        }
    }

    /// Gives a new wallet the address and the id that were chosen for it. An id that is taken already is only answered.
    fn rename(&mut self, order: &mut Order) -> Option<String> {
        if self.lies.share_address {
            let network = order.asset.map(|asset| asset.network);
            let mut ours = self
                .entries
                .iter()
                .map(|entry| &entry.order)
                .filter(|order| !order.elsewhere && order.method == OrderMethod::Wallet);
            if let Some(first) = ours.find(|first| first.asset.map(|asset| asset.network) == network) {
                order.address.clone_from(&first.address);
            }
        }
        if let Some(address) = self.lies.next_address.take() {
            order.address = address;
        }
        let chosen = self.lies.next_order_id.take()?;
        if self.index.contains_key(&chosen) {
            return Some(chosen);
        }
        order.order_id = chosen;
        None
    }

    /// The discount of a coupon that may be used: it may be used more than once until it expires.
    fn valid_coupon(&self, code: &str, now: Timestamp) -> Option<u8> {
        let known = self.coupons.iter().find(|coupon| coupon.code == code && coupon.expires_at > now)?;
        Some(known.percentage)
    }
}
