//! The upstream, simulated: real HTTP on loopback in the contract's shapes, with honest books of its own.
//!
//! It knows nothing of the ledger and of the client on the other side. Every order lives through a [`Fate`], a
//! schedule thrown from the seed; where it stands at an instant is a pure function of the order, of what was done
//! to it by hand and of the time, so a restarted simulator tells the same story. Plans, faults, outages, the shape,
//! the fee and the lifetime are settings of the running simulator and are not remembered; orders, acts, top-ups,
//! spending and coupons are, in [`Settings::store`], before they are answered.
//!
//! `totalCharges` grows at the moment of credit, in whole cents, and never falls: a refund takes its money from the
//! balance alone. `wrong_amount` credits what has arrived.
//!
//! Answers can lag behind the truth ([`SimulatedUpstream::set_lag`]) or lie ([`ListLie`], [`TotalLie`], [`Account`],
//! overlays). [`SimulatedUpstream::books`] and [`SimulatedUpstream::order`] stay true all the same.
//!
//! # By hand, over HTTP
//! On the same listener, in JSON, without a key (the listener is loopback only, and so is the money):
//!
//! | call | body |
//! |---|---|
//! | `GET /sandbox/orders`, `GET /sandbox/orders/{order_id}` | |
//! | `GET /sandbox/books`, `GET /sandbox/calls` | |
//! | `POST /sandbox/orders/{order_id}/pay` | `{"amount_usd"?: "5.00"}`: what arrives now; what is missing, unless said |
//! | `POST /sandbox/orders/{order_id}/act` | `{"act": "see"}`; the words of [`Act`], with their fields beside |
//! | `POST /sandbox/plans` | `{"amount"?: "5.15", "fate": "late"}`; without an amount: every other order |
//! | `POST /sandbox/top-ups` | `{"cents": 500, "method"?: "stripe"}` |
//! | `POST /sandbox/spend` | `{"cents": 500}` |
//! | `POST /sandbox/coupons` | `{"code": "C", "percentage": 10, "days": 30}` |
//! | `POST /sandbox/outage` | `{"on": true, "style"?: "bad_gateway", "unavailable" or "close", "from"?, "to"?: times}` |
//! | `POST /sandbox/faults` | `{"call": "look", "fault": "hang" or {"status": [503, "busy", [["Retry-After", "1"]]]}, "times"?: 1, "order_id"?}` |
//! | `POST /sandbox/faults/clear` | |
//! | `POST /sandbox/shape` | [`Shape`] |
//! | `POST /sandbox/lag` | `{"source": "status", "list" or "total", "lag": "none", {"fixed": D} or {"up_to": D}}`; D is `{"secs": 60, "nanos": 0}` |
//! | `POST /sandbox/lies` | `{"lie": "rows_twice" or {"factor": {"num": 1, "den": 100}}, "times"?: 1}`; the words of [`ListLie`] |
//! | `POST /sandbox/lies/clear` | |
//! | `POST /sandbox/total` | [`TotalLie`], and `"times"?: 1` |
//! | `POST /sandbox/elsewhere` | `{"currency": "USDT", "network": "BSC", "amount": "10", "fate"?: "exact"}`: somebody else's order |
//! | `POST /sandbox/orders/{order_id}/overlay` | fields for the `body` of every look at it, digit for digit; `null` removes one |
//! | `POST /sandbox/orders/{order_id}/overlay/clear` | also takes the body below back |
//! | `POST /sandbox/orders/{order_id}/body` | the whole answer to every look at it, byte for byte |
//! | `POST /sandbox/next-wallet` | `{"overlay"?: fields, "address"?: text, "order_id"?: text, "share_address"?: true}` |
//! | `POST /sandbox/account` | [`Account`] |
//! | `POST /sandbox/truth` | takes back everything from `lag` to here |

