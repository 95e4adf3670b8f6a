//! A mail server: the way to it, the conversation with it, and the connections that are kept.

mod endpoint;
mod message;
mod progress;
mod server;

pub(super) use self::endpoint::Endpoint;
pub(super) use self::server::{RESTING, Server};
