//! A mail server: the way to it, the conversation with it, and the connections that are kept.
//!
//! A client of its own: lettre reads answers as UTF-8 and takes a letter whose "accepted" is Latin-1 for lost
//! (docs/design/decisions.md). Messages are lettre's.

mod capabilities;
mod connection;
mod endpoint;
mod hello;
mod message;
mod pool;
mod progress;
mod refusals;
mod reply;
mod server;
mod tls;

pub(super) use self::endpoint::Endpoint;
pub use self::hello::parse_hello;
pub(super) use self::server::{RESTING, Server};