mod address;
mod answers;
mod calls;
mod control;
mod control_lies;
mod fate;
mod faults;
mod figures;
mod http;
mod lag;
mod lies;
mod list;
mod order;
mod overlay;
pub(in crate::sandbox) mod rng;
mod serve;
mod shared;
mod store;
mod untruths;
mod world;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use answers::{ErrorAt, IdField, Shape, StatusAt};
pub use calls::{Calls, LoggedCall};
pub use fate::{Action, Fate, Figures};
pub use faults::{Call, Fault, OutageStyle};
pub use lag::{Lag, Source};
pub use lies::{AccountLie, AmountStyle, ListLie, TotalLie};
pub use world::{ActError, Books, Credit};

use crate::clock::SharedClock;
use crate::domain::asset::Asset;
use crate::domain::money::{Amount, UsdMicros};
use crate::domain::time::Timestamp;
use order::Entry;
use shared::Shared;

/// What a simulator needs to start.
#[derive(Clone)]
pub struct SimulatorSettings {
    /// Where to listen: a loopback address; port 0 takes any.
    pub listen: SocketAddr,
    /// The one account that exists.
    pub user_id: String,
    /// Its key.
    pub api_key: String,
    /// Whose time it is.
    pub clock: SharedClock,
    /// What every chance is thrown from.
    pub seed: u64,
    /// Where orders and acts are remembered; nowhere without it.
    pub store: Option<PathBuf>,
}

impl std::fmt::Debug for SimulatorSettings {
    /// Without the key: it opens nothing real, but habits do.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .field("user_id", &self.user_id)
            .field("seed", &self.seed)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

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
    /// Made by somebody else on the account: see [`SimulatedUpstream::order_elsewhere`].
    pub elsewhere: bool,
}

/// A running simulator. Copies share it; it stops with the last of them, or by [`SimulatedUpstream::stop`].
#[derive(Clone)]
pub struct SimulatedUpstream {
    shared: Arc<Shared>,
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
        let shared = Arc::new(Shared::open(&settings)?);
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
    /// did not get its answer, and has shown its address to nobody. By hand they can be paid at any time.
    pub fn set_payers_wait(&self, on: bool) {
        self.shared.world().payers_wait = on;
    }

    /// Chooses among what the contract leaves open.
    pub fn set_shape(&self, shape: Shape) {
        self.shared.world().shape = shape;
    }

    /// How long wallets live that are made from now on; one hour at first. Fates scale with it.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.shared.world().lifetime = lifetime;
    }

    /// A fee on wallets made from now on: with 3, the contract's `amountInUSD` of 5.00 for 5.15.
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

    /// Does something to an order by hand.
    ///
    /// # Errors
    /// [`ActError`]; then nothing has happened.
    pub fn act(&self, order_id: &str, act: Action) -> Result<(), ActError> {
        let now = self.shared.now();
        self.shared.world().act(order_id, now, act)
    }

    /// Somebody tops the account up by other means: an invoice that is none of ours, credited at once.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn top_up_elsewhere(&self, cents: i64, method: &str) -> io::Result<()> {
        self.shared.top_up_elsewhere(cents, method)
    }

    /// The customer buys services.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn spend(&self, cents: i64) -> io::Result<()> {
        self.shared.spend(cents)
    }

    /// Moves the account's figures without any invoice: history from before the first order, drift, gifts.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn adjust(&self, balance_cents: i64, total_charges_cents: i64) -> io::Result<()> {
        self.shared.adjust(balance_cents, total_charges_cents, false)
    }

    /// The account receives a coupon, good for `days` from now; may be used more than once until then.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn add_coupon(&self, code: &str, percentage: u8, days: u32) -> io::Result<()> {
        self.shared.add_coupon(code, percentage, days)
    }

    /// Every order, oldest first, as it stands now.
    #[must_use]
    pub fn orders(&self) -> Vec<OrderView> {
        self.shared.orders()
    }

    /// One order as it stands now.
    #[must_use]
    pub fn order(&self, order_id: &str) -> Option<OrderView> {
        let now = self.shared.now();
        self.shared.world().entry(order_id).map(|entry| Self::view(entry, now))
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

    fn view(entry: &Entry, at: Timestamp) -> OrderView {
        let (order, standing) = (&entry.order, entry.standing(at));
        OrderView {
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
