//! The simulator as a program holds it: started, told what to do, asked for the truth, and stopped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::calls::Calls;
use super::fate::{Action, Fate};
use super::faults::{Call, Fault, OutageStyle};
use super::link_shape::LinkShape;
use super::order_view::OrderView;
use super::serve;
use super::settings::SimulatorSettings;
use super::shape::Shape;
use super::state::SimulatorState;
use super::world::{ActError, Books};
use crate::domain::time::Timestamp;

/// A running simulator. Copies share it; it stops with the last of them, or by [`SimulatedUpstream::stop`].
#[derive(Clone)]
pub struct SimulatedUpstream {
    pub(super) shared: Arc<SimulatorState>,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
    _guard: Arc<DropGuard>,
}

impl std::fmt::Debug for SimulatedUpstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedUpstream").field("address", &self.address).finish_non_exhaustive()
    }
}

impl SimulatedUpstream {
    /// Reads the store and listens.
    ///
    /// # Errors
    /// An address that is not loopback or not free; a store that cannot be read.
    pub async fn start(settings: SimulatorSettings) -> io::Result<Self> {
        if !settings.listen.ip().is_loopback() {
            let why = "the simulated upstream listens on loopback only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(SimulatorState::open(&settings)?);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(serve::accept(listener, Arc::clone(&shared), stop.clone(), tasks.clone()));
        let guard = Arc::new(stop.clone().drop_guard());
        Ok(Self { shared, address, stop, tasks, _guard: guard })
    }

    /// `http://127.0.0.1:PORT`, to stand in for the upstream's address.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes every connection and the listener; the port is free afterwards.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Every order of exactly this requested amount (by value: `5.1` is `5.10`) gets this fate.
    pub fn plan(&self, amount: &str, fate: Fate) {
        self.shared.plan(amount, fate);
    }

    /// The next order of this amount that has no such fate yet gets this one; goes before [`Self::plan`].
    pub fn plan_next(&self, amount: &str, fate: Fate) {
        self.shared.plan_next(amount, fate);
    }

    /// Every order of exactly this requested amount credits the account with so many cents, whatever arrives and looks
    /// say of it: the list and the total have that figure.
    pub fn plan_credit(&self, amount: &str, cents: i64) {
        self.shared.plan_credit(amount, cents);
    }

    /// What all other orders get; [`Fate::Exact`] at first.
    pub fn set_default_fate(&self, fate: Fate) {
        self.shared.world().default_fate = fate;
    }

    /// Whether orders made from now on are paid by nobody before the first look at them: who never asks about an order
    /// did not get its answer, and has shown its address to nobody. A look at the UUID of a page's link is one, known
    /// or not; a card cannot be asked about, and waits for its link to be answered. By hand they can be paid at any time.
    pub fn set_payers_wait(&self, on: bool) {
        self.shared.world().payers_wait = on;
    }

    /// Chooses among what the contract leaves open.
    pub fn set_shape(&self, shape: Shape) {
        self.shared.world().shape = shape;
    }

    /// Chooses among what the contract leaves open of payment pages and cards.
    pub fn set_links(&self, links: LinkShape) {
        self.shared.world().links = links;
    }

    /// How long orders live that are made from now on; one hour at first. Fates scale with it.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.shared.world().lifetime = lifetime;
    }

    /// A fee on wallets (not on pages and cards) made from now on: with 3, the contract's `amountInUSD` of 5.00 for 5.15.
    pub fn set_fee_percent(&self, fee_percent: u32) {
        self.shared.world().fee_percent = fee_percent;
    }

    /// The next `times` calls of this kind go wrong in this way; `u32::MAX` is for ever.
    pub fn inject(&self, call: Call, fault: Fault, times: u32) {
        self.shared.faults().inject(call, None, fault, times);
    }

    /// The same for looks at one order.
    pub fn inject_for(&self, order_id: &str, fault: Fault, times: u32) {
        self.shared.faults().inject(Call::Look, Some(order_id), fault, times);
    }

    /// Takes back every fault and outage.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// From now on every call fails, or none does.
    pub fn set_outage(&self, on: bool) {
        self.shared.faults().set_outage(on);
    }

    /// Every call fails from `from` until before `to`, by the simulator's clock.
    pub fn plan_outage(&self, from: Timestamp, to: Timestamp) {
        self.shared.faults().plan_outage(from, to);
    }

    /// How calls fail during outages.
    pub fn set_outage_style(&self, style: OutageStyle) {
        self.shared.faults().style = style;
    }

    /// Does something to an order by hand, named by its id or by the UUID of its page's link.
    ///
    /// # Errors
    /// [`ActError`]; then nothing has happened.
    pub fn act(&self, order_id: &str, act: Action) -> Result<(), ActError> {
        let now = self.shared.now();
        self.shared.world().act(order_id, now, act)
    }

    /// Somebody tops the account up by other means: an invoice that is none of ours, credited at once.
    pub fn top_up_elsewhere(&self, cents: i64, method: &str) -> io::Result<()> {
        self.shared.top_up_elsewhere(cents, method)
    }

    /// The customer buys services.
    pub fn spend(&self, cents: i64) -> io::Result<()> {
        self.shared.spend(cents)
    }

    /// Moves the account's figures without any invoice: history from before the first order, drift, gifts.
    pub fn adjust(&self, balance_cents: i64, total_charges_cents: i64) -> io::Result<()> {
        self.shared.adjust(balance_cents, total_charges_cents, false)
    }

    /// The account receives a coupon, good for `days` from now; may be used more than once until then.
    pub fn add_coupon(&self, code: &str, percentage: u8, days: u32) -> io::Result<()> {
        self.shared.add_coupon(code, percentage, days)
    }

    /// Every order, oldest first, as it stands now.
    #[must_use]
    pub fn orders(&self) -> Vec<OrderView> {
        self.shared.orders()
    }

    /// One order as it stands now, by its id or by the UUID of its page's link.
    #[must_use]
    pub fn order(&self, order_id: &str) -> Option<OrderView> {
        let now = self.shared.now();
        self.shared.world().entry(order_id).map(|entry| OrderView::of(entry, now))
    }

    /// The truth now.
    #[must_use]
    pub fn books(&self) -> Books {
        let now = self.shared.now();
        self.shared.world().books(now)
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.shared.calls()
    }
}
