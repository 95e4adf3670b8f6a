//! Everything the simulated upstream knows, and the books that follow from it: records in, figures out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::time::Duration;

use serde::Serialize;

use super::fate::{Action, Fate};
use super::lag::{Moment, Source};
use super::lies::Lies;
use super::link_shape::LinkShape;
use super::order::Entry;
use super::shape::Shape;
use super::store::{Adjust, CouponRecord, Record, Store, TopUp};
use crate::domain::money::UsdMicros;
use crate::domain::time::Timestamp;

/// The honest truth that a program's own books can be held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Books {
    /// The instant they are true at.
    pub at: Timestamp,
    /// Everything ever credited, in cents; a refund takes nothing from it.
    pub total_charges_cents: i64,
    /// What the account holds: credits less refunds and spending.
    pub balance_cents: i64,
    /// Orders made through the API (PUT) that were credited, by their id, refunded ones too.
    pub credited: BTreeMap<String, Credit>,
    /// The same of orders that somebody else made on the account.
    pub credited_to_others: BTreeMap<String, Credit>,
    /// Credited by top-ups and orders of others, refunded ones too: all that is not in `credited`.
    pub elsewhere_cents: i64,
    /// Spent on services.
    pub spent_cents: i64,
}

/// What one order brought to the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Credit {
    /// Credited, in whole cents.
    pub cents: i64,
    /// The same in millionths of a dollar.
    pub micros: UsdMicros,
    /// What went back of it.
    pub refunded_cents: i64,
}

/// Why something cannot be done to an order.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// No such order.
    #[error("there is no order {0:?}")]
    Unknown(String),
    /// Not where the order stands.
    #[error("not possible: {0}")]
    Impossible(&'static str),
    /// It cannot be remembered, so it did not happen.
    #[error("the simulator's store cannot be written")]
    Store(#[from] io::Error),
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) lifetime: Duration,
    pub(super) fee_percent: u32,
    pub(super) shape: Shape,
    pub(super) links: LinkShape,
    pub(super) default_fate: Fate,
    /// Orders made from now on wait for the first look at them.
    pub(super) payers_wait: bool,
    /// By the canonical text of the amount.
    pub(super) plans: HashMap<String, Fate>,
    pub(super) plans_once: HashMap<String, VecDeque<Fate>>,
    /// What orders of an amount credit, by its canonical text.
    pub(super) credits: HashMap<String, i64>,
    pub(super) entries: Vec<Entry>,
    /// With the number of the record.
    pub(super) top_ups: Vec<(u64, TopUp)>,
    pub(super) coupons: Vec<CouponRecord>,
    pub(super) lies: Lies,
    adjusts: Vec<(u64, Adjust)>,
    /// How many there have been: the number of the next one.
    records: u64,
    pub(super) index: HashMap<String, usize>,
    /// Pages by the UUID of their link.
    pages: HashMap<String, usize>,
    store: Option<Store>,
}

impl World {
    pub(super) fn new(seed: u64, store: Option<Store>, records: Vec<Record>) -> Self {
        let mut world = Self {
            seed,
            lifetime: Duration::from_hours(1),
            fee_percent: 0,
            shape: Shape::default(),
            links: LinkShape::default(),
            default_fate: Fate::Exact,
            payers_wait: false,
            plans: HashMap::new(),
            plans_once: HashMap::new(),
            credits: HashMap::new(),
            entries: Vec::new(),
            top_ups: Vec::new(),
            coupons: Vec::new(),
            lies: Lies::default(),
            adjusts: Vec::new(),
            records: 0,
            index: HashMap::new(),
            pages: HashMap::new(),
            store,
        };
        for record in records {
            world.take(record);
        }
        world
    }

    /// Remembers first, then lets it happen.
    pub(super) fn append(&mut self, record: Record) -> io::Result<()> {
        if let Some(store) = &mut self.store {
            store.append(&record)?;
        }
        self.take(record);
        Ok(())
    }

