//! What all connections and handles of one simulator share, and the locks around it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::calls::Calls;
use super::fate::Fate;
use super::faults::{Call, Faults};
use super::lag::{Lag, Source};
use super::lies::AccountLie;
use super::making::{OrderPath, OrderToMake, Refusal};
use super::order_view::OrderView;
use super::rng::Rng;
use super::settings::SimulatorSettings;
use super::shape::Shape;
use super::store::{Adjust, CouponRecord, Record, Store, TopUp};
use super::world::World;
use crate::clock::SharedClock;
use crate::domain::asset::Asset;
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;

pub(super) struct SimulatorState {
    pub(super) user_id: String,
    pub(super) api_key: String,
    pub(super) clock: SharedClock,
    world: Mutex<World>,
    faults: Mutex<Faults>,
    calls: Mutex<Calls>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimulatorState {
    pub(super) fn open(settings: &SimulatorSettings) -> io::Result<Self> {
        let (store, records) = match &settings.store {
            Some(path) => {
                let (store, records) = Store::open(path)?;
                (Some(store), records)
            }
            None => (None, Vec::new()),
        };
        Ok(Self {
            user_id: settings.user_id.clone(),
            api_key: settings.api_key.clone(),
            clock: settings.clock.clone(),
            world: Mutex::new(World::new(settings.seed, store, records)),
            faults: Mutex::default(),
            calls: Mutex::default(),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(super) fn shape(&self) -> Shape {
        self.world().shape
    }

    pub(super) fn account(&self) -> AccountLie {
        self.world().lies.account
    }

    pub(super) fn set_lag(&self, source: Source, lag: Lag) {
        self.world().lies.lags.set(source, lag);
    }

    pub(super) fn tell_the_truth(&self) {
        self.world().lies.clear();
        for source in [Source::Status, Source::List, Source::Total] {
            self.set_lag(source, Lag::None);
        }
    }

    pub(super) fn order_elsewhere(&self, asset: Asset, amount: &str, fate: Fate) -> io::Result<String> {
        let invalid = |_| io::Error::new(io::ErrorKind::InvalidInput, "an amount that cannot be asked for");
        let asked = Amount::parse_request(amount).map_err(invalid)?;
        let path = OrderPath::Wallet(asset);
        let new = OrderToMake { path, asked, coupon: None, elsewhere: Some(fate) };
        let now = self.now();
        let made = self.world().create(new, now);
        made.map(|made| made.order_id).map_err(|refusal| match refusal {
            Refusal::Coupon => io::Error::new(io::ErrorKind::InvalidInput, "no coupon"),
            Refusal::Store => io::Error::other("the simulator's store cannot be written"),
        })
    }

    pub(super) fn log(&self, call: Call, order_id: Option<String>, at: Timestamp) {
        lock(&self.calls).push(call, order_id, at);
    }

    pub(super) fn calls(&self) -> Calls {
        lock(&self.calls).clone()
    }

    pub(super) fn orders(&self) -> Vec<OrderView> {
        let now = self.now();
        self.world().entries.iter().map(|entry| OrderView::of(entry, now)).collect()
    }

    pub(super) fn plan(&self, amount: &str, fate: Fate) {
        self.world().plans.insert(key(amount), fate);
    }

    pub(super) fn plan_credit(&self, amount: &str, cents: i64) {
        self.world().credits.insert(key(amount), cents);
    }

    pub(super) fn plan_next(&self, amount: &str, fate: Fate) {
        self.world().plans_once.entry(key(amount)).or_default().push_back(fate);
    }

    pub(super) fn top_up_elsewhere(&self, cents: i64, method: &str) -> io::Result<()> {
        let at = self.now();
        let mut world = self.world();
        let number = u64::try_from(world.top_ups.len()).unwrap_or(u64::MAX);
        let mut dice = Rng::new(Rng::seed_of(!world.seed, number));
        let (sesid, pay_id) = (dice.hex::<16>(), dice.uuid().to_string());
        world.append(Record::TopUp(TopUp { at, cents, method: method.to_owned(), sesid, pay_id }))
    }

    pub(super) fn spend(&self, cents: i64) -> io::Result<()> {
        self.adjust(cents.saturating_neg(), 0, true)
    }

    pub(super) fn adjust(&self, balance_cents: i64, total_charges_cents: i64, spent: bool) -> io::Result<()> {
        let at = self.now();
        self.world().append(Record::Adjust(Adjust { at, balance_cents, total_charges_cents, spent }))
    }

    pub(super) fn add_coupon(&self, code: &str, percentage: u8, days: u32) -> io::Result<()> {
        let issued_at = self.now();
        let expires_at = issued_at.plus(Duration::from_hours(u64::from(days).saturating_mul(24)));
        let code = code.to_owned();
        let percentage = percentage.min(99);
        self.world().append(Record::Coupon(CouponRecord { code, percentage, issued_at, expires_at }))
    }
}

/// Amounts are planned by value; what is no amount is never asked for.
fn key(amount: &str) -> String {
    Amount::parse(amount).map_or_else(|_| amount.to_owned(), |amount| amount.canonical())
}
