//! What a simulator needs to start.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::clock::SharedClock;

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
