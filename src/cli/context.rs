//! What every command starts from: the configuration, the ledger to read, the daemon to ask, the clock, the output.

use std::path::PathBuf;
use std::sync::Arc;

use super::client::Client;
use super::exit::CommandFailure;
use super::output::Output;
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, Config};
use crate::ledger::{Access, Ledger, LedgerSettings};

/// What a command works with.
#[derive(Debug)]
pub(super) struct Context {
    file: Option<PathBuf>,
    /// Standard output.
    pub(super) out: Output,
    /// The time.
    pub(super) clock: SharedClock,
}

impl Context {
    /// For a command that was given `--config` and `--json` like this.
    pub(super) fn new(file: Option<PathBuf>, json: bool) -> Self {
        Self { file, out: Output::new(json), clock: Arc::new(SystemClock::new()) }
    }

    /// The configuration; secrets are not read.
    pub(super) fn config(&self) -> Result<Config, CommandFailure> {
        config::load(self.file.as_deref()).map_err(CommandFailure::usage)
    }

    /// The ledger for reading: while the daemon runs, while it is stopped, for whoever may read the file.
    pub(super) async fn ledger(&self) -> Result<Ledger, CommandFailure> {
        open(&self.config()?).await
    }

    /// The way to the daemon.
    pub(super) fn client(&self) -> Result<Client, CommandFailure> {
        Ok(Client::new(self.config()?.api, Arc::clone(&self.clock)))
    }
}

/// Opens the configured ledger for reading.
pub(super) async fn open(config: &Config) -> Result<Ledger, CommandFailure> {
    // Readers write no mail: the domain of Message-IDs does not matter to them.
    let settings = LedgerSettings {
        path: config.ledger.path.clone(),
        create_if_missing: false,
        mail_domain: "localhost".to_owned(),
    };
    Ok(Ledger::open(settings, Access::Read).await?)
}
