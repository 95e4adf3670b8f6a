//! Where the API listens, who may do what there, and why the API cannot start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{GroupConfig, Listen, NamedToken};

/// `[api]`
#[derive(Debug, Clone, Default)]
pub struct ApiSettings {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// What TCP callers may show: one of these.
    pub tokens: Vec<NamedToken>,
    /// Who may do what at the unix socket; everybody may do everything there where this is empty.
    pub groups: Vec<GroupConfig>,
    /// Where copies of the ledger may be asked for; nowhere without it.
    pub backup_dir: Option<PathBuf>,
}

/// Why the API cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Anybody on the machine, or the network, could ask for anything.
    #[error("the API listens on {address} and has no token; set api.token_file, or write [[api.tokens]]")]
    NoToken {
        /// The TCP address.
        address: SocketAddr,
    },
    /// The address cannot be used.
    #[error("the API cannot listen on {address}")]
    Bind {
        /// As it was configured.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another daemon answers there.
    #[error("the API cannot listen on unix:{path}: another program answers there", path = .path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket stands in the way, and is not removed.
    #[error("the API cannot listen on unix:{path}: that is a file, and no socket", path = .path.display())]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// True where somebody has the place already.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        match self {
            Self::InUse { .. } => true,
            Self::Bind { source, .. } => source.kind() == io::ErrorKind::AddrInUse,
            Self::NoToken { .. } | Self::NotASocket { .. } => false,
        }
    }
}