    fn take(&mut self, record: Record) {
        let number = self.records;
        self.records = number.saturating_add(1);
        match record {
            Record::Order { order } => {
                let place = self.entries.len();
                self.index.insert(order.order_id.clone(), place);
                self.pages.extend(order.page_id().map(|page_id| (page_id.to_owned(), place)));
                self.entries.push(Entry::new(order, number));
            }
            Record::Act { order_id, at, act } => {
                let entry = self.index.get(&order_id).and_then(|place| self.entries.get_mut(*place));
                if let Some(entry) = entry {
                    entry.push(at, act, number);
                }
            }
            Record::TopUp(top_up) => self.top_ups.push((number, top_up)),
            Record::Adjust(adjust) => self.adjusts.push((number, adjust)),
            Record::Coupon(coupon) => self.coupons.push(coupon),
        }
    }

    /// The order of this id, or the page of this link's UUID.
    pub(super) fn entry(&self, id: &str) -> Option<&Entry> {
        let place = self.index.get(id).or_else(|| self.pages.get(id))?;
        self.entries.get(*place)
    }

    pub(super) fn act(&mut self, order_id: &str, at: Timestamp, act: Action) -> Result<(), ActError> {
        let entry = self.entry(order_id).ok_or_else(|| ActError::Unknown(order_id.to_owned()))?;
        entry.try_act(at, &act).map_err(ActError::Impossible)?;
        let order_id = entry.order.order_id.clone();
        self.append(Record::Act { order_id, at, act }).map_err(ActError::from)
    }

    /// The first look at an order whose story waits for it: it begins.
    pub(super) fn find_lost(&mut self, order_id: &str, at: Timestamp) -> io::Result<()> {
        if let Some(entry) = self.entry(order_id).filter(|entry| entry.is_unfound(at)) {
            let order_id = entry.order.order_id.clone();
            self.append(Record::Act { order_id, at, act: Action::Found })?;
        }
        Ok(())
    }

    /// Notes that `source` is answering now.
    pub(super) fn answer(&mut self, source: Source, now: Timestamp) {
        self.lies.lags.answer(source, Moment { at: now, records: self.records });
    }

    /// The moment whose truth `source` shows now of the order or top-up `key`.
    pub(super) fn moment(&self, source: Source, key: &str, now: Timestamp) -> Moment {
        self.lies.lags.moment(source, self.seed, key, now)
    }

    /// The books at `at`.
    pub(super) fn books(&self, at: Timestamp) -> Books {
        self.books_by(at, |_| Moment::from(at))
    }

    /// The books with each credit as it stood at a moment of its own.
    pub(super) fn books_by(&self, at: Timestamp, moment: impl Fn(&str) -> Moment) -> Books {
        let (mut credited, mut credited_to_others) = (BTreeMap::new(), BTreeMap::new());
        let (mut total, mut balance, mut elsewhere, mut spent) = (0_i64, 0_i64, 0_i64, 0_i64);
        for entry in &self.entries {
            let standing = entry.standing(moment(&entry.order.order_id));
            let Some(cents) = standing.credited_cents else { continue };
            total = total.saturating_add(cents);
            balance = balance.saturating_add(cents).saturating_sub(standing.refunded_cents);
            let micros = UsdMicros::from_cents(cents).unwrap_or_default();
            let credit = Credit { cents, micros, refunded_cents: standing.refunded_cents };
            let order_id = entry.order.order_id.clone();
            if entry.order.elsewhere {
                elsewhere = elsewhere.saturating_add(cents);
                credited_to_others.insert(order_id, credit);
            } else {
                credited.insert(order_id, credit);
            }
        }
        for (number, top_up) in &self.top_ups {
            if !moment(&top_up.pay_id).has(top_up.at, *number) {
                continue;
            }
            total = total.saturating_add(top_up.cents);
            balance = balance.saturating_add(top_up.cents);
            elsewhere = elsewhere.saturating_add(top_up.cents);
        }
        for (number, adjust) in &self.adjusts {
            if !moment(&format!("adjust {number}")).has(adjust.at, *number) {
                continue;
            }
            total = total.saturating_add(adjust.total_charges_cents);
            balance = balance.saturating_add(adjust.balance_cents);
            if adjust.spent {
                spent = spent.saturating_sub(adjust.balance_cents);
            }
        }
        Books {
            at,
            total_charges_cents: total,
            balance_cents: balance,
            credited,
            credited_to_others,
            elsewhere_cents: elsewhere,
            spent_cents: spent,
        }
    }
}
