//! Where the pages are, and why they cannot be there.

use std::net::SocketAddr;

use crate::api;

/// `[page]`
#[derive(Debug, Clone)]
pub struct PageSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What people type: scheme, host and port.
    pub public_url: Option<String>,
}

/// The address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("page.listen: the pages cannot be at {address}")]
pub struct Error {
    /// As it was configured.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: api::Error,
}
