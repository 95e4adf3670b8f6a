//! The upstream, simulated: real HTTP on loopback in the contract's shapes, with honest books of its own.
//!
//! It knows nothing of the ledger and of the client on the other side. Every order lives through a [`Fate`], a
//! schedule thrown from the seed; where it stands at an instant is a pure function of the order, of what was done
//! to it by hand and of the time, so a restarted simulator tells the same story. Plans, faults, outages, the shape,
//! the fee and the lifetime are settings of the running simulator and are not remembered; orders, acts, top-ups,
//! spending and coupons are, in [`SimulatorSettings::store`], before they are answered.
//!
//! `totalCharges` grows at the moment of credit, in whole cents, and never falls: a refund takes its money from the
//! balance alone. `wrong_amount` credits what has arrived.
//!
//! Answers can lag behind the truth ([`SimulatedUpstream::set_lag`]) or lie ([`ListLie`], [`TotalLie`], [`AccountLie`],
//! overlays). [`SimulatedUpstream::books`] and [`SimulatedUpstream::order`] stay true all the same.
//!
//! Besides wallets, orders are made that a payment page (`PUT .../cryptomus/invoice/{amount}`) or a card
//! (`PUT .../pay4bit/invoice/{amount}`) pays ([`OrderMethod`]). Their answer is a link and says no id; what the
//! contract leaves open of them is a [`LinkShape`].
//!
//! # By hand, over HTTP
//! On the same listener, in JSON, without a key (the listener is loopback only, and so is the money). The `{order_id}`
//! of a page may also be the UUID of its link:
//!
//! | call | body |
//! |---|---|
//! | `GET /sandbox/orders`, `GET /sandbox/orders/{order_id}` | |
//! | `GET /sandbox/books`, `GET /sandbox/calls` | |
//! | `POST /sandbox/orders/{order_id}/pay` | `{"amount_usd"?: "5.00"}`: what arrives now; what is missing, unless said |
//! | `POST /sandbox/orders/{order_id}/act` | `{"act": "see"}`; the words of [`Action`], with their fields beside |
//! | `POST /sandbox/plans` | `{"amount"?: "5.15", "fate": "late"}`; without an amount: every other order |
//! | `POST /sandbox/top-ups` | `{"cents": 500, "method"?: "stripe"}` |
//! | `POST /sandbox/spend` | `{"cents": 500}` |
//! | `POST /sandbox/coupons` | `{"code": "C", "percentage": 10, "days": 30}` |
//! | `POST /sandbox/outage` | `{"on": true, "style"?: "bad_gateway", "unavailable" or "close", "from"?, "to"?: times}` |
//! | `POST /sandbox/faults` | `{"call": "look", "fault": "hang" or {"status": [503, "busy", [["Retry-After", "1"]]]}, "times"?: 1, "order_id"?}`; the words of [`Call`] and [`Fault`] |
//! | `POST /sandbox/faults/clear` | |
//! | `POST /sandbox/shape` | [`Shape`] |
//! | `POST /sandbox/links` | [`LinkShape`] |
//! | `POST /sandbox/lag` | `{"source": "status", "list" or "total", "lag": "none", {"fixed": D} or {"up_to": D}}`; D is `{"secs": 60, "nanos": 0}` |
//! | `POST /sandbox/lies` | `{"lie": "rows_twice" or {"factor": {"num": 1, "den": 100}}, "times"?: 1}`; the words of [`ListLie`] |
//! | `POST /sandbox/lies/clear` | |
//! | `POST /sandbox/total` | [`TotalLie`], and `"times"?: 1` |
//! | `POST /sandbox/elsewhere` | `{"currency": "USDT", "network": "BSC", "amount": "10", "fate"?: "exact"}`: somebody else's order |
//! | `POST /sandbox/orders/{order_id}/overlay` | fields for the `body` of every look at it, digit for digit; `null` removes one |
//! | `POST /sandbox/orders/{order_id}/overlay/clear` | also takes the body below back |
//! | `POST /sandbox/orders/{order_id}/body` | the whole answer to every look at it, byte for byte |
//! | `POST /sandbox/next-wallet` | `{"overlay"?: fields, "address"?: text, "order_id"?: text, "share_address"?: true}` |
//! | `POST /sandbox/next-link` | `{"url": "http://elsewhere.example/"}`: the next page or card is answered with this text |
//! | `POST /sandbox/account` | [`AccountLie`] |
//! | `POST /sandbox/truth` | takes back everything from `lag` to here |

mod address;
mod answers;
mod calls;
mod control;
mod fate;
mod faults;
mod figures;
mod http;
mod lag;
mod lies;
mod link;
mod link_shape;
mod list;
mod making;
mod order;
mod order_view;
mod overlay;
mod perform;
pub(in crate::sandbox) mod rng;
mod serve;
mod settings;
mod shape;
mod simulator;
mod state;
mod store;
mod untruths;
mod world;

pub use self::calls::{Calls, LoggedCall};
pub use self::fate::{Action, Fate, Figures};
pub use self::faults::{Call, Fault, OutageStyle};
pub use self::lag::{Lag, Source};
pub use self::lies::{AccountLie, AmountStyle, ListLie, TotalLie};
pub use self::link_shape::{CardRowId, LinkShape, LinkUnit, OrderMethod, PageRowId, RowFactor, RowsAt};
pub use self::order_view::OrderView;
pub use self::settings::SimulatorSettings;
pub use self::shape::{ErrorAt, IdField, Shape, StatusAt};
pub use self::simulator::SimulatedUpstream;
pub use self::world::{ActError, Books, Credit};
