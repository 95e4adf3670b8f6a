//! What every command starts from: the configuration, the ledger to read, the daemon to ask, the clock, the output.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::client::Client;
use super::exit::CommandFailure;
use super::output::{Output, say};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, Config};
use crate::ledger::{self, Access, Ledger, LedgerSettings};

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

    /// The file that `--config` names.
    pub(super) fn named(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Has everything from here on go by this configuration.
    pub(super) fn go_by(&mut self, file: &Path) {
        self.file = Some(file.to_owned());
    }

    /// The configuration; secrets are not read.
    pub(super) fn config(&self) -> Result<Config, CommandFailure> {
        config::load(self.file.as_deref()).map_err(CommandFailure::usage)
    }

    /// The ledger for reading: while the daemon runs, while it is stopped, for whoever may read the file.
    pub(super) async fn ledger(&self) -> Result<Ledger, CommandFailure> {
        let config = self.config()?;
        if let Some(warning) = missing_log(&config) {
            say(format_args!("depositd: warning: {warning}"));
        }
        open(&config).await
    }

    /// The way to the daemon.
    pub(super) fn client(&self) -> Result<Client, CommandFailure> {
        Ok(Client::new(self.config()?.api, Arc::clone(&self.clock)))
    }
}

/// What is said of a ledger whose log is not beside it. Asked before it is opened: SQLite may make an empty one.
pub(super) fn missing_log(config: &Config) -> Option<String> {
    let path = &config.ledger.path;
    ledger::is_without_log(path).then(|| {
        let path = path.display();
        format!(
            "{path} has no {path}-wal beside it: if it was copied or mounted by itself while the daemon ran, the latest \
             events are missing in it; mount the whole folder, or make a copy with `depositd backup`"
        )
    })
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
