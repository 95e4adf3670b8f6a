//! How callers reach the API: sockets, a bounded number of connections, and limits on time and on changes under way.

mod concurrency_limit;
mod connection_slots;
mod connections;
mod listener;
mod write_timeout;

pub(super) use self::concurrency_limit::ConcurrencyLimit;
pub(super) use self::connections::{ServerContext, serve};
pub(crate) use self::listener::Listener;
pub use self::listener::{TriedPlace, try_place};
