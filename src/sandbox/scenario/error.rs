//! Why the scenario could not run.

use std::io;
use std::path::{Path, PathBuf};

use crate::{config, daemon, flow, ledger};

/// Why it could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for cannot be.
    #[error("{0}")]
    Usage(String),
    /// The daemon's configuration in the folder does not fit.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// A file of the folder could not be used.
    #[error("{doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Nobody can hear it.
    #[error("the story cannot be printed")]
    Print(#[from] io::Error),
    /// The daemon did not start, or could not go on.
    #[error(transparent)]
    Daemon(#[from] daemon::Error),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// A request of the scenario was not accepted.
    #[error("deposit {name} was not accepted")]
    Request {
        /// Whose.
        name: String,
        /// Why.
        #[source]
        source: flow::OpenError,
    },
    /// The books could not be compared.
    #[error(transparent)]
    Reconcile(#[from] flow::ReconcileFailed),
}

impl Error {
    /// What was tried on `path`, for an error that says why it failed.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
